"""Calls through a real Asterisk whose audio chan_websocket brings."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from telephony.ami.check import Verdict, check
from telephony.ami.dialer import AsteriskDialer
from telephony.outcomes import DialStatus, HangupBy
from telephony.simulator.network import SimulatedNetwork
from telephony.simulator.persona import Answer, Beep, Echo, HangUp, Keys, Persona, Repeat, Wait, WaitForBot
from telephony.transfer import HandsOver, Target
from telephony.trunk import AsteriskTrunk
from tests.support_asterisk import Asterisk, require_asterisk
from tests.support_asterisk_config import HOST, Options, Ports, Trunk
from tests.support_dialer_asterisk import TIMES, _apart, answered, comes_back, no_channels, through, unanswered
from tests.support_sip import chirp, share_heard, tone
from tests.support_sipp import free_port

ECHO, BRIEF, KEYS, BEEPS, AGENT = "+84900000001", "+84900000002", "+84900000003", "+84900000004", "101"
_PERSONAS = (
    Persona((ECHO,), "echo", Answer(0), (Echo(),)),
    Persona((BRIEF,), "hangs up soon", Answer(0), (Wait(1000), HangUp())),
    Persona((KEYS,), "presses keys", Answer(0), (WaitForBot(200, max_ms=60_000), Keys("15*#"))),
    Persona((BEEPS,), "beeps on", Answer(0), (Repeat((Beep(ms=100), Wait(100))),)),
    Persona((AGENT,), "leaves when the customer is there", Answer(0), (HangUp(after_bot_ms=200, max_ms=60_000),)),
)
_DIALPLAN = "[from-internal]\nexten => _1XX,1,Dial(PJSIP/trunk/sip:${EXTEN}@127.0.0.1:${AGENTS},60)\n"


def pbx_for(folder: Path, **options: Any) -> Asterisk:
    """Its TLS port of AMI stays free for our audio: nobody else can take it, and it is known before both start."""
    require_asterisk()
    ports = Ports.reserve()
    sockets = {"campana": f"ws://{HOST}:{ports.ami_tls}/media", "elsewhere": f"ws://{HOST}:{ports.ami}/media"}
    trunks = {"trunk": Trunk(free_port())}
    return Asterisk(folder, Options(trunks=trunks, websockets=sockets, **options), ports)


@pytest.fixture(scope="module")
def pbx(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Asterisk]:
    running = pbx_for(tmp_path_factory.mktemp("asterisk"), extra={"extensions.conf": _DIALPLAN})
    try:
        _apart(running.boot)
        yield running
    finally:
        _apart(running.aclose)


@pytest.fixture
async def network() -> AsyncIterator[SimulatedNetwork]:
    async with SimulatedNetwork(_PERSONAS) as simulated:
        yield simulated


def by_websocket(pbx: Asterisk, far_end: int, **changes: Any) -> AsteriskTrunk:
    return through(pbx, far_end, **{"media": "websocket", "media_port": pbx.ports.ami_tls, **changes})


@pytest.mark.parametrize(("wideband", "rate_hz"), [(False, 8000), (True, 16000)])
async def test_audio_goes_both_ways(pbx: Asterisk, network: SimulatedNetwork, wideband: bool, rate_hz: int) -> None:
    async with AsteriskDialer(by_websocket(pbx, network.port, wideband=wideband), times=TIMES) as trunk:
        call = await answered(trunk, ECHO)
        assert call.media.rate_hz == rate_hz
        await comes_back(call, chirp(600, rate_hz), rate_hz)
        await call.hangup()
        assert (await call.ended()).hangup_by is HangupBy.BOT
        (record,) = await network.all_ended(1)
    assert share_heard(chirp(600, 8000), record.heard_pcm, 8000) > 0.6
    await no_channels(pbx)


async def test_the_customer_hangs_up(pbx: Asterisk, network: SimulatedNetwork) -> None:
    async with AsteriskDialer(by_websocket(pbx, network.port), times=TIMES) as trunk:
        call = await answered(trunk, BRIEF)
        async with asyncio.timeout(60):
            assert (await call.ended()).hangup_by is HangupBy.CUSTOMER
        assert trunk.live_calls == 0


async def test_keys_go_both_ways(pbx: Asterisk, network: SimulatedNetwork) -> None:
    async with AsteriskDialer(by_websocket(pbx, network.port), times=TIMES) as trunk:
        call = await answered(trunk, KEYS)
        pressed = list[str]()
        call.on_dtmf(pressed.append)
        async with asyncio.timeout(60):
            await call.media.write(tone(300, 8000))
            while len(pressed) < 4:  # noqa: ASYNC110 - keys come from the far end
                await asyncio.sleep(0.02)
            await call.media.send_dtmf("7#")
            await network.until(lambda net: len(net.calls[0].keys) == 2)
        await call.hangup()
    assert pressed == ["1", "5", "*", "#"]
    assert network.calls[0].keys == ["7", "#"]


async def test_a_call_is_handed_over(pbx: Asterisk, network: SimulatedNetwork) -> None:
    async with AsteriskDialer(by_websocket(pbx, network.port), times=TIMES) as trunk:
        await trunk.client.action("Setvar", [("Variable", "AGENTS"), ("Value", str(network.port))])
        call = await answered(trunk, BEEPS)
        assert isinstance(call, HandsOver)
        async with asyncio.timeout(60):
            assert (await call.hand_over(Target("agent", AGENT, ring_s=60.0))).answered
            assert (await call.ended()).hangup_by is HangupBy.AGENT
        await network.all_ended(2)
    await no_channels(pbx)


@pytest.mark.parametrize(
    ("section", "verdict", "found", "remedy"),
    [
        ("campana", Verdict.GOOD, "Asterisk connects to", ""),
        ("missing", Verdict.BAD, "no section [missing]", "uri = ws://"),
        ("elsewhere", Verdict.UNSURE, "did not connect to", "the uri of [elsewhere]"),
    ],
)
async def test_the_check_says_what_websocket_client_conf_lacks(
    pbx: Asterisk, section: str, verdict: Verdict, found: str, remedy: str
) -> None:
    trunk = by_websocket(pbx, 5060, websocket_client=section)
    result = {item.what: item async for item in check(trunk, TIMES)}["audio"]
    assert (result.verdict, found in result.found, remedy in result.remedy) == (verdict, True, True), result


async def test_a_call_without_a_section_says_where_to_look(pbx: Asterisk, network: SimulatedNetwork) -> None:
    async with AsteriskDialer(by_websocket(pbx, network.port, websocket_client="missing"), times=TIMES) as trunk:
        result, _ = await unanswered(trunk, ECHO)
        probe = await trunk.probe()
    assert (result.dial_status, result.no_audio) == (DialStatus.ERROR, True)
    assert (probe.ok, "no section [missing]" in probe.text) == (False, True)


async def test_the_check_says_that_chan_websocket_is_missing(tmp_path: Path) -> None:
    bare = pbx_for(tmp_path, without=("chan_websocket",))
    try:
        await bare.boot()
        result = {item.what: item async for item in check(by_websocket(bare, 5060), TIMES)}["audio"]
    finally:
        await bare.aclose()
    assert (result.verdict, result.found) == (Verdict.BAD, "Asterisk has no channel driver WebSocket")
    assert "load chan_websocket.so" in result.remedy
