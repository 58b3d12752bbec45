"""Calls per second on a trunk: the generic cell rate algorithm (ITU-T I.371, Annex A) with a burst of one.

The trunk's row keeps the instant at which the next call conforms, in microseconds since the epoch. Calls are
spaced evenly, so that no window of one second ever holds more of them than the trunk's rate.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

_SECOND_US = 1_000_000
#: How much closer together calls may come to the carrier than they left.
JITTER_US = 50_000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def to_us(at: datetime) -> int:
    """Microseconds since the epoch."""
    return (at - _EPOCH) // _MICROSECOND


def from_us(us: int) -> datetime:
    """The instant so many microseconds after the epoch."""
    return _EPOCH + us * _MICROSECOND


def spacing_us(cps: float) -> int:
    """Microseconds between two calls. A carrier counts whole calls in a second: 2.5 per second are spaced as 2.

    They are spaced over a little more than a second: what a PBX and the way to the carrier add to one call and not to
    the next would else bring a call too many into the carrier's second.
    """
    rate, window = (float(int(cps)), _SECOND_US + JITTER_US) if cps >= 1 else (cps, _SECOND_US)
    whole = int(window / rate)
    return whole if whole * rate >= window else whole + 1


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


class Gate:
    """Keeps the calls of one node apart on each trunk, however late they come after the slot they were given.

    A slot is taken when a contact is claimed, and making its bot ready takes as long as it takes: without the gate,
    calls that were ready late would all leave at once.
    """

    def __init__(self) -> None:
        #: By trunk, on the event loop's clock: when the next place in the queue is free, and when the last call left.
        self._queue: dict[str, float] = {}
        self._left: dict[str, float] = {}

    async def queue(self, trunk: str, spacing_s: float) -> None:
        """Wait for a place behind the calls that queue already."""
        now = asyncio.get_running_loop().time()
        at = max(now, self._queue.get(trunk, now))
        self._queue[trunk] = at + spacing_s
        if at > now:
            await asyncio.sleep(at - now)

    async def leave(self, trunk: str, spacing_s: float) -> None:
        """Wait until the call before has left for so long; the caller leaves at once then."""
        loop = asyncio.get_running_loop()
        # Whoever else waited may have left meanwhile: asked again after every wait.
        while (wait_s := self._left.get(trunk, -spacing_s) + spacing_s - loop.time()) > 0:  # noqa: ASYNC110 - time itself is waited for
            await asyncio.sleep(wait_s)
        self._left[trunk] = loop.time()
