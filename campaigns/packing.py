"""A checked row as the table contacts keeps it: what the process that checks rows hands to the one that stores them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple

from sqlalchemy import RowMapping
from sqlalchemy.engine import default
from sqlalchemy.ext.asyncio import AsyncConnection

from campaigns.rows import Row, RowStatus
from campaigns.states import CampaignState, ContactState
from storage.notify import Topic, tell
from storage.rows import insert_plain, insert_plain_one
from storage.tables import contacts
from storage.types import E164, UtcTime

_PHONE_WIDTH, _DETAIL_WIDTH = 64, 200
#: Columns that follow from the row alone, in the order of `Packed.columns`.
_OF_ROW: Final = ("name", "language", "time_zone", "priority", "time_from", "time_to", "caller_id", "variables")
_COLUMNS: Final = (
    *("campaign_id", "import_id", "line", "phone", "number", "external_key", "state", "detail", "next_at"),
    *("attempts", "origin", "entered_at", "expires_at", *_OF_ROW),
)
_STATES: Final[Mapping[RowStatus, ContactState]] = {
    RowStatus.ACCEPTED: ContactState.PENDING,
    RowStatus.DUPLICATE: ContactState.DUPLICATE,
    RowStatus.INVALID: ContactState.INVALID,
    RowStatus.MISSING_VARIABLE: ContactState.INVALID,
    RowStatus.DNC: ContactState.DNC_BLOCKED,
}
_NUMBER, _INSTANT, _DIALECT = E164(), UtcTime(), default.DefaultDialect()


class Packed(NamedTuple):
    """A row with its outcome; values are as the database keeps them."""

    line: int
    #: As the file has it.
    phone: str
    number: str | None
    status: RowStatus
    detail: str
    external_key: str | None
    schedule_at: datetime | None
    #: The values of name, language, time_zone, priority, time_from, time_to, caller_id and variables.
    columns: tuple[Any, ...] = ()

    def turned(self, status: RowStatus, detail: str) -> Packed:
        """The same row with another outcome."""
        return self._replace(status=status, detail=detail)


def pack(row: Row) -> Packed:
    """The row as it is stored."""
    get = row.fields.get
    return Packed(
        row.line,
        row.phone,
        _NUMBER.process_bind_param(row.number, _DIALECT),
        row.status,
        row.detail,
        get("external_key"),
        get("schedule_at"),
        (
            *(get("name"), get("language"), get("time_zone"), get("priority", 0), get("time_from"), get("time_to")),
            *(get("caller_id"), json.dumps(row.variables)),
        ),
    )


async def store_rows(
    conn: AsyncConnection,
    campaign: RowMapping | Mapping[str, Any],
    rows: Sequence[Packed],
    *,
    import_id: int | None,
    origin: str,
    hold: bool,
    now: datetime,
) -> None:
    """Add the rows to the campaign as contacts; `hold` keeps the accepted ones back until they are released."""
    await insert_plain(
        conn, contacts, _COLUMNS, _rows(campaign, rows, import_id=import_id, origin=origin, hold=hold, now=now)
    )
    if campaign["state"] == CampaignState.RUNNING and not hold:
        await tell(conn, Topic.WORK)


async def store_one(
    conn: AsyncConnection,
    campaign: RowMapping | Mapping[str, Any],
    row: Packed,
    *,
    origin: str,
    hold: bool,
    now: datetime,
) -> int:
    """`store_rows` for one row of no list; the contact's id."""
    (values,) = _rows(campaign, [row], import_id=None, origin=origin, hold=hold, now=now)
    return int(await insert_plain_one(conn, contacts, _COLUMNS, values))


def expiry(campaign: RowMapping | Mapping[str, Any], now: datetime) -> datetime | None:
    """When a contact that comes into the campaign now is given up if nobody reaches it; None: never."""
    days = campaign["contact_expires_days"]
    return now + timedelta(days=days) if days else None


def _rows(
    campaign: RowMapping | Mapping[str, Any],
    rows: Iterable[Packed],
    *,
    import_id: int | None,
    origin: str,
    hold: bool,
    now: datetime,
) -> list[tuple[Any, ...]]:
    states: dict[RowStatus, str] = {status: state.value for status, state in _STATES.items()}
    if hold:
        states[RowStatus.ACCEPTED] = ContactState.HELD.value
    campaign_id, entered_at, expires_at = campaign["id"], _stored(now), _stored(expiry(campaign, now))
    made = []
    for line, phone, number, status, detail, key, schedule_at, columns in rows:
        accepted = status is RowStatus.ACCEPTED
        told = detail[:_DETAIL_WIDTH] or None if accepted else f"{status.value}: {detail}"[:_DETAIL_WIDTH]
        # A refused row gives its key up, so that it may come again mended.
        kept = key if accepted or status is RowStatus.DNC else None
        due: tuple[int | None, int | None] = (None, expires_at) if accepted else (None, None)
        if accepted and schedule_at is not None and schedule_at > now:
            due = (_stored(schedule_at), expires_at)
        made.append(
            (
                *(campaign_id, import_id, line, phone[:_PHONE_WIDTH], number, kept, states[status], told, due[0]),
                *(0, origin, entered_at, due[1], *columns),
            )
        )
    return made


def _stored(instant: datetime | None) -> int | None:
    return _INSTANT.process_bind_param(instant, _DIALECT)
