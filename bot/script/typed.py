"""Values typed on the keys of a telephone."""

from __future__ import annotations

from datetime import date, datetime, time
from typing import Final
from zoneinfo import ZoneInfo

from bot.understanding.forms import ValueForm, ValueKind
from bot.understanding.values import find_value

#: Keys of telephones; signalling can also send A to D, which none has.
KEYS: Final = frozenset("0123456789*#")
#: Kinds that keys cannot say.
NOT_TYPED: Final = frozenset({ValueKind.EMAIL})
MOST_KEYS: Final = 32
#: Longer lists of choices cannot be told by one key.
MOST_CHOICES: Final = 9


def whole(keys: str, form: ValueForm) -> bool:
    """Whether nothing more can follow, so that # need not be waited for."""
    return (form.kind in (ValueKind.YES_NO, ValueKind.CHOICE) and len(keys) == 1) or len(keys) >= MOST_KEYS


def typed_value(keys: str, form: ValueForm, *, now: datetime, time_zone: str, language: str) -> str | None:
    """The canonical value of the digits `keys`, None when they are none, or none of the form.

    1 is yes and 2 no; a choice is told by its place in the list, a date as DDMM, DDMMYY or DDMMYYYY, a time as HHMM
    or HH.
    """
    if not (keys.isascii() and keys.isdigit()) or form.kind in NOT_TYPED:
        return None
    match form.kind:
        case ValueKind.YES_NO:
            found = {"1": "yes", "2": "no"}.get(keys)
        case ValueKind.CHOICE:
            found = dict(enumerate(form.choices, start=1)).get(int(keys))
        case ValueKind.DATE:
            found = _date(keys, now.astimezone(ZoneInfo(time_zone)).date())
        case ValueKind.TIME:
            found = _time(keys)
        case _:
            found = find_value(keys, form, now=now, time_zone=time_zone, language=language)
    return found


def _date(keys: str, today: date) -> str | None:
    if len(keys) not in (4, 6, 8):
        return None
    day, month = int(keys[:2]), int(keys[2:4])
    years = [int(keys[4:]) + (2000 if len(keys) == 6 else 0)] if len(keys) > 4 else [today.year + n for n in range(5)]
    for year in years:
        try:
            found = date(year, month, day)
        except ValueError:
            continue
        # Without a year it is the next one of that day.
        if len(keys) > 4 or found >= today:
            return found.isoformat()
    return None


def _time(keys: str) -> str | None:
    if len(keys) not in (1, 2, 4):
        return None
    try:
        return time(int(keys[:2]), int(keys[2:] or 0)).isoformat("minutes")
    except ValueError:
        return None
