"""baresip as a foreign caller, through our own dialer: the demo's customers give the dial status they stand for."""

from __future__ import annotations

import asyncio
import contextlib
import math
import struct
from pathlib import Path

from telephony.call import Call, CallPhase, DialRequest, NotAnswered
from telephony.errors import MediaClosed
from telephony.outcomes import DialStatus, HangupBy
from telephony.simulator import Persona, SimulatedNetwork, load_personas, render
from telephony.simulator.persona import Unreachable
from telephony.sip.dialer import SipDialer
from telephony.trunk import TrunkConfig
from tests.support_simulator import tone_pcm

DEMO = Path(__file__).parents[2] / "examples" / "demo" / "personas"
NOT_ANSWERED = {
    "BS": DialStatus.BUSY,
    "NA": DialStatus.NOANSWER,
    "IN": DialStatus.INVALID,
    "RJ": DialStatus.REJECTED,
    "CG": DialStatus.CONGESTION,
    "dead": DialStatus.CHANUNAVAIL,
}
DEAD = Persona(("+84901000099",), "Dead line", Unreachable(), expected_codes=("dead",))


async def _synthesise(text: str, rate_hz: int, speed: float) -> bytes:
    return tone_pcm(600)


async def _greet(call: Call) -> None:
    """Speak for two seconds and be silent for two, as a bot does."""
    greeting = b"".join(struct.pack("<h", round(6000 * math.sin(n / 3))) for n in range(16_000))
    with contextlib.suppress(MediaClosed):
        await call.media.write(greeting + bytes(32_000))


async def _dial(dialer: SipDialer, persona: Persona) -> DialStatus | HangupBy:
    phases: list[CallPhase] = []
    request = DialRequest(f"attempt-{persona.numbers[0][-2:]}", persona.numbers[0], ring_timeout_s=3.5)
    call = await dialer.dial(request, lambda phase, at: phases.append(phase))
    if isinstance(call, NotAnswered):
        assert CallPhase.ANSWERED not in phases
        return call.dial_status
    assert phases[-1] is CallPhase.ANSWERED
    greeting = asyncio.create_task(_greet(call))
    try:
        end = await asyncio.wait_for(call.ended(), 5)
    except TimeoutError:
        await call.hangup()
        end = await call.ended()
    await greeting
    return end.hangup_by


async def test_every_customer_of_the_demo_as_the_dialer_sees_it(tmp_path: Path) -> None:
    personas = (*load_personas(DEMO), DEAD)
    lines = await render(personas, _synthesise, tmp_path)
    async with SimulatedNetwork(personas, lines) as network:
        async with SipDialer(TrunkConfig("rehearsal", "127.0.0.1", network.port)) as dialer:
            seen = await asyncio.gather(*(_dial(dialer, persona) for persona in personas))
        records = await network.all_ended(len(personas))
    for persona, outcome in zip(personas, seen, strict=True):
        code = persona.expected_codes[0]
        expected = NOT_ANSWERED.get(code, HangupBy.CUSTOMER if code == "SC" else HangupBy.BOT)
        assert outcome is expected, persona.name
    by_number = {record.invite.number: record for record in records}
    assert len(by_number) == len(personas)
    for persona in personas:
        record = by_number[persona.numbers[0]]
        assert record.invite.attempt == f"attempt-{persona.numbers[0][-2:]}"
        if record.answered_at is not None and persona.expected_code != "SC":
            (greeting,) = record.bot_speech
            assert 1900 <= greeting.end_ms - greeting.start_ms <= 2100, persona.name
