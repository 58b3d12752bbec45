"""Received audio on the wall clock: one frame each 20 ms, whatever arrives when."""

from __future__ import annotations

import random

import pytest

from telephony.sip.pacing import BACKLOG_FRAMES, PATIENCE_FRAMES, WallClockFrames

RATE_HZ = 8000
SILENCE = bytes(320)


def frame(number: int) -> bytes:
    return (number % 30_000 + 1).to_bytes(2, "little") * 160


def number_of(pcm: bytes) -> int | None:
    value = int.from_bytes(pcm[:2], "little")
    return value - 1 if value else None


class Line:
    """Feeds a `WallClockFrames` beat by beat and keeps what came out, with the beat it came at."""

    def __init__(self, rate_hz: int = RATE_HZ) -> None:
        self.frames = WallClockFrames(rate_hz, 0.0)
        self.out: list[bytes] = []
        self.at: list[int] = []
        self.beat = 0

    def feed(self, received: bytes) -> list[bytes]:
        self.beat += 1
        came = list(self.frames.advance(received, self.beat * 0.02 + 0.001))
        self.out += came
        self.at += [self.beat] * len(came)
        return came


def test_steady_audio_passes_untouched_and_at_once() -> None:
    line = Line()
    for number in range(500):
        assert line.feed(frame(number)) == [frame(number)]
    assert (line.frames.lost_ms, line.frames.dropped_ms) == (0, 0)


def test_pieces_of_any_size_make_whole_frames() -> None:
    line, audio = Line(), b"".join(frame(number) for number in range(100))
    dice = random.Random(1)
    position = 0
    while position < len(audio):
        size = dice.choice((2, 160, 320, 322, 480))
        line.feed(audio[position : position + size])
        position += size
        if line.beat * 320 < position - 640:
            line.feed(b"")
    heard = [number for pcm in line.out if (number := number_of(pcm)) is not None]
    assert heard == sorted(set(heard))


def test_nothing_arrives_yet_the_reader_gets_fifty_a_second() -> None:
    line = Line()
    for _ in range(1000):
        line.feed(b"")
    assert len(line.out) == 1000 - PATIENCE_FRAMES
    assert set(line.out) == {SILENCE}
    assert line.frames.lost_ms == len(line.out) * 20


def test_jitter_within_the_patience_loses_nothing() -> None:
    line = Line()
    for number in range(0, 300, 3):
        line.feed(b"")
        line.feed(b"")
        line.feed(frame(number) + frame(number + 1) + frame(number + 2))
    assert [number_of(pcm) for pcm in line.out] == list(range(300))
    assert line.frames.lost_ms == 0


def test_a_gap_is_filled_and_what_comes_late_is_dropped() -> None:
    line = Line()
    for number in range(50):
        line.feed(frame(number))
    for _ in range(25):
        line.feed(b"")
    line.feed(b"".join(frame(number) for number in range(50, 76)))
    for number in range(76, 200):
        line.feed(frame(number))
    assert abs(len(line.out) - line.beat) <= PATIENCE_FRAMES
    assert number_of(line.out[-1]) == 199
    assert line.frames.lost_ms == (25 - PATIENCE_FRAMES) * 20
    assert line.frames.dropped_ms == line.frames.lost_ms


def test_a_small_backlog_is_worked_off_within_two_seconds() -> None:
    line = Line()
    for number in range(10):
        line.feed(frame(number))
    for _ in range(PATIENCE_FRAMES + 2):
        line.feed(b"")
    for number in range(10, 10 + PATIENCE_FRAMES + 2):
        line.feed(frame(number))
    line.feed(frame(20) + frame(21) + frame(22))
    start = line.beat
    for number in range(23, 150):
        came = line.feed(frame(number))
        if came == [frame(number)]:
            break
    assert line.beat - start <= 100


def test_a_fast_clock_far_away_adds_no_delay() -> None:
    line, sent = Line(), 0
    for beat in range(5000):
        audio = frame(sent)
        sent += 1
        if beat % 250 == 0:
            audio += frame(sent)
            sent += 1
        line.feed(audio)
    assert len(line.out) == line.beat
    assert sent - 1 - (number_of(line.out[-1]) or 0) <= BACKLOG_FRAMES


@pytest.mark.parametrize("stall_beats", [2, 5, 10, 40])
def test_a_stalled_event_loop_gets_everything_that_is_due(stall_beats: int) -> None:
    line = Line()
    for number in range(20):
        line.feed(frame(number))
    line.beat += stall_beats - 1
    came = line.feed(b"".join(frame(number) for number in range(20, 20 + stall_beats)))
    assert [number_of(pcm) for pcm in came] == list(range(20, 20 + stall_beats))


def test_wideband_frames_are_640_bytes() -> None:
    line = Line(rate_hz=16_000)
    for _ in range(PATIENCE_FRAMES + 1):
        line.feed(b"")
    assert line.out == [bytes(640)]
