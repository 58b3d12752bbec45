"""One beat every 20 ms for all calls, on an absolute schedule that does not drift."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from telephony.simulator.g711 import FRAME_MS
from telephony.simulator.performance import MOST_LATE_MS

_BEAT_S = FRAME_MS / 1000


class Metronome:
    """Calls `on_beat(now)` for every 20 ms that pass, until it returns False; `start` sets it going again.

    Late beats are made up for at once, so that the number of beats always follows the clock.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, on_beat: Callable[[float], bool]) -> None:
        self._loop = loop
        self._on_beat = on_beat
        self._next_at = 0.0
        self._handle: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """Begin to beat, 20 ms from now; does nothing when it beats already."""
        if self._handle is None:
            self._next_at = self._loop.time() + _BEAT_S
            self._schedule()

    def stop(self) -> None:
        """Fall silent at once."""
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None

    def _schedule(self) -> None:
        self._handle = self._loop.call_at(self._next_at, self._beat)

    def _beat(self) -> None:
        now = self._loop.time()
        if now - self._next_at > MOST_LATE_MS / 1000:  # too long a standstill to make up for
            self._next_at = now
        wanted = True
        while wanted and self._next_at <= now:
            wanted = self._on_beat(now)
            self._next_at += _BEAT_S
        self._handle = None
        if wanted:
            self._schedule()
