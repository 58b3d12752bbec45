"""One browser's connection, in the server's thread: it answers an offer, keeps time, takes keys, ends."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

import structlog
from aiortc.mediastreams import MediaStreamError
from aiortc.sdp import SessionDescription
from av import AudioFrame
from pipecat.transports.smallwebrtc.connection import SmallWebRTCConnection

from telephony.call import FRAME_MS, frame_bytes
from telephony.errors import BadOffer
from telephony.media.keys import check_keys
from telephony.media.leg import MediaEnd, MediaLeg, masked
from telephony.media.schedule import Schedule
from telephony.sip.pacing import WallClockFrames
from telephony.webrtc.track import Narrowing, PlayedTrack

_log = structlog.get_logger(__name__)

#: From the answer to a connection.
CONNECT_S = 20.0
#: An offer with audio and a data channel has 2 to 6 kB.
LONGEST_OFFER = 50_000
#: More than this within one beat is a flood, of which the newest is kept.
_PENDING_FRAMES = 50


class Peer:
    """Frames of 20 ms both ways until either side ends it; `gone` is called then, once."""

    def __init__(self, leg: MediaLeg, ice_servers: Sequence[str], gone: Callable[[Peer], None]) -> None:
        self.leg = leg
        self._gone = gone
        self._connection = SmallWebRTCConnection(list(ice_servers), connection_timeout_secs=int(CONNECT_S))
        self._track = PlayedTrack(leg.rate_hz)
        self._heard = bytearray()
        self._pending_bytes = _PENDING_FRAMES * frame_bytes(leg.rate_hz)
        self._tasks: set[asyncio.Task[None]] = set()
        self._over = False

    async def answer(self, offer: str) -> str:
        """The answer (SDP, candidates included) to an offer; raises `BadOffer`."""
        check_offer(offer)
        connection = self._connection
        connection.pc.on("connectionstatechange", self._moved)
        connection.pc.on("datachannel", self._joined)
        connection.add_event_handler("app-message", self._message)
        try:
            await connection.initialize(offer, "offer")
        except asyncio.CancelledError:
            # The candidates' sockets would stay open.
            await asyncio.shield(connection.pc.close())
            raise
        except Exception as exc:
            await connection.pc.close()
            raise BadOffer(f"the browser's offer cannot be answered: {exc or type(exc).__name__}") from exc
        connection.replace_audio_track(self._track)  # type: ignore[no-untyped-call]
        # What it tells on its own is `connected` only; it takes messages from here on.
        await connection.connect()  # type: ignore[no-untyped-call]
        return str(connection.pc.localDescription.sdp)

    def hang_up(self) -> None:
        """End the call and tell the browser."""
        self.end(MediaEnd.US, "hung up")

    def end(self, end: MediaEnd, reason: str) -> None:
        """The first end is the one that counts."""
        if self._over:
            return
        self._over = True
        _log.debug("webrtc.ended", call_uuid=masked(self.leg.call_uuid), by=end.value, reason=reason)
        self._tell(lambda leg: leg.ended(end))
        self._begin(self.close())

    async def close(self) -> None:
        """Release sockets, threads and tasks; idempotent."""
        self._over = True
        for task in self._tasks - {asyncio.current_task()}:
            task.cancel()
        try:
            await self._connection.disconnect()  # type: ignore[no-untyped-call]
        finally:
            self._gone(self)

    def _moved(self) -> None:
        match self._connection.pc.connectionState:
            case "failed":
                self.end(MediaEnd.ERROR, "no answer from the browser any more")
            case "closed":
                self.end(MediaEnd.PEER, "the browser hung up")

    def _joined(self, _channel: object) -> None:
        # Not when our side of the connection is up: what is sent before the browser's is, is lost.
        if self._over:
            return
        self._begin(self._listen())
        self._begin(self._beat())
        self._tell(MediaLeg.joined)

    async def _message(self, _connection: object, message: Any) -> None:
        if not isinstance(message, dict) or message.get("type") != "key":
            return
        try:
            check_keys(key := str(message.get("key"))[:1])
        except ValueError:
            return
        if key:
            self._tell(lambda leg: leg.key(key))

    async def _listen(self) -> None:
        track, narrowing = self._connection.audio_input_track(), Narrowing(self.leg.rate_hz)  # type: ignore[no-untyped-call]
        try:
            while True:
                frame = await track.recv()
                if isinstance(frame, AudioFrame):
                    self._hear(narrowing.pcm(frame))
        except MediaStreamError:
            self.end(MediaEnd.PEER, "the browser hung up")

    def _hear(self, pcm: bytes) -> None:
        self._heard += pcm
        surplus = len(self._heard) - self._pending_bytes
        if surplus > 0:
            del self._heard[:surplus]
            self.leg.statistics.dropped_in_ms += surplus * FRAME_MS // frame_bytes(self.leg.rate_hz)

    async def _beat(self) -> None:
        loop = asyncio.get_running_loop()
        schedule = Schedule(loop.time())
        clocked = WallClockFrames(self.leg.rate_hz, loop.time())
        while True:
            await asyncio.sleep(max(0.0, schedule.next_s - loop.time()))
            skipped, now_s = schedule.skipped, loop.time()
            due = schedule.due(now_s)
            self._hand_on(clocked, now_s)
            for _ in range(due):
                self._play()
            self.leg.statistics.late_beats += due > 1
            self.leg.statistics.skipped_out += schedule.skipped - skipped
            self.leg.pulse.post()

    def _hand_on(self, clocked: WallClockFrames, now_s: float) -> None:
        statistics = self.leg.statistics
        lost, dropped = clocked.lost_ms, clocked.dropped_ms
        frames = clocked.advance(bytes(self._heard), now_s)
        self._heard.clear()
        statistics.lost_in_ms += clocked.lost_ms - lost
        statistics.dropped_in_ms += clocked.dropped_ms - dropped
        statistics.frames_in += len(frames)
        self.leg.media.heard.extend(frames)

    def _play(self) -> None:
        statistics = self.leg.statistics
        frame = self.leg.media.play.take()
        statistics.frames_out += 1
        statistics.silent_out += frame is None
        statistics.blocked_out += not self._track.give(frame or bytes(frame_bytes(self.leg.rate_hz)))

    def _tell(self, news: Callable[[MediaLeg], None]) -> None:
        leg = self.leg
        leg.pulse.post(lambda: news(leg))

    def _begin(self, work: Any) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        error = None if task.cancelled() else task.exception()
        if error is not None:
            _log.error("webrtc.failed", call_uuid=masked(self.leg.call_uuid), error=repr(error))
            self.end(MediaEnd.ERROR, "a fault of ours")


def check_offer(offer: str) -> None:
    """Raise `BadOffer` for anything but one audio stream and a data channel."""
    if len(offer) > LONGEST_OFFER:
        raise BadOffer(f"the browser's offer has {len(offer)} characters; at most {LONGEST_OFFER} are read")
    try:
        kinds = sorted(media.kind for media in SessionDescription.parse(offer).media)
    except Exception as exc:
        raise BadOffer("the browser's offer is no session description (RFC 8866)") from exc
    if kinds != ["application", "audio"]:
        raise BadOffer(f"the browser offers {', '.join(kinds) or 'nothing'}; offer one audio stream and a data channel")
