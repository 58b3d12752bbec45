"""An account's statement: what was paid in, corrected and charged in a period, and the balance before and after."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, timedelta, tzinfo
from decimal import Decimal
from typing import Any

from sqlalchemy import BigInteger, func, select, type_coerce
from sqlalchemy.ext.asyncio import AsyncConnection

from billing.currency import round_money
from billing.errors import LedgerError
from billing.ledger import Book, Kind
from storage.tables import accounts, ledger_entries
from storage.types import MONEY_SCALE

#: Every time zone's days begin at a whole quarter of an hour of UTC.
_QUARTER_MS = 900_000
#: Reservations and releases only move money aside and back.
_TOLD = (Kind.TOP_UP.value, Kind.ADJUSTMENT.value, Kind.CHARGE.value)


@dataclass(frozen=True)
class StatementLine:
    """A day's charges together, or one payment or correction by its key."""

    day: date
    kind: str
    #: How many postings, and the key when it is one that a person made.
    count: int
    key: str | None
    #: What it adds to the balance.
    amount: Decimal


@dataclass(frozen=True)
class Statement:
    """The period [from_day, to_day] in the account's time zone; amounts include VAT."""

    currency: str
    from_day: date
    to_day: date
    opening: Decimal
    lines: tuple[StatementLine, ...]
    closing: Decimal


async def statement(conn: AsyncConnection, account_id: int, *, from_day: date, to_day: date, zone: tzinfo) -> Statement:
    """The statement of whole days; raises `LedgerError` when there is no such account, or no day in the period."""
    if to_day < from_day:
        raise LedgerError(f"the statement would end on {to_day}, before it begins on {from_day}")
    begins, ends = _midnight(from_day, zone), _midnight(to_day + timedelta(days=1), zone)
    named = select(accounts.c.currency).where(accounts.c.id == account_id)
    currency = (await conn.execute(named)).scalar_one_or_none()
    if currency is None:
        raise LedgerError(f"there is no account {account_id}")
    of_account = ledger_entries.c.account_id == account_id
    ours = [of_account, ledger_entries.c.book == Book.PREPAID.value, ledger_entries.c.kind.in_(_TOLD)]
    before = select(func.sum(ledger_entries.c.amount)).where(*ours, ledger_entries.c.created_at < begins)
    opening = round_money((await conn.execute(before)).scalar_one() or Decimal(0), currency)
    inside = [*ours, ledger_entries.c.created_at >= begins, ledger_entries.c.created_at < ends]
    lines = [*await _charges(conn, inside, zone), *await _by_hand(conn, inside, zone)]
    rounded = [
        _rounded(line, currency) for line in sorted(lines, key=lambda line: (line.day, line.kind, line.key or ""))
    ]
    closing = opening + sum((line.amount for line in rounded), Decimal(0))
    return Statement(currency, from_day, to_day, opening, tuple(rounded), closing)


async def _charges(conn: AsyncConnection, inside: Iterable[Any], zone: tzinfo) -> list[StatementLine]:
    entry = ledger_entries.c
    quarter = (type_coerce(entry.created_at, BigInteger) // _QUARTER_MS).label("quarter")
    sums = select(quarter, func.count(), func.sum(type_coerce(entry.amount, BigInteger)))
    days: dict[date, tuple[int, int]] = {}
    charged = sums.where(*inside, entry.kind == Kind.CHARGE.value).group_by(quarter)
    for place, count, units in (await conn.execute(charged)).all():
        day = datetime.fromtimestamp(int(place) * _QUARTER_MS / 1000, zone).date()
        known = days.get(day, (0, 0))
        days[day] = (known[0] + count, known[1] + int(units))
    return [
        StatementLine(day, Kind.CHARGE.value, count, None, Decimal(units).scaleb(-MONEY_SCALE))
        for day, (count, units) in days.items()
    ]


async def _by_hand(conn: AsyncConnection, inside: Iterable[Any], zone: tzinfo) -> list[StatementLine]:
    entry = ledger_entries.c
    made = select(entry.created_at, entry.kind, entry.posting_key, entry.amount).where(
        *inside, entry.kind != Kind.CHARGE.value
    )
    return [
        StatementLine(at.astimezone(zone).date(), kind, 1, key.split(":", 2)[2], amount)
        for at, kind, key, amount in (await conn.execute(made.order_by(entry.id))).all()
    ]


def _rounded(line: StatementLine, currency: str) -> StatementLine:
    return StatementLine(line.day, line.kind, line.count, line.key, round_money(line.amount, currency))


def _midnight(day: date, zone: tzinfo) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=zone)
