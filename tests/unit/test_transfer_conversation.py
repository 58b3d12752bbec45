"""Conversations that are put through to a person, in virtual time: every way that can go."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from bot.outcome import EndedBy, OptOut, Speaker
from telephony.outcomes import HangupBy
from telephony.transfer import TransferBy
from tests.support_calls import RATE_HZ, Line, World, hold, run, texts
from tests.support_scripts import script_of
from tests.support_transfer import (
    Office,
    babble,
    channels,
    hold_with,
    likeness,
    office_of,
    recordings_in,
    ringing,
    stays,
    until,
    world_of,
)

SOURCE = """
    script: put_through
    language: LANGUAGE
    variables:
      name: required
    codes:
      AS: {title: Asked for a person, result: ToContinue}
    intents:
      agent: {samples: [let me talk to a person, put me through to a person]}
      agree: {like: "yes", samples: [I will pay]}
    silence: {after_ms: 20000, say: ["Are you there?"], goto: goodbye}
    transfers:
      sales:
        number: "+842873001234"
        ring_s: 10
        whisper: This is {name} about a bill.
    steps:
      greeting:
        - say: Hello this is a bot.
        - listen:
            ask: Will you pay?
            intents: {agent: person, agree: goodbye}
            else: goodbye
      person:
        - code: AS
        - say: One moment please.
        - transfer: TRANSFER
      alone:
        - say: Nobody is free.
        - listen:
            ask: May we call again?
            intents: {agree: goodbye}
            else: goodbye
      goodbye:
        - say: Goodbye.
        - end
