"""Where sound stands in a recording: the customer left, the bot right, both when they were heard."""

from __future__ import annotations

import asyncio
import io
from pathlib import Path
from threading import Event

import numpy as np
import numpy.typing as npt
import pytest

from bot import recording as recording_module
from bot.outcome import Recording
from bot.recording import CallRecorder, Recordings, Unrecorded
from bot.timings import CallTime
from bot.wav import open_unbuffered
from tests.support_calls import START

RATE_HZ = 8000


class Now(CallTime):
    """A call answered at 1000 s whose time is set by hand."""

    def __init__(self) -> None:
        super().__init__(1000.0)
        self.at = 1000.0

    def now(self) -> float:
        return self.at


def sound(ms: int, level: int) -> bytes:
    return np.full(ms * 8, level, "<i2").tobytes()


class Tape:
    """One recording and the two channels it ends up with."""

    def __init__(self, folder: Path) -> None:
        self.time = Now()
        self.recordings = Recordings(folder)
        self.recorder: CallRecorder = self.recordings.begin("a", START, self.time, RATE_HZ)
        self.folder = folder
        self.result: Recording | None = None

    def hear(self, from_ms: int, to_ms: int, level: int = 0) -> None:
        """Frames of the customer, each when its last sample was spoken."""
        for at in range(from_ms, to_ms, 20):
            self.time.at = 1000 + (at + 20) / 1000
            self.recorder.customer(sound(20, level))

    def finish(self, talk_ms: int) -> tuple[npt.NDArray[np.int16], npt.NDArray[np.int16]]:
        async def close() -> Recording:
            found = await self.recorder.close(talk_ms)
            await self.recordings.aclose()
            return found

        self.result = asyncio.run(close())
        both = np.frombuffer((self.folder / self.result.path).read_bytes()[44:], "<i2")
        return both[0::2], both[1::2]


@pytest.fixture
def tape(tmp_path: Path) -> Tape:
    return Tape(tmp_path)


def span(channel: npt.NDArray[np.int16], level: int) -> tuple[float, float]:
    """First and last ms of a level."""
    where = np.flatnonzero(channel == level)
    return where[0] / 8, (where[-1] + 1) / 8


def test_both_sides_stand_where_they_were_heard(tape: Tape) -> None:
    tape.hear(0, 1000)
    tape.recorder.bot(sound(500, 7), 1000 + 1.25)
    tape.hear(1000, 1400, 5)
    tape.hear(1400, 4000)
    customer, bot = tape.finish(4000)
    assert span(customer, 5) == (1000, 1400)
    assert span(bot, 7) == (1250, 1750)


@pytest.mark.parametrize("talk_ms", [0, 20, 990, 1000, 1015, 5000])
def test_the_file_is_as_long_as_the_call(tape: Tape, talk_ms: int) -> None:
    tape.hear(0, 1000, 5)
    customer, bot = tape.finish(talk_ms)
    assert len(customer) == len(bot) == talk_ms * 8


def test_the_path_holds_the_date_of_the_answer_and_nothing_dangerous(tmp_path: Path) -> None:
    recordings = Recordings(tmp_path)
    recorder = recordings.begin("../../etc/x", START, Now(), RATE_HZ)

    async def close() -> Recording:
        found = await recorder.close(0)
        await recordings.aclose()
        return found

    assert str(asyncio.run(close()).path) == "2026/03/04/______etc_x.wav"


def test_audio_that_was_flushed_is_not_in_the_recording(tape: Tape) -> None:
    tape.hear(0, 200)
    tape.recorder.bot(sound(400, 7), 1000.2)
    tape.hear(200, 300)
    tape.recorder.bot_flushed(300, 1000.3)
    tape.hear(300, 2000)
    tape.recorder.bot(sound(100, 9), 1001.5)
    _, bot = tape.finish(2000)
    assert span(bot, 7) == (200, 300)
    assert span(bot, 9) == (1500, 1600)


def test_pieces_that_follow_each_other_are_joined_without_a_gap(tape: Tape) -> None:
    tape.hear(0, 100)
    for number in range(5):
        tape.recorder.bot(sound(40, 7), 1000.1 + number * 0.04 + (0.001 if number % 2 else -0.001))
    tape.hear(100, 1000)
    _, bot = tape.finish(1000)
    begins, ends = span(bot, 7)
    assert ends - begins == 200
    assert np.count_nonzero(bot == 7) == 1600


def test_frames_that_waited_for_their_reader_stand_where_they_were_spoken(tape: Tape) -> None:
    tape.time.at = 1000.2
    for number in range(10):
        tape.recorder.customer(sound(20, 5 if number == 4 else 0))
    tape.hear(200, 1000)
    customer, _ = tape.finish(1000)
    assert span(customer, 5) == (80, 100)


def test_a_stalled_loop_moves_nothing(tape: Tape) -> None:
    tape.hear(0, 1000)
    tape.time.at = 1000 + 1.5
    for number in range(25):
        tape.recorder.customer(sound(20, 5 if number == 10 else 0))
    tape.hear(1500, 3000)
    customer, _ = tape.finish(3000)
    assert span(customer, 5) == (1200, 1220)


def test_a_long_call_is_written_while_it_lasts_and_not_kept(tape: Tape) -> None:
    written: list[int] = []
    append = tape.recorder._file.append
    tape.recorder._file.append = lambda pcm: (written.append(len(pcm)), append(pcm))[1]  # type: ignore[method-assign,func-returns-value]
    tape.hear(0, 60_000, 5)
    assert len(tape.recorder._customer._pcm) < 2 * RATE_HZ * 2
    customer, _ = tape.finish(60_000)
    assert len(written) > 50
    assert np.all(customer == 5)


def test_a_disk_that_never_answers_does_not_hold_the_call(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recording_module, "_CLOSE_TIMEOUT_S", 0.05)
    answer = Event()

    def hanging(path: Path) -> io.FileIO:
        answer.wait(30)
        return open_unbuffered(path)

    async def main() -> Recording:
        recordings = Recordings(tmp_path, open_file=hanging)
        recorder = recordings.begin("a", START, Now(), RATE_HZ)
        found = await recorder.close(1000)
        answer.set()
        await recordings.aclose()
        return found

    assert "did not take the recording" in (asyncio.run(main()).error or "")


def test_whatever_fails_at_the_end_is_told_in_the_recording(tape: Tape, monkeypatch: pytest.MonkeyPatch) -> None:
    finish = tape.recorder._file.finish

    def broken(frames: int) -> Recording:
        finish(frames)
        raise MemoryError("too large")

    monkeypatch.setattr(tape.recorder._file, "finish", broken)

    async def close() -> Recording:
        found = await tape.recorder.close(1000)
        await tape.recordings.aclose()
        return found

    assert asyncio.run(close()).error == "the recording could not be finished: MemoryError: too large"


def test_a_recording_that_ends_after_its_folder_was_closed_is_told_so(tape: Tape) -> None:
    async def close() -> Recording:
        await tape.recordings.aclose()
        return await tape.recorder.close(1000)

    assert "after shutdown" in (asyncio.run(close()).error or "")


def test_without_a_folder_nothing_is_kept() -> None:
    nothing = Unrecorded()
    nothing.customer(bytes(320))
    nothing.bot(bytes(320), 0.0)
    nothing.bot_flushed(20, 0.0)
