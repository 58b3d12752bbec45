"""Audit of contacts, attempts and money."""

from __future__ import annotations

from decimal import Decimal
from functools import reduce
from operator import add
from typing import Any

from sqlalchemy import BigInteger, ColumnElement, Subquery, and_, case, func, or_, select, type_coerce
from sqlalchemy.ext.asyncio import AsyncConnection

from reports.checks import Check, Of, check
from reports.wording import CONTACT_STATES, OPEN_CONTACT_STATES
from storage.tables import attempts, campaigns, contacts, ledger_entries
from storage.types import MONEY_SCALE


async def contact_states(conn: AsyncConnection, of: Of) -> Check:
    """Every contact is in a known state, none of a finished campaign is left to call, and a busy one is in a call."""
    states = select(contacts.c.state, func.count()).where(*of.contacts()).group_by(contacts.c.state)
    by_state = dict((state, n) for state, n in (await conn.execute(states)).all())  # noqa: C402 - Row is no pair to mypy
    live = select(attempts.c.contact_id).where(attempts.c.phase != "ended").scalar_subquery()
    left_over = and_(campaigns.c.finished_at.is_not(None), contacts.c.state.in_(sorted(OPEN_CONTACT_STATES)))
    stranded = and_(contacts.c.state == "in_progress", contacts.c.id.not_in(live))
    wrong = (
        select(contacts.c.id, contacts.c.state)
        .join(campaigns, campaigns.c.id == contacts.c.campaign_id)
        .where(*of.contacts(), or_(contacts.c.state.not_in(sorted(CONTACT_STATES)), left_over, stranded))
        .order_by(contacts.c.id)
    )
    rows = [f"contact {id_} is {state}" for id_, state in (await conn.execute(wrong)).all()]
    known = sum(n for state, n in by_state.items() if state in CONTACT_STATES)
    return check("contacts = contact states", sum(by_state.values()), known, rows)


async def contact_attempts(conn: AsyncConnection, of: Of) -> Check:
    """Each contact's own count of attempts is the number of its attempts that count, live ones included."""
    of_contact = and_(attempts.c.contact_id == contacts.c.id, attempts.c.counted.is_(True))
    has = select(func.count()).where(of_contact).correlate(contacts)
    counted = select(contacts.c.id, contacts.c.attempts, has.scalar_subquery().label("has")).where(*of.contacts())
    each = counted.subquery()
    said, found = (await conn.execute(select(func.sum(each.c.attempts), func.sum(each.c.has)))).one()
    wrong = select(each).where(each.c.attempts != each.c.has).order_by(each.c.id)
    rows = [f"contact {id_} counts {n} attempts and has {m}" for id_, n, m in (await conn.execute(wrong)).all()]
    return check("contacts' attempts = attempts", int(said or 0), int(found or 0), rows)


async def codes(conn: AsyncConnection, of: Of) -> Check:
    """Every ended attempt has a code, a class and, unless it was a visit, a call status."""
    c = attempts.c
    told = or_(c.call_status.is_not(None), c.call_type == "visitor")
    complete = and_(c.action_code.is_not(None), c.code_class.is_not(None), told)
    counts = select(func.count(), func.count().filter(complete)).select_from(attempts).where(*of.ended())
    total, coded = (await conn.execute(counts)).one()
    wrong = select(c.id).where(*of.ended(), ~complete).order_by(c.id)
    rows = [f"attempt {id_} has no code, class or call status" for id_ in (await conn.execute(wrong)).scalars()]
    return check("attempts = codes", total, coded, rows)


def _units(amount: ColumnElement[Any]) -> ColumnElement[int]:
    """An amount as stored, in ten-thousandths: whole numbers compare alike on both databases."""
    return func.coalesce(type_coerce(amount, BigInteger), 0)


def _amount(units: int) -> Decimal:
    return Decimal(int(units)).scaleb(-MONEY_SCALE)


