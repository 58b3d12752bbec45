"""One AudioSocket connection from Asterisk, in the server's thread."""

from __future__ import annotations

from typing import ClassVar, assert_never

from telephony.errors import MediaProtocolError
from telephony.media.audiosocket_protocol import (
    AUDIO_KINDS,
    HANGUP,
    Audio,
    Decoder,
    Failed,
    HungUp,
    Identified,
    KeyPressed,
    Message,
    Unknown,
    encode,
)
from telephony.media.connection import Connection, Switchboard
from telephony.media.leg import MediaEnd, MediaLeg


class AudioSocketConnection(Connection):
    """Sends the frames that are due at each beat, silence where nothing is queued."""

    kind: ClassVar[str] = "audiosocket"

    def __init__(self, switchboard: Switchboard) -> None:
        super().__init__(switchboard)
        self._decoder = Decoder()

    def _received(self, data: bytes) -> None:
        for message in self._decoder.feed(data):
            self._take(message)
            if not self.is_live:
                return

    def _take(self, message: Message) -> None:
        if self.leg is None:
            if not isinstance(message, Identified):
                raise MediaProtocolError("the first message is not the call's UUID")
            self.identify(message.call_uuid)
            return
        match message:
            case Audio(rate_hz, pcm):
                self.hear(rate_hz, pcm)
            case KeyPressed(digit):
                self.tell(lambda leg: leg.key(digit))
            case HungUp():
                self.end(MediaEnd.PEER, "hung up")
                self.transport.close()
            case Failed(code):
                self.fail("media.far_side_failed", f"error code {code}")
            case Identified():
                raise MediaProtocolError("a second UUID")
            case Unknown():
                pass
            case _:
                assert_never(message)

    def _play(self, leg: MediaLeg, due: int, now_s: float) -> None:
        frames = [leg.media.play.take() for _ in range(due)]
        kind = AUDIO_KINDS[leg.rate_hz]
        self.transport.write(b"".join(encode(kind, frame or self.silence) for frame in frames))
        self.sent(leg, due, frames.count(None), now_s)

    def _say_goodbye(self) -> None:
        self.transport.write(HANGUP)
