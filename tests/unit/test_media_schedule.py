"""When audio is due, whatever the beats do."""

from __future__ import annotations

import random

from telephony.media.schedule import BEAT_S, MOST_AT_ONCE, Schedule


def test_one_frame_each_beat() -> None:
    schedule = Schedule(100.0)
    assert [schedule.due(100.0 + beat * BEAT_S) for beat in range(1, 500)] == [1] * 499
    assert (schedule.late, schedule.skipped) == (0, 0)


def test_nothing_before_its_time_and_nothing_twice() -> None:
    schedule = Schedule(0.0)
    assert schedule.due(0.019) == 0
    assert schedule.next_s == BEAT_S
    assert schedule.due(0.0201) == 1
    assert schedule.due(0.0202) == 0


def test_small_lateness_never_adds_up() -> None:
    schedule, dice, now_s, sent = Schedule(0.0), random.Random(3), 0.0, 0
    for _ in range(5000):
        now_s = max(now_s, schedule.next_s) + dice.uniform(0, 0.012)
        sent += schedule.due(now_s)
    assert sent == int(now_s / BEAT_S + 1e-6)
    assert schedule.skipped == 0


def test_a_late_beat_makes_up_for_what_was_missed() -> None:
    schedule = Schedule(0.0)
    assert schedule.due(3.5 * BEAT_S) == 3
    assert schedule.due(4.0 * BEAT_S) == 1
    assert (schedule.late, schedule.skipped) == (1, 0)


def test_a_long_standstill_is_no_burst() -> None:
    schedule = Schedule(0.0)
    assert schedule.due(2.0) == MOST_AT_ONCE
    assert schedule.skipped == 100 - MOST_AT_ONCE
    assert schedule.due(2.0 + BEAT_S) == 1
    assert schedule.next_s > 2.0 + BEAT_S
