"""The simulated telephone network, inside this process."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self, TextIO

from storage.clock import Clock
from telephony.simulator.errors import SimulatorError
from telephony.simulator.exchange import Exchange
from telephony.simulator.lines import Lines
from telephony.simulator.persona import Persona
from telephony.simulator.record import CallRecord, Invite

LOOPBACK = "127.0.0.1"
_LOOK_S = 0.02


class SimulatedNetwork:
    """Personas who answer SIP calls on a UDP port for as long as the `async with` block lasts.

    With `own_thread` (the default) they live in a thread and event loop of their own, so that a busy main loop
    does not make the customers stammer. `lines` are the rendered texts (`render`); None when nobody says any.
    Records keep what was heard (about a megabyte a minute and call) unless `keep_heard` is False.
    `record_dir` receives what each answered call heard; `log` (text, open) a JSON line for each INVITE and end.
    """

    def __init__(
        self,
        personas: Iterable[Persona],
        lines: Lines | None = None,
        *,
        host: str = LOOPBACK,
        port: int = 0,
        own_thread: bool = True,
        record_dir: Path | None = None,
        log: TextIO | None = None,
        keep_heard: bool = True,
        clock: Clock | None = None,
    ) -> None:
        known = tuple(personas)
        if lines is not None:
            lines.require(known)
        elif any(True for persona in known for _ in persona.lines()):
            raise SimulatorError("personas say lines, but no rendered lines were given; call render() first")
        self._exchange = Exchange(
            known, lines, host, record_dir=record_dir, log=log, keep_heard=keep_heard, clock=clock
        )
        self._wanted_port = port
        self._own_thread = own_thread
        self._thread: threading.Thread | None = None
        self._stop: Callable[[], None] = self._exchange.close

    @property
    def port(self) -> int:
        """The UDP port of the network."""
        return self._exchange.port

    @property
    def invites(self) -> list[Invite]:
        """Every INVITE so far, in order, without repetitions over UDP."""
        return list(self._exchange.invites)

    @property
    def calls(self) -> list[CallRecord]:
        """Every call so far, in the order of its INVITE; live ones are not `complete`."""
        return list(self._exchange.calls)

    async def __aenter__(self) -> Self:
        if self._own_thread:
            await self._start_thread()
        else:
            await self._exchange.open(self._wanted_port)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop()
        if self._thread is not None:
            await asyncio.to_thread(self._thread.join)
        else:
            await asyncio.sleep(0)

    async def until(self, met: Callable[[SimulatedNetwork], bool], timeout_s: float = 30.0) -> None:
        """Wait until `met(self)`; raises `TimeoutError` when it does not come true in time."""
        async with asyncio.timeout(timeout_s):
            while not met(self):  # noqa: ASYNC110 — what is waited for happens in another thread
                await asyncio.sleep(_LOOK_S)

    async def all_ended(self, calls: int, timeout_s: float = 30.0) -> list[CallRecord]:
        """Wait until at least so many calls came and all records are complete, recordings and log included."""
        await self.until(lambda net: _ended(net.calls, calls), timeout_s)
        return self.calls

    async def _start_thread(self) -> None:
        started: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._thread = threading.Thread(target=self._run_thread, args=(started,), name="simulator", daemon=True)
        self._thread.start()
        try:
            await started
        except BaseException:
            with suppress(RuntimeError):
                self._thread.join(timeout=5)
            raise

    def _run_thread(self, started: asyncio.Future[None]) -> None:
        asyncio.run(self._serve(started))

    async def _serve(self, started: asyncio.Future[None]) -> None:
        loop, stopped = asyncio.get_running_loop(), asyncio.Event()
        tell = started.get_loop().call_soon_threadsafe
        try:
            await self._exchange.open(self._wanted_port)
        except Exception as error:  # it belongs to whoever waits for the start
            tell(started.set_exception, error)
            return
        self._stop = lambda: _set(loop, stopped)
        tell(started.set_result, None)
        await stopped.wait()
        self._exchange.close()


def _set(loop: asyncio.AbstractEventLoop, event: asyncio.Event) -> None:
    with suppress(RuntimeError):  # the loop is closed already
        loop.call_soon_threadsafe(event.set)


def _ended(calls: list[CallRecord], count: int) -> bool:
    return len(calls) >= count and all(call.complete for call in calls)
