"""Dates and times of day as customers say them."""

from __future__ import annotations

import re
from calendar import monthrange
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Protocol
from zoneinfo import ZoneInfo

from bot.understanding.entities import SpokenTime, hours_of

#: Years within which a day such as the 29th of February comes again.
_YEARS_AHEAD = 8


@dataclass(frozen=True)
class Spot:
    """A day named between two offsets of a text; None for one that no calendar has, or that may be two.

    `weekday_only` if it agrees with any date of that weekday.
    """

    start: int
    end: int
    day: date | None
    weekday_only: bool = False


class Days(Protocol):
    """How a language names days and times."""

    #: What takes back the day before it: "no", "sorry".
    correction: re.Pattern[str]
    #: At the end of what precedes a day that is denied.
    denial: re.Pattern[str]
    #: Times of day, which are no amounts.
    clock: re.Pattern[str]
    #: Two times of which one is meant.
    either: re.Pattern[str]

    def normal(self, text: str) -> str:
        """The text to which the offsets of `spots` belong."""
        ...

    def spots(self, normal: str, today: date, *, month_first: bool | None) -> Iterator[Spot]:
        """Every day that is named, in any order; those within another are left out later.

        `month_first` tells how 5/12 is read, None that it may be either.
        """
        ...

    def alone(self, normal: str) -> list[int]:
        """The day of a month where nothing but a number from 1 to 31 was said: "27.", "maybe twenty-seven"."""
        ...

    def time(self, normal: str) -> SpokenTime:
        """The time of day that is named."""
        ...


def named_days(names: Iterable[tuple[re.Pattern[str], int]], normal: str, today: date) -> Iterator[Spot]:
    """Days with a name of their own, such as "tomorrow"; `names` pairs patterns with days after today."""
    for pattern, days in names:
        for match in pattern.finditer(normal):
            yield Spot(*match.span(), today + timedelta(days=days))


def without_dates(text: str, days: Days) -> str:
    """`text` without the dates and times that it names: their numbers are no amounts."""
    normal = days.normal(text)
    rest = _blanked(normal, _outer(list(days.spots(normal, date(2000, 1, 1), month_first=False))))
    return days.clock.sub(" ", rest)


def find_date(text: str, now: datetime, time_zone: str, days: Days, *, month_first: bool | None) -> str | None:
    """The day that `text` names, "2026-11-27"; one without a year is the next such day, today included.

    None when it names several that do not agree, unless the last corrects the others.
    """
    normal = days.normal(text)
    today = now.astimezone(ZoneInfo(time_zone)).date()
    spots = _outer(list(days.spots(normal, today, month_first=month_first)))
    if not spots:
        spots = [Spot(0, len(normal), day_of_month(day, None, today)) for day in days.alone(normal)]
    agreed = _agreed([spot for spot in spots if not days.denial.search(normal[: spot.start])])
    if len({spot.day for spot in agreed}) > 1 and days.correction.search(normal[agreed[-2].end : agreed[-1].start]):
        agreed = agreed[-1:]
    named = {spot.day for spot in agreed}
    day = named.pop() if len(named) == 1 else None
    return None if day is None else day.isoformat()


def find_time(text: str, now: datetime, time_zone: str, days: Days) -> str | None:
    """The time of day that `text` names, "14:30"; without morning or evening the first from 8:00 to 20:00."""
    normal = days.normal(text)
    rest = " ".join(_blanked(normal, _outer(list(days.spots(normal, date(2000, 1, 1), month_first=False)))).split())
    spoken = days.time(rest)
    if spoken.after_min is not None:
        return f"{now.astimezone(ZoneInfo(time_zone)) + timedelta(minutes=spoken.after_min):%H:%M}"
    hours = [] if spoken.hour is None or days.either.search(rest) else hours_of(spoken)
    return f"{hours[0]:02d}:{spoken.minute:02d}" if hours else None


def _outer(spots: list[Spot]) -> list[Spot]:
    """From left to right, without those that lie within a longer one."""
    kept: list[Spot] = []
    for spot in sorted(spots, key=lambda spot: (spot.start - spot.end, spot.weekday_only)):
        if all(spot.end <= other.start or spot.start >= other.end for other in kept):
            kept.append(spot)
    return sorted(kept, key=lambda spot: spot.start)


def _agreed(spots: Sequence[Spot]) -> list[Spot]:
    """Without weekdays that a date says more of: "Friday the 27th"."""
    dates = [spot.day.weekday() for spot in spots if spot.day and not spot.weekday_only]
    return [spot for spot in spots if not (spot.weekday_only and spot.day and spot.day.weekday() in dates)]


def _blanked(text: str, spots: Sequence[Spot]) -> str:
    for spot in reversed(spots):
        text = f"{text[: spot.start]} {text[spot.end :]}"
    return text


def day_in(month: int, day: int, year: int | None, today: date) -> date | None:
    """That day of the year named, or of the next year in which it is not past; None if there is none."""
    if year is not None:
        return _date(year + 2000 if year < 100 else year, month, day)
    for ahead in range(_YEARS_AHEAD + 1):
        found = _date(today.year + ahead, month, day)
        if found is not None and found >= today:
            return found
    return None


def day_of_month(day: int, months_ahead: int | None, today: date) -> date | None:
    """That day of the month so many months ahead; of the next month that has it when None."""
    if months_ahead is not None:
        first = month_later(today.replace(day=1), months_ahead)
        return _date(first.year, first.month, day)
    for ahead in range(3):
        first = month_later(today.replace(day=1), ahead)
        found = _date(first.year, first.month, day)
        if found is not None and found >= today:
            return found
    return None


def month_later(day: date, months: int) -> date:
    """The same day so many months later, or the last of a shorter month."""
    years, month = divmod(day.month - 1 + months, 12)
    year = day.year + years
    return date(year, month + 1, min(day.day, monthrange(year, month + 1)[1]))


def month_end(today: date, months_ahead: int) -> date:
    """The last day of the month so many months ahead."""
    return month_later(today.replace(day=1), months_ahead + 1) - timedelta(days=1)


def numeric(one: int, other: int, year: int | None, today: date, *, month_first: bool | None) -> date | None:
    """A day written as two numbers, perhaps with a year; None where either may be the month."""
    both = ((one, other), (other, one))
    orders = both if month_first is None or max(one, other) > 12 else both[:1] if month_first else both[1:]
    found = {day for month, number in orders if (day := day_in(month, number, year, today))}
    return found.pop() if len(found) == 1 else None


def _date(year: int, month: int, day: int) -> date | None:
    try:
        return date(year, month, day)
    except ValueError:
        return None
