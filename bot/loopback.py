"""A call without a network, in memory: both ends keep real time as a telephone does. For tests, bench and rehearsal."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime
from typing import Final

from storage.clock import Clock, SystemClock
from telephony.call import FRAME_MS, SAMPLE_BYTES, CallEnd, frame_bytes
from telephony.errors import MediaClosed
from telephony.outcomes import HangupBy

_FRAME_S: Final = FRAME_MS / 1000
#: How much may be written ahead of playing (telephony.call.Media.write).
_AHEAD_S: Final = 0.1


class _Track:
    """Sound one way: what is put in plays at its pace, silence where nothing is."""

    def __init__(self, rate_hz: int, begins_at: float) -> None:
        self._bytes_a_second = rate_hz * SAMPLE_BYTES
        self._frame = frame_bytes(rate_hz)
        self._waiting = bytearray()
        self._begins_at = begins_at
        self.frames = 0

    def due_at(self) -> float:
        """When the next frame has been heard whole."""
        return self._begins_at + (self.frames + 1) * _FRAME_S

    def take(self) -> bytes:
        """The next frame."""
        self.frames += 1
        pcm = bytes(self._waiting[: self._frame])
        del self._waiting[: self._frame]
        return pcm.ljust(self._frame, b"\0")

    def put(self, pcm: bytes) -> None:
        """Play behind what waits; at once, to the sample, when nothing does."""
        self._waiting += bytes(max(0, self._gone() - len(self._waiting)))
        self._waiting += pcm

    def clear(self) -> int:
        """Discard what has not been played; its bytes."""
        gone = self._gone()
        size = max(0, len(self._waiting) - gone)
        del self._waiting[gone:]
        return size

    @property
    def waiting_s(self) -> float:
        """What has not been played."""
        return max(0, len(self._waiting) - self._gone()) / self._bytes_a_second

    def _gone(self) -> int:
        """Bytes of the waiting sound whose time is over, although its frame was not taken yet."""
        behind_s = asyncio.get_running_loop().time() - (self._begins_at + self.frames * _FRAME_S)
        return max(0, round(behind_s * self._bytes_a_second / SAMPLE_BYTES)) * SAMPLE_BYTES


class LoopbackMedia:
    """One end of a `LoopbackCall`; implements `telephony.call.Media`."""

    def __init__(self, rate_hz: int, hears: _Track, says: _Track, ended: asyncio.Event) -> None:
        self.rate_hz = rate_hz
        self.keys: list[str] = []
        self._hears = hears
        self._says = says
        self._ended = ended
        self._on_key: Callable[[str], None] = self.keys.append

    @property
    def ahead_ms(self) -> int:
        """See `Media`."""
        return round(self._says.waiting_s * 1000)

    async def read(self) -> bytes:
        """See `Media`."""
        await self._sleep_until(self._hears.due_at())
        return self._hears.take()

    async def write(self, pcm: bytes) -> None:
        """See `Media`."""
        if self._ended.is_set():
            raise MediaClosed
        self._says.put(pcm)
        while (over_s := self._says.waiting_s - _AHEAD_S) > 0:
            await self._sleep_until(asyncio.get_running_loop().time() + max(over_s, 0.001))

    def say(self, pcm: bytes) -> None:
        """Queue audio of any length without waiting for it to play."""
        self._says.put(pcm)

    def flush(self) -> int:
        """See `Media`."""
        return round(self._says.clear() / SAMPLE_BYTES / self.rate_hz * 1000)

    async def send_dtmf(self, digits: str) -> None:
        """See `Media`."""
        if self._ended.is_set():
            raise MediaClosed
        for digit in digits:
            self._on_key(digit)

    def deliver_keys(self, listener: Callable[[str], None]) -> None:
        """Hand the keys that this end sends to `listener`."""
        self._on_key = listener

    async def _sleep_until(self, at: float) -> None:
        delay = at - asyncio.get_running_loop().time()
        if self._ended.is_set():
            raise MediaClosed
        if delay > 0:
            await asyncio.sleep(delay)
        if self._ended.is_set():
            raise MediaClosed


class LoopbackCall:
    """An answered call whose customer is `far`; implements `telephony.call.Call`. Make it inside the event loop.

    Nobody but the reader of an end moves its time on: a far end that stops reading makes the bot wait.
    """

    def __init__(self, attempt_id: str, *, rate_hz: int = 8000, clock: Clock | None = None) -> None:
        self.attempt_id = attempt_id
        self._clock = clock or SystemClock()
        self.answered_at: datetime = self._clock.now()
        now = asyncio.get_running_loop().time()
        to_bot, to_customer = _Track(rate_hz, now), _Track(rate_hz, now)
        self._over = asyncio.Event()
        self._end: CallEnd | None = None
        self.media = LoopbackMedia(rate_hz, to_bot, to_customer, self._over)
        #: The customer's end.
        self.far = LoopbackMedia(rate_hz, to_customer, to_bot, self._over)

    def on_dtmf(self, listener: Callable[[str], None]) -> None:
        """See `Call`."""
        self.far.deliver_keys(listener)

    async def hangup(self) -> None:
        """See `Call`: the bot's side ends the call."""
        self._finish(HangupBy.BOT)

    def hangup_far(self) -> None:
        """The customer ends the call."""
        self._finish(HangupBy.CUSTOMER)

    async def ended(self) -> CallEnd:
        """See `Call`."""
        await self._over.wait()
        assert self._end is not None
        return self._end

    def _finish(self, by: HangupBy) -> None:
        if self._end is None:
            self._end = CallEnd(by, self._clock.now())
            self._over.set()
