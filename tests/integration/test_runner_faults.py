"""The runner when what it stands on gives way: the database, the network, its own right to a call."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy.exc import OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from structlog.testing import capture_logs

from campaigns.attempts import Ledger
from campaigns.bench import bench_dial
from campaigns.claiming import Claim, Claimed
from campaigns.operations import Moved
from campaigns.runner import Runner, RunnerSettings
from campaigns.settling import Settlement
from campaigns.states import CampaignState
from storage.clock import SystemClock
from storage.database import Database
from storage.tables import attempt_events, attempts, do_not_call
from tests.support_campaigns import House
from tests.support_network import Network, Talk, until

_AWAY = OperationalError("SELECT 1", {}, ConnectionError("the server is away"))


class Faulty(Ledger):
    """The real ledger, whose methods fail as often as they are told to."""

    failures: dict[str, int]

    def _fail(self, name: str) -> None:
        if self.failures.get(name, 0) > 0:
            self.failures[name] -= 1
            raise _AWAY

    async def claim(self, *args: Any, **options: Any) -> Claimed:
        self._fail("claim")
        return await super().claim(*args, **options)

    async def settle(self, *args: Any, **options: Any) -> Moved:
        self._fail("settle")
        return await super().settle(*args, **options)

    async def renew(self, *args: Any, **options: Any) -> set[str]:
        self._fail("renew")
        return await super().renew(*args, **options)

    async def advance(self, *args: Any, **options: Any) -> Moved:
        if args[2] == "ringing":
            self._fail("advance")
        return await super().advance(*args, **options)

    async def reap(self, *args: Any, **options: Any) -> list[Moved]:
        if self.failures.get("reap_later"):
            self.failures["reap_later"] -= 1
            if self.failures["reap_later"] == 0:
                raise _AWAY
        return await super().reap(*args, **options)


@pytest.fixture(autouse=True)
def _short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("campaigns.calling._FIRST_WAIT_S", 0.05)
    monkeypatch.setattr("campaigns.calling._LONGEST_WAIT_S", 0.05)


@pytest.fixture(autouse=True)
def _quick_logs() -> Iterator[None]:
    """Drawing a traceback for the console takes long enough to be late for a lease."""
    with capture_logs():
        yield


@pytest.fixture
async def house(database: Database) -> House:
    return await House(database, clock=SystemClock()).build()  # type: ignore[arg-type]


def _runner(house: House, network: Network, talk: Any, lease_s: float = 30.0, **failures: int) -> Runner:
    ledger = Faulty(house.database, house.clock, node="node-a", lease_s=lease_s)
    ledger.failures = failures
    settings = RunnerSettings(poll_s=0.05)
    return Runner(house.database, ledger, {"line": network}, talk, house.clock, settings=settings)


async def _placed(house: House) -> list[dict[str, Any]]:
    """The attempts that reached the network; where the machine stands still past a lease, others are given back."""
    return [row for row in await house.rows(attempts) if row["originated_at"] is not None]


async def test_a_settlement_is_tried_again_until_the_database_is_back(house: House) -> None:
    campaign_id = await house.campaign(people=1)
    runner = _runner(house, Network.answering(), Talk(code="YES"), settle=3)
    assert await runner.run_until_complete(campaign_id) is CampaignState.COMPLETED
    assert [row["action_code"] for row in await house.rows(attempts)] == ["YES"]


async def test_an_outage_longer_than_the_lease_costs_neither_the_result_nor_the_opt_out(house: House) -> None:
    campaign_id = await house.campaign(people=2, concurrency=1)
    network = Network.answering()
    runner = _runner(house, network, Talk(opted_out=True), lease_s=0.15, settle=12, renew=12)
    async with asyncio.timeout(30):
        assert await runner.run_until_complete(campaign_id) is CampaignState.COMPLETED
    assert len(network.dialled) == 2
    assert [(row["action_code"], row["lost"]) for row in await _placed(house)] == [("DNC", False)] * 2
    assert len(await house.rows(do_not_call)) == 2
    assert await house.contact_states(campaign_id) == {"opted_out": 2}


async def test_a_shutdown_waits_for_the_database_with_what_was_said(house: House) -> None:
    campaign_id = await house.campaign(people=1)
    talk = Talk(code="YES")
    runner = _runner(house, Network.answering(), talk, lease_s=0.15, settle=8)
    task = asyncio.create_task(runner.run_forever())
    ledger = runner._ledger
    assert isinstance(ledger, Faulty)
    await until(lambda: ledger.failures["settle"] < 8)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert [row["action_code"] for row in await _placed(house)] == ["YES"]
    assert await house.contact_states(campaign_id) == {"done": 1}


class _TooLarge(Exception):
    sqlstate = "54000"


async def test_a_settlement_too_large_for_the_database_is_not_tried_for_ever(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    campaign_id = await house.campaign(people=1)
    settle = Ledger.settle

    async def refuse(self: Ledger, attempt_id: str, fence: int, facts: Settlement) -> Moved:
        if facts.result is not None:
            raise OperationalError("INSERT", {}, _TooLarge())
        return await settle(self, attempt_id, fence, facts)

    monkeypatch.setattr(Ledger, "settle", refuse)
    await _runner(house, Network.answering(), Talk(code="YES")).run_until_complete(campaign_id)
    assert [row["action_code"] for row in await house.rows(attempts)] == ["ER"]


async def test_claiming_heartbeat_and_reaping_outlive_a_database_that_is_away(house: House) -> None:
    campaign_id = await house.campaign(people=1)
    talk = Talk()
    talk.over.clear()
    failures = {"claim": 2, "renew": 1, "reap_later": 2, "advance": 1}
    runner = _runner(house, Network.answering(), talk, 0.3, **failures)
    task = asyncio.create_task(runner.run_until_complete(campaign_id))
    ledger = runner._ledger
    assert isinstance(ledger, Faulty)
    await until(lambda: not any(ledger.failures.values()))
    talk.over.set()
    assert await task is CampaignState.COMPLETED
    assert [row["code_class"] for row in await house.rows(attempts)] == ["success"]


async def test_a_call_that_cannot_be_hung_up_is_settled_all_the_same(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    campaign_id = await house.campaign(people=1)
    network, talk = Network.answering(), Talk()
    talk.fails = RuntimeError("the model is gone")

    async def refuse(_call: object) -> None:
        raise ConnectionError

    monkeypatch.setattr("tests.support_network.NetworkCall.hangup", refuse, raising=False)
    await _runner(house, network, talk).run_until_complete(campaign_id)
    (row,) = await house.rows(attempts)
    assert (row["action_code"], row["network_text"]) == ("ER", "the call did not end when hung up")


async def test_a_call_that_another_node_took_over_is_left_to_it(house: House) -> None:
    await house.campaign(people=1)
    network, talk = Network.answering(), Talk()
    talk.over.clear()
    runner = _runner(house, network, talk)
    task = asyncio.create_task(runner.run_forever())
    await until(lambda: len(talk.jobs) == 1)
    async with house.database.write() as conn:
        await conn.execute(attempts.update().values(fence=2, node="other"))
    talk.over.set()
    await until(lambda: runner.live_calls == 0)
    runner.drain()
    await task
    (row,) = await house.rows(attempts)
    assert (row["node"], row["settled_at"], row["action_code"]) == ("other", None, None)


async def test_cancelled_between_the_last_look_and_the_network_the_contact_goes_back(house: House) -> None:
    campaign_id = await house.campaign(people=1)
    begun = asyncio.Event()

    class Slow(Ledger):
        async def begin(self, attempt_id: str, fence: int) -> Moved:
            moved = await super().begin(attempt_id, fence)
            begun.set()
            await asyncio.sleep(0.05)
            return moved

    network = Network.answering()
    ledger = Slow(house.database, house.clock, node="node-a")
    runner = Runner(house.database, ledger, {"line": network}, Talk(), house.clock)
    task = asyncio.create_task(runner.run_forever())
    await begun.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert network.dialled == []
    assert await house.contact_states(campaign_id) == {"pending": 1}
    assert [event["kind"] for event in await house.rows(attempt_events)] == ["claimed", "phase", "released"]


async def test_a_lost_claim_that_was_never_dialled_is_let_go_without_a_word(house: House) -> None:
    campaign_id = await house.campaign(people=1)
    making = asyncio.Event()

    async def slow(_claim: Claim) -> Talk:
        making.set()
        await asyncio.Event().wait()
        raise AssertionError

    network = Network.answering()
    runner = _runner(house, network, slow, lease_s=2.0)
    task = asyncio.create_task(runner.run_forever())
    await making.wait()
    async with house.database.write() as conn:
        later = house.clock.now().replace(year=house.clock.now().year + 1)
        await conn.execute(attempts.update().values(fence=2, node="other", lease_until=later))
    await until(lambda: runner.live_calls == 0)
    runner.drain()
    await task
    assert network.dialled == []
    assert await house.contact_states(campaign_id) == {"in_progress": 1}


async def test_a_pool_without_a_free_connection_does_not_end_the_live_calls(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    campaign_id = await house.campaign(people=2, concurrency=1)
    network, talk = Network.answering(), Talk(code="YES")
    talk.over.clear()
    runner = _runner(house, network, talk)
    task = asyncio.create_task(runner.run_until_complete(campaign_id))
    await until(lambda: len(talk.jobs) == 1)
    claim, refused = runner._ledger.claim, asyncio.Event()

    async def exhausted(*args: Any, **options: Any) -> Claimed:
        if not refused.is_set():
            refused.set()
            raise PoolTimeout("QueuePool limit reached")
        return await claim(*args, **options)

    monkeypatch.setattr(runner._ledger, "claim", exhausted)
    await refused.wait()
    talk.over.set()
    assert await task is CampaignState.COMPLETED
    assert [row["action_code"] for row in await house.rows(attempts)] == ["YES", "YES"]


@pytest.mark.parametrize("nodes", [1, 2])
async def test_the_measurement_dials_everybody_once(database_url: str, nodes: int) -> None:
    figures = await bench_dial(database_url, 25, nodes)
    assert (figures.attempts, figures.nodes) == (25, nodes)
    assert figures.engine in database_url
    assert figures.attempts_per_s > 0
    assert figures.stall_p50_ms <= figures.stall_p99_ms <= figures.stall_max_ms
