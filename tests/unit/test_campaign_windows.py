"""Calling windows on the wall clock, daylight saving included."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from campaigns.errors import BadSchedule
from campaigns.windows import (
    Schedule,
    campaign_schedule,
    contact_schedule,
    minute_of,
    next_common_opening,
    spans_of,
    zone_of,
)

HANOI = zone_of("Asia/Ho_Chi_Minh")
NEW_YORK = zone_of("America/New_York")
PARIS = zone_of("Europe/Paris")


def _at(text: str, zone: Any = HANOI) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=zone).astimezone(UTC)


def _campaign(**changes: Any) -> dict[str, Any]:
    fields = {"time_zone": "Asia/Ho_Chi_Minh", "windows": [], "weekdays": [], "start_at": None, "end_at": None}
    return fields | {"closed_dates": [], "holidays": None} | changes


TWO_A_DAY = campaign_schedule(_campaign(windows=[["08:00", "11:30"], ["13:30", "17:00"]], weekdays=[1, 2, 3, 4, 5]))


@pytest.mark.parametrize(
    ("local", "is_open", "opens"),
    [
        ("2026-03-02 07:59", False, "2026-03-02 08:00"),
        ("2026-03-02 08:00", True, "2026-03-02 08:00"),
        ("2026-03-02 11:29:59", True, "2026-03-02 11:29:59"),
        ("2026-03-02 11:30", False, "2026-03-02 13:30"),
        ("2026-03-02 17:00", False, "2026-03-03 08:00"),
        ("2026-03-06 17:00", False, "2026-03-09 08:00"),
        ("2026-03-07 09:00", False, "2026-03-09 08:00"),
    ],
)
def test_several_windows_a_day_and_weekdays(local: str, is_open: bool, opens: str) -> None:
    assert TWO_A_DAY.is_open(_at(local)) is is_open
    assert TWO_A_DAY.next_opening(_at(local)) == _at(opens)


def test_without_windows_the_whole_day_is_open_on_its_weekdays() -> None:
    schedule = campaign_schedule(_campaign(weekdays=[7]))
    assert schedule.next_opening(_at("2026-03-02 12:00")) == _at("2026-03-08 00:00")
    assert schedule.is_open(_at("2026-03-08 23:59:59"))
    assert not schedule.is_open(_at("2026-03-09 00:00"))


def test_dates_are_half_open() -> None:
    start, end = _at("2026-03-02 09:00"), _at("2026-03-03 09:00")
    schedule = campaign_schedule(_campaign(start_at=start, end_at=end, windows=[["08:00", "10:00"]]))
    assert schedule.next_opening(_at("2026-01-01 00:00")) == start
    assert schedule.is_open(end - timedelta(seconds=1))
    assert not schedule.is_open(end)
    assert schedule.next_opening(end) is None


def test_spring_forward_a_window_in_the_missing_hour_opens_at_the_jump() -> None:
    schedule = Schedule(zone=NEW_YORK, windows=((150, 240),))
    # On 8 March 2026 the clocks go from 02:00 to 03:00 at 07:00 UTC.
    jump = datetime(2026, 3, 8, 7, 0, tzinfo=UTC)
    assert schedule.next_opening(jump - timedelta(hours=1)) == jump
    assert schedule.is_open(jump)
    assert not schedule.is_open(jump - timedelta(seconds=1))
    assert not schedule.is_open(jump + timedelta(hours=1))


def test_spring_forward_a_window_wholly_in_the_missing_hour_does_not_open_that_day() -> None:
    schedule = Schedule(zone=NEW_YORK, windows=((130, 150),))
    assert schedule.next_opening(_at("2026-03-08 00:00", NEW_YORK)) == _at("2026-03-09 02:10", NEW_YORK)


def test_autumn_back_a_window_in_the_repeated_hour_opens_twice() -> None:
    schedule = Schedule(zone=PARIS, windows=((150, 160),))
    # On 25 October 2026 02:00-03:00 comes twice: at 00:00 and 01:00 UTC.
    first, second = datetime(2026, 10, 25, 0, 30, tzinfo=UTC), datetime(2026, 10, 25, 1, 30, tzinfo=UTC)
    assert schedule.next_opening(first - timedelta(hours=2)) == first
    assert schedule.next_opening(first + timedelta(minutes=10)) == second
    assert schedule.next_opening(second + timedelta(minutes=10)) == _at("2026-10-26 02:30", PARIS)


def test_autumn_back_a_window_that_closes_in_the_repeated_hour_opens_again_at_the_jump() -> None:
    schedule = Schedule(zone=PARIS, windows=((90, 150),))
    # 01:30 to 02:30; at 01:00 UTC the clock that shows 03:00 is put back to 02:00.
    closes, jump = datetime(2026, 10, 25, 0, 30, tzinfo=UTC), datetime(2026, 10, 25, 1, 0, tzinfo=UTC)
    assert not schedule.is_open(closes)
    assert schedule.next_opening(closes) == jump
    assert schedule.next_opening(jump + timedelta(minutes=30)) == _at("2026-10-26 01:30", PARIS)


def test_the_day_of_a_change_has_its_own_length() -> None:
    schedule = Schedule(zone=NEW_YORK, windows=((480, 1020),))
    closes = _at("2026-03-07 17:00", NEW_YORK)
    assert schedule.next_opening(closes) == closes + timedelta(hours=14)


@pytest.mark.parametrize(
    ("opens", "closes", "spans"),
    [
        (None, None, ((0, 1440),)),
        ("00:00", "24:00", ((0, 1440),)),
        ("08:00", None, ((480, 1440),)),
        (None, "09:30", ((0, 570),)),
        ("20:00", "02:00", ((0, 120), (1200, 1440))),
        ("09:00", "09:00", ()),
    ],
)
def test_a_contacts_window_may_run_over_midnight(opens: str | None, closes: str | None, spans: Any) -> None:
    assert spans_of(opens, closes) == spans


def test_a_contacts_window_is_in_its_own_zone() -> None:
    own = contact_schedule({"time_zone": "Europe/Paris", "time_from": "09:00", "time_to": "12:00"}, "Asia/Ho_Chi_Minh")
    assert own.is_open(_at("2026-03-02 09:00", PARIS))
    assert not own.is_open(_at("2026-03-02 09:00"))
    other = contact_schedule({"time_zone": None, "time_from": "09:00", "time_to": "12:00"}, "Asia/Ho_Chi_Minh")
    assert other.is_open(_at("2026-03-02 09:00"))


def test_two_windows_open_together_where_they_overlap() -> None:
    own = contact_schedule({"time_zone": "Europe/Paris", "time_from": "10:00", "time_to": "12:00"}, "UTC")
    # 10:00 in Paris is 16:00 in Vietnam, in winter.
    assert next_common_opening([TWO_A_DAY, own], _at("2026-03-02 09:00")) == _at("2026-03-02 16:00")
    assert next_common_opening([TWO_A_DAY, own], _at("2026-03-06 18:00")) == _at("2026-03-09 16:00")
    assert next_common_opening([TWO_A_DAY, own], _at("2026-03-02 16:30")) == _at("2026-03-02 16:30")


def test_two_windows_that_never_meet_have_no_common_opening() -> None:
    own = contact_schedule({"time_zone": None, "time_from": "20:00", "time_to": "21:00"}, "Asia/Ho_Chi_Minh")
    assert next_common_opening([TWO_A_DAY, own], _at("2026-03-02 09:00")) is None
    ended = campaign_schedule(_campaign(end_at=_at("2026-03-01 00:00")))
    assert next_common_opening([ended, own], _at("2026-03-02 09:00")) is None
    never = Schedule(zone=HANOI, windows=((600, 600),))
    assert next_common_opening([TWO_A_DAY, never], _at("2026-03-02 09:00")) is None


@pytest.mark.parametrize("text", ["8", "8:5", "25:00", "24:01", "12:60", "noon", "-1:00", ""])
def test_a_time_of_day_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(BadSchedule, match="time of day"):
        minute_of(text)


@pytest.mark.parametrize("name", ["Mars/Olympus", "", "../etc/passwd"])
def test_an_unknown_zone_is_refused(name: str) -> None:
    with pytest.raises(BadSchedule, match="IANA"):
        zone_of(name)


def test_an_unknown_weekday_is_refused() -> None:
    with pytest.raises(BadSchedule, match="Monday"):
        campaign_schedule(_campaign(weekdays=[0]))


def test_a_closed_date_is_closed_from_local_midnight_to_midnight() -> None:
    schedule = campaign_schedule(_campaign(closed_dates=["2026-03-03", "2026-03-04"], windows=[["08:00", "17:00"]]))
    assert schedule.is_open(_at("2026-03-02 16:59"))
    assert schedule.next_opening(_at("2026-03-02 17:00")) == _at("2026-03-05 08:00")
    whole_day = campaign_schedule(_campaign(closed_dates=["2026-03-03"]))
    assert whole_day.is_open(_at("2026-03-02 23:59:59"))
    assert whole_day.next_opening(_at("2026-03-03 00:00")) == _at("2026-03-04 00:00")


def test_a_holiday_closes_the_day_in_the_campaigns_zone() -> None:
    schedule = campaign_schedule(_campaign(holidays="VN", windows=[["08:00", "17:00"]]))
    # Reunification Day and Labour Day, a Thursday and a Friday.
    assert schedule.next_opening(_at("2026-04-29 18:00")) == _at("2026-05-02 08:00")
    # Already 30 April in Vietnam, still 29 April in UTC.
    assert not schedule.is_open(datetime(2026, 4, 29, 17, 30, tzinfo=UTC))
    assert campaign_schedule(_campaign(holidays="US-CA")).is_open(_at("2026-04-30 09:00"))


@pytest.mark.parametrize(
    ("zone", "closed", "opens_at"),
    [
        # The clocks go forward on 8 March and back on 1 November: both days have their own length.
        (NEW_YORK, "2026-03-08", datetime(2026, 3, 9, 4, 0, tzinfo=UTC)),
        (NEW_YORK, "2026-11-01", datetime(2026, 11, 2, 5, 0, tzinfo=UTC)),
        # In Beirut the clocks go forward at midnight: 29 March begins at 01:00.
        (zone_of("Asia/Beirut"), "2026-03-28", datetime(2026, 3, 28, 22, 0, tzinfo=UTC)),
    ],
)
def test_a_closed_date_ends_at_midnight_on_days_when_clocks_change(zone: Any, closed: str, opens_at: datetime) -> None:
    schedule = campaign_schedule(_campaign(time_zone=zone.key, closed_dates=[closed]))
    assert schedule.next_opening(_at(f"{closed} 00:00", zone)) == opens_at
    assert not schedule.is_open(opens_at - timedelta(seconds=1))
    assert schedule.is_open(opens_at)
    assert schedule.is_open(_at(f"{closed} 00:00", zone) - timedelta(seconds=1))


def test_an_opening_is_found_behind_many_closed_days_and_never_where_there_is_none() -> None:
    month = [f"2026-03-{day:02d}" for day in range(1, 32)]
    schedule = campaign_schedule(_campaign(closed_dates=month, windows=[["08:00", "17:00"]]))
    assert schedule.next_opening(_at("2026-03-01 00:00")) == _at("2026-04-01 08:00")
    own = contact_schedule({"time_zone": None, "time_from": "20:00", "time_to": "21:00"}, "Asia/Ho_Chi_Minh")
    assert next_common_opening([schedule, own], _at("2026-03-01 00:00")) is None


@pytest.mark.parametrize(("code", "words"), [("XX", "unknown country"), ("US-XX", "no part"), ("vn", "two letters")])
def test_an_unknown_calendar_is_refused(code: str, words: str) -> None:
    with pytest.raises(BadSchedule, match=words):
        campaign_schedule(_campaign(holidays=code))


def test_a_closed_date_that_is_none_is_refused() -> None:
    with pytest.raises(BadSchedule, match="2026-12-25"):
        campaign_schedule(_campaign(closed_dates=["25.12.2026"]))
