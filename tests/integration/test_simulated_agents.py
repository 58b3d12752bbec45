"""The agents of the test bed over real SIP: each behaves as its kind says."""

from __future__ import annotations

import asyncio

from telephony.call import Call, CallPhase, DialRequest, NotAnswered
from telephony.outcomes import DialStatus, HangupBy
from telephony.simulator.network import SimulatedNetwork
from telephony.simulator.persona import Chirp
from telephony.sip.dialer import SipDialer
from telephony.sip.settings import SipSettings
from telephony.trunk import TrunkConfig
from tests.support_agents import (
    ABSENT,
    AGENTS,
    BUSY,
    CUSTOMER_SOUND,
    LEAVES,
    SOUND,
    STAYS,
    calls_to,
    customer,
    has_sound,
)
from tests.support_sip import Listener, tone
from tests.support_sipp import HOST

CUSTOMER = "+84900000009"


async def _dial(dialer: SipDialer, number: str) -> Call | NotAnswered:
    return await dialer.dial(DialRequest(f"to-{number[1:]}", number, ring_timeout_s=30.0), lambda *_: None)


async def test_agents_and_customers_are_found_by_their_sounds() -> None:
    async with (
        SimulatedNetwork((*AGENTS, customer(CUSTOMER))) as network,
        SipDialer(TrunkConfig("agents", HOST, network.port), SipSettings(bind=HOST)) as dialer,
    ):
        for number, sound, other in ((STAYS, SOUND, CUSTOMER_SOUND), (CUSTOMER, CUSTOMER_SOUND, SOUND)):
            call = await _dial(dialer, number)
            assert not isinstance(call, NotAnswered)
            listener = Listener(call)
            await call.media.write(tone(400, 8000))
            await _until_heard(listener, sound)
            assert not has_sound(listener.pcm, other)
            await call.hangup()
            await listener.stop()
            await network.until(lambda net, number=number: calls_to(net, number)[0].complete)
            assert calls_to(network, number)[0].bot_speech, "the whisper was heard"


async def _until_heard(listener: Listener, sound: Chirp) -> None:
    async with asyncio.timeout(60):
        while not has_sound(listener.pcm, sound):
            await listener.until_frames(len(listener.frames) + 25, timeout_s=60)


async def test_an_agent_who_leaves_hangs_up_first() -> None:
    async with (
        SimulatedNetwork(AGENTS) as network,
        SipDialer(TrunkConfig("agents", HOST, network.port), SipSettings(bind=HOST)) as dialer,
    ):
        call = await _dial(dialer, LEAVES)
        assert not isinstance(call, NotAnswered)
        await call.media.write(tone(400, 8000))
        async with asyncio.timeout(60):
            assert (await call.ended()).hangup_by is HangupBy.CUSTOMER


async def test_agents_who_do_not_take_the_call() -> None:
    async with (
        SimulatedNetwork(AGENTS) as network,
        SipDialer(TrunkConfig("agents", HOST, network.port), SipSettings(bind=HOST)) as dialer,
    ):
        refused = await _dial(dialer, BUSY)
        assert isinstance(refused, NotAnswered)
        assert refused.dial_status is DialStatus.BUSY
        ringing = asyncio.Event()
        dialling = asyncio.create_task(
            dialer.dial(DialRequest("absent", ABSENT, ring_timeout_s=600), lambda phase, _at: _note(phase, ringing))
        )
        async with asyncio.timeout(60):
            await ringing.wait()
        assert not dialling.done()
        dialling.cancel()
        await asyncio.wait([dialling])
        (record,) = [one for one in await network.all_ended(2, 60) if one.invite.number == ABSENT]
    assert record.ended_by == "caller"


def _note(phase: CallPhase, ringing: asyncio.Event) -> None:
    if phase is CallPhase.RINGING:
        ringing.set()
