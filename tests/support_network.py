"""A telephone network inside the test: what happens to a call is told by the number dialled."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from bot.outcome import ConversationResult, EndedBy, Job
from campaigns.bench import NullCall
from campaigns.claiming import Claim
from storage.clock import Clock, SystemClock
from telephony.call import Call, CallEnd, CallPhase, DialRequest, NotAnswered, PhaseListener
from telephony.outcomes import DialStatus, HangupBy


class NetworkCall(NullCall):
    """An answered call that the customer can end too."""

    def hang_up_as_customer(self) -> None:
        if not self._end.done():
            self._end.set_result(CallEnd(HangupBy.CUSTOMER, self._clock.now()))


@dataclass
class Network:
    """A dialer that remembers what it was asked, and answers when told to."""

    clock: Clock = field(default_factory=SystemClock)
    #: What becomes of each number: a status, an exception, or None for an answer (also for the others).
    outcomes: dict[str, DialStatus | Exception | None] = field(default_factory=dict)
    #: Until this is set, every call rings.
    answer: asyncio.Event = field(default_factory=asyncio.Event)
    dialled: list[DialRequest] = field(default_factory=list)
    calls: list[NetworkCall] = field(default_factory=list)
    strays: set[str] = field(default_factory=set)
    cancelled: list[str] = field(default_factory=list)
    asked_for: list[str] = field(default_factory=list)
    #: Told of every call placed.
    on_dial: Callable[[DialRequest], None] = lambda _request: None

    @classmethod
    def answering(cls, **fields: object) -> Network:
        network = cls(**fields)  # type: ignore[arg-type]
        network.answer.set()
        return network

    async def dial(self, request: DialRequest, on_phase: PhaseListener) -> Call | NotAnswered:
        self.dialled.append(request)
        self.on_dial(request)
        on_phase(CallPhase.ORIGINATING, self.clock.now())
        on_phase(CallPhase.RINGING, self.clock.now())
        try:
            await self.answer.wait()
        except asyncio.CancelledError:
            self.cancelled.append(request.attempt_id)
            raise
        outcome = self.outcomes.get(request.number)
        if isinstance(outcome, Exception):
            raise outcome
        if outcome is not None:
            return NotAnswered(outcome, self.clock.now(), rang=True)
        on_phase(CallPhase.ANSWERED, self.clock.now())
        call = NetworkCall(request.attempt_id, self.clock)
        self.calls.append(call)
        return call

    async def hangup_stray(self, attempt_id: str) -> bool:
        self.asked_for.append(attempt_id)
        return attempt_id in self.strays

    async def aclose(self) -> None:
        """Nothing is open."""


class Talk:
    """A conversation that does as it is told: `says(call, job)` is what the customer and the bot do."""

    def __init__(self, **result: object) -> None:
        self.fields = {"ended_by": EndedBy.BOT, "messages": 1, "customer_spoke": True} | result
        self.jobs: list[Job] = []
        self.fails: BaseException | None = None
        #: Until this is set, the conversation goes on.
        self.over = asyncio.Event()
        self.over.set()

    async def run(self, call: Call, job: Job) -> ConversationResult:
        self.jobs.append(job)
        if self.fails is not None:
            raise self.fails
        await self.over.wait()
        await call.hangup()
        return ConversationResult(**self.fields)  # type: ignore[arg-type]

    async def __call__(self, _claim: Claim) -> Talk:
        """The voicebot factory that hands out this conversation."""
        return self


async def until(fact: Callable[[], Awaitable[bool]] | Callable[[], bool]) -> None:
    """Wait for something that the runner is about to do."""
    async with asyncio.timeout(20):
        while True:
            found = fact()
            if found if isinstance(found, bool) else await found:
                return
            await asyncio.sleep(0.005)
