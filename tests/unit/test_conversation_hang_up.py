"""What a customer says just before hanging up counts, whenever the hang-up comes; in virtual time."""

from __future__ import annotations

import asyncio

import pytest

from bot.outcome import EndedBy
from bot.speech.listening import Heard
from tests.support_calls import CodedListener, Line, Words, World, hold
from tests.support_scripts import script_of

SCRIPT = script_of(
    """
    script: hang_up
    steps:
      hello:
        - say: Hello this is the long greeting of our company today.
        - listen:
            ask: May I go on?
            intents: {"yes": bye, "no": bye}
            else: bye
      bye:
        - say: Good bye.
        - end
    """
)
OPT_OUT = "never call me again"
SPEAKS_S, SPEECH_MS = 4.2, 1000


def hung_up(after_ms: int, delay_s: float) -> World:
    """A call in which the customer says `OPT_OUT` and hangs up `after_ms` after its begin."""

    async def customer(line: Line) -> None:
        await asyncio.sleep(SPEAKS_S)
        line.say(OPT_OUT)
        await asyncio.sleep(after_ms / 1000)
        line.call.hangup_far()

    words = Words()
    subject = World(SCRIPT, words=words, listener=CodedListener(words, delay_s))
    result, _ = hold(subject, customer)
    assert (result.ended_by, result.error, result.opted_out) == (EndedBy.CUSTOMER, None, True)
    return subject


@pytest.mark.parametrize("delay_s", [0.15, 0.4, 0.8, 2.0])
def test_an_opt_out_counts_at_whatever_instant_after_it_the_customer_hangs_up(delay_s: float) -> None:
    for after_ms in range(SPEECH_MS + 40, SPEECH_MS + 1400 + round(delay_s * 1000), 20):
        subject = hung_up(after_ms, delay_s)
        assert [evidence for evidence, _ in subject.opt_outs] == [OPT_OUT], f"hang-up after {after_ms} ms"


def test_recognition_that_is_broken_off_elsewhere_costs_only_the_last_words() -> None:
    class Broken(CodedListener):
        async def transcribe(self, pcm: bytes, rate_hz: int) -> Heard:
            await asyncio.sleep(self.delay_s)
            raise asyncio.CancelledError

    async def customer(line: Line) -> None:
        await asyncio.sleep(SPEAKS_S)
        line.say("yes")
        await asyncio.sleep(0.5)
        line.call.hangup_far()

    words = Words()
    result, _ = hold(World(SCRIPT, words=words, listener=Broken(words, 0.4)), customer)
    assert (result.ended_by, result.error) == (EndedBy.CUSTOMER, None)
    assert result.messages == 1
