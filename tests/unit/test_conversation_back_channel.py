"""What customers say into the bot's words: it falls silent for every voice, and goes on after one that only listens."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from math import log

import numpy as np
import pytest

from bot.outcome import Speaker
from bot.playing import Held
from bot.speech.listening import Heard
from tests.support_calls import RATE_HZ, CodedListener, Line, World, hold, texts
from tests.support_scripts import script_of

SCRIPT = script_of(
    """
    script: terms
    codes:
      AG: {title: Agrees, result: Completed}
    intents:
      agree: {like: "yes", samples: [I will pay]}
    silence: {after_ms: 4000, say: ["Are you there?"], goto: goodbye}
    steps:
      terms:
        - say: Here is a line of many more words than ten. And another one of so many words.
        - listen:
            ask: Do you agree with all of it?
            intents: {agree: agreed}
            reprompt: Sorry?
            else: goodbye
      agreed:
        - code: AG
        - say: Thank you.
        - goto: statement
      statement:
        - say: Now tell me about yourself in your own words.
        - listen: {intents: {agree: goodbye}, else: goodbye}
      goodbye:
        - say: Goodbye.
        - end
    """
)
FIRST = "Here is a line of many more words than ten."
SECOND = "And another one of so many words."
QUESTION = "Do you agree with all of it?"
#: How long the bot is silent for a word of 250 ms, from its begin: 100 ms pass before a voice counts.
SHORT_MS = 900


class Doubting(CodedListener):
    """Hears coded words with little confidence."""

    confidence: float

    async def transcribe(self, pcm: bytes, rate_hz: int) -> Heard:
        return replace(await super().transcribe(pcm, rate_hz), score=log(self.confidence))


async def until(at_s: float) -> None:
    await asyncio.sleep(at_s - asyncio.get_running_loop().time())


@pytest.mark.parametrize("said", ["uh-huh", "yeah", "mm okay"])
def test_the_bot_goes_on_where_it_was_after_a_back_channel(said: str) -> None:
    async def customer(line: Line) -> None:
        await until(1.8)
        line.say(said)
        await until(9)
        line.call.hangup_far()

    result, line = hold(World(SCRIPT), customer)
    before, after, second = line.spans()[:3]
    assert (before[0], after[0], second[0]) == (FIRST, FIRST, SECOND)
    assert 1800 <= before[2] <= 2000
    assert after[1] - before[2] <= SHORT_MS + 250 * (len(said.split()) - 1)
    whole_ms = 250 * len(FIRST.split())
    heard_ms = before[2] - before[1] + after[2] - after[1]
    assert abs(heard_ms - whole_ms) <= 1, "not a sample is lost or said twice"
    (customer_turn,) = [turn for turn in result.turns if turn.speaker is Speaker.CUSTOMER]
    assert customer_turn.text == said
    bot_turn = result.turns[0]
    assert not bot_turn.interrupted
    assert bot_turn.barge_in_stop_ms is None
    assert bot_turn.text == f"{FIRST} {SECOND} {QUESTION}"


@pytest.mark.parametrize(("confidence", "goes_on"), [(0.1, True), (0.6, False)])
def test_a_hum_that_recognition_makes_a_word_of_does_not_stop_the_bot(confidence: float, goes_on: bool) -> None:
    async def customer(line: Line) -> None:
        await until(1.8)
        line.say("amen", 300)
        await until(9)
        line.call.hangup_far()

    subject = World(SCRIPT)
    subject.listener = Doubting(subject.words)
    subject.listener.confidence = confidence
    result, line = hold(subject, customer)
    assert texts(line.spans())[:2] == ([FIRST, FIRST] if goes_on else [FIRST, "Sorry?"])
    assert result.turns[0].interrupted is not goes_on


def test_the_same_word_into_a_question_answers_it() -> None:
    async def customer(line: Line) -> None:
        await until(5.2)
        line.say("yeah")
        await until(60)

    result, line = hold(World(SCRIPT), customer)
    assert texts(line.spans())[:4] == [FIRST, SECOND, QUESTION, "Thank you."]
    assert result.code == "AG"
    assert result.turns[0].interrupted


@pytest.mark.parametrize(("said", "goes_on"), [("mm", True), ("yeah", False)])
def test_into_the_last_words_before_an_answer_a_yes_answers_and_a_hum_does_not(said: str, goes_on: bool) -> None:
    async def customer(line: Line) -> None:
        await until(7)
        line.say("yes I will pay")
        await until(10.5)
        line.say(said)
        await until(13)
        line.call.hangup_far()

    _, line = hold(World(SCRIPT), customer)
    statement = [span for span in line.spans() if span[0].startswith("Now tell me")]
    assert (len(statement) == 2) is goes_on
    assert ("Goodbye." in texts(line.spans())) is not goes_on


def test_a_back_channel_that_becomes_an_answer_stops_the_bot() -> None:
    async def customer(line: Line) -> None:
        await until(1.8)
        line.say("yeah")
        await until(2.2)
        line.say("I will pay")
        await until(60)

    result, line = hold(World(SCRIPT), customer)
    assert texts(line.spans())[:2] == [FIRST, "Thank you."]
    assert result.code == "AG"
    assert result.turns[0].interrupted
    assert result.turns[0].barge_in_stop_ms is not None
    assert result.turns[0].barge_in_stop_ms <= 200


def test_who_goes_on_after_the_bot_has_gone_on_stops_it_again() -> None:
    async def customer(line: Line) -> None:
        await until(1.0)
        line.say("uh-huh")
        await until(1.9)
        line.say("yes I will pay")
        await until(60)

    result, line = hold(World(SCRIPT), customer)
    assert result.code == "AG"
    assert texts(line.spans())[-2:] == ["Thank you.", "Goodbye."] or "Thank you." in texts(line.spans())


def test_a_key_pressed_while_the_bot_is_held_and_a_hang_up_leave_nothing_behind() -> None:
    async def customer(line: Line) -> None:
        await until(1.8)
        line.say("uh-huh")
        await until(1.95)
        await line.call.far.send_dtmf("9")
        await until(2.0)
        line.call.hangup_far()

    result, _ = hold(World(SCRIPT), customer)
    assert result.turns[0].end_ms <= 2000


def test_a_noise_holds_the_bot_for_a_moment_only() -> None:
    async def customer(line: Line) -> None:
        await until(1.8)
        line.noise(300)
        await until(9)
        line.call.hangup_far()

    result, line = hold(World(SCRIPT), customer)
    before, after = line.spans()[:2]
    assert (before[0], after[0]) == (FIRST, FIRST)
    assert before[2] - before[1] + after[2] - after[1] == 250 * len(FIRST.split())
    assert not result.turns[0].interrupted


def _tone(ms: int, level: int) -> bytes:
    return np.resize(np.array([level, -level], "<i2"), ms * RATE_HZ // 1000).tobytes()


async def test_the_bot_goes_on_with_the_whole_word_that_was_cut() -> None:
    held = Held(RATE_HZ)
    words = _tone(300, 4000) + _tone(60, 20) + _tone(200, 4000)
    held.wrote(words)
    held.hold(100)
    held.release()
    rest = held.take()
    assert rest == words[-len(rest) :]
    # The word began 200 ms before the end of what was written; the gap before it is at most 60 ms.
    assert 200 <= len(rest) // 16 <= 220
    assert not held.holds


async def test_without_a_gap_near_the_bot_goes_on_to_the_sample() -> None:
    held = Held(RATE_HZ)
    held.wrote(_tone(900, 4000))
    held.hold(100)
    assert held.holds
    held.release()
    assert len(held.take()) == 100 * 16
    held.wrote(_tone(50, 4000))
    held.hold(500)
    assert len(held.take()) == 50 * 16
    held.drop()
    assert not held.holds
    assert held.take() == b""
