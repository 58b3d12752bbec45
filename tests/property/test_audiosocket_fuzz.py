"""AudioSocket's codec on any bytes, however they are cut."""

from __future__ import annotations

import itertools
import struct
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from telephony.errors import MediaProtocolError
from telephony.media.audiosocket_protocol import (
    HANGUP,
    Audio,
    Decoder,
    Failed,
    HungUp,
    Identified,
    KeyPressed,
    Kind,
    Message,
    Unknown,
    encode,
)

_KNOWN = {int(kind) for kind in Kind}
pcm = st.binary(max_size=700).map(lambda raw: raw[: len(raw) // 2 * 2])
messages = st.one_of(
    st.uuids().map(lambda one: (encode(Kind.ID, one.bytes), Identified(one))),
    pcm.map(lambda sound: (encode(Kind.SLIN, sound), Audio(8000, sound))),
    pcm.map(lambda sound: (encode(Kind.SLIN16, sound), Audio(16000, sound))),
    st.sampled_from("0123456789*#ABCD").map(lambda key: (encode(Kind.DTMF, key.encode()), KeyPressed(key))),
    st.just((HANGUP, HungUp())),
    st.integers(0, 255).map(lambda code: (encode(Kind.ERROR, bytes([code])), Failed(code))),
    st.integers(0, 255)
    .filter(lambda kind: kind not in _KNOWN)
    .map(lambda kind: (struct.pack("!BH", kind, 3) + b"abc", Unknown(kind))),
)


def feed(decoder: Decoder, data: bytes, cuts: list[int]) -> list[Message]:
    edges = [0, *sorted(cut % (len(data) + 1) for cut in cuts), len(data)]
    return [one for start, end in itertools.pairwise(edges) for one in decoder.feed(data[start:end])]


@given(st.lists(messages, max_size=12), st.lists(st.integers(0, 10_000), max_size=20))
def test_messages_come_out_as_they_went_in_however_the_bytes_are_cut(
    sent: list[tuple[bytes, Message]], cuts: list[int]
) -> None:
    assert feed(Decoder(), b"".join(data for data, _ in sent), cuts) == [message for _, message in sent]


@given(st.binary(max_size=3000), st.lists(st.integers(0, 10_000), max_size=10))
def test_any_bytes_are_messages_or_refused_and_never_more_than_one_is_kept(data: bytes, cuts: list[int]) -> None:
    decoder = Decoder()
    try:
        for message in feed(decoder, data, cuts):
            assert not isinstance(message, Audio) or len(message.pcm) % 2 == 0
    except MediaProtocolError:
        return
    assert len(decoder._pending) < 3 + 0xFFFF


@given(st.binary(max_size=40).filter(lambda raw: len(raw) != 16))
def test_a_uuid_has_sixteen_bytes(payload: bytes) -> None:
    with pytest.raises(MediaProtocolError, match="16"):
        Decoder().feed(encode(Kind.ID, payload))


@pytest.mark.parametrize("payload", [b"", b"12", b"x", b"\xff", "é".encode()])
def test_what_is_no_key_is_refused(payload: bytes) -> None:
    with pytest.raises(MediaProtocolError, match="key"):
        Decoder().feed(encode(Kind.DTMF, payload))


def test_half_a_sample_is_refused() -> None:
    with pytest.raises(MediaProtocolError, match="samples"):
        Decoder().feed(encode(Kind.SLIN, b"\0\0\0"))


def test_the_bytes_on_the_wire_are_those_of_asterisk() -> None:
    assert encode(Kind.SLIN, b"\x01\x02") == b"\x10\x00\x02\x01\x02"
    assert encode(Kind.SLIN16, bytes(640))[:3] == b"\x12\x02\x80"
    assert HANGUP == b"\x00\x00\x00"
    assert Decoder().feed(b"\x01\x00\x10" + bytes(range(16))) == [Identified(UUID(bytes=bytes(range(16))))]
    assert Decoder().feed(b"\xff\x00\x00") == [Failed(None)]
    with pytest.raises(ValueError, match="fit"):
        encode(Kind.SLIN, bytes(0x10000))
