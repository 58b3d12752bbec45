"""The fixed sentences of a script, to be synthesised before the call."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from bot.script.check import texts
from bot.script.interpreter import fill_variables
from bot.script.language import Script
from bot.script.rendering import RUNTIME_VARIABLES, placeholders, spoken
from bot.speech.sentences import sentences


def phrases(script: Script, variables: Mapping[str, str]) -> list[str]:
    """Every sentence that a call with these variables may say, in the order of the script, each once.

    Sentences that hold a value known only in the call (`{call_back_at}`) are left out; their fixed
    neighbours are not. Raises `MissingVariables`.
    """
    filled = fill_variables(script, variables)
    return _unique(
        line
        for sentence in _source_sentences(script)
        if not RUNTIME_VARIABLES.intersection(placeholders(sentence))
        for line in spoken(sentence, filled)
    )


def static_phrases(script: Script) -> list[str]:
    """The sentences without any variable: the same in every call."""
    return _unique(
        line for sentence in _source_sentences(script) if not placeholders(sentence) for line in spoken(sentence, {})
    )


def _source_sentences(script: Script) -> Iterable[str]:
    for text, _ in texts(script):
        yield from sentences(text)


def _unique(found: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(found))
