"""What a script does with machines: read from its file, and held to in calls (in virtual time)."""

from __future__ import annotations

import asyncio
from textwrap import dedent

import numpy as np
import pytest

from bot.outcome import ConversationResult, EndedBy, Job
from bot.script.language import DEFAULT_MACHINES, MachinePolicy
from bot.who_answered import Answerer
from tests.support_calls import CodedListener, Line, World, hold, texts
from tests.support_scripts import problems_of, script_of

SCRIPT = """
script: machines
variables:
  name: required
codes:
  AG: {title: Agrees, result: Completed}
intents:
  agree: {like: "yes", samples: [I will pay]}
machines:
  voicemail: {message: "Hello {name}, please call us back."}
  screening: {message: This is Bell Finance for you.}
  ivr: talk_on
steps:
  greeting:
    - say: Hello {name} this is a greeting of many words for you.
    - listen: {ask: "Will you pay?", intents: {agree: agreed}, reprompt: ["Sorry?", "Pardon me?"], else: bye}
  agreed:
    - code: AG
    - say: Thank you.
    - listen: {ask: "Really?", intents: {agree: bye}}
  bye:
    - say: Goodbye then.
    - end
"""
MACHINE = "please leave a message after the tone"
MESSAGE = "Hello Anna, please call us back."


def world(machines: str | None = None) -> World:
    text = dedent(SCRIPT)
    if machines is not None:
        head, rest = text.split("machines:\n")
        text = f"{head}machines: {machines}\n{rest[rest.index('steps:') :]}"
    return World(script_of(text))


async def until(at_s: float) -> None:
    await asyncio.sleep(at_s - asyncio.get_running_loop().time())


def beep(line: Line, hz: float = 1000.0, ms: int = 500) -> None:
    tone = 8000 * np.sin(2 * np.pi * hz * np.arange(8 * ms) / 8000)
    line.call.far.say(tone.astype("<i2").tobytes())


def who(result: ConversationResult) -> list[Answerer]:
    return [verdict.answerer for verdict in result.who_answered]


def test_a_message_is_left_once_the_beep_is_over() -> None:
    async def customer(line: Line) -> None:
        await until(0.5)
        line.say(MACHINE, 3000)
        await until(4.2)
        beep(line)
        await until(60)

    result, line = hold(world(), customer)
    text, begins_ms, _ = line.spans()[-1]
    assert text == MESSAGE
    assert 4700 <= begins_ms <= 4900
    assert (result.voicemail, result.ended_by, who(result)) == (True, EndedBy.BOT, [Answerer.VOICEMAIL])
    assert result.turns[-1].text == MESSAGE


def test_nothing_is_said_between_the_verdict_and_the_beep() -> None:
    async def customer(line: Line) -> None:
        await until(0.5)
        line.say(MACHINE, 8000)
        await until(9)
        beep(line)
        await until(60)

    _, line = hold(world(), customer)
    spans = line.spans()
    assert texts(spans)[-1] == MESSAGE
    assert len(spans) == 2
    assert spans[0][2] < 2500
    assert spans[-1][1] >= 9500


def test_a_beep_at_ringing_frequency_is_the_sign_once_the_machine_is_known() -> None:
    async def customer(line: Line) -> None:
        await until(0.5)
        line.say(MACHINE, 3000)
        await until(4.2)
        beep(line, hz=440.0, ms=400)
        await until(60)

    _, line = hold(world(), customer)
    assert line.spans()[-1][0] == MESSAGE
    assert 4600 <= line.spans()[-1][1] <= 4800


def test_a_machine_that_never_beeps_gets_its_message_after_a_silence() -> None:
    async def customer(line: Line) -> None:
        await until(0.5)
        line.say(MACHINE, 3000)
        await until(60)

    result, line = hold(world(), customer)
    text, begins_ms, _ = line.spans()[-1]
    assert text == MESSAGE
    assert 3500 + 2500 <= begins_ms <= 3500 + 2500 + 1000
    assert result.voicemail


def test_a_greeting_without_end_gets_no_message() -> None:
    async def customer(line: Line) -> None:
        await until(0.5)
        for _ in range(8):
            line.say(MACHINE, 12_000)
        await until(200)

    result, line = hold(world(), customer)
    assert MESSAGE not in texts(line.spans())
    assert result.voicemail
    assert len(line.heard) // 16 < 90_000


def test_a_beep_alone_is_left_a_message_too() -> None:
    async def customer(line: Line) -> None:
        await until(1)
        beep(line)
        await until(60)

    result, line = hold(world(), customer)
    assert texts(line.spans())[-1] == MESSAGE
    assert result.who_answered[-1].tone_hz == pytest.approx(1000, abs=5)


def test_who_wants_no_more_calls_is_no_machine_even_while_the_beep_is_waited_for() -> None:
    async def customer(line: Line) -> None:
        await until(0.5)
        line.say(MACHINE, 3000)
        await until(5)
        line.say("stop calling me")
        await until(60)

    subject = world()
    result, line = hold(subject, customer)
    assert (result.opted_out, result.voicemail, result.code) == (True, False, "DNC")
    assert [evidence for evidence, _ in subject.opt_outs] == ["stop calling me"]
    assert MESSAGE not in texts(line.spans())


