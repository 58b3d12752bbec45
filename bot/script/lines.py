"""Every line of a script as it would be said, to be listened to before launch."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime

from bot.errors import BotError
from bot.script.assigned import assigned_names
from bot.script.language import Block, Collect, Converse, Listen, Say, Script
from bot.script.placeholders import names_in, pieces
from bot.script.rendering import CALL_BACK_AT, HEARD
from bot.script.texts import block_texts, texts
from bot.script.variables import Variables
from bot.understanding.forms import ValueForm


@dataclass(frozen=True)
class ScriptLine:
    """One sentence; `audio` names the recording that is played instead of a voice.

    `unknown` holds the variables that only a call gives a value, for which none was given: `text` is then as the
    script has it.
    """

    step: str
    text: str
    audio: str | None = None
    unknown: tuple[str, ...] = ()


def lines_of(
    script: Script, given: Mapping[str, str], *, now: datetime, time_zone: str, step: str | None = None
) -> tuple[ScriptLine, ...]:
    """The lines of one step, or of all steps and then of what may be said at any moment; each once.

    `given` may hold values of a call beside the contact's. Raises `MissingVariables`, `BotError` for an unknown step.
    """
    if step is not None and step not in script.steps:
        raise BotError(f"{script.file}: there is no step {step!r}; known are {', '.join(script.steps)}")
    variables = _variables(script, given, now, time_zone)
    unknown = ({CALL_BACK_AT, HEARD} | set(assigned_names(script))) - given.keys()
    chosen = {
        line: None
        for found, text, audio in _texts(script, step)
        for line in _said(found, text, audio, variables, unknown)
    }
    return tuple(chosen)


def _variables(script: Script, given: Mapping[str, str], now: datetime, time_zone: str) -> Variables:
    variables = Variables(script, given, now, time_zone)
    forms = {name: form for _, block in script.blocks() for name, form in _forms(block)}
    declared = {variable.name for variable in script.variables}
    for name, value in given.items():
        if name not in declared:
            variables.set(name, value, forms.get(name))
    return variables


def _forms(block: Block) -> Iterator[tuple[str, ValueForm]]:
    match block:
        case Collect():
            yield block.into, block.form
        case Listen():
            yield from ((value.into, value.form) for value in block.values)
        case Converse():
            yield from block.tools.collect.items()
        case _:
            return


def _texts(script: Script, step: str | None) -> Iterator[tuple[str, str, str | None]]:
    """Step, text and recording of all that is said; what belongs to no step comes last, without one."""
    within: set[str] = set()
    for owner, block in script.blocks():
        for text, _ in block_texts(block):
            within.add(text)
            if step in (None, owner.name):
                yield owner.name, text, block.audio if isinstance(block, Say) else None
    if step is None:
        yield from (("", text, None) for text, _ in texts(script) if text not in within)


def _said(step: str, text: str, audio: str | None, variables: Variables, unknown: set[str]) -> Iterator[ScriptLine]:
    if audio is not None:
        yield ScriptLine(step, text, audio)
        return
    for piece in pieces(text):
        missing = tuple(name for name in dict.fromkeys(names_in(piece)) if name in unknown)
        if missing:
            yield ScriptLine(step, piece, unknown=missing)
        else:
            yield from (ScriptLine(step, sentence) for sentence in variables.spoken(piece))
