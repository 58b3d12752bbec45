"""The arithmetic of a forecast: calls by rules, cost by tariff, finish by the calendar."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from billing.tariff import parse_tariff
from campaigns.experience import DEFAULT, Ended, Experience, Spread, Talk
from campaigns.forecasting import Case, Forecasting, Pace, Workload, after_open, open_s
from campaigns.retries import parse_rules
from campaigns.windows import Schedule

#: A Monday, 09:00 in Vietnam.
NOW = datetime(2026, 3, 2, 2, 0, tzinfo=UTC)
VN = ZoneInfo("Asia/Ho_Chi_Minh")
OFFICE = Schedule(zone=VN, windows=((480, 690), (810, 1020)), weekdays=frozenset({1, 2, 3, 4, 5}))
SEEN = Experience(
    told="as told",
    answer_rate=Spread(0.4, 0.5, 0.6),
    talk_s=Spread(30, 60, 90),
    ring_s=10,
    wrap_up_s=0,
    talks=(Talk(30_000, 3, "HUP"), Talk(90_000, 9, "HUP")),
    ends={Ended(True, "USER_HANGUP", "HUP"): 50, Ended(False, "NOANSWER", "NA"): 40, Ended(False, "INVALID", "IN"): 10},
)
TARIFF: dict[str, Any] = {
    "currency": "USD",
    "valid_from": "2026-01-01",
    "vat_pct": 10,
    "block_s": 60,
    "block_price": {"conversation": 1},
    "telecom": {"destinations": [{"name": "far", "prefixes": ["+1"], "price_per_min": 5}]},
}
NEAR, FAR = "+84901234567", "+12025550123"


def _forecasting(seen: Experience = SEEN, *, rules: list[dict[str, Any]] | None = None, most: int = 1) -> Forecasting:
    return Forecasting(
        seen,
        tariff=parse_tariff(TARIFF),
        script_type="conversation",
        max_call_s=300,
        month_blocks=0,
        rules=parse_rules(rules or []),
        max_attempts=most,
    )


def _work(by_made: dict[int, int], *, schedule: Schedule = OFFICE, at_once: int = 10, cps: float = 5.0) -> Workload:
    return Workload(by_made, {NEAR: 1}, Pace(at_once, "concurrency", cps), schedule, NOW)


LIKELY = Case(0.5, 60)


def test_without_rules_everybody_is_called_once() -> None:
    found = _forecasting().figures(LIKELY, _work({0: 1000}))
    assert (found.attempts, found.answers, found.talk_s) == (1000, 500, 30_000)
    # 30 s is a block, 90 s are two: 1.50 on average, and VAT.
    assert found.cost == Decimal("825.00")


def test_only_what_a_rule_follows_up_is_called_again_up_to_the_maximum() -> None:
    rules = [{"on": ["NOANSWER"], "times": 5, "after_min": 20}]
    again = 0.5 * 40 / 50
    found = _forecasting(rules=rules, most=3).figures(LIKELY, _work({0: 1000, 2: 100}))
    assert found.attempts == round(1000 * (1 + again + again**2) + 100)
    assert found.answers == round(found.attempts / 2)


def test_more_answers_mean_fewer_calls_and_longer_talks_more_money() -> None:
    work = _work({0: 1000})
    low, likely, high = (
        _forecasting(rules=[{"on": ["NOANSWER"]}], most=2).figures(one, work) for one in _forecasting().cases
    )
    assert low.attempts > likely.attempts > high.attempts
    assert low.cost < likely.cost < high.cost


def test_the_price_on_the_line_is_that_of_the_contacts_numbers() -> None:
    work = Workload({0: 100}, {NEAR: 1, FAR: 1}, Pace(10, "", 5.0), OFFICE, NOW)
    # A minute on the far line is 5, and the talks are a minute on average: half of the calls cost 5 more.
    assert _forecasting().figures(LIKELY, work).cost == Decimal("50") * (Decimal("1.5") + Decimal("2.5")) * Decimal(
        "1.1"
    )


@pytest.mark.parametrize(
    ("people", "at_once", "cps", "finish"),
    [
        # 10 s of ringing and half of the calls with 60 s of talk hold a line for 40 s: 15 calls a minute.
        (1500, 10, 5.0, datetime(2026, 3, 2, 10, 40, 40, tzinfo=VN)),
        # 09:00 to 11:30 takes 2250 of them; the others are called from 13:30 on.
        (2265, 10, 5.0, datetime(2026, 3, 2, 13, 31, 40, tzinfo=VN)),
        # 5400 on Monday, 6300 on each later day of work, and the rest on Tuesday of the week after.
        (39_600, 10, 5.0, datetime(2026, 3, 10, 11, 0, 40, tzinfo=VN)),
        # The trunk's rate is the bound: one call in two seconds.
        (300, 1000, 0.5, datetime(2026, 3, 2, 9, 10, 40, tzinfo=VN)),
    ],
)
def test_the_finish_is_found_on_the_calendar(people: int, at_once: int, cps: float, finish: datetime) -> None:
    found = _forecasting().figures(LIKELY, _work({0: people}, at_once=at_once, cps=cps))
    assert found.finish_at is not None
    assert abs(found.finish_at - finish) < timedelta(seconds=2)


def test_the_last_contacts_further_calls_are_waited_for() -> None:
    rules = [{"on": ["NOANSWER"], "times": 5, "after_min": 90, "multiply": 2}]
    found = _forecasting(rules=rules, most=3).figures(LIKELY, _work({0: 15}))
    # Called within a minute, again after 90 and after 180 minutes more: 13:31.
    assert found.finish_at is not None
    assert found.finish_at.astimezone(VN).strftime("%H:%M") == "13:31"


def test_a_campaign_that_ends_before_its_list_does_says_what_is_made_in_time() -> None:
    ends = Schedule(zone=VN, windows=((480, 690),), end_at=NOW + timedelta(days=1))
    found = _forecasting().figures(LIKELY, _work({0: 100_000}, schedule=ends))
    assert found.finish_at is None
    assert found.made == pytest.approx(15 * (150 + 60), abs=1)
    assert found.attempts == 100_000


def test_nobody_to_call_is_done_at_once_and_costs_nothing() -> None:
    found = _forecasting().figures(LIKELY, Workload({}, {}, Pace(1, "", 1.0), OFFICE, NOW))
    assert (found.attempts, found.cost, found.finish_at) == (0, Decimal("0.00"), NOW)


def test_open_time_is_counted_to_the_second_across_lunch_and_weekend() -> None:
    start = datetime(2026, 3, 6, 16, 59, 30, tzinfo=VN)
    assert after_open(OFFICE, start, 30) == datetime(2026, 3, 6, 17, 0, tzinfo=VN)
    assert after_open(OFFICE, start, 31) == datetime(2026, 3, 9, 8, 0, 1, tzinfo=VN)
    week = Schedule(zone=VN, windows=OFFICE.windows, weekdays=OFFICE.weekdays, end_at=NOW + timedelta(days=7))
    assert open_s(week, NOW) == 5 * 7 * 3600
    assert after_open(week, NOW, 5 * 7 * 3600 + 1) is None


def test_what_is_assumed_without_calls_is_said() -> None:
    found = _forecasting(DEFAULT, rules=[{"on": ["NOANSWER"]}], most=2).figures(Case(0.4, 45), _work({0: 100}))
    assert (found.attempts, found.answers) == (160, 64)
    for figure in ("25, 40 or 60 %", "20, 45 or 90 s", "every 8 s", "20 s", "2 s"):
        assert figure in DEFAULT.told
