"""Which trunk the calls of a campaign go out by. Pure: rows in, offers out.

The first of its trunks that is open takes them; the ones behind it do so while it is paused or on trial, and with
`overflow` also while it is full. Whose last call failed by a trunk's fault goes by another where there is one.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from campaigns.states import AttemptPhase
from campaigns.trunk_health import Breaker, TrunkHealth

#: Live calls that an attempt in this phase holds on its trunk; in any other it is one, and none when it wraps up.
CHANNELS: Mapping[str, int] = {AttemptPhase.TRANSFERRING: 2, AttemptPhase.WRAPUP: 0, AttemptPhase.ENDED: 0}

#: By campaign and trunk: contacts to be called whose last call failed there.
Stranded = Mapping[tuple[int, str], frozenset[int]]


@dataclass
class Line:
    """A trunk that may be called over, while contacts are claimed for it."""

    #: Its row of the table trunks, locked.
    row: dict[str, Any]
    #: Channels that no call holds.
    free: int

    @property
    def name(self) -> str:
        return str(self.row["name"])

    @property
    def on_trial(self) -> bool:
        return bool(self.row["health"] == TrunkHealth.TRYING)

    @property
    def failed(self) -> list[str]:
        """Attempts that last failed by its fault."""
        return [call["attempt_id"] for call in self.row["failing_calls"]]

    def room(self, limit: int) -> int:
        """How many calls it takes now, its rate aside."""
        return max(0, Breaker.from_row(self.row).room(min(limit, self.free)))


@dataclass(frozen=True)
class Offer:
    """Contacts of a campaign for lines, each of which is asked when the one before it is full."""

    campaign_id: int
    lines: Sequence[Line]
    #: Contacts who go out by other lines.
    without: frozenset[int] = frozenset()
    #: None for any but those.
    only: frozenset[int] | None = None


def trunks_of(campaign: Mapping[str, Any]) -> tuple[str, ...]:
    """The trunks of a row of the table campaigns, in order."""
    return (campaign["trunk"], *campaign["backup_trunks"])


def open_lines(campaign: Mapping[str, Any], lines: Mapping[str, Line]) -> list[Line]:
    """Those of a campaign's trunks that may be called over, in order."""
    return [lines[name] for name in trunks_of(campaign) if name in lines]


def offers(campaign: Mapping[str, Any], lines: Mapping[str, Line], stranded: Stranded) -> Iterator[Offer]:
    """What a campaign has to place on the open lines; those with whom a call has failed first."""
    open_, campaign_id, overflow = open_lines(campaign, lines), campaign["id"], campaign["overflow"]
    without: set[int] = set()
    for line in open_ if len(open_) > 1 else ():
        elsewhere = stranded.get((campaign_id, line.name), frozenset())
        if elsewhere:
            without |= elsewhere
            others = [other for other in open_ if other is not line]
            yield Offer(campaign_id, _in_turn(others, overflow=overflow), only=elsewhere)
    if open_:
        yield Offer(campaign_id, _in_turn(open_, overflow=overflow), without=frozenset(without))


def _in_turn(lines: Iterable[Line], *, overflow: bool) -> list[Line]:
    """Up to the first that takes more than a trial call, or all of them."""
    taken: list[Line] = []
    for line in lines:
        taken.append(line)
        if not (line.on_trial or overflow):
            break
    return taken


def busy_channels(counts: Iterable[tuple[str, str, int]]) -> dict[str, int]:
    """Channels in use by trunk, from (trunk, phase, live attempts)."""
    busy: dict[str, int] = {}
    for trunk, phase, count in counts:
        busy[trunk] = busy.get(trunk, 0) + CHANNELS.get(phase, 1) * count
    return busy


@dataclass(frozen=True)
class Route:
    """Which of its trunks the calls of a campaign go out by now."""

    trunks: Sequence[str]
    #: None while no trunk takes more than a trial call.
    used: str | None
    #: Why those before the used one are closed, by name.
    closed: Mapping[str, str]

    @property
    def reason(self) -> str | None:
        """Why its first trunk is paused; None when it is not."""
        return self.closed.get(self.trunks[0])

    @property
    def told(self) -> str | None:
        """A line for whoever watches; None when the first trunk takes the calls."""
        if not self.closed:
            return None
        if len(self.trunks) == 1:
            return f"trunk paused: {self.reason}"
        many = "trunks" if len(self.closed) > 1 else "trunk"
        reasons = "; ".join(f"{name}: {reason}" for name, reason in self.closed.items())
        calls = f"calls go out by {self.used}" if self.used else "calls wait"
        return f"{many} paused: {reasons}; {calls}"


def route(trunks: Sequence[str], health: Mapping[str, tuple[str, str | None]]) -> Route:
    """The route of calls over these trunks; `health` is (health, pause reason) by name."""
    closed: dict[str, str] = {}
    for name in trunks:
        state, reason = health.get(name, (TrunkHealth.PAUSED.value, "no such trunk"))
        if state not in {TrunkHealth.PAUSED, TrunkHealth.TRYING}:
            return Route(trunks, name, closed)
        closed[name] = reason or ""
    return Route(trunks, None, closed)


def calling_over(campaigns: Iterable[Mapping[str, Any]], names: Collection[str]) -> list[Mapping[str, Any]]:
    """Those of the campaigns that have one of these trunks."""
    return [campaign for campaign in campaigns if not set(names).isdisjoint(trunks_of(campaign))]
