"""A scripted manager interface: what a real Asterisk cannot be made to do on demand."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

HOST = "127.0.0.1"
USER, SECRET = "campana", "s3cret-of-tests"
_CHALLENGE = "840415273"


@dataclass
class ScriptedManager:
    """Logs in whoever knows the secret, and answers as it is told."""

    port: int = 0
    greeting: bytes = b"Asterisk Call Manager/7.0.3\r\n"
    #: Actions that get no answer.
    silent: set[str] = field(default_factory=set)
    #: Actions that get this error.
    refused: dict[str, str] = field(default_factory=dict)
    #: Whether a channel driver that nobody has is told of by an event, as the dialer asks at its start.
    knows_events: bool = False
    #: What Getvar answers.
    value: str = ""
    actions: list[dict[str, str]] = field(default_factory=list)
    logins: int = 0
    _writers: list[asyncio.StreamWriter] = field(default_factory=list)
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)

    @classmethod
    @contextlib.asynccontextmanager
    async def open(cls, **settings: object) -> AsyncIterator[ScriptedManager]:
        peer = cls(**settings)  # type: ignore[arg-type]
        server = await asyncio.start_server(peer._serve, HOST, 0)
        peer.port = server.sockets[0].getsockname()[1]
        try:
            yield peer
        finally:
            server.close()
            peer.cut()
            if peer._tasks:
                await asyncio.wait(peer._tasks)

    def received(self, name: str) -> list[dict[str, str]]:
        return [action for action in self.actions if action["Action"] == name]

    async def until_received(self, name: str, count: int = 1) -> list[dict[str, str]]:
        async with asyncio.timeout(20):
            while len(found := self.received(name)) < count:  # noqa: ASYNC110 - another task receives
                await asyncio.sleep(0.01)
        return found

    def cut(self) -> None:
        for writer in self._writers:
            writer.transport.abort()
        self._writers.clear()

    def tell(self, data: bytes) -> None:
        """Send to everybody who is connected."""
        for writer in self._writers:
            writer.write(data)

    def event(self, name: str, **fields: str) -> None:
        self.tell(_message(Event=name, **fields))

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        self._writers.append(writer)
        writer.write(self.greeting)
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                text = (await reader.readuntil(b"\r\n\r\n")).decode()
                pairs = [line.split(": ", 1) for line in text.split("\r\n") if line]
                self._act(dict(pairs), writer)
        writer.transport.abort()

    def _act(self, action: dict[str, str], writer: asyncio.StreamWriter) -> None:
        self.actions.append(action)
        name, number = action["Action"], action["ActionID"]
        if name in self.silent:
            return
        if name in self.refused:
            writer.write(_message(Response="Error", ActionID=number, Message=self.refused[name]))
        elif name == "Challenge":
            writer.write(_message(Response="Success", ActionID=number, Challenge=_CHALLENGE))
        elif name == "Login":
            self._log_in(action, writer)
        elif name == "Getvar":
            writer.write(_message(Response="Success", ActionID=number, Value=self.value))
        else:
            writer.write(_message(Response="Success", ActionID=number))
            if self.knows_events and name == "Originate" and action["Channel"].startswith("CampanaCheck/"):
                self.event("OriginateResponse", ActionID=number, Response="Failure", Reason="0")

    def _log_in(self, action: dict[str, str], writer: asyncio.StreamWriter) -> None:
        key = hashlib.md5((_CHALLENGE + SECRET).encode()).hexdigest()
        if (action["Username"], action["Key"]) != (USER, key):
            writer.write(_message(Response="Error", ActionID=action["ActionID"], Message="Authentication failed"))
            return
        self.logins += 1
        writer.write(_message(Response="Success", ActionID=action["ActionID"], Message="Authentication accepted"))


def _message(**fields: str) -> bytes:
    return "".join(f"{key}: {value}\r\n" for key, value in fields.items()).encode() + b"\r\n"
