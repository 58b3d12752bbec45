"""How long a claim takes while very many contacts wait: those due, those put off, and both together."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any

from sqlalchemy import case, func, select, text, update
from sqlalchemy.ext.asyncio import AsyncConnection

from campaigns.attempts import Ledger
from campaigns.bench import prepare_null_campaign
from campaigns.states import ContactState
from storage.clock import ManualClock
from storage.database import Database, open_database
from storage.tables import attempts, contacts

_START = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
_DAY_MS = 24 * 3600 * 1000
#: Between two claims; of a million contacts put off over a day, about a hundred come due in it.
_STEP = timedelta(seconds=8)
_WARM_UP = 20


class Mix(StrEnum):
    """How the contacts of a run wait."""

    #: All may be called now.
    DUE = "due"
    #: All are put off to times of the next day; nothing is due.
    PUT_OFF = "put off"
    #: A third each: due, put off and coming due while it runs, and with hours of their own; a few call-backs.
    MIXED = "mixed"
    #: All were put off to one instant, which has just come.
    AT_ONCE = "due at once"


@dataclass(frozen=True)
class ClaimFigures:
    """What the claims of one run took; milliseconds."""

    engine: str
    mix: str
    contacts: int
    claims: int
    #: Contacts that they took.
    taken: int
    p50_ms: float
    p95_ms: float
    p99_ms: float
    max_ms: float


async def bench_claim(
    database_url: str, waiting: int, claims: int, limit: int, mixes: Sequence[Mix] = tuple(Mix)
) -> list[ClaimFigures]:
    """Time `claims` claims of up to `limit` contacts each, `waiting` of them in the empty database at the URL."""
    clock = ManualClock(_START)
    async with open_database(database_url) as database:
        campaign_id = await prepare_null_campaign(database, clock, waiting)
        found = []
        for mix in mixes:
            async with database.write() as conn:
                await _lay_out(conn, mix, clock.now())
                if not database.is_sqlite:
                    # PostgreSQL does so by itself in time.
                    await conn.execute(text("ANALYZE contacts"))
            how = {"waiting": waiting, "claims": claims, "limit": limit}
            found.append(await _timed(database, clock, campaign_id, mix=mix, **how))
        return found


async def _lay_out(conn: AsyncConnection, mix: Mix, now: datetime) -> None:
    c = contacts.c
    later = int(now.timestamp() * 1000) + (c.id * 7919) % _DAY_MS
    plain: dict[str, Any] = {"state": ContactState.PENDING.value, "attempts": 0, "next_at": None, "time_from": None}
    match mix:
        case Mix.DUE:
            values = plain
        case Mix.PUT_OFF:
            values = plain | {"state": ContactState.RETRY_WAIT.value, "next_at": later + _DAY_MS}
        case Mix.AT_ONCE:
            values = plain | {"next_at": now}
        case Mix.MIXED:
            state = case((c.id % 1000 == 1, ContactState.CALLBACK.value), else_=ContactState.PENDING.value)
            next_at = case((c.id % 1000 == 1, later), (c.id % 3 == 1, later), else_=None)
            own_hours = case((c.id % 3 == 2, "00:00"), else_=None)
            values = plain | {"state": state, "next_at": next_at, "time_from": own_hours, "attempts": c.id % 2}
    await conn.execute(update(contacts).values(values))


async def _timed(
    database: Database, clock: ManualClock, campaign_id: int, *, mix: Mix, waiting: int, claims: int, limit: int
) -> ClaimFigures:
    ledger = Ledger(database, clock, node="bench")
    times: list[float] = []
    taken = 0
    for place in range(_WARM_UP + claims):
        clock.advance(seconds=_STEP.total_seconds())
        started = time.perf_counter()
        claimed = (await ledger.claim(["null"], limit, campaign_ids=[campaign_id])).claims
        if place >= _WARM_UP:
            times.append((time.perf_counter() - started) * 1000)
            taken += len(claimed)
        await asyncio.gather(*(ledger.release(claim.attempt_id, claim.fence, "bench") for claim in claimed))
    await ledger.aclose()
    async with database.read() as conn:
        live = (await conn.execute(select(func.count()).where(attempts.c.phase != "ended"))).scalar_one()
    assert live == 0
    times.sort()
    p50, p95, p99 = (times[min(len(times) - 1, len(times) * part // 100)] for part in (50, 95, 99))
    engine = database.url.get_backend_name()
    return ClaimFigures(engine, mix.value, waiting, claims, taken, p50, p95, p99, max_ms=times[-1])
