"""Whole conversations in virtual time, by the real pipeline, script and turn taking: what the customer hears counts."""

from __future__ import annotations

import asyncio

import pytest

from bot.outcome import EndedBy, Speaker
from tests.support_calls import CodedListener, Line, World, hold, texts
from tests.support_scripts import script_of

SCRIPT = script_of(
    """
    script: talk
    variables:
      name: required
    codes:
      AG: {title: Agrees, result: Completed}
      NO: {title: Refuses, result: Completed}
    intents:
      agree: {like: "yes", samples: [I will pay]}
      refuse: {like: "no", samples: [I will not pay]}
    silence: {after_ms: 4000, say: ["Are you there?"], goto: goodbye}
    steps:
      greeting:
        - say: Hello {name} this is a long greeting of many words.
        - listen:
            ask: Will you pay?
            intents: {agree: agreed, refuse: refused}
            keys: {"1": agreed}
            reprompt: Sorry?
            else: goodbye
      agreed:
        - code: AG
        - say: Thank you.
        - goto: goodbye
      refused:
        - code: "NO"
        - say:
            text: This must be heard by law in every call.
            interruptible: false
        - say: You may still ask us something about it.
        - listen:
            ask: Anything else?
            intents: {agree: agreed, refuse: goodbye}
            else: goodbye
      goodbye:
        - say: Goodbye.
        - end
    """
)
GREETING = "Hello Anna this is a long greeting of many words."


def world(**changes: object) -> World:
    return World(SCRIPT, **changes)  # type: ignore[arg-type]


async def until(at_s: float) -> None:
    await asyncio.sleep(at_s - asyncio.get_running_loop().time())


def test_greeting_begins_with_the_answer() -> None:
    async def customer(line: Line) -> None:
        await until(1)
        line.call.hangup_far()

    result, line = hold(world(), customer)
    assert line.spans()[0][1] <= 100
    assert result.answer_to_first_word_ms is not None
    assert abs(line.spans()[0][1] - result.answer_to_first_word_ms) <= 20


def test_an_answer_is_understood_and_the_last_word_is_heard_before_the_bot_hangs_up() -> None:
    async def customer(line: Line) -> None:
        await until(6)
        line.say("yes I will pay")
        await until(60)

    result, line = hold(world(), customer)
    assert (result.ended_by, result.code, result.messages) == (EndedBy.BOT, "AG", 2)
    assert texts(line.spans()) == [GREETING, "Will you pay?", "Thank you.", "Goodbye."]
    last = line.spans()[-1]
    assert last[2] - last[1] == 250
    assert len(line.heard) // 16 - last[2] < 200


def test_turns_carry_times_steps_intents_and_waits() -> None:
    async def customer(line: Line) -> None:
        await until(6)
        line.say("yes I will pay")
        await until(60)

    result, line = hold(world(), customer)
    greeting, answer, thanks = result.turns
    assert (greeting.speaker, greeting.step, greeting.text) == (Speaker.BOT, "greeting", f"{GREETING} Will you pay?")
    assert (answer.step, answer.text, answer.intent) == ("greeting", "yes I will pay", "agree")
    assert answer.stt_ms == 150
    assert abs(answer.start_ms - 6000) <= 60
    assert abs(answer.end_ms - 7000) <= 60
    heard_ms = line.spans()[2][1]
    assert thanks.voice_to_voice_ms is not None
    assert abs(thanks.voice_to_voice_ms - (heard_ms - 7000)) <= 60


def test_the_reply_waits_for_no_more_than_the_silence_that_ends_a_turn() -> None:
    async def customer(line: Line) -> None:
        await until(6)
        line.say("yes I will pay")
        await until(60)

    result, _ = hold(world(), customer)
    waited = result.turns[2].voice_to_voice_ms
    assert waited is not None
    assert 230 <= waited <= 300


def test_talking_over_the_bot_stops_it_at_once() -> None:
    async def customer(line: Line) -> None:
        await until(2)
        line.say("yes I will pay")
        await until(60)

    result, line = hold(world(), customer)
    first, second = line.spans()[:2]
    assert first[0] == GREETING
    assert 2040 <= first[2] <= 2200
    assert second[0] == "Thank you."
    assert result.turns[0].interrupted
    assert result.turns[0].text == GREETING
    assert result.turns[0].barge_in_stop_ms is not None
    assert abs(result.turns[0].barge_in_stop_ms - (first[2] - 2000)) <= 60
    assert result.messages == 2


def test_an_interrupted_turn_counts_once_and_a_turn_of_several_sentences_too() -> None:
    async def customer(line: Line) -> None:
        await until(2)
        line.say("blue elephants")
        await until(6)
        line.say("yes")
        await until(60)

    result, line = hold(world(), customer)
    assert texts(line.spans()) == [GREETING, "Sorry?", "Thank you.", "Goodbye."]
    assert result.messages == 3
    assert result.messages == sum(turn.speaker is Speaker.BOT for turn in result.turns)


