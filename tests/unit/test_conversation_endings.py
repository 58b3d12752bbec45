"""How conversations end, in virtual time: hang-ups, opt-outs, machines, errors, the longest time."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from bot.loopback import LoopbackCall
from bot.outcome import ConversationResult, EndedBy, OptOut, Speaker
from bot.speech.errors import PoolFull
from telephony.call import CallEnd
from telephony.outcomes import HangupBy
from tests.support_calls import START, CodedListener, Line, LoopClock, World, hold, run, texts
from tests.support_scripts import script_of

SCRIPT = script_of(
    """
    script: endings
    variables:
      name: required
    codes:
      AG: {title: Agrees, result: Completed}
    intents:
      agree: {like: "yes", samples: [I will pay]}
    silence: {after_ms: 4000, say: ["Are you there?"], goto: goodbye}
    steps:
      greeting:
        - say: Hello {name} this is a greeting of many words for you.
        - listen:
            ask: Will you pay?
            intents: {agree: agreed}
            reprompt: Sorry?
            else: goodbye
      agreed:
        - code: AG
        - say: Thank you.
        - goto: goodbye
      goodbye:
        - say: Goodbye and many thanks for your time.
        - end
    """
)
OPT_OUT = "please stop calling me"
SORRY = "I am sorry, we have a technical problem. Goodbye."


def world(**changes: object) -> World:
    return World(SCRIPT, **changes)  # type: ignore[arg-type]


async def until(at_s: float) -> None:
    await asyncio.sleep(at_s - asyncio.get_running_loop().time())


async def says_opt_out(line: Line) -> None:
    await until(6)
    line.say(OPT_OUT)
    await until(60)


def test_an_opt_out_is_committed_before_the_next_word() -> None:
    committed: list[float] = []

    async def slowly(_: OptOut) -> None:
        await asyncio.sleep(3)
        committed.append(asyncio.get_running_loop().time())

    result, line = hold(world(on_opt_out=slowly), says_opt_out)
    next_word = line.spans()[2]
    assert next_word[1] >= committed[0] * 1000
    assert next_word[0].startswith("I am sorry for the trouble")
    assert (result.opted_out, result.code, result.ended_by) == (True, "DNC", EndedBy.BOT)


def test_an_opt_out_that_cannot_be_committed_is_answered_by_no_word() -> None:
    async def broken(_: OptOut) -> None:
        raise OSError("the database is gone")

    result, line = hold(world(on_opt_out=broken), says_opt_out)
    assert len(line.spans()) == 2
    assert (result.opted_out, result.ended_by, result.code) == (True, EndedBy.ERROR, "DNC")
    assert result.error == "OSError: the database is gone"


def test_an_opt_out_is_committed_although_the_customer_hangs_up_meanwhile() -> None:
    committed: list[float] = []

    async def slowly(_: OptOut) -> None:
        await asyncio.sleep(2)
        committed.append(asyncio.get_running_loop().time())

    async def customer(line: Line) -> None:
        await until(6)
        line.say(OPT_OUT)
        await until(8)
        line.call.hangup_far()

    result, _ = hold(world(on_opt_out=slowly), customer)
    assert committed
    assert (result.opted_out, result.ended_by) == (True, EndedBy.CUSTOMER)


def test_an_opt_out_that_is_never_committed_keeps_neither_the_line_nor_the_result() -> None:
    async def never(_: OptOut) -> None:
        await asyncio.Event().wait()

    async def main() -> tuple[float, CallEnd, ConversationResult]:
        result = await subject.call(says_opt_out)
        assert subject.line is not None
        return asyncio.get_running_loop().time(), await subject.line.call.ended(), result

    subject = world(on_opt_out=never)
    over_s, end, result = run(main())
    assert (end.ended_at - START).total_seconds() < 6 + 1 + 0.5 + 5.1
    assert over_s < 24
    assert subject.line is not None
    assert len(subject.line.spans()) == 2
    assert (result.opted_out, result.code, result.ended_by) == (True, "DNC", EndedBy.BOT)


@pytest.mark.parametrize("broken", [False, True])
def test_an_opt_out_that_is_committed_late_ends_the_call_without_a_word(broken: bool) -> None:
    committed: list[float] = []

    async def late(_: OptOut) -> None:
        await asyncio.sleep(8)
        if broken:
            raise OSError("the database is gone")
        committed.append(asyncio.get_running_loop().time())

    result, line = hold(world(on_opt_out=late), says_opt_out)
    assert len(line.spans()) == 2
    assert len(line.heard) // 16 < 12_700
    assert len(committed) == (not broken)
    assert (result.opted_out, result.ended_by) == (True, EndedBy.BOT)


def test_after_a_committed_opt_out_a_failing_voice_is_apologised_for() -> None:
    subject = world()
    subject.speaker.fails = ["We will not call you again"]
    result, line = hold(subject, says_opt_out)
    assert texts(line.spans())[-1] == SORRY
    assert (result.opted_out, result.ended_by) == (True, EndedBy.ERROR)


def test_what_is_said_over_the_goodbye_still_counts() -> None:
    async def customer(line: Line) -> None:
        await until(6)
        line.say("yes")
        await until(7.4)
        line.say(OPT_OUT)
        await until(60)

    subject = world()
    result, line = hold(subject, customer)
    assert [evidence for evidence, _ in subject.opt_outs] == [OPT_OUT]
    assert (result.code, result.opted_out) == ("DNC", True)
    assert texts(line.spans())[-1].startswith("Goodbye") or "not call you again" in texts(line.spans())[-2]


def test_who_says_stop_and_hangs_up_at_once_has_opted_out() -> None:
    async def customer(line: Line) -> None:
        await until(6)
        line.say(OPT_OUT)
        await until(7.05)
        line.call.hangup_far()

    subject = world()
    result, _ = hold(subject, customer)
    assert [evidence for evidence, _ in subject.opt_outs] == [OPT_OUT]
    assert (result.opted_out, result.code, result.ended_by) == (True, "DNC", EndedBy.CUSTOMER)
    assert result.turns[-1].text == OPT_OUT


def test_last_words_that_cannot_be_recognised_do_not_cost_the_result() -> None:
    async def customer(line: Line) -> None:
        await until(6)
        line.say(OPT_OUT)
        await until(6.5)
        line.call.hangup_far()

    subject = world()
    subject.listener = CodedListener(subject.words, fails=RuntimeError("no model"))
    result, _ = hold(subject, customer)
    assert (result.ended_by, result.error, result.messages) == (EndedBy.CUSTOMER, None, 1)


def test_last_words_whose_opt_out_cannot_be_committed_still_tell_of_it() -> None:
    async def broken(_: OptOut) -> None:
        raise OSError("the database is gone")

    async def customer(line: Line) -> None:
        await until(6)
        line.say(OPT_OUT)
        await until(7.05)
        line.call.hangup_far()

    result, _ = hold(world(on_opt_out=broken), customer)
    assert (result.opted_out, result.code, result.error) == (True, "DNC", "OSError: the database is gone")


def test_an_end_that_the_network_never_confirms_is_waited_for_only_so_long() -> None:
    class Stuck(LoopbackCall):
        async def ended(self) -> CallEnd:
            await asyncio.Event().wait()
            raise AssertionError

    async def main() -> tuple[ConversationResult, float]:
        stuck = Stuck("stuck", clock=LoopClock())
        reader = asyncio.create_task(Line(stuck, subject.words, subject.speaker.words).listen())
        result = await subject.conversation().run(stuck, subject.job())
        await reader
        return result, asyncio.get_running_loop().time()

    subject = world()
    result, over_s = run(main())
    assert result.ended_by is EndedBy.BOT
    assert over_s - result.turns[-1].end_ms / 1000 < 6


def test_a_hang_up_ends_the_conversation_at_once_and_cuts_the_turn() -> None:
    async def customer(line: Line) -> None:
        await until(1.5)
        line.call.hangup_far()

    async def main() -> tuple[float, object]:
        result = await subject.call(customer)
        return asyncio.get_running_loop().time(), result

    subject = world()
    ended_s, result = run(main())
    assert ended_s < 1.6
    assert result.ended_by is EndedBy.CUSTOMER  # type: ignore[attr-defined]
    assert [(turn.end_ms, turn.interrupted) for turn in result.turns] == [(1500, False)]  # type: ignore[attr-defined]


def test_a_hang_up_by_others_on_our_side_is_the_bots() -> None:
    async def customer(line: Line) -> None:
        await until(1.5)
        await line.call.hangup()

    result, _ = hold(world(), customer)
    assert result.ended_by is EndedBy.BOT


def test_the_longest_call_ends_politely() -> None:
    async def customer(line: Line) -> None:
        while True:
            await asyncio.sleep(5)
            line.say("hello")

    result, line = hold(world(max_call_s=7.0), customer)
    text, begins_ms, ends_ms = line.spans()[-1]
    assert text == "I am sorry, I have to end our call now. Goodbye."
    assert 7000 <= begins_ms <= 7100
    # The end of the call takes the rest of a frame of 20 ms with it.
    assert 0 <= 250 * 11 - (ends_ms - begins_ms) < 20
    assert result.ended_by is EndedBy.MAX_DURATION


def test_the_longest_call_ends_even_when_the_goodbye_does_not() -> None:
    async def customer(line: Line) -> None:
        await until(90)

    subject = world(max_call_s=3.0)
    subject.speaker.uncached, subject.speaker.delay_s = ["I have to end"], 600.0
    result, line = hold(subject, customer)
    assert (result.ended_by, result.error) == (EndedBy.ERROR, "VoiceOverdue: no sound for 8 s")
    assert 10_900 <= len(line.heard) // 16 <= 11_200


@pytest.mark.parametrize("error", [RuntimeError("no model"), PoolFull(3)])
def test_when_recognition_fails_the_bot_apologises_and_ends(error: Exception) -> None:
    async def customer(line: Line) -> None:
        await until(6)
        line.say("yes")
        await until(60)

    subject = world()
    subject.listener = CodedListener(subject.words, fails=error)
    result, line = hold(subject, customer)
    assert texts(line.spans())[-1] == SORRY
    assert result.ended_by is EndedBy.ERROR
    assert result.error is not None
    assert result.error.startswith(type(error).__name__)


def test_recognition_that_does_not_come_back_is_apologised_for() -> None:
    subject = world()
    subject.listener = CodedListener(subject.words, delay_s=600.0)
    result, line = hold(subject, says_opt_out)
    text, begins_ms, _ = line.spans()[-1]
    assert text == SORRY
    assert begins_ms < 6000 + 1000 + 10_500
    assert (result.ended_by, result.error) == (EndedBy.ERROR, "RecognitionOverdue: no words for 10 s")


def test_speech_into_the_apology_does_not_break_it_off() -> None:
    async def customer(line: Line) -> None:
        for at in (6, 8, 9):
            await until(at)
            line.say("yes")
        await until(60)

    subject = world()
    subject.listener = CodedListener(subject.words, fails=RuntimeError("no model"))
    _, line = hold(subject, customer)
    text, begins_ms, ends_ms = line.spans()[-1]
    assert (text, ends_ms - begins_ms) == (SORRY, 250 * 9)


def test_when_the_voice_fails_for_one_line_the_bot_apologises_and_ends() -> None:
    async def customer(line: Line) -> None:
        await until(6)
        line.say("yes")
        await until(60)

    subject = world()
    subject.speaker.fails = ["Thank you"]
    result, line = hold(subject, customer)
    assert texts(line.spans())[-1] == SORRY
    assert (result.ended_by, result.error) == (EndedBy.ERROR, "RuntimeError: the voice is broken")


def test_when_the_voice_fails_for_every_line_the_call_ends_without_a_word() -> None:
    async def customer(line: Line) -> None:
        await until(60)

    subject = world()
    subject.speaker.fails = [" "]
    result, line = hold(subject, customer)
    assert line.spans() == []
    assert (result.ended_by, result.messages) == (EndedBy.ERROR, 0)
    assert result.answer_to_first_word_ms is None


@pytest.mark.parametrize("stuck", ["Hello", "Will you pay"])
def test_a_voice_that_does_not_come_back_is_apologised_for(stuck: str) -> None:
    async def customer(line: Line) -> None:
        await until(60)

    subject = world()
    subject.speaker.uncached, subject.speaker.delay_s = [stuck], 600.0
    result, line = hold(subject, customer)
    text, begins_ms, _ = line.spans()[-1]
    assert text == SORRY
    assert 8000 <= begins_ms <= 8100
    assert (result.ended_by, result.error) == (EndedBy.ERROR, "VoiceOverdue: no sound for 8 s")


@pytest.mark.parametrize("stuck", [["greeting", "technical problem"], [" "]])
def test_a_voice_that_comes_back_for_no_line_ends_the_call(stuck: list[str]) -> None:
    async def customer(line: Line) -> None:
        await until(60)

    subject = world()
    subject.speaker.uncached, subject.speaker.delay_s = stuck, 600.0
    result, line = hold(subject, customer)
    assert line.spans() == []
    assert len(line.heard) // 16 < 16_100
    assert (result.ended_by, result.messages) == (EndedBy.ERROR, 0)


def test_a_long_line_is_not_overdue() -> None:
    async def customer(line: Line) -> None:
        await until(40)
        line.call.hangup_far()

    script = script_of(
        """
        script: long
        steps:
          greeting:
            - say: Hello WORDS.
            - say: And WORDS.
            - end
        """.replace("WORDS", "on and " * 25)
    )
    result, line = hold(World(script), customer)
    assert (result.ended_by, result.error, len(line.spans())) == (EndedBy.BOT, None, 2)


def test_a_contact_without_a_required_variable_is_an_error_and_not_an_exception() -> None:
    async def customer(line: Line) -> None:
        await until(60)

    result, line = hold(world(variables={}), customer)
    assert result.ended_by is EndedBy.ERROR
    assert "name" in (result.error or "")
    assert line.spans() == []


def test_a_recorded_greeting_is_left_quietly() -> None:
    async def customer(line: Line) -> None:
        await until(0.2)
        line.say("please leave a message after the tone", 3000)
        await until(60)

    result, line = hold(world(), customer)
    assert result.voicemail
    assert result.ended_by is EndedBy.BOT
    assert line.spans()[-1][2] < 1100
    assert result.turns[-1].text == "please leave a message after the tone"


@pytest.mark.parametrize("ms", [2000, 9000])
def test_an_opt_out_in_the_words_of_a_machine_is_an_opt_out(ms: int) -> None:
    said = "stop calling me do not leave me any message after the tone again leave my number alone please"

    async def customer(line: Line) -> None:
        await until(6)
        line.say(said, ms)
        await until(60)

    subject = world()
    result, _ = hold(subject, customer)
    assert [evidence for evidence, _ in subject.opt_outs] == [said]
    assert (result.voicemail, result.opted_out, result.code) == (False, True, "DNC")


def test_a_long_recorded_greeting_is_known_before_it_ends() -> None:
    async def customer(line: Line) -> None:
        await until(0.2)
        line.say("please leave a message after the tone", 20_000)
        await until(60)

    result, line = hold(world(), customer)
    assert result.voicemail
    assert len(line.heard) // 16 < 5000


def test_a_beep_is_a_machine() -> None:
    import numpy as np

    async def customer(line: Line) -> None:
        await until(1)
        tone = 8000 * np.sin(2 * np.pi * 1000 * np.arange(4000) / 8000)
        line.call.far.say(tone.astype("<i2").tobytes())
        await until(60)

    result, line = hold(world(), customer)
    assert result.voicemail
    assert len(line.heard) // 16 < 1600


def test_a_switchboard_that_answers_and_rings_on_is_no_machine() -> None:
    import numpy as np

    async def customer(line: Line) -> None:
        ring = 4000 * np.sin(2 * np.pi * 425 * np.arange(8000) / 8000)
        line.call.far.say(ring.astype("<i2").tobytes())
        await until(8)
        line.say("yes")
        await until(60)

    result, _ = hold(world(), customer)
    assert (result.voicemail, result.code) == (False, "AG")


def test_words_of_a_machine_in_a_later_turn_are_a_persons() -> None:
    async def customer(line: Line) -> None:
        await until(1)
        await line.call.far.send_dtmf("5")
        await until(6)
        line.say("yes I will leave a message after the tone")
        await until(60)

    result, _ = hold(world(), customer)
    assert not result.voicemail


def test_cancelling_hangs_up_and_leaves_nothing_behind() -> None:
    async def main() -> CallEnd:
        call = LoopbackCall("cancelled", clock=LoopClock())
        task = asyncio.create_task(subject.conversation().run(call, subject.job()))
        reader = asyncio.create_task(Line(call, subject.words, subject.speaker.words).listen())
        await asyncio.sleep(1.5)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await reader
        return await call.ended()

    subject = world()
    assert run(main()).hangup_by is HangupBy.BOT


def test_an_answer_some_time_before_the_conversation_counts_from_the_answer() -> None:
    async def main() -> int | None:
        call = LoopbackCall("late", clock=LoopClock())
        call.answered_at -= timedelta(milliseconds=300)
        task = asyncio.create_task(subject.conversation().run(call, subject.job()))
        await asyncio.sleep(1)
        call.hangup_far()
        return (await task).answer_to_first_word_ms

    subject = world()
    first_ms = run(main())
    assert first_ms is not None
    assert 300 <= first_ms <= 350


def test_many_calls_at_once_do_not_mix() -> None:
    async def one(number: int) -> tuple[str | None, list[str]]:
        async def customer(line: Line) -> None:
            await until(5 + number / 10)
            line.say("yes" if number % 2 else "blue elephants")
            await until(9 + number / 10)
            line.call.hangup_far()

        subject = world()
        result = await subject.call(customer)
        return result.code, [turn.text for turn in result.turns if turn.speaker is Speaker.CUSTOMER]

    async def main() -> list[tuple[str | None, list[str]]]:
        return await asyncio.gather(*(one(number) for number in range(12)))

    for number, (code, said) in enumerate(run(main())):
        assert said == ["yes" if number % 2 else "blue elephants"]
        assert code == ("AG" if number % 2 else None)
