"""Measures how well a script understands: with sentences written beside it, or with its own samples held back."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from bot.errors import BotError, ScriptErrors
from bot.script.hearing import model_of
from bot.script.language import BuiltIn, Listen, Script
from bot.script.listening import CALL_BACK_CONFIDENCE
from bot.script.nodes import Reader, compose, key_line, line_of, suggestion
from bot.script.offers import built_in_offers, most_likely, own_offers
from bot.script.test_files import text_of
from bot.understanding.callback import asks_call_back
from bot.understanding.evaluation import NONE, Example, Judge, Judged, folds, judge_all
from bot.understanding.intents import IntentModel, Understood
from bot.understanding.optout import is_opt_out

FOLDS: Final = 5
_RULE: Final = 1.0


@dataclass(frozen=True)
class Question:
    """Where sentences are judged: a listening step and everything that is offered there."""

    step: str
    offered: tuple[str, ...]


def load_sentences(source: Path | str, script: Script, name: str | None = None) -> tuple[Example, ...]:
    """The sentences of a file (`Path`) or of YAML text: intent → sentences, `none` for what means nothing.

    Raises `ScriptErrors` with every mistake, `BotError` for a file that cannot be read.
    """
    file = name or (str(source) if isinstance(source, Path) else "sentences")
    reader = Reader(file)
    known = {*script.intents, *map(str, BuiltIn), NONE}
    offered = {NONE, str(BuiltIn.OPT_OUT), str(BuiltIn.CALL_BACK), *_offered(script)}
    found: list[Example] = []
    for intent, node in reader.mapping(compose(text_of(source, "sentences"), file), "the sentences").items():
        if intent not in known:
            reader.wrong(key_line(intent, node), f"there is no intent `{intent}`", suggestion(intent, known))
        elif intent not in offered:
            reader.wrong(key_line(intent, node), f"no step offers intent `{intent}`", suggestion(intent, offered))
        items = reader.sequence(node, f"sentences of `{intent}`")
        found += [Example(reader.text(item, f"a sentence of `{intent}`"), str(intent), line_of(item)) for item in items]
    if not found and not reader.problems:
        reader.wrong(1, "there is no sentence", "Write an intent with a list of sentences")
    if reader.problems:
        raise ScriptErrors(reader.problems)
    return tuple(found)


def _offered(script: Script) -> set[str]:
    listening = (block for _, block in script.blocks() if isinstance(block, Listen))
    return {intent for block in listening for intent in offered_in(script, block)}


def question_for(script: Script, intent: str) -> Question:
    """The first listening step that offers an intent; for what is understood anywhere, the first of all."""
    listening = [(step.name, block) for step, block in script.blocks() if isinstance(block, Listen)]
    if not listening:
        raise BotError(f"{script.file}: no step listens for anything, so there is nothing to measure")
    asked = [one for one in listening if intent in {choice.intent for choice in one[1].choices}]
    step, block = (asked or listening)[0]
    return Question(step, offered_in(script, block))


def offered_in(script: Script, block: Listen) -> tuple[str, ...]:
    """Every intent that can be understood at a listening step, its own first."""
    return own_offers(script, block) + built_in_offers(script, block)


def judge_of(script: Script, model: IntentModel, question: Question) -> Judge:
    """What a call would understand at a step, however unsure; opt-outs and call-backs go by rule."""
    block = next(block for step, block in script.blocks() if step.name == question.step and isinstance(block, Listen))

    def judge(text: str) -> Understood:
        if is_opt_out(text):
            return Understood(BuiltIn.OPT_OUT.value, _RULE)
        if asks_call_back(text, script.language):
            return Understood(BuiltIn.CALL_BACK.value, CALL_BACK_CONFIDENCE)
        return most_likely(script, block, model, text)

    return judge


def judge_examples(script: Script, examples: tuple[Example, ...]) -> tuple[Judged, ...]:
    """Each example where it would be said."""
    return tuple(_judged(script, model_of(script), examples))


def _judged(script: Script, model: IntentModel, examples: tuple[Example, ...]) -> Iterator[Judged]:
    for example in examples:
        yield from judge_all([example], judge_of(script, model, question_for(script, example.intent)))


def cross_validate(script: Script, count: int = FOLDS) -> tuple[Judged, ...]:
    """The script's own samples, each judged by a model that was trained without it.

    Keywords stay, and those taken from the sample flatter the figures. Raises `BotError` without samples to hold back.
    """
    samples = {name: declared.samples for name, declared in script.intents.items()}
    if not any(len(own) > 1 for own in samples.values()):
        raise BotError(f"{script.file}: no intent has two samples or more, so none can be held back")
    found: list[Judged] = []
    for stay, kept in folds(samples, count):
        reduced = {name: replace(script.intents[name], samples=tuple(own)) for name, own in stay.items()}
        trained = replace(script, intents=reduced)
        held = tuple(Example(text, name) for name, own in kept.items() for text in own)
        found += _judged(script, model_of(trained), held)
    return tuple(found)
