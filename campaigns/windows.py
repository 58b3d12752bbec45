"""When calls may be placed: windows of the day, weekdays and dates, on the wall clock of a time zone.

A window is open while the local wall clock lies in it. When clocks go forward, a window that would have opened in
the missing hour opens at the jump; when they go back, a window in the repeated hour is open both times.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from campaigns.calendars import check_calendar, is_holiday
from campaigns.errors import BadSchedule

_DAY_MIN = 24 * 60
#: Weekdays repeat within a week; the rest allows for a window inside a skipped hour.
_DAYS_AHEAD = 9
#: Closed days may follow one another for longer than a week, but hardly for longer than this.
_CLOSED_DAYS_AHEAD = 366
_MINUTE = timedelta(minutes=1)

Span = tuple[int, int]


@lru_cache(maxsize=1024)
def zone_of(name: str) -> ZoneInfo:
    """The IANA time zone; raises `BadSchedule`."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as exc:
        raise BadSchedule(f"unknown time zone {name!r}; write an IANA name such as Asia/Ho_Chi_Minh") from exc


def minute_of(text: str) -> int:
    """`HH:MM` (24:00 included) as minutes after local midnight; raises `BadSchedule`."""
    hours, colon, minutes = text.strip().partition(":")
    if not (colon and hours.isdecimal() and minutes.isdecimal() and len(minutes) == 2):
        raise BadSchedule(f"{text!r} is no time of day; write HH:MM")
    total = int(hours) * 60 + int(minutes)
    if int(minutes) > 59 or total > _DAY_MIN:
        raise BadSchedule(f"{text!r} is no time of day; write 00:00 to 24:00")
    return total


def spans_of(opens: str | None, closes: str | None) -> tuple[Span, ...]:
    """One window of the day, over midnight if it closes before it opens; no ends, or equal ones, are the whole day."""
    start = minute_of(opens) if opens else 0
    end = minute_of(closes) if closes else _DAY_MIN
    if start == end:
        return ()
    return ((start, end),) if start < end else ((0, end), (start, _DAY_MIN))


def windows_of(pairs: Iterable[Sequence[str]]) -> tuple[Span, ...]:
    """Windows of the day in order, from pairs of `HH:MM`; raises `BadSchedule`."""
    spans = sorted(span for opens, closes in pairs for span in spans_of(opens, closes))
    return tuple(span for span in spans if span[0] < span[1])


def days_of(values: Iterable[int]) -> frozenset[int]:
    """ISO weekdays; raises `BadSchedule`."""
    days = frozenset(values)
    if not days <= set(range(1, 8)):
        raise BadSchedule(f"weekdays {sorted(days)}: write 1 (Monday) to 7 (Sunday)")
    return days


def _dates(values: Iterable[str]) -> frozenset[date]:
    try:
        return frozenset(date.fromisoformat(value) for value in values)
    except (TypeError, ValueError) as exc:
        raise BadSchedule(f"closed dates {list(values)}: write each like 2026-12-25") from exc


