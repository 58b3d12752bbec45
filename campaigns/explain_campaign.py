"""The clauses that are a matter of the campaign: its state, its hours, and the calls that there is room for."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from campaigns.clauses import Clause
from campaigns.due import live_counts
from campaigns.errors import UnknownCampaign
from campaigns.findings import Finding, of_hours
from campaigns.funds import CallPrices, Funds, Short
from campaigns.pacing import from_us, take_slots, to_us
from campaigns.presence import NodeState
from campaigns.routing import Line, busy_channels, offers, trunks_of
from campaigns.states import CampaignState
from campaigns.trunk_health import Breaker, TrunkHealth
from campaigns.windows import campaign_schedule
from storage.tables import accounts, campaigns, nodes, tariffs, trunks

_MICROSECOND = timedelta(microseconds=1)


@dataclass(frozen=True)
class Standing:
    """A campaign with all that its claims read, at one instant."""

    #: Its row of the table campaigns, with its tariff's `definition` and `currency`, and its account's limits.
    row: Mapping[str, Any]
    #: Its trunks that the database knows, in order; live calls taken off.
    lines: Mapping[str, Line]
    live: Counter[int]
    now: datetime
    #: How long before its slot a call is claimed.
    ahead: timedelta


async def standing(conn: AsyncConnection, campaign_id: int, now: datetime, ahead: timedelta) -> Standing:
    """How the campaign stands; raises `UnknownCampaign`."""
    statement = (
        select(
            campaigns,
            tariffs.c.definition,
            tariffs.c.currency,
            accounts.c.credit_limit,
            accounts.c.prepaid,
            accounts.c.concurrency.label("account_concurrency"),
        )
        .join(tariffs, tariffs.c.id == campaigns.c.tariff_id)
        .join(accounts, accounts.c.id == campaigns.c.account_id)
        .where(campaigns.c.id == campaign_id)
    )
    row = (await conn.execute(statement)).mappings().first()
    if row is None:
        raise UnknownCampaign(f"there is no campaign with the id {campaign_id}")
    counts = (await conn.execute(live_counts())).all()
    live: Counter[int] = Counter()
    for row_of in counts:
        live[row_of.campaign_id] += row_of[-1]
    busy = busy_channels((one.trunk, one.phase, one[-1]) for one in counts)
    found = await conn.execute(select(trunks).where(trunks.c.name.in_(trunks_of(dict(row)))))
    lines = {one["name"]: Line(dict(one), one["channels"] - busy.get(one["name"], 0)) for one in found.mappings()}
    return Standing(dict(row), lines, live, now, ahead)


@dataclass(frozen=True)
class Dialling:
    """A living node that claims contacts for one of the campaign's trunks."""

    name: str
    live_calls: int
    #: Calls at once that it may hold.
    calls: int


async def dialling(conn: AsyncConnection, at: Standing) -> tuple[Dialling, ...]:
    """The nodes that dial for the campaign; none, and nobody is called although every clause holds."""
    running = (nodes.c.state == NodeState.RUNNING.value, nodes.c.alive_until > at.now)
    rows = (await conn.execute(select(nodes).where(*running).order_by(nodes.c.name))).all()
    wanted = set(trunks_of(at.row))
    return tuple(Dialling(row.name, row.live_calls, row.calls) for row in rows if wanted & set(row.trunks))


def findings(at: Standing, number: str | None = None) -> list[Finding]:
    """Every clause that is a matter of the campaign; money is judged for a call to `number`, else to the cheapest."""
    return [
        _running(at),
        of_hours(Clause.CAMPAIGN_WINDOW, campaign_schedule(at.row), at.now, _dates(at.row)),
        _slot(at),
        *_ways(at),
        *_money(at, number),
    ]


def _running(at: Standing) -> Finding:
    state = CampaignState(at.row["state"])
    if state is CampaignState.RUNNING:
        return Finding(Clause.CAMPAIGN_RUNNING, ok=True, text="the campaign is running")
    why = f": {at.row['pause_reason']}" if state is CampaignState.PAUSED and at.row["pause_reason"] else ""
    opens_at = at.row["start_at"] if state is CampaignState.SCHEDULED else None
    return Finding(Clause.CAMPAIGN_RUNNING, ok=False, text=f"the campaign is {state.value}{why}", opens_at=opens_at)


