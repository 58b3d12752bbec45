"""Tones, noise and the telephone line of the bench; samples at 8 kHz in [-1, 1]."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from typing import Final

import numpy as np
import numpy.typing as npt

from bot.speech.sound import from_pcm, to_pcm
from telephony.simulator.g711 import PCMA, PCMU

RATE_HZ: Final = 8000
Sound = npt.NDArray[np.float32]
_LAWS: Final = {"ulaw": PCMU, "alaw": PCMA}


def silence(ms: float) -> Sound:
    """Nothing."""
    return np.zeros(round(RATE_HZ * ms / 1000), np.float32)


def tone(ms: float, *frequencies_hz: float, level: float = 0.25) -> Sound:
    """Some frequencies together."""
    t = np.arange(round(RATE_HZ * ms / 1000)) / RATE_HZ
    parts = [np.sin(2 * np.pi * frequency * t) for frequency in frequencies_hz]
    return np.asarray(level * np.sum(parts, axis=0) / len(parts), np.float32)


def join(*parts: Sound) -> Sound:
    """One after another."""
    return np.concatenate(parts)


def noise(ms: float, level: float, seed: int) -> Sound:
    """Line noise: low frequencies are stronger."""
    white = np.random.default_rng(seed).normal(0.0, 1.0, round(RATE_HZ * ms / 1000))
    smooth = np.convolve(white, np.ones(4) / 4, mode="same") + 0.3 * white
    return np.asarray(level * smooth / max(1e-9, float(np.std(smooth))), np.float32)


def strength(sound: Sound) -> float:
    """Root mean square of the parts that sound, pauses left out."""
    frames = sound[: sound.size // 160 * 160].reshape(-1, 160)
    rms = np.sqrt(np.mean(frames**2, axis=1))
    active = rms[rms > 0.1 * rms.max()] if rms.size else rms
    return float(np.sqrt(np.mean(active**2))) if active.size else 0.0


def line(sound: Sound, law: str, noise_level: float, seed: int) -> bytes:
    """`sound` as 16-bit PCM out of a G.711 line with noise of this root mean square."""
    if noise_level:
        sound = sound + noise(sound.size * 1000 / RATE_HZ, noise_level, seed)[: sound.size]
    codec = _LAWS[law]
    return codec.decode(codec.encode(to_pcm(np.clip(sound, -1, 1).astype(np.float32))))


def samples(pcm: bytes) -> Sound:
    """PCM as samples."""
    return from_pcm(pcm)


def _answer_tone(dice: random.Random) -> Sound:
    """CED; every other one as V.25 has it for modems: reversed in phase every 450 ms, amplitude modulated."""
    ms = dice.uniform(2600, 4000)
    ced = tone(ms, 2100 + dice.uniform(-12, 12))
    if dice.random() < 0.5:
        t = np.arange(ced.size) / RATE_HZ
        shape = np.where((t // 0.45) % 2 > 0, -1, 1) * (1 + 0.2 * np.sin(2 * np.pi * 15 * t))
        ced = np.asarray(ced * shape, np.float32)
    return join(silence(dice.uniform(200, 1500)), ced, silence(1500))


def _calling_tone(dice: random.Random) -> Sound:
    burst = join(tone(500 * dice.uniform(0.9, 1.1), 1100 + dice.uniform(-30, 30)), silence(3000))
    return join(silence(dice.uniform(200, 1500)), burst, burst)


def _ringing(dice: random.Random) -> Sound:
    cadences: list[tuple[float, float, tuple[float, ...]]] = [
        (1000, 4000, (425,)), (2000, 4000, (440, 480)), (1500, 3500, (440,)), (1000, 2000, (400,)),
        (500, 500, (425,)), (400, 200, (400, 450)),
    ]  # fmt: skip
    on, off, frequencies = dice.choice(cadences)
    rounds = [join(tone(on, *frequencies), silence(off)) for _ in range(max(1, round(8000 / (on + off))))]
    return join(*rounds)


def _music(dice: random.Random) -> Sound:
    scale = [523.25, 587.33, 659.25, 698.46, 783.99, 880.0, 987.77]
    chords = dice.random() < 0.6
    notes = []
    for _ in range(24):
        ms, root = dice.choice([180, 250, 400]), dice.choice(scale)
        pitches = (root, root * 1.26, root * 1.5) if chords else (root,)
        note = tone(ms, *pitches) * np.exp(-np.arange(round(RATE_HZ * ms / 1000)) / (RATE_HZ * 0.4))
        notes.append(note.astype(np.float32))
    return join(*notes)


def _still(_: random.Random) -> Sound:
    return silence(7000)


def _hiss(dice: random.Random) -> Sound:
    return noise(7000, dice.choice([0.001, 0.003, 0.01, 0.03]), dice.randrange(10_000))


def _beep_alone(dice: random.Random) -> Sound:
    return join(silence(dice.uniform(300, 2000)), beep(dice, lowest=600), silence(2500))


def beep(dice: random.Random, lowest: float = 400) -> Sound:
    """The tone after which an answering machine records."""
    frequency = dice.choice([hz for hz in (420.0, 440.0, 620.0, 800.0, 1000.0, 1200.0, 1400.0, 1900.0) if hz >= lowest])
    return tone(dice.uniform(240, 900), frequency, level=dice.uniform(0.1, 0.4))


#: What is heard of nobody: class of the labelled set, and how to make one.
UNSPOKEN: Final[Mapping[str, tuple[str, Callable[[random.Random], Sound]]]] = {
    "fax answer tone": ("fax", _answer_tone),
    "fax calling tone": ("fax", _calling_tone),
    "ringing": ("silence", _ringing),
    "music": ("silence", _music),
    "silence": ("silence", _still),
    "line noise": ("silence", _hiss),
    "a beep alone": ("voicemail", _beep_alone),
}
