"""The detailed report, one row per attempt: filtered, sorted and paged."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import ColumnElement, Select, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from reports.measures import DIAL_MS, TALK_MS
from reports.paging import MOST_ROWS, Page, Paging, order, page_of
from reports.scope import Scope, ms, placed, plain
from storage.tables import attempts, campaigns, contacts, recordings


@dataclass(frozen=True)
class AttemptFilter:
    """What the rows of the attempts view must match; None matches all."""

    #: Any part of the number, as people write it: blanks and a leading 0 do not matter.
    phone: str | None = None
    code: str | None = None
    #: A call status (VOCABULARY: Call status).
    status: str | None = None
    code_class: str | None = None
    contact_id: int | None = None


@dataclass(frozen=True)
class AttemptRow:
    """One attempt; lengths in ms."""

    id: str
    campaign_id: int
    campaign: str
    contact_id: int
    external_key: str | None
    name: str | None
    number: str
    attempt_no: int
    #: import, manual, api, retarget, recycle; retry or callback.
    origin: str
    phase: str
    is_test: bool
    originated_at: datetime
    answered_at: datetime | None
    ended_at: datetime | None
    dial_ms: int | None
    talk_ms: int | None
    acw_ms: int
    dial_status: str | None
    call_status: str | None
    action_code: str | None
    code_class: str | None
    hangup_by: str | None
    amd: str | None
    sip_code: int | None
    q850: int | None
    ami_reason: int | None
    network_text: str | None
    blocks: int
    messages: int
    cost_bot: Decimal | None
    cost_telecom: Decimal | None
    cost_fees: Decimal | None
    cost_vat: Decimal | None
    currency: str
    #: Path of the recording, relative to the recordings folder.
    recording: str | None
    recording_error: str | None
    #: What the customer gave, by the script's names, in canonical text; None: nothing.
    collected: Mapping[str, str] | None

    @property
    def cost(self) -> Decimal | None:
        """With VAT; None until it is rated."""
        if self.cost_bot is None:
            return None
        parts = (self.cost_bot, self.cost_telecom, self.cost_fees, self.cost_vat)
        return sum((part for part in parts if part is not None), Decimal(0))


_FROM_ATTEMPTS = [
    "id",
    "campaign_id",
    "contact_id",
    "number",
    "attempt_no",
    "origin",
    "phase",
    "is_test",
    "originated_at",
    "answered_at",
    "ended_at",
    "acw_ms",
    "dial_status",
    "call_status",
    "action_code",
    "code_class",
    "hangup_by",
    "amd",
    "sip_code",
    "q850",
    "ami_reason",
    "network_text",
    "blocks",
    "messages",
    "cost_bot",
    "cost_telecom",
    "cost_fees",
    "cost_vat",
    "currency",
]

ATTEMPT_SORTS: dict[str, ColumnElement[Any]] = {
    "time": ms(attempts.c.originated_at),
    "phone": plain(attempts.c.number),
    "no": attempts.c.attempt_no,
    "talk": func.coalesce(TALK_MS, -1),
    "code": func.coalesce(attempts.c.action_code, ""),
    "status": func.coalesce(attempts.c.call_status, ""),
}


def attempt_rows() -> Select[Any]:
    """The columns of `AttemptRow`, without conditions."""
    return (
        select(
            *(attempts.c[name] for name in _FROM_ATTEMPTS),
            DIAL_MS.label("dial_ms"),
            TALK_MS.label("talk_ms"),
            campaigns.c.code.label("campaign"),
            contacts.c.external_key,
            contacts.c.name,
            recordings.c.path.label("recording"),
            recordings.c.error.label("recording_error"),
            attempts.c.collected,
        )
        .select_from(attempts)
        .join(campaigns, campaigns.c.id == attempts.c.campaign_id)
        .join(contacts, contacts.c.id == attempts.c.contact_id)
        .outerjoin(recordings, recordings.c.attempt_id == attempts.c.id)
    )


async def attempts_page(conn: AsyncConnection, scope: Scope, wanted: AttemptFilter, paging: Paging) -> Page[AttemptRow]:
    """One page of the attempts view; raises `BadFilter`."""
    statement = attempt_rows().where(*placed(scope), *attempt_conditions(wanted))
    rows = (await conn.execute(order(statement, paging, ATTEMPT_SORTS, attempts.c.id))).mappings().all()
    return page_of(rows, paging, AttemptRow)


def attempt_conditions(wanted: AttemptFilter) -> list[ColumnElement[bool]]:
    """What the filter asks of a row of attempts."""
    conditions: list[ColumnElement[bool]] = []
    if wanted.phone:
        conditions.append(plain(attempts.c.number).contains(digits_of(wanted.phone), autoescape=True))
    if wanted.code:
        conditions.append(attempts.c.action_code == wanted.code)
    if wanted.status:
        conditions.append(attempts.c.call_status == wanted.status)
    if wanted.code_class:
        conditions.append(attempts.c.code_class == wanted.code_class)
    if wanted.contact_id is not None:
        conditions.append(attempts.c.contact_id == wanted.contact_id)
    return conditions


def digits_of(phone: str) -> str:
    """`0901 23` is found in +8490123…: a national number's leading noughts are not part of E.164."""
    return "".join(sign for sign in phone if sign.isdigit()).lstrip("0") or phone.strip()


async def every_attempt(
    conn: AsyncConnection, scope: Scope, wanted: AttemptFilter, sort: str = "time"
) -> AsyncIterator[tuple[AttemptRow, ...]]:
    """All rows of the attempts view, a batch at a time."""
    paging: Paging | None = Paging(sort, rows=MOST_ROWS)
    while paging is not None:
        page = await attempts_page(conn, scope, wanted, paging)
        if page.rows:
            yield page.rows
        paging = replace(paging, after=page.next) if page.next else None
