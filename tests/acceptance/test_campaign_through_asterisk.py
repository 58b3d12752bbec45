"""Campaigns through a real Asterisk whose manager connection is cut, which dies, or whose caller is killed.

Everybody gets an outcome, nobody is called twice, and the books balance. What is in progress when the blow falls is
told by the test, not by chance: calls are held until the test lets them go on.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import update

from campaigns.pacing import Gate
from campaigns.runner import Runner, RunnerSettings
from campaigns.states import CampaignState
from storage.clock import SystemClock
from storage.database import Database
from storage.tables import attempts, trunks
from telephony.ami.client import AmiState
from telephony.ami.dialer import AsteriskDialer
from telephony.simulator.network import SimulatedNetwork
from telephony.simulator.persona import Persona, Reject, RingOut
from tests.support_acceptance import until
from tests.support_asterisk import Asterisk
from tests.support_asterisk_campaign import (
    HANGS_UP,
    PERSONAS,
    REFUSED,
    Books,
    Held,
    Talks,
    books_in_order,
    trunk_of,
)
from tests.support_campaigns import House, number
from tests.support_dialer_asterisk import TIMES, no_channels
from tests.support_relay import Relay

pytestmark = [
    pytest.mark.acceptance,
    pytest.mark.timeout(280),
    pytest.mark.parametrize("migrated_url", ["sqlite"], indirect=True),
]

PEOPLE = 48
ROOT = Path(__file__).parents[2]
PATIENCE_S = 60.0
#: Longer than an Asterisk takes to start on a slow machine, and than a trunk's pause after failed calls.
LONG_PATIENCE_S = 180.0


@contextlib.asynccontextmanager
async def _running(
    house: House, dialer: AsteriskDialer, campaign_id: int, folder: Path
) -> AsyncIterator[tuple[Talks, asyncio.Task[CampaignState]]]:
    """The campaign is dialled; every call is held."""
    ledger, settings = house.ledger(lease_s=60.0), RunnerSettings(calls=50)
    async with Talks(folder) as talks:
        runner = Runner(house.database, ledger, {"line": dialer}, talks, house.clock, settings=settings)
        running = asyncio.create_task(runner.run_until_complete(campaign_id))
        try:
            yield talks, running
        finally:
            running.cancel()
            await asyncio.wait([running])


async def _house(database: Database, **options: Any) -> House:
    return await House(database, clock=SystemClock()).build(**options)  # type: ignore[arg-type]


async def _never_pause(house: House) -> None:
    """However long this machine takes to connect again, failed calls do not pause the trunk."""
    async with house.database.write() as conn:
        await conn.execute(update(trunks).values(failures_allowed=1000))


async def _hold(
    talks: Talks, running: asyncio.Task[CampaignState], count: int, patience_s: float = PATIENCE_S
) -> dict[str, Held]:
    """Wait until so many calls are held; all that are then."""
    await until(lambda: running.done() or len(talks.held) >= count, patience_s, f"{count} calls are held")
    assert not running.done(), "the campaign ended before its time"
    return dict(talks.held)


async def _state(dialer: AsteriskDialer, state: AmiState) -> None:
    await until(lambda: dialer.client.state is state, PATIENCE_S, f"the manager connection is {state.value}")


def _once(network: SimulatedNetwork, books: Books) -> None:
    """Nobody was called twice; whoever the books say answered was called."""
    times = Counter(invite.number for invite in network.invites)
    assert {one: count for one, count in times.items() if count > 1} == {}
    assert set(times) <= {row["number"] for row in books.attempts}
    answered = {record.invite.number for record in network.calls if record.answered_at}
    assert {row["number"] for row in books.attempts if row["answered_at"]} <= answered


async def test_calls_go_on_while_the_manager_connection_is_cut(database: Database, tmp_path: Path) -> None:
    async with (
        SimulatedNetwork(PERSONAS) as network,
        Asterisk.start(tmp_path / "asterisk", network.port) as pbx,
        Relay.to(pbx.ami_port) as relay,
        AsteriskDialer(trunk_of(relay.port), times=TIMES) as dialer,
    ):
        house = await _house(database, cps=40.0)
        await _never_pause(house)
        campaign_id = await house.campaign(people=PEOPLE, concurrency=12, ring_timeout_s=3)
        lived: dict[str, Held] = {}
        async with _running(house, dialer, campaign_id, tmp_path) as (talks, running):
            for _ in range(2):
                lived |= await _hold_through_a_cut(talks, running, relay, dialer)
            talks.release()
            async with asyncio.timeout(LONG_PATIENCE_S):
                assert await running is CampaignState.COMPLETED
        assert dialer.live_calls == 0
        await no_channels(pbx)
        await network.all_ended(len(network.invites))
        books = await books_in_order(house, campaign_id, PEOPLE, tmp_path)
    _once(network, books)
    assert len(lived) >= 12
    for row in books.of(lived):
        side = "customer" if row["number"][-1] in HANGS_UP else "bot"
        assert (row["hangup_by"], row["lost"]) == (side, False), row
        # A customer who hangs up soon has the code of a short call.
        assert row["action_code"] in {"YES", "SC"} if side == "customer" else row["action_code"] == "YES", row
    assert {row["hangup_by"] for row in books.of(lived)} == {"customer", "bot"}


async def _hold_through_a_cut(
    talks: Talks, running: asyncio.Task[CampaignState], relay: Relay, dialer: AsteriskDialer
) -> dict[str, Held]:
    """Cut the connection while calls are held: each of them still hears its customer, and lives when it is back."""
    held = await _hold(talks, running, 6)
    async with relay.broken():
        await _state(dialer, AmiState.DISCONNECTED)
        before = {attempt_id: one.frames for attempt_id, one in held.items()}
        heard = lambda: all(one.frames >= before[key] + 25 for key, one in held.items())  # noqa: E731
        await until(heard, PATIENCE_S, "every held call hears half a second")
    await _state(dialer, AmiState.CONNECTED)
    assert held.keys() <= talks.held.keys()
    for one in held.values():
        one.go_on = True
    await until(lambda: not held.keys() & talks.held.keys(), PATIENCE_S, "they have ended")
    return held


async def test_an_asterisk_that_dies_in_mid_call_loses_nobody(database: Database, tmp_path: Path) -> None:
    async with (
        SimulatedNetwork(PERSONAS) as network,
        Asterisk.start(tmp_path / "asterisk", network.port) as pbx,
        AsteriskDialer(trunk_of(pbx.ami_port), times=TIMES) as dialer,
    ):
        house = await _house(database, cps=40.0)
        campaign_id = await house.campaign(people=PEOPLE, concurrency=12, ring_timeout_s=3)
        async with _running(house, dialer, campaign_id, tmp_path) as (talks, running):
            held = await _hold(talks, running, 6)
            await pbx.kill()
            await until(lambda: not held.keys() & talks.held.keys(), PATIENCE_S, "calls end with Asterisk")
            await pbx.boot()
            # One: a trunk that was paused meanwhile tries one call at a time.
            after = await _hold(talks, running, 1, LONG_PATIENCE_S)
            talks.release()
            async with asyncio.timeout(LONG_PATIENCE_S):
                assert await running is CampaignState.COMPLETED
        assert dialer.live_calls == 0
        await no_channels(pbx)
        books = await books_in_order(house, campaign_id, PEOPLE, tmp_path)
    _once(network, books)
    assert {(row["hangup_by"], row["lost"]) for row in books.of(held)} == {("network", False)}
    assert {row["hangup_by"] for row in books.of(after)} <= {"bot", "customer"}
    _what_the_network_said(books)


def _what_the_network_said(books: Books) -> None:
    """Refusals are in the books as what they were, unless Asterisk died over them: then nothing was heard of them."""
    for row in books.attempts:
        if row["sip_code"] and row["number"][-1] in REFUSED:
            assert row["action_code"] == REFUSED[row["number"][-1]], row
    assert books.codes.keys() >= {"YES", "BS", "IN"}


async def _start(
    url: str, campaign_id: int, pbx: Asterisk, strays: Path, *options: str
) -> tuple[asyncio.subprocess.Process, Path]:
    """The process that dials; its words go to a file, so that it never waits for a reader."""
    said = strays.with_suffix(".err")
    command = ["-m", "tests.support_asterisk_campaign", url, str(campaign_id), str(pbx.ami_port), str(strays), *options]
    with said.open("ab") as stderr:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, *command), cwd=ROOT, stdout=asyncio.subprocess.PIPE, stderr=stderr
        )
    assert process.stdout is not None
    assert (await process.stdout.readline()).startswith(b"running"), said.read_text()
    return process, said


async def _kill_when(house: House, process: asyncio.subprocess.Process, *, talking: int, ringing: int) -> set[str]:
    """kill -9 as soon as so many calls are in these phases; the ids of those that ring."""
    try:
        async with asyncio.timeout(PATIENCE_S):
            while True:
                assert process.returncode is None, "it ended before its time"
                # Those that it takes over from the dead are not its own calls.
                own = [
                    row for row in await house.rows(attempts) if f".{process.pid}." in row["node"] and not row["lost"]
                ]
                live = [row for row in own if row["phase"] != "ended"]
                phases = Counter(row["phase"] for row in live)
                if phases["talking"] >= talking and phases["ringing"] >= ringing:
                    return {row["id"] for row in live if row["phase"] == "ringing"}
                await asyncio.sleep(0.02)
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


async def test_after_kill_nine_strays_are_hung_up_and_nobody_is_called_twice(
    database: Database, migrated_url: str, tmp_path: Path
) -> None:
    patient = {number(1000), number(1001)}
    personas = (
        *(Persona((one,), "lets it ring", RingOut()) for one in sorted(patient)),
        *(one for one in PERSONAS if not isinstance(one.reception, RingOut)),
    )
    strays = tmp_path / "strays.jsonl"
    async with SimulatedNetwork(personas) as network, Asterisk.start(tmp_path / "asterisk", network.port) as pbx:
        house = await _house(database, cps=40.0)
        # Those who let it ring are first in the list: while the first process lives, and never again.
        campaign_id = await house.campaign(people=PEOPLE, concurrency=8, ring_timeout_s=250)
        process, _ = await _start(migrated_url, campaign_id, pbx, strays, "hold")
        ringing = await _kill_when(house, process, talking=5, ringing=2)
        process, _ = await _start(migrated_url, campaign_id, pbx, strays, "hold")
        await _kill_when(house, process, talking=5, ringing=0)
        process, said = await _start(migrated_url, campaign_id, pbx, strays)
        async with asyncio.timeout(LONG_PATIENCE_S):
            await process.communicate()
        assert process.returncode == 0, said.read_text()
        await no_channels(pbx)
        await network.all_ended(len(network.invites))
        books = await books_in_order(house, campaign_id, PEOPLE, tmp_path)
    assert (await house.campaigns.status(campaign_id)).state is CampaignState.COMPLETED
    _once(network, books)
    found = {note["attempt_id"] for line in strays.read_text().splitlines() if (note := json.loads(line))["found"]}
    assert ringing <= found
    assert {row["number"] for row in books.of(ringing)} == patient
    assert {record.ended_by for record in network.calls if record.invite.number in patient} == {"caller"}
    _the_dead_are_lost_and_nobody_else(network, books)


def _the_dead_are_lost_and_nobody_else(network: SimulatedNetwork, books: Books) -> None:
    lost = {row["number"] for row in books.attempts if row["lost"]}
    assert len(lost) >= 12
    # Killed between the ledger's word and the wire, an attempt may never have reached the network.
    assert {row["number"] for row in books.attempts} - {invite.number for invite in network.invites} <= lost
    for row in books.attempts:
        if not row["lost"]:
            refused = REFUSED.get(row["number"][-1])
            assert row["action_code"] == refused if refused else row["action_code"] in {"YES", "SC"}, row


class _NotingGate(Gate):
    """Notes when each call left, on the loop's clock."""

    def __init__(self) -> None:
        super().__init__()
        self.left: list[float] = []

    async def leave(self, trunk: str, spacing_s: float) -> None:
        await super().leave(trunk, spacing_s)
        self.left.append(self._left[trunk])


async def test_no_second_holds_more_calls_than_the_trunk_allows(database: Database, tmp_path: Path) -> None:
    people, cps = 20, 5
    async with (
        SimulatedNetwork((Persona(("+99900001xxx",), "busy", Reject(486)),)) as network,
        Asterisk.start(tmp_path / "asterisk", network.port) as pbx,
        AsteriskDialer(trunk_of(pbx.ami_port), times=TIMES) as dialer,
    ):
        house = await _house(database, cps=float(cps))
        campaign_id = await house.campaign(people=people)
        runner = Runner(house.database, house.ledger(), {"line": dialer}, Talks(tmp_path), house.clock)
        # The calls' own times: what an operating system adds to them is not the sender's to keep.
        gate = runner._calling._gate = _NotingGate()
        async with asyncio.timeout(LONG_PATIENCE_S):
            assert await runner.run_until_complete(campaign_id) is CampaignState.COMPLETED
        assert len(network.invites) == len(gate.left) == people
        books = await books_in_order(house, campaign_id, people, tmp_path)
    assert books.codes == {"BS": people}
    windows = [later - first for first, later in zip(gate.left, gate.left[cps:], strict=False)]
    assert min(windows) >= 1.0 - 1e-6, windows
