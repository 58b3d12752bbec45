"""Reads conversation tests from YAML: every mistake is reported at once, with file and line."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import yaml

from bot.errors import BotError, ScriptErrors
from bot.script.nodes import Node, Reader, compose, key_line, line_of, optional
from bot.script.replies import Consulted, ToolCall
from bot.script.testing import NONE, NOW, Case, Doing, Expected, Turn

CASE_KEYS: Final = (
    "name",
    "variables",
    "now",
    "time_zone",
    "webhooks",
    "llm",
    "talk",
    "code",
    "collected",
    "opted_out",
    "ended",
    "call_back",
    "emails",
)
TURN_KEYS: Final = ("said", "key", "silence", "not_joined", "bot", "never", "step", "intent", "transfer")

_NULL: Final = "tag:yaml.org,2002:null"


def beside(script: Path, kind: str) -> Path:
    """The file of a kind (`tests`, `sentences`) that belongs to a script: `bot.yaml` → `bot.tests.yaml`."""
    return script.with_name(f"{script.stem}.{kind}.yaml")


def load_cases(source: Path | str, name: str | None = None) -> tuple[Case, ...]:
    """The tests of a file (`Path`) or of YAML text (`str`), `name` standing for the file in messages.

    Raises `ScriptErrors` with every mistake, `BotError` for a file that cannot be read.
    """
    file = name or (str(source) if isinstance(source, Path) else "tests")
    reader = Reader(file)
    top = reader.mapping(compose(text_of(source, "tests"), file), "the tests", ("tests",))
    cases = [_case(reader, node) for node in reader.sequence(top["tests"], "tests")] if "tests" in top else []
    if not cases and not reader.problems:
        reader.wrong(1, "there is no test", "Write `tests:` with a list of tests")
    if reader.problems:
        raise ScriptErrors(reader.problems)
    return tuple(cases)


def text_of(source: Path | str, what: str) -> str:
    """The text of a file, or the text itself; raises `BotError` for a file that cannot be read as `what`."""
    if isinstance(source, str):
        return source
    try:
        return source.read_text(encoding="utf-8-sig")
    except OSError as exc:
        raise BotError(f"{source}: cannot read the {what}: {exc.strerror}. Check the path and its rights") from exc
    except UnicodeDecodeError as exc:
        raise BotError(f"{source}: the file is not UTF-8. Save it in the encoding UTF-8") from exc


def _case(reader: Reader, node: Node) -> Case:
    entries = reader.mapping(node, "a test", CASE_KEYS)
    name = optional(entries, "name")
    if name is None:
        reader.wrong(node, "the test has no name", "Add `name:` with what the customer does")
    talk, variables = optional(entries, "talk"), optional(entries, "variables")
    if talk is None:
        reader.wrong(node, "the test has no talk", "Add `talk:` with what is said")
    return Case(
        name="" if name is None else reader.text(name, "name of the test"),
        talk=() if talk is None else tuple(_turn(reader, turn) for turn in reader.sequence(talk, "talk")),
        expected=_expected(reader, entries),
        variables={} if variables is None else _values(reader, variables, "variables"),
        webhooks=tuple(_webhook(reader, item) for item in _items(reader, entries, "webhooks")),
        models=tuple(_model(reader, item) for item in _items(reader, entries, "llm")),
        now=_now(reader, optional(entries, "now")),
        time_zone=_zone(reader, optional(entries, "time_zone")),
        file=reader.file,
        line=line_of(node),
    )


def _values(reader: Reader, node: Node, what: str) -> dict[str, str]:
    return {str(name): plain(reader, value, f"`{name}`") for name, value in reader.mapping(node, what).items()}


def _items(reader: Reader, entries: Mapping[str, Node], key: str) -> list[Node]:
    node = optional(entries, key)
    return [] if node is None else reader.sequence(node, key)


def _webhook(reader: Reader, node: Node) -> dict[str, str] | None:
    return None if _is_null(node) else _values(reader, node, "an answer of `webhooks`")


def _model(reader: Reader, node: Node) -> Consulted:
    if _is_null(node):
        return Consulted("", failed=True)
    if isinstance(node, yaml.ScalarNode):
        return Consulted(reader.text(node, "an answer of `llm`"))
    entries = reader.mapping(node, "an answer of `llm`", ("say", "tools"))
    said, called = optional(entries, "say"), optional(entries, "tools")
    return Consulted(
        said="" if said is None else reader.text(said, "say"),
        calls=() if called is None else tuple(_call(reader, *one) for one in reader.mapping(called, "tools").items()),
    )


def _call(reader: Reader, name: str, node: Node) -> ToolCall:
    arguments = {} if _is_null(node) else _values(reader, node, f"arguments of {name}")
    return ToolCall(str(name), json.dumps(arguments, ensure_ascii=False))


def _is_null(node: Node) -> bool:
    return isinstance(node, yaml.ScalarNode) and node.tag == _NULL


def plain(reader: Reader, node: Node, what: str) -> str:
    """A text that may be empty, as values of contacts may."""
    if not isinstance(node, yaml.ScalarNode):
        reader.wrong(node, f"{what} must be text", "Write one value")
        return ""
    return "" if _is_null(node) else str(node.value)


def _now(reader: Reader, node: Node | None) -> datetime:
    if node is None:
        return NOW
    text = reader.text(node, "now")
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        at = None
    if at is None or at.tzinfo is None:
        reader.wrong(node, f"now is `{text}`", "Write a time with its offset, such as 2026-11-20T10:00:00+00:00")
        return NOW
    return at


def _zone(reader: Reader, node: Node | None) -> str:
    if node is None:
        return "UTC"
    name = reader.text(node, "time_zone")
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        reader.wrong(node, f"there is no time zone `{name}`", "Write one such as Asia/Ho_Chi_Minh")
        return "UTC"
    return name


def _turn(reader: Reader, node: Node) -> Turn:
    entries = reader.mapping(node, "a turn", TURN_KEYS)
    does = [doing for doing in Doing if doing.value in entries]
    if len(does) > 1:
        reader.wrong(node, f"a turn holds one of {', '.join(does)}", "Begin each on its own line with `- `")
    bot, never = optional(entries, "bot"), optional(entries, "never")
    if isinstance(node, yaml.MappingNode) and not node.value:
        reader.wrong(node, "the turn says nothing", "Write what the customer does (`said:`) or the `bot:` says")
    return Turn(
        doing=does[0] if does else None,
        what=_what(reader, does[0], entries[does[0].value]) if does else "",
        bot=() if bot is None else reader.texts(bot, "bot"),
        never=() if never is None else reader.texts(never, "never"),
        step=_word(reader, entries, "step"),
        intent=_word(reader, entries, "intent"),
        transfer=_word(reader, entries, "transfer"),
        line=line_of(node),
    )


def _what(reader: Reader, doing: Doing, node: Node) -> str:
    text = reader.text(node, doing.value)
    if doing in (Doing.SILENCE, Doing.NOT_JOINED) and text != "true":
        reader.wrong(node, f"{doing} is `{text}`", f"Write `{doing}: true`, or leave it out")
    if doing is Doing.KEY and (len(text) != 1 or text not in "0123456789*#"):
        reader.wrong(node, f"`{text}` is no telephone key", 'Use "0" to "9", "*" or "#", one in each turn')
    return text


def _word(reader: Reader, entries: Mapping[str, Node], key: str) -> str | None:
    node = optional(entries, key)
    if node is None:
        return NONE if key in entries else None
    return reader.text(node, key)


def _expected(reader: Reader, entries: Mapping[str, Node]) -> Expected:
    facts: dict[str, tuple[str, int]] = {}
    for key in ("code", "call_back"):
        word = _word(reader, entries, key)
        if word is not None:
            facts[key] = (word, line_of(entries[key]))
    for key in ("opted_out", "ended"):
        if (flag := optional(entries, key)) is not None:
            facts[key] = ("yes" if reader.flag(flag, key) else "no", line_of(flag))
    collected, emails = optional(entries, "collected"), optional(entries, "emails")
    return Expected(
        facts=facts,
        collected={} if collected is None else _lined(reader, collected),
        emails=None if emails is None else _emails(reader, emails),
    )


def _lined(reader: Reader, node: Node) -> dict[str, tuple[str, int]]:
    found = reader.mapping(node, "collected")
    return {str(name): (plain(reader, value, f"`{name}`"), key_line(name, value)) for name, value in found.items()}


def _emails(reader: Reader, node: Node) -> tuple[tuple[str, int], ...]:
    return tuple((reader.text(item, "an e-mail"), line_of(item)) for item in reader.sequence(node, "emails"))
