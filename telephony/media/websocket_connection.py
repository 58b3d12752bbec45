"""One connection of Asterisk's chan_websocket, in the server's thread.

Binary messages are audio, text messages are JSON: events from Asterisk, commands from us (Asterisk,
channels/chan_websocket.c, control message format json). Asterisk keeps audio and plays it at its own pace; a mark
behind each frame tells what it has played.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, ClassVar
from urllib.parse import parse_qs, urlsplit
from uuid import UUID

from websockets.frames import Frame, Opcode
from websockets.http11 import Request
from websockets.protocol import State
from websockets.server import ServerProtocol
from websockets.typing import Subprotocol

from telephony.call import SAMPLE_BYTES
from telephony.errors import MediaProtocolError
from telephony.media.connection import Connection, Switchboard
from telephony.media.leg import MediaEnd, MediaLeg

#: Audio that Asterisk may have and not have played; it covers our being late.
FAR_AHEAD_MS = 200
PATH = "/media"
#: The largest message that Asterisk sends is far below this.
_MOST_BYTES = 65_536
_FORMATS_HZ = {"slin": 8000, "slin16": 16000}


class WebSocketConnection(Connection):
    """Keeps Asterisk's buffer filled from the call's queue, exact to a frame by marks."""

    kind: ClassVar[str] = "websocket"

    def __init__(self, switchboard: Switchboard) -> None:
        super().__init__(switchboard)
        self._protocol = ServerProtocol(subprotocols=[Subprotocol("media")], max_size=_MOST_BYTES)
        self._message = bytearray()
        self._opcode = Opcode.BINARY
        self._started = self._held = False
        self._generation = 0

    def flushed(self) -> None:
        if self.leg is not None and self.is_live and self._started:
            self._feed(self.leg)

    def eof_received(self) -> None:
        self._protocol.receive_eof()

    def _received(self, data: bytes) -> None:
        self._protocol.receive_data(data)
        for event in self._protocol.events_received():
            if isinstance(event, Request):
                self._open(event)
            elif isinstance(event, Frame):
                self._frame(event)
            if not self.is_live:
                return
        wrong = self._protocol.handshake_exc or self._protocol.parser_exc
        if wrong is not None:
            raise MediaProtocolError(f"no WebSocket: {wrong}")
        self._flush_out()

    def _open(self, request: Request) -> None:
        url = urlsplit(request.path)
        call_uuid = _uuid(parse_qs(url.query).get("call_id", [""])[0])
        if url.path != PATH or call_uuid is None:
            self._protocol.send_response(self._protocol.reject(404, "no such call\n"))
            self._flush_out()
            self.fail("media.bad_request", f"the address is not {PATH}?call_id=UUID")
            return
        self._protocol.send_response(self._protocol.accept(request))
        self._flush_out()
        if self._protocol.state is State.OPEN:
            self.identify(call_uuid)

    def _frame(self, frame: Frame) -> None:
        if frame.opcode in (Opcode.TEXT, Opcode.BINARY):
            self._opcode = frame.opcode
            self._message.clear()
        elif frame.opcode is not Opcode.CONT:
            if frame.opcode is Opcode.CLOSE:
                self._flush_out()
                self.end(MediaEnd.PEER, "closed")
                self.transport.close()
            return
        self._message += frame.data
        if len(self._message) > _MOST_BYTES:
            raise MediaProtocolError("a message of more than 64 kB")
        if not frame.fin:
            return
        if self._opcode is Opcode.TEXT:
            self._event(_json(bytes(self._message)))
        else:
            self._audio(bytes(self._message))

    def _audio(self, pcm: bytes) -> None:
        if self.leg is None or len(pcm) % SAMPLE_BYTES:
            raise MediaProtocolError(f"{len(pcm)} bytes of audio are no whole number of 16-bit samples")
        self.hear(self.leg.rate_hz, pcm)

    def _event(self, event: Mapping[str, Any]) -> None:
        match event.get("event"):
            case "MEDIA_START":
                self._start(str(event.get("format")))
            case "MEDIA_MARK_PROCESSED":
                self._processed(str(event.get("correlation_id")))
            case "MEDIA_XOFF":
                self._held = True
            case "MEDIA_XON":
                self._held = False
            case "DTMF_END":
                digit = str(event.get("digit"))
                self.tell(lambda leg: leg.key(digit))
            case _:
                pass

    def _start(self, audio_format: str) -> None:
        assert self.leg is not None
        if _FORMATS_HZ.get(audio_format) != self.leg.rate_hz:
            raise MediaProtocolError(
                f"audio as {audio_format} in a call expected at {self.leg.rate_hz} Hz; dial with c(slin16) or c(slin)"
            )
        self._started = True
        self._command("START_MEDIA_BUFFERING")

    def _processed(self, mark: str) -> None:
        assert self.leg is not None
        generation, _, position = mark.partition(":")
        if generation.isdigit() and position.isdigit():
            self.leg.media.play.played(int(generation), int(position))

    def _play(self, leg: MediaLeg, due: int, now_s: float) -> None:
        if self._started:
            self.sent(leg, self._feed(leg), 0, now_s)

    def _feed(self, leg: MediaLeg) -> int:
        """Send what there is room for; how many frames."""
        if self._protocol.state is not State.OPEN:
            return 0
        most = 0 if self._held else leg.rate_hz * FAR_AHEAD_MS // 1000 * SAMPLE_BYTES
        generation, frames = leg.media.play.send(most)
        if generation != self._generation:
            self._generation = generation
            # It also forgets the marks and ends buffering.
            self._command("FLUSH_MEDIA")
            self._command("START_MEDIA_BUFFERING")
        for pcm, position in frames:
            self._protocol.send_binary(pcm)
            self._command("MARK_MEDIA", correlation_id=f"{generation}:{position}")
        self._flush_out()
        return len(frames)

    def _command(self, name: str, **more: str) -> None:
        if self._protocol.state is State.OPEN:  # not once a close has come, which its events may stand before
            self._protocol.send_text(json.dumps({"command": name, **more}).encode())

    def _say_goodbye(self) -> None:
        if self._protocol.state is not State.OPEN:
            self.transport.abort()
            return
        self._command("HANGUP")
        self._protocol.send_close(1000)
        self._flush_out()

    def _flush_out(self) -> None:
        parts = [part for part in self._protocol.data_to_send() if part]
        if parts:
            self.transport.write(b"".join(parts))


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None


def _json(text: bytes) -> Mapping[str, Any]:
    try:
        event = json.loads(text)
    except ValueError as exc:
        raise MediaProtocolError("an event that is no JSON; dial with f(json)") from exc
    if not isinstance(event, dict):
        raise MediaProtocolError("an event that is no JSON object")
    return event
