"""A script as a graph: its steps, what stands in each, and what leads where."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from bot.script.language import (
    AskBack,
    AskOut,
    Assign,
    Branch,
    CallWebhook,
    Collect,
    Compute,
    Condition,
    Converse,
    End,
    Goto,
    Group,
    Label,
    Listen,
    PutThrough,
    Say,
    Script,
    SendEmail,
    Silence,
)

#: Why a step leads on when it does so in any case.
THEN: Final = "then"
Way = tuple[str, str | None, int]


@dataclass(frozen=True)
class Edge:
    """Something that leads from a step to another; `source` None: from any step, `target` None: to the end."""

    source: str | None
    target: str | None
    label: str
    line: int


@dataclass(frozen=True)
class StepNode:
    """One step with its blocks in words."""

    name: str
    line: int
    blocks: tuple[str, ...]


@dataclass(frozen=True)
class Graph:
    """A whole script; `edges` stand in the order of the file."""

    name: str
    title: str
    start: str
    nodes: tuple[StepNode, ...]
    edges: tuple[Edge, ...]

    def leaving(self, step: str | None) -> tuple[Edge, ...]:
        """What leads on from a step, or (None) from anywhere."""
        return tuple(edge for edge in self.edges if edge.source == step)


def graph_of(script: Script) -> Graph:
    """The graph of a checked script."""
    nodes = tuple(
        StepNode(step.name, step.line, tuple(block_words(block) for block in step.blocks))
        for step in script.steps.values()
    )
    return Graph(script.name, script.title, script.start, nodes, tuple(_edges(script)))


def _edges(script: Script) -> Iterator[Edge]:
    for step, block in script.blocks():
        for label, target, line in block_ways(block):
            yield Edge(step.name, target, label, line)
    for handled, goto in script.handlers.items():
        yield Edge(None, goto.step, str(handled), goto.line)
    if script.silence.goto is not None:
        yield Edge(None, script.silence.goto, "silence", script.silence.line)


def block_ways(block: object) -> Iterator[Way]:
    """Where a block can lead: why, to which step (None: the end), and the line that says so."""
    ways = _WAYS.get(type(block))
    return iter(()) if ways is None else ways(block)


def _goto_ways(block: Goto) -> Iterator[Way]:
    yield THEN, block.step, block.line


def _end_ways(block: End) -> Iterator[Way]:
    yield THEN, None, block.line


def _transfer_ways(block: PutThrough) -> Iterator[Way]:
    yield _otherwise("nobody picks up", block.otherwise, block.line)


def _branch_ways(block: Branch) -> Iterator[Way]:
    if block.then is not None:
        yield condition_words(block.when), block.then.step, block.then.line
    if block.otherwise is not None:
        yield "else", block.otherwise.step, block.otherwise.line


def _collect_ways(block: Collect) -> Iterator[Way]:
    if block.required:
        yield _otherwise(f"no {block.into}", block.otherwise, block.line)
    yield from _silence_ways(block.silence)


def _webhook_ways(block: CallWebhook) -> Iterator[Way]:
    if block.otherwise is not None:
        yield "webhook failed", block.otherwise.step, block.otherwise.line


def _converse_ways(block: Converse) -> Iterator[Way]:
    yield from ((f"model: {why}", step, block.line) for step, why in block.tools.steps.items())
    yield _otherwise("model failed", block.otherwise, block.line)
    yield from _silence_ways(block.silence)


def _listen_ways(block: Listen) -> Iterator[Way]:
    for choice in block.choices:
        yield choice.intent, choice.step, choice.line
    for value in block.values:
        yield f"{value.into} ({value.form.kind})", value.step, value.line
    for key, goto in block.keys.items():
        yield f"key {key}", goto.step, goto.line
    yield _otherwise("else", block.otherwise, block.line)
    yield from _silence_ways(block.silence)


def _otherwise(label: str, goto: Goto | None, line: int) -> Way:
    return (label, None, line) if goto is None else (label, goto.step, goto.line)


def _silence_ways(silence: Silence | None) -> Iterator[Way]:
    if silence is not None:
        yield "silence", silence.goto, silence.line


def condition_words(condition: Condition) -> str:
    """A condition on one line: `rest > 0 and (a or b)`."""
    joined = {Group.ALL: " and ", Group.ANY: " or ", Group.NONE: " or "}[condition.group]
    parts = [part if isinstance(part, str) else f"({condition_words(part)})" for part in condition.parts]
    text = joined.join(parts)
    return f"none of: {text}" if condition.group is Group.NONE else text


def block_words(block: object) -> str:
    """A block in one line, as its author thinks of it."""
    return _WORDS[type(block)](block)


_WAYS: Final[Mapping[type, Callable[[Any], Iterator[Way]]]] = {
    Goto: _goto_ways,
    End: _end_ways,
    PutThrough: _transfer_ways,
    Listen: _listen_ways,
    Branch: _branch_ways,
    Collect: _collect_ways,
    CallWebhook: _webhook_ways,
    Converse: _converse_ways,
}
_WORDS: Final[Mapping[type, Callable[[Any], str]]] = {
    Say: lambda block: f"say {block.text}",
    Label: lambda block: f"code {block.code}",
    Goto: lambda block: f"goto {block.step}",
    AskOut: lambda _: "opt_out",
    AskBack: lambda block: " / ".join(("call_back", *block.ask)),
    PutThrough: lambda block: f"transfer {block.to}",
    End: lambda _: "end",
    Listen: lambda block: f"listen {block.ask or ''}".rstrip(),
    Collect: lambda block: f"collect {block.into} ({block.form.kind}) {block.ask}",
    Assign: lambda block: f"assign {block.into} = {block.text}",
    Compute: lambda block: f"compute {block.into} = {block.expression}",
    Branch: lambda block: f"if {condition_words(block.when)}",
    SendEmail: lambda block: f"email {block.to}: {block.subject}",
    CallWebhook: lambda block: f"webhook {block.method} {block.url}",
    Converse: lambda block: f"llm {block.goal}",
}
