"""The ledger's state machine for hypothesis: it chooses what happens next, and after each step all must hold."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Callable, Coroutine
from contextlib import AsyncExitStack, ExitStack
from pathlib import Path
from typing import Any, ClassVar, TypeVar

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from storage.clock import ManualClock
from storage.database import open_database
from tests.support_campaigns import House
from tests.support_state_machine import START, STEPS, Fresh, World

T = TypeVar("T")


class LedgerMachine(RuleBasedStateMachine):
    """One world, in a database of its own."""

    fresh: ClassVar[Fresh]
    #: Steps that all machines have taken.
    taken: ClassVar[int] = 0

    def __init__(self) -> None:
        super().__init__()
        self._stack = ExitStack()
        self._runner = self._stack.enter_context(asyncio.Runner())
        self._opened = AsyncExitStack()
        self._folder = Path(self._stack.enter_context(tempfile.TemporaryDirectory()))
        self._url = self._stack.enter_context(LedgerMachine.fresh())
        self.world = self._run(self._build())

    async def _build(self) -> World:
        database = await self._opened.enter_async_context(open_database(self._url, migrate=False))
        return await World(House(database, ManualClock(START))).build()

    def _run(self, work: Coroutine[Any, Any, T]) -> T:
        return self._runner.run(work)

    def happens(self, name: str, choice: int) -> None:
        LedgerMachine.taken += 1
        self._run(self.world.step(name, choice))

    @invariant()
    def holds(self) -> None:
        """Whatever has happened."""
        self._run(self.world.check())

    def teardown(self) -> None:
        try:
            self._run(self._end())
        finally:
            self._run(self._opened.aclose())
            self._stack.close()

    async def _end(self) -> None:
        await self.world.run_out()
        await self.world.check_end(self._folder)


def _rule(name: str) -> Callable[[LedgerMachine, int], None]:
    def happens(self: LedgerMachine, choice: int) -> None:
        self.happens(name, choice)

    happens.__name__ = name
    return rule(choice=st.integers(0, 11))(happens)


for _name in STEPS:
    setattr(LedgerMachine, _name, _rule(_name))
