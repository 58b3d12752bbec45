"""A speaker over a voice of tones: cache, equal requests at once, order, streaming, warming."""

from __future__ import annotations

import asyncio
import queue
import threading
from collections.abc import AsyncIterator
from pathlib import Path

import numpy as np
import pytest
from structlog.testing import capture_logs

from bot.speech.errors import PoolClosed, SynthesisFailed
from bot.speech.phrases import PhraseCache
from bot.speech.pool import Priority, WorkPool
from bot.speech.sound import Samples, silence
from bot.speech.speaking import PAUSE_MS, CachedSpeaker

RATE = 8000


class ToneVoice:
    """Says each sentence as a tone, 20 ms a character; notes what it was asked.

    While its gate is shut it waits with the sentences that contain `held`.
    """

    rate_hz = 16000
    fingerprint = "tone:1"

    def __init__(self) -> None:
        self.said: list[str] = []
        self.asked: queue.Queue[str] = queue.Queue()
        self.begun = threading.Event()
        self.gate = threading.Event()
        self.gate.set()
        self.held = ""

    def render(self, sentence: str, speed: float) -> Samples:
        self.said.append(sentence)
        self.asked.put(sentence)
        self.begun.set()
        assert self.held not in sentence or self.gate.wait(timeout=30)
        if "fail" in sentence:
            raise SynthesisFailed("no sound for this")
        if "crash" in sentence:
            raise ZeroDivisionError("inside the engine")
        at = np.arange(int(len(sentence) * 320 / speed))
        silent = "mute" in sentence
        return np.zeros(at.size, np.float32) if silent else (0.3 * np.sin(at / 5)).astype(np.float32)


@pytest.fixture
def voice() -> ToneVoice:
    return ToneVoice()


@pytest.fixture
async def speaker(voice: ToneVoice, tmp_path: Path) -> AsyncIterator[CachedSpeaker]:
    speaker = CachedSpeaker(voice, PhraseCache(tmp_path), WorkPool(2), owns_pool=True)
    yield speaker
    voice.gate.set()
    await speaker.aclose()


async def test_a_second_request_is_answered_from_the_cache(speaker: CachedSpeaker, voice: ToneVoice) -> None:
    assert speaker.cached("Hello there.", RATE) is None
    pcm = await speaker.synthesise("Hello there.", rate_hz=RATE)
    assert len(pcm) > 2 * RATE * 0.2
    assert await speaker.synthesise("  Hello   there. ", rate_hz=RATE) == pcm
    assert speaker.cached("Hello there.", RATE) == pcm
    assert voice.said == ["Hello there."]


async def test_another_speed_or_rate_is_another_line(speaker: CachedSpeaker, voice: ToneVoice) -> None:
    plain = await speaker.synthesise("Hello there.", rate_hz=RATE)
    fast = await speaker.synthesise("Hello there.", rate_hz=RATE, speed=2.0)
    wide = await speaker.synthesise("Hello there.", rate_hz=16000)
    assert len(fast) < len(plain) * 0.6
    assert len(wide) > len(plain) * 1.9
    assert len(voice.said) == 3


@pytest.mark.parametrize("speed", [0.4, 2.1, float("nan")])
async def test_a_speed_nobody_understands_is_refused(speaker: CachedSpeaker, speed: float) -> None:
    with pytest.raises(SynthesisFailed, match=r"outside 0\.5 to 2\.0"):
        await speaker.synthesise("Hello.", rate_hz=RATE, speed=speed)


async def test_equal_requests_at_once_are_rendered_once(speaker: CachedSpeaker, voice: ToneVoice) -> None:
    voice.gate.clear()
    asked = [asyncio.create_task(speaker.synthesise("Hello.", rate_hz=RATE)) for _ in range(5)]
    await asyncio.to_thread(voice.begun.wait, 30)
    voice.gate.set()
    sounds = await asyncio.gather(*asked)
    assert len(set(sounds)) == 1
    assert voice.said == ["Hello."]


