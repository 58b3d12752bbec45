"""Call-back rules: which outcome is called again, when, and how often."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from campaigns.errors import BadRetryRule
from campaigns.retries import Done, Exhausted, Move, Outcome, Retry, next_move, parse_rules

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
BUSY, NO_ANSWER = Outcome("BUSY", "BS"), Outcome("NOANSWER", "NA")
AGREED = Outcome("BOT_HANGUP", "YES")


def _next(rules: list[dict[str, Any]], *history: Outcome, max_attempts: int = 9) -> Move:
    return next_move(parse_rules(rules), max_attempts=max_attempts, history=history, now=NOW)


def _minutes(move: Move) -> float:
    assert isinstance(move, Retry)
    return (move.at - NOW) / timedelta(minutes=1)


def test_without_a_rule_for_it_an_outcome_is_final() -> None:
    assert _next([], BUSY) == Done()
    assert _next([{"on": ["NOANSWER"]}], BUSY) == Done()


def test_the_default_is_one_call_back_after_twenty_minutes() -> None:
    assert _minutes(_next([{"on": ["BUSY"]}], BUSY)) == 20
    assert _next([{"on": ["BUSY"]}], BUSY, BUSY) == Exhausted()


def test_waits_multiply() -> None:
    rule = {"on": ["BUSY"], "times": 3, "after_min": "1.5", "multiply": 2}
    assert [_minutes(_next([rule], *[BUSY] * tries)) for tries in (1, 2, 3)] == [1.5, 3, 6]


def test_each_rule_counts_its_own_outcomes() -> None:
    rules = [{"on": ["BUSY"], "times": 1, "after_min": 5}, {"on": ["no answer"], "times": 1, "after_min": 60}]
    assert _minutes(_next(rules, BUSY, NO_ANSWER)) == 60
    assert _next(rules, BUSY, NO_ANSWER, BUSY) == Exhausted()


def test_a_later_rule_takes_over_when_the_first_is_used_up() -> None:
    rules = [{"on": ["BUSY"], "times": 1, "after_min": 5}, {"on": ["BUSY", "NOANSWER"], "times": 3, "after_min": 60}]
    assert _minutes(_next(rules, BUSY)) == 5
    assert _minutes(_next(rules, BUSY, BUSY)) == 60


def test_the_maximum_is_shared_by_all_rules_and_counts_every_attempt() -> None:
    rules = [{"on": ["BUSY", "NOANSWER"], "times": 20}]
    assert isinstance(_next(rules, BUSY, NO_ANSWER, max_attempts=3), Retry)
    assert _next(rules, BUSY, NO_ANSWER, BUSY, max_attempts=3) == Exhausted()
    assert _next(rules, BUSY, max_attempts=1) == Exhausted()
    assert _next(rules, BUSY, AGREED, max_attempts=2) == Done()


def test_a_code_is_matched_as_the_campaign_writes_it() -> None:
    rules = [{"on": ["code:LATER", "code:BAN"], "after_min": 0}]
    assert _minutes(_next(rules, Outcome("USER_HANGUP", "LATER"))) == 0
    assert _minutes(_next(rules, Outcome("BUSY", "BAN"))) == 0
    assert _next(rules, AGREED) == Done()


@pytest.mark.parametrize("status", ["CHANUNAVAIL", "CONGESTION", "OUT_OF_SERVICE"])
def test_unreachable_stands_for_every_way_of_not_getting_through(status: str) -> None:
    assert isinstance(_next([{"on": ["unreachable"]}], Outcome(status, "CU")), Retry)


@pytest.mark.parametrize("word", ["busy", "BUSY", "Busy"])
def test_words_are_read_in_any_case(word: str) -> None:
    assert isinstance(_next([{"on": [word]}], BUSY), Retry)


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        ({"on": []}, "`on` is empty"),
        ({}, "`on` is empty"),
        ({"on": ["rain"]}, "unknown outcome 'rain'"),
        ({"on": ["BUSY"], "times": 0}, "times is 0; it must be 1 or more"),
        ({"on": ["BUSY"], "after_min": -1}, "after_min is -1"),
        ({"on": ["BUSY"], "after_min": "soon"}, "after_min is 'soon'; write a number"),
        ({"on": ["BUSY"], "after_min": "NaN"}, "after_min is NaN"),
        ({"on": ["BUSY"], "multiply": 0.5}, "multiply is 0.5"),
    ],
)
def test_a_rule_that_cannot_be_understood_names_itself(rule: dict[str, Any], message: str) -> None:
    with pytest.raises(BadRetryRule, match=f"rule 2: .*{message}"):
        parse_rules([{"on": ["BUSY"]}, rule])
