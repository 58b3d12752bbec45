"""Usage by month and bot, as finance reviews it, with a line that adds it up."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import MAXYEAR, MINYEAR, UTC, datetime
from typing import Self
from zoneinfo import ZoneInfo

from sqlalchemy import ScalarSelect, select
from sqlalchemy.ext.asyncio import AsyncConnection

from reports.errors import BadFilter
from reports.measures import Totals, totals, totals_by
from reports.overview import currency_of
from reports.scope import Scope
from storage.tables import attempts, bots

TOTAL = "TOTAL"
_MOST_MONTHS = 120


@dataclass(frozen=True, order=True)
class Month:
    """A calendar month."""

    year: int
    month: int

    @classmethod
    def of(cls, instant: datetime, time_zone: str) -> Self:
        local = instant.astimezone(ZoneInfo(time_zone))
        return cls(local.year, local.month)

    @classmethod
    def parse(cls, text: str) -> Self:
        """From `2026-03`; raises `BadFilter`."""
        try:
            day = datetime.strptime(text, "%Y-%m").replace(tzinfo=UTC)
        except ValueError as error:
            raise BadFilter(f"{text!r} is no month; write it like 2026-03") from error
        if not MINYEAR < day.year < MAXYEAR:
            raise BadFilter(f"{text!r} lies at the edge of the calendar; write a month like 2026-03")
        return cls(day.year, day.month)

    def __str__(self) -> str:
        return f"{self.year:04d}-{self.month:02d}"

    def next(self) -> Month:
        return Month(self.year + self.month // 12, self.month % 12 + 1)

    def back(self, months: int) -> Month:
        """The month that many months earlier."""
        place = self.year * 12 + self.month - 1 - months
        return Month(place // 12, place % 12 + 1)

    def start(self, time_zone: str) -> datetime:
        """Its first instant in the zone."""
        return datetime(self.year, self.month, 1, tzinfo=ZoneInfo(time_zone))


@dataclass(frozen=True)
class UsageRow:
    """What one bot used in one month; `month` and `bot` are TOTAL in the last row."""

    month: str
    bot: str
    totals: Totals
    currency: str


def months_between(first: Month, last: Month) -> list[Month]:
    """Every month from `first` to `last`, both included; raises `BadFilter` when there are too many or none."""
    found = [first]
    while found[-1] < last and len(found) <= _MOST_MONTHS:
        found.append(found[-1].next())
    if last < first or len(found) > _MOST_MONTHS:
        raise BadFilter(f"from {first} to {last}: choose 1 to {_MOST_MONTHS} months, the earlier one first")
    return found


async def usage(
    conn: AsyncConnection, months: Sequence[Month], *, time_zone: str, include_test: bool = False
) -> tuple[UsageRow, ...]:
    """A row for each month and bot that made calls, a row of noughts for each month without any, and TOTAL.

    `months` follow one another; a month begins at midnight in `time_zone`.
    """
    whole_period = _scope(months[0], months[-1], time_zone, include_test)
    currency = await currency_of(conn, whole_period)
    rows: list[UsageRow] = []
    for month in months:
        found = await totals_by(conn, _scope(month, month, time_zone, include_test), bots_name())
        rows += [UsageRow(str(month), str(bot), sums, currency) for (bot,), sums in found]
        if not found:
            rows.append(UsageRow(str(month), "", Totals(), currency))
    return (*rows, UsageRow(TOTAL, TOTAL, await totals(conn, whole_period), currency))


def bots_name() -> ScalarSelect[str]:
    """The name of the attempt's bot."""
    return select(bots.c.name).where(bots.c.id == attempts.c.bot_id).scalar_subquery()


def _scope(first: Month, last: Month, time_zone: str, include_test: bool) -> Scope:
    return Scope(from_=first.start(time_zone), to=last.next().start(time_zone), include_test=include_test)
