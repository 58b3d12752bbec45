"""Many calls at once, each with a tone both ways and a stereo recording."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import math
import os
import time
import wave
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Final
from uuid import uuid4

import numpy as np

from bot.outcome import Recording
from bot.recording import CallRecorder, Recordings
from bot.timings import CallTime
from campana.calls_bench.bed import Bed, Standing, channels_left, cpu_s, number, standing
from storage.clock import SystemClock
from telephony.call import Call, DialRequest, NotAnswered
from telephony.errors import MediaClosed, TelephonyError

#: New calls a second while all are set up.
_CALLS_PER_S: Final = 25
_ANSWER_S: Final = 60.0
_PIECE_MS: Final = 40
_PERSONA: Final = "answer: {after_ms: 0}\nplay:\n  - echo\nmax_call_ms: 3600000\n"
#: A recording may be this much longer or shorter than its call.
_TOLERANCE_MS: Final = 100


@dataclass(frozen=True)
class CallsFigures:
    """One run.

    CPU in % of a core and call while all of them talk: ours, Asterisk's (0 when its process was not told), and that of
    the simulated customers. Gaps are between two RTP packets of one call as they arrive at
    the customer while all of them talk. `recordings` are whole and as long as their calls.
    """

    calls: int
    answered: int
    seconds: float
    setup_s: float
    cpu_pct_per_call: float
    asterisk_cpu_pct_per_call: float
    customers_cpu_pct_per_call: float
    gap_p50_ms: float
    gap_p99_ms: float
    gap_max_ms: float
    recordings: int
    leaked_channels: int
    leaked_calls: int
    load_average: float


@dataclass
class _Held:
    call: Call
    recorder: CallRecorder
    tasks: list[asyncio.Task[None]] = field(default_factory=list)


async def bench_calls(bed: Bed, calls: int, seconds: float) -> CallsFigures:
    """Raises `TelephonyError` when the bed is not there or nobody answers."""
    async with standing(bed, _PERSONA, record=True) as ready:
        recordings = Recordings(ready.folder / "recordings")
        try:
            return await _measure(bed, ready, recordings, calls, seconds)
        finally:
            await recordings.aclose()


async def _measure(bed: Bed, ready: Standing, recordings: Recordings, calls: int, seconds: float) -> CallsFigures:
    started = time.monotonic()
    held = await _set_up(ready, recordings, calls)
    setup_s = time.monotonic() - started
    if not held:
        raise TelephonyError("nobody answered: see that the trunk leads to the far end's port")
    cpu_pct = await _cpu_pct((os.getpid(), bed.pid, ready.far_end.pid), seconds)
    done = await asyncio.gather(*(_finish(one) for one in held))
    left = await channels_left(ready.dialer)
    gaps = await _gaps(ready.folder / "heard", len(held), seconds)
    p50, p99 = (float(np.percentile(gaps, percent)) for percent in (50, 99))
    return CallsFigures(
        calls=calls,
        answered=len(held),
        seconds=seconds,
        setup_s=round(setup_s, 1),
        cpu_pct_per_call=round(cpu_pct[0] / len(held), 2),
        asterisk_cpu_pct_per_call=round(cpu_pct[1] / len(held), 2),
        customers_cpu_pct_per_call=round(cpu_pct[2] / len(held), 2),
        gap_p50_ms=round(p50, 1),
        gap_p99_ms=round(p99, 1),
        gap_max_ms=round(max(gaps), 1),
        recordings=sum(_whole(*one, recordings.folder) for one in done),
        leaked_channels=left,
        leaked_calls=ready.dialer.live_calls,
        load_average=round(os.getloadavg()[0], 1),
    )


async def _cpu_pct(pids: Sequence[int | None], seconds: float) -> list[float]:
    """What each process uses of a core meanwhile."""
    before, since = [cpu_s(pid) for pid in pids], time.monotonic()
    await asyncio.sleep(seconds)
    spent_s = time.monotonic() - since
    return [100 * (cpu_s(pid) - used) / spent_s for pid, used in zip(pids, before, strict=True)]


async def _set_up(ready: Standing, recordings: Recordings, calls: int) -> list[_Held]:
    dialling = []
    for place in range(calls):
        dialling.append(asyncio.create_task(_answered(ready, recordings, number(place))))
        await asyncio.sleep(1 / _CALLS_PER_S)
    return [held for held in await asyncio.gather(*dialling) if held is not None]


async def _answered(ready: Standing, recordings: Recordings, to: str) -> _Held | None:
    request = DialRequest(uuid4().hex, to, ring_timeout_s=_ANSWER_S)
    call = await ready.dialer.dial(request, lambda _phase, _at: None)
    if isinstance(call, NotAnswered):
        return None
    when = CallTime.of(call, SystemClock())
    held = _Held(call, recordings.begin(call.attempt_id, call.answered_at, when, call.media.rate_hz))
    held.tasks += [asyncio.create_task(work(held)) for work in (_speak, _listen)]
    return held


async def _speak(held: _Held) -> None:
    media = held.call.media
    seconds = np.arange(media.rate_hz * _PIECE_MS // 1000) / media.rate_hz
    piece = (8000 * np.sin(2 * math.pi * 500 * seconds)).astype("<i2").tobytes()
    with contextlib.suppress(MediaClosed):
        while True:
            held.recorder.bot(piece, asyncio.get_running_loop().time() + media.ahead_ms / 1000)
            await media.write(piece)


async def _listen(held: _Held) -> None:
    with contextlib.suppress(MediaClosed):
        while True:
            held.recorder.customer(await held.call.media.read())


async def _finish(held: _Held) -> tuple[Recording, int]:
    """The recording, and how long the call talked in ms."""
    await held.call.hangup()
    talk_ms = ((await held.call.ended()).ended_at - held.call.answered_at) // timedelta(milliseconds=1)
    await asyncio.gather(*held.tasks)
    return await held.recorder.close(talk_ms), talk_ms


def _whole(recording: Recording, talk_ms: int, folder: Path) -> bool:
    if recording.error is not None:
        return False
    with wave.open(str(folder / recording.path), "rb") as file:
        length_ms = 1000 * file.getnframes() // file.getframerate()
        return file.getnchannels() == 2 and abs(length_ms - talk_ms) <= _TOLERANCE_MS


async def _gaps(heard: Path, calls: int, seconds: float) -> list[float]:
    """Of the last `seconds` of each call, once every call is written down."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(60):
            while _recorded(heard) < calls:  # noqa: ASYNC110 - another process writes the files
                await asyncio.sleep(0.1)
    texts = await asyncio.to_thread(lambda: [path.read_text(encoding="utf-8") for path in heard.glob("*.jsonl")])
    found: list[float] = []
    for text in texts:
        arrivals = [float(json.loads(line)["at_ms"]) for line in text.splitlines() if line.endswith("}")]
        kept = [at for at in arrivals if at >= arrivals[-1] - 1000 * seconds]
        found += [later - earlier for earlier, later in itertools.pairwise(kept)]
    if not found:
        raise TelephonyError("the far end heard too little to measure; let it run for longer")
    return found


def _recorded(heard: Path) -> int:
    return len(list(heard.glob("*.jsonl")))
