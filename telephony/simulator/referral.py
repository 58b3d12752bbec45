"""What becomes of a REFER: the call that the network places for it, told by NOTIFY (RFC 3515), and the two joined."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import assert_never

from telephony.simulator.leg import REASONS, EndedBy, Leg
from telephony.simulator.performance import GOODBYE, Frame, Performance, Press
from telephony.simulator.persona import Answer, Persona, Reception, Reject, RingOut, Unreachable
from telephony.simulator.record import CallRecord, Heard
from telephony.simulator.rtp import SAMPLES_PER_TICK, Key

#: Nobody answers signalling, or nobody answers the telephone.
_DEAD_MS, _LONGEST_RING_MS = 32_000, 180_000


def progress(reception: Reception, waited_ms: int) -> int:
    """The SIP status that a call received in this way has come to after so many ms; 200 and above are final."""
    match reception:
        case Answer():
            return 200 if waited_ms >= reception.after_ms else 180
        case Reject():
            return reception.status if waited_ms >= reception.after_ms else 180
        case RingOut():
            return 480 if waited_ms >= _LONGEST_RING_MS else 180
        case Unreachable():
            return 408 if waited_ms >= _DEAD_MS else 100
        case _:
            assert_never(reception)


@dataclass(frozen=True)
class Callee:
    """Whom the network calls for a REFER; the record is None where it only says that it did."""

    reception: Reception
    persona: Persona | None = None
    record: CallRecord | None = None


class Referral:
    """One REFER under way; `tick` tells of each step once."""

    def __init__(self, leg: Leg, callee: Callee, now: float) -> None:
        self.callee = callee
        self._leg, self._began = leg, now
        self._told = 0
        self._tell(100, now)

    def tick(self, now: float) -> int:
        """The status that the call has come to."""
        status = progress(self.callee.reception, round((now - self._began) * 1000))
        if status != self._told:
            self._tell(status, now)
        return status

    def _tell(self, status: int, now: float) -> None:
        self._told = status
        state = "terminated;reason=noresource" if status >= 200 else "active;expires=60"
        fields = [("event", "refer"), ("subscription-state", state), ("content-type", "message/sipfrag;version=2.0")]
        body = f"SIP/2.0 {status} {REASONS.get(status, 'Refused')}\r\n".encode()
        self._leg.ask("NOTIFY", fields, body, now)


@dataclass
class Party:
    """One of the two who were joined; `began` is when its own call was answered."""

    performance: Performance
    record: CallRecord
    began: float
    keep: bool
    _sequence: int = field(init=False, default=0)
    _timestamp: int = field(init=False, default=0)

    def __post_init__(self) -> None:
        if self.record.heard:
            last = max(self.record.heard, key=lambda one: one.at_ms)
            self._sequence, self._timestamp = last.sequence, last.timestamp

    def frame(self, now: float) -> Frame:
        """What this one does in these 20 ms."""
        self.performance.keep_up(round((now - self.began) * 1000))
        self.record.late_ms = max(self.record.late_ms, self.performance.late_ms)
        return self.performance.frame()

    def hear(self, frame: Frame, now: float) -> None:
        """What the other one did."""
        self._sequence = (self._sequence + 1) & 0xFFFF
        self._timestamp = (self._timestamp + SAMPLES_PER_TICK) & 0xFFFFFFFF
        if isinstance(frame, Press):
            self.record.keys.append(frame.key)
            frame = frame.audio
        elif isinstance(frame, Key) and frame.first:
            self.record.keys.append(frame.key)
        if isinstance(frame, bytes):
            at_ms = (now - self.began) * 1000
            self.performance.hear(frame, int(at_ms))
            self.record.packets_heard += 1
            if self.keep:
                self.record.heard.append(Heard(at_ms, self._sequence, self._timestamp, frame))


class Joined:
    """Customer and agent, after the bot's call was handed over: each hears the other, until one hangs up."""

    def __init__(self, customer: Party, agent: Party) -> None:
        self._customer, self._agent = customer, agent
        self.over = False

    def tick(self, now: float) -> None:
        """Pass 20 ms both ways."""
        said, answered = self._customer.frame(now), self._agent.frame(now)
        if said is GOODBYE or answered is GOODBYE:
            self.over = True
            ended_by = (EndedBy.CALLEE, EndedBy.CALLER)
            mine, other = ended_by if said is GOODBYE else ended_by[::-1]
            self._customer.record.ended_by, self._agent.record.ended_by = mine.value, other.value
            return
        self._customer.hear(answered, now)
        self._agent.hear(said, now)
