"""Turns of one side in virtual time: when they end, what is told meanwhile."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from pipecat.frames.frames import Frame, InputAudioRawFrame
from pipecat.processors.frame_processor import FrameDirection

from bot.frames import HeardFrame, MonologueFrame, SpeechStartedFrame
from bot.hearing import Hearing, HearingParams
from bot.patience import Words as Said
from bot.speech.voice_activity import VoiceActivity
from tests.support_calls import CodedListener, LoudIsVoice, Words, run

FRAME_BYTES = 320


@dataclass
class Judge:
    """Says of each pause in turn whether the turn is complete; the last verdict holds."""

    verdicts: list[bool]
    asked: list[int] = field(default_factory=list)

    async def likelihood(self, pcm: bytes, rate_hz: int, *, silence_ms: int) -> float:
        self.asked.append(silence_ms)
        await asyncio.sleep(0.05)
        return self.verdicts.pop(0) if len(self.verdicts) > 1 else self.verdicts[0]


class Ear(Hearing):
    """Keeps what it would push on, with the time."""

    def __init__(
        self,
        words: Words,
        judge: Judge,
        params: HearingParams | None = None,
        *,
        meant: Said = Said.UNSURE,
        patience_ms: int | None = None,
    ) -> None:
        self.listener = CodedListener(words)
        self.told: list[tuple[float, Frame]] = []
        self.failures: list[BaseException] = []
        super().__init__(
            listener=self.listener,
            turn_end=judge,
            voice=VoiceActivity(LoudIsVoice(), 8000),
            params=params,
            judge=lambda _: meant,
            patience_ms=lambda: patience_ms,
            on_failure=self.failures.append,
        )

    async def push_frame(self, frame: Frame, direction: FrameDirection = FrameDirection.DOWNSTREAM) -> None:
        self.told.append((asyncio.get_running_loop().time(), frame))

    async def hear(self, pcm: bytes) -> None:
        """The sound in frames at its pace."""
        pcm += bytes(-len(pcm) % FRAME_BYTES)
        for at in range(0, len(pcm), FRAME_BYTES):
            await asyncio.sleep(0.02)
            await self.process_frame(InputAudioRawFrame(pcm[at : at + FRAME_BYTES], 8000, 1), FrameDirection.DOWNSTREAM)

    def of(self, kind: type[Frame]) -> list[tuple[float, Frame]]:
        return [(at, frame) for at, frame in self.told if isinstance(frame, kind)]

    def heard(self) -> list[HeardFrame]:
        return [frame for _, frame in self.told if isinstance(frame, HeardFrame)]


def silence(ms: int) -> bytes:
    return bytes(ms * 16)


def listening(pcm: bytes, ear: Ear) -> Ear:
    async def main() -> None:
        await ear.hear(pcm)
        await ear.cleanup()

    run(main())
    return ear


def test_a_turn_that_sounds_finished_is_told_after_300_ms_of_silence() -> None:
    words = Words()
    ear = listening(silence(1000) + words.say("yes", 500) + silence(2000), Ear(words, Judge([True])))
    ((at, frame),) = ear.of(HeardFrame)
    assert 1.78 <= at <= 1.84
    assert isinstance(frame, HeardFrame)
    assert (frame.text, round(frame.started_at, 1), round(frame.ended_at, 1)) == ("yes", 1.0, 1.5)


def test_a_turn_that_sounds_unfinished_is_told_after_900_ms() -> None:
    words = Words()
    ear = listening(silence(1000) + words.say("I think", 500) + silence(2000), Ear(words, Judge([False])))
    ((at, _),) = ear.of(HeardFrame)
    assert 2.38 <= at <= 2.44


def test_a_whole_answer_that_sounds_finished_is_told_sooner() -> None:
    words = Words()
    ear = Ear(words, Judge([True]), meant=Said.WHOLE)
    listening(silence(1000) + words.say("yes on Friday", 500) + silence(2000), ear)
    ((at, frame),) = ear.of(HeardFrame)
    assert 1.74 <= at <= 1.80
    assert isinstance(frame, HeardFrame)
    assert (frame.endpointing_ms, frame.stt_late_ms) == (260, 0)


def test_a_step_with_patience_waits_for_it() -> None:
    words = Words()
    ear = Ear(words, Judge([True]), patience_ms=1500)
    pcm = silence(500) + words.say("oh nine", 500) + silence(1300) + words.say("one two", 500) + silence(3000)
    listening(pcm, ear)
    ((at, frame),) = ear.of(HeardFrame)
    assert isinstance(frame, HeardFrame)
    assert frame.text == "oh nine one two"
    assert 4.28 <= at <= 4.34


def test_a_noise_ends_soon_whatever_the_patience() -> None:
    words = Words()
    ear = Ear(words, Judge([False]), patience_ms=1500)
    listening(silence(500) + b"\x00\x20\x00\xe0" * 1600 + silence(2000), ear)
    ((at, frame),) = ear.of(HeardFrame)
    assert isinstance(frame, HeardFrame)
    assert frame.text == ""
    assert at <= 1.7


def test_who_is_about_to_go_on_is_not_answered_before_the_voice_counts() -> None:
    words = Words()
    ear = Ear(words, Judge([True]))
    listening(silence(1000) + words.say("yes", 500) + silence(260) + words.say("but not now") + silence(2000), ear)
    assert [(frame.text, frame.continues) for frame in ear.heard()] == [("yes but not now", False)]


def test_a_click_that_is_no_voice_delays_the_end_only_for_a_moment() -> None:
    words = Words()
    click = b"\x00\x20\x00\xe0" * 100
    ear = Ear(words, Judge([True]))
    listening(silence(1000) + words.say("yes", 500) + silence(270) + click + silence(2000), ear)
    ((at, _),) = ear.of(HeardFrame)
    assert at <= 1.92


def test_slow_recognition_delays_only_what_it_must() -> None:
    words = Words()
    ear = Ear(words, Judge([True]))
    ear.listener.delay_s = 0.6
    listening(silence(1000) + words.say("yes", 500) + silence(2000), ear)
    ((at, _),) = ear.of(HeardFrame)
    assert 2.16 <= at <= 2.24, "begun 64 ms after the voice, not at its accepted end"


def test_the_judge_is_shown_the_pause_as_it_was() -> None:
    words = Words()
    judge = Judge([True])
    listening(silence(1000) + words.say("yes", 500) + silence(2000), Ear(words, judge))
    assert len(judge.asked) == 1
    assert 50 <= judge.asked[0] <= 120


def test_who_goes_on_before_the_end_is_one_turn_with_one_begin() -> None:
    words = Words()
    pcm = silence(500) + words.say("I think") + silence(600) + words.say("yes") + silence(2000)
    ear = listening(pcm, Ear(words, Judge([False, True])))
    assert [frame.text for frame in ear.heard()] == ["I think yes"]
    assert len(ear.of(SpeechStartedFrame)) == 1
    assert not ear.heard()[0].continues


def test_who_goes_on_soon_after_the_end_continues_the_turn() -> None:
    words = Words()
    pcm = silence(500) + words.say("yes") + silence(600) + words.say("but not now") + silence(2000)
    ear = listening(pcm, Ear(words, Judge([True])))
    assert [(frame.text, frame.continues) for frame in ear.heard()] == [("yes", False), ("yes but not now", True)]
    assert [frame.continues for _, frame in ear.of(SpeechStartedFrame)] == [False, True]  # type: ignore[attr-defined]


def test_who_speaks_later_begins_another_turn() -> None:
    words = Words()
    pcm = silence(500) + words.say("yes") + silence(1100) + words.say("but not now") + silence(2000)
    ear = listening(pcm, Ear(words, Judge([True])))
    assert [(frame.text, frame.continues) for frame in ear.heard()] == [("yes", False), ("but not now", False)]


def test_every_begin_has_an_end_even_of_noise() -> None:
    words = Words()
    noise = b"\x00\x20\x00\xe0" * 1600
    ear = listening(silence(500) + noise + silence(2000) + words.say("yes") + silence(2000), Ear(words, Judge([True])))
    assert [frame.text for frame in ear.heard()] == ["", "yes"]
    assert len(ear.of(SpeechStartedFrame)) == 2
    assert not ear.heard()[1].continues


def test_a_monologue_is_told_while_it_lasts() -> None:
    words = Words()
    ear = listening(silence(500) + words.say("on and on", 9000) + silence(2000), Ear(words, Judge([True])))
    assert [round(at) for at, _ in ear.of(MonologueFrame)] == [5, 8]
    assert [frame.text for frame in ear.heard()] == ["on and on"]


def test_a_look_at_unfinished_speech_that_fails_harms_nothing() -> None:
    words = Words()
    ear = Ear(words, Judge([True]))

    async def main() -> None:
        pcm = silence(500) + words.say("on and on", 9000) + silence(2000)
        ear.listener.fails = RuntimeError("too much waits")
        await ear.hear(pcm[: 16 * 6000])
        assert ear.listener.asked == 1
        ear.listener.fails = None
        await ear.hear(pcm[16 * 6000 :])
        await ear.cleanup()

    run(main())
    assert ear.failures == []
    assert [round(at) for at, _ in ear.of(MonologueFrame)] == [8]
    assert [frame.text for frame in ear.heard()] == ["on and on"]


def test_who_never_pauses_is_answered_in_between() -> None:
    words = Words()
    ear = listening(silence(500) + words.say("on and on", 45_000) + silence(2000), Ear(words, Judge([True])))
    assert [frame.text for frame in ear.heard()] == ["on and on"] * 3
    assert [round(at) for at, _ in ear.of(HeardFrame)] == [21, 41, 46]


def test_the_end_of_the_call_gives_the_words_of_an_unfinished_turn() -> None:
    words = Words()
    ear = Ear(words, Judge([True]))

    async def main() -> HeardFrame | None:
        await ear.hear(silence(500) + words.say("stop calling", 600))
        frame = await ear.flush()
        await ear.cleanup()
        return frame

    frame = run(main())
    assert frame is not None
    assert frame.text == "stop calling"


def test_the_end_of_the_call_in_silence_gives_nothing() -> None:
    words = Words()
    ear = Ear(words, Judge([True]))

    async def main() -> HeardFrame | None:
        await ear.hear(silence(500) + words.say("yes", 600) + silence(2000))
        return await ear.flush()

    assert run(main()) is None


def test_failing_recognition_is_told_once_and_then_nothing_is_heard() -> None:
    words = Words()
    ear = Ear(words, Judge([True]))
    ear.listener.fails = RuntimeError("no model")
    listening((silence(500) + words.say("yes") + silence(1500)) * 3, ear)
    assert [str(error) for error in ear.failures] == ["no model"]
    assert ear.heard() == []


def test_frames_that_come_late_do_not_move_the_end_of_speech() -> None:
    words = Words()
    ear = Ear(words, Judge([True]))

    async def main() -> None:
        await ear.hear(silence(1000) + words.say("yes", 300))
        pcm = words.say("yes", 200) + silence(2000)
        await asyncio.sleep(0.4)
        for at in range(0, len(pcm), FRAME_BYTES):
            if at > 20 * FRAME_BYTES:
                await asyncio.sleep(0.02)
            await ear.process_frame(InputAudioRawFrame(pcm[at : at + FRAME_BYTES], 8000, 1), FrameDirection.DOWNSTREAM)
        await ear.cleanup()

    run(main())
    (frame,) = ear.heard()
    assert 1.45 <= frame.ended_at <= 1.55
