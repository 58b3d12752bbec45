"""Puts the customer of one conversation through to agents, by either way of `telephony.transfer`."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from typing import Final, Protocol, TypeVar, assert_never

import structlog

from bot.committing import describe
from bot.events import Event, NotJoined, Parted
from bot.outcome import EndedBy, Job, Transferred
from bot.relay import CustomerAudio, Relay, tell
from bot.ringback import Ringback
from bot.script.replies import Transfer, Wait
from bot.speech.sound import from_pcm, resample, silence, to_pcm
from bot.speech.speaking import PAUSE_MS, Speaker
from bot.timings import CallTime, lasted_ms
from telephony.call import Call, CallEnd, NotAnswered
from telephony.errors import MediaClosed
from telephony.outcomes import HangupBy
from telephony.transfer import HandsOver, TransferBy

_log = structlog.get_logger(__name__)
_T = TypeVar("_T")

#: A network that tells nothing of the agent's leg for so long after its time to ring has lost it.
_LOST_AFTER_S: Final = 20.0
#: How long an agent who has picked up waits for the sound of the whisper.
_WHISPER_S: Final = 4.0
_HANGUP_S: Final = 5.0


class Whisperer:
    """The bot's voice in an agent's ear."""

    def __init__(self, speaker: Speaker, *, rate_hz: int, speed: float) -> None:
        self._speaker = speaker
        self._rate_hz = rate_hz
        self._speed = speed

    async def sound(self, lines: tuple[str, ...]) -> bytes:
        """PCM of sentences, at the rate of the customer's call: the one that the phrase cache holds."""
        parts = [await self._speaker.synthesise(one, rate_hz=self._rate_hz, speed=self._speed) for one in lines]
        return silence(PAUSE_MS, self._rate_hz).join(parts)

    def at(self, pcm: bytes, rate_hz: int) -> bytes:
        """`pcm` at the rate of the agent's call."""
        return to_pcm(resample(from_pcm(pcm), self._rate_hz, rate_hz)) if rate_hz != self._rate_hz else pcm


class Audio(CustomerAudio, Protocol):
    """The customer's sound while nobody and nothing else uses it."""

    def hush(self) -> None:
        """Discard what was played and not yet heard."""
        ...


class Switchboard:
    """One transfer at a time; `on_event` is told how each went, unless it was dropped. Close it after use."""

    def __init__(
        self,
        call: Call,
        job: Job,
        audio: Audio,
        whisperer: Whisperer,
        *,
        language: str,
        time: CallTime,
        on_event: Callable[[Event], None],
    ) -> None:
        self.call = call
        self.job = job
        self.audio = audio
        self.whisperer = whisperer
        self.language = language
        self.time = time
        #: Set once customer and agent talk; nothing is dropped from then on.
        self.joined = asyncio.Event()
        self._on_event = on_event
        self._under_way: _PuttingThrough | None = None
        self._last: _PuttingThrough | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    def put_through(self, wanted: Transfer, asked_at: float) -> None:
        """Begin; does nothing when this very transfer is under way. Times are seconds of the loop's clock."""
        if self._under_way is not None:
            return
        self._last = self._under_way = one = _PuttingThrough(self, wanted, asked_at)
        task = asyncio.create_task(self._run(one), name="transfer")
        one.task = task
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def is_calling(self, wanted: Transfer) -> bool:
        """Whether this very transfer is under way."""
        return self._under_way is not None and self._under_way.transfer == wanted

    def drop_unless(self, wanted: Wait | Transfer | None) -> None:
        """Stop the ringing and call the agent off, unless `wanted` is what is under way or agent and customer talk."""
        one = self._under_way
        if one is None or one.transfer == wanted or self.joined.is_set():
            return
        self._under_way = None
        one.drop()

    def is_over(self, event: NotJoined) -> bool:
        """Whether `event` tells of the transfer under way, which is then no longer so."""
        if event.attempt is not self._under_way:
            return False
        self._under_way = None
        return True

    def key(self, digit: str) -> None:
        """Pass a key of the customer's on to the agent."""
        if self._under_way is not None:
            self._under_way.key(digit)

    def cancel(self) -> None:
        """The call is over: end every leg of ours."""
        for task in self._tasks:
            task.cancel()

    async def aclose(self) -> None:
        """End every leg of ours and wait for it. Idempotent."""
        self.cancel()
        if self._tasks:
            await asyncio.wait(set(self._tasks))

    def transferred(self, end: CallEnd | None) -> Transferred | None:
        """How the last transfer went, None without any; `end` is the customer's."""
        return None if self._last is None else self._last.result(end)

    async def _run(self, one: _PuttingThrough) -> None:
        try:
            await one.run()
        except Exception as error:
            _log.exception("transfer.failed", attempt=self.job.attempt_id, target=one.transfer.target.name)
            one.text = describe(error)
        self._on_event(NotJoined(one, one.kept) if one.joined_at is None else Parted(one.ended_by))


