"""How many attempts a second the ledger carries: claim, dial and settle on a trunk that costs no time."""

from __future__ import annotations

import asyncio
import gc
import logging
import multiprocessing
import time
from collections.abc import AsyncIterator, Callable, Collection
from concurrent.futures import ProcessPoolExecutor
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from threading import Barrier
from typing import Any

import structlog
from sqlalchemy import func, insert, select

from bot.outcome import ConversationResult, EndedBy, Job, Speaker, Turn
from campaigns.attempts import Ledger
from campaigns.campaigns import Campaigns, NewCampaign
from campaigns.claiming import Claim
from campaigns.nodes import node_name
from campaigns.runner import Runner, RunnerSettings
from campaigns.states import CampaignState
from storage.clock import Clock, SystemClock
from storage.database import Database, open_database
from storage.tables import accounts, attempts, bots, contacts, tariffs, trunks
from telephony.call import Call, CallEnd, CallPhase, DialRequest, Media, NotAnswered, PhaseListener
from telephony.outcomes import DialStatus, HangupBy

_TARIFF = {
    "currency": "USD",
    "valid_from": "2026-01-01T00:00:00+00:00",
    "block_s": 6,
    "block_price": {"conversation": [{"from_blocks": 0, "price": "0.01"}]},
}
_CALLS_A_NODE = 200
_TICK_S = 0.001
_STARTING_S = 120.0
_SETUP_ROWS = 1000


@dataclass(frozen=True)
class DialFigures:
    """What a run measured; half of the calls are answered, two turns long and charged."""

    engine: str
    nodes: int
    #: One for all nodes, or one for each.
    processes: int
    attempts: int
    wall_s: float
    attempts_per_s: float
    stall_p50_ms: float
    #: How late the event loop came to a timer.
    stall_p99_ms: float
    stall_max_ms: float


class NullCall:
    """An answered call that is over as soon as it is hung up."""

    def __init__(self, attempt_id: str, clock: Clock) -> None:
        self.attempt_id = attempt_id
        self.answered_at = clock.now()
        self._clock = clock
        self._end: asyncio.Future[CallEnd] = asyncio.get_running_loop().create_future()

    @property
    def media(self) -> Media:
        raise NotImplementedError("a null call has no audio")

    def on_dtmf(self, listener: Any) -> None:
        """Nobody presses a key."""

    async def hangup(self) -> None:
        if not self._end.done():
            self._end.set_result(CallEnd(HangupBy.BOT, self._clock.now()))

    async def ended(self) -> CallEnd:
        return await asyncio.shield(self._end)


