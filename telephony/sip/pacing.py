"""Keeping received audio on the wall clock: exactly one frame for each 20 ms that passed."""

from __future__ import annotations

from collections import deque

from telephony.call import FRAME_MS, frame_bytes

#: A frame this late is given up and replaced by silence.
PATIENCE_FRAMES = 3
#: More than this waiting beyond the frame that is due is a late burst; the oldest is dropped at once.
BACKLOG_FRAMES = 4
_WATCH_BEATS = 50


class WallClockFrames:
    """Bytes in as they arrive, 20 ms frames out at 50 a second, however the bytes come. No I/O.

    Frames that are missing for 60 ms become silence. When they arrive after all, the surplus is dropped, so that
    neither delay nor length ever grows beyond real time. `lost_ms` and `dropped_ms` count both.
    """

    def __init__(self, rate_hz: int, start_s: float) -> None:
        self._frame_bytes = frame_bytes(rate_hz)
        self._silence = bytes(self._frame_bytes)
        self._start_s = start_s
        self._emitted = 0
        self._pending = bytearray()
        self._least_waiting, self._beats = BACKLOG_FRAMES, 0
        self.lost_ms = 0
        self.dropped_ms = 0

    def advance(self, received: bytes, now_s: float) -> deque[bytes]:
        """Take what was received since the last time; the frames that are due by `now_s`."""
        self._pending += received
        frames: deque[bytes] = deque()
        due = int((now_s - self._start_s) * 1000 / FRAME_MS)
        while self._emitted < due:
            frame = self._take(missing=due - self._emitted)
            if frame is None:
                break
            self._emitted += 1
            frames.append(frame)
        self._drop_backlog()
        return frames

    def _take(self, *, missing: int) -> bytes | None:
        if len(self._pending) >= self._frame_bytes:
            frame = bytes(self._pending[: self._frame_bytes])
            del self._pending[: self._frame_bytes]
            return frame
        if missing <= PATIENCE_FRAMES:
            return None
        self.lost_ms += FRAME_MS
        return self._silence

    def _drop_backlog(self) -> None:
        waiting = len(self._pending) // self._frame_bytes
        self._least_waiting = min(self._least_waiting, waiting)
        self._beats += 1
        if waiting > BACKLOG_FRAMES:
            self._drop(waiting - 1)
        elif self._beats >= _WATCH_BEATS:
            # Frames that waited all the time are pure delay: a filled gap that came late, or a faster clock.
            self._drop(self._least_waiting)

    def _drop(self, frames: int) -> None:
        del self._pending[: frames * self._frame_bytes]
        self.dropped_ms += frames * FRAME_MS
        self._least_waiting, self._beats = BACKLOG_FRAMES, 0
