"""The demo's customers with their real voices, heard over a real call and understood by the real recognition."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bot.speech.listening import WhisperListener
from bot.speech.speaking import PiperSpeaker
from telephony.simulator import Lines, Persona, SimulatedNetwork, load_personas, render
from telephony.simulator.g711 import PCMU
from telephony.simulator.persona import BargeIn, Say
from telephony.simulator.sounds import silence, tone
from tests.support_simulator import Caller

pytestmark = pytest.mark.speech

DEMO = Path(__file__).parents[2] / "examples" / "demo" / "personas"
AGREES = "+84901000001"


@pytest.fixture(scope="module")
def personas() -> tuple[Persona, ...]:
    return load_personas(DEMO)


@pytest.fixture
async def lines(
    personas: tuple[Persona, ...], joe_voice: PiperSpeaker, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Lines]:
    async def synthesise(text: str, rate_hz: int, speed: float) -> bytes:
        return await joe_voice.synthesise(text, rate_hz=rate_hz, speed=speed)

    yield await render(personas, synthesise, tmp_path_factory.getbasetemp() / "lines", voice=joe_voice.voice[:12])
    await joe_voice.aclose()


def _words(text: str) -> list[str]:
    return re.sub(r"[^a-z' ]", "", text.lower()).split()


async def test_every_line_of_the_demo_is_understood_after_the_telephone(
    personas: tuple[Persona, ...], lines: Lines, base_listener: WhisperListener
) -> None:
    said = missed = 0
    told: list[str] = []
    for persona in personas:
        for act in persona.play:
            if isinstance(act, Say | BargeIn) and getattr(act, "cut_after_ms", None) is None:
                frames = lines.frames(act.text, persona.voice.speed, PCMU)
                heard = await base_listener.transcribe(PCMU.decode(b"".join(frames)), 8000)
                wanted = _words(act.text)
                lost = [word for word in wanted if word not in _words(heard.text)]
                said, missed = said + len(wanted), missed + len(lost)
                told.append(f"{act.text!r} was heard as {heard.text!r}")
    assert said > 60
    assert missed / said <= 0.1, "\n".join(told)


async def test_a_customer_answers_the_bot_and_is_understood(
    personas: tuple[Persona, ...], lines: Lines, base_listener: WhisperListener
) -> None:
    async with SimulatedNetwork(personas, lines) as network, Caller(network.port) as bot:
        await bot.dial(AGREES)
        asked = [*tone(PCMU, 300, 2000, -15.0), *[silence(PCMU)] * 75]
        await bot.talk(asked)
        await asyncio.sleep(2.0)
        bot.hang_up()
        (record,) = await network.all_ended(1)
    (spoken,) = record.spoken
    assert spoken.text == "Yes, I will pay it this week."
    assert spoken.whole
    heard = await base_listener.transcribe(PCMU.decode(b"".join(bot.heard())), 8000)
    assert "pay it this week" in heard.text.lower()
