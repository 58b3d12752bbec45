"""When audio is due: an absolute schedule that neither drifts nor bursts. No I/O."""

from __future__ import annotations

from telephony.call import FRAME_MS

BEAT_S = FRAME_MS / 1000
#: Frames that a late beat makes up for; whoever plays them out has no room for more.
MOST_AT_ONCE = 3


class Schedule:
    """Counts the frames of 20 ms that are due by a clock.

    Beats stand at `start_s` + n · 20 ms however late any of them is served. What is due beyond `MOST_AT_ONCE` is given
    up and counted in `skipped`: played all at once it would be lost further on.
    """

    def __init__(self, start_s: float) -> None:
        self._start_s = start_s
        self._beats = 0
        self.late = 0
        self.skipped = 0

    @property
    def next_s(self) -> float:
        """When the next frame is due."""
        return self._start_s + (self._beats + 1) * BEAT_S

    def due(self, now_s: float) -> int:
        """Frames to play now: 0 to `MOST_AT_ONCE`."""
        behind = int((now_s - self._start_s) / BEAT_S + 1e-6) - self._beats
        if behind <= 0:
            return 0
        self._beats += behind
        self.late += behind > 1
        self.skipped += max(0, behind - MOST_AT_ONCE)
        return min(behind, MOST_AT_ONCE)
