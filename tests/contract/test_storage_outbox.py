"""The outbox: asked for with the change that causes it, carried out by one worker, again until it works."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select, text
from sqlalchemy.exc import TimeoutError as PoolTimeout

from storage.clock import ManualClock, SystemClock
from storage.database import Database
from storage.outbox import Handler, OutboxWorker, Patience, enqueue, revive
from storage.tables import outbox

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)


class Mailer:
    """A handler that keeps what it was given and fails when told to."""

    def __init__(self) -> None:
        self.sent: list[Mapping[str, Any]] = []
        self.fails: Exception | None = None

    async def __call__(self, payload: Mapping[str, Any]) -> None:
        if self.fails is not None:
            raise self.fails
        self.sent.append(payload)


async def _ask(database: Database, key: str = "report:1", topic: str = "mail", now: datetime = NOW) -> bool:
    async with database.write() as conn:
        return await enqueue(conn, key=key, topic=topic, payload={"key": key}, now=now)


async def _row(database: Database, key: str = "report:1") -> dict[str, Any]:
    async with database.read() as conn:
        return dict((await conn.execute(select(outbox).where(outbox.c.key == key))).mappings().one())


def _worker(database: Database, clock: Any, handler: Handler, **options: Any) -> OutboxWorker:
    return OutboxWorker(database, clock, {"mail": handler}, **options)


async def test_work_is_asked_for_once_per_key(database: Database) -> None:
    mailer = Mailer()
    assert [await _ask(database), await _ask(database), await _ask(database, "report:2")] == [True, False, True]
    worker = _worker(database, ManualClock(NOW), mailer)
    while await worker.run_once():
        pass
    assert [payload["key"] for payload in mailer.sent] == ["report:1", "report:2"]
    assert await _ask(database) is False, "a key that is done stays known"
    row = await _row(database)
    assert (row["state"], row["tries"], row["done_at"], row["lease_until"]) == ("done", 1, NOW, None)


async def test_work_of_a_transaction_that_failed_is_not_done(database: Database) -> None:
    async def work(conn: Any) -> None:
        await enqueue(conn, key="report:1", topic="mail", payload={}, now=NOW)
        raise RuntimeError

    with pytest.raises(RuntimeError):
        await database.transact(work)
    assert await _worker(database, ManualClock(NOW), Mailer()).run_once() is False


async def test_failing_work_is_tried_again_later_and_later_until_it_works(database: Database) -> None:
    clock, mailer = ManualClock(NOW), Mailer()
    worker = _worker(database, clock, mailer, patience=Patience(first_s=5, cap_s=20))
    mailer.fails = ConnectionRefusedError("no mail server at 127.0.0.1:25")
    await _ask(database)
    for wait_s in (5, 10, 20, 20):
        assert await worker.run_once()
        assert not await worker.run_once()
        assert (await _row(database))["next_at"] - clock.now() == timedelta(seconds=wait_s)
        clock.advance(seconds=wait_s)
    assert (await _row(database))["last_error"] == "ConnectionRefusedError: no mail server at 127.0.0.1:25"
    mailer.fails = None
    assert await worker.run_once()
    row = await _row(database)
    assert (len(mailer.sent), row["state"], row["tries"], row["last_error"]) == (1, "done", 5, None)


async def test_mail_is_tried_for_hours_before_it_is_given_up() -> None:
    patience = Patience()
    total = sum((patience.wait(tries) for tries in range(1, patience.tries)), timedelta())
    assert timedelta(hours=8) < total < timedelta(hours=10)


async def test_work_that_never_works_is_put_aside_and_can_be_revived(database: Database) -> None:
    clock, mailer = ManualClock(NOW), Mailer()
    worker = _worker(database, clock, mailer, patience=Patience(first_s=1, tries=3))
    mailer.fails = ValueError("x" * 5000)
    await _ask(database)
    for _ in range(3):
        assert await worker.run_once()
        clock.advance(minutes=1)
    row = await _row(database)
    assert (row["state"], row["tries"], len(row["last_error"])) == ("dead", 3, 2000)
    assert await worker.run_once() is False
    mailer.fails = None
    assert await revive(database, "report:1", clock.now())
    assert not await revive(database, "report:1", clock.now())
    assert await worker.run_once()
    assert (await _row(database))["state"] == "done"


async def test_one_worker_gets_a_row(database: Database) -> None:
    clock, mailer = ManualClock(NOW), Mailer()
    for place in range(12):
        await _ask(database, f"report:{place}")

    async def drain(worker: OutboxWorker) -> None:
        while await worker.run_once():
            pass

    await asyncio.gather(*(drain(_worker(database, clock, mailer)) for _ in range(4)))
    assert sorted(payload["key"] for payload in mailer.sent) == sorted(f"report:{place}" for place in range(12))


async def test_a_dead_workers_row_is_taken_when_its_lease_runs_out_and_it_can_do_no_harm(database: Database) -> None:
    clock, sent = ManualClock(NOW), Mailer()
    hanging = asyncio.Event()

    async def hangs(_payload: Mapping[str, Any]) -> None:
        hanging.set()
        await proceed.wait()

    proceed = asyncio.Event()
    await _ask(database)
    dead = asyncio.create_task(_worker(database, clock, hangs, lease_s=60).run_once())
    await hanging.wait()
    other = _worker(database, clock, sent, lease_s=60)
    assert await other.run_once() is False
    clock.advance(seconds=60)
    assert await other.run_once()
    before = await _row(database)
    proceed.set()
    await dead
    assert await _row(database) == before
    assert (before["state"], before["fence"], len(sent.sent)) == ("done", 2, 1)


async def test_a_handler_that_hangs_is_a_failed_try(database: Database) -> None:
    async def hangs(_payload: Mapping[str, Any]) -> None:
        await asyncio.Event().wait()

    await _ask(database)
    await _worker(database, ManualClock(NOW), hangs, lease_s=0.05).run_once()
    row = await _row(database)
    assert (row["state"], row["tries"], row["last_error"]) == ("pending", 1, "TimeoutError: ")


async def test_a_worker_that_is_cancelled_gives_its_row_back(database: Database) -> None:
    started = asyncio.Event()

    async def hangs(_payload: Mapping[str, Any]) -> None:
        started.set()
        await asyncio.Event().wait()

    await _ask(database)
    task = asyncio.create_task(_worker(database, ManualClock(NOW), hangs).run())
    await started.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    row = await _row(database)
    assert (row["state"], row["tries"], row["lease_until"]) == ("pending", 0, None)


async def test_work_of_a_topic_without_a_handler_is_left_to_others(database: Database) -> None:
    await _ask(database, "hook:1", "webhook")
    assert await _worker(database, ManualClock(NOW), Mailer()).run_once() is False
    assert (await _row(database, "hook:1"))["tries"] == 0


async def test_a_running_worker_is_woken_by_notify_and_stops_cleanly(database: Database) -> None:
    clock = SystemClock()
    done = asyncio.Event()

    async def sends(_payload: Mapping[str, Any]) -> None:
        done.set()

    worker = _worker(database, clock, sends)
    task = asyncio.create_task(worker.run())
    await _ask(database, now=clock.now())
    worker.notify()
    async with asyncio.timeout(20):
        await done.wait()
        worker.stop()
        await task
    assert (await _row(database))["state"] == "done"


async def test_a_running_worker_tries_again_when_the_wait_is_over(database: Database) -> None:
    clock, tries = SystemClock(), 0
    done = asyncio.Event()

    async def fails_once(_payload: Mapping[str, Any]) -> None:
        nonlocal tries
        tries += 1
        if tries == 1:
            raise ConnectionRefusedError
        done.set()

    worker = _worker(database, clock, fails_once, patience=Patience(first_s=0.05))
    await _ask(database, now=clock.now())
    task = asyncio.create_task(worker.run())
    async with asyncio.timeout(20):
        await done.wait()
        worker.stop()
        await task
    assert tries == 2


async def test_a_worker_outlives_a_database_that_fails(database: Database) -> None:
    clock, mailer = SystemClock(), Mailer()
    await _ask(database, now=clock.now())
    async with database.write() as conn:
        await conn.execute(text("ALTER TABLE outbox RENAME TO away"))
    worker = _worker(database, clock, mailer)
    task = asyncio.create_task(worker.run())
    await asyncio.sleep(0)
    async with database.write() as conn:
        await conn.execute(text("ALTER TABLE away RENAME TO outbox"))
    async with asyncio.timeout(20):
        while not mailer.sent:
            worker.notify()
            await asyncio.sleep(0.01)
        worker.stop()
        await task


async def test_a_worker_outlives_a_pool_without_a_free_connection(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    mailer = Mailer()
    await _ask(database, now=SystemClock().now())
    worker = _worker(database, SystemClock(), mailer)
    run_once, refused, worked = worker.run_once, asyncio.Event(), asyncio.Event()

    async def exhausted() -> bool:
        if not refused.is_set():
            refused.set()
            raise PoolTimeout("QueuePool limit reached")
        if await run_once():
            worked.set()
        return False

    monkeypatch.setattr(worker, "run_once", exhausted)
    monkeypatch.setattr("storage.outbox._POLL_S", 0.01)
    task = asyncio.create_task(worker.run())
    async with asyncio.timeout(20):
        await worked.wait()
        worker.stop()
        await task
    assert len(mailer.sent) == 1
