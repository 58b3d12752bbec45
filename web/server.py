"""Serving the dashboard on loopback, inside the event loop of the program that opened the database."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator
from dataclasses import dataclass

import uvicorn
from fastapi import FastAPI

from web.access import require_loopback
from web.errors import PortTaken
from web.state import Shared

_PATIENCE_S = 5


@dataclass(frozen=True)
class Serving:
    """Where the dashboard listens."""

    host: str
    port: int

    @property
    def url(self) -> str:
        shown = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{shown}:{self.port}"


class _Server(uvicorn.Server):
    """Leaves signals to the program around it, and says when it is ready."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.ready = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.ready.set()

    @contextlib.contextmanager
    def capture_signals(self):  # type: ignore[no-untyped-def]
        yield


@contextlib.asynccontextmanager
async def serving(
    app: FastAPI, *, host: str = "127.0.0.1", port: int = 8080, api_bind: tuple[str, int] | None = None
) -> AsyncIterator[Serving]:
    """Serve for as long as the block lasts; port 0 takes a free one.

    `api_bind` is a further address, at which the guard lets nobody but callers of the API in. Raises `NotLoopback`
    for a first address that others can reach, `PortTaken` when nothing can listen there.
    """
    listener = _listen(require_loopback(host), port)
    listeners = [listener]
    if api_bind is not None:
        try:
            listeners.append(_listen(*api_bind))
        except PortTaken:
            listener.close()
            raise
    config = uvicorn.Config(
        app, log_config=None, access_log=False, lifespan="off", timeout_graceful_shutdown=_PATIENCE_S, ws="none"
    )
    server = _Server(config)
    shared: Shared = app.state.shared
    running = asyncio.create_task(server.serve(sockets=listeners), name="dashboard")
    try:
        await asyncio.wait_for(server.ready.wait(), _PATIENCE_S)
        yield Serving(host, int(listener.getsockname()[1]))
    finally:
        shared.stopping.set()
        server.should_exit = True
        await running


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host.strip("[]"), port))
        listener.listen(128)
    except OSError as error:
        listener.close()
        raise PortTaken(f"cannot listen on {host}:{port}: {error.strerror}; choose another with --port") from error
    listener.setblocking(False)
    return listener
