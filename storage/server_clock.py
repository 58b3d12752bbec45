"""The PostgreSQL server's clock, as every node that shares the database must tell the time.

Leases, windows and due times are compared between nodes: with a clock of its own each, one that is set wrong would
take the calls of living nodes over, or call people at night.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from typing import Final

import structlog
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from storage.clock import Clock, SystemClock
from storage.database import Database

log = structlog.get_logger(__name__)

_SAMPLES: Final = 3
_EVERY_S: Final = 30.0
#: A machine's clock that differs by more is told of: its logs cannot be laid beside those of others.
DIFFERS_S: Final = 1.0


def _steady() -> float:
    """Seconds that pass evenly whatever the clock is set to, sleep of the machine included where it tells."""
    boottime = getattr(time, "CLOCK_BOOTTIME", None)
    return time.monotonic() if boottime is None else time.clock_gettime(boottime)


class ServerClock:
    """The server's time, asked for once in a while and counted on from there."""

    def __init__(
        self, database: Database, *, machine: Clock | None = None, steady: Callable[[], float] = _steady
    ) -> None:
        self._database = database
        self._machine = machine or SystemClock()
        self._steady = steady
        self._measured: tuple[datetime, float] | None = None

    def now(self) -> datetime:
        """The server's present instant; before the first `measure` the machine's."""
        if self._measured is None:
            return self._machine.now()
        server, at = self._measured
        return server + timedelta(seconds=self._steady() - at)

    @property
    def machine_ahead_s(self) -> float:
        """Seconds by which this machine's clock is ahead of the server's; negative when it is behind."""
        return (self._machine.now() - self.now()).total_seconds()

    async def measure(self) -> None:
        """Ask the server. An answer that may be as wrong as it differs from what we count changes nothing."""
        took, server, at = min([sample async for sample in self._samples()], key=lambda sample: sample[0])
        counted = self.now() + timedelta(seconds=at - self._steady())
        if self._measured is None or abs((server - counted).total_seconds()) > took / 2:
            self._measured = (server, at)

    async def _samples(self) -> AsyncIterator[tuple[float, datetime, float]]:
        """How long the server took to answer, what it said, and when that was."""
        async with self._database.read() as conn:
            await conn.execute(text("SELECT 1"))
            for _ in range(_SAMPLES):
                before = self._steady()
                said = (await conn.execute(text("SELECT clock_timestamp()"))).scalar_one()
                after = self._steady()
                yield after - before, said.astimezone(UTC), (before + after) / 2

    async def keep(self) -> None:
        """Measure again and again, for ever."""
        while True:
            await asyncio.sleep(_EVERY_S)
            try:
                await self.measure()
            except (SQLAlchemyError, OSError):
                log.warning("server_clock_unknown", exc_info=True)


@contextlib.asynccontextmanager
async def server_clock(database: Database) -> AsyncIterator[ServerClock]:
    """The clock of the PostgreSQL server, kept right while the block runs; tells when the machine's differs."""
    clock = ServerClock(database)
    await clock.measure()
    if abs(clock.machine_ahead_s) > DIFFERS_S:
        log.warning("machine_clock_differs", ahead_s=round(clock.machine_ahead_s, 3), counts="the database's clock")
    keeping = asyncio.create_task(clock.keep(), name="server-clock")
    try:
        yield clock
    finally:
        keeping.cancel()
        await asyncio.wait([keeping])
