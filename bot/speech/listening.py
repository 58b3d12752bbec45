"""From what a customer said to words."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import exp
from pathlib import Path
from typing import Final, Protocol

import structlog

from bot.speech.pool import PoolStats, Priority, WorkPool
from bot.speech.relief import Relief
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
    #: The catalogue's name of the model that heard it.
    model: str | None = None

    @property
    def confidence(self) -> float | None:
        """`score` as a probability; None of a recogniser that tells no scores and leaves it at 0."""
        return exp(self.score) if self.score else None


class Listener(Protocol):
    """Recognises whole utterances."""

    async def transcribe(self, pcm: bytes, rate_hz: int) -> Heard:
        """Words of `pcm` (mono, signed 16-bit little-endian). Cancellable: queued work is dropped."""
        ...


@dataclass(frozen=True)
class FastModel:
    """A model for when the usual one cannot keep up; `relief` says when."""

    name: str
    model: Whisper
    relief: Relief


@dataclass(frozen=True)
class ListeningStats:
    """Utterances since loading, by the model that heard them, and whether the fast one has its turn now."""

    pool: PoolStats
    heard: Mapping[str, int]
    relieved: bool


class WhisperListener:
    """Whisper for one language; `in_language` gives another view of the same models and threads.

    With `fast`, utterances that have waited too long are read by that model, where it knows the language.
    """

    def __init__(
        self,
        model: Whisper,
        pool: WorkPool,
        language: str,
        *,
        name: str = "whisper",
        fast: FastModel | None = None,
        owns_pool: bool = False,
    ) -> None:
        model.prompt(language)
        self._model = model
        self._pool = pool
        self._owns_pool = owns_pool
        self._name = name
        self._fast = fast
        self._heard: Counter[str] = Counter()
        self.language = language

    @classmethod
    def load(
        cls,
        model_dir: Path,
        language: str = "en",
        *,
        workers: int = 2,
        pool: WorkPool | None = None,
        fast_dir: Path | None = None,
        relief: Relief | None = None,
    ) -> WhisperListener:
        """Load the model in `model_dir` (`ModelStore.path`) once and run it once to warm it; blocks about a second.

        `fast_dir` holds the model that takes over when utterances wait, as `relief` says. Without `pool` it gets one
        of its own with `workers` threads, closed by `aclose`.
        Raises `BadLanguage` when the model does not know `language` (ISO 639-1).
        """
        workers = pool.workers if pool else workers
        model = _warm(model_dir, language, workers)
        fast = None
        if fast_dir is not None and fast_dir != model_dir:
            fast = FastModel(fast_dir.name, _warm(fast_dir, "en", workers), relief or Relief())
        return cls(model, pool or WorkPool(workers), language, name=model_dir.name, fast=fast, owns_pool=pool is None)

    def in_language(self, language: str) -> WhisperListener:
        """The same models and threads for another language. Raises `BadLanguage`."""
        other = WhisperListener(self._model, self._pool, language, name=self._name, fast=self._fast)
        other._heard = self._heard
        return other

    async def transcribe(self, pcm: bytes, rate_hz: int) -> Heard:
        """See `Listener`. Runs before any pre-rendering. Raises `BadAudio`, `PoolFull` or `PoolClosed`."""
        audio_ms = len(pcm) // 2 * 1000 // rate_hz
        fast = self._fast if self._fast is not None and self._fast.model.knows(self.language) else None
        queued_at = fast.relief.now() if fast is not None else 0.0
        done = await self._pool.run(lambda: self._read(pcm, rate_hz, fast, queued_at), priority=Priority.NOW)
        name, reading = done.value
        self._heard[name] += 1
        if reading.retried:
            _log.debug("listening.looped", audio_ms=audio_ms, work_ms=done.work_ms)
        return Heard(
            text=reading.text,
            score=reading.score,
            no_speech_prob=reading.no_speech_prob,
            audio_ms=audio_ms,
            wait_ms=done.wait_ms,
            work_ms=done.work_ms,
            model=name,
        )

    def stats(self) -> ListeningStats:
        """Who heard how many utterances in any language; the threads are shared with whoever else uses the pool."""
        relieved = self._fast is not None and self._fast.relief.under_way
        return ListeningStats(self._pool.stats(), dict(self._heard), relieved)

    async def aclose(self) -> None:
        """Wait for running work and release the threads, if they are its own. Idempotent."""
        if self._owns_pool:
            await self._pool.aclose()

    def _read(self, pcm: bytes, rate_hz: int, fast: FastModel | None, queued_at: float) -> tuple[str, Reading]:
        name, model = self._name, self._model
        if fast is not None and fast.relief.wanted(round((fast.relief.now() - queued_at) * 1000)):
            name, model = fast.name, fast.model
        return name, model.read(resample(from_pcm(pcm), rate_hz, RATE_HZ), self.language)


def _warm(model_dir: Path, language: str, workers: int) -> Whisper:
    model = Whisper.load(model_dir, workers=workers)
    model.read(from_pcm(_NO_SAMPLES), language)
    return model


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
