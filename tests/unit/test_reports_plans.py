"""Lists of a large campaign are read by index: a contact's calls are looked up, never searched for."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event
from sqlalchemy.ext.asyncio import AsyncConnection

from reports.attempts import AttemptFilter, attempts_page
from reports.contacts import ContactFilter, contacts_page
from reports.live import live
from reports.overview import overview
from reports.paging import Paging
from reports.scope import Scope
from storage.database import open_database
from tests.support_reports import standard

Read = Callable[[AsyncConnection], Awaitable[object]]
_READS: dict[str, Read] = {
    "contacts": lambda conn: contacts_page(conn, Scope(1), ContactFilter(), Paging("line")),
    "contacts by last call": lambda conn: contacts_page(conn, Scope(1), ContactFilter(code="PTP"), Paging("-last")),
    "calls": lambda conn: attempts_page(conn, Scope(1), AttemptFilter(), Paging("-time")),
    "overview": lambda conn: overview(conn, Scope(1)),
    "live": lambda conn: live(conn, 1),
}


async def _plans(conn: AsyncConnection, read: Read) -> list[str]:
    """The steps of every statement that `read` executes."""
    seen: list[tuple[str, Any]] = []
    sync = conn.sync_connection

    def note(_conn: Any, _cursor: Any, statement: str, parameters: Any, _context: Any, _many: bool) -> None:
        seen.append((statement, parameters))

    event.listen(sync, "before_cursor_execute", note)
    await read(conn)
    event.remove(sync, "before_cursor_execute", note)
    steps = []
    for statement, parameters in seen:
        rows = await conn.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters)
        steps += [str(row[3]) for row in rows]
    return steps


@pytest.mark.parametrize("name", _READS)
async def test_attempts_are_found_by_index(tmp_path: Path, name: str) -> None:
    async with open_database(f"sqlite:///{tmp_path / 'plans.db'}") as database:
        await standard(database)
        async with database.read() as conn:
            steps = await _plans(conn, _READS[name])
    assert [step for step in steps if step.startswith(("SCAN attempts", "SCAN last", "SCAN contacts"))] == []
    if name.startswith("contacts"):
        assert any("ix_attempts_contact (contact_id=?)" in step for step in steps)
        assert not any("ix_attempts_campaign" in step for step in steps)
