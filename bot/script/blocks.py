"""Reads the steps of a script: each a list of blocks."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

import yaml

from bot.script.asking_blocks import COLLECT_KEYS, LISTEN_KEYS, read_collect, read_listen
from bot.script.context import LIKENESSES, Context, read_intent, read_silence
from bot.script.language import (
    AskBack,
    AskOut,
    Block,
    End,
    Goto,
    IntentDeclaration,
    Label,
    PutThrough,
    Say,
    Silence,
    Step,
)
from bot.script.logic_blocks import IF_KEYS, read_assign, read_compute, read_if
from bot.script.nodes import Node, Reader, key_line, line_of, optional, suggestion
from bot.script.outside_blocks import EMAIL_KEYS, LLM_KEYS, TOOL_KEYS, WEBHOOK_KEYS, read_email, read_llm, read_webhook

__all__ = [
    "COLLECT_KEYS",
    "EMAIL_KEYS",
    "IF_KEYS",
    "LIKENESSES",
    "LISTEN_KEYS",
    "LLM_KEYS",
    "SAY_KEYS",
    "TOOL_KEYS",
    "WEBHOOK_KEYS",
    "BlockReader",
    "read_intent",
    "read_silence",
]

SAY_KEYS: Final = ("text", "interruptible", "audio")
_STEP_NAME: Final = re.compile(r"(?!_)[\w-]+")
#: A recording lies beside the script or below it.
_AUDIO: Final = re.compile(r"(?!\.)[\w-][\w. -]*(/[\w-][\w. -]*)*\.wav")

Read = Callable[[Context, Node, int], Block | tuple[Block, ...]]


@dataclass
class BlockReader:
    """Reads steps; intents written inside a `listen` are added to `intents`."""

    reader: Reader
    intents: dict[str, IntentDeclaration]
    default_silence: Silence
    _context: Context = field(init=False)

    def __post_init__(self) -> None:
        self._context = Context(self.reader, self.intents, self.default_silence)

    def steps(self, node: Node) -> dict[str, Step]:
        """The `steps` section."""
        found: dict[str, Step] = {}
        for name, body in self.reader.mapping(node, "steps").items():
            if not _STEP_NAME.fullmatch(name):
                self.reader.wrong(
                    key_line(name, body), f"step name `{name}` cannot be used", "Use letters, digits, `_` and `-`"
                )
            items = self.reader.sequence(body, f"step `{name}`")
            blocks = tuple(block for item in items for block in self._blocks(item))
            found[name] = Step(name, blocks, key_line(name, body))
        return found

    def _blocks(self, node: Node) -> tuple[Block, ...]:
        line = line_of(node)
        if isinstance(node, yaml.ScalarNode):
            return self._of_kind(node.value.strip(), _empty_like(node), node, line)
        entries = self.reader.mapping(node, "a block")
        if len(entries) > 1:
            extra = ", ".join(f"`{key}`" for key in list(entries)[1:])
            self.reader.wrong(node, f"a block holds one thing, this one also holds {extra}", "Begin each with `- `")
        for kind, value in entries.items():
            return self._of_kind(kind, value, node, line)
        return ()

    def _of_kind(self, kind: str, value: Node, node: Node, line: int) -> tuple[Block, ...]:
        read = KINDS.get(kind)
        if read is None:
            self.reader.wrong(node, f"unknown block `{kind}`", suggestion(kind, KINDS))
            return ()
        found = read(self._context, value, line)
        return found if isinstance(found, tuple) else (found,)


def _empty_like(node: Node) -> yaml.ScalarNode:
    return yaml.ScalarNode("tag:yaml.org,2002:null", "", node.start_mark, node.end_mark)


def _say(context: Context, node: Node, line: int) -> Say:
    reader = context.reader
    if not isinstance(node, yaml.MappingNode):
        return Say(reader.text(node, "say"), line=line)
    entries = reader.mapping(node, "say", SAY_KEYS)
    text, audio = entries.get("text"), context.text(optional(entries, "audio"), "audio of say")
    if text is None:
        reader.wrong(node, "say has no text", "Add `text:`, and put text that begins with `{` between quotes")
    if audio and not _AUDIO.fullmatch(audio):
        reader.wrong(entries["audio"], f"audio of say is `{audio}`", "Name a .wav file beside the script")
    return Say(
        text="" if text is None else reader.text(text, "text of say"),
        interruptible=context.flag(optional(entries, "interruptible"), "interruptible", default=True),
        line=line,
        audio=audio or None,
    )


def _label(context: Context, node: Node, line: int) -> Label:
    return Label(context.reader.text(node, "code"), line)


def _goto(context: Context, node: Node, line: int) -> Goto:
    return Goto(context.reader.text(node, "goto"), line)


def _opt_out(context: Context, node: Node, line: int) -> AskOut:
    _expect_nothing(context.reader, node, "opt_out")
    return AskOut(line)


def _end(context: Context, node: Node, line: int) -> End:
    _expect_nothing(context.reader, node, "end")
    return End(line)


def _expect_nothing(reader: Reader, node: Node, what: str) -> None:
    if not isinstance(node, yaml.ScalarNode) or node.value not in ("", "~", "null", "true"):
        reader.wrong(node, f"{what} takes nothing after it", f"Write `- {what}` alone")


def _call_back(context: Context, node: Node, line: int) -> AskBack:
    if isinstance(node, yaml.ScalarNode):
        _expect_nothing(context.reader, node, "call_back")
        return AskBack(line=line)
    ask = optional(context.reader.mapping(node, "call_back", ("ask",)), "ask")
    return AskBack(context.texts(ask, "ask of call_back"), line)


def _transfer(context: Context, node: Node, line: int) -> PutThrough:
    reader = context.reader
    if not isinstance(node, yaml.MappingNode):
        return PutThrough(reader.text(node, "transfer"), line=line)
    entries = reader.mapping(node, "transfer", ("to", "else"))
    to = entries.get("to")
    if to is None:
        reader.wrong(node, "transfer leads to nobody", "Add `to:` with a name that stands under `transfers:`")
    return PutThrough(
        to="" if to is None else reader.text(to, "to of transfer"),
        otherwise=context.goto(optional(entries, "else"), "else of transfer"),
        line=line,
    )


#: Every block by its name.
KINDS: Final[Mapping[str, Read]] = {
    "say": _say,
    "listen": read_listen,
    "collect": read_collect,
    "assign": read_assign,
    "compute": read_compute,
    "if": read_if,
    "code": _label,
    "goto": _goto,
    "opt_out": _opt_out,
    "call_back": _call_back,
    "transfer": _transfer,
    "email": read_email,
    "webhook": read_webhook,
    "llm": read_llm,
    "end": _end,
}
