"""The money ledger: append-only and double-entry; every posting sums to nought over its books.

`prepaid` is what the account may still spend; `cash` what it paid in; `bot`, `telecom`, `fees` and `vat` what it
was charged for. A charge takes from prepaid (a negative row) and gives to the others; the charge of a rehearsal's
attempt takes from `rehearsal` instead, so that it touches no balance. An attempt that is not
billed has no posting, one that is billed has exactly one, at a price of nought too: postings of kind charge plus
attempts without one are all attempts.

Where an account or a campaign has a limit, what a call may cost at most moves from the book that pays to `reserved`
before the call is placed, and back when it has ended: once each. The prepaid book is then what may still be spent.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any

from sqlalchemy import func, insert, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from billing.currency import TOO_LARGE, is_too_large, round_money
from billing.errors import LedgerError
from billing.rating import Rated
from storage.tables import accounts, ledger_entries

_LONGEST_KEY = 96


class Book(StrEnum):
    """The books of the ledger."""

    PREPAID = "prepaid"
    CASH = "cash"
    BOT = "bot"
    TELECOM = "telecom"
    FEES = "fees"
    VAT = "vat"
    REHEARSAL = "rehearsal"
    RESERVED = "reserved"


class Kind(StrEnum):
    """Why money moved."""

    TOP_UP = "top_up"
    RESERVATION = "reservation"
    RELEASE = "release"
    CHARGE = "charge"
    ADJUSTMENT = "adjustment"


def charge_rows(
    rated: Rated, *, account_id: int, attempt_id: str, now: datetime, rehearsal: bool = False
) -> list[dict[str, Any]]:
    """Rows for `ledger_entries` that charge one attempt; none for an attempt that is not billed.

    A rehearsal's attempt is charged to the book `rehearsal`, which is no part of the balance.
    """
    if not rated.billed:
        return []
    given = {
        Book.BOT: rated.bot,
        Book.TELECOM: rated.telecom,
        Book.FEES: rated.fees,
        Book.VAT: rated.vat,
    }
    moves = {_pays(rehearsal=rehearsal): -rated.total, **{book: amount for book, amount in given.items() if amount}}
    key = f"charge:{attempt_id}"
    return _rows(
        Kind.CHARGE, key, moves, currency=rated.currency, account_id=account_id, now=now, attempt_id=attempt_id
    )


def reservation_rows(
    amount: Decimal, *, account_id: int, attempt_id: str, currency: str, now: datetime, rehearsal: bool = False
) -> list[dict[str, Any]]:
    """Rows for `ledger_entries` that set aside what an attempt may cost; a rehearsal's leaves the balance alone."""
    moves = {_pays(rehearsal=rehearsal): -amount, Book.RESERVED: amount}
    key = f"reservation:{attempt_id}"
    return _rows(Kind.RESERVATION, key, moves, currency=currency, account_id=account_id, now=now, attempt_id=attempt_id)


def release_rows(
    amount: Decimal, *, account_id: int, attempt_id: str, currency: str, now: datetime, rehearsal: bool = False
) -> list[dict[str, Any]]:
    """Rows for `ledger_entries` that give back what was set aside for an attempt, all of it."""
    moves = {Book.RESERVED: -amount, _pays(rehearsal=rehearsal): amount}
    key = f"release:{attempt_id}"
    return _rows(Kind.RELEASE, key, moves, currency=currency, account_id=account_id, now=now, attempt_id=attempt_id)


async def charge(
    conn: AsyncConnection, rated: Rated, *, account_id: int, attempt_id: str, now: datetime, rehearsal: bool = False
) -> list[dict[str, Any]]:
    """Post the charge of one attempt; the rows posted. Raises `LedgerError` when it was charged already."""
    rows = charge_rows(rated, account_id=account_id, attempt_id=attempt_id, now=now, rehearsal=rehearsal)
    if rows:
        await post(conn, rows)
    return rows


async def top_up(
    conn: AsyncConnection, *, account_id: int, amount: Decimal, currency: str, key: str, now: datetime
) -> None:
    """Put money into the prepaid balance; `key` names the payment and makes it once-only."""
    _require_bounded(amount, "a top-up")
    if amount <= 0:
        raise LedgerError(f"a top-up must be more than nought, not {amount}; to take money away use an adjustment")
    moves = {Book.PREPAID: amount, Book.CASH: -amount}
    posting = f"top_up:{account_id}:{key}"
    await post(conn, _rows(Kind.TOP_UP, posting, moves, currency=currency, account_id=account_id, now=now))


async def once(conn: AsyncConnection, posting_key: str, amount: Decimal) -> bool:
    """Whether a posting by hand of this key was made before, with this amount; raises `LedgerError` for another one."""
    if len(posting_key) > _LONGEST_KEY:
        raise LedgerError(f"the key of {posting_key} is too long; use one of at most 64 characters")
    made = await find_posting(conn, posting_key)
    if made and made.get(Book.PREPAID) != amount:
        raise LedgerError(f"posting {posting_key} was made already, of {made.get(Book.PREPAID)}; use another key")
    return bool(made)


