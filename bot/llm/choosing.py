"""What of a language model's wishes may happen: only what the script offers (DESIGN invariant 8).

A wish that is not exactly one of the offers is dropped as a whole; the note about it never repeats what the
model wrote, which may be the customer's words.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final
from zoneinfo import ZoneInfo

from bot.llm.canonical import canonical
from bot.llm.functions import Function, offered
from bot.script.language import Tools
from bot.script.replies import CallBack, ToolCall
from bot.understanding.entities import parse_call_back
from bot.understanding.forms import ValueForm

#: A value as the customer would say it, read as canonical text; None when it holds none.
ReadValue = Callable[[str, ValueForm], str | None]

#: No sensible answer holds more; a model gone wild writes thousands.
_MOST_CALLS: Final = 8
_MOST_CHARS: Final = 4000
_DONE: Final = "done"
_FIELDS: Final[Mapping[Function, tuple[frozenset[str], frozenset[str]]]] = {
    Function.SET_CODE: (frozenset({"code"}), frozenset()),
    Function.KEEP_VALUE: (frozenset({"name", "value"}), frozenset()),
    Function.CALL_BACK: (frozenset(), frozenset({"at"})),
    Function.TRANSFER: (frozenset({"to"}), frozenset()),
    Function.GO_ON: (frozenset({"step"}), frozenset()),
    Function.END_CALL: (frozenset(), frozenset()),
}


@dataclass(frozen=True)
class ToTransfer:
    """The customer is put through to whom `to` names in the script."""

    to: str


@dataclass(frozen=True)
class ToStep:
    """The script goes on with a step."""

    step: str


@dataclass(frozen=True)
class ToEnd:
    """The call ends."""


Onward = ToTransfer | ToStep | ToEnd


@dataclass(frozen=True)
class Chosen:
    """What may happen, and what the model is told of each call in `results` (same order as the calls).

    `onward` is the first of the ways on that the model chose, None when the talk goes on. `dropped` says for the
    log what was refused, one entry a call.
    """

    code: str | None = None
    kept: Mapping[str, str] = field(default_factory=dict)
    call_back: CallBack | None = None
    onward: Onward | None = None
    results: tuple[str, ...] = ()
    dropped: tuple[str, ...] = ()


class _Refused(Exception):
    """A call that is not exactly one of the offers."""


def choose(
    calls: Sequence[ToolCall],
    tools: Tools,
    *,
    read: ReadValue,
    now: datetime,
    time_zone: str = "UTC",
    language: str = "en",
) -> Chosen:
    """Check each call against the offers.

    `now` is aware; times are those of the contact's `time_zone`. `read` reads a value that the model did not
    write in its canonical form.
    """
    choosing = _Choosing(tools, read, now, time_zone, language)
    return choosing.choose(calls)


class _Choosing:
    """One answer of the model's, under check."""

    def __init__(self, tools: Tools, read: ReadValue, now: datetime, time_zone: str, language: str) -> None:
        self._tools = tools
        self._read = read
        self._now = now
        self._time_zone = time_zone
        self._language = language
        self._code: str | None = None
        self._kept: dict[str, str] = {}
        self._call_back: CallBack | None = None
        self._onward: Onward | None = None

    def choose(self, calls: Sequence[ToolCall]) -> Chosen:
        results, dropped = [], []
        for place, call in enumerate(calls):
            try:
                results.append(self._take(call, place))
            except _Refused as refused:
                results.append(f"refused: {refused}")
                dropped.append(f"{_shown(call.name)}: {refused}")
        return Chosen(self._code, self._kept, self._call_back, self._onward, tuple(results), tuple(dropped))

    def _take(self, call: ToolCall, place: int) -> str:
        if place >= _MOST_CALLS:
            raise _Refused("too many functions in one answer")
        function = next((each for each in offered(self._tools) if each == call.name), None)
        if function is None:
            raise _Refused("there is no such function")
        given = _arguments(call.arguments, *_FIELDS[function])
        match function:
            case Function.SET_CODE:
                self._code = _offer(given["code"], self._tools.codes)
            case Function.KEEP_VALUE:
                self._keep(given["name"], given["value"])
            case Function.CALL_BACK:
                return self._note_call_back(given.get("at", ""))
            case Function.TRANSFER:
                self._lead(ToTransfer(_offer(given["to"], self._tools.transfers)))
            case Function.GO_ON:
                self._lead(ToStep(_offer(given["step"], tuple(self._tools.steps))))
            case Function.END_CALL:
                self._lead(ToEnd())
        return _DONE

    def _lead(self, onward: Onward) -> None:
        if self._onward is not None and self._onward != onward:
            raise _Refused("the call already goes on elsewhere")
        self._onward = onward

    def _keep(self, name: str, text: str) -> None:
        form = self._tools.collect[_offer(name, tuple(self._tools.collect))]
        value = canonical(text, form)
        if value is None:
            read = self._read(text, form)
            value = None if read is None else canonical(read, form)
        if value is None:
            raise _Refused(f"that is no {form.kind.value} that is wanted; ask the customer again")
        self._kept[name] = value

    def _note_call_back(self, text: str) -> str:
        """The wish itself always counts: the customer may hang up before naming a time that can be read."""
        at = self._instant(text.strip())
        if at is not None or self._call_back is None:
            self._call_back = CallBack(at)
        if text.strip() and at is None:
            return "done, but without a time: that is no time to come; ask the customer again"
        return _DONE

    def _instant(self, text: str) -> datetime | None:
        zone = ZoneInfo(self._time_zone)
        try:
            named = datetime.fromisoformat(text)
        except ValueError:
            return parse_call_back(text, self._now, self._time_zone, self._language) if text else None
        at = named.replace(tzinfo=zone) if named.tzinfo is None else named.astimezone(zone)
        return at if at > self._now else None


def _offer(name: str, offers: Sequence[str]) -> str:
    if name not in offers:
        raise _Refused(f"that is not offered; there are only {', '.join(offers)}")
    return name


def _arguments(text: str, required: frozenset[str], optional: frozenset[str]) -> dict[str, str]:
    """The arguments of a call, all as text; numbers and booleans keep their own words."""
    try:
        found = json.loads(text or "{}", object_pairs_hook=_once, parse_int=str, parse_float=str, parse_constant=_never)
    except (ValueError, RecursionError) as error:
        raise _Refused("its arguments are no JSON object") from error
    if not isinstance(found, dict) or len(text) > _MOST_CHARS:
        raise _Refused("its arguments are no JSON object")
    given = {name: _text(value) for name, value in found.items() if value is not None}
    if missing := sorted(required - given.keys()):
        raise _Refused(f"{', '.join(missing)} is missing")
    if given.keys() - required - optional:
        raise _Refused(f"it takes only {', '.join(sorted(required | optional)) or 'no arguments'}")
    return given


def _text(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if not isinstance(value, str):
        raise _Refused("its arguments are not plain text")
    return value


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Readers differ in which of two equal keys counts, so neither does."""
    if len({name for name, _ in pairs}) != len(pairs):
        raise ValueError("a key stands twice")
    return dict(pairs)


def _never(constant: str) -> str:
    raise ValueError(f"{constant} is no JSON")


def _shown(name: str) -> str:
    """The name of a function we know; another may be anything."""
    return name if name in set(Function) else "unknown function"
