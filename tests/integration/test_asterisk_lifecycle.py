"""Calls through a real Asterisk that outlive the manager connection, or do not outlive Asterisk."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from telephony.ami import dialer as dialer_module
from telephony.ami.client import AmiState
from telephony.ami.dialer import AsteriskDialer
from telephony.call import CallPhase, DialRequest, NotAnswered
from telephony.outcomes import DialStatus, HangupBy
from telephony.simulator.network import SimulatedNetwork
from telephony.simulator.persona import Answer, Echo, HangUp, Keys, Persona, RingOut, Wait, WaitForBot
from tests.support_asterisk import Asterisk
from tests.support_dialer_asterisk import (
    TIMES,
    Phases,
    answered,
    comes_back,
    dial,
    dialer,
    no_channels,
    shared_asterisk,
    unanswered,
)
from tests.support_relay import Relay
from tests.support_sip import Listener, chirp, share_heard, tone

D = DialStatus
ECHO, BRIEF, KEYS, RING, LATE = "+84900000001", "+84900000002", "+84900000003", "+84900000004", "+84900000005"
_PERSONAS = (
    Persona((ECHO,), "echo", Answer(0), (Echo(),)),
    Persona((BRIEF,), "hangs up soon", Answer(0), (Wait(1500), HangUp())),
    Persona((KEYS,), "presses keys", Answer(0), (WaitForBot(200, max_ms=60_000), Keys("15*#"))),
    Persona((RING,), "lets it ring", RingOut()),
    Persona((LATE,), "answers late", Answer(1500), (Echo(),)),
)


@pytest.fixture(scope="module")
def pbx(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Asterisk]:
    with shared_asterisk(tmp_path_factory.mktemp("asterisk")) as running:
        yield running


@pytest.fixture
async def network() -> AsyncIterator[SimulatedNetwork]:
    async with SimulatedNetwork(_PERSONAS) as simulated:
        yield simulated


async def until(trunk: AsteriskDialer, state: AmiState) -> None:
    async with asyncio.timeout(30):
        while trunk.client.state is not state:  # noqa: ASYNC110 - the other side does it
            await asyncio.sleep(0.01)


async def until_phase(phases: Phases, phase: CallPhase) -> None:
    async with asyncio.timeout(30):
        while phase not in phases:  # noqa: ASYNC110 - events come from Asterisk
            await asyncio.sleep(0.01)


@pytest.mark.parametrize(("wideband", "rate_hz"), [(False, 8000), (True, 16000)])
async def test_audio_goes_both_ways(pbx: Asterisk, network: SimulatedNetwork, wideband: bool, rate_hz: int) -> None:
    async with dialer(pbx, network.port, wideband=wideband) as trunk:
        call = await answered(trunk, ECHO)
        assert call.media.rate_hz == rate_hz
        await comes_back(call, chirp(600, rate_hz), rate_hz)
        await call.hangup()
        (record,) = await network.all_ended(1)
    assert share_heard(chirp(600, 8000), record.heard_pcm, 8000) > 0.6


async def test_keys_reach_the_listener(pbx: Asterisk, network: SimulatedNetwork) -> None:
    async with dialer(pbx, network.port) as trunk:
        call = await answered(trunk, KEYS)
        pressed = list[str]()
        call.on_dtmf(pressed.append)
        async with asyncio.timeout(60):
            await call.media.write(tone(300, 8000))
            while len(pressed) < 4:  # noqa: ASYNC110 - keys come from the far end
                await asyncio.sleep(0.02)
        await call.hangup()
    assert pressed == ["1", "5", "*", "#"]


async def test_live_calls_outlive_the_manager_connection(pbx: Asterisk, network: SimulatedNetwork) -> None:
    async with Relay.to(pbx.ami_port) as relay, dialer(pbx, network.port, port=relay.port) as trunk:
        call = await answered(trunk, ECHO)
        listener = Listener(call)
        async with relay.broken():
            await until(trunk, AmiState.DISCONNECTED)
            before = len(listener.frames)
            await listener.until_frames(before + 25)
            assert trunk.live_calls == 1
        await until(trunk, AmiState.CONNECTED)
        await listener.until_frames(before + 50)
        await call.hangup()
        assert (await call.ended()).hangup_by is HangupBy.BOT
    await no_channels(pbx)


async def test_a_call_that_ends_while_the_manager_is_away_has_an_end(pbx: Asterisk, network: SimulatedNetwork) -> None:
    async with Relay.to(pbx.ami_port) as relay, dialer(pbx, network.port, port=relay.port) as trunk:
        call = await answered(trunk, BRIEF)
        async with relay.broken():
            async with asyncio.timeout(20):
                end = await call.ended()
        assert end.hangup_by is HangupBy.NETWORK
        assert "did not tell" in (end.text or "")
        assert trunk.live_calls == 0


async def test_our_hangup_works_while_the_manager_is_away(pbx: Asterisk, network: SimulatedNetwork) -> None:
    async with Relay.to(pbx.ami_port) as relay, dialer(pbx, network.port, port=relay.port) as trunk:
        call = await answered(trunk, ECHO)
        async with relay.broken():
            await until(trunk, AmiState.DISCONNECTED)
            await call.hangup()
            assert (await call.ended()).hangup_by is HangupBy.BOT
            await network.all_ended(1)
    await no_channels(pbx)


async def test_a_call_answered_while_the_manager_is_away_is_held(pbx: Asterisk, network: SimulatedNetwork) -> None:
    async with Relay.to(pbx.ami_port) as relay, dialer(pbx, network.port, port=relay.port) as trunk:
        phases = Phases()
        dialling = asyncio.create_task(trunk.dial(DialRequest("answered-in-the-dark", LATE), phases))
        await until_phase(phases, CallPhase.RINGING)
        async with relay.broken(), asyncio.timeout(30):
            call = await dialling
        assert not isinstance(call, NotAnswered), call
        await call.hangup()
        assert len(network.calls) == 1


async def test_a_call_that_rings_on_is_found_again(pbx: Asterisk, network: SimulatedNetwork) -> None:
    async with Relay.to(pbx.ami_port) as relay, dialer(pbx, network.port, port=relay.port) as trunk:
        phases = Phases()
        request = DialRequest("rings-on", RING, ring_timeout_s=4.0)
        dialling = asyncio.create_task(trunk.dial(request, phases))
        await until_phase(phases, CallPhase.RINGING)
        async with relay.broken():
            await until(trunk, AmiState.DISCONNECTED)
        async with asyncio.timeout(30):
            result = await dialling
    assert isinstance(result, NotAnswered)
    assert (result.dial_status, result.reason, result.q850) == (D.NOANSWER, 3, 19)


async def test_a_call_that_was_refused_meanwhile_is_settled_and_not_dialled_again(
    pbx: Asterisk, network: SimulatedNetwork
) -> None:
    async with Relay.to(pbx.ami_port) as relay, dialer(pbx, network.port, port=relay.port) as trunk:
        dialling = asyncio.create_task(dial(trunk, RING, attempt_id="settled-later"))
        await pbx.until_cli("core show channels count", "1 active channel")
        async with relay.broken():
            await until(trunk, AmiState.DISCONNECTED)
            await pbx.cli("channel request hangup all")
            await no_channels(pbx)
        result, _ = await dialling
        assert isinstance(result, NotAnswered)
        assert (result.dial_status, result.reason) == (D.ERROR, None)
        assert "does not know the call any more" in (result.text or "")
        assert len(network.calls) == 1


async def test_a_frozen_asterisk_is_noticed_by_the_ping(pbx: Asterisk, network: SimulatedNetwork) -> None:
    impatient = replace(TIMES, ping_timeout_s=2.0)
    async with dialer(pbx, network.port, times=impatient) as trunk:
        await pbx.freeze()
        try:
            await until(trunk, AmiState.DISCONNECTED)
            result, _ = await unanswered(trunk, ECHO, ring_timeout_s=0.5)
        finally:
            pbx.thaw()
        assert (result.dial_status, result.reason) == (D.CHANUNAVAIL, None)
        await until(trunk, AmiState.CONNECTED)
        call = await answered(trunk, ECHO)
        await call.hangup()


async def test_asterisk_dies_in_mid_call_and_while_it_rings(
    tmp_path: Path, network: SimulatedNetwork, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dialer_module, "_RECONNECT_S", 60.0)
    async with Asterisk.start(tmp_path, network.port) as pbx, dialer(pbx, "PJSIP/{number}@trunk") as trunk:
        talking = await answered(trunk, ECHO)
        phases = Phases()
        dialling = asyncio.create_task(trunk.dial(DialRequest("dies-ringing", RING, ring_timeout_s=60.0), phases))
        await until_phase(phases, CallPhase.RINGING)
        await pbx.kill()
        async with asyncio.timeout(30):
            end = await talking.ended()
            await until(trunk, AmiState.DISCONNECTED)
            calling_again = asyncio.create_task(answered(trunk, ECHO, ring_timeout_s=60.0))
            await pbx.boot()
            ringing = await dialling
        assert end.hangup_by is HangupBy.NETWORK
        assert isinstance(ringing, NotAnswered)
        assert (ringing.dial_status, ringing.rang) == (D.ERROR, True)
        again = await calling_again
        await again.hangup()
        assert trunk.live_calls == 0
        assert len(network.calls) == 3, "nobody was called twice"


async def test_closing_hangs_up_what_is_live(pbx: Asterisk, network: SimulatedNetwork) -> None:
    async with contextlib.AsyncExitStack() as stack:
        trunk = await stack.enter_async_context(dialer(pbx, network.port))
        calls = [await answered(trunk, ECHO) for _ in range(3)]
        await trunk.aclose()
        assert {(await call.ended()).hangup_by for call in calls} == {HangupBy.BOT}
        result, _ = await dial(trunk, ECHO)
        assert getattr(result, "dial_status", None) is D.CHANUNAVAIL
        await trunk.aclose()
    await no_channels(pbx)
