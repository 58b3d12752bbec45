"""The labelled set: what is heard when a call is answered, and who that is. Made anew from texts, kept in a cache."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import Any, Final

import numpy as np
import yaml

from bot.speech.sound import level, resample, trim
from bot.speech.voices import Voice
from bot.who_answered import Answerer
from campana.who_bench.sounds import RATE_HZ, UNSPOKEN, Sound, beep, join, line, samples, silence, strength, tone

_SNRS_DB: Final = (None, None, 25.0, 15.0, 10.0)
#: Takes of each sound that nobody speaks.
_UNSPOKEN_TAKES: Final = 4


@dataclass(frozen=True)
class Greeting:
    """One answered call: 16-bit PCM at 8 kHz from the answer on, and who it is."""

    name: str
    answerer: Answerer
    pcm: bytes = field(repr=False)
    #: When the callee begins to be heard, ms after the answer; None where only silence or noise is.
    begins_ms: int | None

    @property
    def audio_ms(self) -> int:
        """How long it is."""
        return len(self.pcm) // 2 * 1000 // RATE_HZ


def read_lines() -> dict[str, dict[str, dict[str, list[str]]]]:
    """Language → split → class → texts."""
    text = resources.files("campana.who_bench").joinpath("lines.yaml").read_text(encoding="utf-8")
    found: dict[str, dict[str, dict[str, list[str]]]] = yaml.safe_load(text)
    return found


class GreetingMaker:
    """Speaks the texts of a split, each in `takes` ways: other pitch, speed, loudness, noise, codec, pause and beep."""

    def __init__(self, voice: Voice, cache: Path, *, takes: int = 2, seed: int = 1) -> None:
        self._voice = voice
        self._cache = cache
        self._takes = takes
        self._seed = seed

    def make(self, split: str, lines: Mapping[str, Any]) -> Iterator[Greeting]:
        """Every greeting of a split, one after another."""
        for kind, texts in lines[split].items():
            for text in texts:
                for take in range(self._takes):
                    yield self._spoken(Answerer(kind), text, take)
        for name, (kind, make) in UNSPOKEN.items():
            for take in range(_UNSPOKEN_TAKES):
                dice = self._dice(split, name, take)
                sound = make(dice)
                noisy = name not in ("silence", "line noise") and dice.random() < 0.5
                pcm = line(sound, dice.choice(["ulaw", "alaw"]), _below(sound, 25.0 if noisy else None), take)
                heard = None if kind == "silence" else _first_sound(sound)
                yield Greeting(f"{name} {take}", Answerer(kind), pcm, heard)

    def _spoken(self, kind: Answerer, text: str, take: int) -> Greeting:
        dice = self._dice(text, take)
        lead = silence(dice.uniform(100, 900) if kind is Answerer.HUMAN else dice.uniform(300, 1500))
        if kind is Answerer.HUMAN and dice.random() < 0.1:
            lead = join(tone(1000, 425), silence(dice.uniform(300, 2000)))
        voice = self._voiced(
            text, speed=dice.choice([0.85, 1.0, 1.15, 1.25]), pitch=dice.choice([0.88, 1.0, 1.12, 1.2])
        )
        voice = voice * np.float32(dice.choice([0.3, 0.7, 1.0]))
        sound = join(lead, voice)
        if kind is Answerer.VOICEMAIL and dice.random() < 0.6:
            sound = join(sound, silence(dice.uniform(250, 1200)), beep(dice))
        sound = join(sound, silence(2500))
        pcm = line(sound, dice.choice(["ulaw", "alaw"]), _below(voice, dice.choice(_SNRS_DB)), take)
        return Greeting(f"{text} ({take})", kind, pcm, round(lead.size * 1000 / RATE_HZ))

    def _voiced(self, text: str, *, speed: float, pitch: float) -> Sound:
        key = hashlib.sha256(f"{self._voice.fingerprint}|{text}|{speed}|{pitch}".encode()).hexdigest()[:24]
        file = self._cache / f"{key}.pcm"
        if not file.exists():
            self._cache.mkdir(parents=True, exist_ok=True)
            file.write_bytes(self._render(text, speed, pitch))
        return samples(file.read_bytes())

    def _render(self, text: str, speed: float, pitch: float) -> bytes:
        # Played faster it sounds higher and shorter; speaking slower makes up for the latter.
        raw = self._voice.render(text, speed / pitch)
        shifted = resample(raw, round(self._voice.rate_hz * pitch), RATE_HZ)
        sound = level(trim(shifted, RATE_HZ), RATE_HZ)
        return (np.clip(sound, -1, 1) * 32767).astype("<i2").tobytes()

    def _dice(self, *what: object) -> random.Random:
        return random.Random(f"{self._seed}|{what}")  # noqa: S311 - a plan, no secret


def _below(sound: Sound, snr_db: float | None) -> float:
    return 0.0 if snr_db is None else strength(sound) * 10 ** (-snr_db / 20)


def _first_sound(sound: Sound) -> int | None:
    loud = np.flatnonzero(np.abs(sound) > 1e-3)
    return round(int(loud[0]) * 1000 / RATE_HZ) if loud.size else None
