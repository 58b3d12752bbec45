"""What every connection from Asterisk has in common, in the server's thread: it joins a call, keeps time, ends."""

from __future__ import annotations

import asyncio
import socket
from abc import ABC, abstractmethod
from collections.abc import Callable
from enum import Enum
from typing import ClassVar, Protocol
from uuid import UUID

import structlog

from telephony.call import FRAME_MS, SAMPLE_BYTES, frame_bytes
from telephony.errors import MediaProtocolError
from telephony.media.leg import MediaEnd, MediaLeg, masked
from telephony.sip.pacing import WallClockFrames

_log = structlog.get_logger(__name__)

#: A far side that takes no audio for so long is dead.
BLOCKED_S = 10.0
#: After our hang-up the far side closes; if it does not, we do.
PARTING_S = 2.0
#: Audio on its way in our own memory before the far side counts as not taking it.
_UNSENT_FRAMES = 5
#: The kernel doubles it; a small one lets a far side that has stopped be noticed within a second.
_SEND_BUFFER_BYTES = 8192
#: More than this within one beat is a flood, of which the newest is kept.
_PENDING_MS = 1000


class State(Enum):
    """Where a connection is. Moves forward only."""

    UNKNOWN = 1
    TALKING = 2
    PARTING = 3
    CLOSED = 4


class Switchboard(Protocol):
    """Who knows the calls, in the same thread.

    `identify_s`: a connection that does not say for so long which call it is for is closed.
    """

    identify_s: float

    def accepted(self, connection: Connection) -> bool:
        """Count a new connection; False when there are too many already that no call belongs to."""
        ...

    def admit(self, connection: Connection, call_uuid: UUID) -> MediaLeg | None:
        """The call that was expected under this UUID, once; None if none was."""
        ...

    def gone(self, connection: Connection) -> None:
        """The connection has closed."""
        ...


