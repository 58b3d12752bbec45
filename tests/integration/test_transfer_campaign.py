"""A campaign whose script puts customers through to agents, by real SIP, from the conversation to the audit."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AsyncExitStack
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from bot.conversation import ScriptedConversation, SpeechRuntime
from bot.hearing import HearingParams
from bot.outcome import Conversation
from bot.recording import Recordings
from bot.script.loader import load_script
from campaigns.claiming import Claim
from campaigns.runner import Runner, RunnerSettings
from campaigns.states import CampaignState
from reports.audit import audit
from storage.clock import SystemClock
from storage.database import open_database
from storage.tables import attempt_events, attempts
from telephony.simulator.network import SimulatedNetwork
from telephony.simulator.persona import Answer, Persona, Wait
from telephony.sip.dialer import SipDialer
from telephony.sip.settings import SipSettings
from telephony.trunk import TrunkConfig
from tests.support_agents import AGENTS, BUSY, SOUND, STAYS, calls_to, has_sound
from tests.support_calls import CodedListener, CodedSpeaker, LoudIsVoice, Words
from tests.support_campaigns import TARIFF, House
from tests.support_sipp import HOST
from tests.support_speech import AlwaysComplete

CUSTOMER = "+84900000009"
#: Takes the call and listens for as long as it lasts.
LISTENING = Persona((CUSTOMER,), "customer", Answer(0), (Wait(600_000),))
SCRIPT = """
script: put_through
language: en
transfers:
  sales: {{number: "{number}", ring_s: 60, whisper: A customer wants to buy.}}
steps:
  greeting:
    - say: One moment please.
    - transfer: {{to: sales, else: nobody}}
  nobody:
    - say: Nobody is free. Goodbye.
    - end
