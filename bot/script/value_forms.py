"""Reads what kind of value a block asks for, and what limits it."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import Final

import yaml
from babel.numbers import is_currency

from bot.script.nodes import Node, Reader, optional
from bot.understanding.forms import ValueForm, ValueKind

KEYS: Final = ("type", "choices", "min", "max", "currency")
_AMOUNTS: Final = frozenset({ValueKind.NUMBER, ValueKind.MONEY})


def read_form(reader: Reader, entries: dict[str, Node], what: str, node: Node) -> ValueForm:
    """The form from the entries of an opened mapping."""
    kind_node, choices = optional(entries, "type"), optional(entries, "choices")
    if kind_node is None:
        reader.wrong(node, f"{what} has no type", f"Add `type:` with one of: {', '.join(ValueKind)}")
        return ValueForm(ValueKind.TEXT)
    kind = ValueKind(reader.choice(kind_node, f"type of {what}", ValueKind, ValueKind.TEXT))
    if (choices is not None) is not (kind is ValueKind.CHOICE):
        missing = choices is None
        message = f"{what} is a choice without choices" if missing else f"{what} is a {kind} and has choices"
        reader.wrong(kind_node, message, "Add `choices:`" if missing else "Write `type: choice`, or remove them")
    lowest, highest = (_limit(reader, optional(entries, key), key, what, kind) for key in ("min", "max"))
    if lowest is not None and highest is not None and lowest > highest:
        reader.wrong(entries["max"], f"{what} has a max below its min", "Exchange them")
    return ValueForm(
        kind,
        {} if choices is None else _choices(reader, choices, what),
        lowest,
        highest,
        read_currency(reader, optional(entries, "currency"), what, kind),
    )


def read_any_form(reader: Reader, node: Node, what: str) -> ValueForm:
    """The form from a mapping, or from the word of its type."""
    if isinstance(node, yaml.ScalarNode):
        return read_form(reader, {"type": node}, what, node)
    return read_form(reader, reader.mapping(node, what, KEYS), what, node)


def _choices(reader: Reader, node: Node, what: str) -> Mapping[str, tuple[str, ...]]:
    """A list of names, or names with further ways of saying each."""
    if not isinstance(node, yaml.MappingNode):
        names = reader.texts(node, f"choices of {what}")
        for name in dict.fromkeys(name for name in names if names.count(name) > 1):
            reader.wrong(node, f"duplicate choice `{name}` of {what}", "Remove one")
        found: dict[str, tuple[str, ...]] = dict.fromkeys(names, ())
    else:
        entries = reader.mapping(node, f"choices of {what}")
        found = {
            str(name): () if optional(entries, name) is None else reader.texts(said, f"choice `{name}` of {what}")
            for name, said in entries.items()
        }
    if not found:
        reader.wrong(node, f"{what} has no choices", "Name at least one")
    return found


def _limit(reader: Reader, node: Node | None, key: str, what: str, kind: ValueKind) -> Decimal | None:
    if node is None:
        return None
    if kind not in _AMOUNTS:
        reader.wrong(node, f"{what} is a {kind} and has a {key}", "Only number and money have limits")
        return None
    text = reader.text(node, f"{key} of {what}").replace("_", "")
    try:
        limit = Decimal(text)
        if limit.is_finite() and abs(limit) < Decimal(10) ** 15:
            return limit
    except InvalidOperation:
        pass
    reader.wrong(node, f"{key} of {what} is `{text}`", "Write a number in figures")
    return None


def read_currency(reader: Reader, node: Node | None, what: str, kind: ValueKind = ValueKind.MONEY) -> str | None:
    """A currency by its ISO 4217 code, None where nothing stands."""
    if node is None:
        return None
    currency = reader.text(node, f"currency of {what}")
    if kind is not ValueKind.MONEY or not is_currency(currency):
        reader.wrong(node, f"currency of {what} is `{currency}`", "Only money has one, such as USD or VND")
        return None
    return currency
