"""The simulated network as a child process, so that neither side's death or load is the other's."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

from telephony.simulator.errors import SimulatorError
from telephony.simulator.record import read_log

_START_S = 30.0
_STOP_S = 5.0
_ROOT = Path(__file__).resolve().parents[2]


@dataclass
class SimulatorProcess:
    """Runs `python -m telephony.simulator`; it also ends when this process dies, since its standard input closes.

    `audio` is `Lines.folder` of the rendered lines. `log` outlives the process, and every process that reads it.
    """

    personas: Path
    audio: Path | None = None
    log: Path | None = None
    record: Path | None = None
    wanted_port: int = 0
    port: int = field(default=0, init=False)
    _process: asyncio.subprocess.Process | None = field(default=None, init=False, repr=False)

    async def start(self) -> int:
        """Start, and wait until it listens; its UDP port. Raises `SimulatorError` with what it said instead."""
        self._process = await asyncio.create_subprocess_exec(
            *self._command(),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env=_environment(),
        )
        assert self._process.stdout is not None
        try:
            async with asyncio.timeout(_START_S):
                line = await self._process.stdout.readline()
        except BaseException:
            await self.stop()
            raise
        if not line:
            raise SimulatorError(await self._last_words())
        self.port = int(json.loads(line)["listening"])
        return self.port

    @property
    def pid(self) -> int | None:
        """The process's id while it runs."""
        return self._process.pid if self._process is not None else None

    async def stop(self) -> None:
        """End it: standard input first, then SIGTERM, then SIGKILL. Idempotent."""
        process, self._process = self._process, None
        if process is None:
            return
        if process.stdin is not None:
            process.stdin.close()
        for force in (process.terminate, process.kill):
            try:
                await asyncio.wait_for(process.communicate(), _STOP_S)
            except TimeoutError:
                force()
            else:
                return
        await process.communicate()

    def invites(self) -> Counter[str]:
        """How many INVITEs each number got, by the log; repetitions over UDP are not counted."""
        if self.log is None:
            raise SimulatorError("the simulator keeps no log; give it one")
        return Counter(str(row["number"]) for row in read_log(self.log, "invite")) if self.log.exists() else Counter()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    def _command(self) -> list[str]:
        command = [sys.executable, "-m", "telephony.simulator", "--personas", str(self.personas)]
        command += ["--port", str(self.wanted_port)]
        for option, value in (("--audio", self.audio), ("--log", self.log), ("--record", self.record)):
            command += [option, str(value)] if value else []
        return command

    async def _last_words(self) -> str:
        assert self._process is not None
        _, words = await self._process.communicate()
        self._process = None
        return words.decode("utf-8", "replace").strip() or "the simulator ended without a word"


def _environment() -> dict[str, str]:
    """Ours, with this package importable and numpy's thread pools kept small."""
    path = os.pathsep.join([str(_ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
    return {**os.environ, "PYTHONPATH": path, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
