"""Trunks as pages and mails show them: health, limits, and the calls that failed by their fault."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import case, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from storage.rows import words
from storage.tables import attempts, campaigns, trunks

#: No call is placed over a trunk in these, or only a trial call.
CLOSED = frozenset({"paused", "trying"})


@dataclass(frozen=True)
class FailingCall:
    """A call that failed by its trunk's fault."""

    attempt_id: str
    at: datetime
    dial_status: str
    sip_code: int | None
    q850: int | None
    text: str | None


@dataclass(frozen=True)
class TrunkLine:
    """One trunk."""

    name: str
    channels: int
    #: New calls a second.
    cps: float
    #: Calls that hold a channel; a transfer holds two.
    live_calls: int
    health: str
    failures: int
    failures_allowed: int
    paused_at: datetime | None
    pause_reason: str | None
    probe_at: datetime | None
    #: Codes of the running campaigns that have it, first or as a backup.
    campaigns: tuple[str, ...]
    failing_calls: tuple[FailingCall, ...]

    @property
    def is_closed(self) -> bool:
        return self.health in CLOSED


@dataclass(frozen=True)
class ClosedTrunk:
    """A trunk over which no call is placed but one on trial."""

    name: str
    reason: str
    since: datetime | None


@dataclass(frozen=True)
class TrunkPause:
    """The first of a campaign's trunks is closed."""

    #: It and those behind it, up to the one in use.
    closed: tuple[ClosedTrunk, ...]
    #: By which calls go out meanwhile; None: they wait.
    used: str | None


async def trunk_list(conn: AsyncConnection) -> tuple[TrunkLine, ...]:
    """Every trunk, by name."""
    (ended,) = words(["ended"])
    channels = func.sum(case((attempts.c.phase == "transferring", 2), else_=1))
    busy = select(attempts.c.trunk, channels).where(attempts.c.phase != ended, attempts.c.phase != "wrapup")
    live = {name: count for name, count in (await conn.execute(busy.group_by(attempts.c.trunk))).all()}  # noqa: C416 - Row is no pair to mypy
    running = select(campaigns.c.trunk, campaigns.c.backup_trunks, campaigns.c.code)
    running = running.where(campaigns.c.state == "running").order_by(campaigns.c.code)
    codes: dict[str, list[str]] = {}
    for first, others, code in (await conn.execute(running)).all():
        for name in (first, *others):
            codes.setdefault(name, []).append(code)
    rows = (await conn.execute(select(trunks).order_by(trunks.c.name))).mappings().all()
    return tuple(_line(dict(row), live.get(row["name"], 0), codes.get(row["name"], [])) for row in rows)


async def trunk_pause(conn: AsyncConnection, campaign_id: int) -> TrunkPause | None:
    """Why the calls of a running campaign do not go out by its first trunk; None when they do."""
    chosen = select(campaigns.c.trunk, campaigns.c.backup_trunks)
    row = (await conn.execute(chosen.where(campaigns.c.id == campaign_id, campaigns.c.state == "running"))).first()
    return None if row is None else await pause_of(conn, (row.trunk, *row.backup_trunks))


async def pause_of(conn: AsyncConnection, names: Sequence[str]) -> TrunkPause | None:
    """Why calls do not go out by the first of these trunks; None when they do."""
    found = select(trunks.c.name, trunks.c.health, trunks.c.pause_reason, trunks.c.paused_at)
    rows = {row.name: row for row in (await conn.execute(found.where(trunks.c.name.in_(names)))).all()}
    closed: list[ClosedTrunk] = []
    for name in names:
        if name in rows and rows[name].health not in CLOSED:
            return TrunkPause(tuple(closed), name) if closed else None
        if name in rows:
            closed.append(ClosedTrunk(name, rows[name].pause_reason or "", rows[name].paused_at))
    return TrunkPause(tuple(closed), None)


def failing_calls(rows: Sequence[Mapping[str, Any]]) -> tuple[FailingCall, ...]:
    """The column `failing_calls` of the table trunks, the latest first."""
    calls = [FailingCall(**{**row, "at": datetime.fromisoformat(row["at"])}) for row in rows]
    return tuple(reversed(calls))


def _line(row: Mapping[str, Any], live_calls: int, codes: Sequence[str]) -> TrunkLine:
    same = ("name", "channels", "cps", "health", "failures", "failures_allowed", "paused_at", "pause_reason")
    return TrunkLine(
        **{name: row[name] for name in same},
        probe_at=row["probe_at"],
        live_calls=live_calls,
        campaigns=tuple(codes),
        failing_calls=failing_calls(row["failing_calls"]),
    )
