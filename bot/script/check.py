"""Checks a whole script: what its steps refer to, whether each can be reached, and whether it can hang."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import pairwise
from pathlib import Path

from bot.script.assigned import assigned_names
from bot.script.codes import settable
from bot.script.expressions import parse
from bot.script.language import (
    Block,
    Branch,
    BuiltIn,
    Compute,
    Condition,
    Converse,
    Goto,
    Label,
    Listen,
    PutThrough,
    Say,
    Script,
    Step,
)
from bot.script.nodes import Reader, suggestion
from bot.script.placeholders import Malformed, found_in, names_in, plural_forms, wrong_part
from bot.script.rendering import RUNTIME_VARIABLES
from bot.script.targets import block_targets, head_targets, is_last, loops, reached
from bot.script.texts import header_texts, texts, written_texts

__all__ = ["check", "check_recordings", "known_variables", "texts"]


def check(script: Script, reader: Reader) -> None:
    """Note every mistake that only the whole script shows in `reader`."""
    _check_targets(script, reader)
    _check_intents(script, reader)
    _check_codes(script, reader)
    _check_transfers(script, reader)
    _check_texts(script, reader)
    _check_expressions(script, reader)
    for step in script.steps.values():
        _check_shape(step, reader)
    _check_reach(script, reader)
    _check_loops(script, reader)


def check_recordings(script: Script, folder: Path, reader: Reader) -> None:
    """Note every recording that does not lie where the script is."""
    for _, block in script.blocks():
        if isinstance(block, Say) and block.audio is not None and not (folder / block.audio).is_file():
            reader.wrong(block.line, f"there is no recording `{block.audio}`", "Put the file beside the script")


def _targets(script: Script) -> Iterator[Goto]:
    for _, block in script.blocks():
        yield from block_targets(block)
    yield from head_targets(script)


def _check_targets(script: Script, reader: Reader) -> None:
    known = [name for name in script.steps if not name.startswith("_")]
    for target in dict.fromkeys(_targets(script)):
        if target.step and target.step not in script.steps:
            reader.wrong(target.line, f"there is no step `{target.step}`", suggestion(target.step, known))


def _check_intents(script: Script, reader: Reader) -> None:
    known = {*script.intents, *BuiltIn}
    for _, block in script.blocks():
        if isinstance(block, Listen):
            for choice in block.choices:
                if choice.intent not in known:
                    reader.wrong(choice.line, f"there is no intent `{choice.intent}`", suggestion(choice.intent, known))


def _check_codes(script: Script, reader: Reader) -> None:
    known = settable(script.codes)
    for _, block in script.blocks():
        named = (block.code,) if isinstance(block, Label) else block.tools.codes if isinstance(block, Converse) else ()
        for code in named:
            if code and code not in known:
                remedy = f"Declare it under `codes:`. {suggestion(code, known)}"
                reader.wrong(block.line, f"code `{code}` is not declared", remedy)


def _check_transfers(script: Script, reader: Reader) -> None:
    for _, block in script.blocks():
        named = (block.to,) if isinstance(block, PutThrough) else ()
        for name in block.tools.transfers if isinstance(block, Converse) else named:
            if name and name not in script.transfers:
                remedy = f"Give it a number under `transfers:`. {suggestion(name, script.transfers)}"
                reader.wrong(block.line, f"there is no transfer `{name}`", remedy)


def known_variables(script: Script) -> set[str]:
    """The names that a text or an expression may hold."""
    return {variable.name for variable in script.variables} | RUNTIME_VARIABLES | set(assigned_names(script))


def _check_texts(script: Script, reader: Reader) -> None:
    known = known_variables(script)
    whispers = {(whom.whisper, whom.line): f" in the whisper of `{name}`" for name, whom in script.transfers.items()}
    written = [text for _, block in script.blocks() for text in written_texts(block)]
    headers = {text for _, block in script.blocks() for text in header_texts(block)}
    for text, line in dict.fromkeys([*texts(script), *written, *headers]):
        where = whispers.get((text, line), "")
        wrong = wrong_part(text, secrets=(text, line) in headers)
        if wrong is not None:
            part, remedy = wrong
            reader.wrong(line, f"`{part}`{where or ' in a text'} is no variable", remedy)
            continue
        _check_names(reader, line, names_in(text), known, where)
        _check_plurals(reader, line, text, script.language)


def _check_names(reader: Reader, line: int, names: Iterable[str], known: set[str], where: str = "") -> None:
    for name in names:
        if name not in known:
            remedy = f"Declare it under `variables:`. {suggestion(name, known)}"
            reader.wrong(line, f"undefined variable `{name}`{where}", remedy)


def _check_plurals(reader: Reader, line: int, text: str, language: str) -> None:
    forms = plural_forms(language)
    try:
        places = [place for place in found_in(text) if place.plural]
    except Malformed:
        return
    for place in places:
        if len(place.plural) != len(forms):
            remedy = f"In this language write {len(forms)}: {', '.join(forms)}"
            reader.wrong(line, f"plural of `{place.name}` has {len(place.plural)} words", remedy)


def _check_expressions(script: Script, reader: Reader) -> None:
    known = known_variables(script)
    for _, block in script.blocks():
        for expression in _expressions(block):
            _check_names(reader, block.line, parse(expression).names, known, " in an expression")


def _expressions(block: Block | Condition) -> Iterator[str]:
    match block:
        case Compute():
            yield block.expression
        case Branch():
            yield from _expressions(block.when)
        case Condition():
            for part in block.parts:
                if isinstance(part, Condition):
                    yield from _expressions(part)
                else:
                    yield part
        case _:
            return


def _check_shape(step: Step, reader: Reader) -> None:
    """A step ends with a block that says what comes next, and with none before."""
    if not step.blocks:
        reader.wrong(step.line, f"step `{step.name}` is empty", "Add blocks, or remove the step")
        return
    for block, follower in pairwise(step.blocks):
        if is_last(block):
            reader.wrong(
                follower.line,
                f"unreachable block in step `{step.name}`",
                "Move it up, or remove it",
            )
            return
    if not is_last(step.blocks[-1]):
        reader.wrong(
            step.blocks[-1].line,
            f"step `{step.name}` does not say what comes next",
            "Add goto, listen, transfer or end",
        )


def _check_reach(script: Script, reader: Reader) -> None:
    found = reached(script)
    for step in script.steps.values():
        if step.name not in found:
            reader.wrong(step.line, f"unreachable step `{step.name}`", "Lead to it from another step, or remove it")


def _check_loops(script: Script, reader: Reader) -> None:
    """Whatever is not heard must come to a listen or an end."""
    for trail in loops(script):
        path = " → ".join([*trail, trail[0]])
        reader.wrong(
            script.steps[trail[0]].line, f"loop without listen: {path}", "Listen in one of these steps, or end"
        )
