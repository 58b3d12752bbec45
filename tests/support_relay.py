"""A TCP relay that a test can cut: the connection is lost, and both ends live on."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

HOST = "127.0.0.1"


class Relay:
    """Passes connections on to a port of this machine, until it is broken."""

    def __init__(self, target: int) -> None:
        self._target = target
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._down = False
        self.accepted = 0

    @classmethod
    @contextlib.asynccontextmanager
    async def to(cls, port: int) -> AsyncIterator[Relay]:
        relay = cls(port)
        relay._server = await asyncio.start_server(relay._pass_on, HOST, 0)
        try:
            yield relay
        finally:
            relay._server.close()
            relay._cut()
            if relay._tasks:
                await asyncio.wait(relay._tasks)

    @property
    def port(self) -> int:
        assert self._server is not None
        return int(self._server.sockets[0].getsockname()[1])

    @contextlib.asynccontextmanager
    async def broken(self) -> AsyncIterator[None]:
        """Cut what there is, and let nobody through until the block ends."""
        self._down = True
        self._cut()
        try:
            yield
        finally:
            self._down = False

    def _cut(self) -> None:
        for writer in tuple(self._writers):
            writer.transport.abort()

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        self._writers.add(writer)
        try:
            if self._down:
                return
            self.accepted += 1
            far_reader, far_writer = await asyncio.open_connection(HOST, self._target)
            self._writers.add(far_writer)
            await asyncio.gather(_copy(reader, far_writer), _copy(far_reader, writer))
        finally:
            writer.transport.abort()


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while data := await reader.read(65_536):
            writer.write(data)
            await writer.drain()
    writer.transport.abort()