"""
WITH_ELSE = SOURCE.replace("TRANSFER\n", "{to: sales, else: alone}\n").replace("LANGUAGE", "en")
SCRIPT = script_of(WITH_ELSE)
WITHOUT_ELSE = WITH_ELSE.replace("{to: sales, else: alone}", "sales")
ASK = "let me talk to a person"
WHISPER = "This is Anna about a bill."


def world(**changes: object) -> World:
    return replace(world_of(SCRIPT), **changes)


async def asks(line: Line) -> None:
    """Asks for a person as soon as the bot listens: heard at 4.5 s, put through at 5.6 s or so."""
    await until(3)
    line.say(ASK)
    await line.call.ended()


def test_customer_and_agent_talk_until_the_agent_hangs_up() -> None:
    subject = world()

    async def agent(line: Line) -> None:
        await asyncio.sleep(4)
        line.say("good day to you")
        await asyncio.sleep(3)
        line.call.hangup_far()

    async def customer(line: Line) -> None:
        await until(3)
        line.say(ASK)
        await until(18)
        line.say("my bill is wrong")
        await line.call.ended()

    office = office_of(subject, behaviour=agent)
    result, line = hold_with(subject, office, customer)
    went = result.transfer
    assert went is not None
    assert (went.target, went.number, went.by) == ("sales", "+842873001234", TransferBy.SECOND_LEG)
    assert [target.ring_s for target in office.dialled] == [10.0]
    assert went.ended_by_agent
    assert (result.ended_by, result.error, result.code) == (EndedBy.BOT, None, "AS")
    said = office.lines[0]
    assert subject.words.read(bytes(said.heard)) == "my bill is wrong"
    assert subject.speaker.words.read(bytes(said.heard)) == WHISPER
    assert subject.words.read(bytes(line.heard)) == "good day to you"
    assert WHISPER not in texts(line.spans())
    # The last word is out before the transfer begins; 6 s of ringing, 1.5 s of whisper, 7 s of talk.
    moment = next(turn for turn in result.turns if turn.text == "One moment please.")
    assert round(office.began_at[0][1] * 1000) >= moment.end_ms
    assert went.asked_ms == moment.end_ms
    assert went.joined_ms is not None
    assert 7400 <= went.joined_ms - went.asked_ms <= 7700
    assert 6980 <= went.agent_ms <= 7020


def test_the_customer_hears_ringing_until_the_agent_has_heard_the_whisper() -> None:
    subject = world()
    office = office_of(subject, rings_s=8.0)

    async def customer(line: Line) -> None:
        await until(3)
        line.say(ASK)
        await until(25)
        line.call.hangup_far()

    result, line = hold_with(subject, office, customer)
    went = result.transfer
    assert went is not None
    assert went.joined_ms is not None
    rang = bytes(line.heard)[went.asked_ms * 16 : went.joined_ms * 16]
    first = rang[: 2 * RATE_HZ * 2]
    assert ringing(first, 440) > 0.45
    assert ringing(first, 480) > 0.45
    assert not any(rang[2100 * 16 : 5900 * 16])
    assert any(rang[6000 * 16 : 7900 * 16])
    assert not any(bytes(line.heard)[went.joined_ms * 16 + 1600 :])
    assert subject.speaker.words.read(bytes(office.lines[0].heard)) == WHISPER
    assert not ringing(bytes(office.lines[0].heard), 440) > 0.1
    assert (went.ended_by_agent, result.ended_by) == (False, EndedBy.CUSTOMER)
    assert asyncio.run(office.lines[0].call.ended()).hangup_by is HangupBy.BOT


@pytest.mark.parametrize("refuses", ["Rang without an answer", "Busy here"])
def test_without_an_agent_the_script_goes_on_with_the_customer(refuses: str) -> None:
    subject = world()
    office = office_of(subject, refuses=refuses)

    async def customer(line: Line) -> None:
        await until(3)
        line.say(ASK)
        await until(15)
        line.say("yes")
        await line.call.ended()

    result, line = hold_with(subject, office, customer)
    assert texts(line.spans())[-3:] == ["Nobody is free.", "May we call again?", "Goodbye."]
    assert result.turns[-2].intent == "agree"
    assert result.transfer is not None
    assert (result.transfer.joined_ms, result.transfer.agent_ms) == (None, 0)
    assert result.transfer.text == refuses
    assert (result.ended_by, result.code, result.error) == (EndedBy.BOT, "AS", None)


def test_after_a_transfer_in_vain_the_customer_can_interrupt_as_before() -> None:
    subject = world()
    office = office_of(subject, refuses="busy")

    async def customer(line: Line) -> None:
        await until(3)
        line.say(ASK)
        await until(11.9)
        line.say("yes please do so")
        await line.call.ended()

    result, _ = hold_with(subject, office, customer)
    free = next(turn for turn in result.turns if turn.text.startswith("Nobody is free."))
    assert free.interrupted
    assert result.turns[-1].text == "Goodbye."


@pytest.mark.parametrize(
    ("language", "last"),
    [
        ("en", "I am sorry, nobody can take your call at the moment. Goodbye."),
        ("vi", "Xin lỗi, hiện chưa có ai nhận được cuộc gọi của quý khách. Xin chào."),
    ],
)
def test_without_else_the_bot_closes_politely(language: str, last: str) -> None:
    source = WITHOUT_ELSE.replace("language: en", f"language: {language}")
    source = source.replace(
        "            intents: {agent: person, agree: goodbye}", "            keys: {'1': person}", 1
    )
    source = source[: source.index("      alone:")] + source[source.index("      goodbye:") :]
    subject = world_of(script_of(source))
    office = office_of(subject, refuses="busy")

    async def customer(line: Line) -> None:
        await until(4)
        await line.call.far.send_dtmf("1")
        await line.call.ended()

    result, line = hold_with(subject, office, customer)
    assert texts(line.spans())[-1] == last
    assert (result.ended_by, result.turns[-1].text) == (EndedBy.BOT, last)


def test_where_calls_cannot_be_transferred_it_is_as_if_nobody_picked_up() -> None:
    result, line = hold(world(), asks)
    assert "Nobody is free." in texts(line.spans())
    assert result.transfer is not None
    assert result.transfer.joined_ms is None
    assert result.transfer.text == "Calls of this trunk cannot be transferred"


def test_a_dialling_that_fails_is_an_agent_who_does_not_pick_up() -> None:
    subject = world()
    office = office_of(subject, raises=RuntimeError("no trunk"))
    result, line = hold_with(subject, office, asks)
    assert "Nobody is free." in texts(line.spans())
    assert result.transfer is not None
    assert result.transfer.text == "RuntimeError: no trunk"
    assert result.error is None


def test_a_dialling_that_never_comes_back_is_given_up() -> None:
    subject = world()
    office = office_of(subject, rings_s=1000.0)
    result, line = hold_with(subject, office, asks)
    assert "Nobody is free." in texts(line.spans())
    assert len(office.called_off_at) == 1
    assert result.transfer is not None
    assert result.transfer.joined_ms is None


def test_a_customer_who_hangs_up_while_it_rings_calls_the_agent_off_at_once() -> None:
    subject = world()
    office = office_of(subject, rings_s=20.0)

    async def customer(line: Line) -> None:
        await until(3)
        line.say(ASK)
        await until(10)
        line.call.hangup_far()

    result, _ = hold_with(subject, office, customer)
    assert office.called_off_at == [10.0]
    assert result.ended_by is EndedBy.CUSTOMER
    assert result.transfer is not None
    assert result.transfer.joined_ms is None


def test_a_customer_who_hangs_up_during_the_whisper_frees_the_agent() -> None:
    subject = world()
    office = office_of(subject)

    async def customer(line: Line) -> None:
        await until(3)
        line.say(ASK)
        await office.picked_up.wait()
        await asyncio.sleep(0.5)
        line.call.hangup_far()

    result, _ = hold_with(subject, office, customer)
    assert result.transfer is not None
    assert result.transfer.joined_ms is None
    assert 300 <= result.transfer.agent_ms <= 800
    assert not result.transfer.ended_by_agent


def test_an_agent_who_hangs_up_during_the_whisper_was_not_joined() -> None:
    subject = world()

    async def agent(line: Line) -> None:
        await asyncio.sleep(0.7)
        line.call.hangup_far()

    office = office_of(subject, behaviour=agent)
    result, line = hold_with(subject, office, asks)
    assert "Nobody is free." in texts(line.spans())
    assert result.transfer is not None
    assert (result.transfer.joined_ms, result.transfer.ended_by_agent) == (None, False)
    assert 680 <= result.transfer.agent_ms <= 720


def test_a_voice_that_cannot_whisper_does_not_lose_the_agent() -> None:
    subject = world()
    subject.speaker.fails = [WHISPER]
    office = office_of(subject)

    async def customer(line: Line) -> None:
        await until(3)
        line.say(ASK)
        await until(20)
        line.call.hangup_far()

    result, _ = hold_with(subject, office, customer)
    assert result.transfer is not None
    assert result.transfer.joined_ms is not None
    assert result.error is None


@pytest.mark.parametrize(
    "request_", ["put me through to a person at plus eight four nine zero zero", "put me through to +84999999999"]
)
def test_what_the_customer_says_never_chooses_the_number(request_: str) -> None:
    subject = world(variables={"name": "+84999999999"})
    office = office_of(subject)

    async def customer(line: Line) -> None:
        await until(3)
        line.say("put me through to a person " + request_)
        await until(15)
        await line.call.far.send_dtmf("84999999999")
        await until(25)
        line.call.hangup_far()

    result, _ = hold_with(subject, office, customer)
    assert [target.number for target in office.dialled] == ["+842873001234"]
    assert result.transfer is not None
    assert result.transfer.number == "+842873001234"


def test_words_said_into_the_ringing_are_written_down_and_not_answered() -> None:
    subject = world()
    office = office_of(subject, refuses="busy", rings_s=12.0)

    async def customer(line: Line) -> None:
        await until(3)
        line.say(ASK)
        await until(8)
        line.say("yes")
        await line.call.far.send_dtmf("1")
        await until(20.5)
        line.say("yes")
        await line.call.ended()

    result, line = hold_with(subject, office, customer)
    said = [(turn.text, turn.intent) for turn in result.turns if turn.speaker is Speaker.CUSTOMER]
    assert said == [(ASK, "agent"), ("yes", None), ("yes", "agree")]
    assert texts(line.spans())[-1] == "Goodbye."


def test_an_opt_out_said_into_the_ringing_counts_and_calls_the_agent_off() -> None:
    subject = world()
    office = office_of(subject, rings_s=20.0)

    async def customer(line: Line) -> None:
        await until(3)
        line.say(ASK)
        await until(8)
        line.say("please stop calling me")
        await line.call.ended()

    result, line = hold_with(subject, office, customer)
    assert [evidence for evidence, _ in subject.opt_outs] == ["please stop calling me"]
    assert len(office.called_off_at) == 1
    assert result.code == "DNC"
    assert line.spans()[-1][0].endswith("Goodbye.")


def test_no_agent_picks_up_while_an_opt_out_is_being_committed() -> None:
    subject = world()
    office = office_of(subject, rings_s=8.0)

    async def slow(opt_out: OptOut) -> None:
        await asyncio.sleep(4)
        await subject._opted_out(opt_out)

    subject.on_opt_out = slow

    async def customer(line: Line) -> None:
        await until(3)
        line.say(ASK)
        await until(9)
        line.say("please stop calling me")
        await line.call.ended()

    result, _ = hold_with(subject, office, customer)
    assert (result.code, result.opted_out) == ("DNC", True)
    assert result.transfer is not None
    assert result.transfer.joined_ms is None
    assert len(office.called_off_at) == 1


def test_a_customer_who_goes_on_and_means_something_else_is_not_put_through() -> None:
    """Without a line before the transfer it rings before the turn is sure to be over."""
    source = WITH_ELSE.replace("        - say: One moment please.\n", "")
    subject = world_of(script_of(source))
    office = office_of(subject, rings_s=20.0)

    async def customer(line: Line) -> None:
        await until(3)
        line.say(ASK)
        await asyncio.sleep(1.5 + 0.55)
        line.say("please stop calling me")
        await line.call.ended()

    result, _ = hold_with(subject, office, customer)
    assert result.opted_out
    assert len(office.dialled) == len(office.called_off_at) == 1
    assert result.transfer is not None
    assert result.transfer.joined_ms is None


def test_who_answered_is_not_judged_by_what_is_said_to_an_agent() -> None:
    subject = world()
    office = office_of(subject)

    async def customer(line: Line) -> None:
        await until(3)
        line.say(ASK)
        await until(8)
        line.say(MACHINE)
        await until(20)
        line.say(MACHINE)
        await until(26)
        line.call.hangup_far()

    result, _ = hold_with(subject, office, customer)
    assert not result.voicemail
    assert result.transfer is not None
    assert result.transfer.joined_ms is not None
    assert subject.words.read(bytes(office.lines[0].heard)) == MACHINE


MACHINE = "you have reached the voicemail of Anna please leave a message after the tone"
AT_ONCE = world_of(
    script_of(
        """
        script: at_once
        transfers:
          sales: {number: "+842873001234"}
        steps:
          greeting:
            - say: Good day to you, we put you through to a person who knows about it all right now.
            - transfer: sales
        """
    )
)


def test_a_machine_that_takes_the_call_is_not_put_through() -> None:
    subject = replace(AT_ONCE)
    office = office_of(subject)

    async def customer(line: Line) -> None:
        line.say(MACHINE)
        await line.call.ended()

    result, _ = hold_with(subject, office, customer)
    assert result.voicemail
    assert office.dialled == []
    assert result.transfer is None


def test_the_words_before_a_transfer_are_said_to_the_end_whatever_the_customer_says() -> None:
    subject = replace(AT_ONCE)
    office = office_of(subject)

    async def customer(line: Line) -> None:
        await until(1)
        line.say("who is this and what is it about")
        await until(20)
        line.call.hangup_far()

    result, line = hold_with(subject, office, customer)
    ((_, begin_ms, end_ms), *_) = line.spans()
    assert end_ms - begin_ms >= 17 * 250
    assert result.transfer is not None
    assert result.transfer.asked_ms >= end_ms
    assert result.transfer.joined_ms is not None
    assert len(office.dialled) == 1


def test_a_customer_who_says_the_same_on_and_on_is_put_through_once() -> None:
    subject = world_of(script_of(WITH_ELSE.replace("        - say: One moment please.\n", "")))
    office = office_of(subject)

    async def customer(line: Line) -> None:
        await until(3)
        line.say(ASK)
        await asyncio.sleep(1.5 + 0.55)
        line.say(ASK)
        await until(20)
        line.call.hangup_far()

    result, _ = hold_with(subject, office, customer)
    assert (len(office.dialled), office.called_off_at) == (1, [])
    assert result.transfer is not None
    assert result.transfer.joined_ms is not None


def test_keys_of_the_customer_are_passed_on_to_the_agent() -> None:
    subject = world()
    office = office_of(subject)

    async def customer(line: Line) -> None:
        await until(3)
        line.say(ASK)
        await until(8)
        await line.call.far.send_dtmf("9")
        await until(20)
        await line.call.far.send_dtmf("42#")
        await until(22)
        line.call.hangup_far()

    hold_with(subject, office, customer)
    assert office.lines[0].call.media.keys == ["4", "2", "#"]


def test_the_longest_call_counts_until_the_transfer_is_joined() -> None:
    subject = world(max_call_s=20.0)
    office = office_of(subject)

    async def customer(line: Line) -> None:
        await until(3)
        line.say(ASK)
        await until(60)
        line.call.hangup_far()

    result, line = hold_with(subject, office, customer)
    assert result.ended_by is EndedBy.CUSTOMER
    assert result.transfer is not None
    assert not result.transfer.ended_by_agent
    assert "I am sorry, I have to end our call now. Goodbye." not in texts(line.spans())


def test_a_call_that_is_too_long_before_the_agent_picks_up_ends() -> None:
    subject = world(max_call_s=10.0)
    office = office_of(subject, rings_s=20.0)
    result, line = hold_with(subject, office, asks)
    assert result.ended_by is EndedBy.MAX_DURATION
    assert texts(line.spans())[-1] == "I am sorry, I have to end our call now. Goodbye."
    assert office.called_off_at == [10.0]


def test_the_longest_transfer_ends_both_legs() -> None:
    subject = world(max_transfer_s=60.0)
    office = office_of(subject)
    result, _ = hold_with(subject, office, asks)
    assert result.ended_by is EndedBy.MAX_DURATION
    assert result.transfer is not None
    assert not result.transfer.ended_by_agent
    assert 61000 <= result.transfer.agent_ms <= 62500


def test_two_transfers_in_one_call_leave_the_last() -> None:
    source = WITH_ELSE.replace("            intents: {agree: goodbye}", "            intents: {agree: person}")
    source = source.replace("silence: {after_ms: 20000", "silence: {after_ms: 3000")
    subject = world_of(script_of(source))
    office = office_of(subject, refuses="busy", rings_s=2.0)

    async def customer(line: Line) -> None:
        await until(3)
        line.say(ASK)
        await until(11)
        line.say("yes")
        await until(14)
        office.refuses = None
        await until(30)
        line.call.hangup_far()

    result, _ = hold_with(subject, office, customer)
    assert len(office.dialled) == 2
    assert result.transfer is not None
    assert result.transfer.joined_ms is not None
    assert result.transfer.asked_ms > 11000


def test_the_recording_holds_ringing_and_both_sides(tmp_path: Path) -> None:
    subject = world(recordings=recordings_in(tmp_path))

    async def agent(line: Line) -> None:
        await asyncio.sleep(4)
        line.say("good day to you")
        await stays(line)

    office = office_of(subject, behaviour=agent)

    async def customer(line: Line) -> None:
        await until(3)
        line.say(ASK)
        await until(20)
        line.say("my bill is wrong")
        await until(24)
        line.call.hangup_far()

    result, line = hold_with(subject, office, customer)
    left, right = channels(tmp_path, result)
    assert result.recording is not None
    assert abs(result.recording.duration_ms - 24000) <= 40
    assert subject.words.read(left.tobytes()) == f"{ASK} my bill is wrong"
    assert subject.words.read(right.tobytes()) == "good day to you"
    assert subject.speaker.words.read(right.tobytes()).endswith("One moment please.")
    assert WHISPER not in subject.speaker.words.read(right.tobytes())
    # What is recorded of the bot's side stands where the customer heard it.
    shared = min(right.size, len(line.heard) // 2)
    assert np.mean(right[:shared] == np.frombuffer(bytes(line.heard), "<i2")[:shared]) > 0.98


@pytest.mark.parametrize("agent_hz", [16000, 8000])
def test_both_are_heard_and_recorded_whatever_the_rate_of_the_agents_leg(tmp_path: Path, agent_hz: int) -> None:
    subject = world(recordings=recordings_in(tmp_path))

    async def agent(line: Line) -> None:
        await asyncio.sleep(3)
        line.call.far.say(babble(2, 3000, agent_hz).tobytes())
        await stays(line)

    office = office_of(subject, behaviour=agent, rate_hz=agent_hz)
    say_at_s = 19

    async def customer(line: Line) -> None:
        await until(3)
        line.say(ASK)
        await until(say_at_s)
        line.call.far.say(babble(1, 3000, RATE_HZ).tobytes())
        await until(say_at_s + 4)
        line.call.hangup_far()

    result, line = hold_with(subject, office, customer)
    assert result.transfer is not None
    joined_ms, asked_ms = result.transfer.joined_ms, result.transfer.asked_ms
    assert joined_ms is not None
    by_agent = np.frombuffer(bytes(office.lines[0].heard), "<i2")
    picked_up_ms = asked_ms + 6000
    left, right = channels(tmp_path, result)
    by_customer = np.frombuffer(bytes(line.heard), "<i2")
    # From where each began to speak, at most 300 ms later.
    spoke = (say_at_s * 1000 - picked_up_ms) * agent_hz // 1000
    assert likeness(by_agent[spoke:], babble(1, 3000, agent_hz), 300, agent_hz) > 0.97
    answered = (picked_up_ms + 3000) * RATE_HZ // 1000
    for heard in (by_customer, right):
        assert likeness(heard[answered:], babble(2, 3000, RATE_HZ), 300, RATE_HZ) > 0.97
    assert likeness(left[say_at_s * RATE_HZ :], babble(1, 3000, RATE_HZ), 100, RATE_HZ) > 0.99
    assert likeness(left[answered:], babble(2, 3000, RATE_HZ), 300, RATE_HZ) < 0.3
    assert likeness(right[say_at_s * RATE_HZ :], babble(1, 3000, RATE_HZ), 300, RATE_HZ) < 0.3


@pytest.mark.parametrize("at_s", [3.0, 5.0, 5.8, 8.0, 11.6, 12.0, 12.6, 13.2, 13.5, 20.0])
def test_cancelling_at_any_moment_leaves_no_leg_and_a_true_recording(tmp_path: Path, at_s: float) -> None:
    subject = world(recordings=recordings_in(tmp_path))
    office = office_of(subject)

    async def main() -> None:
        holding = asyncio.create_task(subject.call(asks))
        await until(at_s)
        holding.cancel()
        with pytest.raises(asyncio.CancelledError):
            await holding
        assert subject.line is not None
        assert (await subject.line.call.ended()).hangup_by is HangupBy.BOT
        await office.closed()

    run(main())
    assert len(office.dialled) - len(office.called_off_at) == len(office.lines)
    file = next(tmp_path.rglob("*.wav"))
    assert abs((file.stat().st_size - 44) / 4 / RATE_HZ - at_s) < 0.05


def test_an_office_is_an_agents_port() -> None:
    """Fails to type-check rather than to run."""
    from bot.outcome import Agents

    subject = world()
    agents: Agents = Office(subject.words, subject.speaker.words)
    assert agents
