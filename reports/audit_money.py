"""Audit of what is reserved before calls, and of the running sums that limits are held by."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from sqlalchemy import BigInteger, ColumnElement, and_, case, func, select, type_coerce
from sqlalchemy.ext.asyncio import AsyncConnection

from reports.checks import Check, Of, check
from storage.tables import accounts, attempts, campaigns, ledger_entries
from storage.types import MONEY_SCALE


def _units(amount: ColumnElement[Any]) -> ColumnElement[int]:
    """An amount as stored: whole numbers compare alike on both databases."""
    return func.coalesce(type_coerce(amount, BigInteger), 0)


def _amount(units: Any) -> Decimal:
    return Decimal(int(units or 0)).scaleb(-MONEY_SCALE)


def _attempts(of: Of) -> list[ColumnElement[bool]]:
    return [] if of.campaign_id is None else [attempts.c.campaign_id == of.campaign_id]


async def reservations(conn: AsyncConnection, of: Of) -> Check:
    """What the ledger holds for an attempt is its reservation while it is live, and nothing once it has ended."""
    c, entry = attempts.c, ledger_entries.c
    held = func.coalesce(func.sum(type_coerce(entry.amount, BigInteger)), 0)
    due = case((c.phase != "ended", _units(c.reserved)), else_=0)
    each = (
        select(c.id, due.label("due"), held.label("held"), func.count(entry.id).label("moves"))
        .outerjoin(ledger_entries, and_(entry.attempt_id == c.id, entry.book == "reserved"))
        .where(c.reserved.is_not(None), *_attempts(of))
        .group_by(c.id, c.phase, c.reserved)
        .subquery()
    )
    expected, found = (await conn.execute(select(func.sum(each.c.due), func.sum(each.c.held)))).one()
    wrong = select(each).where((each.c.due != each.c.held) | (each.c.moves > 2)).order_by(each.c.id)
    rows = [
        f"attempt {id_} should have {_amount(due)} reserved, the ledger holds {_amount(held)} after {moves} postings"
        for id_, due, held, moves in (await conn.execute(wrong)).all()
    ]
    return check("reserved for live attempts = ledger", _amount(expected), _amount(found), rows)


async def budgets(conn: AsyncConnection, of: Of) -> Check:
    """What a campaign with a budget is said to have spent and reserved is what its attempts cost and hold."""
    c, entry = campaigns.c, ledger_entries.c
    mine = attempts.c.campaign_id == c.id
    charged = select(func.sum(-type_coerce(entry.amount, BigInteger))).join(
        attempts, and_(attempts.c.id == entry.attempt_id, mine)
    )
    paid = charged.where(entry.kind == "charge", entry.book.in_(["prepaid", "rehearsal"])).correlate(campaigns)
    held = select(func.sum(_units(attempts.c.reserved))).where(mine, attempts.c.phase != "ended").correlate(campaigns)
    chosen = [c.budget.is_not(None)] if of.campaign_id is None else [c.budget.is_not(None), c.id == of.campaign_id]
    each = (
        select(
            c.code,
            (_units(c.spent) + _units(c.reserved)).label("said"),
            (func.coalesce(paid.scalar_subquery(), 0) + func.coalesce(held.scalar_subquery(), 0)).label("found"),
        )
        .where(*chosen)
        .subquery()
    )
    said, found = (await conn.execute(select(func.sum(each.c.said), func.sum(each.c.found)))).one()
    wrong = select(each).where(each.c.said != each.c.found).order_by(each.c.code)
    rows = [
        f"campaign {code} counts {_amount(a)} spent or reserved, its attempts {_amount(b)}"
        for code, a, b in (await conn.execute(wrong)).all()
    ]
    return check("campaigns' spent and reserved = attempts", _amount(said), _amount(found), rows)


async def balances(conn: AsyncConnection, of: Of) -> Check:
    """The running balance of an account with a credit limit is the sum of its prepaid book."""
    c, entry = accounts.c, ledger_entries.c
    total = select(func.sum(type_coerce(entry.amount, BigInteger))).where(
        entry.account_id == c.id, entry.book == "prepaid"
    )
    chosen: list[ColumnElement[bool]] = [c.prepaid.is_not(None)]
    if of.campaign_id is not None:
        owner = select(campaigns.c.account_id).where(campaigns.c.id == of.campaign_id)
        chosen.append(c.id == owner.scalar_subquery())
    booked = func.coalesce(total.correlate(accounts).scalar_subquery(), 0)
    each = select(c.name, _units(c.prepaid).label("said"), booked.label("found")).where(*chosen).subquery()
    said, found = (await conn.execute(select(func.sum(each.c.said), func.sum(each.c.found)))).one()
    wrong = select(each).where(each.c.said != each.c.found).order_by(each.c.name)
    rows = [
        f"account {name} counts a balance of {_amount(a)}, its ledger {_amount(b)}"
        for name, a, b in (await conn.execute(wrong)).all()
    ]
    return check("accounts' balances = ledger", _amount(said), _amount(found), rows)
