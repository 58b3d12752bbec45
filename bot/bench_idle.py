"""What a call costs while nobody speaks: CPU and memory of many open conversations."""

from __future__ import annotations

import asyncio
import gc
import os
import resource
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from bot.conversation import ScriptedConversation, SpeechRuntime
from bot.loopback import LoopbackCall
from bot.outcome import Job, OptOut
from bot.script.loader import load_script
from telephony.errors import MediaClosed

_RATE_HZ: Final = 8000
#: The hiss of a quiet line: some 72 dB under full scale.
_HISS: Final = 8.0
_SCRIPT: Final = """
script: idle
intents:
  never: {samples: [xylophone quartz]}
silence: {after_ms: 60000, say: "Hello?", goto: wait}
steps:
  wait:
    - listen: {intents: {never: wait}, else: wait}
"""


@dataclass(frozen=True)
class IdleFigures:
    """What `calls` conversations cost in which nobody speaks.

    `cpu_pct` is a call's share of one core, in percent, without the callee and the in-memory call, which cost
    `line_pct` more; `memory_mb` is what the process grew by for each call.
    """

    calls: int
    seconds: float
    cpu_pct: float
    line_pct: float
    memory_mb: float


async def bench_idle(calls: int, *, speech: SpeechRuntime, seconds: float = 20.0) -> IdleFigures:
    """Open `calls` conversations, let `seconds` pass, and hang up; once before that with their lines alone."""
    conversation = ScriptedConversation(load_script(_SCRIPT, "bench"), speech)
    await _measure(2, conversation, 1.0)  # what the first call of a process brings with it
    line_cpu, _ = await _measure(calls, None, seconds)
    cpu, grown = await _measure(calls, conversation, seconds)
    return IdleFigures(
        calls=calls,
        seconds=seconds,
        cpu_pct=round((cpu - line_cpu) / calls * 100, 3),
        line_pct=round(line_cpu / calls * 100, 3),
        memory_mb=round(grown / calls / 2**20, 2),
    )


async def _measure(calls: int, conversation: ScriptedConversation | None, seconds: float) -> tuple[float, int]:
    """Cores in use while nobody speaks, and the bytes that the process grew by."""
    gc.collect()
    before = _resident_bytes()
    lines = [LoopbackCall(f"idle-{number}", rate_hz=_RATE_HZ) for number in range(calls)]
    async with asyncio.TaskGroup() as group:
        for number, line in enumerate(lines):
            group.create_task(_hold(line))
            if conversation is None:
                group.create_task(_read(line))
            else:
                group.create_task(conversation.run(line, _job(number)))
        await asyncio.sleep(min(3.0, seconds))  # greetings, pipelines and caches
        began, cpu_s = asyncio.get_running_loop().time(), _cpu_s()
        await asyncio.sleep(seconds)
        cores = (_cpu_s() - cpu_s) / (asyncio.get_running_loop().time() - began)
        grown = _resident_bytes() - before
        for line in lines:
            line.hangup_far()
    return cores, grown


async def _hold(line: LoopbackCall) -> None:
    """The callee: hears, and sends the hiss of a quiet line."""
    noise = np.random.default_rng(1).normal(0.0, _HISS, _RATE_HZ * 10)
    hiss = np.asarray(noise, dtype="<i2").tobytes()
    try:
        for frame in range(10**9):
            if frame % 500 == 0:
                line.far.say(hiss)
            await line.far.read()
    except MediaClosed:
        return


async def _read(line: LoopbackCall) -> None:
    try:
        while True:
            await line.media.read()
    except MediaClosed:
        return


def _job(number: int) -> Job:
    async def ignore(_: OptOut) -> None:
        return

    return Job(f"idle-{number}", {}, 3600.0, ignore)


def _cpu_s() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def _resident_bytes() -> int:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")
