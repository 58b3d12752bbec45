"""Audio in the form that aiortc sends and receives: its frames of Opus' 48 kHz, and ours of the call's rate."""

from __future__ import annotations

import asyncio
from fractions import Fraction

from aiortc.mediastreams import MediaStreamError, MediaStreamTrack
from av import AudioFrame, AudioResampler

from telephony.call import SAMPLE_BYTES

#: Frames that wait for the encoder; one that does not take them is behind, and the oldest give way.
_UNSENT_FRAMES = 5


class PlayedTrack(MediaStreamTrack):
    """What the browser hears; whoever keeps time gives it a frame every 20 ms."""

    kind = "audio"

    def __init__(self, rate_hz: int) -> None:
        super().__init__()
        self._rate_hz = rate_hz
        self._played = 0
        self._frames: asyncio.Queue[bytes] = asyncio.Queue(_UNSENT_FRAMES)

    def give(self, pcm: bytes) -> bool:
        """The next 20 ms; False when the oldest frame had to give way to it."""
        full = self._frames.full()
        if full:
            self._frames.get_nowait()
        self._frames.put_nowait(pcm)
        return not full

    async def recv(self) -> AudioFrame:
        """See `MediaStreamTrack`."""
        if self.readyState != "live":
            raise MediaStreamError
        pcm = await self._frames.get()
        frame = AudioFrame(format="s16", layout="mono", samples=len(pcm) // SAMPLE_BYTES)
        frame.planes[0].update(pcm)
        frame.sample_rate, frame.time_base = self._rate_hz, Fraction(1, self._rate_hz)
        frame.pts, self._played = self._played, self._played + frame.samples
        return frame


class Narrowing:
    """From the browser's audio to mono PCM at the rate of the call."""

    def __init__(self, rate_hz: int) -> None:
        self._resampler = AudioResampler(format="s16", layout="mono", rate=rate_hz)

    def pcm(self, frame: AudioFrame) -> bytes:
        """What there is of it by now; the resampler holds less than a millisecond back."""
        return b"".join(
            bytes(part.planes[0])[: part.samples * SAMPLE_BYTES] for part in self._resampler.resample(frame)
        )
