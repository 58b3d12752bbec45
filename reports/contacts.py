"""The detailed report, one row per contact: filtered, sorted and paged."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, func, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from reports.attempts import digits_of
from reports.measures import ANSWERED, FINISHED, TALK_MS
from reports.paging import MOST_ROWS, Page, Paging, order, page_of
from reports.scope import Scope, ms, placed, plain
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


def _called(scope: Scope) -> Any:
    """Per contact of the scope: how many calls, and whether any ended or was answered."""
    return (
        select(
            attempts.c.contact_id,
            func.count().label("attempts"),
            func.count().filter(FINISHED).label("finished"),
            func.count().filter(ANSWERED).label("answered"),
        )
        .where(*placed(scope))
        .group_by(attempts.c.contact_id)
        .subquery("called")
    )


def _last(scope: Scope) -> Any:
    """The latest placed attempt of each contact."""
    newest = func.row_number().over(
        partition_by=attempts.c.contact_id, order_by=(attempts.c.originated_at.desc(), attempts.c.id.desc())
    )
    ranked = (
        select(
            attempts.c.id,
            attempts.c.contact_id,
            attempts.c.originated_at,
            TALK_MS.label("talk_ms"),
            attempts.c.call_status,
            attempts.c.action_code,
            attempts.c.code_class,
            newest.label("place"),
        )
        .where(*placed(scope))
        .subquery("ranked")
    )
    return select(ranked).where(ranked.c.place == 1).subquery("last")


_FROM_CONTACTS = ["id", "campaign_id", "line", "phone", "number", "external_key", "name", "state", "detail", "next_at"]


async def contacts_page(conn: AsyncConnection, scope: Scope, wanted: ContactFilter, paging: Paging) -> Page[ContactRow]:
    """One page of the contacts view; the scope's period bounds the calls, not the contacts. Raises `BadFilter`."""
    called, last = _called(scope), _last(scope)
    statement = (
        select(
            *(contacts.c[name] for name in _FROM_CONTACTS),
            campaigns.c.code.label("campaign"),
            func.coalesce(called.c.attempts, 0).label("attempts"),
            (func.coalesce(called.c.finished, 0) > 0).label("approached"),
            (func.coalesce(called.c.answered, 0) > 0).label("reached"),
            last.c.originated_at.label("last_call_at"),
            last.c.talk_ms.label("last_talk_ms"),
            last.c.call_status.label("last_call_status"),
            last.c.action_code.label("last_action_code"),
            last.c.code_class.label("last_code_class"),
            last.c.id.label("last_attempt_id"),
        )
        .select_from(contacts)
        .join(campaigns, campaigns.c.id == contacts.c.campaign_id)
        .outerjoin(called, called.c.contact_id == contacts.c.id)
        .outerjoin(last, last.c.contact_id == contacts.c.id)
        .where(*_contact_conditions(scope, wanted, last))
    )
    sorts: dict[str, ColumnElement[Any]] = {
        "line": contacts.c.line,
        "phone": func.coalesce(plain(contacts.c.number), contacts.c.phone),
        "state": contacts.c.state,
        "attempts": func.coalesce(called.c.attempts, 0),
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
