"""A runner that dials over real SIP trunks."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable

from campaigns.runner import Runner, RunnerSettings
from telephony.sip.dialer import SipDialer
from telephony.sip.settings import SipSettings
from telephony.trunk import TrunkConfig
from tests.support_campaigns import House
from tests.support_network import Talk
from tests.support_sipp import HOST


@contextlib.asynccontextmanager
async def dialling(house: House, *trunks: TrunkConfig) -> AsyncIterator[Runner]:
    """Campaigns are dialled over these trunks until the block is left."""
    async with contextlib.AsyncExitStack() as stack:
        dialers = {one.name: await stack.enter_async_context(SipDialer(one, SipSettings(bind=HOST))) for one in trunks}
        settings = RunnerSettings(calls=20, poll_s=0.05)
        runner = Runner(house.database, house.ledger(), dialers, Talk(code="YES"), house.clock, settings=settings)
        running = asyncio.create_task(runner.run_forever())
        try:
            yield runner
        finally:
            runner.drain()
            await running


async def until_fact(fact: Callable[[], Awaitable[bool]]) -> None:
    """Wait until the database says so."""
    async with asyncio.timeout(180):
        while not await fact():  # noqa: ASYNC110 - the database is asked
            await asyncio.sleep(0.02)
