"""Recordings read by their own bytes."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest

from reports.wav import peaks, read_wav
from tests.support_reports import write_wav


def _wav(path: Path, *chunks: tuple[bytes, bytes]) -> Path:
    body = b"".join(name + struct.pack("<I", len(data)) + data + b"\0" * (len(data) % 2) for name, data in chunks)
    path.write_bytes(b"RIFF" + struct.pack("<I", 4 + len(body)) + b"WAVE" + body)
    return path


def _format(kind: int = 1, channels: int = 2, rate: int = 8000, bits: int = 16) -> bytes:
    frame = channels * bits // 8
    return struct.pack("<HHIIHH", kind, channels, rate, rate * frame, frame, bits)


def test_the_length_is_that_of_the_samples(tmp_path: Path) -> None:
    write_wav(tmp_path / "a.wav", 1.5)
    info = read_wav(tmp_path / "a.wav")
    assert (info.rate_hz, info.channels, info.frame_bytes, info.duration_ms) == (8000, 2, 4, 1500)


def test_a_file_cut_short_has_the_length_of_what_is_left(tmp_path: Path) -> None:
    path = tmp_path / "cut.wav"
    write_wav(path, 2.0)
    path.write_bytes(path.read_bytes()[: 44 + 8000 * 4])
    assert read_wav(path).duration_ms == 1000


def test_other_chunks_are_passed_over(tmp_path: Path) -> None:
    path = _wav(
        tmp_path / "x.wav", (b"LIST", b"odd"), (b"fmt ", _format()), (b"fact", b"1234"), (b"data", b"\0" * 3200)
    )
    assert read_wav(path).duration_ms == 100


@pytest.mark.parametrize(
    ("chunks", "why"),
    [
        ([(b"data", b"\0" * 40)], "has no samples"),
        ([(b"fmt ", _format())], "has no samples"),
        ([(b"fmt ", _format(kind=7)), (b"data", b"")], "not 16-bit PCM"),
        ([(b"fmt ", _format(bits=8)), (b"data", b"")], "not 16-bit PCM"),
    ],
)
def test_what_is_wrong_is_said(tmp_path: Path, chunks: list[tuple[bytes, bytes]], why: str) -> None:
    with pytest.raises(ValueError, match=why):
        read_wav(_wav(tmp_path / "bad.wav", *chunks))


def test_text_is_no_recording(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("hello")
    with pytest.raises(ValueError, match="is no WAV file"):
        read_wav(path)


def test_peaks_show_each_side_over_time(tmp_path: Path) -> None:
    left = [0] * 100 + [16384] * 100
    right = [-32768] * 100 + [0] * 100
    data = b"".join(struct.pack("<hh", *pair) for pair in zip(left, right, strict=True))
    path = _wav(tmp_path / "p.wav", (b"fmt ", _format()), (b"data", data))
    assert peaks(path, 2) == [[0.0, 0.5], [1.0, 0.0]]


def test_peaks_of_a_recording_shorter_than_its_columns(tmp_path: Path) -> None:
    path = _wav(tmp_path / "p.wav", (b"fmt ", _format()), (b"data", struct.pack("<hh", 8192, 0)))
    customer, bot = peaks(path, 3)
    assert (max(customer), max(bot), len(customer)) == (0.25, 0.0, 3)
