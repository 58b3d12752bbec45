"""The runner with the real ledger, on both databases: every call is claimed, held, settled, and told of."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import asynccontextmanager
from datetime import timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from bot.outcome import ConversationResult, EndedBy, Job, OptOut
from campaigns.attempts import Ledger
from campaigns.calling import CallEvent
from campaigns.claiming import Claim
from campaigns.runner import Runner, RunnerSettings
from campaigns.states import AttemptPhase, CampaignState
from reports.audit import audit
from storage.clock import SystemClock
from storage.database import Database
from storage.tables import attempt_events, attempts, contacts, do_not_call
from telephony.call import Call
from telephony.outcomes import DialStatus
from tests.support_campaigns import House, number
from tests.support_network import Network, Talk, until


@pytest.fixture(autouse=True)
def _quick_logs() -> Iterator[None]:
    """Drawing a traceback for the console takes long enough to be late for a lease."""
    with capture_logs():
        yield


@pytest.fixture
async def house(database: Database) -> House:
    return await House(database, clock=SystemClock()).build()  # type: ignore[arg-type]


def _runner(house: House, network: Network, talk: Any, *, calls: int = 50, **options: Any) -> Runner:
    ledger = house.ledger(**{"lease_s": 30.0} | options.pop("ledger", {}))
    settings = RunnerSettings(calls=calls, **options)
    return Runner(house.database, ledger, {"line": network}, talk, house.clock, settings=settings)


@asynccontextmanager
async def _running(runner: Runner) -> Any:
    task = asyncio.create_task(runner.run_forever())
    try:
        yield task
    finally:
        runner.drain()
        await asyncio.wait([task])


async def test_contacts_whose_time_is_up_expire_without_a_pause_between_the_batches(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("campaigns.neglect.BATCH", 2)
    campaign_id = await house.campaign(contact_expires_days=1)
    now = house.clock.now()
    late = {"state": "retry_wait", "next_at": now + timedelta(days=1), "expires_at": now - timedelta(hours=1)}
    for place in range(5):
        await house.contact(campaign_id, number(place), **late)
    await house.campaigns.start(campaign_id)
    async with asyncio.timeout(60):
        state = await _runner(house, Network(), Talk(), poll_s=3600.0).run_until_complete(campaign_id)
    assert state is CampaignState.COMPLETED
    assert await house.contact_states(campaign_id) == {"expired": 5}


async def test_a_whole_campaign_runs_to_its_end(house: House) -> None:
    campaign_id = await house.campaign(people=6)
    network = Network.answering(outcomes={number(1001): DialStatus.BUSY, number(1002): DialStatus.NOANSWER})
    talk = Talk(code="YES")
    state = await _runner(house, network, talk).run_until_complete(campaign_id)
    assert state is CampaignState.COMPLETED
    assert sorted(request.number for request in network.dialled) == [number(1000 + place) for place in range(6)]
    codes = sorted(row["action_code"] for row in await house.rows(attempts))
    assert codes == ["BS", "NA", "YES", "YES", "YES", "YES"]
    assert await house.reports() == [f"report:{campaign_id}:completed"]
    assert await house.live() == 0


async def test_the_conversation_is_given_the_contact_and_the_network_the_attempt(house: House) -> None:
    campaign_id = await house.campaign(max_call_s=90, ring_timeout_s=20, caller_id="+842888")
    await house.contact(campaign_id, number(1), name="An", variables={"sum": "5"}, time_zone="Europe/Paris")
    await house.campaigns.start(campaign_id)
    network, talk = Network.answering(), Talk()
    runner = Runner(
        house.database,
        house.ledger(),
        {"line": network},
        talk,
        house.clock,
        format_number=lambda trunk, e164: f"{trunk}:{e164[1:]}",
    )
    await runner.run_until_complete(campaign_id)
    (request,), (job,) = network.dialled, talk.jobs
    assert (request.number, request.caller_id, request.ring_timeout_s) == (f"line:{number(1)[1:]}", "+842888", 20)
    assert request.attempt_id == job.attempt_id == (await house.rows(attempts))[0]["id"]
    assert dict(job.variables) == {"name": "An", "phone": number(1), "sum": "5"}
    assert (job.max_call_s, job.time_zone) == (90, "Europe/Paris")


async def test_every_phase_is_noted_and_told(house: House) -> None:
    campaign_id = await house.campaign(people=1)
    runner = _runner(house, Network.answering(), Talk(code="YES"))
    told: list[CallEvent] = []
    broken = runner.subscribe(lambda event: (_ for _ in ()).throw(RuntimeError("a broken display")))
    runner.subscribe(told.append)
    silent: list[CallEvent] = []
    runner.subscribe(silent.append)()
    await runner.run_until_complete(campaign_id)
    broken()
    phases = [event["to_phase"] for event in await house.rows(attempt_events)]
    assert phases[:4] == ["created", "originating", "ringing", "answered"]
    assert phases[-1] == "ended"
    assert {"talking"} <= set(phases)
    assert [event.phase for event in told][:2] == [AttemptPhase.CREATED, AttemptPhase.ORIGINATING]
    assert (told[-1].phase, told[-1].code, told[-1].contact_state) == (AttemptPhase.ENDED, "YES", "done")
    assert (told[-1].call_status, told[-1].campaign_id) == ("BOT_HANGUP", campaign_id)
    assert silent == []


async def test_a_freed_slot_is_filled_at_once(house: House) -> None:
    campaign_id = await house.campaign(people=12)
    network = Network.answering()
    live: list[int] = []
    runner = _runner(house, network, Talk(), calls=3, poll_s=60.0)
    network.on_dial = lambda _request: live.append(runner.live_calls)
    async with asyncio.timeout(30):
        await runner.run_until_complete(campaign_id)
    assert len(network.dialled) == 12
    assert max(live) == 3


async def test_a_contact_that_falls_due_is_called_then(house: House) -> None:
    rules = [{"on": ["BUSY"], "times": 1, "after_min": "0.005"}]
    campaign_id = await house.campaign(people=1, max_attempts=2, retry_rules=rules)
    network = Network.answering(outcomes={number(1000): DialStatus.BUSY})
    async with asyncio.timeout(30):
        await _runner(house, network, Talk(), poll_s=60.0).run_until_complete(campaign_id)
    first, second = sorted(await house.rows(attempts), key=lambda row: row["claimed_at"])
    assert second["claimed_at"] - first["settled_at"] >= timedelta(milliseconds=300)
    assert await house.contact_states(campaign_id) == {"exhausted": 1}


async def test_an_exception_of_the_dialer_is_an_attempt_that_could_not_be_placed(house: House) -> None:
    campaign_id = await house.campaign(people=2)
    network = Network.answering(outcomes={number(1000): OSError("no route")})
    await _runner(house, network, Talk(), calls=1).run_until_complete(campaign_id)
    rows = {row["number"]: row for row in await house.rows(attempts)}
    assert (rows[number(1000)]["action_code"], rows[number(1000)]["dial_status"]) == ("CU", "ERROR")
    assert rows[number(1000)]["network_text"] == "dialer: no route"
    assert rows[number(1001)]["code_class"] == "success"


async def test_an_exception_of_the_conversation_is_our_error_and_the_call_is_hung_up(house: House) -> None:
    campaign_id = await house.campaign(people=1)
    network, talk = Network.answering(), Talk()
    talk.fails = MemoryError("no room")
    await _runner(house, network, talk).run_until_complete(campaign_id)
    (row,) = await house.rows(attempts)
    assert (row["action_code"], row["hangup_by"]) == ("ER", "bot")
    assert row["answered_at"] is not None


async def test_a_conversation_that_cannot_be_made_ready_dials_nobody(house: House, tmp_path: Path) -> None:
    campaign_id = await house.campaign(people=1)
    network = Network.answering()

    async def broken(_claim: Claim) -> Talk:
        raise FileNotFoundError("no voice")

    await _runner(house, network, broken).run_until_complete(campaign_id)
    (row,) = await house.rows(attempts)
    assert network.dialled == []
    assert (row["action_code"], row["network_text"], row["originated_at"]) == ("CU", "bot not ready: no voice", None)
    async with house.database.read() as conn:
        assert [check for check in (await audit(conn, campaign_id, tmp_path)).checks if not check.ok] == []


async def test_a_conversation_that_never_ends_is_ended(house: House) -> None:
    campaign_id = await house.campaign(people=1, max_call_s=0)
    talk = Talk()
    talk.over.clear()
    await _runner(house, Network.answering(), talk, overtime_s=0.05).run_until_complete(campaign_id)
    (row,) = await house.rows(attempts)
    assert (row["action_code"], row["hangup_by"]) == ("ER", "bot")


async def test_what_cannot_be_stored_still_leaves_an_outcome(house: House) -> None:
    campaign_id = await house.campaign(people=1)
    talk = Talk(answer_to_first_word_ms="not a number of ms", turns=("no turn at all",))
    await _runner(house, Network.answering(), talk).run_until_complete(campaign_id)
    (row,) = await house.rows(attempts)
    assert row["action_code"] == "ER"
    assert await house.contact_states(campaign_id) == {"error": 1}


async def test_an_opt_out_is_durable_before_the_conversation_goes_on(house: House) -> None:
    campaign_id = await house.campaign(people=1)
    listed: list[int] = []

    class OptingOut(Talk):
        async def run(self, call: Call, job: Job) -> ConversationResult:
            await job.on_opt_out(OptOut("never again"))
            listed.append(len(await house.rows(do_not_call)))
            await call.hangup()
            return ConversationResult(EndedBy.BOT, messages=1, customer_spoke=True, opted_out=True)

    await _runner(house, Network.answering(), OptingOut()).run_until_complete(campaign_id)
    assert listed == [1]
    assert await house.contact_states(campaign_id) == {"opted_out": 1}


async def test_pause_places_no_call_and_lets_live_ones_finish(house: House) -> None:
    campaign_id = await house.campaign(people=4, concurrency=2)
    network, talk = Network.answering(), Talk()
    talk.over.clear()
    runner = _runner(house, network, talk, poll_s=0.05)
    async with _running(runner):
        await until(lambda: len(talk.jobs) == 2)
        await house.campaigns.pause(campaign_id)
        talk.over.set()
        await until(lambda: runner.live_calls == 0)
        assert len(network.dialled) == 2
        await house.campaigns.start(campaign_id)
        runner.wake()
        await until(lambda: _is(house, campaign_id, CampaignState.COMPLETED))
    assert len(network.dialled) == 4


async def _is(house: House, campaign_id: int, state: CampaignState) -> bool:
    return (await house.campaigns.status(campaign_id)).state is state


async def test_stop_lets_live_calls_finish_and_then_orders_the_report(house: House) -> None:
    campaign_id = await house.campaign(people=3, concurrency=1)
    network, talk = Network.answering(), Talk()
    talk.over.clear()
    runner = _runner(house, network, talk, poll_s=0.05)
    task = asyncio.create_task(runner.run_until_complete(campaign_id))
    await until(lambda: len(talk.jobs) == 1)
    await house.campaigns.stop(campaign_id)
    assert await house.reports() == []
    talk.over.set()
    assert await task is CampaignState.STOPPED
    assert await house.contact_states(campaign_id) == {"done": 1, "cancelled": 2}
    assert await house.reports() == [f"report:{campaign_id}:stopped"]


async def test_drain_ends_the_run_after_the_live_calls(house: House) -> None:
    campaign_id = await house.campaign(people=3, concurrency=1)
    network, talk = Network.answering(), Talk()
    talk.over.clear()
    runner = _runner(house, network, talk)
    task = asyncio.create_task(runner.run_until_complete(campaign_id))
    await until(lambda: len(talk.jobs) == 1)
    runner.drain()
    talk.over.set()
    assert await task is CampaignState.RUNNING
    assert await house.contact_states(campaign_id) == {"done": 1, "pending": 2}


async def test_cancelled_while_ringing_the_call_is_cancelled_and_settled(house: House) -> None:
    campaign_id = await house.campaign(people=1, max_attempts=2)
    network = Network()
    task = asyncio.create_task(_runner(house, network, Talk()).run_forever())
    await until(lambda: len(network.dialled) == 1)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    (row,) = await house.rows(attempts)
    assert network.cancelled == [row["id"]]
    assert (row["phase"], row["action_code"], row["dial_status"]) == ("ended", "XC", "CANCEL")
    (contact,) = await house.rows(contacts)
    assert (contact["state"], contact["attempts"]) == ("pending", 1)
    assert contact["next_at"] == row["settled_at"] + timedelta(minutes=20)
    assert await _is(house, campaign_id, CampaignState.RUNNING)


async def test_cancelled_while_talking_the_call_is_hung_up_and_settled(house: House) -> None:
    await house.campaign(people=1)
    network, talk = Network.answering(), Talk()
    talk.over.clear()
    task = asyncio.create_task(_runner(house, network, talk).run_forever())
    await until(lambda: len(talk.jobs) == 1)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    (row,) = await house.rows(attempts)
    assert (row["phase"], row["action_code"], row["hangup_by"]) == ("ended", "ER", "bot")
    assert (await network.calls[0].ended()).hangup_by == "bot"


async def test_cancelled_before_dialling_the_contact_goes_back(house: House) -> None:
    campaign_id = await house.campaign(people=1)
    making = asyncio.Event()

    async def slow(_claim: Claim) -> Talk:
        making.set()
        await asyncio.Event().wait()
        raise AssertionError

    network = Network.answering()
    task = asyncio.create_task(_runner(house, network, slow).run_forever())
    await making.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert network.dialled == []
    assert await house.contact_states(campaign_id) == {"pending": 1}
    assert (await house.rows(contacts))[0]["attempts"] == 0


async def test_calls_that_are_ready_late_keep_to_the_trunks_rate(house: House) -> None:
    await house.trunk("slow", cps=20.0)
    campaign_id = await house.campaign(people=8, trunk="slow")
    left: list[float] = []
    network = Network.answering(on_dial=lambda _request: left.append(asyncio.get_running_loop().time()))
    asked: list[Claim] = []
    ready = asyncio.Event()

    async def slow(claim: Claim) -> Talk:
        asked.append(claim)
        if len(asked) == 8:
            ready.set()
        await ready.wait()
        return Talk()

    ledger = Ledger(house.database, house.clock, node="node-a")
    runner = Runner(house.database, ledger, {"slow": network}, slow, house.clock)
    await runner.run_until_complete(campaign_id)
    assert len(left) == 8
    assert min(late - early for early, late in pairwise(left)) >= 0.0499


async def test_cancelled_while_it_waits_for_its_turn_the_contact_goes_back(house: House) -> None:
    await house.trunk("slow", cps=0.01)
    campaign_id = await house.campaign(people=2, trunk="slow")
    network, ledger = Network.answering(), Ledger(house.database, house.clock, node="node-a", ahead_ms=200_000)
    runner = Runner(house.database, ledger, {"slow": network}, Talk(), house.clock)
    task = asyncio.create_task(runner.run_forever())
    await until(lambda: len(network.calls) == 1 and runner.live_calls == 1)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await house.contact_states(campaign_id) == {"done": 1, "pending": 1}


async def test_a_pause_between_claim_and_dialling_gives_the_contact_back(house: House) -> None:
    campaign_id = await house.campaign(people=1)
    network = Network.answering()

    async def pausing(_claim: Claim) -> Talk:
        await house.campaigns.pause(campaign_id)
        return Talk()

    runner = _runner(house, network, pausing)
    async with _running(runner):
        await until(lambda: _is_released(house))
    assert network.dialled == []
    assert await house.contact_states(campaign_id) == {"pending": 1}


async def _is_released(house: House) -> bool:
    return any(event["kind"] == "released" for event in await house.rows(attempt_events))


async def test_leases_are_kept_alive_and_a_lost_one_is_let_go(house: House) -> None:
    await house.campaign(people=1)
    network, talk = Network.answering(), Talk()
    talk.over.clear()
    runner = _runner(house, network, talk, ledger={"lease_s": 2.0})
    async with _running(runner):
        await until(lambda: len(talk.jobs) == 1)
        first = (await house.rows(attempts))[0]["lease_until"]
        await until(lambda: _lease_after(house, first))
        async with house.database.write() as conn:
            await conn.execute(attempts.update().values(fence=7, node="thief", lease_until=first + timedelta(hours=1)))
        await until(lambda: runner.live_calls == 0)
        assert (await network.calls[0].ended()).hangup_by == "bot"
    (row,) = await house.rows(attempts)
    assert (row["phase"], row["node"], row["settled_at"]) == ("talking", "thief", None)


async def _lease_after(house: House, before: Any) -> bool:
    return bool((await house.rows(attempts))[0]["lease_until"] > before)


async def test_the_attempts_of_a_dead_node_are_ended_while_we_run(house: House) -> None:
    campaign_id = await house.campaign(people=2)
    dead = house.ledger("dead", lease_s=0.2)
    claimed, dialled = (await dead.claim(["line"], 2)).claims
    await dead.begin(dialled.attempt_id, 1)
    network = Network.answering()
    network.strays.add(dialled.attempt_id)
    runner = _runner(house, network, Talk(), ledger={"lease_s": 0.3})
    async with asyncio.timeout(20):
        assert await runner.run_until_complete(campaign_id) is CampaignState.COMPLETED
    assert network.asked_for == [dialled.attempt_id]
    assert [request.number for request in network.dialled] == [claimed.number]
    assert (await house.row(attempts, dialled.attempt_id))["lost"] is True


async def test_the_calendar_starts_and_ends_campaigns(house: House) -> None:
    now = house.clock.now()
    starting = await house.campaign(people=1, start_at=now + timedelta(seconds=2))
    ending = await house.campaign(end_at=now + timedelta(seconds=2.5))
    await house.contact(ending, number(1), state="held")
    await house.campaigns.start(ending)
    assert (await house.campaigns.status(starting)).state is CampaignState.SCHEDULED
    ended: list[Any] = []
    runner = _runner(house, Network.answering(), Talk(), poll_s=0.05, ledger={"on_finished": ended.append})
    async with _running(runner):
        await until(lambda: _is(house, starting, CampaignState.COMPLETED))
        await until(lambda: _is(house, ending, CampaignState.EXPIRED))
    assert {finished.campaign_id for finished in ended} == {starting, ending}