class Connection(asyncio.Protocol, ABC):
    """Reads messages, plays what is due at each beat, ends with its call."""

    kind: ClassVar[str]

    def __init__(self, switchboard: Switchboard) -> None:
        self.state = State.UNKNOWN
        self.leg: MediaLeg | None = None
        self._switchboard = switchboard
        self._blocked_since: float | None = None
        self._last_sent_s = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self.loop = asyncio.get_running_loop()
        self._timer = self.loop.call_later(self._switchboard.identify_s, self._unidentified)
        transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SEND_BUFFER_BYTES)
        if not self._switchboard.accepted(self):
            _log.warning("media.too_many_unidentified", kind=self.kind, peer=self.peer())
            self._drop()

    def data_received(self, data: bytes) -> None:
        try:
            if self.is_live:
                self._received(data)
        except MediaProtocolError as exc:
            self.fail("media.bad_message", str(exc))

    def connection_lost(self, exc: Exception | None) -> None:
        self.end(MediaEnd.PEER if exc is None else MediaEnd.ERROR, "closed" if exc is None else str(exc))
        self._timer.cancel()
        self.state = State.CLOSED
        self._switchboard.gone(self)

    def pause_writing(self) -> None:
        self._blocked_since = self.loop.time()

    def resume_writing(self) -> None:
        self._blocked_since = None

    def beat(self, due: int, skipped: int, now_s: float) -> None:
        """Play `due` frames of 20 ms, silence where nothing is queued, and hand on what was heard."""
        leg = self.leg
        if leg is None or self.state is not State.TALKING:
            return
        self._hand_on(leg, now_s)
        leg.statistics.late_beats += due > 1
        leg.statistics.skipped_out += skipped
        if self._blocked_since is None:
            self._play(leg, due, now_s)
        else:
            leg.statistics.blocked_out += due
            if now_s - self._blocked_since > BLOCKED_S:
                self.fail("media.blocked", f"the far side took no audio for {BLOCKED_S:g} s")

    def hang_up(self) -> None:
        """Say that the call is over and let the far side close."""
        if self.is_live:
            self.end(MediaEnd.US, "hung up")
            self._say_goodbye()
            # Not closed at once: with audio unread the kernel would send a reset, which may overtake the hang-up.
            self._timer.cancel()
            self._timer = self.loop.call_later(PARTING_S, self.transport.abort)

    def flushed(self) -> None:
        """The caller has discarded what was queued; a far side that keeps audio is to discard it too."""

    def abort(self) -> None:
        """Close without a word."""
        self._timer.cancel()
        self._drop()

    @property
    def is_live(self) -> bool:
        return self.state in (State.UNKNOWN, State.TALKING)

    @abstractmethod
    def _received(self, data: bytes) -> None:
        """Take bytes; raises `MediaProtocolError`."""

    @abstractmethod
    def _play(self, leg: MediaLeg, due: int, now_s: float) -> None:
        """Send what is due; nothing is blocked."""

    @abstractmethod
    def _say_goodbye(self) -> None:
        """Tell the far side that the call is over."""

    def identify(self, call_uuid: UUID) -> None:
        self._timer.cancel()
        leg = self._switchboard.admit(self, call_uuid)
        if leg is None:
            _log.warning("media.unknown_call", call_uuid=masked(call_uuid), kind=self.kind, peer=self.peer())
            self._drop()
            return
        self.leg, self.state = leg, State.TALKING
        self._heard = bytearray()
        self.silence = bytes(frame_bytes(leg.rate_hz))
        self._last_sent_s = self.loop.time()
        self._clocked = WallClockFrames(leg.rate_hz, self._last_sent_s)
        self.transport.set_write_buffer_limits(high=_UNSENT_FRAMES * frame_bytes(leg.rate_hz))
        self._pending_bytes = leg.rate_hz * _PENDING_MS // 1000 * SAMPLE_BYTES
        _log.debug("media.joined", call_uuid=masked(call_uuid))
        self.tell(MediaLeg.joined)

    def hear(self, rate_hz: int, pcm: bytes) -> None:
        """Keep what came for the next beat; raises `MediaProtocolError` for another rate than the call's."""
        assert self.leg is not None
        if rate_hz != self.leg.rate_hz:
            raise MediaProtocolError(
                f"audio at {rate_hz} Hz in a call expected at {self.leg.rate_hz} Hz; "
                "make the rate of the trunk the one that the telephone system sends"
            )
        self._heard += pcm
        surplus = len(self._heard) - self._pending_bytes
        if surplus > 0:
            del self._heard[:surplus]
            self.leg.statistics.dropped_in_ms += surplus * FRAME_MS // len(self.silence)

    def _hand_on(self, leg: MediaLeg, now_s: float) -> None:
        lost, dropped = self._clocked.lost_ms, self._clocked.dropped_ms
        frames = self._clocked.advance(bytes(self._heard), now_s)
        self._heard.clear()
        leg.statistics.lost_in_ms += self._clocked.lost_ms - lost
        leg.statistics.dropped_in_ms += self._clocked.dropped_ms - dropped
        leg.statistics.frames_in += len(frames)
        leg.media.heard.extend(frames)

    def sent(self, leg: MediaLeg, frames: int, silent: int, now_s: float) -> None:
        """Count what was sent."""
        statistics = leg.statistics
        statistics.frames_out += frames
        statistics.silent_out += silent
        statistics.longest_gap_ms = max(statistics.longest_gap_ms, (now_s - self._last_sent_s) * 1000)
        self._last_sent_s = now_s

    def _unidentified(self) -> None:
        _log.warning("media.unidentified", kind=self.kind, peer=self.peer(), after_s=self._switchboard.identify_s)
        self._drop()

    def fail(self, event: str, reason: str) -> None:
        call = masked(self.leg.call_uuid) if self.leg else None
        _log.error(event, call_uuid=call, kind=self.kind, peer=self.peer(), reason=reason)
        self.end(MediaEnd.ERROR, reason)
        self._drop()

    def _drop(self) -> None:
        self.state = State.PARTING
        self.transport.abort()

    def end(self, end: MediaEnd, reason: str) -> None:
        """The first end is the one that counts."""
        if not self.is_live:
            return
        self.state = State.PARTING
        if self.leg is not None:
            self._hand_on(self.leg, self.loop.time())
            self.tell(lambda leg: leg.ended(end))
            _log.debug("media.ended", call_uuid=masked(self.leg.call_uuid), by=end.value, reason=reason)

    def tell(self, news: Callable[[MediaLeg], None]) -> None:
        leg = self.leg
        if leg is not None:
            leg.pulse.post(lambda: news(leg))

    def peer(self) -> str:
        peer = self.transport.get_extra_info("peername")
        return f"{peer[0]}:{peer[1]}" if peer else "unknown"
