"""Where the steps of a script lead: which can be reached, and which lead to each other without listening."""

from __future__ import annotations

from collections.abc import Iterator

from bot.script.language import (
    Block,
    Branch,
    CallWebhook,
    Collect,
    Converse,
    End,
    Goto,
    Listen,
    PutThrough,
    Script,
    Silence,
    Step,
)


def is_last(block: Block) -> bool:
    """Whether a block always says what comes next, so that none can follow."""
    if isinstance(block, Branch):
        return block.then is not None and block.otherwise is not None
    return isinstance(block, Goto | End | Listen | PutThrough | Converse)


def block_targets(block: Block) -> Iterator[Goto]:
    """The steps that a block may lead to."""
    match block:
        case Goto():
            yield block
        case PutThrough() | CallWebhook():
            yield from _given(block.otherwise)
        case Branch():
            yield from _given(block.then, block.otherwise)
        case Collect():
            yield from _given(block.otherwise, _after(block.silence))
        case Converse():
            yield from (Goto(step, block.line) for step in block.tools.steps)
            yield from _given(block.otherwise, _after(block.silence))
        case Listen():
            yield from (Goto(choice.step, choice.line) for choice in block.choices)
            yield from (Goto(choice.step, choice.line) for choice in block.values)
            yield from block.keys.values()
            yield from _given(block.otherwise, _after(block.silence))
        case _:
            return


def head_targets(script: Script) -> Iterator[Goto]:
    """The steps that something outside the steps leads to."""
    yield Goto(script.start, 1)
    yield from script.handlers.values()
    yield from _given(_after(script.silence))


def _given(*targets: Goto | None) -> Iterator[Goto]:
    return (target for target in targets if target is not None)


def _after(silence: Silence | None) -> Goto | None:
    return None if silence is None or silence.goto is None else Goto(silence.goto, silence.line)


def reached(script: Script) -> set[str]:
    """The steps that a call can come to."""
    found: set[str] = set()
    waiting = [target.step for target in head_targets(script)]
    while waiting:
        name = waiting.pop()
        if name in found or name not in script.steps:
            continue
        found.add(name)
        waiting += [target.step for block in script.steps[name].blocks for target in block_targets(block)]
    return found


def loops(script: Script) -> Iterator[list[str]]:
    """Steps that lead to each other, whatever is said, without ever listening or ending; each loop once."""
    onward = {name: _unheard(script, step) for name, step in script.steps.items()}
    ending = {name for name, targets in onward.items() if targets is None}
    while more := {
        name
        for name, targets in onward.items()
        if name not in ending and targets is not None and (ending & set(targets) or not targets <= onward.keys())
    }:
        ending |= more
    for name in script.steps:
        trail = [name]
        while trail[-1] not in ending and (targets := onward[trail[-1]]):
            following = min(targets, key=list(script.steps).index)
            if following in trail:
                if following == name and name == min(trail):
                    yield trail
                break
            trail.append(following)


def _unheard(script: Script, step: Step) -> set[str] | None:
    """The steps that follow without anything being heard, None when it comes to a listen or an end."""
    found: set[str] = set()
    for block in step.blocks:
        match block:
            case Listen() | Collect() | Converse() | End():
                return None
            case PutThrough(otherwise=None):
                return None
            case Goto() | PutThrough() | Branch() | CallWebhook():
                found |= {target.step for target in block_targets(block)}
            case _:
                continue
        if is_last(block):
            return found
    return None
