"""One call from claim to settlement, whatever happens to it on the way."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import structlog
from sqlalchemy.exc import InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from bot.outcome import Conversation, ConversationResult, EndedBy, Job, OptOut
from campaigns.agents import AgentLegs, Way
from campaigns.attempts import Ledger
from campaigns.claiming import Claim
from campaigns.errors import IllegalMove, StaleFence
from campaigns.operations import Moved
from campaigns.pacing import Gate
from campaigns.settling import Settlement
from campaigns.states import AttemptPhase, ContactState
from campaigns.surely import surely
from storage.clock import Clock
from telephony.call import Call, CallEnd, CallPhase, Dialer, DialRequest, HasAmd, NotAnswered
from telephony.outcomes import DialStatus, HangupBy
from telephony.transfer import Target

log = structlog.get_logger(__name__)

#: Makes ready whoever will talk on this call, before it is dialled.
VoicebotFactory = Callable[[Claim], Awaitable[Conversation]]

_PHASES: Mapping[CallPhase, AttemptPhase] = {
    CallPhase.RINGING: AttemptPhase.RINGING,
    CallPhase.ANSWERED: AttemptPhase.ANSWERED,
}
#: How long customer and agent may talk.
TRANSFERRED_S = 7200.0
_HANGUP_S = 5.0
_LAST_WORDS_S = 5.0
_FIRST_WAIT_S = 0.2
_LONGEST_WAIT_S = 15.0
# PostgreSQL's class 54, program_limit_exceeded: it is reported like a server that is away, yet it never passes.
_TOO_LARGE = "54"


@dataclass(frozen=True)
class CallEvent:
    """Something has happened to an attempt; for live displays."""

    attempt_id: str
    campaign_id: int
    contact_id: int
    name: str | None
    number: str
    phase: AttemptPhase
    at: datetime
    #: Set when the attempt has ended.
    code: str | None = None
    call_status: str | None = None
    contact_state: ContactState | None = None

    @property
    def frees_a_channel(self) -> bool:
        return self.phase in {AttemptPhase.WRAPUP, AttemptPhase.ENDED}


def _broken_off(result: ConversationResult) -> ConversationResult:
    """A conversation that we hung up on is our failure, unless it had come to its result."""
    if result.ended_by is not EndedBy.BOT or result.code or result.opted_out or result.callback:
        return result
    if result.transfer is not None and result.transfer.joined_ms is not None:
        return result
    return replace(result, ended_by=EndedBy.ERROR, error=result.error or "broken off")


def _waits() -> Iterator[float]:
    wait_s = _FIRST_WAIT_S
    while True:
        yield wait_s
        wait_s = min(2 * wait_s, _LONGEST_WAIT_S)


def _is_too_large(exc: Exception) -> bool:
    state = getattr(getattr(exc, "orig", None), "sqlstate", None) or ""
    return state.startswith(_TOO_LARGE)


class Calling:
    """Places and holds calls for the runner."""

    def __init__(
        self,
        ledger: Ledger,
        dialers: Mapping[str, Dialer],
        voicebots: VoicebotFactory,
        clock: Clock,
        tell: Callable[[CallEvent], None],
        *,
        overtime_s: float,
        transferred_s: float = TRANSFERRED_S,
        format_number: Callable[[str, str], str],
    ) -> None:
        self._ledger = ledger
        self._dialers = dialers
        self._voicebots = voicebots
        self._clock = clock
        self._tell = tell
        self._overtime_s = overtime_s
        self._transferred_s = transferred_s
        self._format_number = format_number
        self._disowned: set[str] = set()
        self._gate = Gate()

    def disown(self, attempt_id: str) -> None:
        """Another node holds this attempt: hang up, and write nothing more about it."""
        self._disowned.add(attempt_id)

    async def run(self, claim: Claim) -> None:
        """See one claim through to its settlement; raises only for cancellation, after having settled."""
        self._say(claim, AttemptPhase.CREATED)
        try:
            await self._run(claim)
        except* StaleFence:
            log.warning("attempt_taken_over", attempt_id=claim.attempt_id)
        except* Exception:
            # The attempt stays as the ledger has it; its lease runs out and the reaper ends it.
            log.exception("call_abandoned", attempt_id=claim.attempt_id)
        finally:
            self._disowned.discard(claim.attempt_id)

    async def _run(self, claim: Claim) -> None:
        try:
            conversation = await self._voicebots(claim)
            await asyncio.sleep(max(0.0, (claim.dial_at - self._clock.now()).total_seconds()))
            await self._gate.queue(claim.trunk, claim.spacing_us / 1e6)
        except asyncio.CancelledError:
            await surely(self._release(claim, "shutdown"))
            raise
        except Exception as exc:
            log.exception("conversation_not_ready", attempt_id=claim.attempt_id)
            await self._settle(claim, Settlement(dial=self._failed(f"bot not ready: {exc}")))
            return
        try:
            begun = await surely(self._ledger.begin(claim.attempt_id, claim.fence))
            if begun.phase is AttemptPhase.ENDED:
                self._say_ended(claim, begun)
                return
            await self._gate.leave(claim.trunk, claim.spacing_us / 1e6)
        except asyncio.CancelledError:
            await surely(self._release(claim, "shutdown"))
            raise
        # From here on the network may have been asked: cancelled or not, the attempt must be settled.
        self._say(claim, AttemptPhase.ORIGINATING)
        await self._place(claim, conversation)

    async def _place(self, claim: Claim, conversation: Conversation) -> None:
        async with asyncio.TaskGroup() as notes:
            dialling, rang = True, False

            def on_phase(phase: CallPhase, at: datetime) -> None:
                nonlocal rang
                rang = rang or phase is CallPhase.RINGING
                if phase in _PHASES and dialling:
                    notes.create_task(self._note(claim, _PHASES[phase], at))

            try:
                outcome = await self._dial(claim, on_phase)
            except asyncio.CancelledError:
                cancelled = NotAnswered(DialStatus.CANCEL, self._clock.now(), rang=rang, text="shutdown")
                await surely(self._settle(claim, Settlement(dial=cancelled, by_node=True)))
                raise
            finally:
                dialling = False
            if isinstance(outcome, Settlement):
                await surely(self._settle(claim, outcome))
            else:
                await self._talk(claim, outcome, conversation, notes)

    async def _dial(self, claim: Claim, on_phase: Callable[[CallPhase, datetime], None]) -> Call | Settlement:
        """The answered call, or what became of it without an answer."""
        try:
            request = DialRequest(
                attempt_id=claim.attempt_id,
                number=self._format_number(claim.trunk, claim.number),
                caller_id=claim.caller_id,
                ring_timeout_s=claim.ring_timeout_s,
            )
            outcome = await self._dialers[claim.trunk].dial(request, on_phase)
        except Exception as exc:
            log.exception("dialer_failed", attempt_id=claim.attempt_id, trunk=claim.trunk)
            return Settlement(dial=self._failed(f"dialer: {exc}"), dialer_failed=True)
        return Settlement(dial=outcome) if isinstance(outcome, NotAnswered) else outcome

    async def _talk(self, claim: Claim, call: Call, conversation: Conversation, notes: asyncio.TaskGroup) -> None:
        notes.create_task(self._note(claim, AttemptPhase.ANSWERED, call.answered_at))
        notes.create_task(self._note(claim, AttemptPhase.TALKING, self._clock.now()))
        ending = notes.create_task(self._note_end(claim, call))
        agents = self._agents(claim, notes)
        talking = asyncio.create_task(conversation.run(call, self._job(claim, call, agents)))
        try:
            await self._watch(claim, talking, agents)
        finally:
            await surely(self._hang_up_and_settle(claim, call, talking, agents))
            ending.cancel()

    async def _watch(self, claim: Claim, talking: asyncio.Task[ConversationResult], agents: AgentLegs) -> None:
        """Wait for the end of the conversation, no longer than it may last; with an agent it may last longer."""
        loop = asyncio.get_running_loop()
        until = loop.time() + claim.max_call_s + self._overtime_s
        while not talking.done() and (left_s := until - loop.time()) > 0:
            await asyncio.wait({talking}, timeout=left_s)
            if agents.rings_until is not None:
                until = max(until, agents.rings_until + self._transferred_s + self._overtime_s)

    async def _hang_up_and_settle(
        self, claim: Claim, call: Call, talking: asyncio.Task[ConversationResult], agents: AgentLegs
    ) -> None:
        end = CallEnd(HangupBy.BOT, self._clock.now(), text="the call did not end when hung up")
        broken_off = not talking.done()
        try:
            async with asyncio.timeout(_HANGUP_S):
                await call.hangup()
                end = await call.ended()
        except Exception:
            log.exception("hangup_failed", attempt_id=claim.attempt_id)
        # Broken off, the conversation has a while to let the agent go, and to keep turns and recording.
        await asyncio.wait({talking}, timeout=_LAST_WORDS_S)
        await agents.aclose()
        result = await self._result(claim, talking)
        if result is not None and broken_off:
            result = _broken_off(result)
        await self._settle(claim, Settlement(answered_at=call.answered_at, end=end, result=result))

    async def _result(self, claim: Claim, talking: asyncio.Task[ConversationResult]) -> ConversationResult | None:
        """What the conversation left, None when it failed or does not end."""
        if not talking.done():
            log.error("conversation_overran", attempt_id=claim.attempt_id)
            talking.cancel()
            await asyncio.wait({talking})
        if talking.cancelled():
            return None
        if (failure := talking.exception()) is not None:
            log.error("conversation_failed", attempt_id=claim.attempt_id, exc_info=failure)
            return None
        return talking.result()

    def _agents(self, claim: Claim, notes: asyncio.TaskGroup) -> AgentLegs:
        spacing_s = claim.spacing_us / 1e6

        async def write_down(leg_id: str, target: Target) -> None:
            await self._ledger.agent_leg(claim.attempt_id, claim.fence, leg_id, target.name)

        async def turn() -> None:
            await self._gate.queue(claim.trunk, spacing_s)
            await self._gate.leave(claim.trunk, spacing_s)

        def on_began(_target: Target) -> None:
            notes.create_task(self._note(claim, AttemptPhase.TRANSFERRING, self._clock.now()))

        way = Way(self._dialers[claim.trunk], claim.caller_id, lambda number: self._format_number(claim.trunk, number))
        return AgentLegs(way, self._clock, write_down=write_down, turn=turn, on_began=on_began)

    def _job(self, claim: Claim, call: Call, agents: AgentLegs) -> Job:
        async def on_opt_out(opt_out: OptOut) -> None:
            await self._ledger.opt_out(claim.attempt_id, claim.fence, opt_out.evidence)

        amd = call.amd if isinstance(call, HasAmd) else None
        return Job(
            attempt_id=claim.attempt_id,
            variables=claim.script_variables,
            max_call_s=claim.max_call_s,
            on_opt_out=on_opt_out,
            time_zone=claim.time_zone,
            amd_status=amd[0] if amd else None,
            amd_cause=amd[1] if amd else None,
            agents=agents,
            max_transfer_s=self._transferred_s,
        )

    async def _note_end(self, claim: Claim, call: Call) -> None:
        end = await call.ended()
        await self._note(claim, AttemptPhase.WRAPUP, end.ended_at)

    async def _note(self, claim: Claim, phase: AttemptPhase, at: datetime) -> None:
        """Write a phase down; a phase that comes late, or twice, is no news."""
        try:
            await self._ledger.advance(claim.attempt_id, claim.fence, phase, at)
        except (IllegalMove, StaleFence) as exc:
            log.debug("phase_not_noted", attempt_id=claim.attempt_id, phase=phase.value, reason=str(exc))
        except Exception:
            # The settlement tells the same once more; a call is not ended for a missing note.
            log.exception("phase_not_noted", attempt_id=claim.attempt_id, phase=phase.value)
        else:
            self._say(claim, phase, at)

    async def _release(self, claim: Claim, reason: str) -> None:
        if claim.attempt_id not in self._disowned:
            moved = await self._ledger.release(claim.attempt_id, claim.fence, reason, unasked=True)
            self._say_ended(claim, moved)

    async def _settle(self, claim: Claim, facts: Settlement) -> None:
        if claim.attempt_id not in self._disowned:
            self._say_ended(claim, await self._settle_durably(claim, facts))

    async def _settle_durably(self, claim: Claim, facts: Settlement) -> Moved:
        try:
            return await self._settle_whenever(claim, facts)
        except StaleFence:
            raise
        except Exception:
            log.exception("settlement_unusable", attempt_id=claim.attempt_id)
        # What the conversation left cannot be stored: the contact must have an outcome all the same.
        return await self._settle_whenever(claim, replace(facts, result=None))

    async def _settle_whenever(self, claim: Claim, facts: Settlement) -> Moved:
        """Settle as soon as the database is there. Only we know what was said, so it is not given up before."""
        for wait_s in _waits():
            try:
                return await self._ledger.settle(claim.attempt_id, claim.fence, facts)
            except (OperationalError, InterfaceError, PoolTimeout) as exc:
                if _is_too_large(exc):
                    raise
                log.exception("settle_failed", attempt_id=claim.attempt_id, again_in_s=wait_s)
                await asyncio.sleep(wait_s)
        raise AssertionError("the waits never end")

    def _failed(self, text: str) -> NotAnswered:
        return NotAnswered(DialStatus.ERROR, self._clock.now(), text=text)

    def _say(self, claim: Claim, phase: AttemptPhase, at: datetime | None = None, **end: Any) -> None:
        self._tell(
            CallEvent(
                attempt_id=claim.attempt_id,
                campaign_id=claim.campaign_id,
                contact_id=claim.contact_id,
                name=claim.name,
                number=claim.number,
                phase=phase,
                at=at or self._clock.now(),
                **end,
            )
        )

    def _say_ended(self, claim: Claim, moved: Moved) -> None:
        assigned = moved.assigned
        self._say(
            claim,
            AttemptPhase.ENDED,
            code=assigned.code if assigned else None,
            call_status=assigned.call_status.value if assigned else None,
            contact_state=moved.contact_state,
        )
