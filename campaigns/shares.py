"""How campaigns share a trunk, and how many calls at once each may have. Pure: numbers in, numbers out.

Channels are shared by weight. Of what a trunk carries now, each campaign that wants to call is first given the whole
channels of its part; the fractions that are left over go round by turns, so that over time each has its part to within
a channel, however few there are. What a campaign does not want is the others'.
"""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

#: A turn's length for a campaign to which a whole channel is left over.
_TURN = 1_000_000


@dataclass
class Sharer:
    """A campaign that wants channels of a trunk."""

    weight: int
    #: Its calls on the trunk.
    live: int
    #: How far its turns have come; it is changed by `divide`.
    turn: int
    #: Contacts that it would call, the call-backs before the others.
    callbacks: int
    others: int
    account_id: int = 0
    #: Of its calls at once those that only call-backs may be, as far as none are (`kept`).
    reserved: int = 0
    #: Calls that it may have more.
    free: int = 1_000_000


@dataclass
class Room:
    """What a trunk has left."""

    #: Calls that it takes now.
    calls: int
    #: Channels that calls may take which are no agreed call-backs; maybe more than `calls`.
    others: int
    #: By account that has a limit: calls that it may have more.
    accounts: MutableMapping[int, int]


def ordinary_room(free: int, kept: int, callbacks: int = 0) -> int:
    """Calls that are no agreed call-backs, when `kept` of `free` are for call-backs, so many of which are placed."""
    return max(0, free - kept - max(0, callbacks - kept))


def kept_free(reserve: int, callbacks: int) -> int:
    """Channels of a reserve that no call-back has taken yet."""
    return max(0, reserve - callbacks)


def kept_on_trunk(channels: int, kept: int) -> int:
    """What campaigns keep of a trunk together: at most half of it, so that others are called too."""
    return min(kept, channels // 2)


def divide(sharers: Sequence[Sharer], room: Room) -> list[int]:
    """Whose contact takes each channel, as places in `sharers`; never more than any of the limits allows."""
    left = [_Left(sharer) for sharer in sharers]
    wanting = [one for one in left if one.wants(room)]
    if len(wanting) > 1:
        _deal(wanting, room.calls)
    given: list[int] = []
    while room.calls > 0 and (wanting := [one for one in left if one.wants(room)]):
        first = min(wanting, key=_Left.rank) if len(wanting) > 1 else wanting[0]
        first.take(room, alone=len(wanting) == 1)
        given.append(left.index(first))
    return given


class _Left:
    """What is left of a sharer's wishes."""

    def __init__(self, sharer: Sharer) -> None:
        self.sharer = sharer
        #: Whole channels that are its own, and the length of its turn for the others.
        self.own = 0
        self.step = _TURN

    def wants(self, room: Room) -> bool:
        sharer = self.sharer
        if sharer.free <= 0 or room.accounts.get(sharer.account_id, 1) <= 0:
            return False
        return sharer.callbacks > 0 or (sharer.others > 0 and room.others > 0 and sharer.free > sharer.reserved)

    def rank(self) -> tuple[bool, float, int]:
        """The least is next: below its own channels by how far, then by turn."""
        sharer = self.sharer
        below = sharer.live < self.own
        return not below, sharer.live / sharer.weight if below else 0.0, sharer.turn

    def take(self, room: Room, *, alone: bool) -> None:
        sharer = self.sharer
        if not alone and sharer.live >= self.own:
            sharer.turn += self.step
        if sharer.callbacks > 0:
            sharer.callbacks -= 1
            room.others -= sharer.reserved == 0
            sharer.reserved = max(0, sharer.reserved - 1)
        else:
            sharer.others -= 1
            room.others -= 1
        sharer.live += 1
        sharer.free -= 1
        room.calls -= 1
        if sharer.account_id in room.accounts:
            room.accounts[sharer.account_id] -= 1


def _deal(wanting: Sequence[_Left], calls: int) -> None:
    """Find each one's own channels, and how long its turns are for the rest."""
    capacity = sum(one.sharer.live for one in wanting) + calls
    weights = sum(one.sharer.weight for one in wanting)
    latest = max(one.sharer.turn for one in wanting)
    for one in wanting:
        one.own, part = divmod(capacity * one.sharer.weight, weights)
        one.step = _TURN * weights // part if part else _TURN * weights
    longest = max(one.step for one in wanting)
    for one in wanting:
        # Who did not want to call for a while has saved up no more than one round.
        one.sharer.turn = max(one.sharer.turn, latest - longest)


def allowed(campaign: Mapping[str, Any], now: datetime) -> tuple[int, datetime | None]:
    """Calls at once that a campaign may have now (a row of the table campaigns), and when it may have more.

    With a slow start they grow step by step from the instant at which it was started or resumed.
    """
    most: int = campaign["concurrency"]
    ramp, since = campaign["slow_start"], campaign["running_since"]
    if ramp is None or since is None:
        return most, None
    every = timedelta(seconds=ramp["every_s"])
    steps = max(0, (now - since) // every)
    calls = ramp["from"] + ramp["step"] * steps
    return (most, None) if calls >= most else (calls, since + every * (steps + 1))
