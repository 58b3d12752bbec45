"""The caller's side of one call's audio connection: `telephony.call.Media` and the connection's life."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from enum import StrEnum
from uuid import UUID

import structlog

from telephony.call import SAMPLE_BYTES
from telephony.errors import MediaClosed, MediaNotConnected
from telephony.media.keys import PAUSE_MS, check_keys, key_tones
from telephony.media.line import HeardFrames, LegStatistics, PlayQueue, milliseconds
from telephony.media.thread import Pulse

_log = structlog.get_logger(__name__)

AHEAD_MS = 100


class MediaEnd(StrEnum):
    """Who ended an audio connection."""

    PEER = "peer"
    US = "us"
    ERROR = "error"


def masked(call_uuid: UUID) -> str:
    """A call's UUID for logs: enough to find it, too little to connect with it."""
    return f"{str(call_uuid)[:8]}…"


class LineMedia:
    """`telephony.call.Media` over a line that another thread plays and fills.

    `flush` takes effect at the next frame, 20 ms at most; `nudge` tells the other thread of it. Keys are tones within
    the audio, unless `press` is set: it presses one key of `TONE_MS` in another way, and tells whether it could.
    """

    def __init__(
        self, rate_hz: int, pulse: Pulse, statistics: LegStatistics, nudge: Callable[[], None] = lambda: None
    ) -> None:
        self._nudge = nudge
        self.play = PlayQueue(rate_hz)
        self.heard = HeardFrames(statistics)
        self._rate_hz = rate_hz
        self._pulse = pulse
        self.press: Callable[[str], Awaitable[bool]] | None = None
        self._closed = False
        self._flushes = 0
        self._writing = asyncio.Lock()
        self._ahead_bytes = rate_hz * AHEAD_MS // 1000 * SAMPLE_BYTES

    @property
    def rate_hz(self) -> int:
        return self._rate_hz

    @property
    def ahead_ms(self) -> int:
        return 0 if self._closed else milliseconds(self.play.ahead, self._rate_hz)

    def close(self) -> None:
        """The call is over. What was received before can still be read."""
        self._closed = True
        self.play.discard()
        self._pulse.post()

    async def read(self) -> bytes:
        while (frame := self.heard.pop()) is None:
            if self._closed:
                raise MediaClosed("the call has ended")
            await self._pulse.wait()
        return frame

    async def write(self, pcm: bytes) -> None:
        if len(pcm) % SAMPLE_BYTES:
            raise ValueError(f"{len(pcm)} bytes are no whole number of 16-bit samples")
        async with self._writing:
            self._check_open()
            self.play.push(pcm)
            try:
                while self.play.ahead > self._ahead_bytes:
                    await self._pulse.wait()
                    self._check_open()
            except asyncio.CancelledError:
                self.play.keep(self._ahead_bytes)
                raise

    def flush(self) -> int:
        if self._closed:
            return 0
        self._flushes += 1
        discarded_ms = milliseconds(self.play.discard(), self._rate_hz)
        self._nudge()
        return discarded_ms

    async def send_dtmf(self, digits: str) -> None:
        """Press keys; they wait behind what is written already, and a flush takes along those not yet pressed."""
        check_keys(digits)
        left = digits
        if self.press is not None:
            async with self._writing:
                left = await self._press_all(self.press, digits)
        if left:
            await self.write(key_tones(left, self._rate_hz))

    async def _press_all(self, press: Callable[[str], Awaitable[bool]], digits: str) -> str:
        """The keys that could not be pressed."""
        flushes = self._flushes
        self._check_open()
        while self.play.ahead and flushes == self._flushes:
            await self._pulse.wait()
            self._check_open()
        for at, key in enumerate(digits):
            if flushes != self._flushes:
                return ""
            self._check_open()
            if not await press(key):
                return digits[at:]
            await asyncio.sleep(PAUSE_MS / 1000)
        return ""

    def _check_open(self) -> None:
        if self._closed:
            raise MediaClosed("the call has ended")


class MediaLeg:
    """One expected or live audio connection. Belongs to the event loop that asked for it."""

    def __init__(
        self,
        call_uuid: UUID,
        rate_hz: int,
        pulse: Pulse,
        *,
        hang_up: Callable[[MediaLeg], None],
        nudge: Callable[[MediaLeg], None],
    ) -> None:
        self.call_uuid = call_uuid
        self.statistics = LegStatistics()
        self.media = LineMedia(rate_hz, pulse, self.statistics, lambda: nudge(self))
        self.pulse = pulse
        self._hang_up = hang_up
        self._joined = asyncio.Event()
        self._admitted = False
        self._over = asyncio.Event()
        self._end: MediaEnd | None = None
        self._listeners: list[Callable[[str], None]] = []

    @property
    def rate_hz(self) -> int:
        return self.media.rate_hz

    async def connected(self, timeout_s: float) -> None:
        """Wait for the telephone system to connect this call.

        Raises `MediaNotConnected` after `timeout_s`, and at once when the leg has ended before. A leg that nobody will
        wait for any more is to be abandoned.
        """
        try:
            async with asyncio.timeout(timeout_s):
                await self._joined.wait()
        except TimeoutError as exc:
            raise MediaNotConnected(
                f"the telephone system did not connect the audio of call {masked(self.call_uuid)} within "
                f"{timeout_s:g} s; check that it reaches this address and port"
            ) from exc
        if not self._admitted:
            raise MediaNotConnected(f"the audio of call {masked(self.call_uuid)} ended before it began ({self._end})")

    def on_dtmf(self, listener: Callable[[str], None]) -> None:
        """Call `listener` in the event loop with each key the customer presses."""
        self._listeners.append(listener)

    def hangup(self) -> None:
        """End the connection, and with it the call; does nothing when it has ended."""
        self._hang_up(self)
        self.ended(MediaEnd.US)

    def abandon(self) -> None:
        """Expect the call no more; one that has connected is hung up."""
        self.hangup()

    async def closed(self) -> MediaEnd:
        """Wait until the connection is over; who ended it. May be awaited by several tasks."""
        await self._over.wait()
        assert self._end is not None
        return self._end

    def joined(self) -> None:
        """The telephone system has connected this call."""
        self._admitted = True
        self._joined.set()

    def key(self, digit: str) -> None:
        """A key was pressed."""
        for listener in self._listeners:
            try:
                listener(digit)
            except Exception:  # one listener's fault must not keep the key from the others
                _log.exception("media.dtmf_listener_failed", call_uuid=masked(self.call_uuid))

    def ended(self, end: MediaEnd) -> None:
        """The connection is over; the first to say so is right."""
        if self._end is None:
            self._end = end
            self.media.close()
            self._joined.set()
            self._over.set()
