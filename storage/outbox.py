"""Work that must happen once, because something was committed: mails, later webhooks and exports.

`enqueue` writes the row in the transaction that causes it; the `OutboxWorker` of any node carries it out. A row is
held by a fence and a lease, like an attempt: a worker that dies gives it up, and what it does late changes nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import structlog
from sqlalchemy import func, or_, select, update
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection

from storage.clock import Clock
from storage.database import Database
from storage.notify import Notices, Topic, tell
from storage.rows import insert_new, words
from storage.tables import outbox

log = structlog.get_logger(__name__)

#: Does the work of one row, given its payload; raises to be called again later. It may be called again after it has
#: worked, when the process died before that could be noted: it must bear repetition, or the key must be sent along.
Handler = Callable[[Mapping[str, Any]], Awaitable[None]]

PENDING, DONE, DEAD = "pending", "done", "dead"
_ERROR_LENGTH = 2000
_POLL_S = 1.0
#: The same while other processes tell of what they have asked for.
_TOLD_POLL_S = 5.0


async def enqueue(
    conn: AsyncConnection, *, key: str, topic: str, payload: Mapping[str, Any], now: datetime, at_once: bool = True
) -> bool:
    """Ask for work, in the caller's transaction; False when work of that key was asked for before.

    `at_once` wakes the workers of every process. What is asked for with each call is better left to their poll: see
    storage/notify.py.
    """
    row = {"key": key, "topic": topic, "payload": dict(payload), "state": PENDING, "tries": 0, "fence": 0}
    new = bool(await insert_new(conn, outbox, [row | {"next_at": now, "created_at": now}], "id"))
    if new and at_once:
        await tell(conn, Topic.OUTBOX)
    return new


async def enqueue_all(
    conn: AsyncConnection, works: Sequence[tuple[str, Mapping[str, Any]]], *, topic: str, now: datetime
) -> None:
    """Ask for many works of one topic, (key, payload) each, as `enqueue` would with `at_once` unset."""
    same = {"topic": topic, "state": PENDING, "tries": 0, "fence": 0, "next_at": now, "created_at": now}
    await insert_new(conn, outbox, [same | {"key": key, "payload": dict(payload)} for key, payload in works], "id")


class PutOff(Exception):
    """Raised by a handler that has not tried: the row waits until `until`, and no try is counted."""

    def __init__(self, until: datetime) -> None:
        super().__init__(f"put off until {until.isoformat()}")
        self.until = until


@dataclass(frozen=True)
class Patience:
    """How long failing work is tried again: waits of `first_s`, doubling up to `cap_s`, dead after `tries`."""

    first_s: float = 5.0
    cap_s: float = 900.0
    #: With the waits above, about nine hours.
    tries: int = 42

    def wait(self, tries: int) -> timedelta:
        """The wait after so many tries."""
        return timedelta(seconds=min(self.cap_s, self.first_s * 2.0 ** min(tries - 1, 32)))


@dataclass(frozen=True)
class Held:
    """A row that this worker carries out."""

    id: int
    key: str
    topic: str
    payload: Mapping[str, Any]
    tries: int
    fence: int


class OutboxWorker:
    """Carries out the rows of the topics that it has a handler for, one after the other."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        handlers: Mapping[str, Handler],
        *,
        patience: Patience = Patience(),
        lease_s: float = 120.0,
        notices: Notices | None = None,
    ) -> None:
        self._database = database
        self._clock = clock
        self._handlers = dict(handlers)
        self._patience = patience
        self._lease_s = lease_s
        self._notices = notices
        self._woken = asyncio.Event()
        self._stopping = False

    def notify(self) -> None:
        """Look at once: something has just been committed."""
        self._woken.set()

    def stop(self) -> None:
        """End `run` after the row in hand."""
        self._stopping = True
        self._woken.set()

    async def run(self) -> None:
        """Carry out rows as they fall due, until `stop`. When cancelled, the row in hand is given back."""
        unsubscribe = self._notices.subscribe(self._hear) if self._notices is not None else None
        try:
            await self._run()
        finally:
            if unsubscribe is not None:
                unsubscribe()

    def _hear(self, topic: Topic) -> None:
        if topic is Topic.OUTBOX:
            self._woken.set()

    async def _run(self) -> None:
        while not self._stopping:
            self._woken.clear()
            try:
                while await self.run_once() and not self._stopping:
                    pass
                wait_s = await self._until_due()
            except SQLAlchemyError:
                log.exception("outbox_database_failed")
                wait_s = _POLL_S
            if not self._stopping:
                await self._wait(wait_s)

    async def run_once(self) -> bool:
        """Carry out one due row, if there is one; whether there was."""
        held = await self._database.transact(self._hold)
        if held is not None:
            await self._carry_out(held)
        return held is not None

    async def _carry_out(self, held: Held) -> None:
        try:
            async with asyncio.timeout(self._lease_s * 0.9):
                await self._handlers[held.topic](held.payload)
        except asyncio.CancelledError:
            await asyncio.shield(self._put(held, tries=held.tries - 1, next_at=self._clock.now()))
            raise
        except PutOff as put_off:
            await self._put(held, tries=held.tries - 1, next_at=put_off.until)
        except Exception as exc:
            await self._failed(held, exc)
        else:
            await self._put(held, state=DONE, done_at=self._clock.now(), last_error=None)
            log.info("outbox_done", key=held.key, tries=held.tries)

    async def _hold(self, conn: AsyncConnection) -> Held | None:
        now = self._clock.now()
        due = (
            select(outbox)
            .where(outbox.c.state.in_(words([PENDING])), outbox.c.next_at <= now)
            .where(outbox.c.topic.in_(sorted(self._handlers)))
            .where(or_(outbox.c.lease_until.is_(None), outbox.c.lease_until <= now))
            .order_by(outbox.c.next_at, outbox.c.id)
            .limit(1)
            .with_for_update(skip_locked=True)
        )
        row = (await conn.execute(due)).mappings().first()
        if row is None:
            return None
        held = Held(row["id"], row["key"], row["topic"], row["payload"], row["tries"] + 1, row["fence"] + 1)
        await conn.execute(
            update(outbox)
            .where(outbox.c.id == held.id, outbox.c.fence == row["fence"])
            .values(fence=held.fence, tries=held.tries, lease_until=now + timedelta(seconds=self._lease_s))
        )
        return held

    async def _failed(self, held: Held, exc: Exception) -> None:
        text = f"{type(exc).__name__}: {exc}"[:_ERROR_LENGTH]
        dead = held.tries >= self._patience.tries
        next_at = self._clock.now() + self._patience.wait(held.tries)
        log.warning("outbox_failed", key=held.key, tries=held.tries, dead=dead, error=type(exc).__name__)
        await self._put(held, state=DEAD if dead else PENDING, next_at=next_at, last_error=text)

    async def _put(self, held: Held, **values: Any) -> None:
        async with self._database.write() as conn:
            changed = await conn.execute(
                update(outbox)
                .where(outbox.c.id == held.id, outbox.c.fence == held.fence)
                .values(lease_until=None, **values)
            )
        if changed.rowcount == 0:
            log.warning("outbox_fence_lost", key=held.key)

    async def _until_due(self) -> float:
        """Seconds until a row falls due, at most the poll that sees what other processes have committed."""
        soonest = select(func.min(outbox.c.next_at)).where(
            outbox.c.state.in_(words([PENDING])),
            outbox.c.topic.in_(sorted(self._handlers)),
            outbox.c.lease_until.is_(None),
        )
        async with self._database.read() as conn:
            due_at = (await conn.execute(soonest)).scalar_one()
        poll_s = _TOLD_POLL_S if self._notices is not None and self._notices.reaches_all else _POLL_S
        return poll_s if due_at is None else min(poll_s, max(0.0, (due_at - self._clock.now()).total_seconds()))

    async def _wait(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._woken.wait()
        except TimeoutError:
            pass


async def revive(database: Database, key: str, now: datetime) -> bool:
    """Try dead work again from the beginning; False when there is no dead row of that key."""
    async with database.write() as conn:
        changed = await conn.execute(
            update(outbox)
            .where(outbox.c.key == key, outbox.c.state == DEAD)
            .values(state=PENDING, tries=0, next_at=now, lease_until=None)
        )
    return changed.rowcount == 1
