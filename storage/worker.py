"""One process beside this one, for work that would hold the interpreter lock next to live audio."""

from __future__ import annotations

import asyncio
import atexit
import os
import signal
import threading
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context
from typing import Final, TypeVar

T = TypeVar("T")

_PARENT_LOOK_S: Final = 2.0
#: How often a process that dies (killed, out of memory) is replaced for one piece of work.
_TRIES: Final = 2


class WorkerProcess:
    """Started at its first piece of work, replaced when it dies, ended with us however we end."""

    def __init__(self) -> None:
        self._pool: ProcessPoolExecutor | None = None

    @property
    def pids(self) -> tuple[int, ...]:
        """The process that is alive, if any."""
        return tuple(self._pool._processes or ()) if self._pool is not None else ()

    async def run(self, work: Callable[..., T], *args: object) -> T:
        """`work(*args)` in the process; both, and the result, must pickle. Raises what `work` raises."""
        loop = asyncio.get_running_loop()
        for last in range(_TRIES):
            pool = self._started()
            try:
                return await loop.run_in_executor(pool, work, *args)
            except BrokenProcessPool:
                # Whoever else waited for the dead one may have replaced it already.
                if self._pool is pool:
                    self.close()
                if last == _TRIES - 1:
                    raise
        raise AssertionError("unreachable")

    def _started(self) -> ProcessPoolExecutor:
        if self._pool is None:
            # Forked, it would inherit the locks of threads that it does not have.
            spawn = get_context("spawn")
            self._pool = ProcessPoolExecutor(1, mp_context=spawn, initializer=_begin, initargs=(os.getpid(),))
            atexit.register(self.close)
        return self._pool

    def close(self) -> None:
        """End the process, after the piece of work that it is at. It is started anew when it is needed again."""
        pool, self._pool = self._pool, None
        atexit.unregister(self.close)
        if pool is not None:
            pool.shutdown(cancel_futures=True)


def _begin(parent: int) -> None:
    """In the process: leave Ctrl-C to the parent, and end when the parent has died without a word."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with, args=(parent,), daemon=True).start()


def _end_with(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(_PARENT_LOOK_S)
    os._exit(0)