@dataclass(frozen=True)
class Schedule:
    """Windows of the day in minutes (none: the whole day), ISO weekdays (none: all), dates half-open.

    On closed dates, and on public holidays of the calendar `holidays`, it is closed from local midnight to midnight.
    """

    zone: tzinfo = UTC
    windows: tuple[Span, ...] = ()
    weekdays: frozenset[int] = frozenset()
    start_at: datetime | None = None
    end_at: datetime | None = None
    closed_dates: frozenset[date] = frozenset()
    #: A country, VN, or a part of one, US-CA.
    holidays: str | None = None

    @property
    def days_ahead(self) -> int:
        """How many days an opening is looked for."""
        return _CLOSED_DAYS_AHEAD if self.closed_dates or self.holidays else _DAYS_AHEAD

    def is_open(self, at: datetime) -> bool:
        """Whether a call may be placed at the instant `at`."""
        if (self.start_at and at < self.start_at) or (self.end_at and at >= self.end_at):
            return False
        local = at.astimezone(self.zone)
        if self.weekdays and local.isoweekday() not in self.weekdays:
            return False
        minute = local.hour * 60 + local.minute
        if self.windows and not any(opens <= minute < closes for opens, closes in self.windows):
            return False
        return not self._is_closed(local.date())

    def _is_closed(self, day: date) -> bool:
        return day in self.closed_dates or (self.holidays is not None and is_holiday(self.holidays, day))

    def next_opening(self, at: datetime) -> datetime | None:
        """The first instant, `at` or later, at which it is open; None when it never is again."""
        if self.start_at and at < self.start_at:
            at = self.start_at
        if self.is_open(at):
            return at
        today = at.astimezone(self.zone).date()
        for days in range(self.days_ahead):
            moments = (m for m in self._openings(today + timedelta(days=days)) if m >= at and self.is_open(m))
            first = min(moments, default=None)
            if first is not None:
                return first
        return None

    def _openings(self, day: date) -> Iterable[datetime]:
        for opens, _closes in self.windows or ((0, _DAY_MIN),):
            yield from _instants(day, opens % _DAY_MIN, self.zone)
        # A window that closed in the hour that is repeated is open again from the jump on.
        if (jump := _turned_back(day, self.zone)) is not None:
            yield jump


def _instants(day: date, minute: int, zone: tzinfo) -> Iterable[datetime]:
    """Every instant at which the local clock shows that minute, or passes it in a jump forward."""
    wall = datetime.combine(day, time(minute // 60, minute % 60))
    first, second = (wall.replace(tzinfo=zone, fold=fold).astimezone(UTC) for fold in (0, 1))
    yield first
    if second > first:
        yield second
    if second < first:
        yield _jump(second, first, zone)


@lru_cache(maxsize=4096)
def _turned_back(day: date, zone: tzinfo) -> datetime | None:
    """The instant of that day at which clocks go back; None on nearly every day."""
    midnight, next_midnight = (datetime.combine(day + timedelta(days=n), time(), zone).astimezone(UTC) for n in (0, 1))
    return _jump(midnight, next_midnight, zone) if next_midnight - midnight > timedelta(days=1) else None


def _jump(before: datetime, after: datetime, zone: tzinfo) -> datetime:
    """The minute between the two instants at which the zone's offset changes."""
    target = after.astimezone(zone).utcoffset()
    low, high = before, after
    while high - low > _MINUTE:
        middle = low + ((high - low) // 2 // _MINUTE) * _MINUTE
        if middle.astimezone(zone).utcoffset() == target:
            high = middle
        else:
            low = middle
    return high


def campaign_schedule(campaign: Mapping[str, Any]) -> Schedule:
    """The schedule of a row of the table campaigns; raises `BadSchedule`."""
    if campaign["holidays"]:
        check_calendar(campaign["holidays"])
    return Schedule(
        zone=zone_of(campaign["time_zone"]),
        windows=windows_of(campaign["windows"] or ()),
        weekdays=days_of(campaign["weekdays"] or ()),
        start_at=campaign["start_at"],
        end_at=campaign["end_at"],
        closed_dates=_dates(campaign["closed_dates"] or ()),
        holidays=campaign["holidays"],
    )


def contact_schedule(contact: Mapping[str, Any], campaign_zone: str) -> Schedule:
    """The contact's own window (time_from to time_to) in its own zone, else in the campaign's."""
    zone = zone_of(contact["time_zone"] or campaign_zone)
    return Schedule(zone=zone, windows=spans_of(contact["time_from"], contact["time_to"]))


def next_common_opening(schedules: Sequence[Schedule], at: datetime) -> datetime | None:
    """The first instant, `at` or later, at which all are open; None when there is none within days."""
    limit = at + timedelta(days=max(schedule.days_ahead for schedule in schedules))
    moment: datetime | None = at
    while moment is not None and moment < limit:
        closed = next((schedule for schedule in schedules if not schedule.is_open(moment)), None)
        if closed is None:
            return moment
        moment = closed.next_opening(moment)
    return None
