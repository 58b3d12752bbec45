"""Nodes note themselves, beat, are seen to be gone, and drain when somebody asks from another process."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from campaigns.attempts import Ledger
from campaigns.campaigns import Campaigns
from campaigns.claiming import Claimed
from campaigns.errors import UnknownNode
from campaigns.nodes import node_name
from campaigns.presence import Nodes, NodeState, Presence
from campaigns.runner import Runner, RunnerSettings
from campaigns.states import CampaignState
from storage.clock import SystemClock
from storage.database import Database, open_database
from storage.notify import open_notices
from tests.support_campaigns import House
from tests.support_network import Network, Talk, until

_BOUND_S = 60.0
_LEASE = timedelta(seconds=15)


@pytest.fixture
async def house(database: Database) -> House:
    return await House(database).build()


def _presence(house: House, name: str, **changes: Any) -> Presence:
    given: dict[str, Any] = {"lease": _LEASE, "calls": 8, "trunks": ["line"]} | changes
    return Presence(house.database, house.clock, name, **given)


async def _states(house: House) -> dict[str, NodeState]:
    return {one.name: one.state for one in await Nodes(house.database, house.clock).all()}


async def test_nodes_come_beat_fall_silent_leave_and_are_forgotten(house: House) -> None:
    one, two = _presence(house, "one/boot.1.1.1", trunks=["b", "a"]), _presence(house, "two/boot.1.2.2")
    await one.enter()
    await two.enter()
    house.clock.advance(seconds=10)
    await one.beat(3, draining=False)
    house.clock.advance(seconds=4)
    (first, _) = await Nodes(house.database, house.clock).all()
    assert (first.live_calls, first.calls, first.seen_s, first.trunks) == (3, 8, 4.0, ["a", "b"])
    assert first.version
    assert set((await _states(house)).values()) == {NodeState.RUNNING}
    house.clock.advance(seconds=2)
    assert (await _states(house))["two/boot.1.2.2"] is NodeState.GONE, "16 s without a sign of life"
    await one.beat(1, draining=True)
    await two.beat(0, draining=False)
    assert await _states(house) == {"one/boot.1.1.1": NodeState.DRAINING, "two/boot.1.2.2": NodeState.RUNNING}
    await two.leave()
    assert (await _states(house))["two/boot.1.2.2"] is NodeState.GONE
    house.clock.advance(hours=25)
    await _presence(house, "three").enter()
    assert await _states(house) == {"three": NodeState.RUNNING}
    await one.beat(0, draining=False)
    assert (await _states(house))["one/boot.1.1.1"] is NodeState.RUNNING, "it was only asleep"


async def test_a_dead_predecessor_of_this_machine_is_known_to_be_gone(house: House) -> None:
    this = node_name("one")
    before = this.rpartition(".")[0] + ".1"
    await _presence(house, before).enter()
    await _presence(house, this).enter()
    assert await _states(house) == {before: NodeState.GONE, this: NodeState.RUNNING}


async def test_a_drain_is_asked_of_the_living_by_either_name(house: House) -> None:
    nodes = Nodes(house.database, house.clock)
    names = ["a-name-that-is-l/boot.1.1.1", "a-name-that-is-l/boot.1.2.2"]
    here = [_presence(house, name) for name in names]
    for one in here:
        await one.enter()
    assert [await one.drain_asked() for one in here] == [False, False]
    assert await nodes.drain(names[0]) == names[:1]
    assert [await one.drain_asked() for one in here] == [True, False]
    assert (await _states(house))[names[0]] is NodeState.DRAINING
    assert await nodes.drain("a-name-that-is-longer-than-kept") == names
    assert [await one.drain_asked() for one in here] == [True, True]
    elsewhere = _presence(house, "a-name-that-is-l/other.1.1.1")
    await elsewhere.enter()
    with pytest.raises(UnknownNode, match=r"give the full name of the one that is meant: .*/boot.*, .*/other"):
        await nodes.drain("a-name-that-is-longer-than-kept")
    assert not await elsewhere.drain_asked()
    assert await nodes.drain("a-name-that-is-l") == [*names, "a-name-that-is-l/other.1.1.1"]
    assert await elsewhere.drain_asked()
    await here[0].leave()
    with pytest.raises(UnknownNode, match="node list"):
        await nodes.drain(names[0])


class _Looks(Ledger):
    """A ledger that tells when somebody has looked for work in it."""

    def __init__(self, *given: Any, **options: Any) -> None:
        super().__init__(*given, **options)
        self.looked = asyncio.Event()

    async def claim(self, *given: Any, **options: Any) -> Claimed:
        found = await super().claim(*given, **options)
        self.looked.set()
        return found


async def test_what_is_started_elsewhere_is_dialled_without_waiting_for_a_poll(
    database: Database, migrated_url: str
) -> None:
    house = await House(database, clock=SystemClock()).build()  # type: ignore[arg-type]
    campaign_id = await house.campaign(people=2, start=False)
    network = Network.answering()
    never = RunnerSettings(poll_s=3600.0, told_poll_s=3600.0)
    async with open_notices(database) as notices, open_database(migrated_url) as elsewhere:
        await until(lambda: database.is_sqlite or notices.reaches_all)
        ledger = _Looks(database, house.clock, node="one/boot.1.1.1", lease_s=60.0)
        runner = Runner(database, ledger, {"line": network}, Talk(), house.clock, settings=never, notices=notices)
        async with asyncio.timeout(_BOUND_S):
            task = asyncio.create_task(runner.run_until_complete(campaign_id))
            await ledger.looked.wait()
            # SQLite's other processes are polled for.
            await Campaigns(database if database.is_sqlite else elsewhere, house.clock).start(campaign_id)
            assert await task is CampaignState.COMPLETED
    assert len(network.dialled) == 2


async def test_a_node_that_runs_is_drained_from_another_process(database: Database, migrated_url: str) -> None:
    house = await House(database, clock=SystemClock()).build()  # type: ignore[arg-type]
    campaign_id = await house.campaign(people=3, concurrency=1)
    network, talk = Network.answering(), Talk()
    talk.over.clear()
    async with open_notices(database) as notices, open_database(migrated_url) as elsewhere:
        ledger = house.ledger("one/boot.1.1.1", lease_s=60.0)
        settings = RunnerSettings(calls=2, poll_s=0.2)
        runner = Runner(database, ledger, {"line": network}, talk, house.clock, settings=settings, notices=notices)
        async with asyncio.timeout(_BOUND_S):
            task = asyncio.create_task(runner.run_until_complete(campaign_id))
            nodes = Nodes(elsewhere, house.clock)
            await until(lambda: bool(talk.jobs))
            assert await nodes.drain("one") == ["one/boot.1.1.1"]
            await until(lambda: runner.draining)
            talk.over.set()
            assert await task is CampaignState.RUNNING
    assert len(network.dialled) == 1, "nobody was called after the drain"
    assert (await _states(house))["one/boot.1.1.1"] is NodeState.GONE
    assert await house.live() == 0
