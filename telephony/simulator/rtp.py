"""RTP packets and telephone keys on the wire (RFC 3550 section 5.1, RFC 4733). No I/O."""

from __future__ import annotations

import os
import struct
from dataclasses import dataclass

KEYS = "0123456789*#ABCD"
SAMPLES_PER_TICK = 160

_HEADER = struct.Struct("!BBHII")
_EVENT = struct.Struct("!BBH")
#: RTCP packets that arrive on the RTP port: their second byte, without the marker bit.
_RTCP_TYPES = range(72, 77)
_KEY_VOLUME = 10


@dataclass(frozen=True, slots=True)
class Packet:
    """One received RTP packet."""

    payload_type: int
    marker: bool
    sequence: int
    timestamp: int
    ssrc: int
    payload: bytes


def parse(datagram: bytes) -> Packet | None:
    """Read a datagram; None for RTCP, for other protocols, and for what is malformed."""
    if len(datagram) < 12 or datagram[0] >> 6 != 2:
        return None
    first, second, sequence, timestamp, ssrc = _HEADER.unpack_from(datagram)
    if second & 0x7F in _RTCP_TYPES:
        return None
    start, end = 12, len(datagram)
    if first & 0x3F:
        start += 4 * (first & 0x0F)
        if first & 0x10:
            if len(datagram) < start + 4:
                return None
            start += 4 + 4 * int.from_bytes(datagram[start + 2 : start + 4], "big")
        if first & 0x20:
            end -= datagram[-1]
    if start > end:
        return None
    return Packet(second & 0x7F, second > 0x7F, sequence, timestamp, ssrc, datagram[start:end])


def parse_key(payload: bytes) -> str | None:
    """The key of a telephone-event payload, None when it is not one of 0-9 * # A-D."""
    if len(payload) < 4 or payload[0] >= len(KEYS):
        return None
    return KEYS[payload[0]]


@dataclass(frozen=True, slots=True)
class Key:
    """One 20 ms step of a pressed key; `duration` is in samples from the start of the press."""

    key: str
    duration: int
    end: bool = False
    first: bool = False

    def payload(self) -> bytes:
        return _EVENT.pack(KEYS.index(self.key), (0x80 if self.end else 0) | _KEY_VOLUME, self.duration)


class Sender:
    """Numbers the packets of one outgoing stream; its clock runs on through silence."""

    def __init__(self, payload_type: int, event_type: int | None) -> None:
        self._payload_type = payload_type
        self._event_type = event_type
        self._ssrc, self._timestamp, sequence = struct.unpack("!IIH", os.urandom(10))
        self._sequence: int = sequence
        self._key_timestamp = 0
        self._talking = False

    def skip(self) -> None:
        """Let 20 ms pass without a packet."""
        self._timestamp = (self._timestamp + SAMPLES_PER_TICK) & 0xFFFFFFFF
        self._talking = False

    def audio(self, payload: bytes) -> bytes:
        """The packet of the next 20 ms; the marker stands on the first one after a pause."""
        marker = 0 if self._talking else 0x80
        packet = self._header(marker | self._payload_type, self._timestamp) + payload
        self._timestamp = (self._timestamp + SAMPLES_PER_TICK) & 0xFFFFFFFF
        self._talking = True
        return packet

    def key(self, key: Key) -> bytes | None:
        """The packet of 20 ms of a pressed key; None when keys were not agreed on."""
        if key.first:
            self._key_timestamp = self._timestamp
        self.skip()
        if self._event_type is None:
            return None
        marker = 0x80 if key.first else 0
        return self._header(marker | self._event_type, self._key_timestamp) + key.payload()

    def _header(self, second: int, timestamp: int) -> bytes:
        self._sequence = (self._sequence + 1) & 0xFFFF
        return _HEADER.pack(0x80, second, self._sequence, timestamp, self._ssrc)
