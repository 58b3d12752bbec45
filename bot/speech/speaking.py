"""From the bot's lines to sound, with a cache filled before the call."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

import structlog

from bot.errors import SpeechError
from bot.reading import aloud
from bot.speech.errors import PoolFull, SynthesisFailed, VoiceUnavailable
from bot.speech.phrases import Phrase, PhraseCache
from bot.speech.pool import Done, Job, Priority, WorkPool
from bot.speech.sentences import sentences
from bot.speech.sound import Samples, level, resample, silence, to_pcm, trim
from bot.speech.voices import EspeakVoice, PiperVoice, Voice
from models.catalogue import Kind
from models.errors import ModelMissing
from models.store import ModelStore

_log = structlog.get_logger(__name__)

#: Between two sentences, beside the 80 ms that each keeps of its own tail.
PAUSE_MS: Final = 150
SPEEDS: Final = (0.5, 2.0)

#: Told after each line: lines done, lines in all.
WarmProgress = Callable[[int, int], None]


@dataclass(frozen=True)
class WarmResult:
    """What filling the cache came to; counts are sentences, `failed` holds texts that the voice could not say."""

    rendered: int
    cached: int
    work_ms: int
    failed: tuple[str, ...] = ()
    #: Why the last of them failed.
    error: SpeechError | None = None

    @property
    def mute(self) -> bool:
        """Whether the voice could not say a single one."""
        return bool(self.failed) and not self.rendered and not self.cached


class Speaker(Protocol):
    """Says texts with one voice. All sound is mono, signed 16-bit little-endian PCM at the asked rate."""

    async def synthesise(self, text: str, *, rate_hz: int, speed: float = 1.0) -> bytes:
        """Sound of the whole text, from the cache where it is there. Raises `SynthesisFailed`."""
        ...

    def cached(self, text: str, rate_hz: int, speed: float = 1.0) -> bytes | None:
        """Sound of the whole text if all of it is cached, without waiting."""
        ...

    def stream(self, text: str, *, rate_hz: int, speed: float = 1.0) -> AsyncIterator[bytes]:
        """Sound of the text sentence by sentence, each as soon as it is ready; the same bytes as `synthesise`."""
        ...

    async def warm(
        self, texts: Iterable[str], *, rate_hz: int, speed: float = 1.0, progress: WarmProgress | None = None
    ) -> WarmResult:
        """Fill the cache with texts, behind every work that a customer waits for."""
        ...

    async def aclose(self) -> None:
        """Drop what is under way and release the threads. Idempotent."""
        ...


class _Rendering:
    """One sentence under way, awaited by whoever wants it."""

    def __init__(self, job: Job[bytes], task: asyncio.Task[Done[bytes]]) -> None:
        self.job = job
        self.task = task


class CachedSpeaker:
    """A `Speaker` over any `Voice`: cache, one rendering for equal requests at once, and the shared pool."""

    def __init__(
        self, voice: Voice, cache: PhraseCache, pool: WorkPool, *, owns_pool: bool = False, language: str = ""
    ) -> None:
        self._voice = voice
        self._language = language
        self._cache = cache
        self._pool = pool
        self._owns_pool = owns_pool
        self._under_way: dict[Phrase, _Rendering] = {}

    @property
    def voice(self) -> str:
        """The voice's fingerprint."""
        return self._voice.fingerprint

    async def synthesise(self, text: str, *, rate_hz: int, speed: float = 1.0) -> bytes:
        """See `Speaker`."""
        return b"".join([part async for part in self.stream(text, rate_hz=rate_hz, speed=speed)])

    def cached(self, text: str, rate_hz: int, speed: float = 1.0) -> bytes | None:
        """See `Speaker`."""
        parts = [self._cache.get(phrase) for phrase in self._phrases(text, rate_hz, speed)]
        whole = [part for part in parts if part is not None]
        return silence(PAUSE_MS, rate_hz).join(whole) if len(whole) == len(parts) else None

    async def stream(self, text: str, *, rate_hz: int, speed: float = 1.0) -> AsyncIterator[bytes]:
        """See `Speaker`."""
        phrases = self._phrases(text, rate_hz, speed)
        pause = b""
        for at, phrase in enumerate(phrases):
            pcm = await self._say(phrase)
            for following in phrases[at + 1 : at + 2]:
                self._prepare(following)
            yield pause + pcm
            pause = silence(PAUSE_MS, rate_hz)

    async def warm(
        self, texts: Iterable[str], *, rate_hz: int, speed: float = 1.0, progress: WarmProgress | None = None
    ) -> WarmResult:
        """See `Speaker`."""
        phrases = list(dict.fromkeys(phrase for text in texts for phrase in self._phrases(text, rate_hz, speed)))
        missing = [phrase for phrase in phrases if self._cache.get(phrase) is None]
        work = _Warming(total=len(phrases), done=len(phrases) - len(missing), progress=progress)
        work.tell()
        queue = iter(missing)
        async with asyncio.TaskGroup() as group:
            for _ in range(self._pool.workers):
                group.create_task(self._warm_each(queue, work))
        cached = len(phrases) - len(missing)
        return WarmResult(work.rendered, cached, work.work_ms, tuple(work.failed), work.error)

    async def aclose(self) -> None:
        """See `Speaker`."""
        tasks = [rendering.task for rendering in self._under_way.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if self._owns_pool:
            await self._pool.aclose()

    def _phrases(self, text: str, rate_hz: int, speed: float) -> list[Phrase]:
        slowest, fastest = SPEEDS
        if not slowest <= speed <= fastest:
            raise SynthesisFailed(f"speed {speed} is outside {slowest} to {fastest}; 1.0 is the voice's own")
        words = aloud(text, self._language)
        return [Phrase(self._voice.fingerprint, sentence, speed, rate_hz) for sentence in sentences(words)]

    async def _warm_each(self, phrases: Iterable[Phrase], work: _Warming) -> None:
        for phrase in phrases:
            try:
                done = await asyncio.shield(self._start(phrase, Priority.LATER).task)
            except SpeechError as error:
                _log.warning("speaking.warm_failed", error=str(error))
                work.failed.append(phrase.text)
                work.error = error
            else:
                work.rendered += 1
                work.work_ms += done.work_ms
            work.done += 1
            work.tell()

    async def _say(self, phrase: Phrase) -> bytes:
        pcm = self._cache.get(phrase)
        if pcm is not None:
            return pcm
        return (await asyncio.shield(self._start(phrase, Priority.NOW).task)).value

    def _prepare(self, phrase: Phrase) -> None:
        # It is rendered while the sentence before it plays; recognition for anybody goes first.
        if self._cache.get(phrase) is None:
            # Where too much waits already it is rendered when its turn comes.
            with contextlib.suppress(PoolFull):
                self._start(phrase, Priority.LATER)

    def _start(self, phrase: Phrase, priority: Priority) -> _Rendering:
        rendering = self._under_way.get(phrase)
        if rendering is None:
            job = self._pool.submit(lambda: self._render(phrase), priority=priority)
            rendering = _Rendering(job, asyncio.create_task(self._finish(phrase, job)))
            rendering.task.add_done_callback(_retrieve)
            self._under_way[phrase] = rendering
        elif priority is Priority.NOW:
            self._pool.promote(rendering.job)
        return rendering

    async def _finish(self, phrase: Phrase, job: Job[bytes]) -> Done[bytes]:
        try:
            done = await asyncio.wrap_future(job.future)
            self._cache.put(phrase, done.value)
            return done
        finally:
            del self._under_way[phrase]

    def _render(self, phrase: Phrase) -> bytes:
        raw = self._rendered(phrase)
        sound = resample(raw, self._voice.rate_hz, phrase.rate_hz)
        pcm = to_pcm(level(trim(sound, phrase.rate_hz), phrase.rate_hz))
        if not pcm:
            raise SynthesisFailed(f"the voice was silent for a text of {len(phrase.text)} characters")
        self._cache.store(phrase, pcm)
        return pcm

    def _rendered(self, phrase: Phrase) -> Samples:
        try:
            return self._voice.render(phrase.text, phrase.speed)
        except SpeechError:
            raise
        except Exception as error:
            raise SynthesisFailed(f"the voice failed on a text of {len(phrase.text)} characters: {error}") from error


def _retrieve(task: asyncio.Task[Done[bytes]]) -> None:
    # A sentence that nobody waits for any more may fail unseen.
    if not task.cancelled():
        task.exception()


class _Warming:
    """Running totals of one `warm`."""

    def __init__(self, *, total: int, done: int, progress: WarmProgress | None) -> None:
        self.total = total
        self.done = done
        self.rendered = self.work_ms = 0
        self.failed: list[str] = []
        self.error: SpeechError | None = None
        self._progress = progress

    def tell(self) -> None:
        if self._progress is not None:
            self._progress(self.done, self.total)


class PiperSpeaker(CachedSpeaker):
    """A Piper voice, loaded once a process and shared by all calls."""

    @classmethod
    def load(
        cls,
        model_dir: Path,
        *,
        cache_dir: Path | None = None,
        pool: WorkPool | None = None,
        sha256: str | None = None,
        cache: PhraseCache | None = None,
    ) -> PiperSpeaker:
        """Load the voice in `model_dir` (`ModelStore.path`); blocks about a second.

        Without `pool` it gets one of its own, closed by `aclose`; without `cache` or `cache_dir` lines are kept in
        memory only.
        """
        voice = PiperVoice.load(model_dir, sha256=sha256)
        cache = cache or _open_cache(cache_dir)
        return cls(voice, cache, pool or WorkPool(), owns_pool=pool is None, language=voice.language)


class EspeakSpeaker(CachedSpeaker):
    """espeak-ng, for languages without a Piper voice on this machine."""

    @classmethod
    def load(
        cls,
        language: str,
        *,
        cache_dir: Path | None = None,
        pool: WorkPool | None = None,
        cache: PhraseCache | None = None,
    ) -> EspeakSpeaker:
        """Raises `VoiceUnavailable` when espeak-ng is not installed."""
        cache = cache or _open_cache(cache_dir)
        return cls(EspeakVoice(language), cache, pool or WorkPool(), owns_pool=pool is None, language=language)


def _open_cache(folder: Path | None) -> PhraseCache:
    cache = PhraseCache(folder)
    cache.prune()
    return cache


def open_speaker(
    store: ModelStore,
    voice_id: str,
    *,
    cache_dir: Path | None = None,
    pool: WorkPool | None = None,
    cache: PhraseCache | None = None,
) -> CachedSpeaker:
    """The speaker for a voice of the catalogue; blocks about a second. Several may share one `cache`.

    A voice whose model is missing is replaced by the engine that its catalogue entry names as fallback, if that is
    installed; else `models.errors.ModelMissing` (or `ModelCorrupt`) says what to do.
    """
    model = store.catalogue.of_kind(voice_id, Kind.TTS)
    try:
        folder = store.path(voice_id)
    except ModelMissing as error:
        if model.fallback is None:
            raise
        return _fallback(model.fallback, error, cache or _open_cache(cache_dir), pool)
    sha256 = store.sha256(voice_id, ".onnx")
    return PiperSpeaker.load(folder, cache_dir=cache_dir, pool=pool, sha256=sha256, cache=cache)


def _fallback(name: str, missing: ModelMissing, cache: PhraseCache, pool: WorkPool | None) -> EspeakSpeaker:
    language = name.removeprefix("espeak-ng:")
    try:
        speaker = EspeakSpeaker.load(language, cache=cache, pool=pool)
    except VoiceUnavailable as error:
        raise missing from error
    _log.warning("speaking.fallback_voice", model=missing.model_id, engine="espeak-ng", language=language)
    return speaker
