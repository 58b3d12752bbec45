"""Checks a whole script: what its steps refer to, whether each can be reached, and whether it can hang."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

from bot.script.codes import settable
from bot.script.language import AskBack, Block, BuiltIn, End, Goto, Label, Listen, PutThrough, Say, Script, Step
from bot.script.nodes import Reader, suggestion
from bot.script.rendering import RUNTIME_VARIABLES, malformed, placeholders

Text = tuple[str, int]
#: Blocks that say what comes next.
_LAST = Goto | End | Listen | PutThrough


def check(script: Script, reader: Reader) -> None:
    """Note every mistake that only the whole script shows in `reader`."""
    _check_targets(script, reader)
    _check_intents(script, reader)
    _check_codes(script, reader)
    _check_transfers(script, reader)
    _check_texts(script, reader)
    for step in script.steps.values():
        _check_shape(step, reader)
    _check_reach(script, reader)
    _check_loops(script, reader)


def texts(script: Script) -> Iterator[Text]:
    """Every text the bot can say, with its line, in the order of the file."""
    for _, block in script.blocks():
        yield from block_texts(block)
    for question in script.questions:
        yield question.answer, question.line
    for line in script.silence.say:
        yield line, script.silence.line
    for rule in script.machines.values():
        if rule.message is not None:
            yield rule.message, rule.line
    for person in script.transfers.values():
        if person.whisper is not None:
            yield person.whisper, person.line


def block_texts(block: Block) -> Iterator[Text]:
    """The texts of one block."""
    match block:
        case Say(text=text, line=line):
            yield text, line
        case AskBack(ask=ask, line=line):
            yield from ((text, line) for text in ask)
        case Listen():
            if block.ask is not None:
                yield block.ask, block.line
            yield from ((text, block.line) for text in block.reprompt)
            if block.silence is not None:
                yield from ((text, block.silence.line) for text in block.silence.say)
        case _:
            return


def _targets(script: Script) -> Iterator[tuple[Step | None, Goto]]:
    """Every reference to a step, with the step that makes it (None: the script's head)."""
    for step, block in script.blocks():
        yield from ((step, target) for target in block_targets(block))
    yield from ((None, target) for target in _head_targets(script))


def _head_targets(script: Script) -> Iterator[Goto]:
    yield Goto(script.start, 1)
    yield from script.handlers.values()
    if script.silence.goto is not None:
        yield Goto(script.silence.goto, script.silence.line)


def block_targets(block: Block) -> Iterator[Goto]:
    """The steps that a block may lead to."""
    if isinstance(block, Goto):
        yield block
    if isinstance(block, PutThrough) and block.otherwise is not None:
        yield block.otherwise
    if isinstance(block, Listen):
        yield from (Goto(choice.step, choice.line) for choice in block.choices)
        yield from block.keys.values()
        if block.otherwise is not None:
            yield block.otherwise
        if block.silence is not None and block.silence.goto is not None:
            yield Goto(block.silence.goto, block.silence.line)


def _check_targets(script: Script, reader: Reader) -> None:
    known = [name for name in script.steps if not name.startswith("_")]
    seen: set[Goto] = set()
    for _, target in _targets(script):
        if target.step and target.step not in script.steps and target not in seen:
            seen.add(target)
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
        if isinstance(block, Label) and block.code and block.code not in known:
            remedy = f"Declare it under `codes:`. {suggestion(block.code, known)}"
            reader.wrong(block.line, f"code `{block.code}` is not declared", remedy)


def _check_transfers(script: Script, reader: Reader) -> None:
    for _, block in script.blocks():
        if isinstance(block, PutThrough) and block.to and block.to not in script.transfers:
            remedy = f"Give it a number under `transfers:`. {suggestion(block.to, script.transfers)}"
            reader.wrong(block.line, f"there is no transfer `{block.to}`", remedy)


def _check_texts(script: Script, reader: Reader) -> None:
    known = {variable.name for variable in script.variables} | RUNTIME_VARIABLES
    whispers = {(whom.whisper, whom.line): f" in the whisper of `{name}`" for name, whom in script.transfers.items()}
    for text, line in dict.fromkeys(texts(script)):
        broken = malformed(text)
        if broken is not None:
            where = whispers.get((text, line), " in a text")
            reader.wrong(line, f"`{broken}`{where} is no variable", "Write {name}, or {{ and }} for braces")
        for name in placeholders(text) if broken is None else ():
            if name not in known:
                remedy = f"Declare it under `variables:`. {suggestion(name, known)}"
                reader.wrong(line, f"undefined variable `{name}`{whispers.get((text, line), '')}", remedy)


def _check_shape(step: Step, reader: Reader) -> None:
    """A step ends with a block that says what comes next, and with none before."""
    if not step.blocks:
        reader.wrong(step.line, f"step `{step.name}` is empty", "Add blocks, or remove the step")
        return
    for block, follower in pairwise(step.blocks):
        if isinstance(block, _LAST):
            reader.wrong(
                follower.line,
                f"unreachable block in step `{step.name}`",
                "Move it up, or remove it",
            )
            return
    if not isinstance(step.blocks[-1], _LAST):
        reader.wrong(
            step.blocks[-1].line,
            f"step `{step.name}` does not say what comes next",
            "Add goto, listen, transfer or end",
        )


def _check_reach(script: Script, reader: Reader) -> None:
    reached: set[str] = set()
    waiting = [target.step for target in _head_targets(script)]
    while waiting:
        name = waiting.pop()
        if name in reached or name not in script.steps:
            continue
        reached.add(name)
        waiting += [target.step for block in script.steps[name].blocks for target in block_targets(block)]
    for step in script.steps.values():
        if step.name not in reached:
            reader.wrong(step.line, f"unreachable step `{step.name}`", "Lead to it from another step, or remove it")


def _check_loops(script: Script, reader: Reader) -> None:
    """Following goto blocks and failed transfers alone must come to a listen or an end."""
    for step in script.steps.values():
        trail = [step.name]
        while (target := _next_unheard(script, trail[-1])) is not None and target not in trail:
            trail.append(target)
        if target == step.name and step.name == min(trail):
            path = " → ".join([*trail, step.name])
            reader.wrong(step.line, f"loop without listen: {path}", "Listen in one of these steps, or end")


def _next_unheard(script: Script, name: str) -> str | None:
    step = script.steps.get(name)
    last = step.blocks[-1] if step and step.blocks else None
    if isinstance(last, PutThrough):
        last = last.otherwise
    return last.step if isinstance(last, Goto) else None
