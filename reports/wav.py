"""What a recording's own bytes say: its true length, and its loudness over time."""

from __future__ import annotations

import array
import struct
import sys
from dataclasses import dataclass
from pathlib import Path

_PCM = 1


@dataclass(frozen=True)
class WavInfo:
    """The format of a WAV file and where its samples lie."""

    rate_hz: int
    channels: int
    #: Bytes of one sample of all channels.
    frame_bytes: int
    data_at: int
    data_bytes: int

    @property
    def duration_ms(self) -> int:
        return self.data_bytes // self.frame_bytes * 1000 // self.rate_hz


def read_wav(path: Path) -> WavInfo:
    """Read the RIFF chunks; raises `OSError`, or `ValueError` naming what is wrong.

    The length is that of the samples really there, not what the header promises.
    """
    with path.open("rb") as file:
        size = path.stat().st_size
        head = file.read(12)
        if len(head) < 12 or head[:4] != b"RIFF" or head[8:] != b"WAVE":
            raise ValueError("is no WAV file")
        form: tuple[int, int, int, int] | None = None
        while len(chunk := file.read(8)) == 8:
            name, length = struct.unpack("<4sI", chunk)
            if name == b"fmt ":
                form = _format(file.read(length))
            elif name == b"data":
                if form is None:
                    break
                there = min(length, size - file.tell())
                return WavInfo(form[1], form[0], form[2], file.tell(), there)
            else:
                file.seek(length + length % 2, 1)
    raise ValueError("has no samples")


def _format(body: bytes) -> tuple[int, int, int, int]:
    kind, channels, rate_hz, _, frame_bytes, bits = struct.unpack("<HHIIHH", body[:16])
    if kind != _PCM or bits != 16 or not rate_hz or frame_bytes != channels * 2:
        raise ValueError(f"is not 16-bit PCM (format {kind}, {bits} bits)")
    return channels, rate_hz, frame_bytes, bits


def peaks(path: Path, columns: int) -> list[list[float]]:
    """For each channel, the loudest sample of each of `columns` equal parts, 0 to 1. Blocks."""
    info = read_wav(path)
    with path.open("rb") as file:
        file.seek(info.data_at)
        samples = array.array("h")
        samples.frombytes(file.read(info.data_bytes // info.frame_bytes * info.frame_bytes))
    if sys.byteorder == "big":
        samples.byteswap()
    return [_channel_peaks(samples[channel :: info.channels], columns) for channel in range(info.channels)]


def _channel_peaks(samples: array.array[int], columns: int) -> list[float]:
    length = len(samples)
    found = []
    for column in range(columns):
        part = samples[column * length // columns : (column + 1) * length // columns]
        loudest = sorted((max(part), -min(part)))[-1] if part else 0
        found.append(loudest / 32768)
    return found
