"""A trunk's rate is never exceeded, however claims fall in time (ITU-T I.371)."""

from __future__ import annotations

import asyncio
from collections import Counter
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from campaigns.pacing import JITTER_US, Gate, from_us, spacing_us, take_slots, to_us
from campaigns.shares import Room, Sharer, allowed, divide, ordinary_room
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


_sharers = st.lists(
    st.tuples(st.integers(1, 100), st.integers(0, 8), st.integers(0, 8), st.integers(0, 20), st.integers(0, 3)),
    min_size=1,
    max_size=5,
)


def _wanting(weight: int, live: int, callbacks: int, others: int, reserved: int, *, account: int = 0) -> Sharer:
    return Sharer(weight, live, 0, callbacks, others, account, reserved=reserved, free=max(0, 12 - live))


@settings(deadline=None)
@given(wishes=_sharers, calls=st.integers(0, 30), others=st.integers(-3, 30), account=st.integers(0, 30))
def test_whatever_is_divided_no_limit_is_passed_and_nothing_that_is_wanted_is_left(
    wishes: list[tuple[int, int, int, int, int]], calls: int, others: int, account: int
) -> None:
    sharers = [_wanting(*wish) for wish in wishes]
    room = Room(calls, others, {0: account})
    taken = Counter(divide(sharers, room))
    given = taken.total()
    assert given <= min(calls, account)
    ordinary = 0
    for place, (_, live, callbacks, waiting, reserved) in enumerate(wishes):
        free = max(0, 12 - live)
        promised = min(taken[place], callbacks)
        plain = taken[place] - promised
        ordinary += plain
        assert taken[place] <= free
        assert plain <= min(waiting, ordinary_room(free, reserved, promised))
    assert ordinary <= max(0, others)
    if given < min(calls, account):
        for sharer in sharers:
            assert sharer.callbacks == 0 or sharer.free == 0
            assert sharer.others == 0 or room.others <= 0 or sharer.free <= sharer.reserved


@settings(max_examples=25, deadline=None)
@given(
    weights=st.lists(st.integers(1, 9), min_size=2, max_size=4), channels=st.integers(1, 12), seed=st.integers(0, 99)
)
def test_over_time_each_has_its_part_of_the_channels_to_within_one(
    weights: list[int], channels: int, seed: int
) -> None:
    """Calls end at random, whosever they are; all campaigns always have somebody to call."""
    live, turns, held = [0] * len(weights), [0] * len(weights), [0] * len(weights)
    ends, rounds = Random(seed), 600
    for _ in range(rounds):
        sharers = [Sharer(w, n, turn, 0, 99) for w, n, turn in zip(weights, live, turns, strict=True)]
        free = channels - sum(live)
        for which in divide(sharers, Room(free, free, {})):
            live[which] += 1
        turns = [sharer.turn for sharer in sharers]
        assert sum(live) == channels
        held = [before + now for before, now in zip(held, live, strict=True)]
        busy = [which for which, count in enumerate(live) for _ in range(count)]
        live[ends.choice(busy)] -= 1
    for weight, channel_rounds in zip(weights, held, strict=True):
        part = weight / sum(weights)
        assert abs(channel_rounds / rounds - part * channels) < 1


@settings(deadline=None)
@given(start=st.integers(0, 2**45), jumps=st.lists(st.integers(-90_000, 90_000), max_size=20), first=st.integers(1, 9))
def test_slow_start_never_allows_more_than_its_steps_whatever_the_clock_does(
    start: int, jumps: list[int], first: int
) -> None:
    since = from_us(start)
    row = {"concurrency": 7, "slow_start": {"from": first, "step": 2, "every_s": 30}, "running_since": since}
    now = since
    for jump in jumps:
        now += timedelta(milliseconds=jump)
        calls, more_at = allowed(row, now)
        passed_s = max(0.0, (now - since).total_seconds())
        assert calls == min(7, first + 2 * int(passed_s // 30))
        assert (more_at is None) == (calls == 7)
        assert more_at is None or more_at > now
