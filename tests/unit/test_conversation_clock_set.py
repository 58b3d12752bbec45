"""The recording and the turns of a call during which the system's clock is set."""

from __future__ import annotations

import asyncio
import wave
from collections.abc import Callable
from concurrent.futures import Executor, Future
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bot.loopback import LoopbackCall
from bot.outcome import ConversationResult, EndedBy
from bot.recording import Recordings
from tests.support_calls import RATE_HZ, Line, LoopClock, World, run
from tests.support_scripts import script_of

SCRIPT = script_of(
    """
    script: clock_set
    silence: {after_ms: 20000, say: ["Are you there?"], goto: goodbye}
    steps:
      greeting:
        - say: Hello this is a greeting of some words.
        - listen:
            ask: Will you pay?
            intents: {"yes": goodbye}
            else: goodbye
      goodbye:
        - say: Goodbye and many thanks for your time.
        - end
    """
)
SET_AT_S = 2.0


class SetClock(LoopClock):
    """A clock that is set by `by` two seconds after the begin."""

    def __init__(self, by: timedelta) -> None:
        self.by = by

    def now(self) -> datetime:
        is_set = asyncio.get_running_loop().time() >= SET_AT_S
        return super().now() + (self.by if is_set else timedelta(0))


class AtOnce(Executor):
    """Runs work where it is given out: virtual time waits for no thread."""

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        done: Future[Any] = Future()
        done.set_result(fn(*args, **kwargs))
        return done


async def converse(subject: World, clock: SetClock) -> ConversationResult:
    call = LoopbackCall("set", rate_hz=RATE_HZ, clock=clock)
    hearing = asyncio.create_task(Line(call, subject.words, subject.speaker.words).listen())
    talking = asyncio.create_task(subject.conversation().run(call, subject.job()))
    await asyncio.sleep(3)
    call.far.say(subject.words.say("yes", 200))
    await asyncio.sleep(1)
    call.hangup_far()
    await hearing
    return await talking


@pytest.mark.parametrize(
    "by",
    [timedelta(0), timedelta(milliseconds=30), timedelta(hours=-1), timedelta(hours=1), timedelta(seconds=-3)],
    ids=["not", "slewed", "an hour back", "an hour ahead", "3 s back"],
)
def test_a_clock_that_is_set_neither_stretches_nor_cuts_the_call(tmp_path: Path, by: timedelta) -> None:
    recordings = Recordings(tmp_path)
    recordings._thread = AtOnce()  # type: ignore[assignment]
    result = run(converse(World(SCRIPT, recordings=recordings), SetClock(by)))
    recording = result.recording
    assert recording is not None
    assert (recording.error, result.ended_by) == (None, EndedBy.CUSTOMER)
    assert abs(recording.duration_ms - 4000) <= 40
    with wave.open(str(tmp_path / recording.path)) as file:
        both = np.frombuffer(file.readframes(file.getnframes()), "<i2")
    assert np.count_nonzero(both[0::2]) == 200 * 8
    assert np.count_nonzero(both[1::2]) > 2500 * 8
    assert all(0 <= turn.start_ms < turn.end_ms <= 4040 for turn in result.turns)
    assert result.turns
