"""The bench counts what the callee hears; checked in virtual time, where every delay is known."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import numpy as np
import pytest

from bot import bench
from bot.bench import HEARD_AT_ONCE, Spread, Uncached, Utterance, bench_answer, bench_turn, telephone
from bot.bench_idle import bench_idle
from bot.conversation import SpeechRuntime
from bot.hearing import HearingParams
from bot.phrasebook import UTTERANCES
from tests.support_calls import CodedListener, CodedSpeaker, LoudIsVoice, Words, run
from tests.support_speech import AlwaysComplete


def runtime(words: Words, stt_s: float) -> SpeechRuntime:
    return SpeechRuntime(CodedListener(words, stt_s), CodedSpeaker(), AlwaysComplete(), LoudIsVoice(), HearingParams())


def figures(calls: int, stt_s: float = 0.0) -> bench.TurnFigures:
    words = Words()
    spoken = [Utterance(words.say(f"blue elephants {number}", 800), 0.0, 0.8) for number in range(3)]
    return run(bench_turn(calls, speech=runtime(words, stt_s), spoken=spoken, turns=6, every_s=12.0))


@pytest.mark.parametrize("calls", [1, 3])
def test_zero_delay_recognition_is_answered_by_the_silence_alone(calls: int) -> None:
    found = figures(calls)
    assert found.voice_to_voice is not None
    assert 290 <= found.voice_to_voice.p50_ms <= 380
    assert found.unanswered == 0
    assert found.voice_to_voice.count == calls * max(3, 6 // calls)


def test_slow_recognition_shows() -> None:
    quick, slow = figures(1), figures(1, 1.0)
    assert quick.voice_to_voice is not None
    assert slow.voice_to_voice is not None
    assert 700 <= slow.voice_to_voice.p50_ms - quick.voice_to_voice.p50_ms <= 850


def test_the_greeting_and_barge_in_are_measured() -> None:
    found = figures(2)
    assert found.answer_to_first_word is not None
    assert found.barge_in_stop is not None
    assert (found.answer_to_first_word.count, found.barge_in_stop.count) == (2, 2)
    assert 0 < found.answer_to_first_word.p50_ms <= 60
    assert 60 <= found.barge_in_stop.p50_ms <= 200


def test_a_bot_that_never_answers_is_counted() -> None:
    words = Words()
    spoken = [Utterance(words.say("blue elephants", 800), 0.0, 0.8)]

    async def main() -> bench.TurnFigures:
        return await bench_turn(1, speech=runtime(words, 30.0), spoken=spoken, turns=3, every_s=12.0)

    found = run(main())
    assert found.unanswered >= 2
    assert found.voice_to_voice is None


def test_an_answer_that_the_script_waits_for_is_answered_sooner_and_the_parts_say_why() -> None:
    words = Words()
    spoken = [Utterance(words.say(HEARD_AT_ONCE, 800), 0.0, 0.8)]
    found = run(bench_turn(1, speech=runtime(words, 0.1), spoken=spoken, turns=6, every_s=12.0))
    assert found.voice_to_voice is not None
    assert 250 <= found.voice_to_voice.p50_ms <= 300
    parts = found.parts
    assert (parts.endpointing, parts.recognition_wait, parts.recognition_work, parts.recognition_late) == (
        260,
        0,
        100,
        0,
    )
    assert None not in (parts.understanding, parts.voice, parts.pipeline, parts.transport)
    whole = 260 + sum((parts.understanding or 0, parts.voice or 0, parts.pipeline or 0, parts.transport or 0))
    assert abs(whole - found.voice_to_voice.p50_ms) <= 20


def test_the_parts_tell_what_recognition_adds_to_the_silence() -> None:
    slow = figures(1, 1.0)
    assert slow.parts.recognition_late is not None
    assert 600 <= slow.parts.recognition_late <= 900


def test_simultaneous_answers_are_measured_round_by_round() -> None:
    found = run(bench_answer(3, speech=runtime(Words(), 0.0), rounds=2))
    assert found is not None
    assert found.count == 6
    assert 0 < found.p50_ms <= 60


def test_a_line_that_is_not_cached_is_rendered_every_time() -> None:
    class Counting(CodedSpeaker):
        speeds: list[float]

        def stream(self, text: str, *, rate_hz: int, speed: float = 1.0) -> AsyncIterator[bytes]:
            self.speeds.append(speed)
            return super().stream(text, rate_hz=rate_hz, speed=speed)

    speaker = Counting()
    speaker.speeds = []
    uncached = Uncached(speaker)

    async def main() -> None:
        for _ in range(2):
            assert uncached.cached("Hello.", 8000) is None
            assert await uncached.synthesise("Hello.", rate_hz=8000)
            assert b"".join([part async for part in uncached.stream("Hello.", rate_hz=8000)])

    run(main())
    assert len({f"{speed:.3f}" for speed in speaker.speeds}) == 4, "as the cache tells speeds apart"
    assert all(0.75 <= speed <= 1.25 for speed in speaker.speeds)


def test_idle_calls_are_opened_measured_and_closed() -> None:
    found = run(bench_idle(2, speech=runtime(Words(), 0.0), seconds=4.0))
    assert (found.calls, found.seconds) == (2, 4.0)
    assert found.line_pct >= 0


def test_spreads_are_of_sorted_values() -> None:
    assert Spread.of([]) is None
    assert Spread.of([30.0, 10.0, 20.0]) == Spread(3, 20, 30)
    assert Spread.of([float(ms) for ms in range(100)]) == Spread(100, 50, 95)


def test_the_telephone_keeps_the_sound_and_bends_it() -> None:
    wave = (8000 * np.sin(np.arange(8000) / 10)).astype("<i2")
    heard = np.frombuffer(telephone(wave.tobytes()), "<i2").astype(float)
    assert len(heard) == len(wave)
    assert 0 < np.abs(heard - wave).mean() < 150
    assert telephone(bytes(320)) == bytes(320)


def test_the_phrasebook_holds_enough_different_sentences() -> None:
    assert len(set(UTTERANCES)) == len(UTTERANCES) >= 80


def test_the_bench_leaves_no_loop_behind() -> None:
    figures(2)
    with pytest.raises(RuntimeError):
        asyncio.get_running_loop()
