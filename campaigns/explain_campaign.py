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
from campaigns.errors import UnknownCampaign
from campaigns.findings import Finding, of_hours
from campaigns.funds import CallPrices, Funds, Short
from campaigns.occupancy import Occupancy, account_room, occupancy, told_full
from campaigns.pacing import from_us, take_slots, to_us
from campaigns.presence import NodeState
from campaigns.routing import Line, offers, open_lines, trunks_of
from campaigns.shares import allowed, kept_free, kept_on_trunk
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
    #: Every trunk by name; live calls taken off.
    lines: Mapping[str, Line]
    taken: Occupancy
    #: By account with a limit: calls that it may have more.
    accounts: Mapping[int, int]
    #: Channels by trunk that are kept for call-backs of all campaigns.
    kept: Mapping[str, int]
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
    taken = await occupancy(conn)
    limit = row["account_concurrency"]
    accounts_ = await account_room(conn, {} if limit is None else {row["account_id"]: limit}, taken)
    found = (await conn.execute(select(trunks))).mappings()
    lines = {one["name"]: Line(dict(one), one["channels"] - taken.busy.get(one["name"], 0)) for one in found}
    kept = await _kept(conn, lines, taken, now)
    return Standing(dict(row), lines, taken, accounts_, kept, now, ahead)


async def _kept(conn: AsyncConnection, lines: Mapping[str, Line], taken: Occupancy, now: datetime) -> Mapping[str, int]:
    """What campaigns that may call now keep for call-backs of the trunk that each of them calls over first."""
    keeping = select(campaigns).where(
        campaigns.c.state == CampaignState.RUNNING.value, campaigns.c.callback_reserve > 0
    )
    kept: Counter[str] = Counter()
    opened = _open(lines)
    for row in (await conn.execute(keeping)).mappings():
        home = next(iter(open_lines(dict(row), opened)), None)
        if home is not None and campaign_schedule(dict(row)).is_open(now):
            kept[home.name] += kept_free(row["callback_reserve"], taken.callbacks.get(row["id"], 0))
    return {name: kept_on_trunk(lines[name].row["channels"], count) for name, count in kept.items()}


def _open(lines: Mapping[str, Line]) -> dict[str, Line]:
    return {name: line for name, line in lines.items() if line.row["health"] != TrunkHealth.PAUSED}


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


def findings(at: Standing, number: str | None = None, *, callback: bool = False) -> list[Finding]:
    """Every clause that is a matter of the campaign.

    Money is judged for a call to `number`, else for the cheapest; `callback` is for somebody who agreed on a time.
    """
    return [
        _running(at),
        of_hours(Clause.CAMPAIGN_WINDOW, campaign_schedule(at.row), at.now, _dates(at.row)),
        _slot(at, callback=callback),
        *_ways(at, callback=callback),
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


def _slot(at: Standing, *, callback: bool) -> Finding:
    full, text, more_at = told_full(at.row, at.taken, at.now)
    if callback:
        full = at.taken.by_campaign.get(at.row["id"], 0) >= allowed(at.row, at.now)[0]
    if full:
        return Finding(Clause.SLOT, ok=False, text=text, opens_at=more_at)
    left = at.accounts.get(at.row["account_id"])
    if left is not None:
        most = at.row["account_concurrency"]
        text += f"; {most - left} of the account's {most}"
    return Finding(Clause.SLOT, ok=left is None or left > 0, text=text)


def _ways(at: Standing, *, callback: bool) -> list[Finding]:
    """Open trunk, channel and rate; what cannot be judged for want of the one before it is not held against it."""
    opened = {line.name: line for line in open_lines(at.row, _open(at.lines))}
    told = "; ".join(_health(at, name) for name in trunks_of(at.row))
    tried = [line.name for line in opened.values() if line.on_trial and line.free > 0 and not line.room(1)]
    asked = [line for offer in offers(at.row, opened, {}) for line in offer.lines if line.name not in tried]
    if not asked:
        closed = Finding(Clause.TRUNK_OPEN, ok=False, text=told, opens_at=_next_probe(at))
        rest = [Finding(clause, ok=True, text="no trunk is open") for clause in _BEHIND_OPEN]
        return [closed, *rest]
    is_open = Finding(Clause.TRUNK_OPEN, ok=True, text=told)
    kept = {} if callback else at.kept
    free = [line for line in asked if line.room(1) and line.free > kept.get(line.name, 0)]
    channels = "; ".join(_channels(line, kept.get(line.name, 0)) for line in asked)
    channel = Finding(Clause.TRUNK_CHANNEL, ok=bool(free), text=f"channels in use: {channels}")
    return [is_open, channel, _rate(at, free or asked)]


def _channels(line: Line, kept: int) -> str:
    reserve = f", {kept} kept for call-backs" if kept else ""
    return f"{line.name}: {line.row['channels'] - line.free} of {line.row['channels']}{reserve}"


_BEHIND_OPEN = (Clause.TRUNK_CHANNEL, Clause.TRUNK_RATE)


def _health(at: Standing, name: str) -> str:
    if name not in at.lines:
        return f"{name}: no such trunk"
    row = at.lines[name].row
    reason = f": {row['pause_reason']}" if row["pause_reason"] else ""
    return f"{name}: {row['health']}{reason}"


def _next_probe(at: Standing) -> datetime | None:
    # A probe may fail as well; but no call comes before it.
    probes = [Breaker.from_row(line.row).probe_at for line in open_lines(at.row, at.lines)]
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
