"""A bare AMI conversation, for tests of the bed itself: what Campana's own client does not stand between."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import ssl
from collections.abc import AsyncIterator
from dataclasses import dataclass

from tests.support_asterisk import Asterisk
from tests.support_asterisk_config import HOST

_PATIENCE_S = 20.0
_numbers = itertools.count(1)


@dataclass
class Manager:
    """A connection to the manager interface."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def action(self, **headers: str) -> str:
        """Send an action, and return the message that answers it."""
        number = f"ActionID: {next(_numbers)}\r\n"
        lines = [f"{name}: {value}\r\n" for name, value in headers.items()]
        self.writer.write("".join([*lines, number, "\r\n"]).encode())
        while True:
            message = (await asyncio.wait_for(self.reader.readuntil(b"\r\n\r\n"), _PATIENCE_S)).decode()
            if number in message and message.startswith("Response:"):
                return message

    async def cut(self) -> None:
        """Wait until the other side has ended the connection."""
        with contextlib.suppress(ConnectionError):
            await asyncio.wait_for(self.reader.read(), _PATIENCE_S)


@contextlib.asynccontextmanager
async def manager(pbx: Asterisk, *, tls: bool = False) -> AsyncIterator[Manager]:
    """Connect, read the greeting, log in."""
    async with _connected(pbx, tls=tls) as connection:
        answer = await connection.action(Action="Login", Username=pbx.ami_user, Secret=pbx.ami_secret)
        assert "Response: Success" in answer, answer
        yield connection


async def refused_login(pbx: Asterisk, user: str, secret: str) -> str:
    """What Asterisk answers to a login that it does not accept."""
    async with _connected(pbx) as connection:
        answer = await connection.action(Action="Login", Username=user, Secret=secret)
        assert "Response: Error" in answer, answer
        return answer


@contextlib.asynccontextmanager
async def _connected(pbx: Asterisk, *, tls: bool = False) -> AsyncIterator[Manager]:
    context = ssl.create_default_context(cafile=str(pbx.certificate)) if tls else None
    port = pbx.ami_tls_port if tls else pbx.ami_port
    reader, writer = await asyncio.wait_for(asyncio.open_connection(HOST, port, ssl=context), _PATIENCE_S)
    try:
        assert (await asyncio.wait_for(reader.readline(), _PATIENCE_S)).startswith(b"Asterisk Call Manager/")
        yield Manager(reader, writer)
    finally:
        writer.close()
        with contextlib.suppress(ConnectionError, ssl.SSLError):
            await writer.wait_closed()
