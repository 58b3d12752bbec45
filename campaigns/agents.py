"""The agents of one call: their legs are written down, dialled and hung up here, whatever the bot does with them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from uuid import uuid4

import structlog

from campaigns.surely import surely
from storage.clock import Clock
from telephony.call import Call, CallPhase, Dialer, DialRequest, NotAnswered
from telephony.outcomes import DialStatus
from telephony.transfer import Target

log = structlog.get_logger(__name__)

#: Given the id of an agent's leg and its target before it is dialled; it is not dialled unless this returns.
WriteDown = Callable[[str, Target], Awaitable[None]]

_WRITE_S = 10.0
_HANGUP_S = 5.0


async def _not_written(_leg_id: str, _target: Target) -> None:
    return None


async def _at_once() -> None:
    return None


def _nothing(_target: Target) -> None:
    return None


def _unheard(_phase: CallPhase, _at: datetime) -> None:
    return None


@dataclass(frozen=True)
class Way:
    """How agents are reached: over the trunk of the customer's call."""

    dialer: Dialer
    caller_id: str | None
    #: Writes an E.164 number as the trunk wants it.
    format_number: Callable[[str], str]

    def number(self, target: Target) -> str:
        """An extension is dialled as it stands; raises what `format_number` raises."""
        return self.format_number(target.number) if target.number.startswith("+") else target.number


class AgentLegs:
    """Implements `bot.outcome.Agents` for one attempt: at most one leg is live, and none after `aclose`."""

    def __init__(
        self,
        way: Way,
        clock: Clock,
        *,
        write_down: WriteDown = _not_written,
        turn: Callable[[], Awaitable[None]] = _at_once,
        on_began: Callable[[Target], None] = _nothing,
    ) -> None:
        """`turn` waits until the trunk's rate lets one more call leave; `on_began` must not block."""
        self._way = way
        self._clock = clock
        self._write_down = write_down
        self._turn = turn
        self._on_began = on_began
        self._one_at_a_time = asyncio.Lock()
        self._placing: asyncio.Task[Call | NotAnswered] | None = None
        self._leg: Call | None = None
        self._closed = False
        #: On the event loop's clock: until when the agent of the last transfer may be rung.
        self.rings_until: float | None = None

    def began(self, target: Target) -> None:
        """See `bot.outcome.Agents`."""
        if not self._closed:
            self.rings_until = asyncio.get_running_loop().time() + target.ring_s
            self._on_began(target)

    async def dial(self, target: Target) -> Call | NotAnswered:
        """See `bot.outcome.Agents`. An earlier leg is hung up first; every leg has an id of its own."""
        async with self._one_at_a_time:
            await surely(self._end_leg())
            if self._closed:
                return self._in_vain(DialStatus.CANCEL, "the call is over")
            placing = self._placing = asyncio.create_task(self._place(target), name="agent-leg")
            try:
                await asyncio.wait({placing})
            except asyncio.CancelledError:
                await surely(self._give_up())
                raise
            return self._in_vain(DialStatus.CANCEL, "the call is over") if placing.cancelled() else placing.result()

    async def aclose(self) -> None:
        """Hang up what is live or being dialled; nothing is dialled afterwards. Never raises, idempotent."""
        self._closed = True
        await self._give_up()

    async def _place(self, target: Target) -> Call | NotAnswered:
        leg_id = uuid4().hex
        try:
            number = self._way.number(target)
            async with asyncio.timeout(_WRITE_S):
                await self._write_down(leg_id, target)
            await self._turn()
            request = DialRequest(leg_id, number, self._way.caller_id, ring_timeout_s=target.ring_s)
            outcome = await self._way.dialer.dial(request, _unheard)
        except Exception as exc:
            log.exception("agent_not_dialled", leg_id=leg_id, target=target.name)
            return self._in_vain(DialStatus.ERROR, f"agent: {exc or type(exc).__name__}")
        if not isinstance(outcome, NotAnswered):
            self._leg = outcome
            # A dialer that was told to give up may have been too late to.
            if self._closed:
                await surely(self._end_leg())
        return outcome

    async def _give_up(self) -> None:
        placing = self._placing
        if placing is not None and not placing.done():
            placing.cancel()
            await asyncio.wait({placing}, timeout=_HANGUP_S)
            if not placing.done():
                log.error("agent_dialling_overran")
        await self._end_leg()

    async def _end_leg(self) -> None:
        leg = self._leg
        if leg is None:
            return
        try:
            async with asyncio.timeout(_HANGUP_S):
                await leg.hangup()
                await leg.ended()
        except Exception:
            log.exception("agent_hangup_failed", leg_id=leg.attempt_id)
        self._leg = None

    def _in_vain(self, status: DialStatus, text: str) -> NotAnswered:
        return NotAnswered(status, self._clock.now(), text=text)
