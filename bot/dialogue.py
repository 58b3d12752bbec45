"""The conversation itself: what was heard goes to the script, what the script answers is said, played and waited on."""

from __future__ import annotations

import asyncio
import copy
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, assert_never

import structlog
from pipecat.frames.frames import Frame, VADUserStartedSpeakingFrame, VADUserStoppedSpeakingFrame
from pipecat.processors.frame_processor import FrameDirection, FrameProcessor

from bot.closing import closing_lines
from bot.events import Event, Failed, Machine, Pressed, Quiet, Silence, Spoken, StillSpeaking, TimeUp
from bot.frames import BeepFrame, HeardFrame, LineFrame, MonologueFrame, SpeechStartedFrame
from bot.outcome import EndedBy, Job, OptOut
from bot.script.hearing import model_of
from bot.script.interpreter import Interpreter
from bot.script.language import BuiltIn, Script
from bot.script.replies import CallBack, Effect, Line, Reply, SetCode, Wait
from bot.timings import BotTurn, CallTime, CustomerTurn, TurnLog

_log = structlog.get_logger(__name__)

#: A voice that begins this early is mostly the "Hello?" of picking up: it stops the greeting only when it lasts.
_PICK_UP_MS: Final = 1500
_PICK_UP_LASTS_MS: Final = 600
_ANSWERS_OF_A_PERSON: Final = 2


@dataclass
class Findings:
    """What the conversation has come to so far."""

    code: str | None = None
    callback: bool = False
    callback_at: datetime | None = None
    opted_out: bool = False
    voicemail: bool = False
    customer_spoke: bool = False
    error: str | None = None


