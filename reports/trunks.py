"""Trunks as pages and mails show them: health, limits, and the calls that failed by their fault."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import func, select
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
    live_calls: int
    health: str
    failures: int
    failures_allowed: int
    paused_at: datetime | None
    pause_reason: str | None
    probe_at: datetime | None
    #: Codes of the campaigns that run over it.
    campaigns: tuple[str, ...]
    failing_calls: tuple[FailingCall, ...]

    @property
    def is_closed(self) -> bool:
        return self.health in CLOSED


@dataclass(frozen=True)
class TrunkPause:
    """Why a campaign's calls wait."""

    trunk: str
    reason: str
    since: datetime | None


async def trunk_list(conn: AsyncConnection) -> tuple[TrunkLine, ...]:
    """Every trunk, by name."""
    (ended,) = words(["ended"])
    busy = select(attempts.c.trunk, func.count()).where(attempts.c.phase != ended, attempts.c.phase != "wrapup")
    live = {name: count for name, count in (await conn.execute(busy.group_by(attempts.c.trunk))).all()}  # noqa: C416 - Row is no pair to mypy
    running = select(campaigns.c.trunk, campaigns.c.code).where(campaigns.c.state == "running")
    codes: dict[str, list[str]] = {}
    for name, code in (await conn.execute(running.order_by(campaigns.c.code))).all():
        codes.setdefault(name, []).append(code)
    rows = (await conn.execute(select(trunks).order_by(trunks.c.name))).mappings().all()
    return tuple(_line(dict(row), live.get(row["name"], 0), codes.get(row["name"], [])) for row in rows)


async def trunk_pause(conn: AsyncConnection, campaign_id: int) -> TrunkPause | None:
    """Why the calls of a running campaign wait for their trunk; None when they do not."""
    statement = (
        select(trunks.c.name, trunks.c.pause_reason, trunks.c.paused_at)
        .join(campaigns, campaigns.c.trunk == trunks.c.name)
        .where(campaigns.c.id == campaign_id, campaigns.c.state == "running", trunks.c.health.in_(sorted(CLOSED)))
    )
    row = (await conn.execute(statement)).first()
    return None if row is None else TrunkPause(row.name, row.pause_reason or "", row.paused_at)


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
