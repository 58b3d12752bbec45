"""What both benches stand on: an Asterisk whose trunk leads to simulated customers in another process."""

from __future__ import annotations

import asyncio
import contextlib
import os
import tempfile
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from telephony.ami.dialer import AsteriskDialer
from telephony.simulator.process import SimulatorProcess
from telephony.trunk import AsteriskTrunk

_LEFT_S: Final = 20.0
_PERSONA: Final = 'number: "+999xxxxxxxxx"\nname: bench\n'


@dataclass(frozen=True)
class Bed:
    """`trunk` leads to `far_end_port` of this machine; `pid` is Asterisk's, where its CPU is to be measured."""

    trunk: AsteriskTrunk
    far_end_port: int
    pid: int | None = None


@dataclass(frozen=True)
class Standing:
    """A bed with everything running; `folder` is for the length of the block."""

    dialer: AsteriskDialer
    far_end: SimulatorProcess
    folder: Path


@contextlib.asynccontextmanager
async def standing(bed: Bed, persona: str, *, record: bool = False) -> AsyncIterator[Standing]:
    """Everybody behaves as `persona` (YAML) says. Raises `TelephonyError` for a bed that is not there."""
    with tempfile.TemporaryDirectory(prefix="campana-bench-") as name:
        folder = Path(name)
        (folder / "persona.yaml").write_text(_PERSONA + persona, encoding="utf-8")
        heard = folder / "heard" if record else None
        async with (
            SimulatorProcess(
                folder / "persona.yaml", log=folder / "log", record=heard, wanted_port=bed.far_end_port
            ) as far_end,
            AsteriskDialer(bed.trunk) as dialer,
        ):
            yield Standing(dialer, far_end, folder)


def number(place: int) -> str:
    """A number that nobody has (E.164 reserves +999)."""
    return f"+999{place:09d}"


async def channels_left(dialer: AsteriskDialer) -> int:
    """Asterisk's channels once all calls are over; those that are still there after a while have leaked."""
    left = -1
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(_LEFT_S):
            while left := len(await dialer.client.listed("Status")):  # noqa: ASYNC110 - another program ends them
                await asyncio.sleep(0.2)
    return left


def cpu_s(pid: int | None) -> float:
    """Seconds of CPU that a process has used (proc(5), utime and stime); 0 for none."""
    if pid is None:
        return 0.0
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