class Dialogue(FrameProcessor):
    """Holds one conversation. Frames bring what the customer does; `converse` answers, one event after another.

    It is the `Playback` of the transport, and so knows what the customer has heard of each turn.
    """

    def __init__(
        self,
        *,
        script: Script,
        interpreter: Interpreter,
        job: Job,
        time: CallTime,
        is_machine: Callable[[str, int], bool],
    ) -> None:
        super().__init__()
        self.findings = Findings()
        self.log = TurnLog(time)
        self._script = script
        self._interpreter = interpreter
        self._before = interpreter
        self._findings_before = self.findings
        self._job = job
        self._time = time
        #: Told the words so far and how many ms they took.
        self._is_machine = is_machine
        self._answers = 0
        self._events: asyncio.Queue[Event] = asyncio.Queue()
        #: The last turn on its way to the customer, the one in their ear, and one that their voice cut off.
        self._turn: BotTurn | None = None
        self._playing: BotTurn | None = None
        self._cut: BotTurn | None = None
        self._wait: Wait | None = None
        #: The step that the customer answers now.
        self._step: str | None = None
        self._quiet_since = 0.0
        self._speech_at: float | None = None
        self._voice_on = False
        self._pick_up_until: float | None = None
        self._ending: EndedBy | None = None

    @property
    def suspicious(self) -> bool:
        """Whether an answering machine may still be on the line: its first sentence can look like an answer."""
        return self._answers < _ANSWERS_OF_A_PERSON

    @property
    def ending(self) -> EndedBy | None:
        """Who ends the call after the present words, None while nobody does."""
        return self._ending

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        """Take what was heard; pass on all else."""
        await super().process_frame(frame, direction)
        match frame:
            case SpeechStartedFrame():
                await self._speech_started(frame)
                await self.push_frame(frame, direction)
            case VADUserStartedSpeakingFrame() | VADUserStoppedSpeakingFrame():
                self._voice_on = isinstance(frame, VADUserStartedSpeakingFrame)
                await self._check_pick_up()
                await self.push_frame(frame, direction)
            case HeardFrame():
                self._events.put_nowait(Spoken(frame))
            case MonologueFrame():
                if self._sounds_recorded(frame):
                    self._events.put_nowait(Machine(frame))
            case BeepFrame():
                self._events.put_nowait(Machine(None))
            case _:
                await self.push_frame(frame, direction)

    def pressed(self, digit: str) -> None:
        """The customer pressed a key."""
        self._events.put_nowait(Pressed(digit))

    def failed(self, error: BaseException) -> None:
        """Something that the conversation needs does not work."""
        self._events.put_nowait(Failed(error))

    def time_up(self) -> None:
        """The call has lasted as long as it may."""
        self._events.put_nowait(TimeUp())

    def line_began(self, turn: BotTurn, line: int, at: float) -> None:
        """See `transport.Playback`."""
        self._playing = turn
        turn.line = line
        if turn.began_at is None:
            turn.began_at = at

    def line_ended(self, turn: BotTurn, line: int, at: float) -> None:
        """See `transport.Playback`."""
        turn.ended_at = at
        whole = line == len(turn.lines) - 1
        if whole or turn.interrupted:
            turn.interrupted = not whole
            self._stopped(turn, at)

    def silenced(self, at: float) -> None:
        """See `transport.Playback`."""
        turn = self._playing
        if turn is None:
            return
        if self._speech_at is not None:
            turn.stopped_after_ms = round((at - self._speech_at) * 1000)
        turn.ended_at = at
        self._stopped(turn, at)

    def _stopped(self, turn: BotTurn, at: float) -> None:
        if turn is self._playing:
            self._playing = None
        if turn is self._turn:
            self._turn = None
            self._quiet_since = at
            self._events.put_nowait(Quiet())

    async def converse(self) -> EndedBy:
        """Talk until either side is done; the bot's last word has then been heard."""
        self._quiet_since = self._time.now()
        await self._guarded(self._begin())
        while not self._done():
            await self._guarded(self._handle(await self._next_event()))
        await asyncio.sleep(max(0.0, self._quiet_since - self._time.now()))
        return self._ending or EndedBy.BOT

    async def last_words(self, frame: HeardFrame) -> None:
        """Take what the customer said just before hanging up: nothing can be answered, but it counts."""
        if not frame.text or self.findings.voicemail:
            return
        try:
            await self._apply(self._hear(frame).effects)
        except Exception as error:
            _log.exception("dialogue.last_words_failed", attempt=self._job.attempt_id)
            self.findings.error = self.findings.error or _describe(error)

    def _done(self) -> bool:
        return self._ending is not None and self._turn is None and self._cut is None

    async def _guarded(self, step: Coroutine[Any, Any, None]) -> None:
        try:
            await step
        except Exception as error:
            await self._fail(error)

    async def _next_event(self) -> Event:
        """The next event; `Silence` when the script's patience ends first."""
        if not self._events.empty() or self._wait is None or self._turn is not None or self._speech_at is not None:
            return await self._events.get()
        patience = self._quiet_since + self._wait.silence_ms / 1000 - self._time.now()
        try:
            return await asyncio.wait_for(self._events.get(), max(0.0, patience))
        except TimeoutError:
            return Silence()

    async def _begin(self) -> None:
        await self._act(self._interpreter.start(), None)

    async def _handle(self, event: Event) -> None:
        match event:
            case Spoken():
                await self._answer(event.frame)
            case Pressed():
                await self._answer_key(event.digit)
            case Silence():
                await self._act(self._interpreter.silent(), None)
            case StillSpeaking():
                await self._check_pick_up()
            case Machine():
                await self._leave_machine(event.frame)
            case TimeUp():
                await self._close(closing_lines(self._script.language).time_up, EndedBy.MAX_DURATION)
            case Failed():
                await self._fail(event.error)
            case Quiet():
                pass
            case _:
                assert_never(event)

    async def _speech_started(self, frame: SpeechStartedFrame) -> None:
        self._speech_at = frame.at
        turn = self._turn
        if turn is None or (turn.final and not frame.continues):
            return
        if turn is self.log.bot[0] and self._time.ms(frame.at) <= _PICK_UP_MS:
            self._pick_up_until = frame.at + _PICK_UP_LASTS_MS / 1000
            asyncio.get_running_loop().call_at(self._pick_up_until, self._events.put_nowait, StillSpeaking())
            return
        await self._interrupt(turn)

    async def _check_pick_up(self) -> None:
        """Stop the greeting once the voice that began with it is more than a "Hello?"."""
        until, turn = self._pick_up_until, self._turn
        if until is None or not self._voice_on or self._time.now() < until:
            return
        self._pick_up_until = None
        if turn is not None and turn is self.log.bot[0]:
            await self._interrupt(turn)

    async def _interrupt(self, turn: BotTurn) -> None:
        """Stop what may be stopped of `turn`; a line that must be heard goes on, the lines behind it do not."""
        turn.interrupted = True
        self._cut = turn
        await self.broadcast_interruption()  # type: ignore[no-untyped-call]
        if turn.began_at is None:
            self._stopped(turn, self._time.now())

    async def _answer(self, frame: HeardFrame) -> None:
        self._speech_at = self._pick_up_until = None
        self._quiet_since = max(self._quiet_since, self._time.now())
        if not frame.text:
            await self._resume()
            return
        if self._sounds_recorded(frame):
            await self._leave_machine(frame)
            return
        if self._turn is not None and self._turn is self.log.bot[0]:
            if self._is_hello(frame.text):
                self._note(frame, None)
                return
            await self._interrupt(self._turn)
        self._cut = None
        await self._act(self._hear(frame), frame.ended_at)

    def _hear(self, frame: HeardFrame) -> Reply:
        if frame.continues and not self.findings.opted_out:
            # The answer to the first half was wrong: as if it had never been given.
            self._interpreter, self.findings = self._before, self._findings_before
            del self.log.customer[-1:]
        self._before, self._findings_before = self._snapshot(), copy.copy(self.findings)
        reply = self._interpreter.heard(frame.text)
        self._note(frame, reply)
        intent = reply.understood.intent if reply.understood is not None else None
        if intent is not None and intent != BuiltIn.HELLO:
            self._answers += 1
        return reply

    def _snapshot(self) -> Interpreter:
        script = self._script
        shared = {id(part): part for part in (script, model_of(script), *script.steps.values())}
        return copy.deepcopy(self._interpreter, shared)

    def _is_hello(self, text: str) -> bool:
        intents = [intent for intent in BuiltIn if intent is not BuiltIn.OPT_OUT]
        understood = model_of(self._script).classify(text, intents, threshold=self._script.min_confidence)
        return understood.intent == BuiltIn.HELLO

    def _note(self, frame: HeardFrame | MonologueFrame, reply: Reply | None) -> None:
        self.findings.customer_spoke = True
        understood = reply.understood if reply is not None else None
        self.log.customer.append(
            CustomerTurn(
                started_at=frame.started_at,
                ended_at=frame.ended_at,
                text=frame.text,
                step=self._step,
                intent=understood.intent if understood is not None else None,
                confidence=understood.confidence if understood is not None else None,
                stt_ms=frame.stt_ms if isinstance(frame, HeardFrame) else None,
            )
        )

    async def _answer_key(self, digit: str) -> None:
        now = self._time.now()
        reply = self._interpreter.key(digit)
        self.findings.customer_spoke = True
        self._answers = _ANSWERS_OF_A_PERSON
        self.log.customer.append(CustomerTurn(now, now, digit, self._step, intent="key"))
        if self._turn is not None and not self._turn.final and (reply.lines or reply.wait is None):
            await self._interrupt(self._turn)
        self._cut = None
        await self._act(reply, None)

    def _sounds_recorded(self, frame: HeardFrame | MonologueFrame) -> bool:
        spoken_ms = self._time.ms(frame.ended_at) - self._time.ms(frame.started_at)
        return self.suspicious and self._is_machine(frame.text, spoken_ms)

    async def _leave_machine(self, frame: HeardFrame | MonologueFrame | None) -> None:
        if not self.suspicious or self._ending is not None:
            return
        if frame is not None:
            self._note(frame, None)
        self.findings.voicemail = True
        await self._close(None, EndedBy.BOT)

    async def _resume(self) -> None:
        """Nothing was said after all: say what the sound had cut off."""
        cut, self._cut = self._cut, None
        if cut is None or not cut.interrupted or self._turn not in (None, cut):
            return
        heard_whole = cut.began_at is not None and not cut.lines[cut.line].interruptible
        first = cut.line + 1 if heard_whole else cut.line
        cut.interrupted = False
        if first < len(cut.lines):
            await self._play(cut, first)

    async def _act(self, reply: Reply, answers: float | None) -> None:
        """Effects, then lines, then wait: in this order, since an opt-out is committed before the next word."""
        await self._apply(reply.effects)
        if self._ending not in (None, EndedBy.BOT):
            return
        self._wait, self._step = reply.wait, reply.step
        self._ending = EndedBy.BOT if reply.wait is None else None
        if reply.lines:
            await self._say(BotTurn(reply.lines, reply.step, answers, final=reply.wait is None))

    async def _apply(self, effects: Sequence[Effect]) -> None:
        for effect in effects:
            match effect:
                case SetCode():
                    self.findings.code = effect.code
                case CallBack():
                    self.findings.callback, self.findings.callback_at = True, effect.at
                case OptOut():
                    self.findings.opted_out = True
                    await self._opt_out(effect)
                case _:
                    assert_never(effect)

    async def _opt_out(self, effect: OptOut) -> None:
        commit = asyncio.ensure_future(self._job.on_opt_out(effect))
        try:
            await asyncio.shield(commit)
        except asyncio.CancelledError:
            await commit
            raise

    async def _say(self, turn: BotTurn) -> None:
        self.log.bot.append(turn)
        if self._speech_at is not None and not turn.final:
            # The customer has gone on speaking: what they say decides, or silence brings the turn back.
            turn.interrupted = True
            self._cut = turn
            return
        await self._play(turn, 0)

    async def _play(self, turn: BotTurn, first: int) -> None:
        self._turn, self._cut = turn, None
        for at in range(first, len(turn.lines)):
            line = turn.lines[at]
            frame = LineFrame(text=line.text, turn=turn, line=at, last=at == len(turn.lines) - 1)
            frame.interruptible = line.interruptible
            await self.push_frame(frame)

    async def _close(self, text: str | None, ended_by: EndedBy) -> None:
        """Stop whatever is being said, say one last line and end the call."""
        if self._ending is not None and self._ending is not EndedBy.BOT:
            return
        if self._turn is not None:
            await self._interrupt(self._turn)
        self._turn, self._cut, self._wait, self._ending = None, None, None, ended_by
        if text is not None:
            await self._say(BotTurn([Line(text, interruptible=False)], None, final=True))

    async def _fail(self, error: BaseException) -> None:
        _log.error("dialogue.failed", attempt=self._job.attempt_id, error=_describe(error), exc_info=error)
        first = self.findings.error is None
        self.findings.error = self.findings.error or _describe(error)
        if not first:
            self._turn, self._cut, self._ending = None, None, EndedBy.ERROR
            return
        # After a failed opt-out no word may follow.
        silent = self.findings.opted_out
        await self._close(None if silent else closing_lines(self._script.language).sorry, EndedBy.ERROR)
        self._ending = EndedBy.ERROR


def _describe(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
