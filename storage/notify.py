"""Telling every process at once that something was committed which it may act on.

`tell` is part of the transaction that makes the change: on PostgreSQL it is a NOTIFY, heard by every process that has
`open_notices`; on SQLite it reaches this process alone, and others see the change at their next poll. Every commit
that tells takes a lock of the whole database's on PostgreSQL, so what happens with each call tells nothing.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from enum import StrEnum
from typing import Any, Final

import psycopg
import structlog
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from storage.database import TOLD, Database

log = structlog.get_logger(__name__)

_CHANNEL: Final = "campana"
#: After so long without a word the connection is asked whether it lives, and given up when it does not say.
_QUIET_S: Final = 15.0
_ANSWER_S: Final = 10.0
_RECONNECT_S: Final = (0.1, 0.5, 1.0, 2.0, 5.0)


class Topic(StrEnum):
    """What was changed."""

    #: Somebody may be called who could not be called before, or a campaign has ended.
    WORK = "work"
    #: The outbox has a row that is due.
    OUTBOX = "outbox"
    #: A node was asked to drain.
    NODES = "nodes"


#: Told of a topic; must not block.
Listener = Callable[[Topic], None]


async def tell(conn: AsyncConnection, topic: Topic) -> None:
    """Tell of a change, if and when the transaction of `conn` commits."""
    if conn.dialect.name == "postgresql":
        notify = text("SELECT pg_notify(:channel, :topic)")
        await conn.execute(notify, {"channel": _CHANNEL, "topic": topic.value})
    else:
        conn.info.setdefault(TOLD, set()).add(topic.value)


class Notices:
    """What is told, handed on to those who asked. Made by `open_notices`."""

    def __init__(self) -> None:
        self._listeners: list[Listener] = []
        self._reaches_all = False

    @property
    def reaches_all(self) -> bool:
        """Whether changes that other processes make are told of now; else they must be looked for."""
        return self._reaches_all

    def subscribe(self, listener: Listener) -> Callable[[], None]:
        """Call `listener` with each topic that is told; returns how to end that."""
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    def hear(self, word: str) -> None:
        """Hand a topic on; one of a later version is none of ours."""
        if word not in set(Topic):
            return
        for listener in list(self._listeners):
            listener(Topic(word))

    async def listen(self, arguments: dict[str, Any]) -> None:
        """Listen on a connection of our own for ever, and on a new one whenever that is lost."""
        failed = 0
        while True:
            try:
                async with await psycopg.AsyncConnection.connect(**arguments, autocommit=True) as conn:
                    await conn.execute(f"LISTEN {_CHANNEL}")
                    failed, self._reaches_all = 0, True
                    # Whatever was told while nobody listened.
                    for topic in Topic:
                        self.hear(topic.value)
                    await self._follow(conn)
            except (psycopg.Error, OSError, TimeoutError) as exc:
                log.warning("notices_lost", error=type(exc).__name__, again_in_s=_RECONNECT_S[failed])
            finally:
                self._reaches_all = False
            await asyncio.sleep(_RECONNECT_S[failed])
            failed = min(failed + 1, len(_RECONNECT_S) - 1)

    async def _follow(self, conn: psycopg.AsyncConnection[Any]) -> None:
        while True:
            async for notice in conn.notifies(timeout=_QUIET_S):
                self.hear(notice.payload)
            async with asyncio.timeout(_ANSWER_S):
                await conn.execute("SELECT 1")


@contextlib.asynccontextmanager
async def open_notices(database: Database) -> AsyncIterator[Notices]:
    """What is told of changes in this database, while the block runs."""
    notices = Notices()
    if database.is_sqlite:
        database.on_told.append(notices.hear)
        try:
            yield notices
        finally:
            database.on_told.remove(notices.hear)
        return
    listening = asyncio.create_task(notices.listen(database.connect_arguments()), name="notices")
    try:
        yield notices
    finally:
        listening.cancel()
        await asyncio.wait([listening])
