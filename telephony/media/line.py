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
    """Audio on its way to the customer. Every method may be called from any thread.

    A far side that plays at once gets frames by `take`. One that keeps audio and tells what it has played gets them by
    `send` and reports by `played`; what it still has counts as ahead until then. `discard` begins a new generation,
    in which reports of the old one mean nothing.
    """

    def __init__(self, rate_hz: int) -> None:
        self._frame_bytes = frame_bytes(rate_hz)
        self._pcm = bytearray()
        self._sent = self._played = 0
        self._generation = 0
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._pcm)

    @property
    def ahead(self) -> int:
        """Bytes not yet played: those here and those at the far side."""
        with self._lock:
            return len(self._pcm) + self._sent - self._played

    def push(self, pcm: bytes) -> None:
        """Queue whole samples."""
        with self._lock:
            self._pcm += pcm

    def take(self) -> bytes | None:
        """The next 20 ms, filled up with silence; None when nothing is queued."""
        with self._lock:
            return self._next()

    def send(self, most: int) -> tuple[int, list[tuple[bytes, int]]]:
        """Frames for a far side that is to have `most` bytes at most.

        The generation, and each frame with the position that the far side has reached when it is played.
        """
        frames = []
        with self._lock:
            while self._sent - self._played + self._frame_bytes <= most and (frame := self._next()) is not None:
                self._sent += self._frame_bytes
                frames.append((frame, self._sent))
            return self._generation, frames

    def played(self, generation: int, position: int) -> None:
        """The far side has played up to a position."""
        with self._lock:
            if generation == self._generation:
                self._played = min(max(self._played, position), self._sent)

    def keep(self, size: int) -> int:
        """Discard all but the first `size` bytes of those still here; how many bytes were discarded."""
        with self._lock:
            discarded = max(0, len(self._pcm) - size)
            del self._pcm[size:]
        return discarded

    def discard(self) -> int:
        """Discard everything, at the far side too; how many bytes were ahead."""
        with self._lock:
            ahead = len(self._pcm) + self._sent - self._played
            self._pcm.clear()
            self._sent = self._played = 0
            self._generation += 1
        return ahead

    def _next(self) -> bytes | None:
        frame = bytes(self._pcm[: self._frame_bytes])
        del self._pcm[: self._frame_bytes]
        return frame.ljust(self._frame_bytes, b"\0") if frame else None


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
