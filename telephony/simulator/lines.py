"""Spoken lines, rendered to files before the network starts, and played from them."""

from __future__ import annotations

import hashlib
import wave
from collections.abc import Awaitable, Callable, Iterable, Iterator
from pathlib import Path

from telephony.simulator.errors import PersonaError
from telephony.simulator.g711 import RATE_HZ, Law
from telephony.simulator.persona import Persona

#: text, rate in Hz, speed (2.0: twice as fast) → mono signed 16-bit little-endian PCM.
Synthesise = Callable[[str, int, float], Awaitable[bytes]]


class Lines:
    """The rendered lines in one folder; each is read and encoded once."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._frames: dict[tuple[str, float, str], tuple[bytes, ...]] = {}

    def path(self, text: str, speed: float) -> Path:
        """The file of a line; its name is a hash of text, speed and rate."""
        name = hashlib.sha256(f"{RATE_HZ}|{speed:.3f}|{text}".encode()).hexdigest()[:24]
        return self.folder / f"{name}.wav"

    def frames(self, text: str, speed: float, law: Law) -> tuple[bytes, ...]:
        """The line as encoded frames of 20 ms."""
        key = (text, speed, law.name)
        if key not in self._frames:
            self._frames[key] = law.frames(self.pcm(text, speed))
        return self._frames[key]

    def pcm(self, text: str, speed: float) -> bytes:
        """The line as 8 kHz mono 16-bit PCM."""
        with wave.open(str(self.path(text, speed)), "rb") as file:
            return file.readframes(file.getnframes())

    def missing(self, personas: Iterable[Persona]) -> Iterator[tuple[Persona, str]]:
        """Every line that a persona may say and that has no file."""
        for persona in personas:
            for text in persona.lines():
                if not self.path(text, persona.voice.speed).is_file():
                    yield persona, text

    def require(self, personas: Iterable[Persona]) -> None:
        """Raise `PersonaError` naming every line without a file."""
        problems = [
            f'{persona.path or persona.name}:{persona.line}: "{text}" has no audio in {self.folder}; render it first'
            for persona, text in self.missing(personas)
        ]
        if problems:
            raise PersonaError(problems)

    def store(self, text: str, speed: float, pcm: bytes) -> None:
        """Write a line's file; it appears whole or not at all."""
        path = self.path(text, speed)
        partial = path.with_suffix(".partial")
        with wave.open(str(partial), "wb") as file:
            file.setnchannels(1)
            file.setsampwidth(2)
            file.setframerate(RATE_HZ)
            file.writeframes(pcm)
        partial.replace(path)


async def render(personas: Iterable[Persona], synthesise: Synthesise, cache_dir: Path, voice: str = "") -> Lines:
    """Speak every line that has no file yet; the lines, ready to play.

    Files depend on text and speed alone: give each voice its own `voice` name (a folder under `cache_dir`).
    """
    lines = Lines(cache_dir / voice if voice else cache_dir)
    lines.folder.mkdir(parents=True, exist_ok=True)
    wanted = {(text, persona.voice.speed) for persona, text in lines.missing(personas)}
    for text, speed in sorted(wanted):
        lines.store(text, speed, await synthesise(text, RATE_HZ, speed))
    return lines