"""
PRICES = dict(TARIFF) | {
    "vat_pct": "8",
    "block_s": 1,
    "telecom": {
        "price_per_min": "0.60",
        "destinations": [{"name": "office", "prefixes": ["+8428"], "price_per_min": "1.20", "increment": "30+6"}],
    },
}
#: Ends what the test is about, told the simulated network.
Meanwhile = Callable[[SimulatedNetwork], Any]


def _has_heard_the_agent(network: SimulatedNetwork) -> bool:
    return any(has_sound(call.heard_pcm, SOUND) for call in calls_to(network, CUSTOMER))


async def _once_joined(network: SimulatedNetwork, who: str) -> None:
    """Hang up as `who` when the customer has heard the agent."""
    async with asyncio.timeout(120):
        # Looking for a sound is work, which the conversation on this loop must not wait for all the time.
        while not _has_heard_the_agent(network):  # noqa: ASYNC110 - it comes in another thread
            await asyncio.sleep(0.25)
    exchange = network._exchange

    def hang_up() -> None:
        for leg, call in tuple(exchange._live.items()):
            if call.record.invite.number == who:
                leg.hangup(exchange._loop.time())

    exchange._loop.call_soon_threadsafe(hang_up)


async def _customer_leaves(network: SimulatedNetwork) -> None:
    await _once_joined(network, CUSTOMER)


async def _agent_leaves(network: SimulatedNetwork) -> None:
    await _once_joined(network, STAYS)


async def _nothing(_network: SimulatedNetwork) -> None:
    return None


async def _campaign(number: str, meanwhile: Meanwhile, folder: Path) -> tuple[dict[str, Any], list[str], Any]:
    """One customer called; the attempt's row, the kinds and phases of its events, and the network's records."""
    script_file = folder / "script.yaml"
    script_file.write_text(SCRIPT.format(number=number), encoding="utf-8")
    recordings = Recordings(folder / "recordings")
    speech = SpeechRuntime(CodedListener(Words()), CodedSpeaker(), AlwaysComplete(), LoudIsVoice(), HearingParams())
    conversation = ScriptedConversation(load_script(script_file), speech, recordings=recordings)

    async def voicebot(_claim: Claim) -> Conversation:
        return conversation

    async with AsyncExitStack() as stack:
        database = await stack.enter_async_context(open_database(f"sqlite:///{folder / 'campana.db'}"))
        network = await stack.enter_async_context(SimulatedNetwork((*AGENTS, LISTENING)))
        trunk = TrunkConfig("line", HOST, network.port)
        dialer = await stack.enter_async_context(SipDialer(trunk, SipSettings(bind=HOST)))
        house = await House(database, clock=SystemClock()).build(tariff=PRICES)  # type: ignore[arg-type]
        campaign_id = await house.campaign()
        await house.contact(campaign_id, CUSTOMER)
        await house.campaigns.start(campaign_id)
        ledger = house.ledger(lease_s=60.0)
        runner = Runner(database, ledger, {"line": dialer}, voicebot, house.clock, settings=RunnerSettings())
        async with asyncio.timeout(240), asyncio.TaskGroup() as group:
            group.create_task(meanwhile(network))
            assert await runner.run_until_complete(campaign_id) is CampaignState.COMPLETED
        records = await network.all_ended(2, 60)
        await recordings.aclose()
        async with database.read() as conn:
            (row,) = (await conn.execute(select(attempts))).mappings().all()
            found = await conn.execute(select(attempt_events).order_by(attempt_events.c.id))
            events = [event["to_phase"] if event["kind"] == "phase" else event["kind"] for event in found.mappings()]
            checks = (await audit(conn, campaign_id, folder / "recordings")).checks
    assert [check for check in checks if not check.ok] == []
    return dict(row), events, records


def _talk_ms(row: dict[str, Any]) -> int:
    return int((row["ended_at"] - row["answered_at"]) // timedelta(milliseconds=1))


@pytest.mark.parametrize(
    ("meanwhile", "code", "hangup_by"), [(_customer_leaves, "TR", "customer"), (_agent_leaves, "AHU", "agent")]
)
async def test_a_customer_comes_to_an_agent(meanwhile: Meanwhile, code: str, hangup_by: str, tmp_path: Path) -> None:
    row, events, records = await _campaign(STAYS, meanwhile, tmp_path)
    assert (row["action_code"], row["hangup_by"], row["transfer_target"]) == (code, hangup_by, "sales")
    assert row["transfer_asked_ms"] <= row["transfer_joined_ms"] <= _talk_ms(row)
    # The bot is paid until it handed over, the lines for all of their time.
    assert row["bot_ms"] == row["transfer_asked_ms"] < _talk_ms(row)
    assert row["blocks"] == -(-row["bot_ms"] // 1000)
    assert row["billable_s"] == -(-_talk_ms(row) // 1000)
    assert row["agent_ms"] > 0
    assert row["agent_billable_s"] >= 30
    assert row["cost_agent"] == Decimal(row["agent_billable_s"]) * Decimal("1.2") / 60
    assert row["cost_telecom"] == row["cost_agent"] + Decimal(row["billable_s"]) / 100
    assert {"agent_leg", "transferring"} <= set(events)
    customer, agent = records
    assert (customer.invite.number, agent.invite.number) == (CUSTOMER, STAYS)
    assert agent.invite.call_id != customer.invite.call_id
    assert agent.bot_speech, "the whisper was heard"
    assert has_sound(customer.heard_pcm, SOUND)


async def test_a_customer_finds_no_agent_and_the_script_goes_on(tmp_path: Path) -> None:
    row, events, records = await _campaign(BUSY, _nothing, tmp_path)
    assert (row["action_code"], row["hangup_by"]) == ("ANP", "bot")
    assert (row["transfer_joined_ms"], row["agent_ms"], row["cost_agent"]) == (None, 0, 0)
    assert row["bot_ms"] == _talk_ms(row)
    assert row["messages"] == 2
    assert "agent_leg" in events
    assert records[1].status == 486
