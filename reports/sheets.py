"""The sheets of the exports: the fixed columns, and one for each value that the calls have collected."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy.ext.asyncio import AsyncConnection

from reports.attempts import AttemptFilter
from reports.collected import collected_names
from reports.contacts import ContactFilter
from reports.export import Sheet
from reports.rows import ATTEMPT_COLUMNS, CONTACT_COLUMNS, attempt_cells, contact_cells
from reports.scope import Scope


async def attempt_sheet(
    conn: AsyncConnection, scope: Scope, wanted: AttemptFilter, time_zone: str, sort: str = "time"
) -> Sheet:
    """One row per attempt; `conn` is read from as long as its rows are."""
    names = await collected_names(conn, scope, wanted)
    cells = attempt_cells(conn, scope, wanted, sort, collected=names)
    return Sheet("attempts", (*ATTEMPT_COLUMNS, *_columns(names)), cells, time_zone)


async def contact_sheet(
    conn: AsyncConnection, scope: Scope, wanted: ContactFilter, time_zone: str, sort: str = "line"
) -> Sheet:
    """One row per contact; `conn` is read from as long as its rows are."""
    names = await collected_names(conn, scope)
    cells = contact_cells(conn, scope, wanted, sort, collected=names)
    return Sheet("contacts", (*CONTACT_COLUMNS, *_columns(names)), cells, time_zone)


def _columns(names: Sequence[str]) -> tuple[str, ...]:
    return tuple(f"collected_{name}" for name in names)
