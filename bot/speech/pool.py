"""Threads shared by recognition and synthesis, with two priorities and a bounded queue."""

from __future__ import annotations

import asyncio
import atexit
import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Generic, TypeVar

from bot.speech.errors import PoolClosed, PoolFull

T = TypeVar("T")


class Priority(IntEnum):
    """Who waits for the work."""

    #: A customer on the line.
    NOW = 0
    #: Nobody yet: lines rendered before a call.
    LATER = 1


@dataclass(frozen=True)
class Done(Generic[T]):
    """A finished piece of work and its times in ms."""

    value: T
    wait_ms: int
    work_ms: int


@dataclass(frozen=True)
class PoolStats:
    """A snapshot for metrics; times in ms since the pool was opened."""

    workers: int
    busy: int
    waiting_now: int
    waiting_later: int
    done: int
    wait_ms_total: int
    wait_ms_max: int


@dataclass(eq=False)
class Job(Generic[T]):
    """Work handed to the pool."""

    work: Callable[[], T]
    priority: Priority
    queued_at: float
    future: Future[Done[T]] = field(default_factory=Future)


class WorkPool:
    """A fixed number of threads. `Priority.NOW` runs first, and `LATER` never takes the last free thread.

    `workers` is the number of pieces of work at once; `max_waiting` bounds the queue of each priority.
    """

    def __init__(self, workers: int = 2, *, max_waiting: int = 256, name: str = "speech") -> None:
        if workers < 1:
            raise ValueError(f"a pool needs at least one worker, not {workers}")
        self.workers = workers
        self._max_waiting = max_waiting
        self._later_limit = max(1, workers - 1)
        self._queues: dict[Priority, deque[Job[object]]] = {priority: deque() for priority in Priority}
        self._ready = threading.Condition()
        self._closed = False
        self._busy = dict.fromkeys(Priority, 0)
        self._done = self._wait_ms_total = self._wait_ms_max = 0
        self._threads = [threading.Thread(target=self._serve, name=f"{name}-{n}", daemon=True) for n in range(workers)]
        for thread in self._threads:
            thread.start()
        # A daemon thread inside native code at interpreter exit can abort the process.
        atexit.register(self.close)

    async def run(self, work: Callable[[], T], *, priority: Priority = Priority.NOW) -> Done[T]:
        """Run `work` in a thread and wait for it.

        Cancelling while it waits takes it out of the queue; cancelling while it runs discards its result.
        Raises what `work` raises, `PoolFull` or `PoolClosed`.
        """
        return await asyncio.wrap_future(self.submit(work, priority=priority).future)

    def submit(self, work: Callable[[], T], *, priority: Priority = Priority.NOW) -> Job[T]:
        """Queue `work`; its future gives a `Done`. Raises `PoolFull` or `PoolClosed`."""
        job = Job(work, priority, time.monotonic())
        with self._ready:
            if self._closed:
                raise PoolClosed
            if len(self._queues[priority]) >= self._max_waiting:
                raise PoolFull(self._max_waiting)
            self._queues[priority].append(job)  # type: ignore[arg-type]  # a queue holds jobs of any result
            self._ready.notify()
        job.future.add_done_callback(lambda future: self._forget(job) if future.cancelled() else None)
        return job

    def promote(self, job: Job[T]) -> None:
        """Someone on the line now waits for work queued as `LATER`; does nothing once it runs."""
        with self._ready:
            if job in self._queues[Priority.LATER]:
                self._queues[Priority.LATER].remove(job)  # type: ignore[arg-type]
                job.priority = Priority.NOW
                self._queues[Priority.NOW].append(job)  # type: ignore[arg-type]
                self._ready.notify()

    def stats(self) -> PoolStats:
        """The present depth, and times since opening."""
        with self._ready:
            return PoolStats(
                workers=self.workers,
                busy=sum(self._busy.values()),
                waiting_now=len(self._queues[Priority.NOW]),
                waiting_later=len(self._queues[Priority.LATER]),
                done=self._done,
                wait_ms_total=self._wait_ms_total,
                wait_ms_max=self._wait_ms_max,
            )

    def close(self) -> None:
        """Refuse new work, cancel what waits, wait for what runs. Idempotent."""
        with self._ready:
            self._closed = True
            left = [job for queue in self._queues.values() for job in queue]
            for queue in self._queues.values():
                queue.clear()
            self._ready.notify_all()
        for job in left:
            job.future.cancel()
        for thread in self._threads:
            if thread is not threading.current_thread():
                thread.join()
        atexit.unregister(self.close)

    async def aclose(self) -> None:
        """`close` without blocking the event loop."""
        await asyncio.to_thread(self.close)

    def _forget(self, job: Job[T]) -> None:
        with self._ready:
            if job in self._queues[job.priority]:
                self._queues[job.priority].remove(job)  # type: ignore[arg-type]

    def _serve(self) -> None:
        while (job := self._take()) is not None:
            priority = job.priority
            try:
                self._perform(job)
            finally:
                with self._ready:
                    self._busy[priority] -= 1
                    self._ready.notify()

    def _take(self) -> Job[object] | None:
        with self._ready:
            while True:
                if self._closed:
                    return None
                job = self._next()
                if job is not None:
                    self._busy[job.priority] += 1
                    return job
                self._ready.wait()

    def _next(self) -> Job[object] | None:
        if self._queues[Priority.NOW]:
            return self._queues[Priority.NOW].popleft()
        if self._queues[Priority.LATER] and self._busy[Priority.LATER] < self._later_limit:
            return self._queues[Priority.LATER].popleft()
        return None

    def _perform(self, job: Job[object]) -> None:
        if not job.future.set_running_or_notify_cancel():
            return
        started = time.monotonic()
        wait_ms = round((started - job.queued_at) * 1000)
        try:
            value = job.work()
        except BaseException as error:
            job.future.set_exception(error)
            return
        self._count(wait_ms)
        job.future.set_result(Done(value, wait_ms, round((time.monotonic() - started) * 1000)))

    def _count(self, wait_ms: int) -> None:
        with self._ready:
            self._done += 1
            self._wait_ms_total += wait_ms
            self._wait_ms_max = max(self._wait_ms_max, wait_ms)
