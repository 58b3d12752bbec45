"""A thread with an event loop of its own, and a way back into the caller's loop."""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any, TypeVar

import structlog

_log = structlog.get_logger(__name__)
T = TypeVar("T")


class LoopThread:
    """Runs an event loop until closed.

    `when_over` is called in the thread when the loop has ended for whatever reason, to release what it still holds.
    """

    def __init__(self, name: str, when_over: Callable[[], None]) -> None:
        self._loop = asyncio.new_event_loop()
        self._when_over = when_over
        self._gate = threading.Lock()
        self._over = False
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def submit(self, work: Callable[[], None]) -> None:
        """Have `work` called in the thread soon; nothing happens when it has ended."""
        with self._gate:
            if not self._over:
                self._loop.call_soon_threadsafe(work)

    async def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Await a coroutine of the thread's loop from another loop; raises `RuntimeError` when the thread has ended."""
        with self._gate:
            if self._over:
                work.close()
                raise RuntimeError("the thread has ended")
            future = asyncio.run_coroutine_threadsafe(work, self._loop)
        try:
            return await asyncio.wrap_future(future)
        except asyncio.CancelledError:
            if self._over:
                raise RuntimeError("the thread has ended") from None
            raise

    async def aclose(self) -> None:
        """End the loop and wait for the thread."""
        self.submit(self._loop.stop)
        await asyncio.to_thread(self._thread.join)

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            self._loop.run_forever()
        finally:
            with self._gate:
                self._over = True
            self._when_over()
            self._loop.run_until_complete(_last_turn())
            self._loop.close()


async def _last_turn() -> None:
    """Let what was just aborted close, and end every task that is left."""
    await asyncio.sleep(0)
    tasks = asyncio.all_tasks() - {asyncio.current_task()}
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


class Pulse:
    """Tells the tasks of one event loop what another thread has done: news first, then all who wait are woken.

    However far behind the loop is, one wake-up is on its way at most.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._news: deque[Callable[[], None]] = deque()
        self._ringing = False
        self._next = asyncio.Event()

    def post(self, news: Callable[[], None] | None = None) -> None:
        """From any thread: have `news` called in the loop, in the order posted, and wake who waits."""
        if news is not None:
            self._news.append(news)
        if not self._ringing:
            self._ringing = True
            with suppress(RuntimeError):  # the caller's loop has closed
                self._loop.call_soon_threadsafe(self._ring)

    async def wait(self) -> None:
        """Wait until something was posted."""
        await self._next.wait()

    def _ring(self) -> None:
        # Before the news are taken: what is posted from here on rings again.
        self._ringing = False
        while self._news:
            news = self._news.popleft()
            try:
                news()
            except Exception:  # one listener's fault must not keep the news from the others
                _log.exception("media.listener_failed")
        woken, self._next = self._next, asyncio.Event()
        woken.set()
