"""What keeps a number from another call: each cap alone, and what an agreed call-back is spared."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from pydantic import ValidationError

from campaigns.clauses import Clause
from campaigns.errors import BadCap
from campaigns.frequency import NO_CAPS, Asked, Capped, Caps, PastCall, in_the_way
from campana.calling import calling_rules
from campana.settings import CallingSettings, Settings

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)
SAIGON = ZoneInfo("Asia/Ho_Chi_Minh")


def asked(now: datetime = NOW, *, agreed: bool = False, purpose: str | None = None) -> Asked:
    return Asked(now, 1, SAIGON, purpose, agreed)


def call(hours_ago: float, *, campaign: int = 1, answered: bool = False, purpose: str | None = None) -> PastCall:
    at = NOW - hours_ago * HOUR
    return PastCall(campaign, at, at + timedelta(seconds=9) if answered else None, purpose)


def test_without_a_cap_nothing_is_in_the_way() -> None:
    assert in_the_way([call(n, answered=True) for n in range(50)], NO_CAPS, asked()) == ()


def test_twenty_four_hours_roll_and_end_to_the_millisecond() -> None:
    calls = [call(30), call(5, campaign=2), call(2)]
    (found,) = in_the_way(calls, Caps(per_24h=2), asked())
    until = NOW + 19 * HOUR
    assert found == Capped(Clause.FREQUENCY_CAP, until, "2 calls in 24 hours allowed")
    assert in_the_way(calls, Caps(per_24h=2), asked(until - timedelta(milliseconds=1))) == (found,)
    assert in_the_way(calls, Caps(per_24h=2), asked(until)) == ()
    assert in_the_way(calls, Caps(per_24h=3), asked()) == ()


def test_a_calendar_day_is_the_contacts_and_ends_at_its_midnight() -> None:
    # 16:00 in Viet Nam; 15 hours earlier it was 01:00 of the same day, 17 hours earlier the day before.
    caps = Caps(per_day=1)
    assert in_the_way([call(17)], caps, asked()) == ()
    (found,) = in_the_way([call(15)], caps, asked())
    assert found.until == datetime(2026, 3, 2, 17, 0, tzinfo=UTC)
    assert in_the_way([call(15)], caps, Asked(NOW, 1, ZoneInfo("UTC"))) == ()


def test_the_day_on_which_the_clock_is_put_forward_ends_at_midnight_too() -> None:
    berlin, noon = ZoneInfo("Europe/Berlin"), datetime(2026, 3, 29, 10, 0, tzinfo=UTC)
    early = PastCall(1, datetime(2026, 3, 28, 23, 30, tzinfo=UTC))
    (found,) = in_the_way([early], Caps(per_day=1), Asked(noon, 1, berlin))
    assert found.until == datetime(2026, 3, 29, 22, 0, tzinfo=UTC)


def test_caps_of_campaign_and_lifetime_never_open_again() -> None:
    calls = [call(9000, campaign=1), call(9000, campaign=2), call(5000, campaign=2)]
    (of_campaign,) = in_the_way(calls, Caps(per_campaign=1), asked())
    assert (of_campaign.until, of_campaign.text) == (None, "1 call in one campaign allowed")
    assert in_the_way(calls, Caps(per_campaign=2), asked()) == ()
    (ever,) = in_the_way(calls, Caps(lifetime=3), asked())
    assert (ever.until, ever.text) == (None, "3 calls ever allowed")
    assert in_the_way(calls, Caps(lifetime=4), asked()) == ()


def test_days_without_a_call_follow_an_answered_one_of_any_campaign() -> None:
    calls = [call(50, campaign=7, answered=True), call(10)]
    (found,) = in_the_way(calls, Caps(no_call_back_days=3), asked())
    assert found.clause is Clause.NO_CALL_BACK_PERIOD
    assert found.until == NOW + 22 * HOUR + timedelta(seconds=9)
    assert in_the_way(calls, Caps(no_call_back_days=2), asked()) == ()
    assert in_the_way([call(10)], Caps(no_call_back_days=3), asked()) == ()


def test_the_law_counts_calls_of_the_same_purpose_and_none_as_advertising() -> None:
    calls = [call(3, purpose="service"), call(2)]
    assert in_the_way(calls[:1], NO_CAPS, asked(purpose="advertising"), legal_per_24h=1) == ()
    (found,) = in_the_way(calls, NO_CAPS, asked(purpose="advertising"), legal_per_24h=1)
    assert (found.until, found.text) == (NOW + 22 * HOUR, "1 call in 24 hours allowed by law")
    assert in_the_way(calls[1:], NO_CAPS, asked(purpose="service"), legal_per_24h=1) == ()


def test_an_agreed_call_back_is_spared_but_not_by_caps_that_never_open() -> None:
    calls = [call(1, answered=True)]
    caps = Caps(per_24h=1, per_day=1, no_call_back_days=30)
    assert len(in_the_way(calls, caps, asked(), legal_per_24h=1)) == 4
    assert in_the_way(calls, caps, asked(agreed=True), legal_per_24h=1) == ()
    assert len(in_the_way(calls, Caps(per_campaign=1, lifetime=1), asked(agreed=True))) == 2


def test_what_lasts_longest_is_told_first() -> None:
    calls = [call(1, answered=True)]
    caps = Caps(per_24h=1, per_day=1, lifetime=1, no_call_back_days=2)
    assert [one.until for one in in_the_way(calls, caps, asked())] == [
        None,
        NOW + 47 * HOUR + timedelta(seconds=9),
        NOW + 23 * HOUR,
        NOW + 8 * HOUR,
    ]


def test_of_two_the_strictest_holds() -> None:
    account = Caps(per_24h=2, lifetime=10, no_call_back_days=7)
    campaign = Caps(per_24h=3, per_day=1, no_call_back_days=30)
    assert account.strictest(campaign) == Caps(per_24h=2, per_day=1, lifetime=10, no_call_back_days=30)
    assert NO_CAPS.strictest(NO_CAPS) == NO_CAPS


@pytest.mark.parametrize(
    ("data", "told"),
    [
        ({"per_hour": 1}, "caps.per_hour: unknown; known are per_24h"),
        ({"per_24h": 0}, "caps.per_24h: 0; write a whole number from 1 to 1000"),
        ({"per_day": True}, "caps.per_day: True"),
        ({"no_call_back_days": 4000}, "from 1 to 3650"),
    ],
)
def test_a_cap_that_makes_no_sense_is_refused(data: dict[str, int], told: str) -> None:
    with pytest.raises(BadCap) as refused:
        Caps.from_json(data)
    assert told in str(refused.value)


def test_settings_hand_their_caps_to_the_nodes() -> None:
    calling = CallingSettings(per_24h=1, no_call_back_days=30)
    assert calling_rules(Settings(calling=calling)).caps == Caps(per_24h=1, no_call_back_days=30)
    assert calling_rules(Settings()).caps == NO_CAPS
    with pytest.raises(ValidationError):
        CallingSettings(per_day=0)
