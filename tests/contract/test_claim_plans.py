"""What a claim asks is answered from an index, however many contacts wait: nothing is sorted, nothing walked over."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from campaigns.due import (
    KINDS,
    Kind,
    candidate_values,
    candidates,
    come_due,
    live_counts,
    next_candidates,
    next_times,
)
from storage.database import Database, open_database
from storage.tables import attempts, campaigns
from tests.support_campaigns import NOW, House

_OF_KIND = dict(zip(("ix_contacts_callback", "ix_contacts_own_window", "ix_contacts_order"), KINDS, strict=True))


@pytest.fixture
async def house(database: Database) -> House:
    return await House(database).build()


async def _plan(house: House, statement: Any) -> list[str]:
    async with house.database.read() as conn:
        compiled = statement.compile(conn.sync_connection, compile_kwargs={"literal_binds": True})
        if house.database.is_sqlite:
            return [str(row[3]) for row in await conn.execute(text(f"EXPLAIN QUERY PLAN {compiled}"))]
        # The tables are small here: it is asked what it does when neither a sort nor a look at every row is cheap.
        for way in ("seqscan", "bitmapscan", "sort", "incremental_sort", "hashjoin", "mergejoin"):
            await conn.execute(text(f"SET LOCAL enable_{way} = off"))
        return [str(row[0]) for row in await conn.execute(text(f"EXPLAIN {compiled}"))]


def _reads(plan: list[str], index: str, *others: str) -> bool:
    """Whether of the contacts nothing but this index is read, in its order."""
    sorted_ = [step for step in plan if "TEMP B-TREE" in step or "Sort" in step]
    scans = [step for step in plan if ("contacts" in step and "USING" in step) or " on contacts" in step]
    return not sorted_ and bool(scans) and all(any(name in step for name in (index, *others)) for step in scans)


@pytest.mark.parametrize("index", _OF_KIND)
async def test_the_dialling_order_is_read_from_its_index(house: House, index: str) -> None:
    kind: Kind = _OF_KIND[index]
    campaign = await house.row(campaigns, await house.campaign(people=1))
    asked = next_candidates(kind).params(candidate_values(campaign, kind, NOW), wanted=5)
    for statement in (candidates(campaign, kind, NOW, made_ready=True).limit(5), asked):
        plan = await _plan(house, statement)
        assert _reads(plan, index), plan
        assert any("uq_attempts_live_number" in step for step in plan), plan


async def test_a_few_contacts_are_looked_up_by_their_ids(tmp_path: Path) -> None:
    # On SQLite alone: PostgreSQL chooses by the size of the table, which is small here.
    async with open_database(f"sqlite:///{tmp_path / 'plan.db'}") as database:
        house = await House(database).build()
        campaign = await house.row(campaigns, await house.campaign(people=1))
        for kind in KINDS:
            few = await _plan(house, candidates(campaign, kind, NOW, only=[1, 2], made_ready=True).limit(5))
            assert "SEARCH contacts USING INTEGER PRIMARY KEY (rowid=?)" in few, few


async def test_those_whose_time_has_come_are_read_from_an_index(house: House) -> None:
    plan = await _plan(house, come_due(1, NOW))
    assert _reads(plan, "ix_contacts_put_off"), plan


async def test_the_next_time_is_the_first_entry_of_an_index(house: House) -> None:
    plan = await _plan(house, next_times().params(ids=[1], now=NOW))
    assert _reads(plan, "ix_contacts_put_off", *_OF_KIND), plan
    assert not any("SCAN contacts" in step for step in plan), plan


async def test_live_calls_are_counted_within_their_own_index(house: House) -> None:
    plan = await _plan(house, live_counts(attempts.c.origin))
    assert any("ix_attempts_live" in step for step in plan), plan