async def test_one_asker_who_gives_up_does_not_take_it_from_the_others(
    speaker: CachedSpeaker, voice: ToneVoice
) -> None:
    voice.gate.clear()
    leaving, staying = (asyncio.create_task(speaker.synthesise("Hello.", rate_hz=RATE)) for _ in range(2))
    await asyncio.to_thread(voice.begun.wait, 30)
    leaving.cancel()
    with pytest.raises(asyncio.CancelledError):
        await leaving
    voice.gate.set()
    assert await staying == speaker.cached("Hello.", RATE)


async def test_the_first_sentence_comes_while_the_second_is_not_ready(speaker: CachedSpeaker, voice: ToneVoice) -> None:
    voice.held = "Second"
    voice.gate.clear()
    stream = speaker.stream("First one. Second one. Third one.", rate_hz=RATE)
    first = await anext(stream)
    assert first == speaker.cached("First one.", RATE)
    voice.gate.set()
    rest = b"".join([part async for part in stream])
    assert first + rest == speaker.cached("First one. Second one. Third one.", RATE)
    assert voice.said == ["First one.", "Second one.", "Third one."]


async def test_the_next_sentence_is_rendered_while_one_is_played(speaker: CachedSpeaker, voice: ToneVoice) -> None:
    stream = speaker.stream("First one. Second one.", rate_hz=RATE)
    await anext(stream)
    assert await asyncio.to_thread(voice.asked.get, timeout=30) == "First one."
    assert await asyncio.to_thread(voice.asked.get, timeout=30) == "Second one."
    await anext(stream)


async def test_no_room_to_render_the_next_sentence_early_harms_nothing(voice: ToneVoice) -> None:
    pool = WorkPool(2, max_waiting=1)
    begun, gate = threading.Event(), threading.Event()

    def hold() -> bool:
        begun.set()
        return gate.wait(60)

    pool.submit(hold, priority=Priority.LATER)
    try:
        assert await asyncio.to_thread(begun.wait, 60)
        pool.submit(gate.is_set, priority=Priority.LATER)
        speaker = CachedSpeaker(voice, PhraseCache(None), pool)
        stream = speaker.stream("First one. Second one.", rate_hz=RATE)
        parts = [await anext(stream)]
        assert pool.stats().waiting_later == 1
        parts += [part async for part in stream]
        assert b"".join(parts) == speaker.cached("First one. Second one.", RATE)
    finally:
        gate.set()
        await pool.aclose()
    assert voice.said == ["First one.", "Second one."]


async def test_sentences_are_parted_by_a_pause_and_shared_by_texts(speaker: CachedSpeaker, voice: ToneVoice) -> None:
    both = await speaker.synthesise("One here. Two here.", rate_hz=RATE)
    one = await speaker.synthesise("One here.", rate_hz=RATE)
    two = await speaker.synthesise("Two here.", rate_hz=RATE)
    assert both == one + silence(PAUSE_MS, RATE) + two
    assert voice.said == ["One here.", "Two here."]


async def test_half_a_cached_text_is_not_cached(speaker: CachedSpeaker) -> None:
    await speaker.synthesise("One here.", rate_hz=RATE)
    assert speaker.cached("One here. Two here.", RATE) is None


async def test_a_text_without_words_is_no_sound(speaker: CachedSpeaker, voice: ToneVoice) -> None:
    assert await speaker.synthesise(" … ", rate_hz=RATE) == b""
    assert speaker.cached("", RATE) == b""
    assert voice.said == []


@pytest.mark.parametrize(
    ("text", "message"),
    [("This will fail.", "no sound"), ("A crash.", "inside the engine"), ("A mute one.", "the voice was silent")],
)
async def test_a_failure_is_told_without_the_text_and_not_cached(
    speaker: CachedSpeaker, voice: ToneVoice, text: str, message: str
) -> None:
    for _ in range(2):
        with pytest.raises(SynthesisFailed, match=message) as caught:
            await speaker.synthesise(text, rate_hz=RATE)
        assert text not in str(caught.value)
    assert len(voice.said) == 2