def _charged(of: Of) -> Subquery:
    """Per ended attempt: its cost, its postings of kind charge, and what these took from the book that pays.

    That is the prepaid book, and for rehearsals the one of rehearsals: a rehearsal touches no balance.
    """
    c, entry = attempts.c, ledger_entries.c
    cost = reduce(add, (_units(part) for part in (c.cost_bot, c.cost_telecom, c.cost_fees, c.cost_vat)))
    pays = entry.book == case((c.is_test, "rehearsal"), else_="prepaid")
    taken = func.sum(case((pays, -type_coerce(entry.amount, BigInteger)), else_=0))
    return (
        select(
            c.id,
            cost.label("cost"),
            func.count(entry.posting_key.distinct()).label("postings"),
            func.coalesce(taken, 0).label("taken"),
        )
        .select_from(attempts)
        .outerjoin(ledger_entries, and_(entry.attempt_id == c.id, entry.kind == "charge"))
        .where(*of.ended())
        .group_by(c.id)
        .subquery("charged")
    )


async def charges(conn: AsyncConnection, of: Of) -> Check:
    """Every ended attempt is charged, or costs nothing."""
    each = _charged(of)
    unbilled = and_(each.c.postings == 0, each.c.cost == 0)
    counts = select(func.count(), func.count().filter(each.c.postings > 0), func.count().filter(unbilled))
    total, billed, free = (await conn.execute(counts.select_from(each))).one()
    wrong = select(each.c.id, each.c.cost).where(each.c.postings == 0, each.c.cost != 0).order_by(each.c.id)
    rows = [f"attempt {i} costs {_amount(cost)} and is not charged" for i, cost in (await conn.execute(wrong)).all()]
    return check("attempts = charges + unbilled", total, billed + free, rows)


async def charged_once(conn: AsyncConnection, of: Of) -> Check:
    """No attempt has more than one charge."""
    each = _charged(of)
    counts = select(func.count().filter(each.c.postings > 0), func.sum(each.c.postings)).select_from(each)
    billed, postings = (await conn.execute(counts)).one()
    wrong = select(each.c.id, each.c.postings).where(each.c.postings > 1).order_by(each.c.id)
    rows = [f"attempt {id_} is charged {n} times" for id_, n in (await conn.execute(wrong)).all()]
    return check("charged attempts = charges", billed, int(postings or 0), rows)


async def charged_cost(conn: AsyncConnection, of: Of) -> Check:
    """What the ledger took for each attempt is the attempt's cost."""
    each = _charged(of)
    cost, taken = (await conn.execute(select(func.sum(each.c.cost), func.sum(each.c.taken)))).one()
    wrong = select(each.c.id, each.c.cost, each.c.taken).where(each.c.cost != each.c.taken).order_by(each.c.id)
    rows = [f"attempt {i} costs {_amount(a)}, charged {_amount(b)}" for i, a, b in (await conn.execute(wrong)).all()]
    return check("cost of attempts = ledger", _amount(cost or 0), _amount(taken or 0), rows)


async def postings(conn: AsyncConnection, of: Of) -> Check:
    """Every posting sums to nought, in one currency."""
    entry = ledger_entries.c
    total = func.sum(type_coerce(entry.amount, BigInteger))
    each = select(
        entry.posting_key, total.label("total"), func.count(entry.currency.distinct()).label("currencies")
    ).group_by(entry.posting_key)
    if of.campaign_id is not None:
        each = each.where(entry.attempt_id.in_(select(attempts.c.id).where(*of.placed())))
    ones = each.subquery()
    counts = select(func.count(), func.count().filter(ones.c.total == 0)).select_from(ones)
    all_, balanced = (await conn.execute(counts)).one()
    wrong = select(ones).where(or_(ones.c.total != 0, ones.c.currencies != 1)).order_by(ones.c.posting_key)
    rows = [
        f"posting {key} sums to {_amount(units)} in {n} currency" + ("" if n == 1 else "s mixed")
        for key, units, n in (await conn.execute(wrong)).all()
    ]
    return check("ledger postings = postings that sum to nought", all_, balanced, rows)
