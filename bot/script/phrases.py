"""The fixed sentences of a script, to be synthesised before the call."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from bot.script.assigned import assigned_names
from bot.script.language import BuiltIn, Converse, Say, Script
from bot.script.placeholders import pieces
from bot.script.prompts import default_lines
from bot.script.rendering import LANGUAGE, RUNTIME_VARIABLES, Speech, placeholders, spoken
from bot.script.texts import texts
from bot.script.variables import fill_variables


def phrases(script: Script, variables: Mapping[str, str]) -> list[str]:
    """Every sentence that a call with these variables may say, in the order of the script, each once.

    Sentences that hold a value known only in the call (`{call_back_at}`, what is collected, assigned, computed or
    fetched) are left out; their fixed neighbours are not. Raises `MissingVariables`.
    """
    filled = fill_variables(script, variables)
    speech = Speech(script.language, script.currency)
    unknown = (RUNTIME_VARIABLES - {LANGUAGE}).union(assigned_names(script))
    return _unique(
        line
        for sentence in _source_sentences(script)
        if not unknown.intersection(placeholders(sentence))
        for line in spoken(sentence, filled, speech=speech)
    )


def static_phrases(script: Script) -> list[str]:
    """The sentences without any variable: the same in every call."""
    return _unique(
        line for sentence in _source_sentences(script) if not placeholders(sentence) for line in spoken(sentence, {})
    )


def _source_sentences(script: Script) -> Iterator[str]:
    recorded = {block.text for _, block in script.blocks() if isinstance(block, Say) and block.audio is not None}
    for text, _ in texts(script):
        if text not in recorded:
            yield from pieces(text)
    yield from _built_in(script)


def _built_in(script: Script) -> Iterator[str]:
    """What is said where the script is silent about it."""
    lines = default_lines(script.language)
    if BuiltIn.PERSON not in script.handlers:
        yield from pieces(lines.no_person)
    if any(isinstance(block, Converse) and block.fallback is None for _, block in script.blocks()):
        yield from pieces(lines.say_again)


def _unique(found: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(found))
