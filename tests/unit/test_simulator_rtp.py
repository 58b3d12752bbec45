"""RTP on the wire."""

from __future__ import annotations

import itertools
import struct

import pytest

from telephony.simulator.rtp import Key, Sender, parse, parse_key


def _packet(first: int = 0x80, second: int = 0, tail: bytes = b"audio") -> bytes:
    return struct.pack("!BBHII", first, second, 7, 160, 99) + tail


def test_a_plain_packet() -> None:
    packet = parse(_packet(second=0x80 | 8))
    assert packet is not None
    assert (packet.payload_type, packet.marker, packet.sequence, packet.timestamp, packet.ssrc) == (8, True, 7, 160, 99)
    assert packet.payload == b"audio"


def test_contributors_extension_and_padding_are_cut_off() -> None:
    tail = bytes(8) + struct.pack("!HH", 0xBEDE, 1) + bytes(4) + b"audio" + b"\0\0\3"
    packet = parse(_packet(0x80 | 0x20 | 0x10 | 2, 0, tail))
    assert packet is not None
    assert packet.payload == b"audio"


@pytest.mark.parametrize(
    "datagram",
    [
        b"",
        b"\x80" * 11,
        _packet(first=0x40),
        _packet(second=200 & 0x7F | 0x80),
        _packet(0x80 | 0x10, 0, b"\0"),
        _packet(0x80 | 0x20, 0, b"\xff"),
    ],
)
def test_what_is_no_rtp_is_passed_over(datagram: bytes) -> None:
    assert parse(datagram) is None


def test_numbers_and_clock_run_on_and_the_marker_starts_a_talk_spurt() -> None:
    sender = Sender(8, 101)
    first, second = parse(sender.audio(b"a")), parse(sender.audio(b"b"))
    sender.skip()
    third = parse(sender.audio(b"c"))
    assert first is not None
    assert second is not None
    assert third is not None
    assert [packet.marker for packet in (first, second, third)] == [True, False, True]
    assert [(packet.sequence - first.sequence) & 0xFFFF for packet in (second, third)] == [1, 2]
    assert [(packet.timestamp - first.timestamp) & 0xFFFFFFFF for packet in (second, third)] == [160, 480]
    assert len({packet.ssrc for packet in (first, second, third)}) == 1


def test_numbers_wrap_around() -> None:
    sender = Sender(0, None)
    packets = [parse(sender.audio(b"")) for _ in range(70_000)]
    steps = {(b.sequence - a.sequence) & 0xFFFF for a, b in itertools.pairwise(packets) if a and b}
    assert steps == {1}


def test_a_key_keeps_its_start_time_while_the_clock_runs_on() -> None:
    sender = Sender(0, 101)
    before = parse(sender.audio(b"x"))
    packets = [sender.key(Key("5", 160, first=True)), sender.key(Key("5", 320)), sender.key(Key("5", 320, end=True))]
    pressed = [parse(packet) for packet in packets if packet]
    after = parse(sender.audio(b"y"))
    assert before is not None
    assert after is not None
    assert [packet.marker for packet in pressed if packet] == [True, False, False]
    assert {(packet.timestamp - before.timestamp) & 0xFFFFFFFF for packet in pressed if packet} == {160}
    assert (after.timestamp - before.timestamp) & 0xFFFFFFFF == 4 * 160
    assert [packet.payload for packet in pressed if packet] == [b"\5\x0a\0\xa0", b"\5\x0a\1\x40", b"\5\x8a\1\x40"]


def test_without_agreed_keys_none_are_sent() -> None:
    assert Sender(0, None).key(Key("1", 160, first=True)) is None


@pytest.mark.parametrize(
    ("payload", "key"),
    [(b"\0\0\0\0", "0"), (b"\x0a\0\0\0", "*"), (b"\x0f\0\0\0", "D"), (b"\x10\0\0\0", None), (b"\1", None)],
)
def test_keys_are_read(payload: bytes, key: str | None) -> None:
    assert parse_key(payload) == key
