"""However calls come, no cap is ever exceeded: each history recounted by brute force."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from hypothesis import given
from hypothesis import strategies as st

from campaigns.frequency import DAY, Asked, Caps, PastCall, in_the_way

START = datetime(2026, 3, 27, 20, 0, tzinfo=UTC)
counts = st.none() | st.integers(1, 4)
caps_of_all_kinds = st.builds(
    Caps, per_24h=counts, per_day=counts, per_campaign=counts, lifetime=counts, no_call_back_days=counts
)
#: Minutes passed, campaign, whether it is answered, whether it is an agreed call-back.
wishes = st.lists(
    st.tuples(st.integers(0, 2000), st.integers(1, 2), st.booleans(), st.just(False) | st.booleans()), max_size=40
)
#: Viet Nam's days are all alike; Berlin's clock is put forward within these.
zones = st.sampled_from(["Asia/Ho_Chi_Minh", "Europe/Berlin"])


def _placed(
    caps: Caps, legal: int | None, tries: Sequence[tuple[int, int, bool, bool]], zone: ZoneInfo
) -> list[tuple[PastCall, bool]]:
    """The calls that are let through, with whether each was an agreed one."""
    now, calls = START, list[tuple[PastCall, bool]]()
    for minutes, campaign, answered, agreed in tries:
        now += timedelta(minutes=minutes)
        asked = Asked(now, campaign, zone, "advertising", agreed)
        past = [call for call, _ in calls]
        found = in_the_way(past, caps, asked, legal_per_24h=legal)
        if not found:
            placed_at = now + timedelta(milliseconds=200)
            answered_at = placed_at + timedelta(seconds=5) if answered else None
            calls.append((PastCall(campaign, placed_at, answered_at, "advertising"), agreed))
            now = placed_at + timedelta(seconds=10)
            continue
        # It never opens again, or does so at the instant that was told and not a moment before.
        if found[0].until is not None:
            at, before = (
                Asked(found[0].until - timedelta(milliseconds=d), campaign, zone, "advertising") for d in (0, 1)
            )
            assert not in_the_way(past, caps, at, legal_per_24h=legal)
            assert in_the_way(past, caps, before, legal_per_24h=legal)
    return calls


@given(caps=caps_of_all_kinds, legal=counts, tries=wishes, zone=zones)
def test_no_call_that_is_let_through_exceeds_a_cap(
    caps: Caps, legal: int | None, tries: list[tuple[int, int, bool, bool]], zone: str
) -> None:
    local = ZoneInfo(zone)
    calls = _placed(caps, legal, tries, local)
    if caps.lifetime is not None:
        assert len(calls) <= caps.lifetime
    for campaign in (1, 2):
        assert caps.per_campaign is None or sum(c.campaign_id == campaign for c, _ in calls) <= caps.per_campaign
    for place, (call, agreed) in enumerate(calls):
        # Calls that the customer asked for are counted, but not held up.
        if agreed:
            continue
        before = [one for one, _ in calls[:place]]
        in_24h = 1 + sum(one.placed_at > call.placed_at - DAY for one in before)
        for most in (caps.per_24h, legal):
            assert most is None or in_24h <= most
        day = call.placed_at.astimezone(local).date()
        on_the_day = 1 + sum(one.placed_at.astimezone(local).date() == day for one in before)
        assert caps.per_day is None or on_the_day <= caps.per_day
        for one in before:
            if caps.no_call_back_days is not None and one.answered_at is not None:
                assert call.placed_at >= one.answered_at + caps.no_call_back_days * DAY
