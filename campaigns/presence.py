"""Which processes dial: each notes itself, beats while it lives, and can be asked to drain from anywhere."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from importlib.metadata import PackageNotFoundError, version
from typing import Any, Final

import structlog
from sqlalchemy import delete, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from campaigns.errors import UnknownNode
from campaigns.nodes import is_cut, machine, shown_name, surely_dead
from storage.clock import Clock
from storage.database import Database
from storage.notify import Topic, tell
from storage.tables import nodes

log = structlog.get_logger(__name__)

#: How long the row of a node that is gone is kept.
_KEPT: Final = timedelta(days=1)


class NodeState(StrEnum):
    """What a node does."""

    RUNNING = "running"
    #: Claims nothing more; ends when its live calls have ended.
    DRAINING = "draining"
    #: Has ended, or has given no sign of life for its lease.
    GONE = "gone"


@dataclass(frozen=True)
class NodeStatus:
    """A node as it was last seen."""

    name: str
    state: NodeState
    started_at: datetime
    seen_at: datetime
    #: Seconds since then.
    seen_s: float
    live_calls: int
    #: Calls at once that it may hold.
    calls: int
    trunks: Sequence[str]
    version: str


class Presence:
    """One node's own row. Every method is one small transaction."""

    def __init__(
        self, database: Database, clock: Clock, name: str, *, lease: timedelta, calls: int, trunks: Collection[str]
    ) -> None:
        self._database = database
        self._clock = clock
        self._name = name
        self._lease = lease
        self._limits = {"calls": calls, "trunks": sorted(trunks), "version": _version()}

    async def enter(self) -> None:
        """Note that the node runs, forget those that have been gone for a day, and bury this machine's dead."""

        async def work(conn: AsyncConnection) -> None:
            old = (nodes.c.seen_at <= self._clock.now() - _KEPT) | (nodes.c.name == self._name)
            await conn.execute(delete(nodes).where(old))
            living = select(nodes.c.name).where(nodes.c.state != NodeState.GONE.value)
            dead = [name for name in (await conn.execute(living)).scalars() if surely_dead(name)]
            gone = {"state": NodeState.GONE.value, "live_calls": 0, "alive_until": self._clock.now()}
            await conn.execute(update(nodes).where(nodes.c.name.in_(dead)).values(**gone))
            await self._insert(conn, NodeState.RUNNING, live_calls=0)

        await self._database.transact(work)

    async def beat(self, live_calls: int, *, draining: bool) -> None:
        """Note that the node lives, with what it holds; those whose sign of life is overdue are gone."""
        state = NodeState.DRAINING if draining else NodeState.RUNNING

        async def work(conn: AsyncConnection) -> None:
            now = self._clock.now()
            alive = {"seen_at": now, "alive_until": now + self._lease}
            mine = update(nodes).where(nodes.c.name == self._name)
            beaten = await conn.execute(mine.values(state=state.value, live_calls=live_calls, **alive))
            if beaten.rowcount == 0:
                await self._insert(conn, state, live_calls=live_calls)
            silent = (nodes.c.alive_until <= now, nodes.c.state != NodeState.GONE.value)
            await conn.execute(update(nodes).where(*silent).values(state=NodeState.GONE.value, live_calls=0))

        await self._database.transact(work)

    async def leave(self) -> None:
        """Note that the node has ended."""

        async def work(conn: AsyncConnection) -> None:
            now = self._clock.now()
            gone = {"state": NodeState.GONE.value, "live_calls": 0, "seen_at": now, "alive_until": now}
            await conn.execute(update(nodes).where(nodes.c.name == self._name).values(**gone))
            # What it may no longer hold, the others may.
            await tell(conn, Topic.WORK)

        await self._database.transact(work)

    async def drain_asked(self) -> bool:
        """Whether somebody wants the node to drain."""
        wanted = select(nodes.c.drain_asked).where(nodes.c.name == self._name)
        async with self._database.read() as conn:
            return bool((await conn.execute(wanted)).scalar())

    async def _insert(self, conn: AsyncConnection, state: NodeState, *, live_calls: int) -> None:
        now = self._clock.now()
        times = {"started_at": now, "seen_at": now, "alive_until": now + self._lease}
        row = {"name": self._name, "state": state.value, "live_calls": live_calls, "drain_asked": False}
        await conn.execute(insert(nodes).values(**row, **times, **self._limits))


class Nodes:
    """The nodes of a database."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def all(self) -> list[NodeStatus]:
        """Every node that is known of, by name; those that are gone for a day are forgotten."""
        async with self._database.read() as conn:
            rows = (await conn.execute(select(nodes).order_by(nodes.c.name))).mappings().all()
        now = self._clock.now()
        return [_status(dict(row), now) for row in rows]

    async def drain(self, name: str) -> list[str]:
        """Ask nodes to claim nothing more and to end when their calls have; their full names.

        `name` is a node's full name, or the one of its settings, which several processes of a machine may share.
        Raises `UnknownNode` when no such node lives, or when the name is longer than nodes keep of theirs and what is
        kept fits nodes of several machines.
        """
        every = await self.all()
        living = [one for one in every if one.state is not NodeState.GONE]
        wanted = [one.name for one in living if _is_called(one.name, name)]
        if not wanted:
            names = ", ".join(one.name for one in living) or "none"
            raise UnknownNode(f"there is no living node {name!r} (alive: {names}); `campana node list` shows them")
        if is_cut(name) and len({machine(one) for one in wanted}) > 1:
            raise UnknownNode(
                f"{name!r}: of a node's name {len(shown_name(name))} characters are kept, which fit nodes of several "
                f"machines; give the full name of the one that is meant: {', '.join(wanted)}"
            )

        async def work(conn: AsyncConnection) -> None:
            await conn.execute(update(nodes).where(nodes.c.name.in_(wanted)).values(drain_asked=True))
            await tell(conn, Topic.NODES)

        await self._database.transact(work)
        log.info("drain_asked", nodes=wanted)
        return wanted


def _is_called(node: str, name: str) -> bool:
    return node == name or ("/" not in name and shown_name(node) == shown_name(name))


def _status(row: dict[str, Any], now: datetime) -> NodeStatus:
    state = NodeState(row["state"])
    if row["alive_until"] <= now:
        state = NodeState.GONE
    elif state is NodeState.RUNNING and row["drain_asked"]:
        state = NodeState.DRAINING
    return NodeStatus(
        name=row["name"],
        state=state,
        started_at=row["started_at"],
        seen_at=row["seen_at"],
        seen_s=max(0.0, (now - row["seen_at"]).total_seconds()),
        live_calls=0 if state is NodeState.GONE else row["live_calls"],
        calls=row["calls"],
        trunks=row["trunks"],
        version=row["version"],
    )


def _version() -> str:
    try:
        return version("campana")[:32]
    except PackageNotFoundError:
        return "unknown"
