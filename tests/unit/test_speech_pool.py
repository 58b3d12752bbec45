"""The speech pool: order, bounds, cancelling, closing. Events instead of time."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable

import pytest

from bot.speech.errors import PoolClosed, PoolFull
from bot.speech.pool import Priority, WorkPool


class Gate:
    """Work that says when it began and ends when told."""

    def __init__(self) -> None:
        self.begun = threading.Event()
        self.open = threading.Event()

    def __call__(self) -> None:
        self.begun.set()
        assert self.open.wait(timeout=30)

    async def wait_begun(self) -> None:
        assert await asyncio.to_thread(self.begun.wait, 30)


@pytest.fixture
async def pool() -> AsyncIterator[WorkPool]:
    pool = WorkPool(1, max_waiting=3)
    yield pool
    await pool.aclose()


@pytest.fixture
async def busy(pool: WorkPool) -> AsyncIterator[Gate]:
    """The one worker of `pool` is occupied until the gate opens."""
    gate = Gate()
    job = pool.submit(gate)
    await gate.wait_begun()
    yield gate
    gate.open.set()
    await asyncio.wrap_future(job.future)


def _noting(order: list[str], name: str) -> Callable[[], None]:
    return lambda: order.append(name)


async def test_work_gives_its_value_and_times(pool: WorkPool) -> None:
    done = await pool.run(lambda: 6 * 7)
    assert done.value == 42
    assert done.wait_ms >= 0
    assert done.work_ms >= 0
    assert pool.stats().done == 1


async def test_an_error_reaches_the_waiter_and_the_worker_lives_on(pool: WorkPool) -> None:
    def fail() -> None:
        raise LookupError("no such sound")

    with pytest.raises(LookupError, match="no such sound"):
        await pool.run(fail)
    assert (await pool.run(lambda: "still here")).value == "still here"
    assert pool.stats().busy == 0


async def test_a_waiting_customer_goes_before_what_is_for_later(pool: WorkPool, busy: Gate) -> None:
    order: list[str] = []
    later = [pool.submit(_noting(order, f"later {n}"), priority=Priority.LATER) for n in (1, 2)]
    now = [pool.submit(_noting(order, f"now {n}")) for n in (1, 2)]
    busy.open.set()
    await asyncio.gather(*(asyncio.wrap_future(job.future) for job in [*later, *now]))
    assert order == ["now 1", "now 2", "later 1", "later 2"]


async def test_promoted_work_goes_before_the_rest(pool: WorkPool, busy: Gate) -> None:
    order: list[str] = []
    jobs = [pool.submit(_noting(order, f"later {n}"), priority=Priority.LATER) for n in (1, 2, 3)]
    pool.promote(jobs[2])
    assert (pool.stats().waiting_now, pool.stats().waiting_later) == (1, 2)
    busy.open.set()
    await asyncio.gather(*(asyncio.wrap_future(job.future) for job in jobs))
    assert order == ["later 3", "later 1", "later 2"]
    pool.promote(jobs[0])


async def test_work_for_later_never_takes_the_last_thread() -> None:
    pool = WorkPool(2)
    first, second = Gate(), Gate()
    try:
        jobs = [pool.submit(gate, priority=Priority.LATER) for gate in (first, second)]
        await first.wait_begun()
        # The second thread has nothing it may take, so it is free for whoever is on the line.
        await pool.run(lambda: None)
        assert not second.begun.is_set()
        assert pool.stats().waiting_later == 1
        first.open.set()
        second.open.set()
        await asyncio.gather(*(asyncio.wrap_future(job.future) for job in jobs))
    finally:
        await pool.aclose()


async def test_two_pieces_of_work_run_side_by_side() -> None:
    pool = WorkPool(2)
    both = threading.Barrier(2, timeout=30)
    try:
        await asyncio.gather(pool.run(both.wait), pool.run(both.wait))
    finally:
        await pool.aclose()


async def test_a_full_queue_refuses_at_once_and_says_what_to_change(pool: WorkPool, busy: Gate) -> None:
    for _ in range(3):
        pool.submit(lambda: None)
    with pytest.raises(PoolFull, match=r"models\.workers") as caught:
        pool.submit(lambda: None)
    assert caught.value.retryable
    pool.submit(lambda: None, priority=Priority.LATER)


async def test_cancelled_while_waiting_it_never_runs_and_frees_its_place(pool: WorkPool, busy: Gate) -> None:
    ran: list[str] = []
    waiting = asyncio.create_task(pool.run(_noting(ran, "cancelled")))
    await asyncio.sleep(0)
    assert pool.stats().waiting_now == 1
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert pool.stats().waiting_now == 0
    busy.open.set()
    await pool.run(lambda: None)
    assert ran == []


async def test_cancelled_while_running_its_result_is_dropped(pool: WorkPool) -> None:
    gate = Gate()
    running = asyncio.create_task(pool.run(gate))
    await gate.wait_begun()
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    gate.open.set()
    assert (await pool.run(lambda: "next")).value == "next"


async def test_closing_waits_for_what_runs_and_cancels_what_waits() -> None:
    pool, gate = WorkPool(1), Gate()
    running = asyncio.create_task(pool.run(gate))
    await gate.wait_begun()
    waiting = asyncio.create_task(pool.run(lambda: None))
    await asyncio.sleep(0)
    closing = asyncio.create_task(pool.aclose())
    with pytest.raises(asyncio.CancelledError):
        await waiting
    gate.open.set()
    await closing
    await running
    with pytest.raises(PoolClosed):
        await pool.run(lambda: None)
    await pool.aclose()


def test_a_pool_without_workers_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one worker, not 0"):
        WorkPool(0)
