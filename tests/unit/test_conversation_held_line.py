"""What the line does to the bot's audio: a customer who holds the call."""

from __future__ import annotations

import asyncio

import pytest

from bot.loopback import LoopbackMedia
from bot.outcome import EndedBy
from tests.support_calls import Line, World, hold, texts
from tests.support_scripts import script_of

GREETING = "Hello this is a greeting of many words for you."
SCRIPT = script_of(
    f"""
    script: line
    intents:
      agree: {{like: "yes", samples: [I will pay]}}
    silence: {{after_ms: 20000, say: ["Are you there?"], goto: goodbye}}
    steps:
      greeting:
        - say: {GREETING}
        - listen:
            ask: Will you pay?
            intents: {{agree: goodbye}}
            else: goodbye
      goodbye:
        - say: Goodbye.
        - end
    """
)


class Hold:
    """Keeps the bot's audio from a line while it is on hold, as a media without a stream does."""

    def __init__(self, media: LoopbackMedia, monkeypatch: pytest.MonkeyPatch) -> None:
        self._goes_on = asyncio.Event()
        self._goes_on.set()
        self._write = media.write
        monkeypatch.setattr(media, "write", self._held_write)

    async def last(self, seconds: float) -> None:
        self._goes_on.clear()
        await asyncio.sleep(seconds)
        self._goes_on.set()

    async def _held_write(self, pcm: bytes) -> None:
        await self._goes_on.wait()
        await self._write(pcm)


@pytest.mark.parametrize("hold_s", [2, 12, 60])
def test_a_customer_who_holds_the_call_hears_the_rest_afterwards(
    hold_s: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def customer(line: Line) -> None:
        await asyncio.sleep(1)
        await Hold(line.call.media, monkeypatch).last(hold_s)
        await asyncio.sleep(4)
        line.say("yes")
        await asyncio.sleep(30)

    result, line = hold(World(SCRIPT), customer)
    assert (result.ended_by, result.error) == (EndedBy.BOT, None)
    assert texts(line.spans()) == [GREETING, GREETING, "Will you pay?", "Goodbye."]
    before, after = line.spans()[:2]
    assert after[1] >= 1000 * (1 + hold_s)
    assert abs(before[2] - before[1] + after[2] - after[1] - 2500) <= 40
