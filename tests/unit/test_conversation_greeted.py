"""What is said into a greeting, and words that go on: nothing is lost, and nothing else is taken back."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

import pytest

from bot.errands import Outside
from bot.script.language import Script
from bot.script.replies import Fetch
from tests.support_calls import Line, World, hold, texts
from tests.support_scripts import script_of

ANNOUNCEMENT = script_of(
    """
    script: announcement
    steps:
      only:
        - say:
            text: >-
              Your parcel will come tomorrow between nine and twelve at the door of your own house where somebody has to
              take it from us and to sign for it.
            interruptible: false
        - end
    """
)
NOTICE = script_of(
    """
    script: notice
    codes:
      AG: {title: Agrees, result: Completed}
      RF: {title: Refuses, result: Completed}
    intents:
      agree: {like: "yes"}
      refuse: {samples: [I have paid already, I paid it]}
    silence: {after_ms: 6000, say: ["Are you there?"], goto: goodbye}
    steps:
      only:
        - say: {text: "This call will be recorded for your safety and for ours.", interruptible: false}
        - say: Here is a line of many more words than ten.
        - listen:
            ask: Am I speaking with Anna?
            intents: {agree: told}
            else: goodbye
      told:
        - say: Thank you. Here is another line of so many words for you.
        - listen:
            ask: Will you pay on Friday?
            intents: {agree: agreed, refuse: refused}
            else: goodbye
      agreed:
        - code: AG
        - goto: goodbye
      refused:
        - code: RF
        - goto: goodbye
      goodbye:
        - say: Goodbye.
        - end
    """
)
NOTICED = "This call will be recorded for your safety and for ours."
LINE = "Here is a line of many more words than ten."
QUESTION = "Am I speaking with Anna?"


LOOKED_UP = script_of(
    """
    script: looked-up
    codes:
      AG: {title: Agrees, result: Completed}
    intents:
      agree: {like: "yes"}
    silence: {after_ms: 6000, say: ["Are you there?"], goto: goodbye}
    steps:
      only:
        - say: Hello.
        - listen:
            ask: Shall I look up your balance?
            intents: {agree: looked_up}
            else: goodbye
      looked_up:
        - webhook:
            url: "https://crm.example.com/"
            into: {balance: balance}
            timeout_ms: 3000
            say: One moment please.
        - listen:
            ask: "You owe {balance} dollars, will you pay?"
            intents: {agree: agreed}
            else: goodbye
      agreed:
        - code: AG
        - goto: goodbye
      goodbye:
        - say: Goodbye.
        - end
    """
)


class Balance:
    """A web service that answers after a second."""

    async def fetch(self, wanted: Fetch) -> Mapping[str, str]:
        await asyncio.sleep(1)
        return dict.fromkeys(wanted.into, "120")


async def until(at_s: float) -> None:
    await asyncio.sleep(at_s - asyncio.get_running_loop().time())


@pytest.mark.parametrize("script", [ANNOUNCEMENT, NOTICE])
def test_who_says_hello_and_wants_no_more_calls_is_heard(script: Script) -> None:
    async def customer(line: Line) -> None:
        await until(1.7)
        line.say("Hello, please do not call me again")
        await until(20)
        line.call.hangup_far()

    world = World(script)
    result, _ = hold(world, customer)
    assert result.opted_out
    assert [evidence for evidence, _ in world.opt_outs] == ["Hello, please do not call me again"]


@pytest.mark.parametrize(("said", "at_s"), [("hello", 1.7), ("mm", 2.5)])
def test_the_bot_goes_on_behind_a_line_that_must_be_heard(said: str, at_s: float) -> None:
    async def customer(line: Line) -> None:
        await until(at_s)
        line.say(said)
        await until(11)
        line.call.hangup_far()

    _, line = hold(World(NOTICE), customer)
    assert texts(line.spans())[:3] == [NOTICED, LINE, QUESTION]


def test_a_back_channel_that_goes_on_takes_no_earlier_answer_back() -> None:
    async def customer(line: Line) -> None:
        await until(8.5)
        line.say("yes")
        await until(11)
        line.say("yeah")
        await asyncio.sleep(0.8)
        line.say("I have paid already")
        await until(25)
        line.call.hangup_far()

    result, _ = hold(World(NOTICE), customer)
    assert result.code == "RF"


def test_more_of_an_answer_does_not_answer_the_question_after_the_web_service() -> None:
    async def customer(line: Line) -> None:
        await until(3)
        line.say("yes")
        await asyncio.sleep(0.75)
        line.say("please")
        await until(9)
        line.call.hangup_far()

    result, line = hold(World(LOOKED_UP, outside=Outside(services=Balance())), customer)
    assert result.code is None
    assert "You owe 120 dollars, will you pay?" in texts(line.spans())
    assert [turn.text for turn in result.turns if turn.speaker == "customer"] == ["yes please"]
