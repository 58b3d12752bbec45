"""How evenly audio flows, and what it costs: the figures of `campana bench media`."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import math
import sys
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

import numpy as np

from telephony.call import Media
from telephony.errors import MediaClosed, MediaServerError
from telephony.media.audiosocket import AudioSocketServer
from telephony.media.leg import MediaLeg

_ROOT = Path(__file__).resolve().parents[2]
_PIECE_MS = 40
_CONNECT_S = 30.0
#: Frames of each call left out at its beginning, while other calls still connect.
WARM_UP_FRAMES = 50


class Stall(StrEnum):
    """How the main loop is held up: waiting without the interpreter's lock, or computing in Python with it."""

    SLEEP = "sleep"
    COMPUTE = "compute"


@dataclass(frozen=True)
class Load:
    """What is measured. The main loop is held up for `stall_ms` once a second; 0 never."""

    calls: int
    seconds: float
    rate_hz: int = 8000
    stall_ms: int = 0
    stall: Stall = Stall.SLEEP


@dataclass(frozen=True)
class MediaFigures:
    """One run.

    `frames` were measured; gaps are between two frames arriving at the far end, in ms; CPU is that of this process.
    `skipped`, `blocked`: frames not sent because we were too late or the far side did not take them. `silent_pct`:
    share of frames sent as silence because the main loop had written nothing in time. `lost_in_ms`, `dropped_in_ms`:
    audio of the far end that was missing or too much, of all calls together.
    """

    leg: str
    calls: int
    seconds: float
    rate_hz: int
    stall_ms: int
    stall: str
    frames: int
    gap_p50_ms: float
    gap_p99_ms: float
    gap_max_ms: float
    cpu_pct_per_call: float
    skipped: int
    blocked: int
    silent_pct: float
    lost_in_ms: int
    dropped_in_ms: int


#: Has one call connected to a leg.
Connect = Callable[[MediaLeg], Awaitable[None]]


async def bench_alone(load: Load) -> MediaFigures:
    """Against a process that plays Asterisk's part; what Asterisk itself adds is left out."""
    async with await AudioSocketServer.open() as server, _far_end(server, load) as far_end:
        legs = [server.expect(uuid.uuid4(), load.rate_hz) for _ in range(load.calls)]
        far_end.call([leg.call_uuid for leg in legs])
        await asyncio.gather(*(leg.connected(_CONNECT_S) for leg in legs))
        talked = await talk(legs, load)
        return figures("audiosocket", load, legs, await far_end.gaps_ms(), talked)


@dataclass(frozen=True)
class Talk:
    """What talking took, in % of a core and call, and which share of it was silence."""

    cpu_pct: float
    silent_pct: float


async def talk(legs: Sequence[MediaLeg], load: Load) -> Talk:
    """Play a tone to every leg and read what comes back, for as long as the load says; hang up."""
    tasks = [asyncio.create_task(work(leg.media)) for leg in legs for work in (_speak, _listen)]
    stalling = asyncio.create_task(_stall(load)) if load.stall_ms else None
    cpu_s, start_s, before = time.process_time(), time.monotonic(), _sent(legs)
    await asyncio.sleep(load.seconds)
    cpu_pct = 100 * (time.process_time() - cpu_s) / (time.monotonic() - start_s) / len(legs)
    frames, silent = (now - then for now, then in zip(_sent(legs), before, strict=True))
    if stalling is not None:
        stalling.cancel()
        await asyncio.wait([stalling])
        if load.stall is Stall.COMPUTE:
            cpu_pct -= load.stall_ms / 10 / len(legs)
    for leg in legs:
        leg.hangup()
    await asyncio.gather(*tasks)
    return Talk(cpu_pct, 100 * silent / max(1, frames))


def _sent(legs: Sequence[MediaLeg]) -> tuple[int, int]:
    return sum(leg.statistics.frames_out for leg in legs), sum(leg.statistics.silent_out for leg in legs)


def figures(name: str, load: Load, legs: Sequence[MediaLeg], gaps_ms: Sequence[float], talked: Talk) -> MediaFigures:
    """Put one run together."""
    if not gaps_ms:
        raise MediaServerError("the far end heard too little to measure; let it run for longer")
    each = [leg.statistics for leg in legs]
    p50, p99 = (float(np.percentile(gaps_ms, percent)) for percent in (50, 99))
    return MediaFigures(
        leg=name,
        calls=load.calls,
        seconds=load.seconds,
        rate_hz=load.rate_hz,
        stall_ms=load.stall_ms,
        stall=load.stall.value,
        frames=len(gaps_ms),
        gap_p50_ms=round(p50, 1),
        gap_p99_ms=round(p99, 1),
        gap_max_ms=round(max(gaps_ms), 1),
        cpu_pct_per_call=round(talked.cpu_pct, 2),
        skipped=sum(one.skipped_out for one in each),
        blocked=sum(one.blocked_out for one in each),
        silent_pct=round(talked.silent_pct, 2),
        lost_in_ms=sum(one.lost_in_ms for one in each),
        dropped_in_ms=sum(one.dropped_in_ms for one in each),
    )


async def _speak(media: Media) -> None:
    samples = media.rate_hz * _PIECE_MS // 1000
    seconds = np.arange(samples) / media.rate_hz
    piece = (8000 * np.sin(2 * math.pi * 500 * seconds)).astype("<i2").tobytes()
    with contextlib.suppress(MediaClosed):
        while True:
            await media.write(piece)


async def _listen(media: Media) -> None:
    with contextlib.suppress(MediaClosed):
        while True:
            await media.read()


async def _stall(load: Load) -> None:
    while True:
        await asyncio.sleep(1 - load.stall_ms / 1000)
        if load.stall is Stall.SLEEP:
            time.sleep(load.stall_ms / 1000)  # noqa: ASYNC251 - the stall is what is measured
        else:
            until_s = time.monotonic() + load.stall_ms / 1000
            while time.monotonic() < until_s:
                sum(range(1000))


class FarEndProcess:
    """The process that plays Asterisk's part."""

    def __init__(self, process: asyncio.subprocess.Process, seconds: float) -> None:
        self._process = process
        self._patience_s = seconds + _CONNECT_S

    def call(self, call_uuids: Sequence[uuid.UUID]) -> None:
        """Have it connect these calls."""
        assert self._process.stdin is not None
        self._process.stdin.write((json.dumps([str(one) for one in call_uuids]) + "\n").encode())

    async def gaps_ms(self) -> list[float]:
        """The times between two frames, of all calls, once every call has ended."""
        async with asyncio.timeout(self._patience_s):
            said, _ = await self._process.communicate()
        if self._process.returncode:
            raise MediaServerError(f"the far end of the bench ended with status {self._process.returncode}")
        return [float(gap) for gap in json.loads(said)]


@contextlib.asynccontextmanager
async def _far_end(server: AudioSocketServer, load: Load) -> AsyncIterator[FarEndProcess]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "telephony.media.bench_far_end", server.host_port, str(load.rate_hz)),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        limit=2**24,
        cwd=_ROOT,
    )
    try:
        yield FarEndProcess(process, load.seconds)
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


def gaps_of(arrivals_ms: Sequence[float]) -> list[float]:
    """Times between neighbours, without the call's beginning."""
    kept = arrivals_ms[WARM_UP_FRAMES:]
    return [round(later - earlier, 2) for earlier, later in itertools.pairwise(kept)]
