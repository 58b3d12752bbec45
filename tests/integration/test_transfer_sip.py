"""Customers put through to agents over real SIP and RTP: heard both ways, recorded, and nobody left on a line."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bot.conversation import ScriptedConversation, SpeechRuntime
from bot.outcome import ConversationResult, EndedBy, Job, OptOut
from bot.recording import Recordings
from telephony.call import Call, DialRequest, NotAnswered
from telephony.simulator.network import SimulatedNetwork
from telephony.simulator.persona import Chirp
from telephony.sip.dialer import SipDialer
from telephony.sip.settings import SipSettings
from telephony.transfer import Target
from telephony.trunk import TrunkConfig
from tests.support_agents import ABSENT, AGENTS, BUSY, CUSTOMER_SOUND, LEAVES, SOUND, agent, calls_to, customer, pcm
from tests.support_calls import CodedListener, CodedSpeaker, LoudIsVoice, Words
from tests.support_scripts import script_of
from tests.support_sip import find
from tests.support_sipp import HOST
from tests.support_speech import AlwaysComplete

SCRIPT = """
transfers:
  sales: {number: "NUMBER", ring_s: 60, whisper: Somebody who makes a sound.}
steps:
  greeting:
    - say: One moment.
    - transfer: sales
"""
TALKS = "+84280000007"
CUSTOMERS = {TALKS: "+84900000011", LEAVES: "+84900000012", BUSY: "+84900000013", ABSENT: "+84900000014"}
_PATIENCE_S = 60


@dataclass
class OverSip:
    """The agents' port over the trunk of the customer's call."""

    dialer: SipDialer

    def began(self, target: Target) -> None:
        pass

    async def dial(self, target: Target) -> Call | NotAnswered:
        request = DialRequest(f"agent-{target.number[1:]}", target.number, ring_timeout_s=target.ring_s)
        return await self.dialer.dial(request, lambda *_: None)


@dataclass
class House:
    """Everything that the calls share."""

    network: SimulatedNetwork
    dialer: SipDialer
    recordings: Recordings
    script: str = SCRIPT

    async def hold(self, number: str, ends: Callable[[], bool] | None) -> ConversationResult:
        """A conversation that puts its customer through to `number`; hung up here once `ends`, if that is given."""
        words = Words()
        speech = SpeechRuntime(CodedListener(words), CodedSpeaker(), AlwaysComplete(), LoudIsVoice())
        script = script_of(self.script.replace("NUMBER", number))
        conversation = ScriptedConversation(script, speech, recordings=self.recordings)
        call = await self.dialer.dial(DialRequest(f"to-{number[1:]}", CUSTOMERS[number]), lambda *_: None)
        assert not isinstance(call, NotAnswered), call
        job = Job(call.attempt_id, {}, 300.0, _no_opt_out, agents=OverSip(self.dialer))
        holding = asyncio.create_task(conversation.run(call, job))
        if ends is not None:
            await self._hang_up_once(call, ends)
        async with asyncio.timeout(_PATIENCE_S):
            return await holding

    async def _hang_up_once(self, call: Call, ends: Callable[[], bool]) -> None:
        async with asyncio.timeout(_PATIENCE_S):
            while not await asyncio.to_thread(ends):  # noqa: ASYNC110 - it happens in another thread
                await asyncio.sleep(0.3)
        await call.hangup()

    def both_heard(self) -> bool:
        customers, agents = calls_to(self.network, CUSTOMERS[TALKS]), calls_to(self.network, TALKS)
        return bool(agents) and holds(customers[0].heard_pcm, SOUND) and holds(agents[0].heard_pcm, CUSTOMER_SOUND)

    def rings(self) -> bool:
        return bool(calls_to(self.network, ABSENT))


async def _no_opt_out(opt_out: OptOut) -> None:
    raise AssertionError(opt_out)


def holds(heard: bytes, sound: Chirp) -> bool:
    """Whether any 100 ms of a sound were heard: a busy machine spoils some of them, never all."""
    made = pcm(sound)
    if len(heard) < len(made):
        return False
    return any(find(made[at : at + 1600], heard)[1] > 0.8 for at in range(800, len(made) - 1600, 1600))


async def test_customers_are_put_through_over_real_sip(tmp_path: Path) -> None:
    people = (*AGENTS, agent(TALKS, whisper_max_ms=2000), *(customer(number) for number in CUSTOMERS.values()))
    recordings = Recordings(tmp_path)
    async with (
        SimulatedNetwork(people) as network,
        SipDialer(TrunkConfig("transfers", HOST, network.port), SipSettings(bind=HOST)) as dialer,
    ):
        house = House(network, dialer, recordings)
        ends = {TALKS: house.both_heard, LEAVES: None, BUSY: None, ABSENT: house.rings}
        results = await asyncio.gather(*(house.hold(number, ends[number]) for number in CUSTOMERS))
        records = await network.all_ended(8, _PATIENCE_S)
    await recordings.aclose()
    by_agent = dict(zip(CUSTOMERS, results, strict=True))
    assert [result.error for result in results] == [None] * 4

    talked = by_agent[TALKS].transfer
    assert talked is not None
    assert talked.joined_ms is not None
    assert (talked.ended_by_agent, talked.agent_ms > 0) == (False, True)
    assert talked.asked_ms < talked.joined_ms
    _check_recording(tmp_path, by_agent[TALKS])

    left = by_agent[LEAVES].transfer
    assert left is not None
    assert left.joined_ms is not None
    assert (left.ended_by_agent, by_agent[LEAVES].ended_by) == (True, EndedBy.BOT)

    for number in (BUSY, ABSENT):
        tried = by_agent[number].transfer
        assert tried is not None
        assert (tried.joined_ms, tried.agent_ms) == (None, 0)

    ended_by = {record.invite.number: record.ended_by for record in records}
    assert ended_by[LEAVES] == "callee"
    assert {ended_by[number] for number in (TALKS, ABSENT, *CUSTOMERS.values())} == {"caller"}


async def test_a_customer_is_handed_over_by_refer_and_the_conversation_knows(tmp_path: Path) -> None:
    people = (customer(CUSTOMERS[TALKS]), agent(TALKS, whisper_max_ms=0, leaves_after=3))
    handing = SCRIPT.replace("whisper: Somebody who makes a sound.", "by: hand_over")
    recordings = Recordings(tmp_path)
    async with (
        SimulatedNetwork(people) as network,
        SipDialer(TrunkConfig("transfers", HOST, network.port), SipSettings(bind=HOST)) as dialer,
    ):
        result = await House(network, dialer, recordings, handing).hold(TALKS, None)
        await network.all_ended(2, _PATIENCE_S)
    await recordings.aclose()
    assert result.error is None
    assert result.transfer is not None
    assert result.transfer.joined_ms is not None
    assert (result.transfer.agent_ms, result.transfer.ended_by_agent) == (0, False)
    assert calls_to(network, TALKS)[0].answered_at is not None


def _check_recording(folder: Path, result: ConversationResult) -> None:
    assert result.recording is not None
    assert result.recording.error is None
    both = np.frombuffer((folder / result.recording.path).read_bytes()[44:], "<i2")
    left, right = both[0::2].tobytes(), both[1::2].tobytes()
    assert holds(left, CUSTOMER_SOUND)
    assert holds(right, SOUND)
    assert not holds(right, CUSTOMER_SOUND)
