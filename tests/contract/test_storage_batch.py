"""Group commit: many changes, few transactions; each returns when its own is durable."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest
from sqlalchemy import insert, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from storage.batch import GroupCommit
from storage.database import Database
from storage.rows import insert_new, update_each
from storage.tables import trunks


class Names:
    """Inserts trunks of the names it is given; counts its transactions."""

    def __init__(self) -> None:
        self.groups: list[int] = []
        self.proceed = asyncio.Event()
        self.proceed.set()

    async def apply(self, conn: AsyncConnection, names: Sequence[str]) -> list[str | Exception]:
        await self.proceed.wait()
        self.groups.append(len(names))
        for name in names:
            if name != "refused":
                await conn.execute(insert(trunks).values(name=name, channels=1, cps=1.0))
        return [ValueError(name) if name == "refused" else name for name in names]


async def _stored(database: Database) -> list[str]:
    async with database.read() as conn:
        return list((await conn.execute(select(trunks.c.name).order_by(trunks.c.name))).scalars())


async def test_what_gathers_during_a_commit_goes_into_the_next_one(database: Database) -> None:
    names = Names()
    group = GroupCommit(database, names.apply)
    names.proceed.clear()
    first = asyncio.create_task(group.submit("a"))
    await asyncio.sleep(0)
    rest = [asyncio.create_task(group.submit(name)) for name in "bcd"]
    await asyncio.sleep(0)
    names.proceed.set()
    assert await asyncio.gather(first, *rest) == ["a", "b", "c", "d"]
    assert sum(names.groups) == 4
    assert len(names.groups) <= 2
    assert await _stored(database) == ["a", "b", "c", "d"]


async def test_a_large_crowd_is_written_in_several_groups(database: Database) -> None:
    names = Names()
    group = GroupCommit(database, names.apply)
    await asyncio.gather(*(group.submit(f"{place:03d}") for place in range(230)))
    assert max(names.groups) <= 100
    assert len(await _stored(database)) == 230


async def test_a_refusal_is_told_to_its_own_caller_only(database: Database) -> None:
    group = GroupCommit(database, Names().apply)
    results = await asyncio.gather(*(group.submit(n) for n in ("a", "refused", "b")), return_exceptions=True)
    assert [type(result) for result in results] == [str, ValueError, str]
    assert await _stored(database) == ["a", "b"]


async def test_one_mistake_does_not_cost_the_others_their_change(database: Database) -> None:
    names = Names()
    group = GroupCommit(database, names.apply)
    results = await asyncio.gather(*(group.submit(n) for n in ("a", "b", "b", "c")), return_exceptions=True)
    assert [type(result) for result in results] == [str, str, IntegrityError, str]
    assert await _stored(database) == ["a", "b", "c"]
    assert await group.submit("d") == "d"


async def test_the_change_of_a_cancelled_caller_is_made_and_closing_waits_for_it(database: Database) -> None:
    names = Names()
    names.proceed.clear()
    group = GroupCommit(database, names.apply)
    callers = [asyncio.create_task(group.submit(name)) for name in ("a", "refused")]
    await asyncio.sleep(0)
    for caller in callers:
        caller.cancel()
    with pytest.raises(asyncio.CancelledError):
        await callers[0]
    closing = asyncio.create_task(group.aclose())
    await asyncio.sleep(0)
    assert not closing.done()
    names.proceed.set()
    await closing
    assert await _stored(database) == ["a"]


async def test_updates_tell_how_many_rows_they_changed(database: Database) -> None:
    row = {"channels": 1, "cps": 1.0, "next_call_us": 0}
    async with database.write() as conn:
        assert await insert_new(conn, trunks, [], "name") == set()
        assert await insert_new(conn, trunks, [{"name": n, **row} for n in "ab"], "name") == {"a", "b"}
        assert await insert_new(conn, trunks, [{"name": n, **row} for n in "bc"], "name") == {"c"}
        changes = [
            ({"name": "a"}, {"channels": 2}),
            ({"name": "b", "channels": 9}, {"channels": 3}),
            ({"name": "c"}, {"channels": 4, "cps": 2.0}),
        ]
        assert await update_each(conn, trunks, changes) == 2
        found = (await conn.execute(select(trunks.c.name, trunks.c.channels).order_by(trunks.c.name))).all()
    assert [tuple(one) for one in found] == [("a", 2), ("b", 1), ("c", 4)]