def test_a_screener_is_told_who_calls_and_the_person_behind_it_is_talked_with() -> None:
    async def customer(line: Line) -> None:
        await until(6.0)
        line.say("please state your name and the reason for your call", 3000)
        await until(13.0)
        line.say("yes")
        await until(20.0)
        line.say("I will pay")
        await until(60)

    result, line = hold(world(), customer)
    assert "This is Bell Finance for you." in texts(line.spans())
    assert (result.voicemail, result.code) == (False, "AG")
    assert who(result) == [Answerer.SILENCE, Answerer.SCREENING, Answerer.HUMAN]


def test_a_screener_that_puts_nobody_through_was_a_machine() -> None:
    async def customer(line: Line) -> None:
        await until(0.5)
        line.say("please state your name and the reason for your call", 3000)
        await until(10)
        line.call.hangup_far()

    result, _ = hold(world(), customer)
    assert (result.voicemail, who(result)) == (True, [Answerer.SCREENING])


@pytest.mark.parametrize("machines", ["{voicemail: talk_on}", "{voicemail: talk_on, ivr: hang_up}"])
def test_talking_on_means_that_the_script_goes_on(machines: str) -> None:
    async def customer(line: Line) -> None:
        await until(0.5)
        line.say(MACHINE, 3000)
        await until(60)

    result, line = hold(world(machines), customer)
    assert "Sorry?" in texts(line.spans())
    assert (result.voicemail, who(result)) == (True, [Answerer.VOICEMAIL])


def test_two_answers_after_a_mistaken_verdict_make_the_call_a_persons() -> None:
    async def customer(line: Line) -> None:
        await until(0.5)
        line.say(MACHINE, 3000)
        await until(9)
        line.say("yes")
        await until(14)
        line.say("yes")
        await until(60)

    result, _ = hold(world("{voicemail: talk_on}"), customer)
    assert (result.voicemail, result.code) == (False, "AG")
    assert who(result) == [Answerer.VOICEMAIL, Answerer.HUMAN]


@pytest.mark.parametrize(("machines", "talked"), [("{ivr: hang_up}", False), ("{ivr: talk_on}", True)])
def test_a_menu_is_left_or_talked_with(machines: str, talked: bool) -> None:
    async def customer(line: Line) -> None:
        await until(0.5)
        line.say("for sales press one for support press two", 3000)
        await until(60)

    result, line = hold(world(machines), customer)
    assert (len(texts(line.spans())) > 1) is talked
    assert (result.voicemail, who(result)[-1]) == (True, Answerer.IVR)


def test_a_fax_is_left() -> None:
    async def customer(line: Line) -> None:
        await until(0.5)
        beep(line, hz=2100.0, ms=3000)
        await until(60)

    result, line = hold(world(), customer)
    assert (result.voicemail, who(result)) == (True, [Answerer.FAX])
    assert len(line.heard) // 16 < 1500


def test_what_app_amd_found_is_acted_on_before_the_first_word() -> None:
    async def customer(line: Line) -> None:
        await until(1)
        beep(line)
        await until(60)

    class Subject(World):
        def job(self) -> Job:
            return Job("attempt-1", {"name": "Anna"}, 60.0, self._opted_out, amd_status="MACHINE", amd_cause="MAXWORDS")

    result, line = hold(Subject(world().script), customer)
    assert texts(line.spans()) == [MESSAGE]
    assert result.who_answered[0].reason == "app_amd: MACHINE MAXWORDS"
    assert result.voicemail


def test_a_hello_costs_no_more_recognitions_than_before() -> None:
    async def customer(line: Line) -> None:
        await until(0.3)
        line.say("hello", 500)
        await until(6)
        line.call.hangup_far()

    subject = world()
    subject.listener = CodedListener(subject.words)
    result, _ = hold(subject, customer)
    assert subject.listener.asked == 1
    assert who(result) == [Answerer.HUMAN]
    assert result.who_answered[0].decided_ms <= 1300
    assert result.answer_to_first_word_ms == 0


def test_defaults_and_their_reading() -> None:
    script = script_of("steps: {a: [{say: Hi}, end]}")
    assert dict(script.machines) == dict(DEFAULT_MACHINES)
    read = script_of(dedent(SCRIPT)).machines
    assert read[Answerer.VOICEMAIL].message == "Hello {name}, please call us back."
    assert read[Answerer.IVR].policy is MachinePolicy.TALK_ON
    assert read[Answerer.FAX].policy is MachinePolicy.HANG_UP


@pytest.mark.parametrize(
    ("machines", "message"),
    [
        ("{voicemail: message}", "machines, `voicemail` is `message`"),
        ("{voicemail: {}}", "machines, `voicemail` says nothing"),
        ("{fax: {message: Hi}}", "machines, `fax` takes no message"),
        ("{robot: hang_up}", "unknown key `robot` in machines"),
        ("{voicemail: {message: 'Hi {nobody}'}}", "undefined variable `nobody`"),
    ],
)
def test_mistakes_are_named(machines: str, message: str) -> None:
    (problem,) = problems_of(f"machines: {machines}\nsteps: {{a: [{{say: Hi}}, end]}}\n")
    assert message in problem.message
    assert problem.line == 1
    assert problem.remedy
