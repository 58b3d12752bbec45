"""The money ledger on both engines: balance, once-only postings, refusals."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from billing.errors import LedgerError
from billing.ledger import Book, adjust, balance, charge, charge_rows, post, top_up
from billing.rating import Rated
from storage.database import Database
from storage.tables import accounts, ledger_entries
from tests.support_campaigns import House, number

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
RATED = Rated(
    blocks=2,
    billable_s=12,
    bot=Decimal("0.02"),
    telecom=Decimal("0.05"),
    fees=Decimal("0.00"),
    vat=Decimal("0.01"),
    currency="USD",
)


@pytest.fixture
async def house(database: Database) -> House:
    return await House(database).build()


async def _entries(house: House) -> list[tuple[str, str, Decimal]]:
    columns = ledger_entries.c
    async with house.database.read() as conn:
        rows = await conn.execute(select(columns.posting_key, columns.book, columns.amount).order_by(columns.id))
        return [(key, book, amount) for key, book, amount in rows]


async def _balance(house: House) -> Decimal:
    async with house.database.read() as conn:
        return await balance(conn, house.account_id)


async def _attempt(house: House) -> str:
    campaign_id = await house.campaign()
    await house.contact(campaign_id, number(1))
    await house.campaigns.start(campaign_id)
    (claim,) = (await house.ledger().claim(["line"], 1)).claims
    return claim.attempt_id


async def test_an_account_without_postings_has_nothing(house: House) -> None:
    assert str(await _balance(house)) == "0.00"


async def test_top_up_charge_and_adjustment_move_the_balance(house: House) -> None:
    attempt_id = await _attempt(house)
    common: dict[str, Any] = {"account_id": house.account_id, "now": NOW}
    async with house.database.write() as conn:
        await top_up(conn, amount=Decimal(10), currency="USD", key="bank-77", **common)
        rows = await charge(conn, RATED, attempt_id=attempt_id, **common)
        await adjust(conn, amount=Decimal("0.03"), against=Book.BOT, currency="USD", key="goodwill-1", **common)
    assert await _balance(house) == Decimal("9.95")
    assert [(row["book"], row["amount"]) for row in rows] == [
        ("prepaid", Decimal("-0.08")),
        ("bot", Decimal("0.02")),
        ("telecom", Decimal("0.05")),
        ("vat", Decimal("0.01")),
    ]
    assert await _entries(house) == [
        (f"top_up:{house.account_id}:bank-77", "prepaid", Decimal(10)),
        (f"top_up:{house.account_id}:bank-77", "cash", Decimal(-10)),
        *((f"charge:{attempt_id}", row["book"], row["amount"]) for row in rows),
        (f"adjustment:{house.account_id}:goodwill-1", "prepaid", Decimal("0.03")),
        (f"adjustment:{house.account_id}:goodwill-1", "bot", Decimal("-0.03")),
    ]


async def test_an_attempt_is_charged_once(house: House) -> None:
    attempt_id = await _attempt(house)
    async with house.database.write() as conn:
        await charge(conn, RATED, account_id=house.account_id, attempt_id=attempt_id, now=NOW)
    with pytest.raises(LedgerError, match=f"charge:{attempt_id} was made already"):
        async with house.database.write() as conn:
            await charge(conn, RATED, account_id=house.account_id, attempt_id=attempt_id, now=NOW)
    assert await _balance(house) == Decimal("-0.08")


async def test_a_price_of_nought_is_a_posting_and_an_unbilled_attempt_is_none(house: House) -> None:
    attempt_id = await _attempt(house)
    nought = Decimal("0.00")
    free = Rated(1, 0, nought, nought, nought, nought, "USD")
    unbilled = Rated(0, 0, nought, nought, nought, nought, "USD", billed=False)
    common: dict[str, Any] = {"account_id": house.account_id, "attempt_id": attempt_id, "now": NOW}
    async with house.database.write() as conn:
        assert await charge(conn, unbilled, **common) == []
        assert len(await charge(conn, free, **common)) == 1
    assert await _entries(house) == [(f"charge:{attempt_id}", "prepaid", Decimal(0))]


Move = Callable[[AsyncConnection, int], Awaitable[None]]


def _top_up(amount: str, currency: str = "USD") -> Move:
    async def move(conn: AsyncConnection, account_id: int) -> None:
        await top_up(conn, account_id=account_id, amount=Decimal(amount), currency=currency, key="k", now=NOW)

    return move


def _adjust(amount: str, against: Book) -> Move:
    async def move(conn: AsyncConnection, account_id: int) -> None:
        await adjust(
            conn, account_id=account_id, amount=Decimal(amount), against=against, currency="USD", key="k", now=NOW
        )

    return move


async def _lopsided(conn: AsyncConnection, account_id: int) -> None:
    rows = charge_rows(RATED, account_id=account_id, attempt_id="a", now=NOW)
    await post(conn, rows[:-1])


@pytest.mark.parametrize(
    ("move", "told"),
    [
        (_top_up("0"), "must be more than nought, not 0; to take money away use an adjustment"),
        (_top_up("-5"), "must be more than nought"),
        (_top_up("5", "VND"), "is in VND, the account is in USD"),
        (_top_up("0.005"), "0.005 is finer than USD can pay"),
        (_adjust("0", Book.BOT), "other than nought"),
        (_adjust("1", Book.PREPAID), "another book"),
        (_lopsided, "does not sum to nought"),
    ],
)
async def test_what_would_break_the_books_is_refused(house: House, move: Move, told: str) -> None:
    with pytest.raises(LedgerError, match=told):
        async with house.database.write() as conn:
            await move(conn, house.account_id)
    assert await _entries(house) == []


async def test_an_account_that_is_not_there(house: House) -> None:
    with pytest.raises(LedgerError, match="no account 4711"):
        async with house.database.read() as conn:
            await balance(conn, 4711)


async def test_each_account_has_its_own_balance(house: House) -> None:
    async with house.database.write() as conn:
        await conn.execute(
            insert(accounts).values(name="Other", currency="VND", time_zone="UTC", region="VN", created_at=NOW)
        )
        other = (await conn.execute(select(accounts.c.id).where(accounts.c.name == "Other"))).scalar_one()
        await top_up(conn, account_id=other, amount=Decimal(90_000), currency="VND", key="k", now=NOW)
        await top_up(conn, account_id=house.account_id, amount=Decimal(7), currency="USD", key="k", now=NOW)
        assert str(await balance(conn, other)) == "90000"
        assert str(await balance(conn, house.account_id)) == "7.00"