async def test_warming_fills_the_cache_once_for_each_sentence(speaker: CachedSpeaker, voice: ToneVoice) -> None:
    await speaker.synthesise("Known already.", rate_hz=RATE)
    steps: list[tuple[int, int]] = []
    texts = ["Known already. New one.", "New one.", "Another."]
    result = await speaker.warm(texts, rate_hz=RATE, progress=lambda done, total: steps.append((done, total)))
    assert (result.rendered, result.cached, result.failed) == (2, 1, ())
    assert steps == [(1, 3), (2, 3), (3, 3)]
    assert speaker.cached(texts[0], RATE) is not None
    assert sorted(voice.said) == ["Another.", "Known already.", "New one."]
    again = await speaker.warm(texts, rate_hz=RATE)
    assert (again.rendered, again.cached) == (0, 3)


async def test_warming_goes_on_past_a_line_that_fails(speaker: CachedSpeaker) -> None:
    with capture_logs() as logs:
        result = await speaker.warm(["This will fail.", "This is fine."], rate_hz=RATE)
    assert (result.rendered, result.failed) == (1, ("This will fail.",))
    assert [entry["event"] for entry in logs] == ["speaking.warm_failed"]
    assert speaker.cached("This is fine.", RATE) is not None


async def test_a_line_wanted_now_is_taken_out_of_the_warming_queue(voice: ToneVoice) -> None:
    speaker = CachedSpeaker(voice, PhraseCache(None), WorkPool(1), owns_pool=True)
    voice.gate.clear()
    warming = asyncio.create_task(speaker.warm(["Line one."], rate_hz=RATE))
    await asyncio.to_thread(voice.begun.wait, 30)
    behind = asyncio.create_task(speaker.warm(["Line two.", "Line three."], rate_hz=RATE))
    last = asyncio.create_task(speaker.warm(["Wanted."], rate_hz=RATE))
    await asyncio.sleep(0)
    wanted = asyncio.create_task(speaker.synthesise("Wanted.", rate_hz=RATE))
    await asyncio.sleep(0)
    voice.gate.set()
    await asyncio.gather(warming, behind, last, wanted)
    assert voice.said == ["Line one.", "Wanted.", "Line two.", "Line three."]
    await speaker.aclose()


async def test_closing_drops_what_is_under_way(voice: ToneVoice) -> None:
    speaker = CachedSpeaker(voice, PhraseCache(None), WorkPool(1), owns_pool=True)
    voice.gate.clear()
    asked = [asyncio.create_task(speaker.synthesise(text, rate_hz=RATE)) for text in ("Line one.", "Line two.")]
    await asyncio.to_thread(voice.begun.wait, 30)
    voice.gate.set()
    await speaker.aclose()
    results = await asyncio.gather(*asked, return_exceptions=True)
    assert all(isinstance(result, bytes | asyncio.CancelledError) for result in results)
    with pytest.raises(PoolClosed):
        await speaker.synthesise("Line three.", rate_hz=RATE)
    await speaker.aclose()


def _damage_all(folder: Path) -> None:
    for file in folder.iterdir():
        file.write_bytes(b"damaged")


async def test_a_lost_cache_costs_a_rendering_only(voice: ToneVoice, tmp_path: Path) -> None:
    pool = WorkPool(1)
    first = CachedSpeaker(voice, PhraseCache(tmp_path), pool)
    pcm = await first.synthesise("Hello.", rate_hz=RATE)
    second = CachedSpeaker(voice, PhraseCache(tmp_path), pool)
    assert second.cached("Hello.", RATE) == pcm
    _damage_all(tmp_path)
    third = CachedSpeaker(voice, PhraseCache(tmp_path), pool)
    assert await third.synthesise("Hello.", rate_hz=RATE) == pcm
    assert len(voice.said) == 2
    await pool.aclose()


async def test_figures_are_words_before_they_are_cut_and_rendered(voice: ToneVoice, tmp_path: Path) -> None:
    speaker = CachedSpeaker(voice, PhraseCache(tmp_path), WorkPool(1), owns_pool=True, language="en-us")
    await speaker.synthesise("It is 2.5 at 14:30. Yes.", rate_hz=8000)
    assert voice.said == ["It is two point five at two thirty PM.", "Yes."]
    assert speaker.cached("It is two point five at two thirty PM. Yes.", 8000) is not None
    await speaker.aclose()
