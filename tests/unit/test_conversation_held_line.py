"""What the line does to the bot's audio: a customer who holds the call, or is gone before the first word."""

from __future__ import annotations

import asyncio

import pytest

from bot.loopback import LoopbackCall, LoopbackMedia
from bot.outcome import EndedBy, Speaker
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

    async def until_gone(self, call: LoopbackCall, hold_s: float) -> None:
        """Hang up while on hold."""
        self._goes_on.clear()
        await asyncio.sleep(hold_s)
        call.hangup_far()
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


@pytest.mark.parametrize("hold_s", [0, 3])
def test_a_call_that_ends_before_any_audio_has_no_message(hold_s: float, monkeypatch: pytest.MonkeyPatch) -> None:
    async def customer(line: Line) -> None:
        if hold_s:
            await Hold(line.call.media, monkeypatch).until_gone(line.call, hold_s)
        line.call.hangup_far()

    result, line = hold(World(SCRIPT), customer)
    assert line.spans() == []
    assert (result.messages, result.turns, result.answer_to_first_word_ms) == (0, (), None)
    assert (result.ended_by, result.error) == (EndedBy.CUSTOMER, None)


def test_the_first_word_is_when_its_audio_is_taken_and_not_when_it_has_played() -> None:
    async def customer(line: Line) -> None:
        await asyncio.sleep(0.05)
        line.call.hangup_far()

    result, line = hold(World(SCRIPT), customer)
    assert (result.messages, result.answer_to_first_word_ms) == (1, 0)
    assert line.spans()[0][1] == 0


def test_what_is_interrupted_while_the_line_is_held_was_not_said(monkeypatch: pytest.MonkeyPatch) -> None:
    async def customer(line: Line) -> None:
        held = asyncio.create_task(Hold(line.call.media, monkeypatch).last(5))
        await asyncio.sleep(1)
        line.say("hello there what is this", 1500)
        await held
        await asyncio.sleep(60)

    result, line = hold(World(SCRIPT), customer)
    said = [turn for turn in result.turns if turn.speaker is Speaker.BOT]
    assert result.error is None
    assert result.messages == len(said) > 0
    assert " ".join(turn.text for turn in said) == " ".join(texts(line.spans()))
