"""Checking the rows of a list in batches; those of a long one in a process beside this one, while others are stored."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Iterator
from concurrent.futures.process import BrokenProcessPool
from itertools import islice
from typing import Final

from campaigns.listfile import Record
from campaigns.packing import Packed, pack
from campaigns.rows import RowRules, check_row
from storage.worker import WorkerProcess

#: Batches that are checked before they are wanted, so that neither side waits for the other.
_AHEAD: Final = 2


async def check_rows(
    records: Iterator[Record], rules: RowRules, size: int, *, beside: bool
) -> AsyncGenerator[list[Packed], None]:
    """The rows in order, up to `size` at a time; `beside` says whether another process checks them."""
    if not beside:
        while batch := await asyncio.to_thread(_next_checked, records, rules, size):
            yield batch
        return
    worker = WorkerProcess()
    checking: deque[asyncio.Task[list[Packed]]] = deque()
    try:
        while True:
            while len(checking) < _AHEAD and (read := await asyncio.to_thread(_read, records, size)):
                checking.append(asyncio.create_task(_check_beside(worker, read, rules)))
            if not checking:
                return
            yield await checking.popleft()
    finally:
        for task in checking:
            task.cancel()
        await asyncio.gather(*checking, return_exceptions=True)
        await asyncio.to_thread(worker.close)


async def _check_beside(worker: WorkerProcess, records: list[Record], rules: RowRules) -> list[Packed]:
    try:
        return await worker.run(_checked, records, rules)
    except (BrokenProcessPool, OSError):
        # It died, or cannot even be started: it is only slower to do without it, where memory or processes are short.
        return await asyncio.to_thread(_checked, records, rules)


def _read(records: Iterator[Record], size: int) -> list[Record]:
    return list(islice(records, size))


def _checked(records: list[Record], rules: RowRules) -> list[Packed]:
    return [pack(check_row(record, rules)) for record in records]


def _next_checked(records: Iterator[Record], rules: RowRules, size: int) -> list[Packed]:
    return _checked(_read(records, size), rules)
