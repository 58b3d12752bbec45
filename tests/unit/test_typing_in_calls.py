"""Keys pressed in calls, in virtual time: values typed one key after the other, and opt-outs by key."""

from __future__ import annotations

import asyncio

from bot.outcome import ConversationResult, EndedBy, OptOut
from tests.support_calls import Customer, Line, World, hold, texts
from tests.support_scripts import script_of

SCRIPT = script_of(
    """
    silence: {after_ms: 5000, say: ["Are you there?"]}
    steps:
      a:
        - collect:
            into: number
            type: number
            ask: Please type the long number that stands on the first page of your contract.
            confirm: "Is it {number|digits}?"
            keys: true
        - say: Thank you.
        - listen: {ask: Anything else, keys: {"9": out}}
      out:
        - opt_out
        - say: We will not call again.
        - end
    """
)


async def until(at_s: float) -> None:
    await asyncio.sleep(at_s - asyncio.get_running_loop().time())


def presses(*at: tuple[float, str]) -> Customer:
    async def customer(line: Line) -> None:
        for at_s, key in at:
            await until(at_s)
            await line.call.far.send_dtmf(key)
        await until(90)

    return customer


def call(customer: Customer, world: World | None = None) -> tuple[ConversationResult, Line]:
    return hold(world or World(SCRIPT), customer)


def test_slow_keys_are_one_value_and_the_first_one_stops_the_question() -> None:
    result, line = call(presses((0.5, "4"), (4, "7"), (7.5, "1"), (11, "1"), (11.5, "#"), (15, "#"), (19, "9")))
    spans = line.spans()
    assert texts(spans)[1:4] == ["Is it four seven one one?", "Thank you.", "Anything else"]
    assert spans[0][2] < 1500
    assert result.collected == {"number": "4711"}
    assert (result.opted_out, result.ended_by) == (True, EndedBy.BOT)


def test_keys_that_nobody_goes_on_with_are_the_value() -> None:
    result, line = call(presses((8, "4"), (9, "2"), (16, "#")))
    assert "Is it four two?" in texts(line.spans())
    assert result.collected == {"number": "42"}


def test_an_opt_out_by_key_is_committed_before_the_next_word() -> None:
    committed: list[float] = []

    async def slowly(opt_out: OptOut) -> None:
        assert opt_out.evidence == "pressed 9"
        await asyncio.sleep(2)
        committed.append(asyncio.get_running_loop().time())

    world = World(SCRIPT, on_opt_out=slowly)
    _, line = call(presses((8, "4"), (9, "#"), (13, "#"), (18, "9")), world)
    (last,) = [span for span in line.spans() if span[0] == "We will not call again."]
    assert last[1] >= committed[0] * 1000
