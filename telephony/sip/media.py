"""The audio of one SIP call: `telephony.call.Media` over the stack's two buffers."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Protocol

import structlog
from baresip.audio import AudioInfo, AudioStats
from baresip.errors import AudioNotActive, AudioRestarted

from telephony.call import SAMPLE_BYTES
from telephony.errors import MediaClosed
from telephony.sip.pacing import WallClockFrames
from telephony.sip.ticker import Ticker

_log = structlog.get_logger(__name__)

AHEAD_MS = 100
#: Frames kept for a reader that does not come; ten seconds.
_UNREAD_FRAMES = 500
_READ_BYTES = 32768


class StackAudio(Protocol):
    """What is used of `baresip.audio.CallAudio`."""

    def info(self) -> AudioInfo: ...
    def stats(self) -> AudioStats: ...
    def read(self, max_bytes: int) -> bytes: ...
    def write(self, pcm: bytes | memoryview) -> int: ...
    def flush_tx(self) -> None: ...


class SipMedia:
    """Audio both ways at the rate of the negotiated codec: 8000 Hz for G.711, 16000 Hz for G.722.

    Frames come at wall-clock pace from the first beat on, silence included. A reader that stays away for more than
    ten seconds loses the oldest.
    """

    def __init__(
        self,
        audio: StackAudio,
        ticker: Ticker,
        *,
        rate_hz: int,
        start_s: float,
        send_keys: Callable[[str], Awaitable[None]],
    ) -> None:
        self._audio = audio
        self._ticker = ticker
        self._rate_hz = rate_hz
        self._send_keys = send_keys
        self._incoming = WallClockFrames(rate_hz, start_s)
        self._frames: deque[bytes] = deque(maxlen=_UNREAD_FRAMES)
        self._closed = False
        self._writing = asyncio.Lock()
        self._unsent = 0
        self._flushes = 0
        self._silent_before_flush: int | None = None

    @property
    def rate_hz(self) -> int:
        return self._rate_hz

    @property
    def ahead_ms(self) -> int:
        if self._closed:
            return 0
        return self._ms(self._unsent + self._buffered())

    @property
    def lost_ms(self) -> int:
        """Silence put in for audio that did not arrive."""
        return self._incoming.lost_ms

    def beat(self, now_s: float) -> None:
        """Fetch what has arrived; the ticker's call."""
        self._frames.extend(self._incoming.advance(self._received(), now_s))

    def close(self) -> None:
        """The call is over. What was received before can still be read."""
        if not self._closed:
            self._closed = True
            self._ticker.remove(self)

    async def read(self) -> bytes:
        while not self._frames:
            if self._closed:
                raise MediaClosed("the call has ended")
            await self._ticker.beat()
        return self._frames.popleft()

    async def write(self, pcm: bytes) -> None:
        if len(pcm) % SAMPLE_BYTES:
            raise ValueError(f"{len(pcm)} bytes are no whole number of 16-bit samples")
        async with self._writing:
            try:
                await self._play(memoryview(pcm))
            finally:
                self._unsent = 0

    def flush(self) -> int:
        if self._closed:
            return 0
        discarded_ms = self.ahead_ms
        self._flushes += 1
        self._unsent = 0
        try:
            self._audio.flush_tx()
            # Read after the request: a silent frame counted from here on can only come after the flush.
            self._silent_before_flush = self._audio.stats().tx_silence_frames
        except (AudioNotActive, AudioRestarted):
            self._silent_before_flush = None
        return discarded_ms

    async def send_dtmf(self, digits: str) -> None:
        if self._closed:
            raise MediaClosed("the call has ended")
        await self._send_keys(digits)

    async def _play(self, pcm: memoryview) -> None:
        flushes = self._flushes
        while self._flushes == flushes:
            if self._closed:
                raise MediaClosed("the call has ended")
            pcm = pcm[self._push(pcm) :]
            self._unsent = len(pcm)
            if not pcm:
                return
            await self._ticker.beat()

    def _push(self, pcm: memoryview) -> int:
        """Hand over as much as keeps the stack's buffer at `AHEAD_MS`; the bytes taken."""
        if self._flush_pending():
            return 0
        room = self._rate_hz * AHEAD_MS // 1000 * SAMPLE_BYTES - self._buffered()
        if room <= 0:
            return 0
        try:
            return self._audio.write(pcm[:room])
        except (AudioNotActive, AudioRestarted):
            return 0

    def _flush_pending(self) -> bool:
        """Whether the stack has yet to carry out a flush, which would take newly written audio along.

        It does so at its next transmit tick, and then sends a frame of silence, which it counts.
        """
        if self._silent_before_flush is None:
            return False
        try:
            if self._audio.stats().tx_silence_frames == self._silent_before_flush:
                return True
        except (AudioNotActive, AudioRestarted):
            pass
        self._silent_before_flush = None
        return False

    def _buffered(self) -> int:
        if self._silent_before_flush is not None and self._flush_pending():
            return 0
        try:
            return self._audio.info().tx_buffered
        except AudioNotActive:
            return 0

    def _received(self) -> bytes:
        try:
            return self._audio.read(_READ_BYTES)
        except AudioRestarted:
            self._renegotiated()
        except AudioNotActive:
            pass
        return b""

    def _renegotiated(self) -> None:
        """The far end changed the session; audio goes on, unless it now has another rate."""
        try:
            rate_hz = self._audio.info().rx_sample_rate
        except AudioNotActive:
            return
        if rate_hz not in (0, self._rate_hz):
            _log.error("sip.audio_rate_changed", from_hz=self._rate_hz, to_hz=rate_hz)
            self.close()

    def _ms(self, size: int) -> int:
        return size * 1000 // (self._rate_hz * SAMPLE_BYTES)