async def adjust(
    conn: AsyncConnection,
    *,
    account_id: int,
    amount: Decimal,
    against: Book,
    currency: str,
    key: str,
    now: datetime,
) -> None:
    """Correct the balance by `amount` (negative takes away), against the book that was wrong."""
    _require_bounded(amount, "an adjustment")
    if amount == 0 or against is Book.PREPAID:
        raise LedgerError("an adjustment moves an amount other than nought between prepaid and another book")
    moves = {Book.PREPAID: amount, against: -amount}
    posting = f"adjustment:{account_id}:{key}"
    await post(conn, _rows(Kind.ADJUSTMENT, posting, moves, currency=currency, account_id=account_id, now=now))


def _require_bounded(amount: Decimal, what: str) -> None:
    if is_too_large(amount):
        raise LedgerError(f"{what} moves less than {TOO_LARGE}, not {amount}; look for a digit too many")


async def post(conn: AsyncConnection, rows: Sequence[Mapping[str, Any]]) -> None:
    """Append one posting, holding the account until the transaction ends.

    Raises `LedgerError` when the rows do not sum to nought, are not of the account's currency or finer than its
    smallest unit, or when the key was used before; the transaction is then to be rolled back.
    """
    first = rows[0]
    if sum((row["amount"] for row in rows), Decimal(0)) != 0:
        raise LedgerError(f"posting {first['posting_key']} does not sum to nought")
    # Whoever sets a credit limit meanwhile sums the books: before this posting, or with it.
    currency = await _currency(conn, first["account_id"], lock=True)
    for row in rows:
        if row["currency"] != currency:
            raise LedgerError(f"posting {row['posting_key']} is in {row['currency']}, the account is in {currency}")
        if round_money(row["amount"], currency) != row["amount"]:
            raise LedgerError(f"posting {row['posting_key']}: {row['amount']} is finer than {currency} can pay")
    try:
        await conn.execute(insert(ledger_entries), [dict(row) for row in rows])
    except IntegrityError as error:
        raise LedgerError(f"posting {first['posting_key']} was made already, or names an unknown row") from error
    moved = sum((row["amount"] for row in rows if row["book"] == Book.PREPAID.value), Decimal(0))
    if moved:
        await move_balance(conn, {first["account_id"]: moved})


async def move_balance(conn: AsyncConnection, moved: Mapping[int, Decimal]) -> None:
    """Let the running balances of these accounts follow their prepaid books; one without a credit limit has none."""
    for account_id, amount in sorted(moved.items()):
        of_account = update(accounts).where(accounts.c.id == account_id, accounts.c.prepaid.is_not(None))
        await conn.execute(of_account.values(prepaid=accounts.c.prepaid + amount))


async def find_posting(conn: AsyncConnection, posting_key: str) -> dict[Book, Decimal]:
    """What the posting of this key moved, by book; empty when there is none."""
    entry = ledger_entries.c
    found = select(entry.book, entry.amount).where(entry.posting_key == posting_key)
    return {Book(book): amount for book, amount in (await conn.execute(found)).all()}


async def balance(conn: AsyncConnection, account_id: int) -> Decimal:
    """What the account may still spend: the sum of its prepaid book, from which what is reserved is taken already;
    nought when nothing was ever posted."""
    currency = await _currency(conn, account_id)
    total = await conn.scalar(
        select(func.sum(ledger_entries.c.amount)).where(
            ledger_entries.c.account_id == account_id, ledger_entries.c.book == Book.PREPAID.value
        )
    )
    return round_money(total or Decimal(0), currency)


def _pays(*, rehearsal: bool) -> Book:
    return Book.REHEARSAL if rehearsal else Book.PREPAID


async def _currency(conn: AsyncConnection, account_id: int, *, lock: bool = False) -> str:
    found = select(accounts.c.currency).where(accounts.c.id == account_id)
    currency = await conn.scalar(found.with_for_update(key_share=True) if lock else found)
    if currency is None:
        raise LedgerError(f"there is no account {account_id}")
    return str(currency)


def _rows(
    kind: Kind,
    key: str,
    moves: Mapping[Book, Decimal],
    *,
    currency: str,
    account_id: int,
    now: datetime,
    attempt_id: str | None = None,
) -> list[dict[str, Any]]:
    return [
        {
            "account_id": account_id,
            "posting_key": key,
            "kind": kind.value,
            "book": book.value,
            "amount": amount,
            "currency": currency,
            "attempt_id": attempt_id,
            "created_at": now,
        }
        for book, amount in moves.items()
    ]
