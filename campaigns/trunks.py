"""Trunks as their operators handle them, and the probing of those that are paused."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from sqlalchemy import func, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from campaigns.errors import UnknownTrunk
from campaigns.routing import Route, busy_channels, route, trunks_of
from campaigns.states import AttemptPhase
from campaigns.trunk_health import Breaker, TrunkHealth
from campaigns.trunk_signs import store_breaker
from storage.clock import Clock
from storage.database import Database
from storage.rows import words
from storage.tables import attempts, trunks

#: A node that took a probe and died leaves it to the others after so long.
_PROBE_LEASE = timedelta(seconds=30)


@dataclass(frozen=True)
class TrunkStatus:
    """How a trunk stands at one instant."""

    name: str
    channels: int
    #: New calls a second.
    cps: float
    #: Calls that hold a channel, or are about to; a transfer holds two.
    live_calls: int
    breaker: Breaker


class Trunks:
    """The trunks of a database."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def all(self) -> list[TrunkStatus]:
        """Every trunk, by name."""
        # The first condition is the partial index's own.
        busy = (attempts.c.phase != words([AttemptPhase.ENDED])[0], attempts.c.phase != AttemptPhase.WRAPUP.value)
        live = select(attempts.c.trunk, attempts.c.phase, func.count()).where(*busy)
        async with self._database.read() as conn:
            counted = (await conn.execute(live.group_by(attempts.c.trunk, attempts.c.phase))).all()
            rows = (await conn.execute(select(trunks).order_by(trunks.c.name))).mappings().all()
        counts = busy_channels((name, phase, count) for name, phase, count in counted)
        return [_status(dict(row), counts.get(row["name"], 0)) for row in rows]

    async def status(self, name: str) -> TrunkStatus:
        """One trunk; raises `UnknownTrunk`."""
        every = await self.all()
        for one in every:
            if one.name == name:
                return one
        raise _unknown(name, [one.name for one in every])

    async def pause(self, name: str, reason: str) -> Breaker:
        """Place no further call on it until a person resumes it; live ones go on. Raises `UnknownTrunk`."""
        return await self._change(name, lambda breaker: breaker.paused(reason, self._clock.now()))

    async def resume(self, name: str) -> Breaker:
        """Call over it again, at full rate. Raises `UnknownTrunk`."""
        return await self._change(name, Breaker.resumed)

    async def take_probes(self, names: Collection[str]) -> list[str]:
        """Those of the trunks whose probe is due; it is the caller's, and no other node's, for half a minute."""
        now = self._clock.now()
        due = (trunks.c.health == TrunkHealth.PAUSED.value, trunks.c.probe_at <= now)
        wanted = select(trunks.c.name).where(trunks.c.name.in_(names), *due).order_by(trunks.c.name)
        async with self._database.read() as conn:
            if not (await conn.execute(wanted)).scalars().all():
                return []

        async def work(conn: AsyncConnection) -> list[str]:
            locked = wanted.with_for_update(skip_locked=True, key_share=True)
            mine = list((await conn.execute(locked)).scalars())
            await conn.execute(update(trunks).where(trunks.c.name.in_(mine)).values(probe_at=now + _PROBE_LEASE))
            return mine

        return await self._database.transact(work)

    async def note_probe(self, name: str, *, ok: bool) -> Breaker:
        """What the probe found: a trial call may follow, or the next probe comes later. Raises `UnknownTrunk`."""
        return await self._change(name, lambda breaker: breaker.probed(ok=ok, now=self._clock.now()))

    async def _change(self, name: str, move: Callable[[Breaker], Breaker]) -> Breaker:
        async def work(conn: AsyncConnection) -> Breaker:
            locked = select(trunks).where(trunks.c.name == name).with_for_update(key_share=True)
            row = (await conn.execute(locked)).mappings().first()
            if row is None:
                raise _unknown(name, list((await conn.execute(select(trunks.c.name))).scalars()))
            old = Breaker.from_row(dict(row))
            new = move(old)
            if new != old:
                await store_breaker(conn, name, old, new, self._clock.now())
            return new

        return await self._database.transact(work)


async def find_route(conn: AsyncConnection, campaign: Mapping[str, Any]) -> Route:
    """Which trunk the calls of a campaign go out by now, given its row of the table campaigns."""
    names = trunks_of(campaign)
    found = select(trunks.c.name, trunks.c.health, trunks.c.pause_reason).where(trunks.c.name.in_(names))
    rows = (await conn.execute(found)).all()
    return route(names, {row.name: (row.health, row.pause_reason) for row in rows})


def _status(row: Mapping[str, Any], live_calls: int) -> TrunkStatus:
    return TrunkStatus(row["name"], row["channels"], row["cps"], live_calls, Breaker.from_row(row))


def _unknown(name: str, known: Collection[str]) -> UnknownTrunk:
    names = ", ".join(sorted(known)) or "none yet"
    return UnknownTrunk(
        f"there is no trunk {name!r} (known: {names}); trunks come from the settings when they are read"
    )
