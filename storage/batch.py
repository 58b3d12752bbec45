"""Group commit: what many tasks ask for at once is written in one transaction.

A commit waits for the disk; while it waits, the next group gathers. Each task goes on only when its own change is
durable.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

from sqlalchemy.ext.asyncio import AsyncConnection

from storage.database import Database

O = TypeVar("O")  # noqa: E741 - an operation
R = TypeVar("R")

#: Carries out the operations in order, in one transaction; one result, or the reason for its refusal, each.
Apply = Callable[[AsyncConnection, Sequence[O]], Awaitable[Sequence[R | Exception]]]

#: Operations of one group. SQLite has one writer, and what it asks holds up the loop; PostgreSQL's transactions wait
#: for one another's locks, so that few large ones get further.
_LARGEST_SQLITE = 40
_LARGEST_POSTGRESQL = 100
_SLICE = 20


class GroupCommit(Generic[O, R]):
    """Gathers operations and applies them in groups, one group at a time."""

    def __init__(self, database: Database, apply: Apply[O, R]) -> None:
        self._database = database
        self._largest = _LARGEST_SQLITE if database.is_sqlite else _LARGEST_POSTGRESQL
        self._apply = apply
        self._waiting: list[tuple[O, asyncio.Future[R]]] = []
        self._writer: asyncio.Task[None] | None = None

    async def submit(self, operation: O) -> R:
        """Apply one operation; returns when it is durable. It is carried out even if the caller is cancelled."""
        future: asyncio.Future[R] = asyncio.get_running_loop().create_future()
        self._waiting.append((operation, future))
        if self._writer is None:
            self._writer = asyncio.create_task(self._write(), name="group-commit")
        return await asyncio.shield(future)

    async def aclose(self) -> None:
        """Wait until everything submitted is durable."""
        while self._writer is not None:
            await asyncio.shield(self._writer)

    async def _write(self) -> None:
        try:
            while self._waiting:
                group, self._waiting = self._waiting[: self._largest], self._waiting[self._largest :]
                await self._commit(group)
        finally:
            self._writer = None

    async def _commit(self, group: list[tuple[O, asyncio.Future[R]]]) -> None:
        operations = [operation for operation, _ in group]
        try:
            results = await self._database.transact(lambda connection: self._apply(connection, operations))
        except Exception as exc:
            if len(group) == 1:
                _resolve(group[0][1], exc)
                return
            # The mistake of one must not cost the others their change.
            for member in group:
                await self._commit([member])
            return
        for place, ((_, future), result) in enumerate(zip(group, results, strict=True), start=1):
            _resolve(future, result)
            # Those who waited go on in slices: all at once they would hold up the loop, and with it every call's audio.
            if place % _SLICE == 0:
                await asyncio.sleep(0)


def _resolve(future: asyncio.Future[R], result: R | Exception) -> None:
    if future.done():
        return
    if isinstance(result, Exception):
        future.set_exception(result)
        # A caller that was cancelled no longer looks at it.
        future.exception()
    else:
        future.set_result(result)
