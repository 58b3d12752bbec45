"""The do-not-call list of an account: numbers that no campaign of it may call."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection

from storage.tables import do_not_call


class Source(StrEnum):
    """How a number came onto the list."""

    OPT_OUT = "opt_out"
    IMPORT = "import"
    MANUAL = "manual"


@dataclass(frozen=True)
class Suppressed:
    """A number that may not be called, and why."""

    number: str
    source: Source
    #: What was said or pressed, for an opt-out.
    evidence: str | None
    attempt_id: str | None
    created_at: datetime


async def add(
    conn: AsyncConnection,
    account_id: int,
    number: str,
    source: Source,
    *,
    now: datetime,
    attempt_id: str | None = None,
    evidence: str | None = None,
) -> bool:
    """Put an E.164 number onto the list; False when it stood there already, and its first entry is kept."""
    values: Mapping[str, Any] = {
        "account_id": account_id,
        "number": number,
        "source": source.value,
        "attempt_id": attempt_id,
        "evidence": evidence,
        "created_at": now,
    }
    dialect = sqlite if conn.dialect.name == "sqlite" else postgresql
    statement = dialect.insert(do_not_call).values(values).on_conflict_do_nothing().returning(do_not_call.c.id)
    return await conn.scalar(statement) is not None


async def listed(conn: AsyncConnection, account_id: int, numbers: Collection[str]) -> set[str]:
    """Those of the numbers (at most some thousands) that may not be called."""
    if not numbers:
        return set()
    found = await conn.scalars(
        select(do_not_call.c.number).where(do_not_call.c.account_id == account_id, do_not_call.c.number.in_(numbers))
    )
    return set(found)


async def is_listed(conn: AsyncConnection, account_id: int, number: str) -> bool:
    """Whether the number may not be called."""
    return bool(await listed(conn, account_id, [number]))


async def entries(conn: AsyncConnection, account_id: int) -> AsyncIterator[Suppressed]:
    """The whole list in the order in which it grew, streamed."""
    columns = do_not_call.c
    rows = await conn.stream(
        select(columns.number, columns.source, columns.evidence, columns.attempt_id, columns.created_at)
        .where(columns.account_id == account_id)
        .order_by(columns.id)
    )
    async for row in rows:
        yield Suppressed(row.number, Source(row.source), row.evidence, row.attempt_id, row.created_at)
