"""The rows of the three exports, in the columns of VOCABULARY "Exports"."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Final

from sqlalchemy.ext.asyncio import AsyncConnection

from billing.currency import round_money
from reports.attempt import transcripts
from reports.attempts import AttemptFilter, AttemptRow, every_attempt
from reports.collected import collected_of
from reports.contacts import ContactFilter, ContactRow, every_contact
from reports.scope import Scope
from reports.usage import UsageRow

Cell = str | int | bool | Decimal | datetime | None

ATTEMPT_COLUMNS: Final = (
    "attempt_id",
    "campaign",
    "contact_id",
    "external_key",
    "phone",
    "attempt_no",
    "originated_at",
    "answered_at",
    "ended_at",
    "dial_s",
    "talk_s",
    "acw_s",
    "dial_status",
    "call_status",
    "action_code",
    "class",
    "hangup_by",
    "amd",
    "sip_code",
    "q850",
    "blocks",
    "messages",
    "cost_bot",
    "cost_telecom",
    "currency",
    "recording",
    "transcript",
    "origin",
)
CONTACT_COLUMNS: Final = (
    "contact_id",
    "campaign",
    "external_key",
    "phone",
    "name",
    "attempts",
    "last_call_at",
    "last_talk_s",
    "last_call_status",
    "last_action_code",
    "state",
    "approached",
    "reached",
)
USAGE_COLUMNS: Final = (
    "month",
    "bot",
    "sessions",
    "conversations",
    "messages",
    "blocks",
    "dial_s",
    "talk_s",
    "calls",
    "cost",
    "currency",
)


def seconds(ms: int | None) -> Decimal | None:
    """Milliseconds as seconds, exactly."""
    return None if ms is None else Decimal(ms).scaleb(-3)


async def attempt_cells(
    conn: AsyncConnection, scope: Scope, wanted: AttemptFilter, sort: str = "time", *, collected: Sequence[str] = ()
) -> AsyncIterator[list[Sequence[Cell]]]:
    """Rows of the attempts export, in batches; with a cell for each collected value of these names."""
    async for batch in every_attempt(conn, scope, wanted, sort):
        said = await transcripts(conn, [row.id for row in batch])
        yield [(*_attempt(row, said.get(row.id)), *_values(row.collected, collected)) for row in batch]


def _attempt(row: AttemptRow, transcript: str | None) -> Sequence[Cell]:
    return (
        row.id,
        row.campaign,
        row.contact_id,
        row.external_key,
        row.number,
        row.attempt_no,
        row.originated_at,
        row.answered_at,
        row.ended_at,
        seconds(row.dial_ms),
        seconds(row.talk_ms),
        seconds(row.acw_ms),
        row.dial_status,
        row.call_status,
        row.action_code,
        row.code_class,
        row.hangup_by,
        row.amd,
        row.sip_code,
        row.q850,
        row.blocks,
        row.messages,
        _amount(row.cost_bot, row.currency),
        _amount(row.cost_telecom, row.currency),
        row.currency,
        row.recording,
        transcript,
        row.origin,
    )


def _amount(amount: Decimal | None, currency: str) -> Decimal | None:
    """The amount with the currency's decimals; one that is finer than the currency is told as it is."""
    if amount is None:
        return None
    rounded = round_money(amount, currency)
    return rounded if rounded == amount else amount


async def contact_cells(
    conn: AsyncConnection, scope: Scope, wanted: ContactFilter, sort: str = "line", *, collected: Sequence[str] = ()
) -> AsyncIterator[list[Sequence[Cell]]]:
    """Rows of the contacts export, in batches; with a cell for each collected value of these names."""
    async for batch in every_contact(conn, scope, wanted, sort):
        given = await collected_of(conn, scope, [row.id for row in batch]) if collected else {}
        yield [(*_contact(row), *_values(given.get(row.id), collected)) for row in batch]


def _values(collected: Mapping[str, str] | None, names: Sequence[str]) -> Sequence[Cell]:
    return [(collected or {}).get(name) for name in names]


def _contact(row: ContactRow) -> Sequence[Cell]:
    return (
        row.id,
        row.campaign,
        row.external_key,
        row.number or row.phone,
        row.name,
        row.attempts,
        row.last_call_at,
        seconds(row.last_talk_ms),
        row.last_call_status,
        row.last_action_code,
        row.state,
        row.approached,
        row.reached,
    )


async def usage_cells(rows: Sequence[UsageRow]) -> AsyncIterator[list[Sequence[Cell]]]:
    """Rows of the usage export, the TOTAL row last."""
    yield [
        (
            row.month,
            row.bot,
            row.totals.sessions,
            row.totals.conversations,
            row.totals.messages,
            row.totals.blocks,
            seconds(row.totals.dial_ms),
            seconds(row.totals.talk_ms),
            row.totals.total,
            _amount(row.totals.cost, row.currency),
            row.currency,
        )
        for row in rows
    ]