def test_a_line_that_must_be_heard_goes_on_and_the_rest_of_its_turn_does_not() -> None:
    async def customer(line: Line) -> None:
        await until(6)
        line.say("no")
        await until(7.5)
        line.say("yes")
        await until(60)

    result, line = hold(world(), customer)
    said = line.spans()
    law = next(span for span in said if span[0].startswith("This must"))
    assert law[2] - law[1] == 250 * 9
    assert "You may still ask us something about it." not in texts(said)
    assert result.code == "AG"
    assert next(turn for turn in result.turns if turn.step == "refused").interrupted


def test_a_hello_at_pick_up_neither_stops_the_greeting_nor_counts_as_an_answer() -> None:
    async def customer(line: Line) -> None:
        await until(0.5)
        line.say("hello")
        await until(60)

    result, line = hold(world(), customer)
    assert texts(line.spans())[:3] == [GREETING, "Will you pay?", "Are you there?"]
    assert line.spans()[0][2] - line.spans()[0][1] == 250 * 10
    assert [turn.text for turn in result.turns if turn.speaker is Speaker.CUSTOMER] == ["hello"]


def test_more_than_a_hello_at_pick_up_stops_the_greeting() -> None:
    async def customer(line: Line) -> None:
        await until(0.5)
        line.say("yes I will pay on Friday")
        await until(60)

    result, line = hold(world(), customer)
    assert line.spans()[0][2] <= 1300
    assert result.code == "AG"


def test_a_short_answer_at_pick_up_is_taken_when_it_ends() -> None:
    async def customer(line: Line) -> None:
        await until(0.5)
        line.say("no")
        await until(60)

    result, line = hold(world(), customer)
    assert line.spans()[0][2] <= 1200
    assert texts(line.spans())[1].startswith("This must be heard")
    assert result.code == "NO"


def test_silence_is_counted_from_the_last_word_heard() -> None:
    async def customer(line: Line) -> None:
        await until(60)

    result, line = hold(world(), customer)
    question, prompt, goodbye = line.spans()[1:4]
    assert abs(prompt[1] - question[2] - 4000) <= 60
    assert abs(goodbye[1] - prompt[2] - 4000) <= 60
    assert not result.customer_spoke
    assert result.ended_by is EndedBy.BOT


def test_a_noise_that_holds_no_words_only_pauses_the_bot() -> None:
    async def customer(line: Line) -> None:
        await until(2)
        line.noise(300)
        await until(12)
        line.call.hangup_far()

    result, line = hold(world(), customer)
    assert texts(line.spans())[:3] == [GREETING, GREETING, "Will you pay?"]
    assert result.messages == 2 - 1 + sum(turn.text == "Are you there?" for turn in result.turns)
    assert not result.customer_spoke
    assert not result.turns[0].interrupted


def test_who_goes_on_after_a_short_pause_is_answered_as_a_whole() -> None:
    async def customer(line: Line) -> None:
        await until(6)
        line.say("yes")
        await until(6.7)
        line.say("but not today I will not pay")
        await until(30)

    result, _ = hold(world(), customer)
    said = [turn.text for turn in result.turns if turn.speaker is Speaker.CUSTOMER]
    assert said[0] == "yes but not today I will not pay"
    assert result.code != "AG"


def test_a_hello_that_goes_on_is_answered_as_a_whole() -> None:
    async def customer(line: Line) -> None:
        await until(0.3)
        line.say("hello")
        await until(1.1)
        line.say("yes I will pay")
        await until(60)

    result, _ = hold(world(), customer)
    said = [turn.text for turn in result.turns if turn.speaker is Speaker.CUSTOMER]
    assert said == ["hello yes I will pay"]
    assert result.code == "AG"


def test_recognition_is_begun_at_the_pause_and_dropped_when_the_customer_goes_on() -> None:
    async def customer(line: Line) -> None:
        await until(6)
        line.say("yes")
        await until(6.25 + 0.15)
        line.say("I will pay")
        await until(60)

    subject = world()
    subject.listener = CodedListener(subject.words)
    result, _ = hold(subject, customer)
    said = [turn.text for turn in result.turns if turn.speaker is Speaker.CUSTOMER]
    assert said == ["yes I will pay"]
    assert subject.listener.asked == 2


def test_keys_answer_and_stop_the_bot() -> None:
    async def customer(line: Line) -> None:
        await until(1)
        await line.call.far.send_dtmf("1")
        await until(60)

    result, line = hold(world(), customer)
    assert line.spans()[0][2] <= 1100
    assert result.code == "AG"
    assert result.customer_spoke
    assert [turn.text for turn in result.turns if turn.speaker is Speaker.CUSTOMER] == ["1"]


@pytest.mark.parametrize("uncached", ["Thank you", "Goodbye", "Hello"])
def test_lines_that_are_not_cached_are_rendered_in_the_call(uncached: str) -> None:
    async def customer(line: Line) -> None:
        await until(7)
        line.say("yes")
        await until(60)

    subject = world()
    subject.speaker.uncached = [uncached]
    result, line = hold(subject, customer)
    assert texts(line.spans()) == [GREETING, "Will you pay?", "Thank you.", "Goodbye."]
    assert result.messages == 2
