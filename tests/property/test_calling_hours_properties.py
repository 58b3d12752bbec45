"""Hours by property: an opening is open, none is missed, and legal hours are kept wherever the contact is."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from campaigns.hours import Hours
from campaigns.legal import LegalHours, LegalRule, Purpose, preset
from campaigns.windows import Schedule, next_common_opening, zone_of

#: Zones whose clocks change at different hours, by different amounts, at midnight, and not at all.
ZONES = (
    "Asia/Ho_Chi_Minh",
    "America/New_York",
    "Europe/Paris",
    "Asia/Beirut",
    "Australia/Lord_Howe",
    "America/Santiago",
    "Asia/Kathmandu",
)
NUMBERS = ("+84912345678", "+12125550123", "+447911123456", "+99900000001", "+18005550123", "+5491123456789")
START = datetime(2026, 1, 1, tzinfo=UTC)
#: Instants at which clocks of these zones go forward or back.
CHANGES = (
    datetime(2026, 3, 8, 7, tzinfo=UTC),
    datetime(2026, 11, 1, 6, tzinfo=UTC),
    datetime(2026, 3, 29, 1, tzinfo=UTC),
    datetime(2026, 10, 25, 1, tzinfo=UTC),
    datetime(2026, 3, 28, 22, tzinfo=UTC),
    datetime(2026, 10, 24, 21, tzinfo=UTC),
    datetime(2026, 4, 4, 15, tzinfo=UTC),
    datetime(2026, 10, 3, 15, 30, tzinfo=UTC),
    datetime(2026, 4, 5, 3, tzinfo=UTC),
    datetime(2026, 9, 6, 4, tzinfo=UTC),
)
SECONDS_AROUND = st.integers(-6 * 3600, 3 * 3600).map(lambda s: timedelta(seconds=s))
MOMENTS = st.one_of(
    st.integers(0, 500 * 24 * 3600).map(lambda s: START + timedelta(seconds=s)),
    st.builds(lambda at, around: at + around, st.sampled_from(CHANGES), SECONDS_AROUND),
)
DAYS = st.dates(date(2026, 1, 1), date(2027, 7, 1))


@st.composite
def windows(draw: st.DrawFn) -> tuple[tuple[int, int], ...]:
    ends = sorted(draw(st.sets(st.integers(0, 96), min_size=2, max_size=4)))
    return tuple((a * 15, b * 15) for a, b in zip(ends[::2], ends[1::2], strict=False))


@st.composite
def schedules(draw: st.DrawFn) -> Schedule:
    return Schedule(
        zone=zone_of(draw(st.sampled_from(ZONES))),
        windows=draw(st.one_of(st.just(()), windows())),
        weekdays=draw(st.frozensets(st.integers(1, 7), max_size=7)),
        closed_dates=draw(st.frozensets(DAYS, max_size=5)),
        holidays=draw(st.sampled_from([None, None, "VN", "US-CA"])),
    )


def _open_minutes(schedule: Schedule, since: datetime, until: datetime) -> list[datetime]:
    """Quarters of an hour, at which windows open and clocks change, that are open."""
    first = since.replace(minute=since.minute // 15 * 15, second=0) + timedelta(minutes=15)
    steps = range(max(0, (until - first) // timedelta(minutes=15)))
    quarters = (first + n * timedelta(minutes=15) for n in steps)
    return [at for at in quarters if schedule.is_open(at)]


@given(schedule=schedules(), at=MOMENTS)
def test_the_next_opening_is_open_and_none_before_it_was(schedule: Schedule, at: datetime) -> None:
    opening = schedule.next_opening(at)
    if schedule.is_open(at):
        assert opening == at
        return
    assert opening is not None
    assert schedule.is_open(opening)
    # Three days before it are looked at: what is further back is like them.
    assert _open_minutes(schedule, max(at, opening - timedelta(days=3)), opening) == []


@given(first=schedules(), second=schedules(), at=MOMENTS)
def test_a_common_opening_is_open_in_all_and_none_before_it_was(
    first: Schedule, second: Schedule, at: datetime
) -> None:
    opening = next_common_opening([first, second], at)
    until = opening or at + timedelta(days=5)
    if opening is not None:
        assert first.is_open(opening)
        assert second.is_open(opening)
    earlier = [m for m in _open_minutes(first, at, min(until, at + timedelta(days=5))) if second.is_open(m)]
    assert earlier == []


@given(
    number=st.sampled_from(NUMBERS),
    stated=st.sampled_from([None, *ZONES, "Mars/Olympus"]),
    otherwise=st.sampled_from([None, "Europe/Paris"]),
    purpose=st.sampled_from(list(Purpose)),
    at=MOMENTS,
)
def test_nobody_is_called_at_night_where_they_are(
    number: str, stated: str | None, otherwise: str | None, purpose: Purpose, at: datetime
) -> None:
    campaign: dict[str, Any] = {
        "id": 1,
        "time_zone": "UTC",
        "windows": [],
        "weekdays": [],
        "closed_dates": [],
        "holidays": None,
        "start_at": None,
        "end_at": None,
        "purpose": purpose.value,
        "contact_time_zone": otherwise,
    }
    contact = {"number": number, "time_zone": stated, "time_from": None, "time_to": None}
    hours = Hours(at, preset()).of(campaign, contact)
    if not isinstance(hours.zone, str):
        # Unknown: no schedule is judged, and the clause of the zone says no.
        assert (stated == "Mars/Olympus") or (stated is None and otherwise is None)
        return
    if all(schedule.is_open(at) for schedule in hours.schedules.values()):
        assert time(7) <= at.astimezone(zone_of(hours.zone)).time() < time(22)


def test_a_table_without_limits_is_open_at_night() -> None:
    """The property above can fail."""
    table = LegalHours({("default", purpose): LegalRule() for purpose in Purpose})
    assert table.schedule("VN", Purpose.SERVICE, "Asia/Ho_Chi_Minh").is_open(datetime(2026, 3, 2, 19, 0, tzinfo=UTC))
