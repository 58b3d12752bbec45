"""Billable seconds and blocks: every check of VOCABULARY (Billing), and the inputs that are refused."""

from __future__ import annotations

import pytest

from billing.blocks import Increment, billable_seconds, blocks, whole_seconds


@pytest.mark.parametrize(
    ("increment", "talk_ms", "seconds"),
    [
        ("6+1", 3_000, 6),
        ("6+1", 6_000, 6),
        ("6+1", 6_200, 7),
        ("6+1", 59_000, 59),
        ("60+60", 1_000, 60),
        ("60+60", 61_000, 120),
        ("60+60", 60_000, 60),
        ("60+60", 60_001, 120),
        ("6+6", 8_000, 12),
        ("1+1", 1, 1),
        ("1+1", 0, 0),
        ("6+1", None, 0),
    ],
)
def test_billable_seconds(increment: str, talk_ms: int | None, seconds: int) -> None:
    assert billable_seconds(talk_ms, Increment.parse(increment)) == seconds


@pytest.mark.parametrize(("talk_ms", "seconds"), [(4_999, 0), (5_000, 0), (5_001, 6), (7_000, 7)])
def test_free_seconds_are_a_threshold_and_not_a_discount(talk_ms: int, seconds: int) -> None:
    assert billable_seconds(talk_ms, Increment(6, 1), free_s=5) == seconds


@pytest.mark.parametrize(
    ("talk_ms", "used"), [(1_000, 1), (30_000, 1), (30_001, 2), (None, 0), (0, 1), (60_000, 2), (60_001, 3)]
)
def test_blocks_of_thirty_seconds(talk_ms: int | None, used: int) -> None:
    assert blocks(talk_ms, 30) == used


@pytest.mark.parametrize(("talk_ms", "least", "used"), [(0, 0, 0), (1_000, 0, 1), (1_000, 3, 3), (None, 3, 0)])
def test_the_least_blocks_of_an_answered_call(talk_ms: int | None, least: int, used: int) -> None:
    assert blocks(talk_ms, 30, min_blocks_on_answer=least) == used


@pytest.mark.parametrize(("talk_ms", "seconds"), [(0, 0), (1, 1), (1_000, 1), (1_001, 2)])
def test_milliseconds_round_up(talk_ms: int, seconds: int) -> None:
    assert whole_seconds(talk_ms) == seconds


def test_a_negative_talk_time_is_refused() -> None:
    with pytest.raises(ValueError, match="negative: -1 ms"):
        whole_seconds(-1)


@pytest.mark.parametrize("text", ["6", "6/1", "6+", "a+b", "6.0+1", "-6+1", ""])
def test_an_increment_that_cannot_be_read_says_how_to_write_it(text: str) -> None:
    with pytest.raises(ValueError, match=r"such as 6\+1"):
        Increment.parse(text)


@pytest.mark.parametrize("text", ["0+1", "6+0"])
def test_an_increment_of_no_seconds_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="by the second is written 1"):
        Increment.parse(text)


def test_an_increment_is_written_as_it_is_read() -> None:
    assert str(Increment.parse(" 60 + 6 ")) == "60+6"
