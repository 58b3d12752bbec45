"""Lines that were recorded: WAV files named in a script, played like any other line."""

from __future__ import annotations

import hashlib
import io
import wave
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import structlog

from bot.speech.errors import BadAudio
from bot.speech.phrases import Phrase, PhraseCache
from bot.speech.pool import Priority, WorkPool
from bot.speech.sound import Samples, level, resample, to_pcm, trim

_log = structlog.get_logger(__name__)

LONGEST_S: Final = 60
#: A minute of stereo at 96 kHz and 32 bits.
_MOST_BYTES: Final = 48_000_000
_REMEDY: Final = "save it as WAV, PCM, mono or stereo, at most 60 s"


@dataclass(frozen=True)
class Recorded:
    """A recording that was looked at; `sha256` is the file's."""

    path: Path
    sha256: str
    duration_ms: int

    @classmethod
    def read(cls, path: Path, name: str | None = None) -> Recorded:
        """Look at a file; blocking. Raises `BadAudio` naming it (`name`, if given) and the remedy."""
        content = _content(path, name or str(path))
        samples, rate_hz = samples_of(content, name or str(path))
        return cls(path, hashlib.sha256(content).hexdigest(), samples.size * 1000 // rate_hz)


def samples_of(content: bytes, name: str) -> tuple[Samples, int]:
    """A WAV file as mono samples and their rate in Hz. Raises `BadAudio` naming it and the remedy."""
    try:
        with wave.open(io.BytesIO(content)) as file:
            channels, width, rate_hz = file.getnchannels(), file.getsampwidth(), file.getframerate()
            if channels not in (1, 2):
                raise BadAudio(f"{name}: it has {channels} channels; {_REMEDY}")
            if not 4000 <= rate_hz <= 192_000:
                raise BadAudio(f"{name}: its rate is {rate_hz} Hz; {_REMEDY}")
            if file.getnframes() > LONGEST_S * rate_hz:
                raise BadAudio(f"{name}: it lasts {file.getnframes() // rate_hz} s; {_REMEDY}")
            raw = file.readframes(file.getnframes())
    except (wave.Error, EOFError) as error:
        raise BadAudio(f"{name}: no WAV file of plain PCM ({error or 'it is cut off'}); {_REMEDY}") from error
    samples = _mono(raw, width, channels)
    if not samples.size or not np.abs(samples).max() > 1e-4:
        raise BadAudio(f"{name}: nothing is to be heard in it; {_REMEDY}")
    return samples, rate_hz


class RecordedLines:
    """The recorded lines of one bot, by the names in its script; their sound is kept with the phrases."""

    def __init__(self, files: Mapping[str, Recorded], cache: PhraseCache, pool: WorkPool) -> None:
        self._files = dict(files)
        self._cache = cache
        self._pool = pool

    def cached(self, name: str, rate_hz: int) -> bytes | None:
        """PCM of a line if it is cached, without waiting."""
        file = self._files.get(name)
        return self._cache.get(_phrase(file, rate_hz)) if file is not None else None

    async def sound(self, name: str, rate_hz: int) -> bytes:
        """PCM of a line, mono at `rate_hz`. Raises `BadAudio` when the bot has no such line, or its file has gone."""
        return await self._sound(name, rate_hz, Priority.NOW)

    async def warm(self, *, rate_hz: int) -> None:
        """Put every line into the cache; what cannot be had is told, and said by the voice in the call."""
        for name in self._files:
            try:
                await self._sound(name, rate_hz, Priority.LATER)
            except BadAudio as error:
                _log.warning("speaking.no_recording", error=str(error))

    async def _sound(self, name: str, rate_hz: int, priority: Priority) -> bytes:
        file = self._files.get(name)
        if file is None:
            raise BadAudio(f"{name}: the bot was stored without this recording; make its campaign anew")
        phrase = _phrase(file, rate_hz)
        pcm = self._cache.get(phrase)
        if pcm is None:
            pcm = (await self._pool.run(lambda: self._decoded(name, file, phrase), priority=priority)).value
            self._cache.put(phrase, pcm)
        return pcm

    def _decoded(self, name: str, file: Recorded, phrase: Phrase) -> bytes:
        content = _content(file.path, name)
        if hashlib.sha256(content).hexdigest() != file.sha256:
            raise BadAudio(f"{name}: {file.path} is not the recording that was stored; put the right one back")
        samples, rate_hz = samples_of(content, name)
        sound = resample(samples, rate_hz, phrase.rate_hz)
        pcm = to_pcm(level(trim(sound, phrase.rate_hz), phrase.rate_hz))
        self._cache.store(phrase, pcm)
        return pcm


def _phrase(file: Recorded, rate_hz: int) -> Phrase:
    return Phrase(f"recorded:{file.sha256}", "", 1.0, rate_hz)


def _content(path: Path, name: str) -> bytes:
    try:
        if path.stat().st_size > _MOST_BYTES:
            raise BadAudio(f"{name}: the file is too large; {_REMEDY}")
        return path.read_bytes()
    except OSError as error:
        raise BadAudio(f"{name}: {path} cannot be read: {error.strerror}; put it there") from error


def _mono(raw: bytes, width: int, channels: int) -> Samples:
    raw = raw[: len(raw) // (width * channels) * width * channels]
    if width == 1:
        samples = np.frombuffer(raw, np.uint8).astype(np.float32) / 128 - 1
    elif width == 3:
        # Each sample becomes the upper three bytes of four.
        padded = np.zeros((len(raw) // 3, 4), np.uint8)
        padded[:, 1:] = np.frombuffer(raw, np.uint8).reshape(-1, 3)
        samples = padded.view("<i4")[:, 0].astype(np.float32) / 2**31
    else:
        samples = np.frombuffer(raw, f"<i{width}").astype(np.float32) / 2 ** (8 * width - 1)
    mono: Samples = samples.reshape(-1, channels).mean(axis=1, dtype=np.float32)
    return mono
