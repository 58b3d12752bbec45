"""G.711 tables against the definition and an independent implementation."""

from __future__ import annotations

import struct
import warnings

import pytest

from telephony.simulator.g711 import PCMA, PCMU, Law

EVERY_SAMPLE = struct.pack("<65536h", *range(-32768, 32768))
EVERY_CODE = bytes(range(256))


def _samples(pcm: bytes) -> tuple[int, ...]:
    return struct.unpack(f"<{len(pcm) // 2}h", pcm)


@pytest.mark.parametrize(("law", "codec"), [(PCMU, "ulaw"), (PCMA, "alaw")])
def test_decoding_agrees_with_the_standard_library_where_it_still_has_one(law: Law, codec: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        audioop = pytest.importorskip("audioop")
    assert law.decode(EVERY_CODE) == getattr(audioop, f"{codec}2lin")(EVERY_CODE, 2)


@pytest.mark.parametrize(("law", "codec"), [(PCMU, "ulaw"), (PCMA, "alaw")])
def test_encoding_is_never_worse_than_the_standard_librarys_where_it_still_has_one(law: Law, codec: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        audioop = pytest.importorskip("audioop")
    theirs = _samples(law.decode(getattr(audioop, f"lin2{codec}")(EVERY_SAMPLE, 2)))
    ours = _samples(law.decode(law.encode(EVERY_SAMPLE)))
    worse = [s for s, a, b in zip(_samples(EVERY_SAMPLE), ours, theirs, strict=True) if abs(s - a) > abs(s - b)]
    assert worse == []


@pytest.mark.parametrize("law", [PCMU, PCMA])
def test_every_sample_comes_back_within_the_step_of_its_segment(law: Law) -> None:
    for sample, back in zip(_samples(EVERY_SAMPLE), _samples(law.decode(law.encode(EVERY_SAMPLE))), strict=True):
        assert abs(sample - back) <= max(16, abs(sample) // 16 + 132 // 16, 644 if abs(sample) > 32000 else 0)


@pytest.mark.parametrize("law", [PCMU, PCMA])
def test_decoded_codes_encode_to_themselves(law: Law) -> None:
    again = law.encode(law.decode(EVERY_CODE))
    assert law.decode(again) == law.decode(EVERY_CODE)


def test_silence_is_the_code_that_telephones_expect() -> None:
    assert PCMU.encode(bytes(2)) == b"\xff"
    assert PCMA.encode(bytes(2)) == b"\xd5"


def test_an_odd_byte_at_the_end_is_left_out() -> None:
    assert PCMU.encode(bytes(3)) == b"\xff"
    assert PCMU.encode(b"") == b""


def test_frames_are_twenty_milliseconds_and_the_last_is_filled_up() -> None:
    frames = PCMU.frames(struct.pack("<161h", *[1000] * 161))
    assert [len(frame) for frame in frames] == [160, 160]
    assert frames[1][1:] == b"\xff" * 159
    assert PCMU.frames(b"") == ()


def test_loudness_grows_with_the_magnitude_and_is_nought_for_silence() -> None:
    table = PCMU.loudness
    assert len(table) == 256
    assert table[0xFF] == table[0x7F] == 0
    assert table[PCMU.encode(struct.pack("<h", 320))[0]] in (9, 10)
    assert table[PCMU.encode(struct.pack("<h", -32000))[0]] == 255
