"""Contacts as they are read: one by its id, its external key or its telephone number, and pages of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import ColumnElement, RowMapping, select
from sqlalchemy.ext.asyncio import AsyncConnection

from campaigns.columns import ALIASES
from campaigns.errors import UnknownContact
from campaigns.numbers import Number, normalise
from campaigns.states import ContactState
from storage.tables import attempts, campaigns, contact_events, contacts

#: Digits that surely fit the database's eight bytes.
_LONGEST_ID: Final = 18


@dataclass(frozen=True)
class Contact:
    """One person to call in one campaign; names are those of the table contacts."""

    id: int
    campaign_id: int
    #: Of the list's file; 0 when it was added by hand.
    line: int
    phone: str
    number: str | None
    name: str | None
    external_key: str | None
    language: str | None
    time_zone: str | None
    priority: int
    time_from: str | None
    time_to: str | None
    caller_id: str | None
    variables: Mapping[str, str]
    state: ContactState
    detail: str | None
    #: Not called before; None: at once.
    next_at: datetime | None
    #: Those that count towards the campaign's maximum.
    attempts: int
    origin: str
    entered_at: datetime | None
    expires_at: datetime | None

    @classmethod
    def of(cls, row: RowMapping | Mapping[str, Any]) -> Contact:
        """From a row of the table."""
        values = {name: row[name] for name in cls.__dataclass_fields__}
        return cls(**values | {"state": ContactState(row["state"])})

    def as_written(self) -> dict[str, str]:
        """Its columns as a list would have them: reserved ones and variables alike."""
        own = {name: getattr(self, name, None) for name in ALIASES}
        columns = {name: str(value) for name, value in own.items() if value is not None}
        if not self.priority:
            columns.pop("priority", None)
        return columns | dict(self.variables) | {"phone": self.phone}


@dataclass(frozen=True)
class Try:
    """One attempt at a contact, or a visit."""

    id: str
    attempt_no: int
    call_type: str
    at: datetime
    phase: str
    call_status: str | None
    action_code: str | None
    code_class: str | None
    talk_ms: int | None


@dataclass(frozen=True)
class Event:
    """One row of a contact's trail."""

    at: datetime
    by: str
    kind: str
    clause: str | None
    detail: Mapping[str, Any] | None


@dataclass(frozen=True)
class History:
    """What happened to a contact, oldest first."""

    tries: Sequence[Try]
    events: Sequence[Event]


async def contact_row(conn: AsyncConnection, contact_id: int, *, lock: bool = False) -> RowMapping:
    """The contact's row; raises `UnknownContact`.

    With `lock`, for which the caller holds the campaign, it is locked unless it is in a call: whoever settles that
    waits for the campaign, and must not be waited for.
    """
    statement = select(contacts).where(contacts.c.id == contact_id)
    found = (await conn.execute(statement)).mappings().first()
    if lock and found is not None and found["state"] != ContactState.IN_PROGRESS.value:
        found = (await conn.execute(statement.with_for_update())).mappings().first()
    if found is None:
        raise UnknownContact(f"there is no contact with the id {contact_id}")
    return found


async def find_contact(conn: AsyncConnection, campaign_id: int, reference: str) -> Contact:
    """The campaign's contact with this external key, id, or telephone number; looked for in this order.

    Of several with one number, the one that was not refused. Raises `UnknownContact`.
    """
    text = reference.strip().replace("\0", "")
    wanted: list[ColumnElement[bool]] = [contacts.c.external_key == text]
    if text.isdecimal() and len(text) <= _LONGEST_ID:
        wanted.append(contacts.c.id == int(text))
    region = await conn.scalar(select(campaigns.c.region).where(campaigns.c.id == campaign_id))
    number = normalise(text, region) if region else None
    if isinstance(number, Number):
        wanted.append(contacts.c.number == number.e164)
    for condition in wanted:
        # Written so that SQLite takes the index on the number instead of reading the campaign.
        statement = select(contacts).where(condition, contacts.c.campaign_id + 0 == campaign_id)
        found = [Contact.of(row) for row in (await conn.execute(statement.order_by(contacts.c.id))).mappings()]
        if found:
            refused = {ContactState.INVALID, ContactState.DUPLICATE}
            return min(found, key=lambda contact: contact.state in refused)
    raise UnknownContact(
        f"the campaign has no contact {reference!r}; give its id, its external key or its telephone number"
    )


async def contact_page(
    conn: AsyncConnection, campaign_id: int, *, state: ContactState | None, after_id: int, limit: int
) -> list[Contact]:
    """Up to `limit` contacts of the campaign behind the one with the id `after_id`, in the order of their ids."""
    statement = select(contacts).where(contacts.c.campaign_id == campaign_id, contacts.c.id > after_id)
    if state is not None:
        statement = statement.where(contacts.c.state == state.value)
    rows = await conn.execute(statement.order_by(contacts.c.id).limit(limit))
    return [Contact.of(row) for row in rows.mappings()]


async def contact_history(conn: AsyncConnection, contact_id: int) -> History:
    """The contact's attempts, visits and trail."""
    a, e = attempts.c, contact_events.c
    made = select(attempts).where(a.contact_id == contact_id).order_by(a.claimed_at, a.id)
    noted = select(e.at, e.by, e.kind, e.clause, e.detail).where(e.contact_id == contact_id).order_by(e.id)
    tries = [_try(row) for row in (await conn.execute(made)).mappings()]
    return History(tries, [Event(**row) for row in (await conn.execute(noted)).mappings()])


def _try(row: RowMapping) -> Try:
    answered, ended = row["answered_at"], row["ended_at"]
    same = ("id", "attempt_no", "call_type", "phase", "call_status", "action_code", "code_class")
    return Try(
        **{name: row[name] for name in same},
        at=row["originated_at"] or row["claimed_at"],
        talk_ms=round((ended - answered).total_seconds() * 1000) if answered and ended else None,
    )
