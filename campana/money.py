"""The account's money, for whoever keeps it: its balance, paying in, correcting, and the statement."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from sqlalchemy import select

from billing.currency import round_money
from billing.ledger import Book, adjust, balance, once, top_up
from billing.statement import Statement, statement
from campaigns.funds import held_for
from campaigns.windows import zone_of
from campana.application import App
from storage.tables import accounts


@dataclass(frozen=True)
class Balance:
    """What an account has; amounts are of `currency`, VAT included."""

    account: str
    currency: str
    #: Paid in less charged, whatever is reserved.
    balance: Decimal
    #: Set aside for calls that are on.
    reserved: Decimal
    #: How far below nought the balance may go; None: as far as it takes.
    credit_limit: Decimal | None
    #: What further calls may cost; None: no limit.
    available: Decimal | None


async def read_balance(app: App) -> Balance:
    """The balance as it is now."""
    async with app.database.read() as conn:
        row = (await conn.execute(select(accounts).where(accounts.c.id == app.account_id))).mappings().one()
        free = await balance(conn, app.account_id)
        held = round_money(await held_for(conn, app.account_id), row["currency"])
    limit = row["credit_limit"]
    rounded = None if limit is None else round_money(limit, row["currency"])
    available = None if rounded is None else free + rounded
    return Balance(row["name"], row["currency"], free + held, held, rounded, available)


async def pay_in(app: App, amount: Decimal, key: str) -> bool:
    """Put money into the balance; False when the payment of that key was put in before. Raises `LedgerError`."""
    async with app.database.write() as conn:
        if await once(conn, f"top_up:{app.account_id}:{key}", amount):
            return False
        fields = {"currency": app.settings.account.currency, "key": key}
        await top_up(conn, account_id=app.account_id, amount=amount, now=app.clock.now(), **fields)
        return True


async def correct(app: App, amount: Decimal, against: Book, key: str) -> bool:
    """Correct the balance; False when the correction of that key was made before. Raises `LedgerError`."""
    async with app.database.write() as conn:
        if await once(conn, f"adjustment:{app.account_id}:{key}", amount):
            return False
        fields = {"currency": app.settings.account.currency, "key": key}
        now = app.clock.now()
        await adjust(conn, account_id=app.account_id, amount=amount, against=against, now=now, **fields)
        return True


async def read_statement(app: App, from_day: date | None, to_day: date | None) -> Statement:
    """The statement of these days in the account's time zone; without days, of the month so far."""
    zone = zone_of(app.settings.account.time_zone)
    last = to_day or app.clock.now().astimezone(zone).date()
    first = from_day or last.replace(day=1)
    async with app.database.read() as conn:
        return await statement(conn, app.account_id, from_day=first, to_day=last, zone=zone)
