"""The tone that a customer hears while an agent's telephone rings, as the exchanges of their country send it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import numpy as np

from bot.speech.sound import to_pcm
from telephony.call import frame_bytes

#: Of each frequency, of full scale: as loud as a voice of `bot.speech.sound.TARGET_RMS_DB`.
_LEVEL: Final = 0.1
_EDGE_MS: Final = 5


@dataclass(frozen=True)
class Cadence:
    """`hz` together for `on_ms`, then silence for `off_ms`, again and again."""

    hz: tuple[float, ...]
    on_ms: int
    off_ms: int


#: ITU-T E.180, Supplement 2: 425 Hz with 1 s and 4 s in Viet Nam and most of the world; 440 + 480 Hz in North America.
_MOST: Final = Cadence((425.0,), 1000, 4000)
_CADENCES: Final = {"vi": _MOST, "en": Cadence((440.0, 480.0), 2000, 4000)}


def cadence_of(language: str) -> Cadence:
    """The cadence for a script's language; that of most countries where it names none."""
    return _CADENCES.get(language.partition("-")[0], _MOST)


class Ringback:
    """One tone from its begin; mono, signed 16-bit little-endian PCM."""

    def __init__(self, language: str, rate_hz: int) -> None:
        self._cycle = _cycle(cadence_of(language), rate_hz)
        self._size = frame_bytes(rate_hz)
        self._at = 0

    def frame(self) -> bytes:
        """The next 20 ms."""
        found = self._cycle[self._at : self._at + self._size]
        self._at = (self._at + self._size) % len(self._cycle)
        return found


@lru_cache(maxsize=8)
def _cycle(cadence: Cadence, rate_hz: int) -> bytes:
    seconds = np.arange(rate_hz * cadence.on_ms // 1000) / rate_hz
    tone = sum((np.sin(2 * np.pi * hz * seconds) for hz in cadence.hz), np.zeros_like(seconds)) * _LEVEL
    edge = rate_hz * _EDGE_MS // 1000
    ramp = np.linspace(0.0, 1.0, edge)
    tone[:edge] *= ramp
    tone[-edge:] *= ramp[::-1]
    return to_pcm(tone.astype(np.float32)) + bytes(frame_bytes(rate_hz) * (cadence.off_ms // 20))
