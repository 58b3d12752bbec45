"""What cannot be stored (DESIGN invariant 7), and clocks."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy.dialects import sqlite

from storage.clock import ManualClock, SystemClock
from storage.types import E164, Money, UtcTime

DIALECT = sqlite.dialect()


def _there_and_back(type_: Any, value: Any) -> Any:
    return type_.process_result_value(type_.process_bind_param(value, DIALECT), DIALECT)


@given(
    st.datetimes(min_value=datetime(1900, 1, 1), max_value=datetime(2200, 1, 1)),  # noqa: DTZ001 - the zone is added
    st.integers(-14 * 60, 14 * 60),
)
def test_an_instant_keeps_its_millisecond_in_any_zone(wall: datetime, offset_min: int) -> None:
    at = wall.replace(tzinfo=timezone(timedelta(minutes=offset_min)))
    back = _there_and_back(UtcTime(), at)
    assert back.tzinfo is UTC
    assert timedelta() <= at - back < timedelta(milliseconds=1)


def test_a_naive_instant_is_refused() -> None:
    with pytest.raises(ValueError, match="naive"):
        UtcTime().process_bind_param(datetime(2026, 1, 1), DIALECT)  # noqa: DTZ001 - the mistake itself


@given(st.decimals(min_value=-(10**12), max_value=10**12, places=4))
def test_money_is_exact(amount: Decimal) -> None:
    assert _there_and_back(Money(), amount) == amount


@pytest.mark.parametrize("amount", [0.5, 1, "1"])
def test_money_that_is_no_decimal_is_refused(amount: Any) -> None:
    with pytest.raises(TypeError, match="Decimal"):
        Money().process_bind_param(amount, DIALECT)


def test_money_finer_than_the_column_is_refused() -> None:
    with pytest.raises(ValueError, match="4 decimals"):
        Money().process_bind_param(Decimal("0.00001"), DIALECT)


@pytest.mark.parametrize(
    "number", ["84901234567", "+0123456", "+84 90", "+1", "+1234567890123456", "", "+84901234567\n"]
)
def test_a_number_outside_e164_is_refused_without_telling_it(number: str) -> None:
    with pytest.raises(ValueError, match=r"E\.164") as caught:
        E164().process_bind_param(number, DIALECT)
    assert number == "" or number not in str(caught.value)


def test_nothing_stays_nothing() -> None:
    assert [_there_and_back(type_(), None) for type_ in (UtcTime, Money)] == [None, None]
    assert E164().process_bind_param(None, DIALECT) is None
    assert E164().process_bind_param("+99900000001", DIALECT) == "+99900000001"


def test_the_system_clock_is_aware_and_a_manual_one_moves_when_told() -> None:
    assert SystemClock().now().tzinfo is UTC
    clock = ManualClock(datetime(2026, 3, 2, 16, 0, tzinfo=timezone(timedelta(hours=7))))
    clock.advance(hours=1, minutes=-1)
    assert clock.now() == datetime(2026, 3, 2, 9, 59, tzinfo=UTC)
    with pytest.raises(ValueError, match="aware"):
        ManualClock(datetime(2026, 3, 2))  # noqa: DTZ001 - the mistake itself


@pytest.mark.parametrize(
    "at",
    [
        datetime(9999, 12, 31, 23, 59, 59, tzinfo=timezone(timedelta(hours=-14))),
        datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC),
        datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=14))),
    ],
)
def test_an_instant_that_no_later_reading_could_show_is_not_stored(at: datetime) -> None:
    with pytest.raises(ValueError, match="calendar's end"):
        UtcTime().process_bind_param(at, DIALECT)
