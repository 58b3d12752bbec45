"""Our form of the aiosqlite driver: one trip to the database's thread a statement, and otherwise the stock one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import aiosqlite
import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError, OperationalError

from storage.database import Database, open_database


@pytest.fixture
def trips(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The pieces of work that went to a database thread."""
    made: list[str] = []
    stock = aiosqlite.Connection._execute

    async def counted(self: aiosqlite.Connection, fn: Any, *args: Any, **kwargs: Any) -> Any:
        made.append(fn.__name__)
        return await stock(self, fn, *args, **kwargs)

    monkeypatch.setattr(aiosqlite.Connection, "_execute", counted)
    return made


async def _table(database: Database) -> None:
    async with database.write() as conn:
        await conn.execute(text("CREATE TABLE things (id INTEGER PRIMARY KEY, name TEXT UNIQUE)"))


async def test_a_statement_is_one_trip(tmp_path: Path, trips: list[str]) -> None:
    async with open_database(f"sqlite:///{tmp_path / 'a.db'}") as database:
        await _table(database)
        async with database.write() as conn:
            trips.clear()
            await conn.execute(text("INSERT INTO things (name) VALUES (:name)"), [{"name": "a"}, {"name": "b"}])
            found = (await conn.execute(text("SELECT name FROM things ORDER BY id"))).scalars().all()
            assert found == ["a", "b"]
            assert len(trips) == 2


async def test_it_tells_what_a_cursor_would(tmp_path: Path) -> None:
    async with open_database(f"sqlite:///{tmp_path / 'a.db'}") as database:
        await _table(database)
        async with database.write() as conn:
            made = await conn.execute(text("INSERT INTO things (name) VALUES ('a'), ('b') RETURNING id, name"))
            assert [tuple(row) for row in made.all()] == [(1, "a"), (2, "b")]
            assert (await conn.execute(text("UPDATE things SET name = name || 'x'"))).rowcount == 2
            assert list((await conn.execute(text("SELECT id, name FROM things WHERE id > 9"))).keys()) == ["id", "name"]
            one = await conn.execute(text("SELECT name FROM things ORDER BY id"))
            assert [one.fetchone(), one.fetchone(), one.fetchone()] == [("ax",), ("bx",), None]


async def test_mistakes_are_those_of_sqlalchemy_and_leave_the_connection_usable(tmp_path: Path) -> None:
    async with open_database(f"sqlite:///{tmp_path / 'a.db'}") as database:
        await _table(database)
        async with database.write() as conn:
            await conn.execute(text("INSERT INTO things (name) VALUES ('a')"))
            with pytest.raises(IntegrityError):
                await conn.execute(text("INSERT INTO things (name) VALUES ('a')"))
            with pytest.raises(OperationalError, match="no such table"):
                await conn.execute(text("SELECT * FROM nowhere"))
        async with database.read() as conn:
            assert (await conn.execute(text("SELECT count(*) FROM things"))).scalar_one() == 1


async def test_rows_can_be_streamed(tmp_path: Path) -> None:
    async with open_database(f"sqlite:///{tmp_path / 'a.db'}") as database:
        await _table(database)
        async with database.write() as conn:
            await conn.execute(text("INSERT INTO things (name) VALUES (:n)"), [{"n": str(n)} for n in range(500)])
        async with database.read() as conn, conn.stream(text("SELECT id FROM things ORDER BY id")) as rows:
            assert [row.id async for row in rows] == list(range(1, 501))
