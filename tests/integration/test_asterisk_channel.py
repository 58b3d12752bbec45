"""What a real Asterisk does for an answered call: presses keys, tells what its AMD() found."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Iterator

import pytest

from telephony.ami import channel
from telephony.call import HasAmd
from telephony.errors import MediaClosed
from telephony.simulator.network import SimulatedNetwork
from telephony.simulator.persona import Answer, Echo, Persona, Silent
from tests.support_asterisk import Asterisk
from tests.support_dialer_asterisk import answered, dialer, no_channels, shared_asterisk
from tests.support_sip import loud_ms, tone

ECHO, SILENT = "+84900000001", "+84900000002"
_PERSONAS = (
    Persona((ECHO,), "echo", Answer(0), (Echo(),)),
    Persona((SILENT,), "says nothing", Answer(0), (Silent(),)),
)
_DIALPLAN = """
[plain]
exten => _[+0-9]!,1,Dial(PJSIP/trunk/sip:${EXTEN}@127.0.0.1:${FAR_END})
[listening]
exten => _[+0-9]!,1,Dial(PJSIP/trunk/sip:${EXTEN}@127.0.0.1:${FAR_END},60,U(detection))
[detection]
exten => s,1,AMD(200)
 same => n,NoOp(found ${AMDSTATUS} ${AMDCAUSE} here)
 same => n,Return()
"""


@pytest.fixture(scope="module")
def pbx(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Asterisk]:
    with shared_asterisk(tmp_path_factory.mktemp("asterisk"), extra={"extensions.conf": _DIALPLAN}) as running:
        yield running


@pytest.fixture
async def network(pbx: Asterisk) -> AsyncIterator[SimulatedNetwork]:
    async with SimulatedNetwork(_PERSONAS) as simulated:
        async with dialer(pbx, simulated.port) as opened:
            await opened.client.action("Setvar", [("Variable", "FAR_END"), ("Value", str(simulated.port))])
        yield simulated
    await no_channels(pbx)


@pytest.mark.parametrize(("context", "wideband"), [(None, False), (None, True), ("plain", False)])
async def test_keys_arrive_as_keys(
    pbx: Asterisk, network: SimulatedNetwork, context: str | None, wideband: bool
) -> None:
    """RFC 4733 at the far end, behind the audio that was written before, also through a Local channel."""
    dial_string = f"Local/{{number}}@{context}" if context else network.port
    async with dialer(pbx, dial_string, wideband=wideband) as trunk:
        call = await answered(trunk, ECHO)
        await call.media.write(tone(400, call.media.rate_hz))
        async with asyncio.timeout(60):
            await call.media.send_dtmf("19*#")
            await network.until(lambda net: net.calls[0].keys == ["1", "9", "*", "#"])
        with pytest.raises(ValueError, match="x"):
            await call.media.send_dtmf("1x")
        await call.hangup()
        with pytest.raises(MediaClosed):
            await call.media.send_dtmf("1")
        (record,) = await network.all_ended(1)
    assert record.keys == ["1", "9", "*", "#"]
    assert loud_ms(record.heard_pcm, 8000) > 200


async def test_what_the_dialplans_amd_found(
    pbx: Asterisk, network: SimulatedNetwork, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(channel, "_VARIABLES_S", 60.0)
    async with dialer(pbx, "Local/{number}@listening") as trunk:
        call = await answered(trunk, SILENT)
        assert isinstance(call, HasAmd)
        found = await logged(pbx, r'"found (\w+) (\S+) here"')
        assert call.amd == (found[1], found[2])
        assert found[1] in ("MACHINE", "NOTSURE")
        await call.hangup()


async def logged(pbx: Asterisk, pattern: str) -> re.Match[str]:
    """Asterisk writes its log a moment later."""
    async with asyncio.timeout(60):
        while (found := re.search(pattern, pbx.log_text())) is None:  # noqa: ASYNC110 - another process writes it
            await asyncio.sleep(0.02)
    return found


@pytest.mark.parametrize("amd", [False, True])
async def test_without_an_amd_in_the_dialplan_there_is_no_result(
    pbx: Asterisk, network: SimulatedNetwork, amd: bool
) -> None:
    async with dialer(pbx, network.port, amd=amd) as trunk:
        call = await answered(trunk, ECHO)
        assert isinstance(call, HasAmd)
        assert call.amd is None
        await call.hangup()