class NullDialer:
    """A network that answers every second call at once and is busy for the others."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.placed = 0

    async def dial(self, request: DialRequest, on_phase: PhaseListener) -> Call | NotAnswered:
        self.placed += 1
        if self.placed % 2:
            return NotAnswered(DialStatus.BUSY, self._clock.now(), sip_code=486)
        on_phase(CallPhase.RINGING, self._clock.now())
        return NullCall(request.attempt_id, self._clock)

    async def hangup_stray(self, attempt_id: str) -> bool:
        return False

    async def aclose(self) -> None:
        """Nothing is open."""


class NullConversation:
    """Says one thing, hears one, and hangs up."""

    async def run(self, call: Call, job: Job) -> ConversationResult:
        await call.hangup()
        said = (Turn(Speaker.BOT, 0, 500, "Good morning"), Turn(Speaker.CUSTOMER, 600, 900, "Yes", intent="yes"))
        return ConversationResult(EndedBy.BOT, messages=1, customer_spoke=True, turns=said)


async def null_voicebot(_claim: Claim) -> NullConversation:
    """A voicebot that needs no making ready."""
    return NullConversation()


@asynccontextmanager
async def _watch_stalls() -> AsyncIterator[list[float]]:
    late_ms: list[float] = []

    async def watch() -> None:
        while True:
            started = time.perf_counter()
            await asyncio.sleep(_TICK_S)
            late_ms.append((time.perf_counter() - started - _TICK_S) * 1000)

    async with asyncio.TaskGroup() as group:
        task = group.create_task(watch())
        yield late_ms
        task.cancel()


async def make_null_campaign(database: Database, clock: Clock, *, region: str = "US") -> int:
    """A draft without contacts on a trunk without limits, in an empty database; its id."""
    async with database.write() as conn:
        for table, row in _house(clock.now()).items():
            await conn.execute(insert(table).values(**row))
    new = NewCampaign(1, "BENCH", "Bench", 1, 1, "null", region, "UTC", concurrency=1_000_000)
    return await Campaigns(database, clock).create(new)


async def prepare_null_campaign(database: Database, clock: Clock, people: int) -> int:
    """A running campaign of so many contacts on a trunk without limits, in an empty database; its id."""
    campaign_id = await make_null_campaign(database, clock)
    for first in range(0, people, _SETUP_ROWS):
        async with database.write() as conn:
            rows = [_contact(campaign_id, place) for place in range(first, min(first + _SETUP_ROWS, people))]
            await conn.execute(insert(contacts), rows)
    await Campaigns(database, clock).start(campaign_id)
    return campaign_id


def _house(now: datetime) -> dict[Any, dict[str, Any]]:
    return {
        accounts: {"name": "bench", "currency": "USD", "time_zone": "UTC", "region": "US", "created_at": now},
        bots: {
            "account_id": 1,
            "name": "bench",
            "version": 1,
            "language": "en",
            "voice": "none",
            "script": "",
            "created_at": now,
        },
        tariffs: {"account_id": 1, "name": "bench", "currency": "USD", "definition": _TARIFF, "valid_from": now},
        trunks: {"name": "null", "channels": 1_000_000, "cps": 1_000_000.0},
    }


def _contact(campaign_id: int, place: int) -> dict[str, Any]:
    # +999 is reserved and belongs to nobody (ITU-T E.164).
    phone = f"+999{place:09d}"
    return {
        "campaign_id": campaign_id,
        "line": place + 1,
        "phone": phone,
        "number": phone,
        "variables": {},
        "state": "pending",
    }


async def bench_dial(database_url: str, contacts: int, nodes: int = 1, *, processes: bool = False) -> DialFigures:
    """Dial `contacts` contacts with so many nodes, in this process or each in its own, in an empty database.

    Stalls are those of the worst process.
    """
    clock = SystemClock()
    async with open_database(database_url) as database:
        campaign_id = await prepare_null_campaign(database, clock, contacts)
        if processes:
            ran = await asyncio.to_thread(_in_processes, database_url, nodes, campaign_id)
        else:
            ran = [await _ran(database_url, range(nodes), campaign_id)]
        wall_s = max(one.ended for one in ran) - min(one.started for one in ran)
        async with database.read() as conn:
            made = int((await conn.execute(select(func.count()).select_from(attempts))).scalar_one())
    return DialFigures(
        engine=database.url.get_backend_name(),
        nodes=nodes,
        processes=len(ran),
        attempts=made,
        wall_s=wall_s,
        attempts_per_s=made / wall_s,
        stall_p50_ms=max(one.stalls_ms[0] for one in ran),
        stall_p99_ms=max(one.stalls_ms[1] for one in ran),
        stall_max_ms=max(one.stalls_ms[2] for one in ran),
    )


@dataclass(frozen=True)
class _Ran:
    """One process's part: when it dialled, in seconds of the machine's monotonic clock, and how late its loop came."""

    started: float
    ended: float
    #: p50, p99 and the worst.
    stalls_ms: tuple[float, float, float]


async def _ran(
    database_url: str, places: Collection[int], campaign_id: int, ready: Callable[[], object] = lambda: None
) -> _Ran:
    """Run nodes on a loop of this process until the campaign is complete; `ready` returns when all may start."""
    async with AsyncExitStack() as stack:
        databases = [await stack.enter_async_context(open_database(database_url, migrate=False)) for _ in places]
        await asyncio.to_thread(ready)
        late_ms = await stack.enter_async_context(_watch_stalls())
        # As a serving node does: what was there before the first call is not looked through for garbage again.
        gc.freeze()
        started = time.monotonic()
        async with asyncio.TaskGroup() as group:
            for place, database in zip(places, databases, strict=True):
                group.create_task(_node(database, SystemClock(), place, campaign_id))
        ended = time.monotonic()
        gc.unfreeze()
        late_ms = sorted(late_ms)
        stalls = (late_ms[len(late_ms) // 2], late_ms[len(late_ms) * 99 // 100], late_ms[-1])
        return _Ran(started, ended, stalls)


def _in_processes(database_url: str, nodes: int, campaign_id: int) -> list[_Ran]:
    # Fresh interpreters, as nodes of their own are; nothing of this process's loop or connections is inherited.
    fresh = multiprocessing.get_context("spawn")
    with fresh.Manager() as manager, ProcessPoolExecutor(nodes, mp_context=fresh) as pool:
        ready = manager.Barrier(nodes)
        work = [pool.submit(_one_process, database_url, place, campaign_id, ready) for place in range(nodes)]
        return [each.result() for each in work]


def _one_process(database_url: str, place: int, campaign_id: int, ready: Barrier) -> _Ran:
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    return asyncio.run(_ran(database_url, [place], campaign_id, lambda: ready.wait(_STARTING_S)))


async def _node(database: Database, clock: Clock, place: int, campaign_id: int) -> CampaignState:
    ledger = Ledger(database, clock, node=f"{place}{node_name('bench')}")
    settings = RunnerSettings(calls=_CALLS_A_NODE)
    runner = Runner(database, ledger, {"null": NullDialer(clock)}, null_voicebot, clock, settings=settings)
    return await runner.run_until_complete(campaign_id)
