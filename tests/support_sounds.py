"""Synthetic sound at 8 kHz, in frames of 20 ms."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

RATE_HZ = 8000
FRAME_SAMPLES = 160
Sound = np.ndarray[Any, np.dtype[np.float64]]


def silence(ms: int) -> Sound:
    return np.zeros(RATE_HZ * ms // 1000)


def tone(frequency_hz: float, ms: int, level: float = 0.3) -> Sound:
    return level * np.sin(2 * np.pi * frequency_hz * np.arange(RATE_HZ * ms // 1000) / RATE_HZ)


def noise(ms: int, level: float, seed: int = 7) -> Sound:
    return np.random.default_rng(seed).normal(0.0, level, RATE_HZ * ms // 1000)


def voice_like(ms: int, pitch_hz: float = 120.0) -> Sound:
    """A buzz with a wandering pitch and many partials, as vowels have."""
    t = np.arange(RATE_HZ * ms // 1000) / RATE_HZ
    phase = 2 * np.pi * np.cumsum(pitch_hz * (1 + 0.06 * np.sin(2 * np.pi * 3 * t))) / RATE_HZ
    return 0.1 * sum((np.sin(k * phase) / k**0.7 for k in range(1, 20)), np.zeros_like(t))


def frames(*parts: Sound) -> Sequence[bytes]:
    pcm = (np.clip(np.concatenate(parts), -1, 1) * 32767).astype("<i2")
    whole = len(pcm) // FRAME_SAMPLES * FRAME_SAMPLES
    return [pcm[start : start + FRAME_SAMPLES].tobytes() for start in range(0, whole, FRAME_SAMPLES)]
