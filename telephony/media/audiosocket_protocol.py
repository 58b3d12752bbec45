"""AudioSocket: bytes in, messages out. No I/O.

Each message is its kind (one byte), the length of its payload (two bytes, big-endian) and the payload; PCM is
little-endian (Asterisk, res/res_audiosocket.c and include/asterisk/res_audiosocket.h).
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from enum import IntEnum
from uuid import UUID

from telephony.call import SAMPLE_BYTES
from telephony.errors import MediaProtocolError

_HEADER = struct.Struct("!BH")
_KEYS = frozenset("0123456789*#ABCD")


class Kind(IntEnum):
    """Kinds of message in use here."""

    HANGUP = 0x00
    ID = 0x01
    DTMF = 0x03
    SLIN = 0x10
    SLIN16 = 0x12
    ERROR = 0xFF


#: The kind that carries audio of a rate.
AUDIO_KINDS = {8000: Kind.SLIN, 16000: Kind.SLIN16}
_RATES_HZ = {kind: rate_hz for rate_hz, kind in AUDIO_KINDS.items()}


@dataclass(frozen=True, slots=True)
class Identified:
    """Which call the connection belongs to; the first message of each."""

    call_uuid: UUID


@dataclass(frozen=True, slots=True)
class Audio:
    """Sound, of any whole number of samples."""

    rate_hz: int
    pcm: bytes


@dataclass(frozen=True, slots=True)
class KeyPressed:
    """A key (0-9, *, #, A-D); Asterisk 22.4 and later."""

    digit: str


@dataclass(frozen=True, slots=True)
class HungUp:
    """The far side ends the call."""


@dataclass(frozen=True, slots=True)
class Failed:
    """The far side could not go on; its code if it gave one."""

    code: int | None


@dataclass(frozen=True, slots=True)
class Unknown:
    """A kind that this version does not know, to be passed over."""

    kind: int


Message = Identified | Audio | KeyPressed | HungUp | Failed | Unknown

#: The message that ends a call.
HANGUP = _HEADER.pack(Kind.HANGUP, 0)


def encode(kind: Kind, payload: bytes) -> bytes:
    """One message; `ValueError` for a payload of more than 65,535 bytes."""
    if len(payload) > 0xFFFF:
        raise ValueError(f"{len(payload)} bytes do not fit into one message")
    return _HEADER.pack(kind, len(payload)) + payload


class Decoder:
    """Takes bytes as they arrive and tells the messages that they complete.

    Holds less than one message (65,538 bytes) between two calls.
    """

    def __init__(self) -> None:
        self._pending = bytearray()

    def feed(self, data: bytes) -> list[Message]:
        """The messages that `data` completes; raises `MediaProtocolError` for one that cannot be."""
        self._pending += data
        messages: list[Message] = []
        start = 0
        while len(self._pending) - start >= _HEADER.size:
            kind, size = _HEADER.unpack_from(self._pending, start)
            end = start + _HEADER.size + size
            if end > len(self._pending):
                break
            messages.append(_message(kind, bytes(self._pending[start + _HEADER.size : end])))
            start = end
        del self._pending[:start]
        return messages


def _message(kind: int, payload: bytes) -> Message:
    rate_hz = _RATES_HZ.get(kind)  # type: ignore[call-overload]
    if rate_hz is not None:
        return _audio(rate_hz, payload)
    match kind:
        case Kind.ID:
            return _identified(payload)
        case Kind.DTMF:
            return _key(payload)
        case Kind.HANGUP:
            return HungUp()
        case Kind.ERROR:
            return Failed(payload[0] if payload else None)
        case _:
            return Unknown(kind)


def _audio(rate_hz: int, payload: bytes) -> Audio:
    if len(payload) % SAMPLE_BYTES:
        raise MediaProtocolError(f"{len(payload)} bytes of audio are no whole number of 16-bit samples")
    return Audio(rate_hz, payload)


def _identified(payload: bytes) -> Identified:
    if len(payload) != 16:
        raise MediaProtocolError(f"a call's UUID of {len(payload)} bytes; it has 16")
    return Identified(UUID(bytes=payload))


def _key(payload: bytes) -> KeyPressed:
    digit = payload.decode("ascii", "replace").upper()
    if digit not in _KEYS:
        raise MediaProtocolError(f"{payload[:8]!r} is no key; a key is one of 0-9, *, #, A-D")
    return KeyPressed(digit)
