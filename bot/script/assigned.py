"""Which variables a script gives values during the call."""

from __future__ import annotations

from collections.abc import Iterator
from typing import assert_never

from bot.script.language import (
    AskBack,
    AskOut,
    Assign,
    Block,
    Branch,
    CallWebhook,
    Collect,
    Compute,
    Converse,
    End,
    Goto,
    Label,
    Listen,
    PutThrough,
    Say,
    Script,
    SendEmail,
)


def assigned_in(block: Block) -> Iterator[str]:
    """The variables that a block may set, in order."""
    match block:
        case Collect() | Assign() | Compute():
            yield block.into
        case CallWebhook():
            yield from block.into
        case Converse():
            yield from block.tools.collect
        case Listen():
            yield from (choice.into for choice in block.values)
        case Say() | Label() | Goto() | AskOut() | AskBack() | PutThrough() | Branch() | SendEmail() | End():
            return
        case _:
            assert_never(block)


def assigned_names(script: Script) -> tuple[str, ...]:
    """The variables that the blocks of a script may set, each once."""
    return tuple(dict.fromkeys(name for _, block in script.blocks() for name in assigned_in(block)))
