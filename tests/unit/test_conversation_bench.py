"""The bench counts what the callee hears; checked in virtual time, where every delay is known."""

from __future__ import annotations

import asyncio

import numpy as np
import pytest

from bot import bench
from bot.bench import Spread, Utterance, bench_turn, telephone
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
