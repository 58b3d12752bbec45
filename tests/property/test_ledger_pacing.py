"""A trunk's rate is never exceeded, however claims fall in time (ITU-T I.371)."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from campaigns.pacing import JITTER_US, Gate, from_us, spacing_us, take_slots, to_us
from tests.support_calls import run

SECOND_US = 1_000_000
claims = st.lists(
    st.tuples(st.integers(0, 700_000), st.integers(0, 40), st.sampled_from([0, 250_000, 500_000])), max_size=40
)


@given(cps=st.floats(1, 200), rounds=claims, start=st.integers(0, 2**45))
def test_no_second_holds_more_calls_than_the_rate(cps: float, rounds: list[tuple[int, int, int]], start: int) -> None:
    placed: list[int] = []
    now, next_call = start, 0
    for passed_us, wanted, ahead_us in rounds:
        now += passed_us
        slots = take_slots(next_call, now, cps, wanted, ahead_us)
        assert len(slots.at_us) <= wanted
        assert all(now <= at <= now + ahead_us for at in slots.at_us)
        placed += slots.at_us
        next_call = slots.next_call_us
    assert placed == sorted(placed)
    for place, first in enumerate(placed):
        assert sum(at < first + SECOND_US for at in placed[place:]) <= cps


@given(cps=st.integers(1, 200))
def test_a_whole_rate_is_used_in_full_but_for_the_margin(cps: int) -> None:
    window_us = SECOND_US + JITTER_US
    slots = take_slots(0, window_us, float(cps), 10_000, window_us - 1)
    assert len(slots.at_us) == cps


@given(cps=st.floats(0.01, 0.999))
def test_slow_rates_space_calls_by_more_than_a_second(cps: float) -> None:
    assert abs(spacing_us(cps) - SECOND_US / cps) <= 1


@given(now=st.integers(0, 2**45), late=st.integers(0, 10**9))
def test_a_pause_earns_no_burst(now: int, late: int) -> None:
    slots = take_slots(now, now + late, 10.0, 5, 0)
    assert slots.at_us == (now + late,)


@given(us=st.integers(0, 2**50))
def test_instants_keep_their_microsecond(us: int) -> None:
    assert to_us(from_us(us)) == us
    assert to_us(datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=us)) == us


def test_nothing_wanted_leaves_the_row_as_it_is() -> None:
    assert take_slots(7, 100, 1.0, 0, 50) == take_slots(7, 100, 1.0, 0, 0)
    assert take_slots(7, 100, 1.0, 0, 0).next_call_us == 7


@given(lateness=st.lists(st.integers(0, 3_000), min_size=1, max_size=20), cps=st.integers(1, 50))
def test_no_lateness_lets_calls_leave_closer_than_the_rate(lateness: list[int], cps: int) -> None:
    """Calls that wait at the gate at random instants, in virtual time."""
    left: list[float] = []
    spacing_s = spacing_us(cps) / SECOND_US

    async def call(gate: Gate, late_ms: int) -> None:
        await asyncio.sleep(late_ms / 1000)
        await gate.queue("line", spacing_s)
        await gate.leave("line", spacing_s)
        left.append(asyncio.get_running_loop().time())

    async def calls() -> None:
        gate = Gate()
        async with asyncio.TaskGroup() as group:
            for late_ms in lateness:
                group.create_task(call(gate, late_ms))

    run(calls())
    assert len(left) == len(lateness)
    assert all(late - early >= spacing_s - 1e-6 for early, late in pairwise(left))
