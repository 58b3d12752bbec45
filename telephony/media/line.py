"""One call's audio between two threads: the server's, which keeps time, and the caller's, which may stall."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass

from telephony.call import SAMPLE_BYTES, frame_bytes

#: Frames kept for a reader that does not come; ten seconds.
UNREAD_FRAMES = 500


@dataclass
class LegStatistics:
    """What became of one leg's audio so far.

    Frames are of 20 ms. `frames_out` includes `silent_out`, sent because nothing was queued. `late_beats` are beats
    served so late that the next one was due already; `skipped_out` frames not sent because a beat was later than 60 ms
    and `blocked_out` because the far side did not take them. `lost_in_ms` is silence put in for audio that did not
    come, `dropped_in_ms` audio that came too late or too much, `unread_dropped` frames that nobody read for 10 s.
    `longest_gap_ms` is the longest time between two sendings.
    """

    frames_out: int = 0
    silent_out: int = 0
    frames_in: int = 0
    late_beats: int = 0
    skipped_out: int = 0
    blocked_out: int = 0
    lost_in_ms: int = 0
    dropped_in_ms: int = 0
    unread_dropped: int = 0
    longest_gap_ms: float = 0.0


class PlayQueue:
    """Audio on its way to the customer. Every method may be called from any thread."""

    def __init__(self, rate_hz: int) -> None:
        self._frame_bytes = frame_bytes(rate_hz)
        self._pcm = bytearray()
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._pcm)

    def push(self, pcm: bytes) -> None:
        """Queue whole samples."""
        with self._lock:
            self._pcm += pcm

    def take(self) -> bytes | None:
        """The next 20 ms, filled up with silence; None when nothing is queued."""
        with self._lock:
            frame = bytes(self._pcm[: self._frame_bytes])
            del self._pcm[: self._frame_bytes]
        return frame.ljust(self._frame_bytes, b"\0") if frame else None

    def keep(self, size: int) -> int:
        """Discard all but the first `size` bytes; how many bytes were discarded."""
        with self._lock:
            discarded = max(0, len(self._pcm) - size)
            del self._pcm[size:]
        return discarded


class HeardFrames:
    """Frames from the customer, for a reader in another thread; the oldest give way to the newest."""

    def __init__(self, statistics: LegStatistics) -> None:
        self._frames: deque[bytes] = deque(maxlen=UNREAD_FRAMES)
        self._statistics = statistics

    def __len__(self) -> int:
        return len(self._frames)

    def extend(self, frames: Iterable[bytes]) -> None:
        for frame in frames:
            self._statistics.unread_dropped += len(self._frames) == UNREAD_FRAMES
            self._frames.append(frame)

    def pop(self) -> bytes | None:
        """The oldest, if there is any."""
        try:
            return self._frames.popleft()
        except IndexError:
            return None


def milliseconds(size: int, rate_hz: int) -> int:
    """How long so many bytes of audio play."""
    return size * 1000 // (rate_hz * SAMPLE_BYTES)
