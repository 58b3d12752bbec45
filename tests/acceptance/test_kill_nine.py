"""kill -9 in the middle of a campaign: restarted, it completes, and nobody is called twice (DESIGN invariant 2)."""

from __future__ import annotations

import asyncio
import random
import signal
import sys
from collections import Counter
from decimal import Decimal
from pathlib import Path

import pytest
from sqlalchemy import func, select

from campaigns.states import CampaignState
from storage.clock import SystemClock
from storage.database import open_database
from storage.tables import attempt_events, attempts, contacts, ledger_entries, nodes, outbox
from tests.support_campaigns import House
from tests.support_network import until
from tests.support_postgres import fresh_postgres

PEOPLE = 50
ROOT = Path(__file__).parents[2]


async def _start(url: str, campaign_id: int, log: Path, pace: float = 1) -> asyncio.subprocess.Process:
    command = ["-m", "tests.support_killing", url, str(campaign_id), str(log), str(pace)]
    process = await asyncio.create_subprocess_exec(
        sys.executable, *command, cwd=ROOT, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    assert (await process.stdout.readline()).startswith(b"running")
    return process


async def _kill(process: asyncio.subprocess.Process) -> None:
    process.send_signal(signal.SIGKILL)
    await process.communicate()


def _invites(log: Path) -> list[str]:
    return [line.split()[0] for line in log.read_text().splitlines()] if log.exists() else []


async def _run_with_kills(url: str, campaign_id: int, log: Path, instants: random.Random, kills: int) -> int:
    """Kill it `kills` times at random instants, then let it finish; how often it was really killed."""
    killed = 0
    for _ in range(kills):
        process = await _start(url, campaign_id, log)
        try:
            async with asyncio.timeout(instants.uniform(0.0, 0.25)):
                await process.wait()
        except TimeoutError:
            killed += 1
        await _kill(process) if process.returncode is None else await process.communicate()
    process = await _start(url, campaign_id, log)
    _, errors = await process.communicate()
    assert process.returncode == 0, errors.decode()
    return killed


async def _run_three_with_kills(url: str, campaign_id: int, log: Path, chance: random.Random) -> int:
    """Three nodes, one of which is killed and replaced each time that so many more were called; how often."""
    running = await asyncio.gather(*(_start(url, campaign_id, log, pace=30) for _ in range(3)))
    killed = 0
    try:
        for called in (10, 35, 60):
            await until(lambda called=called: len(_invites(log)) >= called)
            place = chance.randrange(3)
            if running[place].returncode is None:
                killed += 1
                await _kill(running[place])
                running[place] = await _start(url, campaign_id, log, pace=30)
        for node in running:
            _, errors = await node.communicate()
            assert node.returncode == 0, errors.decode()
    finally:
        for node in running:
            if node.returncode is None:
                await _kill(node)
    return killed


@pytest.mark.acceptance
@pytest.mark.postgres
async def test_three_nodes_that_are_killed_in_turn_call_nobody_twice(
    postgres_server: str, postgres_template: str, tmp_path: Path
) -> None:
    log = tmp_path / "invites"
    with fresh_postgres(postgres_server, postgres_template) as url:
        async with open_database(url) as database:
            house = await House(database, clock=SystemClock()).build(cps=200.0)  # type: ignore[arg-type]
            campaign_id = await house.campaign(people=100)
            assert await _run_three_with_kills(url, campaign_id, log, random.Random(3)) >= 1
            assert [number for number, times in Counter(_invites(log)).items() if times > 1] == []
            await _every_contact_has_an_outcome(house, campaign_id, people=100)
            await _books_balance(house)
            names = {row["node"] for row in await house.rows(attempts)}
            assert len(names) >= 3, "each of them dialled"
            assert {row["state"] for row in await house.rows(nodes)} == {"gone"}


@pytest.mark.acceptance
@pytest.mark.parametrize("seed", [1, 2])
async def test_a_killed_campaign_completes_and_calls_nobody_twice(migrated_url: str, tmp_path: Path, seed: int) -> None:
    log = tmp_path / "invites"
    async with open_database(migrated_url) as database:
        house = await House(database, clock=SystemClock()).build(cps=200.0)  # type: ignore[arg-type]
        campaign_id = await house.campaign(people=PEOPLE)
        killed = await _run_with_kills(migrated_url, campaign_id, log, random.Random(seed), kills=5)
        assert killed >= 2
        assert [number for number, times in Counter(_invites(log)).items() if times > 1] == []
        await _every_contact_has_an_outcome(house, campaign_id)
        await _books_balance(house)


async def _every_contact_has_an_outcome(house: House, campaign_id: int, people: int = PEOPLE) -> None:
    status = await house.campaigns.status(campaign_id)
    assert status.state is CampaignState.COMPLETED
    assert (status.contacts_left, status.live_calls) == (0, 0)
    assert sum(status.contacts.values()) == people
    for contact in await house.rows(contacts):
        placed = [
            row for row in await house.rows(attempts) if row["contact_id"] == contact["id"] and row["originated_at"]
        ]
        assert len(placed) == contact["attempts"] == 1
    assert [row["key"] for row in await house.rows(outbox)] == [f"report:{campaign_id}:completed"]


async def _books_balance(house: House) -> None:
    rows = await house.rows(attempts)
    assert all(row["action_code"] and row["settled_at"] and row["phase"] == "ended" for row in rows)
    charged = {row["attempt_id"] for row in await house.rows(ledger_entries)}
    assert charged == {row["id"] for row in rows if row["blocks"]}
    async with house.database.read() as conn:
        assert (await conn.execute(select(func.sum(ledger_entries.c.amount)))).scalar_one() in {None, Decimal(0)}
        settled = select(func.count()).where(attempt_events.c.kind.in_(["settled", "released"]))
        assert (await conn.execute(settled)).scalar_one() == len(rows)
