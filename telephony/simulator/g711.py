"""G.711 by table: µ-law and A-law to and from 16-bit PCM (ITU-T G.711, RTP payload types 0 and 8)."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

RATE_HZ = 8000
FRAME_SAMPLES = 160
FRAME_MS = 20

#: One step of a loudness byte, in units of 16-bit samples.
LOUDNESS_STEP = 32


def _ulaw_encoded() -> NDArray[np.uint8]:
    sample = np.arange(-32768, 32768, dtype=np.int64)
    sign = np.where(sample < 0, 0x80, 0)
    magnitude = np.minimum(np.abs(sample), 32635) + 132
    exponent = np.floor(np.log2(magnitude)).astype(np.int64) - 7
    mantissa = (magnitude >> (exponent + 3)) & 0x0F
    return np.asarray(~(sign | (exponent << 4) | mantissa) & 0xFF, dtype=np.uint8)


def _ulaw_decoded() -> NDArray[np.int16]:
    code = ~np.arange(256, dtype=np.int64) & 0xFF
    magnitude = ((((code & 0x0F) << 3) + 132) << ((code >> 4) & 0x07)) - 132
    return np.asarray(np.where(code & 0x80, -magnitude, magnitude), dtype=np.int16)


def _alaw_encoded() -> NDArray[np.uint8]:
    sample = np.arange(-32768, 32768, dtype=np.int64) >> 3
    mask = np.where(sample >= 0, 0xD5, 0x55)
    magnitude = np.where(sample >= 0, sample, -sample - 1)
    segment = np.searchsorted(np.array([0x1F, 0x3F, 0x7F, 0xFF, 0x1FF, 0x3FF, 0x7FF]), magnitude)
    mantissa = (magnitude >> np.maximum(segment, 1)) & 0x0F
    return np.asarray(((segment << 4) | mantissa) ^ mask, dtype=np.uint8)


def _alaw_decoded() -> NDArray[np.int16]:
    code = np.arange(256, dtype=np.int64) ^ 0x55
    segment = (code & 0x70) >> 4
    step = ((code & 0x0F) << 4) + np.where(segment == 0, 8, 0x108)
    magnitude = step << np.maximum(segment - 1, 0)
    return np.asarray(np.where(code & 0x80, magnitude, -magnitude), dtype=np.int16)


@dataclass(frozen=True, eq=False)
class Law:
    """One companding law: name as in SDP, static payload type, and its tables."""

    name: str
    payload_type: int
    _encoded: NDArray[np.uint8] = field(repr=False)
    _decoded: NDArray[np.int16] = field(repr=False)

    def encode(self, pcm: bytes) -> bytes:
        """16-bit little-endian PCM to one byte a sample; a trailing odd byte is ignored."""
        samples = np.frombuffer(pcm, dtype="<i2", count=len(pcm) // 2).astype(np.int64)
        return bytes(self._encoded[samples + 32768])

    def decode(self, payload: bytes) -> bytes:
        """One byte a sample to 16-bit little-endian PCM."""
        return bytes(self._decoded[np.frombuffer(payload, dtype=np.uint8)].astype("<i2").data)

    @property
    def loudness(self) -> bytes:
        """A 256-byte table for `bytes.translate`: each code's magnitude in steps of 32, at most 255."""
        magnitude = np.abs(self._decoded.astype(np.int64)) // LOUDNESS_STEP
        return bytes(np.minimum(magnitude, 255).astype(np.uint8))

    def frames(self, pcm: bytes) -> tuple[bytes, ...]:
        """Encoded frames of 20 ms; the last one is filled up with silence."""
        padding = -len(pcm) % (FRAME_SAMPLES * 2)
        payload = self.encode(pcm + bytes(padding))
        return tuple(payload[at : at + FRAME_SAMPLES] for at in range(0, len(payload), FRAME_SAMPLES))


PCMU = Law("PCMU", 0, _ulaw_encoded(), _ulaw_decoded())
PCMA = Law("PCMA", 8, _alaw_encoded(), _alaw_decoded())
