"""The detailed report, one row per contact: filtered, sorted and paged."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, func, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from reports.attempts import digits_of
from reports.measures import ANSWERED, FINISHED, talk_ms
from reports.paging import MOST_ROWS, Page, Paging, order, page_of
from reports.scope import Scope, counted, ms, plain
from storage.tables import attempts, campaigns, contacts


@dataclass(frozen=True)
class ContactFilter:
    """What the rows of the contacts view must match; None matches all."""

    phone: str | None = None
    #: Action code of the last call.
    code: str | None = None
    state: str | None = None


@dataclass(frozen=True)
class ContactRow:
    """One contact with what its calls in the scope came to; lengths in ms."""

    id: int
    campaign_id: int
    campaign: str
    line: int
    phone: str
    number: str | None
    external_key: str | None
    name: str | None
    state: str
    detail: str | None
    next_at: datetime | None
    attempts: int
    last_call_at: datetime | None
    last_talk_ms: int | None
    last_call_status: str | None
    last_action_code: str | None
    last_code_class: str | None
    last_attempt_id: str | None
    approached: bool
    reached: bool


def _of_contact(scope: Scope) -> list[ColumnElement[bool]]:
    """Conditions on the attempts of the scope that were made to the contact of the row."""
    return [attempts.c.contact_id == contacts.c.id, *counted(scope)]


def _count(scope: Scope, *which: ColumnElement[bool]) -> ColumnElement[int]:
    counted = select(func.count()).select_from(attempts).where(*_of_contact(scope), *which)
    return counted.correlate(contacts).scalar_subquery()


def _latest(scope: Scope) -> ColumnElement[str]:
    """The id of the contact's latest attempt; looked up row by row, which the index on contact_id makes cheap."""
    newest = select(attempts.c.id).where(*_of_contact(scope))
    newest = newest.order_by(attempts.c.originated_at.desc(), attempts.c.id.desc()).limit(1)
    return newest.correlate(contacts).scalar_subquery()


_FROM_CONTACTS = ["id", "campaign_id", "line", "phone", "number", "external_key", "name", "state", "detail", "next_at"]


async def contacts_page(conn: AsyncConnection, scope: Scope, wanted: ContactFilter, paging: Paging) -> Page[ContactRow]:
    """One page of the contacts view; the scope's period bounds the calls, not the contacts. Raises `BadFilter`."""
    last = attempts.alias("last")
    calls = _count(scope)
    statement = (
        select(
            *(contacts.c[name] for name in _FROM_CONTACTS),
            campaigns.c.code.label("campaign"),
            calls.label("attempts"),
            (_count(scope, FINISHED) > 0).label("approached"),
            (_count(scope, ANSWERED) > 0).label("reached"),
            last.c.originated_at.label("last_call_at"),
            talk_ms(last.c).label("last_talk_ms"),
            last.c.call_status.label("last_call_status"),
            last.c.action_code.label("last_action_code"),
            last.c.code_class.label("last_code_class"),
            last.c.id.label("last_attempt_id"),
        )
        .select_from(contacts)
        .join(campaigns, campaigns.c.id == contacts.c.campaign_id)
        .outerjoin(last, last.c.id == _latest(scope))
        .where(*_contact_conditions(scope, wanted, last))
    )
    sorts: dict[str, ColumnElement[Any]] = {
        "line": contacts.c.line,
        "phone": func.coalesce(plain(contacts.c.number), contacts.c.phone),
        "state": contacts.c.state,
        "attempts": calls,
        "last": func.coalesce(ms(last.c.originated_at), 0),
        "code": func.coalesce(last.c.action_code, ""),
    }
    rows = (await conn.execute(order(statement, paging, sorts, contacts.c.id))).mappings().all()
    return page_of(rows, paging, ContactRow)


def _contact_conditions(scope: Scope, wanted: ContactFilter, last: Any) -> list[ColumnElement[bool]]:
    conditions: list[ColumnElement[bool]] = []
    if scope.campaign_id is not None:
        conditions.append(contacts.c.campaign_id == scope.campaign_id)
    elif not scope.include_test:
        conditions.append(campaigns.c.is_test.is_(False))
    if wanted.phone:
        digits = digits_of(wanted.phone)
        found = [column.contains(digits, autoescape=True) for column in (plain(contacts.c.number), contacts.c.phone)]
        conditions.append(or_(*found))
    if wanted.code:
        conditions.append(last.c.action_code == wanted.code)
    if wanted.state:
        conditions.append(contacts.c.state == wanted.state)
    return conditions


async def every_contact(
    conn: AsyncConnection, scope: Scope, wanted: ContactFilter, sort: str = "line"
) -> AsyncIterator[tuple[ContactRow, ...]]:
    """All rows of the contacts view, a batch at a time."""
    paging: Paging | None = Paging(sort, rows=MOST_ROWS)
    while paging is not None:
        page = await contacts_page(conn, scope, wanted, paging)
        if page.rows:
            yield page.rows
        paging = replace(paging, after=page.next) if page.next else None
