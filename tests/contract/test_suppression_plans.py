"""What is looked up for each claim is probed by number in an index, however long lists and histories are."""

from __future__ import annotations

from typing import Any

from sqlalchemy import event, text
from sqlalchemy.ext.asyncio import AsyncConnection

from campaigns import frequency, suppression
from campaigns.frequency import Caps
from storage.database import Database
from storage.tables import campaigns
from tests.support_campaigns import NOW, House, number


async def test_numbers_are_probed_in_an_index(database: Database) -> None:
    house = await House(database).build()
    campaign = await house.row(campaigns, await house.campaign(start=False))
    rows = [{"id": n, "number": number(n), "time_zone": None, "state": "pending"} for n in range(3)]
    asked: list[tuple[str, Any]] = []

    def note(_conn: Any, _cursor: Any, statement: str, parameters: Any, *_rest: Any) -> None:
        if statement.startswith("SELECT"):
            asked.append((statement, parameters))

    engine = database._writer.sync_engine
    event.listen(engine, "before_cursor_execute", note)
    try:
        async with database.write() as conn:
            await suppression.listed(conn, campaign, [row["number"] for row in rows])
            await frequency.capped(conn, campaign, rows, now=NOW, caps=Caps(lifetime=1))
    finally:
        event.remove(engine, "before_cursor_execute", note)
    lists, calls = asked
    async with database.write() as conn:
        in_lists, in_calls = await _plan(conn, *lists), await _plan(conn, *calls)
    assert "ix_attempts_number" in in_calls, in_calls
    if database.is_sqlite:
        assert "suppressed_numbers USING PRIMARY KEY (number=? AND list_id=?)" in in_lists, in_lists
        assert "do_not_call_1 (account_id=? AND number=?)" in in_lists, in_lists
    else:
        assert "pk_suppressed_numbers" in in_lists, in_lists
        assert "uq_do_not_call_account_id_number" in in_lists, in_lists


async def _plan(conn: AsyncConnection, statement: str, parameters: Any) -> str:
    if conn.dialect.name == "sqlite":
        rows = await conn.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters)
        return "\n".join(str(row[-1]) for row in rows)
    # On tables this small PostgreSQL would read them whole.
    await conn.execute(text("SET LOCAL enable_seqscan = off"))
    return "\n".join(str(row[0]) for row in await conn.exec_driver_sql(f"EXPLAIN {statement}", parameters))
