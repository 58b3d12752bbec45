"""From what a customer said to words."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

import structlog

from bot.speech.pool import PoolStats, Priority, WorkPool
from bot.speech.sound import from_pcm, resample
from bot.speech.whisper import RATE_HZ, Reading, Whisper

_log = structlog.get_logger(__name__)
_NO_SAMPLES: Final = bytes(RATE_HZ * 2)


@dataclass(frozen=True)
class Heard:
    """One utterance in words.

    `score` is the mean log probability of a token (0 is certain), `no_speech_prob` the model's doubt that anything
    was said; text is empty when nothing was. `wait_ms` was spent in the queue, `work_ms` recognising.
    """

    text: str
    score: float
    no_speech_prob: float
    audio_ms: int
    wait_ms: int
    work_ms: int


class Listener(Protocol):
    """Recognises whole utterances."""

    async def transcribe(self, pcm: bytes, rate_hz: int) -> Heard:
        """Words of `pcm` (mono, signed 16-bit little-endian). Cancellable: queued work is dropped."""
        ...


class WhisperListener:
    """Whisper for one language; `in_language` gives another view of the same model and threads."""

    def __init__(self, model: Whisper, pool: WorkPool, language: str, *, owns_pool: bool = False) -> None:
        model.prompt(language)
        self._model = model
        self._pool = pool
        self._owns_pool = owns_pool
        self.language = language

    @classmethod
    def load(
        cls, model_dir: Path, language: str = "en", *, workers: int = 2, pool: WorkPool | None = None
    ) -> WhisperListener:
        """Load the model in `model_dir` (`ModelStore.path`) once and run it once to warm it; blocks about a second.

        Without `pool` it gets one of its own with `workers` threads, closed by `aclose`.
        Raises `BadLanguage` when the model does not know `language` (ISO 639-1).
        """
        model = Whisper.load(model_dir, workers=pool.workers if pool else workers)
        listener = cls(model, pool or WorkPool(workers), language, owns_pool=pool is None)
        model.read(from_pcm(_NO_SAMPLES), language)
        return listener

    def in_language(self, language: str) -> WhisperListener:
        """The same model and threads for another language. Raises `BadLanguage`."""
        return WhisperListener(self._model, self._pool, language)

    async def transcribe(self, pcm: bytes, rate_hz: int) -> Heard:
        """See `Listener`. Runs before any pre-rendering. Raises `BadAudio`, `PoolFull` or `PoolClosed`."""
        audio_ms = len(pcm) // 2 * 1000 // rate_hz
        done = await self._pool.run(lambda: self._read(pcm, rate_hz), priority=Priority.NOW)
        reading = done.value
        if reading.retried:
            _log.debug("listening.looped", audio_ms=audio_ms, work_ms=done.work_ms)
        return Heard(
            text=reading.text,
            score=reading.score,
            no_speech_prob=reading.no_speech_prob,
            audio_ms=audio_ms,
            wait_ms=done.wait_ms,
            work_ms=done.work_ms,
        )

    def stats(self) -> PoolStats:
        """Depth and waits of the threads, shared with whoever else uses the pool."""
        return self._pool.stats()

    async def aclose(self) -> None:
        """Wait for running work and release the threads, if they are its own. Idempotent."""
        if self._owns_pool:
            await self._pool.aclose()

    def _read(self, pcm: bytes, rate_hz: int) -> Reading:
        return self._model.read(resample(from_pcm(pcm), rate_hz, RATE_HZ), self.language)


class CannedListener:
    """Returns given texts in turn, the last one for ever, at once: the bench's stand-in without recognition."""

    def __init__(self, texts: Iterable[str]) -> None:
        self._texts = list(texts) or [""]
        self._next = 0

    async def transcribe(self, pcm: bytes, rate_hz: int) -> Heard:
        """See `Listener`."""
        await asyncio.sleep(0)
        text = self._texts[min(self._next, len(self._texts) - 1)]
        self._next += 1
        return Heard(text, 0.0, 0.0, len(pcm) // 2 * 1000 // rate_hz, 0, 0)

    async def aclose(self) -> None:
        """Nothing to release."""
