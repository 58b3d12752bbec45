"""A mail server that keeps what it is sent: the demo's, so that no account anywhere is needed."""

from __future__ import annotations

import asyncio
from pathlib import Path
from types import TracebackType
from typing import Self

from aiosmtpd.smtp import SMTP, Envelope, Session


class _Keeper:
    """aiosmtpd handler: one .eml file per message, numbered in order of arrival."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.files: list[Path] = []
        self.arrived = asyncio.Condition()

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802 - aiosmtpd's name
        content = envelope.content or b""
        path = self.folder / f"{len(self.files) + 1:03d}.eml"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        async with self.arrived:
            self.files.append(path)
            self.arrived.notify_all()
        return "250 kept"


class MailSink:
    """`async with MailSink(folder) as sink`: an SMTP server on a loopback port (a free one unless told)."""

    def __init__(self, folder: Path, *, port: int = 0) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._keeper = _Keeper(folder)
        self._wanted_port = port
        self._server: asyncio.Server | None = None

    @property
    def port(self) -> int:
        """Port it listens on; raises `RuntimeError` before it does."""
        if self._server is None:
            raise RuntimeError("the mail sink is not open")
        return int(self._server.sockets[0].getsockname()[1])

    @property
    def files(self) -> tuple[Path, ...]:
        """Messages received so far, oldest first."""
        return tuple(self._keeper.files)

    async def wait_for(self, count: int, *, timeout_s: float) -> bool:
        """Wait until so many messages are here; False when they are not in time."""
        try:
            async with asyncio.timeout(timeout_s), self._keeper.arrived:
                await self._keeper.arrived.wait_for(lambda: len(self._keeper.files) >= count)
        except TimeoutError:
            return False
        return True

    async def __aenter__(self) -> Self:
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(
            lambda: SMTP(self._keeper, enable_SMTPUTF8=True, loop=loop), "127.0.0.1", self._wanted_port
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._server is not None:
            self._server.close()
            await self._server.wait_closed()
            self._server = None
