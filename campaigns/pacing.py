"""Calls per second on a trunk: the generic cell rate algorithm (ITU-T I.371, Annex A) with a burst of one.

The trunk's row keeps the instant at which the next call conforms, in microseconds since the epoch. Calls are
spaced evenly, so that no window of one second ever holds more of them than the trunk's rate.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

_SECOND_US = 1_000_000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def to_us(at: datetime) -> int:
    """Microseconds since the epoch."""
    return (at - _EPOCH) // _MICROSECOND


def from_us(us: int) -> datetime:
    """The instant so many microseconds after the epoch."""
    return _EPOCH + us * _MICROSECOND


def spacing_us(cps: float) -> int:
    """Microseconds between two calls. A carrier counts whole calls in a second: 2.5 per second are spaced as 2."""
    rate = float(int(cps)) if cps >= 1 else cps
    whole = int(_SECOND_US / rate)
    return whole if whole * rate >= _SECOND_US else whole + 1


@dataclass(frozen=True)
class Slots:
    """Instants at which calls may start, and the trunk's next conforming instant after them."""

    at_us: tuple[int, ...]
    next_call_us: int


def take_slots(next_call_us: int, now_us: int, cps: float, wanted: int, ahead_us: int) -> Slots:
    """Up to `wanted` conforming instants, none of them later than `ahead_us` from now."""
    spacing, moment = spacing_us(cps), max(next_call_us, now_us)
    taken: list[int] = []
    while len(taken) < wanted and moment <= now_us + ahead_us:
        taken.append(moment)
        moment += spacing
    return Slots(tuple(taken), moment if taken else next_call_us)
