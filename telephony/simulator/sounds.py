"""Sounds that need no voice: tones, chirps, noise and silence, as encoded frames of 20 ms."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from telephony.simulator.g711 import FRAME_SAMPLES, RATE_HZ, Law

_FADE_SAMPLES = 40
_NOISE_FRAMES = 50
_NOISE_SEED = 4733


@lru_cache(maxsize=8)
def silence(law: Law) -> bytes:
    """One frame of digital silence."""
    return law.encode(bytes(FRAME_SAMPLES * 2))


@lru_cache(maxsize=64)
def tone(law: Law, hz: int, ms: int, level_db: float) -> tuple[bytes, ...]:
    """A sine, faded in and out over 5 ms; `level_db` is its peak against full scale."""
    return chirp(law, hz, hz, ms, level_db)


@lru_cache(maxsize=64)
def chirp(law: Law, from_hz: int, to_hz: int, ms: int, level_db: float) -> tuple[bytes, ...]:
    """A sine whose frequency moves evenly, faded in and out over 5 ms."""
    return law.frames(chirp_pcm(from_hz, to_hz, ms, level_db))


def chirp_pcm(from_hz: int, to_hz: int, ms: int, level_db: float) -> bytes:
    """The chirp as 8 kHz mono 16-bit PCM."""
    count = RATE_HZ * ms // 1000
    hz = np.linspace(from_hz, to_hz, count)
    wave = np.sin(2 * np.pi * np.cumsum(hz) / RATE_HZ) * _envelope(count)
    return _pcm(wave, level_db)


@lru_cache(maxsize=8)
def noise(law: Law, level_db: float) -> tuple[bytes, ...]:
    """A second of white noise, the same each time; `level_db` is its RMS against full scale."""
    wave = np.random.default_rng(_NOISE_SEED).standard_normal(_NOISE_FRAMES * FRAME_SAMPLES)
    return law.frames(_pcm(wave, level_db))


def _envelope(count: int) -> NDArray[np.float64]:
    fade = max(1, min(_FADE_SAMPLES, count // 2))
    ramp = np.minimum(np.arange(count), np.arange(count)[::-1]) / fade
    return np.minimum(ramp, 1.0)


def _pcm(wave: NDArray[np.float64], level_db: float) -> bytes:
    scaled = wave * 32767 * 10 ** (level_db / 20)
    return np.clip(np.rint(scaled), -32768, 32767).astype("<i2").tobytes()
