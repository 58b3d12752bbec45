"""How many calls this machine can hold: what a turn costs here, measured in a few seconds, and what follows from it."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from bot.speech.pool import WorkPool
from bot.speech.sound import Samples, resample, to_pcm
from bot.speech.turn_end import SmartTurn
from bot.speech.voice_activity import SileroModel, VoiceActivity
from bot.speech.voices import Voice
from bot.speech.whisper import RATE_HZ, Whisper

#: A customer speaks every so often; as in the measured runs of `campana bench turn`.
TURN_EVERY_S: Final = 6.5
#: Share of the cores that may be busy on average, for answers of several calls fall together: with it the figures
#: for two cores are those at which the measured runs kept their pace.
LOAD: Final = 0.35
#: Pipeline, audio and recording of one call, in cores.
CALL_CORES: Final = 0.015
#: What a customer says, and a line of the bot that no cache has.
_UTTERANCE: Final = "I would like to pay it on Friday."
_LINE: Final = "Thank you, I have noted that you will pay on Friday."
_TELEPHONE_HZ: Final = 8000


@dataclass(frozen=True)
class Costs:
    """CPU milliseconds of one turn's parts here; None for what another machine does. `voice_activity` is of 1 s."""

    recognition: float | None
    turn_end: float
    voice_activity: float
    synthesis: float | None


@dataclass(frozen=True)
class Capacity:
    """Calls at once that this machine is good for: with the bot's lines in the cache, and with none of them there.

    `threads` (models.workers) bound them as well as `cores` do.
    """

    cores: float
    threads: int
    costs: Costs
    cached: int
    uncached: int


def propose(costs: Costs, *, cores: float, threads: int) -> Capacity:
    """What follows from the costs: no more than `LOAD` of the cores, and of the threads, is to be busy."""
    heard_ms = (costs.recognition or 0.0) + costs.turn_end
    said_ms = costs.synthesis or 0.0
    # Customers speak about half of the time.
    always = CALL_CORES + costs.voice_activity / 1000 / 2
    calls = [
        _calls(pooled_ms=pooled_ms, always=always, cores=cores, threads=threads)
        for pooled_ms in (heard_ms, heard_ms + said_ms)
    ]
    return Capacity(cores, threads, costs, cached=calls[0], uncached=calls[1])


def _calls(*, pooled_ms: float, always: float, cores: float, threads: int) -> int:
    pooled = pooled_ms / 1000 / TURN_EVERY_S
    by_cores = cores * LOAD / (pooled + always)
    by_threads = threads * LOAD / pooled if pooled else by_cores
    return max(1, int(min(by_cores, by_threads)))


def measure(*, ears: Whisper | None, language: str, voice: Voice | None, threads: int, runs: int = 5) -> Capacity:
    """Measure and propose; blocks for some seconds. None for ears or a voice that another machine has.

    The least of `runs` counts: what else the machine does makes times longer, never shorter.
    """
    said = _said(voice)
    pcm = to_pcm(resample(said, RATE_HZ, _TELEPHONE_HZ))
    activity = VoiceActivity(SileroModel(), _TELEPHONE_HZ)
    pool = WorkPool(1, name="capacity")
    try:
        judge = SmartTurn(pool)
        costs = Costs(
            recognition=_cpu_ms(lambda: ears.read(said, language), runs) if ears is not None else None,
            turn_end=_cpu_ms(lambda: judge.probability(pcm, _TELEPHONE_HZ, 200), runs),
            voice_activity=round(_cpu_ms(lambda: activity.feed(pcm), runs) * _TELEPHONE_HZ / (len(pcm) / 2), 1),
            synthesis=_cpu_ms(lambda: voice.render(_LINE, 1.0), runs) if voice is not None else None,
        )
    finally:
        pool.close()
    return propose(costs, cores=cores_here(), threads=threads)


def cores_here(quota: Path = Path("/sys/fs/cgroup/cpu.max")) -> float:
    """Cores that this process may use: those it may run on, or less where its container has a quota."""
    cores = float(len(os.sched_getaffinity(0)))
    try:
        allowed, period = quota.read_text(encoding="ascii").split()
        return min(cores, int(allowed) / int(period))
    except (OSError, ValueError):
        return cores  # there is no quota, which is written "max"


def _said(voice: Voice | None) -> Samples:
    """An utterance at 16 kHz; noise in the rhythm of speech where no voice is here to say one."""
    if voice is not None:
        return resample(voice.render(_UTTERANCE, 1.0), voice.rate_hz, RATE_HZ)
    at = np.arange(2 * RATE_HZ)
    noise = np.random.default_rng(1).standard_normal(at.size)
    return (0.1 * noise * np.abs(np.sin(at * 12 / RATE_HZ))).astype(np.float32)


def _cpu_ms(work: Callable[[], object], runs: int) -> float:
    """CPU of the process for one piece of work: the engines have threads of their own."""
    work()  # warm
    times = []
    for _ in range(runs):
        began = time.process_time()
        work()
        times.append(time.process_time() - began)
    return round(min(times) * 1000, 1)
