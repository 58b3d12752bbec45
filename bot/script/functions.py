"""The values and functions of a script's expressions."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import date
from decimal import ROUND_HALF_UP, Decimal
from typing import Final, NoReturn

Value = str | Decimal | bool
Variables = Mapping[str, Value]

_GROUPED: Final = re.compile(r"[+-]?[0-9]{1,3}(,[0-9]{3})+(\.[0-9]+)?")
_PLAIN: Final = re.compile(r"[+-]?([0-9]{1,24}(\.[0-9]{0,12})?|\.[0-9]{1,12})")


def fail(why: str) -> NoReturn:
    """Raise the ValueError that an expression without a value is refused with."""
    raise ValueError(why)


def as_number(value: Value) -> Decimal:
    """A value as number; raises ValueError for a text that is none."""
    if isinstance(value, Decimal):
        return value
    if isinstance(value, bool):
        return Decimal(value)
    text = value.strip().replace(" ", "")
    if _GROUPED.fullmatch(text):
        text = text.replace(",", "")
    if not _PLAIN.fullmatch(text):
        fail("a text is no number")
    return Decimal(text)


def as_text(value: Value) -> str:
    """A value as the canonical text in which variables are kept."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Decimal):
        return f"{value.normalize():f}" if value else "0"
    return value


def _number(variables: Variables, given: Sequence[Value]) -> Value:
    """The second value stands in for a text that is no number."""
    try:
        return as_number(given[0])
    except ValueError:
        if len(given) == 1:
            raise
        return as_number(given[1])


def _round(variables: Variables, given: Sequence[Value]) -> Value:
    places = int(as_number(given[1])) if len(given) == 2 else 0
    if not 0 <= places <= 9:
        fail("a number is rounded to 0 to 9 places")
    return as_number(given[0]).quantize(Decimal(1).scaleb(-places), ROUND_HALF_UP)


def _days_until(variables: Variables, given: Sequence[Value]) -> Value:
    """Whole days from `today` to a date, negative for one that is past."""
    return Decimal((_date(given[0]) - _date(variables.get("today", ""))).days)


def _date(value: Value) -> date:
    try:
        return date.fromisoformat(as_text(value).strip())
    except ValueError:
        fail("a text is no date as 2026-11-27")


Function = Callable[[Variables, Sequence[Value]], Value]
#: Name → fewest values, most values, function.
FUNCTIONS: Final[Mapping[str, tuple[int, int, Function]]] = {
    "min": (2, 8, lambda _, given: min(as_number(each) for each in given)),
    "max": (2, 8, lambda _, given: max(as_number(each) for each in given)),
    "round": (1, 2, _round),
    "abs": (1, 1, lambda _, given: abs(as_number(given[0]))),
    "len": (1, 1, lambda _, given: Decimal(len(as_text(given[0])))),
    "lower": (1, 1, lambda _, given: as_text(given[0]).lower()),
    "upper": (1, 1, lambda _, given: as_text(given[0]).upper()),
    "number": (1, 2, _number),
    "text": (1, 1, lambda _, given: as_text(given[0])),
    "days_until": (1, 1, _days_until),
}