class _PuttingThrough:
    """One transfer from the last word of the bot to its end."""

    def __init__(self, board: Switchboard, transfer: Transfer, asked_at: float) -> None:
        self.transfer = transfer
        self.task: asyncio.Task[None] | None = None
        self.kept = True
        self.text: str | None = None
        self.joined_at: float | None = None
        self.ended_by = EndedBy.CUSTOMER
        self._board = board
        self._asked_at = asked_at
        self._agent_ms = 0
        self._by_agent = False
        self._relay: Relay | None = None
        self._ringing: asyncio.Task[None] | None = None

    async def run(self) -> None:
        """Call the agent, join both and wait for the end; nobody is left in a call when it returns or is cancelled."""
        target, agents = self.transfer.target, self._board.job.agents
        await asyncio.sleep(max(0.0, self._asked_at - self._board.time.now()))
        _log.info("transfer.began", attempt=self._board.job.attempt_id, target=target.name, by=target.by)
        if agents is None:
            self.text = "Calls of this trunk cannot be transferred"
            return
        agents.began(target)
        self._ringing = ringing = asyncio.create_task(self._ring(), name="ringback")
        try:
            match target.by:
                case TransferBy.SECOND_LEG:
                    await self._second_leg()
                case TransferBy.HAND_OVER:
                    await self._hand_over()
                case _:
                    assert_never(target.by)
        finally:
            self._stop_ringing()
            await asyncio.wait({ringing})
            self._log_end()

    def drop(self) -> None:
        """Call the agent off; the customer hears no more ringing from now on."""
        self._stop_ringing()
        if self.task is not None:
            self.task.cancel()

    def key(self, digit: str) -> None:
        """Press a key in the customer's place."""
        if self._relay is not None:
            self._relay.key(digit)

    def result(self, end: CallEnd | None) -> Transferred:
        """How it went, `end` being the end of the customer's call."""
        time, target = self._board.time, self.transfer.target
        handed = target.by is TransferBy.HAND_OVER and self.joined_at is not None
        return Transferred(
            target=target.name,
            number=target.number,
            by=target.by,
            asked_ms=time.ms(self._asked_at),
            joined_ms=None if self.joined_at is None else time.ms(self.joined_at),
            agent_ms=self._agent_ms,
            ended_by_agent=end is not None and end.hangup_by is HangupBy.AGENT if handed else self._by_agent,
            text=self.text,
        )

    async def _ring(self) -> None:
        tone = Ringback(self._board.language, self._board.audio.rate_hz)
        with contextlib.suppress(MediaClosed):
            while True:
                await self._board.audio.play(tone.frame())

    def _stop_ringing(self) -> None:
        ringing, self._ringing = self._ringing, None
        if ringing is not None:
            ringing.cancel()
            with contextlib.suppress(MediaClosed):
                self._board.audio.hush()

    async def _second_leg(self) -> None:
        whisper = asyncio.create_task(self._board.whisperer.sound(self.transfer.whisper), name="whisper")
        try:
            agent = await self._dial()
            if agent is not None:
                await self._with(agent, whisper)
        finally:
            whisper.cancel()
            await asyncio.gather(whisper, return_exceptions=True)

    async def _dial(self) -> Call | None:
        agents, target = self._board.job.agents, self.transfer.target
        assert agents is not None
        try:
            async with asyncio.timeout(target.ring_s + _LOST_AFTER_S):
                answer = await agents.dial(target)
        except TimeoutError:
            self.text = "The network told nothing of the agent's call"
            return None
        if isinstance(answer, NotAnswered):
            self.text = answer.text
            return None
        return answer

    async def _with(self, agent: Call, whisper: asyncio.Task[bytes]) -> None:
        """What happens in a call that an agent has answered."""
        answered_at = self._board.time.now()
        try:
            pcm = await self._whisper(whisper)
            if not pcm or await tell(agent.media, self._board.whisperer.at(pcm, agent.media.rate_hz)):
                await self._join(Relay(self._board.audio, agent))
        finally:
            release = asyncio.create_task(self._release(agent, answered_at), name="agent's end")
            await _outlasting_cancellation(release)

    async def _whisper(self, sound: asyncio.Task[bytes]) -> bytes:
        """The agent is joined without a word rather than lost."""
        try:
            async with asyncio.timeout(_WHISPER_S):
                return await asyncio.shield(sound)
        except Exception as error:
            _log.warning("transfer.no_whisper", attempt=self._board.job.attempt_id, error=describe(error))
            return b""

    async def _join(self, relay: Relay) -> None:
        self._stop_ringing()
        self._relay = relay
        try:
            await self._joined(relay.run(self._board.call.ended()))
        finally:
            self._by_agent = relay.left_by_agent
            _log.info("transfer.parted", attempt=self._board.job.attempt_id, dropped_ms=relay.dropped_ms)

    async def _joined(self, parting: Awaitable[_T]) -> _T | None:
        """Wait for the end of what is joined now, at most for the longest transfer: then None."""
        self.joined_at = self._board.time.now()
        self._board.joined.set()
        try:
            async with asyncio.timeout(self._board.job.max_transfer_s):
                return await parting
        except TimeoutError:
            self.ended_by = EndedBy.MAX_DURATION
            return None

    async def _release(self, agent: Call, answered_at: float) -> None:
        end: CallEnd | None = None
        try:
            async with asyncio.timeout(_HANGUP_S):
                await agent.hangup()
                end = await agent.ended()
        except Exception as error:
            _log.warning("transfer.end_unknown", attempt=self._board.job.attempt_id, error=describe(error))
        by_loop_ms = round((self._board.time.now() - answered_at) * 1000)
        self._agent_ms = by_loop_ms if end is None else lasted_ms(agent.answered_at, end.ended_at, by_loop_ms)
        self.text = None if end is None else end.text
        if self._by_agent:
            self.ended_by = EndedBy.BOT

    async def _hand_over(self) -> None:
        call, target = self._board.call, self.transfer.target
        if not isinstance(call, HandsOver):
            self.text = "Calls of this trunk cannot be handed over"
            return
        try:
            async with asyncio.timeout(target.ring_s + _LOST_AFTER_S):
                done = await call.hand_over(target)
        except TimeoutError:
            self.text = "The network told nothing of the transfer"
            return
        self.text = done.text
        if done.answered:
            self._stop_ringing()
            end = await self._joined(call.ended())
            if end is not None and end.hangup_by in (HangupBy.AGENT, HangupBy.BOT):
                self.ended_by = EndedBy.BOT
        else:
            self.kept = done.kept

    def _log_end(self) -> None:
        result = self.result(None)
        _log.info(
            "transfer.ended",
            attempt=self._board.job.attempt_id,
            target=result.target,
            joined=result.joined_ms is not None,
            text=result.text,
        )


async def _outlasting_cancellation(task: asyncio.Task[None]) -> None:
    try:
        await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait({task})
        raise
