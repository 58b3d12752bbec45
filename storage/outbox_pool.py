"""A worker of the outbox that carries out several rows at once: what hangs holds up no more than its own place."""

from __future__ import annotations

import asyncio
from typing import Any

import structlog
from sqlalchemy.exc import SQLAlchemyError

from storage.outbox import Held, OutboxWorker

log = structlog.get_logger(__name__)

_AGAIN_S = 1.0


class OutboxPool(OutboxWorker):
    """`OutboxWorker` with `at_once` places."""

    def __init__(self, *args: Any, at_once: int, **options: Any) -> None:
        super().__init__(*args, **options)
        self._at_once = at_once
        self._busy: set[asyncio.Task[None]] = set()

    async def _run(self) -> None:
        async with asyncio.TaskGroup() as tasks:
            while not self._stopping:
                self._woken.clear()
                try:
                    await self._fill(tasks)
                    # A place that becomes free wakes us, so a full house may wait for as long as it likes.
                    wait_s = await self._until_due() if len(self._busy) < self._at_once else _AGAIN_S
                except SQLAlchemyError:
                    log.exception("outbox_database_failed")
                    wait_s = _AGAIN_S
                if not self._stopping:
                    await self._wait(wait_s)

    async def _fill(self, tasks: asyncio.TaskGroup) -> None:
        """Take rows while there are free places and rows due."""
        while len(self._busy) < self._at_once and not self._stopping:
            held = await self._database.transact(self._hold)
            if held is None:
                return
            task = tasks.create_task(self._surely(held), name=f"outbox {held.topic}")
            self._busy.add(task)
            task.add_done_callback(self._free)

    def _free(self, task: asyncio.Task[None]) -> None:
        self._busy.discard(task)
        self._woken.set()

    async def _surely(self, held: Held) -> None:
        try:
            await self._carry_out(held)
        except SQLAlchemyError:
            # Its lease runs out, and it is carried out again.
            log.exception("outbox_database_failed")
