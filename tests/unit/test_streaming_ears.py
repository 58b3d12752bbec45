"""Ears that stream: what is left of an opening that was given up, and of a connection that failed meanwhile."""

from __future__ import annotations

import asyncio

import aiohttp
import pytest

from bot.speech.hosted import EARS_HZ, HostedService, ServiceSpec
from bot.speech.hosted_ears import _Streaming
from bot.speech.service_bases import STTService

SERVICES = "tests.support_pipecat_services"
WAIT_S = 60.0
SECOND = bytes(2 * EARS_HZ)


async def _finished(tasks: set[asyncio.Task[object]]) -> None:
    await asyncio.gather(*tasks, return_exceptions=True)


async def test_an_opening_that_is_given_up_leaves_nothing_behind() -> None:
    begun: asyncio.Queue[aiohttp.ClientSession] = asyncio.Queue()
    goes_on = asyncio.Event()
    spec = ServiceSpec("held", f"{SERVICES}.HeldSTTService", {"begun": begun, "goes_on": goes_on})
    before = asyncio.all_tasks()
    host = HostedService(spec, STTService, lambda _: None, language="en")
    try:
        async with asyncio.timeout(WAIT_S):
            opening = asyncio.create_task(host.open())
            session = await begun.get()
            opening.cancel()
            goes_on.set()
            with pytest.raises(asyncio.CancelledError):
                await opening
            assert session.closed
            await _finished(asyncio.all_tasks() - before)
    finally:
        await host.aclose()


async def test_a_stream_that_failed_while_it_was_idle_is_not_used_again() -> None:
    ears = _Streaming(ServiceSpec("stream", f"{SERVICES}.CountingSTTService"), "en")
    before = asyncio.all_tasks()
    await ears.open()
    try:
        async with asyncio.timeout(WAIT_S):
            assert await ears.words(SECOND) == "en 10 tenths"
            (failed,) = ears._idle
            await failed.host.service.push_error("HTTP 401: this session is over")
            await failed.host.failed.wait()
            assert await ears.words(SECOND) == "en 10 tenths"
            (kept,) = ears._idle
            assert kept is not failed
    finally:
        await ears.aclose()
    async with asyncio.timeout(WAIT_S):
        await _finished(asyncio.all_tasks() - before)
