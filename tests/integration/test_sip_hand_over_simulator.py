"""Calls handed over within the simulated network: the agent's persona is called, and the two hear each other."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from telephony.call import Call, DialRequest
from telephony.outcomes import HangupBy
from telephony.simulator.network import SimulatedNetwork
from telephony.simulator.persona import Answer, HangUp, Keys, Persona, Refer, Repeat, Silent, Wait
from telephony.simulator.sip import Headers, Request
from telephony.sip.call import SipCall
from telephony.sip.dialer import SipDialer
from telephony.sip.settings import SipSettings
from telephony.transfer import HandOver, TransferBy
from telephony.trunk import TrunkConfig
from tests.support_agents import (
    ABSENT,
    AGENTS,
    BUSY,
    CUSTOMER_SOUND,
    SOUND,
    STAYS,
    agent,
    calls_to,
    customer,
    has_sound,
    target,
)
from tests.support_simulator import Caller, follow
from tests.support_sipp import HOST

CUSTOMER, NOBODY = "+84900000009", "+84299999999"
LEAVES, TALKS = "+84280000005", "+84280000006"
#: Nobody whispers to them: they talk at once.
HANDED_TO = (agent(LEAVES, whisper_max_ms=0, leaves_after=3), agent(TALKS, whisper_max_ms=0))


@contextlib.asynccontextmanager
async def _talking(*personas: Persona) -> AsyncIterator[tuple[SimulatedNetwork, SipCall]]:
    """A call to the first persona, with the agents in the same network."""
    async with (
        SimulatedNetwork((*personas, *AGENTS, *HANDED_TO)) as network,
        SipDialer(TrunkConfig("t", HOST, network.port), SipSettings(bind=HOST)) as dialer,
    ):
        call = await dialer.dial(DialRequest("handed", CUSTOMER), lambda *_: None)
        assert isinstance(call, SipCall)
        yield network, call


async def _hand_over(call: SipCall, number: str, ring_s: float = 60.0) -> HandOver:
    async with asyncio.timeout(90):
        return await call.hand_over(target(number, by=TransferBy.HAND_OVER, ring_s=ring_s))


async def _still_talks(call: Call) -> None:
    async with asyncio.timeout(60):
        await call.media.write(bytes(320))
        assert await call.media.read()


async def test_customer_and_agent_hear_each_other_until_the_agent_hangs_up() -> None:
    async with _talking(customer(CUSTOMER)) as (network, call):
        result = await _hand_over(call, LEAVES)
        end = await call.ended()
        asked, agents = await network.all_ended(2, 60)
    assert result.answered
    assert end.hangup_by is HangupBy.NETWORK
    assert asked.invite.attempt == "handed"
    assert (agents.invite.number, agents.invite.caller, agents.invite.attempt) == (LEAVES, CUSTOMER, None)
    assert has_sound(asked.heard_pcm, SOUND)
    assert has_sound(agents.heard_pcm, CUSTOMER_SOUND)
    assert (asked.ended_by, agents.ended_by) == ("caller", "callee")
    assert agents.status == 200


async def test_the_customer_may_hang_up_on_the_agent() -> None:
    leaves = Persona((CUSTOMER,), "customer", Answer(0), (HangUp(after_bot_ms=300, max_ms=120_000),))
    async with _talking(leaves) as (network, call):
        await _hand_over(call, TALKS)
        asked, agents = await network.all_ended(2, 60)
    assert (asked.ended_by, agents.ended_by) == ("callee", "caller")
    assert asked.bot_speech, "the agent was heard"


async def test_a_caller_that_hands_over_and_does_not_hang_up_gets_a_bye() -> None:
    async with SimulatedNetwork((customer(CUSTOMER), *HANDED_TO)) as network, Caller(network.port) as bot:
        await bot.dial(CUSTOMER)
        assert bot.invite is not None
        asked = follow(bot.invite, "REFER", bot.to, cseq=2)
        fields = [*asked.headers, ("refer-to", f"<sip:{TALKS}@{HOST}:{network.port}>")]
        bot.send(Request(Headers(fields), method="REFER", uri=asked.uri))
        async with asyncio.timeout(60):
            await bot.bye_received.wait()
        talked, agents = network.calls
        assert (talked.complete, agents.complete) == (False, False), "the two go on"
        assert agents.answered_at is not None


@pytest.mark.parametrize(
    ("number", "text"), [(BUSY, "486 Busy Here"), (NOBODY, "404 Not Found")], ids=["busy", "a number that nobody has"]
)
async def test_an_agent_who_cannot_be_reached_leaves_the_customer_with_us(number: str, text: str) -> None:
    async with _talking(customer(CUSTOMER)) as (network, call):
        result = await _hand_over(call, number)
        await _still_talks(call)
        await call.hangup()
        asked, agents = await network.all_ended(2, 60)
    assert (result.answered, result.kept, result.text) == (False, True, text)
    assert (asked.ended_by, agents.status) == ("caller", int(text[:3]))


async def test_an_agent_who_never_answers_is_waited_for_no_longer_than_asked() -> None:
    async with _talking(customer(CUSTOMER)) as (network, call):
        result = await _hand_over(call, ABSENT, ring_s=0.5)
        await _still_talks(call)
        await network.until(lambda net: bool(calls_to(net, ABSENT)), 60)
        await call.hangup()
        _, agents = await network.all_ended(2, 60)
    assert (result.answered, result.kept) == (False, True)
    assert agents.ended_by == "caller"


@pytest.mark.parametrize(
    ("refer", "text"),
    [
        (Refer("busy", 40), "486 Busy Here"),
        (Refer("no_answer", 40), "480 Temporarily Unavailable"),
        (Refer("refused"), "603 Decline"),
        (Refer("unsupported"), "405 Method Not Allowed"),
    ],
)
async def test_a_network_that_refuses_calls_nobody(refer: Refer, text: str) -> None:
    async with _talking(replace(customer(CUSTOMER), refer=refer)) as (network, call):
        result = await _hand_over(call, STAYS)
        await call.hangup()
        await network.all_ended(1, 60)
        assert calls_to(network, STAYS) == []
    assert (result.answered, result.kept, result.text) == (False, True, text)


@pytest.mark.parametrize("by", ["rtp", "info", "info_alone"])
async def test_a_customers_keys_arrive_however_they_are_sent(by: str) -> None:
    # Again and again, since the first may come before anybody listens.
    presses = Persona((CUSTOMER,), "keys", Answer(0), (Repeat((Keys("15#", ms=60, by=by), Wait(100))), Silent()))
    heard: list[str] = []
    async with _talking(presses) as (_, call):
        call.on_dtmf(heard.append)
        async with asyncio.timeout(60):
            while "15#1" not in "".join(heard):  # noqa: ASYNC110 - the keys are collected by a listener
                await asyncio.sleep(0.02)
        await call.hangup()
