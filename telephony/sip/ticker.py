"""One 20 ms beat that serves the audio of every call of the process."""

from __future__ import annotations

import asyncio
from typing import Protocol

import structlog

from telephony.call import FRAME_MS

_log = structlog.get_logger(__name__)
_BEAT_S = FRAME_MS / 1000
_STALL_S = 1.0


class Ticked(Protocol):
    """Something to be served at each beat."""

    def beat(self, now_s: float) -> None:
        """Do the work of one beat; `now_s` is the event loop's time. Must not block."""
        ...


class Ticker:
    """Beats while it has anybody to serve. Belongs to one event loop."""

    def __init__(self) -> None:
        self._served: set[Ticked] = set()
        self._next_beat = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def add(self, ticked: Ticked) -> None:
        self._served.add(ticked)
        if self._task is None or self._task.done():
            self._task = asyncio.get_running_loop().create_task(self._run(), name="sip-ticker")

    def remove(self, ticked: Ticked) -> None:
        """Serve it no more; whoever waits for a beat is woken now."""
        self._served.discard(ticked)
        self._wake()

    async def beat(self) -> None:
        """Wait for the next beat."""
        await self._next_beat.wait()

    async def aclose(self) -> None:
        self._served.clear()
        self._wake()
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])

    def _wake(self) -> None:
        woken, self._next_beat = self._next_beat, asyncio.Event()
        woken.set()

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        due = loop.time()
        while self._served:
            due += _BEAT_S
            late_s = loop.time() - due
            if late_s > _STALL_S:
                _log.warning("sip.beat_late", late_ms=round(late_s * 1000), calls=len(self._served))
                due = loop.time()
            await asyncio.sleep(max(0.0, -late_s))
            self._serve(loop.time())
            self._wake()

    def _serve(self, now_s: float) -> None:
        for ticked in tuple(self._served):
            try:
                ticked.beat(now_s)
            except Exception:  # one call's fault must not silence the others
                _log.exception("sip.beat_failed")
