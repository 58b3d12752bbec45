"""Many rows or values in one statement: the same comes back, whichever way they went in."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import insert, select

from storage.database import Database
from storage.many import insert_many, member
from storage.rows import update_each
from storage.tables import attempt_events, attempts, contacts, turns
from tests.support_campaigns import House

NOW = datetime(2026, 3, 2, 9, 0, 0, 123000, tzinfo=UTC)
HARD = 'it\'s "so" – 100 % {x} \\ \n 😀 Nguyễn'


@pytest.fixture
async def house(database: Database) -> House:
    return await House(database).build()


async def _claimed(house: House, people: int) -> list[str]:
    await house.campaign(people=people)
    return [claim.attempt_id for claim in (await house.ledger().claim(["line"], people)).claims]


async def test_values_of_every_kind_come_back_as_they_were(house: House) -> None:
    (id_,) = await _claimed(house, 1)
    rows: list[dict[str, Any]] = [
        {
            "attempt_id": id_,
            "turn_no": place,
            "speaker": "bot",
            "start_ms": 0,
            "end_ms": 10,
            "text": HARD,
            "confidence": 0.1 + 0.2,
            "heard": heard,
        }
        for place, heard in enumerate(([{"text": HARD, "score": None}], None), start=1)
    ]
    async with house.database.write() as conn:
        await insert_many(conn, turns, rows)
    stored = await house.rows(turns)
    assert [{name: row[name] for name in rows[0]} for row in stored] == rows
    # What is not named has the default of the table.
    assert [row["interrupted"] for row in stored] == [False, False]


async def test_rows_keep_their_order_and_the_word_at_is_a_column(house: House) -> None:
    (id_,) = await _claimed(house, 1)
    rows = [
        {"attempt_id": id_, "at": NOW, "node": "n", "kind": f"k{place}", "detail": {"place": place}}
        for place in range(60)
    ]
    async with house.database.write() as conn:
        await insert_many(conn, attempt_events, rows)
        await insert_many(conn, attempt_events, [])
    stored = [row for row in await house.rows(attempt_events) if row["kind"].startswith("k")]
    assert [row["kind"] for row in stored] == [row["kind"] for row in rows]
    assert [row["detail"]["place"] for row in stored] == list(range(60))
    assert {row["at"] for row in stored} == {NOW}


async def test_rows_are_changed_each_in_its_way_and_only_where_they_match(house: House) -> None:
    first, second, third = await _claimed(house, 3)
    cost = Decimal("12.3456")
    changes: list[tuple[dict[str, Any], dict[str, Any]]] = [
        ({"id": first, "fence": 1}, {"cost_bot": cost, "settled_at": NOW, "lost": True}),
        ({"id": second, "fence": 2}, {"cost_bot": cost, "settled_at": NOW, "lost": True}),
        ({"id": third}, {"collected": {"name": HARD}, "cost_bot": None}),
    ]
    async with house.database.write() as conn:
        assert await update_each(conn, attempts, changes) == 2
    rows = {row["id"]: row for row in await house.rows(attempts)}
    assert (rows[first]["cost_bot"], rows[first]["settled_at"], rows[first]["lost"]) == (cost, NOW, True)
    assert (rows[second]["cost_bot"], rows[second]["settled_at"], rows[second]["lost"]) == (None, None, False)
    assert (rows[third]["collected"], rows[third]["cost_bot"]) == ({"name": HARD}, None)


async def test_what_the_types_refuse_is_refused_here_too(house: House) -> None:
    (id_,) = await _claimed(house, 1)
    event = {"attempt_id": id_, "at": NOW.replace(tzinfo=None), "node": "n", "kind": "k"}
    async with house.database.write() as conn:
        with pytest.raises(Exception, match="naive datetime"):
            await insert_many(conn, attempt_events, [event])


@pytest.mark.parametrize("names", [[], ["node-a"], ["node-a", "o'b", "node-b"]])
async def test_members_are_found_among_texts_and_numbers(house: House, names: list[str]) -> None:
    ids = await _claimed(house, 2)
    async with house.database.read() as conn:
        of_node = select(attempts.c.id).where(member(attempts.c.node, "names"), member(attempts.c.id, "ids"))
        found = (await conn.execute(of_node, {"names": names, "ids": ids[:1]})).scalars().all()
        numbers = select(contacts.c.id).where(member(contacts.c.id, "ids"))
        several = (await conn.execute(numbers, {"ids": {1, 2, 77}})).scalars().all()
    assert found == (ids[:1] if "node-a" in names else [])
    assert sorted(several) == [1, 2]


async def test_a_plain_insert_and_ours_leave_the_same_row(house: House) -> None:
    (id_,) = await _claimed(house, 1)
    row = {"attempt_id": id_, "at": NOW, "node": HARD, "kind": "k", "from_phase": None, "detail": {"a": [1, None]}}
    async with house.database.write() as conn:
        await conn.execute(insert(attempt_events), [row])
        await insert_many(conn, attempt_events, [row])
    plain, ours = [row for row in await house.rows(attempt_events) if row["kind"] == "k"]
    assert {**plain, "id": 0} == {**ours, "id": 0}
