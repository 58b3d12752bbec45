"""A script that cannot go on in mid-call, in virtual time: the customer hears so, and the end is true."""

from __future__ import annotations

import asyncio

import pytest

from bot.outcome import EndedBy, Speaker
from tests.support_calls import Line, World, hold, texts
from tests.support_scripts import script_of

SORRY = ["I am sorry, we have a technical problem.", "Goodbye."]
SCRIPT = """
variables: {{amount: {{default: a lot}}}}
codes: {{AG: {{result: Completed}}}}
steps:
  a:
    - say: Hello.
    - listen: {{ask: Will you pay, intents: {{"yes": b}}}}
  b:
    - code: AG
    - {broken}
    - say: Thank you.
    - end
"""


@pytest.mark.parametrize(
    ("broken", "why"),
    [
        ("compute: {rest: number(amount) - 1}", "a text is no number"),
        ("if: {all: number(amount) > 3, then: a}", "a text is no number"),
        ("if: {none: 1 > 2, then: b}", "200 blocks ran unheard"),
    ],
)
def test_the_customer_hears_that_something_is_wrong_and_the_call_ends_as_an_error(broken: str, why: str) -> None:
    async def customer(line: Line) -> None:
        await asyncio.sleep(4)
        line.say("yes I will")
        await asyncio.sleep(60)

    result, line = hold(World(script_of(SCRIPT.format(broken=broken)), {}), customer)
    assert texts(line.spans())[-1] in (SORRY[-1], " ".join(SORRY))
    assert "Thank you." not in texts(line.spans())
    assert (result.ended_by, result.customer_spoke) == (EndedBy.ERROR, True)
    assert result.error is not None
    assert why in result.error
    assert "a lot" not in result.error
    assert [turn.text for turn in result.turns if turn.speaker is Speaker.CUSTOMER] == ["yes I will"]


LATER = """
variables: {amount: {default: a lot}}
steps:
  a:
    - say: Hello.
    - listen: {ask: May we call later, intents: {call_back: later}}
  later:
    - call_back
    - compute: {rest: number(amount) - 1}
    - end
"""


@pytest.mark.parametrize("waits", [True, False])
def test_what_the_customer_asked_for_before_the_failure_is_kept(waits: bool) -> None:
    async def customer(line: Line) -> None:
        await asyncio.sleep(4)
        line.say("call me back tomorrow at five pm")
        await asyncio.sleep(60 if waits else 1.9)

    result, line = hold(World(script_of(LATER), {}), customer)
    assert not waits or texts(line.spans())[-1] in (SORRY[-1], " ".join(SORRY))
    assert result.ended_by is EndedBy.ERROR
    assert result.callback
    assert result.callback_at is not None
    assert result.callback_at.hour == 17