def _dates(row: Mapping[str, Any]) -> str:
    dates = [f"{word} {row[name]:%Y-%m-%d %H:%M} UTC" for name, word in _DATES if row[name] is not None]
    return f", {' '.join(dates)}" if dates else ""


_DATES = (("start_at", "from"), ("end_at", "until"))


def _slot(at: Standing) -> Finding:
    live, most = at.live[at.row["id"]], at.row["concurrency"]
    return Finding(Clause.SLOT, ok=live < most, text=f"{live} of the campaign's {most} calls at once are on")


def _ways(at: Standing) -> list[Finding]:
    """Open trunk, channel and rate; what cannot be judged for want of the one before it is not held against it."""
    opened = {name: line for name, line in at.lines.items() if line.row["health"] != TrunkHealth.PAUSED}
    told = "; ".join(_health(at, name) for name in trunks_of(at.row))
    tried = [line.name for line in opened.values() if line.on_trial and line.free > 0 and not line.room(1)]
    asked = [line for offer in offers(at.row, opened, {}) for line in offer.lines if line.name not in tried]
    if not asked:
        closed = Finding(Clause.TRUNK_OPEN, ok=False, text=told, opens_at=_next_probe(at))
        rest = [Finding(clause, ok=True, text="no trunk is open") for clause in _BEHIND_OPEN]
        return [closed, *rest]
    is_open = Finding(Clause.TRUNK_OPEN, ok=True, text=told)
    free = [line for line in asked if line.room(1)]
    channels = "; ".join(f"{line.name}: {line.row['channels'] - line.free} of {line.row['channels']}" for line in asked)
    channel = Finding(Clause.TRUNK_CHANNEL, ok=bool(free), text=f"channels in use: {channels}")
    return [is_open, channel, _rate(at, free or asked)]


_BEHIND_OPEN = (Clause.TRUNK_CHANNEL, Clause.TRUNK_RATE)


def _health(at: Standing, name: str) -> str:
    if name not in at.lines:
        return f"{name}: no such trunk"
    row = at.lines[name].row
    reason = f": {row['pause_reason']}" if row["pause_reason"] else ""
    return f"{name}: {row['health']}{reason}"


def _next_probe(at: Standing) -> datetime | None:
    # A probe may fail as well; but no call comes before it.
    probes = [Breaker.from_row(line.row).probe_at for line in at.lines.values()]
    return min((probe for probe in probes if probe is not None), default=None)


def _rate(at: Standing, lines: Sequence[Line]) -> Finding:
    now_us, ahead_us = to_us(at.now), at.ahead // _MICROSECOND
    told = "; ".join(f"{line.name}: {line.row['cps']:g} calls a second" for line in lines)
    opens: list[datetime] = []
    for line in lines:
        slots = take_slots(line.row["next_call_us"], now_us, line.row["cps"], 1, ahead_us)
        if slots.at_us:
            return Finding(Clause.TRUNK_RATE, ok=True, text=told)
        opens.append(from_us(slots.next_call_us - ahead_us))
    return Finding(Clause.TRUNK_RATE, ok=False, text=f"{told}; the next is not yet due", opens_at=min(opens))


def _money(at: Standing, number: str | None) -> list[Finding]:
    limits = {funds.clause: funds for funds in Funds.of(at.row)}
    found: list[Finding] = []
    for clause, word in ((Clause.BUDGET, "the campaign has no budget"), (Clause.BALANCE, "the account has no limit")):
        if clause not in limits:
            found.append(Finding(clause, ok=True, text=word))
            continue
        prices = CallPrices.of(at.row)
        needed = prices.most(number) if number else prices.least
        short = Short(limits[clause], needed)
        enough = needed <= limits[clause].left
        found.append(Finding(clause, ok=enough, text=limits[clause].told if enough else short.told))
    return found
