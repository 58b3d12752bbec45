"""What was committed is told at once, on PostgreSQL to every process, also after the connection was lost."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable

import pytest
from sqlalchemy import text

from storage.database import Database, open_database
from storage.notify import Notices, Topic, open_notices, tell
from tests.support_network import until

_BOUND_S = 60.0


class Heard:
    """A listener that keeps what it hears."""

    def __init__(self) -> None:
        self.topics: list[Topic] = []
        self._new = asyncio.Event()

    def __call__(self, topic: Topic) -> None:
        self.topics.append(topic)
        self._new.set()

    async def until(self, fact: Callable[[], bool]) -> None:
        async with asyncio.timeout(_BOUND_S):
            while not fact():
                self._new.clear()
                await self._new.wait()


@pytest.fixture
async def notices(database: Database) -> AsyncIterator[Notices]:
    async with open_notices(database) as opened:
        # SQLite hears its own process from the start.
        await until(lambda: database.is_sqlite or opened.reaches_all)
        yield opened


async def _tell(database: Database, *topics: Topic) -> None:
    async with database.write() as conn:
        for topic in topics:
            await tell(conn, topic)


async def test_a_commit_is_told_and_a_rollback_is_not(database: Database, notices: Notices) -> None:
    heard, left = Heard(), Heard()
    notices.subscribe(heard)
    notices.subscribe(left)()
    with contextlib.suppress(LookupError):
        async with database.write() as conn:
            await tell(conn, Topic.NODES)
            raise LookupError
    await _tell(database, Topic.WORK, Topic.WORK, Topic.OUTBOX)
    await heard.until(lambda: len(heard.topics) == 2)
    assert sorted(heard.topics) == [Topic.OUTBOX, Topic.WORK]
    assert left.topics == []


async def test_another_process_hears_it_and_a_lost_connection_is_replaced(
    database: Database, notices: Notices, migrated_url: str
) -> None:
    if database.is_sqlite:
        assert not notices.reaches_all, "another process's changes must be polled for"
        return
    heard = Heard()
    notices.subscribe(heard)
    async with open_database(migrated_url) as elsewhere:
        await _tell(elsewhere, Topic.OUTBOX)
        await heard.until(lambda: Topic.OUTBOX in heard.topics)
        heard.topics.clear()
        async with elsewhere.write() as conn:
            # A word of a later version says nothing to us.
            await conn.execute(text("SELECT pg_notify('campana', 'of a later version')"))
            listening = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query = 'LISTEN campana'"
            assert (await conn.execute(text(listening))).scalars().all() == [True]
        # What was told meanwhile is lost, so everything counts as told.
        await heard.until(lambda: set(heard.topics) == set(Topic))
        heard.topics.clear()
        await _tell(elsewhere, Topic.WORK)
        await heard.until(lambda: Topic.WORK in heard.topics)
