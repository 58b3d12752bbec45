"""Reads the blocks that compute and decide: assign, compute and if."""

from __future__ import annotations

from typing import Final

import yaml

from bot.script.context import Context, raw
from bot.script.expressions import ExpressionError, parse
from bot.script.functions import FUNCTIONS
from bot.script.language import Assign, Branch, Compute, Condition, Group
from bot.script.nodes import Node, Reader, key_line, line_of, optional

IF_KEYS: Final = (*Group, "then", "else")


def read_assign(context: Context, node: Node, line: int) -> tuple[Assign, ...]:
    """The `assign` block: a text for each variable."""
    reader = context.reader
    return tuple(
        Assign(context.variable(name, key_line(name, body)), raw(reader, body, f"text of `{name}`"), line_of(body))
        for name, body in _named(reader, node, "assign").items()
    )


def read_compute(context: Context, node: Node, line: int) -> tuple[Compute, ...]:
    """The `compute` block: an expression for each variable."""
    reader = context.reader
    return tuple(
        Compute(context.variable(name, key_line(name, body)), _expression(reader, body), line_of(body))
        for name, body in _named(reader, node, "compute").items()
    )


def _named(reader: Reader, node: Node, what: str) -> dict[str, Node]:
    entries = reader.mapping(node, what)
    if isinstance(node, yaml.MappingNode) and not node.value:
        reader.wrong(node, f"{what} names no variable", f"Write `{what}: {{name: …}}`")
    return entries


def read_if(context: Context, node: Node, line: int) -> Branch:
    """The `if` block: a group of conditions, and where it leads."""
    reader = context.reader
    entries = reader.mapping(node, "if", IF_KEYS)
    then, otherwise = optional(entries, "then"), optional(entries, "else")
    if then is None and otherwise is None:
        reader.wrong(node, "if leads nowhere", "Add `then:` or `else:` with a step")
    return Branch(
        _condition(reader, {key: entries[key] for key in entries if key in set(Group)}, node),
        context.goto(then, "then of if"),
        context.goto(otherwise, "else of if"),
        line,
    )


def _condition(reader: Reader, entries: dict[str, Node], node: Node) -> Condition:
    if len(entries) != 1:
        reader.wrong(node, "a condition is one group", f"Write one of {', '.join(Group)}, and put further groups in it")
        return Condition(Group.ALL, (), line_of(node))
    name, body = next(iter(entries.items()))
    return Condition(Group(name), tuple(_part(reader, part) for part in _parts(reader, body, name)), line_of(body))


def _parts(reader: Reader, node: Node, name: str) -> list[Node]:
    if isinstance(node, yaml.ScalarNode):
        return [node]
    parts = reader.sequence(node, f"`{name}` of if")
    if isinstance(node, yaml.SequenceNode) and not parts:
        reader.wrong(node, f"`{name}` of if is empty", "Add expressions")
    return parts


def _part(reader: Reader, node: Node) -> str | Condition:
    if not isinstance(node, yaml.MappingNode):
        return _expression(reader, node)
    return _condition(reader, reader.mapping(node, "a group of if", Group), node)


def _expression(reader: Reader, node: Node) -> str:
    """An expression that can be read; "0" with a note otherwise."""
    text = reader.text(node, "an expression")
    try:
        parse(text)
    except ExpressionError as error:
        if text:
            parts = f"values, comparisons, and, or, not, + - * / %, in, {', '.join(sorted(FUNCTIONS))}"
            remedy = f"Write {parts}; between quotes where it holds a comma within {{ }}"
            reader.wrong(node, f"expression `{text[:60]}`: {error}", remedy)
        return "0"
    return text
