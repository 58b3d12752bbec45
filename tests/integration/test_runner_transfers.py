"""Transfers through the runner and the real ledger: what is noted, kept and billed, and that no leg is left behind."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from structlog.testing import capture_logs

from bot.outcome import ConversationResult, EndedBy, Job, Transferred
from campaigns.calling import CallEvent
from campaigns.pacing import Gate
from campaigns.runner import Runner, RunnerSettings
from campaigns.states import AttemptPhase
from reports.audit import audit
from storage.clock import SystemClock
from storage.database import Database
from storage.tables import attempt_events, attempts, contacts, ledger_entries
from telephony.call import Call, DialRequest, NotAnswered, PhaseListener
from telephony.outcomes import DialStatus, HangupBy
from telephony.transfer import Target, TransferBy
from tests.support_campaigns import TARIFF, House, number
from tests.support_network import Network, NetworkCall, Talk, until

SALES = Target("sales", "+842812345678", ring_s=0.5)
PRICES = dict(TARIFF) | {
    "vat_pct": "10",
    "telecom": {
        "increment": "1+1",
        "price_per_min": "0.06",
        "destinations": [
            {"name": "nobody", "prefixes": ["+999"], "price_per_min": "0.60"},
            {"name": "office", "prefixes": ["+8428"], "price_per_min": "1.20", "increment": "60+60"},
        ],
    },
}
#: What the bot does with customer and agent, after the agent was dialled.
Then = Callable[[Call, Call | NotAnswered], Awaitable[None]]


class Transferring(Talk):
    """A conversation that transfers and then does as it is told."""

    def __init__(self, then: Then, **transfer: Any) -> None:
        super().__init__()
        self.then = then
        self.transfer = {"asked_ms": 12_500} | transfer

    async def run(self, call: Call, job: Job) -> ConversationResult:
        self.jobs.append(job)
        assert job.agents is not None
        job.agents.began(SALES)
        agent = await job.agents.dial(SALES)
        await self.then(call, agent)
        await call.hangup()
        tried = Transferred("sales", SALES.number, TransferBy.SECOND_LEG, **self.transfer)
        return ConversationResult(EndedBy.BOT, messages=1, customer_spoke=True, transfer=tried)


@pytest.fixture(autouse=True)
def _quick_logs() -> Iterator[None]:
    """Drawing a traceback for the console takes long enough to be late for a lease."""
    with capture_logs():
        yield


@pytest.fixture
async def house(database: Database) -> House:
    return await House(database, clock=SystemClock()).build(tariff=PRICES)  # type: ignore[arg-type]


def _runner(house: House, network: Network, talk: Any, **options: Any) -> Runner:
    ledger = house.ledger(lease_s=30.0)
    return Runner(
        house.database, ledger, {"line": network}, talk, house.clock, settings=RunnerSettings(poll_s=0.05, **options)
    )


async def _nothing(_call: Call, _agent: Call | NotAnswered) -> None:
    return None


async def test_a_transfer_is_told_noted_kept_and_billed_as_telecom(house: House, tmp_path: Any) -> None:
    campaign_id = await house.campaign(people=1, caller_id="+842888")
    network = Network.answering()
    told: list[CallEvent] = []

    async def customer_leaves(_call: Call, _agent: Call | NotAnswered) -> None:
        network.calls[0].hang_up_as_customer()

    talk = Transferring(customer_leaves, joined_ms=14_000, agent_ms=61_000, text="OK")
    runner = _runner(house, network, talk)
    runner.subscribe(told.append)
    await runner.run_until_complete(campaign_id)
    assert talk.jobs[0].max_transfer_s == 7200.0
    (row,) = await house.rows(attempts)
    assert (row["call_status"], row["action_code"], row["hangup_by"]) == ("TRANSFERRED", "TR", "customer")
    kept = [row[f"transfer_{name}"] for name in ("target", "by", "number", "asked_ms", "joined_ms", "text")]
    assert kept == ["sales", "second_leg", SALES.number, 12_500, 14_000, "OK"]
    talk_ms = (row["ended_at"] - row["answered_at"]) // timedelta(milliseconds=1)
    assert row["bot_ms"] == min(talk_ms, 12_500)
    assert (row["agent_ms"], row["agent_billable_s"], row["cost_agent"]) == (61_000, 120, Decimal("2.40"))
    assert row["cost_telecom"] == row["cost_agent"] + Decimal(row["billable_s"]) / 100
    assert [d["name"] for d in row["tariff_snapshot"]["telecom"]["destinations"]] == ["nobody", "office"]
    customer, agent = network.dialled
    assert (agent.number, agent.caller_id, agent.ring_timeout_s) == (SALES.number, "+842888", SALES.ring_s)
    assert agent.attempt_id != customer.attempt_id == row["id"]
    noted = [(e["kind"], e["detail"]) for e in await house.rows(attempt_events) if e["kind"] == "agent_leg"]
    assert noted == [("agent_leg", {"leg": agent.attempt_id, "target": "sales"})]
    assert AttemptPhase.TRANSFERRING in [event.phase for event in told]
    assert "transferring" in [event["to_phase"] for event in await house.rows(attempt_events)]
    entries = {entry["book"]: entry["amount"] for entry in await house.rows(ledger_entries)}
    assert sum(entries.values()) == 0
    assert entries["telecom"] == row["cost_telecom"]
    async with house.database.read() as conn:
        checks = (await audit(conn, campaign_id, tmp_path)).checks
    unmade = {"recordings' length = talk time", "messages = bot turns"}
    assert [check for check in checks if not check.ok and check.name not in unmade] == []


async def test_the_agent_ends_it(house: House) -> None:
    campaign_id = await house.campaign(people=1)
    talk = Transferring(_nothing, joined_ms=14_000, agent_ms=2_000, ended_by_agent=True)
    await _runner(house, Network.answering(), talk).run_until_complete(campaign_id)
    (row,) = await house.rows(attempts)
    assert (row["call_status"], row["action_code"], row["hangup_by"]) == ("DIAL_HANGUP", "AHU", "agent")
    assert await house.contact_states(campaign_id) == {"done": 1}


@pytest.mark.parametrize(("rules", "state"), [([], "done"), ([{"on": ["AGENT_NOT_PICK_UP"]}], "retry_wait")])
async def test_who_found_no_agent_is_called_again_only_by_a_rule(
    house: House, rules: list[dict[str, Any]], state: str
) -> None:
    campaign_id = await house.campaign(people=1, max_attempts=2, retry_rules=rules)
    network = Network.answering(outcomes={SALES.number: DialStatus.NOANSWER})
    heard: list[Call | NotAnswered] = []

    async def hear(_call: Call, agent: Call | NotAnswered) -> None:
        heard.append(agent)

    runner = _runner(house, network, Transferring(hear))
    task = asyncio.create_task(runner.run_forever())
    await until(lambda: _has_ended(house))
    runner.drain()
    await task
    (row,) = await house.rows(attempts)
    assert (row["call_status"], row["action_code"], row["generic_result"]) == ("AGENT_NOT_PICK_UP", "ANP", "ToContinue")
    assert isinstance(heard[0], NotAnswered)
    talk_ms = (row["ended_at"] - row["answered_at"]) // timedelta(milliseconds=1)
    assert (row["bot_ms"], row["transfer_joined_ms"], row["agent_ms"]) == (talk_ms, None, 0)
    assert (row["cost_agent"], row["agent_billable_s"]) == (0, 0)
    assert await house.contact_states(campaign_id) == {state: 1}


async def _has_ended(house: House) -> bool:
    rows = await house.rows(attempts)
    return bool(rows) and all(row["phase"] == "ended" for row in rows)


async def test_the_longest_call_does_not_end_a_conversation_with_an_agent(house: House) -> None:
    campaign_id = await house.campaign(people=1, max_call_s=0)
    network = Network.answering()

    async def talk_on(_call: Call, _agent: Call | NotAnswered) -> None:
        await asyncio.sleep(0.5)
        network.calls[0].hang_up_as_customer()

    talk = Transferring(talk_on, joined_ms=1)
    await _runner(house, network, talk, overtime_s=0.05).run_until_complete(campaign_id)
    (row,) = await house.rows(attempts)
    assert (row["action_code"], row["hangup_by"]) == ("TR", "customer")


async def test_a_conversation_with_an_agent_that_never_ends_is_ended_as_a_transfer(house: House) -> None:
    campaign_id = await house.campaign(people=1, max_call_s=0)
    network = Network.answering()

    async def for_ever(call: Call, _agent: Call | NotAnswered) -> None:
        await call.ended()

    talk = Transferring(for_ever, joined_ms=1)
    await _runner(house, network, talk, overtime_s=0.05, transferred_s=0.05).run_until_complete(campaign_id)
    (row,) = await house.rows(attempts)
    assert (row["action_code"], row["hangup_by"]) == ("TR", "bot")
    assert [(await call.ended()).hangup_by for call in network.calls] == [HangupBy.BOT] * 2


async def _break(_call: Call, _agent: Call | NotAnswered) -> None:
    raise MemoryError("no room")


@pytest.mark.parametrize(("then", "code"), [(_nothing, "TR"), (_break, "ER")])
async def test_a_leg_that_the_bot_leaves_behind_is_hung_up_before_the_call_is_settled(
    house: House, then: Then, code: str
) -> None:
    campaign_id = await house.campaign(people=1)
    network = Network.answering()
    live_at_settlement: list[bool] = []
    runner = _runner(house, network, Transferring(then, joined_ms=1))
    runner.subscribe(
        lambda event: (
            live_at_settlement.append(not network.calls[1]._end.done()) if event.phase is AttemptPhase.ENDED else None
        )
    )
    await runner.run_until_complete(campaign_id)
    assert live_at_settlement == [False]
    assert [row["action_code"] for row in await house.rows(attempts)] == [code]


@pytest.mark.parametrize("picks_up", [True, False])
async def test_a_node_that_is_told_to_end_leaves_no_leg(
    house: House, picks_up: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("campaigns.calling._LAST_WORDS_S", 0.2)
    await house.campaign(people=1)
    network, reached = Network.answering(), asyncio.Event()
    dial = network.dial

    async def held(request: DialRequest, on_phase: PhaseListener) -> Call | NotAnswered:
        if request.number == SALES.number and not picks_up:
            network.answer.clear()
            reached.set()
        return await dial(request, on_phase)

    async def for_ever(call: Call, _agent: Call | NotAnswered) -> None:
        reached.set()
        await call.ended()

    network.dial = held  # type: ignore[method-assign]
    task = asyncio.create_task(_runner(house, network, Transferring(for_ever, joined_ms=1)).run_forever())
    await asyncio.wait_for(reached.wait(), 60)
    await until(lambda: len(network.dialled) == 2)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    agent = network.dialled[1].attempt_id
    hung_up = [call.attempt_id for call in network.calls if call._end.done()]
    assert agent in (hung_up if picks_up else network.cancelled)
    (row,) = await house.rows(attempts)
    assert row["phase"] == "ended"


async def test_what_the_telephone_system_thought_of_who_answered_reaches_the_conversation(house: House) -> None:
    class Judged(NetworkCall):
        amd = ("MACHINE", "LONGGREETING-1500-1500")

    async def judged(request: DialRequest, _on_phase: PhaseListener) -> Call:
        return Judged(request.attempt_id, network.clock)

    campaign_id = await house.campaign(people=1)
    network, talk = Network(), Talk()
    network.dial = judged  # type: ignore[method-assign, assignment]
    await _runner(house, network, talk).run_until_complete(campaign_id)
    assert (talk.jobs[0].amd_status, talk.jobs[0].amd_cause) == ("MACHINE", "LONGGREETING-1500-1500")
    plain = Talk()
    campaign_id = await house.campaign(people=1)
    await _runner(house, Network.answering(), plain).run_until_complete(campaign_id)
    assert (plain.jobs[0].amd_status, plain.jobs[0].amd_cause) == (None, None)


async def test_agents_wait_for_the_trunks_rate_like_customers(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    await house.trunk("slow", cps=20.0)
    campaign_id = await house.campaign(people=3, trunk="slow")
    order: list[str] = []
    leave = Gate.leave

    async def left(gate: Gate, trunk: str, spacing_s: float) -> None:
        await leave(gate, trunk, spacing_s)
        order.append(f"{trunk} {spacing_s:.4f}")

    monkeypatch.setattr(Gate, "leave", left)
    network = Network.answering(on_dial=lambda _request: order.append("dialled"))
    ledger, talk = house.ledger(lease_s=30.0), Transferring(_nothing, joined_ms=1)
    await Runner(house.database, ledger, {"slow": network}, talk, house.clock).run_until_complete(campaign_id)
    assert order == ["slow 0.0525", "dialled"] * 6


async def test_the_agents_number_is_not_a_contacts_call(house: House) -> None:
    campaign_id = await house.campaign(people=1)
    other = await house.campaign()
    await house.contact(other, SALES.number)
    await house.campaigns.start(other)
    network = Network.answering()
    talk = Transferring(_nothing, joined_ms=1)
    runner = _runner(house, network, talk, calls=1)
    await runner.run_until_complete(campaign_id)
    assert {row["number"] for row in await house.rows(attempts)} == {number(1000)}
    assert [row["state"] for row in await house.rows(contacts)] == ["done", "pending"]
