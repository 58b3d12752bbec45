"""When the customer wants to be called: spoken times, read against the present moment where the contact is."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from zoneinfo import ZoneInfo

#: A day without a time of day: this hour, which every calling window allows.
DEFAULT_HOUR = 10
#: "At eight" without morning or evening means the first such hour between these two, both included.
_FIRST_LIKELY_HOUR, _LAST_LIKELY_HOUR = 8, 20
_BEFORE_BY = timedelta(hours=1)


class DayPart(StrEnum):
    """Parts of the day, with their first hour, the usual hour to call and the last."""

    MORNING = "morning"
    NOON = "noon"
    AFTERNOON = "afternoon"
    EVENING = "evening"
    NIGHT = "night"

    @property
    def hours(self) -> tuple[int, int, int]:
        """First hour, usual hour, last hour."""
        return _PART_HOURS[self]


_PART_HOURS = {
    DayPart.MORNING: (0, 9, 11),
    DayPart.NOON: (11, 12, 13),
    DayPart.AFTERNOON: (12, 14, 17),
    DayPart.EVENING: (17, 18, 23),
    DayPart.NIGHT: (18, 20, 23),
}


class Bound(StrEnum):
    AFTER = "after"
    BEFORE = "before"


@dataclass(frozen=True)
class SpokenTime:
    """What a sentence says of a time; None and False for what it does not say. `weekday` is 0 for Monday."""

    after_min: int | None = None
    days: int | None = None
    weekday: int | None = None
    next_week: bool = False
    hour: int | None = None
    minute: int = 0
    #: "am" or "pm"; None where only the hour was said.
    meridiem: str | None = None
    part: DayPart | None = None
    bound: Bound | None = None

    @property
    def empty(self) -> bool:
        """Whether nothing was said."""
        return self == SpokenTime()


def parse_call_back(text: str, now: datetime, time_zone: str = "UTC", language: str = "en") -> datetime | None:
    """The instant asked for, aware and in `time_zone`, always later than `now`; None when none was named.

    English and Vietnamese; another language is read as English. Raises ValueError for a naive `now`.
    """
    from bot.understanding import times_en, times_vi

    if now.tzinfo is None:
        raise ValueError("now must be aware")
    find = times_vi.find if language.partition("-")[0] == "vi" else times_en.find
    spoken = find(text)
    return None if spoken.empty else resolve(spoken, now, ZoneInfo(time_zone))


def resolve(spoken: SpokenTime, now: datetime, zone: ZoneInfo) -> datetime | None:
    """The instant that `spoken` means at `now`; None beyond what a calendar holds."""
    if spoken.after_min is not None:
        return (now.astimezone(UTC) + timedelta(minutes=spoken.after_min)).astimezone(zone)
    local = now.astimezone(zone)
    day = day_of(spoken, local.date())
    for candidate_day in (day or local.date(), (day or local.date()) + timedelta(days=1)):
        for moment in _moments(spoken, candidate_day, local):
            at = _instant(candidate_day, moment, zone)
            if spoken.bound is Bound.BEFORE:
                at = (at.astimezone(UTC) - _BEFORE_BY).astimezone(zone)
            if at > now:
                return at
    return None


def day_of(spoken: SpokenTime, today: date) -> date | None:
    """The day that `spoken` names, seen from `today`; None when it names none."""
    if spoken.weekday is not None:
        if spoken.next_week:
            return today + timedelta(days=7 - today.weekday() + spoken.weekday)
        return today + timedelta(days=(spoken.weekday - today.weekday() - 1) % 7 + 1)
    if spoken.next_week:
        return today + timedelta(days=7 - today.weekday())
    return None if spoken.days is None else today + timedelta(days=spoken.days)


def _moments(spoken: SpokenTime, day: date, local: datetime) -> list[time]:
    """Times of day to try on `day`, the likeliest first."""
    if spoken.hour is not None:
        return [time(hour, spoken.minute) for hour in hours_of(spoken)]
    if spoken.part is None:
        return [time(DEFAULT_HOUR), *_later_today(day, local, 20)]
    _, usual, last = spoken.part.hours
    return [time(usual), *_later_today(day, local, last)]


def _later_today(day: date, local: datetime, last_hour: int) -> list[time]:
    """In an hour, on the quarter, when that is still today and not after `last_hour`."""
    if day != local.date():
        return []
    soon = local.replace(tzinfo=None, second=0, microsecond=0) + timedelta(minutes=60 + 15 - local.minute % 15)
    return [soon.time()] if soon.date() == day and soon.hour <= last_hour else []


def hours_of(spoken: SpokenTime) -> list[int]:
    """Hours of the day that the spoken hour may mean."""
    hour = spoken.hour or 0
    if hour > 12 or (hour == 0 and spoken.meridiem is None):
        return [hour]
    if spoken.meridiem is not None:
        return [hour % 12 + (12 if spoken.meridiem == "pm" else 0)]
    if spoken.part is not None:
        return [_hour_in_part(hour, spoken.part)]
    both = sorted({hour % 12, hour % 12 + 12})
    return [each for each in both if _FIRST_LIKELY_HOUR <= each <= _LAST_LIKELY_HOUR]


def _hour_in_part(hour: int, part: DayPart) -> int:
    first, _, last = part.hours
    for candidate in (hour % 12, hour % 12 + 12):
        if first <= candidate <= last:
            return candidate
    return hour % 12 if part is DayPart.MORNING else hour % 12 + 12


def _instant(day: date, moment: time, zone: ZoneInfo) -> datetime:
    """A local time as an instant; one that a clock change skips moves forward."""
    return datetime.combine(day, moment, zone).astimezone(UTC).astimezone(zone)


def spoken_call_back(at: datetime | None, now: datetime, language: str = "en") -> str:
    """`at` as the bot says it; "another time" for an open time. `now` may be in any zone."""
    vietnamese = language.partition("-")[0] == "vi"
    if at is None:
        return "vào lúc khác" if vietnamese else "another time"
    days = (at.date() - now.astimezone(at.tzinfo).date()).days
    return _spoken_vietnamese(at, days) if vietnamese else _spoken_english(at, days)


_DAYS_EN = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_MONTHS_EN = (
    "January February March April May June July August September October November December".split()  # noqa: SIM905
)
_DAYS_VI = ("thứ hai", "thứ ba", "thứ tư", "thứ năm", "thứ sáu", "thứ bảy", "chủ nhật")


def _spoken_english(at: datetime, days: int) -> str:
    minutes = f":{at.minute:02d}" if at.minute else ""
    clock = f"{(at.hour - 1) % 12 + 1}{minutes} {'AM' if at.hour < 12 else 'PM'}"
    if (at.hour, at.minute) == (12, 0):
        clock = "noon"
    weekday = _DAYS_EN[at.weekday()]
    near = {0: "today", 1: "tomorrow"}.get(days, f"on {weekday}")
    return f"{near} at {clock}" if days < 7 else f"on {weekday}, {_MONTHS_EN[at.month - 1]} {at.day}, at {clock}"


def _spoken_vietnamese(at: datetime, days: int) -> str:
    clock = f"lúc {at.hour} giờ" + (f" {at.minute}" if at.minute else "")
    near = {0: "hôm nay", 1: "ngày mai"}.get(days, _DAYS_VI[at.weekday()])
    return f"{clock} {near}" if days < 7 else f"{clock} {near}, ngày {at.day} tháng {at.month}"
