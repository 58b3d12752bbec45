"""When a message over UDP is sent again, and when hope is given up (RFC 3261 17.1.2, 17.2.1, 13.3.1.4)."""

from __future__ import annotations

from dataclasses import dataclass

T1_S = 0.5
T2_S = 4.0
#: Timers B, F, H and J, and the life of an unacknowledged 2xx.
GIVE_UP_S = 64 * T1_S


@dataclass
class Retransmission:
    """A message that is repeated with doubling pauses until it is stopped or 64·T1 have passed."""

    message: bytes
    _next_at: float
    _give_up_at: float
    _pause_s: float = T1_S

    @classmethod
    def start(cls, message: bytes, now: float) -> Retransmission:
        """Begin after the first sending, which the caller does; `now` is in seconds of a steady clock."""
        return cls(message, now + T1_S, now + GIVE_UP_S)

    def due(self, now: float) -> bool:
        """Whether to send it again now; plans the next time."""
        if now < self._next_at:
            return False
        self._pause_s = min(self._pause_s * 2, T2_S)
        self._next_at += self._pause_s
        return True

    def hopeless(self, now: float) -> bool:
        """Whether nobody will answer any more."""
        return now >= self._give_up_at
