"""Reads the blocks that wait for the customer: listen and collect."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

import yaml

from bot.script.context import Context, read_intent
from bot.script.language import Choice, Collect, Goto, Listen, ValueChoice
from bot.script.nodes import Node, key_line, line_of, optional
from bot.script.typed import MOST_CHOICES, NOT_TYPED
from bot.script.value_forms import KEYS as FORM_KEYS
from bot.script.value_forms import read_form
from bot.understanding.forms import ValueForm, ValueKind

LISTEN_KEYS: Final = (
    "ask",
    "intents",
    "values",
    "first",
    "keys",
    "reprompt",
    "else",
    "silence",
    "min_confidence",
    "patience_ms",
)
COLLECT_KEYS: Final = (
    "into",
    *FORM_KEYS,
    "ask",
    "ask_again",
    "confirm",
    "required",
    "else",
    "keys",
    "patience_ms",
    "silence",
)
_KEY: Final = re.compile(r"[0-9*#]")
#: Silence that ends an answer of a kind, where it is not the usual: numbers are said piece by piece, with longer
#: pauses than a sentence has, and free text with thought.
PATIENCE_MS: Final[Mapping[ValueKind, int]] = {
    ValueKind.PHONE: 1500,
    ValueKind.EMAIL: 1500,
    ValueKind.TEXT: 1200,
    ValueKind.NUMBER: 900,
    ValueKind.MONEY: 900,
    ValueKind.YES_NO: 400,
}


def read_listen(context: Context, node: Node, line: int) -> Listen:
    """The `listen` block."""
    reader = context.reader
    entries = reader.mapping(node, "listen", LISTEN_KEYS)
    get = {key: optional(entries, key) for key in LISTEN_KEYS}
    if get["intents"] is None and get["keys"] is None and get["values"] is None:
        reader.wrong(node, "listen offers nothing", "Add `intents:`, `values:` or `keys:`")
    confidence, first = get["min_confidence"], get["first"]
    return Listen(
        ask=context.text(get["ask"], "ask"),
        choices=_choices(context, get["intents"]),
        keys=_keys(context, get["keys"]),
        reprompt=context.texts(get["reprompt"], "reprompt"),
        otherwise=context.goto(get["else"], "else"),
        silence=context.silence(get["silence"]),
        min_confidence=None if confidence is None else reader.number(confidence, "min_confidence", 0.1, 1),
        line=line,
        values=_values(context, get["values"]),
        values_first=first is not None
        and reader.choice(first, "first of listen", ("values", "intents"), "intents") == "values",
        patience_ms=context.patience(get["patience_ms"], "listen"),
    )


def _choices(context: Context, node: Node | None) -> tuple[Choice, ...]:
    if node is None:
        return ()
    entries = context.reader.mapping(node, "intents of listen")
    return tuple(_choice(context, name, value) for name, value in entries.items())


def _choice(context: Context, name: str, node: Node) -> Choice:
    reader = context.reader
    if isinstance(node, yaml.ScalarNode):
        return Choice(name, reader.text(node, f"step for intent `{name}`"), line_of(node))
    what = f"intent `{name}`"
    entries = reader.mapping(node, what, ("goto", "samples", "keywords", "like"))
    goto = entries.get("goto")
    if goto is None:
        reader.wrong(key_line(name, node), f"{what} leads nowhere", "Add `goto:` with a step")
    if name in context.intents:
        reader.wrong(
            key_line(name, node), f"duplicate intent `{name}`", "Give its samples once, and name the step here only"
        )
    context.intents[name] = read_intent(reader, name, node, entries)
    return Choice(name, "" if goto is None else reader.text(goto, f"goto of {what}"), line_of(node))


def _keys(context: Context, node: Node | None) -> dict[str, Goto]:
    if node is None:
        return {}
    reader, found = context.reader, {}
    for key, value in reader.mapping(node, "keys").items():
        if not _KEY.fullmatch(key):
            reader.wrong(key_line(key, value), f"`{key}` is no telephone key", 'Use "0" to "9", "*" or "#"')
        found[key] = Goto(reader.text(value, f"step for key {key}"), line_of(value))
    return found


def _values(context: Context, node: Node | None) -> tuple[ValueChoice, ...]:
    if node is None:
        return ()
    entries = context.reader.mapping(node, "values of listen")
    return tuple(_value(context, name, body) for name, body in entries.items())


def _value(context: Context, name: str, node: Node) -> ValueChoice:
    what, line = f"value `{name}`", key_line(name, node)
    entries = context.reader.mapping(node, what, (*FORM_KEYS, "goto"))
    return ValueChoice(
        into=context.variable(name, line),
        form=read_form(context.reader, entries, what, node),
        step=context.needed(entries, "goto", what, node),
        line=line,
    )


def read_collect(context: Context, node: Node, line: int) -> Collect:
    """The `collect` block."""
    reader = context.reader
    entries = reader.mapping(node, "collect", COLLECT_KEYS)
    get = {key: optional(entries, key) for key in COLLECT_KEYS}
    into = context.needed(entries, "into", "collect", node)
    what = f"collect `{into}`"
    form = read_form(reader, entries, what, node)
    ask = context.needed(entries, "ask", what, node)
    required = context.flag(get["required"], f"required of {what}", default=True)
    if not required and get["else"] is not None:
        reader.wrong(get["else"], f"{what} is not required and has an else", "Remove one of them")
    patience = context.patience(get["patience_ms"], what)
    return Collect(
        into=context.variable(into, node),
        form=form,
        ask=ask,
        ask_again=(ask,) if "ask_again" not in entries else context.texts(get["ask_again"], f"ask_again of {what}"),
        confirm=context.text(get["confirm"], f"confirm of {what}"),
        required=required,
        otherwise=context.goto(get["else"], f"else of {what}"),
        keys=_typed(context, get["keys"], what, form),
        patience_ms=PATIENCE_MS.get(form.kind) if patience is None else patience,
        silence=context.silence(get["silence"]),
        line=line,
    )


def _typed(context: Context, node: Node | None, what: str, form: ValueForm) -> bool:
    typed = context.flag(node, f"keys of {what}", default=False)
    if typed and node is not None and (form.kind in NOT_TYPED or len(form.choices) > MOST_CHOICES):
        context.reader.wrong(node, f"{what} cannot be typed on a telephone", "Remove `keys:`")
    return typed
