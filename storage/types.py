"""Column types that make the wrong value impossible to store (DESIGN invariant 7)."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from sqlalchemy import BigInteger, String
from sqlalchemy.engine import Dialect
from sqlalchemy.types import TypeDecorator

MONEY_SCALE = 4
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_E164 = re.compile(r"\+[1-9]\d{4,14}\Z")


#: What can be told in every time zone: on the calendar's first and last days some zone has no date.
EARLIEST = datetime(1, 1, 3, tzinfo=UTC)
LATEST = datetime(9999, 12, 29, tzinfo=UTC)


def is_tellable(instant: datetime) -> bool:
    """Whether an aware instant can be kept, and shown in every time zone."""
    return EARLIEST <= instant <= LATEST


def whole_ms(instant: datetime) -> datetime:
    """An instant as it will be read back: what is computed from it now is then what anybody computes later."""
    return instant.replace(microsecond=instant.microsecond // 1000 * 1000)


class UtcTime(TypeDecorator[datetime]):
    """An instant, kept as integer milliseconds since the epoch, so that differences are milliseconds in SQL."""

    impl = BigInteger
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> int | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"a naive datetime cannot be stored: {value!r}")
        if not is_tellable(value):
            raise ValueError(f"an instant at the calendar's end cannot be stored: {value!r}")
        return (value - _EPOCH) // timedelta(milliseconds=1)

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:
        return None if value is None else _EPOCH + timedelta(milliseconds=int(value))


class Money(TypeDecorator[Decimal]):
    """An amount of money, kept as an integer of ten-thousandths of the currency's unit: sums are exact in SQL."""

    impl = BigInteger
    cache_ok = True

    def process_bind_param(self, value: Decimal | None, dialect: Dialect) -> int | None:
        if value is None:
            return None
        if not isinstance(value, Decimal):
            raise TypeError(f"money is a Decimal, not {type(value).__name__}: {value!r}")
        scaled = value.scaleb(MONEY_SCALE)
        if scaled != scaled.to_integral_value():
            raise ValueError(f"money has at most {MONEY_SCALE} decimals: {value}")
        return int(scaled)

    def process_result_value(self, value: Any, dialect: Dialect) -> Decimal | None:
        return None if value is None else Decimal(int(value)).scaleb(-MONEY_SCALE)


class E164(TypeDecorator[str]):
    """A telephone number in E.164 form, plus sign included (ITU-T E.164)."""

    impl = String(16)
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        if value is not None and not _E164.match(value):
            raise ValueError(f"not an E.164 number (expected +, country code, subscriber): length {len(value)}")
        return value
