"""The conversation itself: what was heard goes to the script, what the script answers is said and waited on."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Sequence
from typing import Any, Final, assert_never

import structlog
from pipecat.frames.frames import Frame, VADUserStartedSpeakingFrame, VADUserStoppedSpeakingFrame
from pipecat.processors.frame_processor import FrameDirection, FrameProcessor

from bot.answers import Answers, Findings
from bot.closing import ClosingLines
from bot.committing import Committing, describe
from bot.events import (
    Beeped,
    Event,
    Failed,
    Machine,
    NotJoined,
    Parted,
    Pressed,
    Quiet,
    Silence,
    Spoken,
    StillSpeaking,
    TimeUp,
)
from bot.frames import BeepFrame, HeardFrame, MonologueFrame, SpeechStartedFrame
from bot.leaving import LeftMessage
from bot.outcome import EndedBy, Job, OptOut
from bot.saying import Saying
from bot.script.language import MachinePolicy
from bot.script.replies import CallBack, Effect, Line, Reply, SetCode, Transfer, Wait
from bot.timings import BotTurn, CallTime, TurnLog
from bot.transferring import Switchboard
from bot.understanding.optout import is_opt_out
from bot.who_answered import Answerer, Supervisor

_log = structlog.get_logger(__name__)

#: Who answers greets within this time; later words answer the bot.
_GREETING_MS: Final = 5000


class Dialogue(FrameProcessor):
    """Holds one conversation. Frames bring what the customer does; `converse` answers, one event after another."""

    def __init__(self, answers: Answers, job: Job, time: CallTime, closing: ClosingLines) -> None:
        super().__init__()
        #: Who ends the call after the present words, None while nobody does.
        self.ending: EndedBy | None = None
        self._answers = answers
        self._job = job
        self._time = time
        self._closing = closing
        self._events: asyncio.Queue[Event] = asyncio.Queue()
        self._saying = Saying(self, answers.log, self.tell)
        self.floor = self._saying.floor
        self._wait: Wait | Transfer | None = None
        self._committing = Committing(job)
        #: Set before `converse`.
        self.switchboard: Switchboard
        #: What was begun to say before was said into the ringing.
        self._rang_until = 0.0
        #: A message for a machine, from the verdict until it is said.
        self._message: LeftMessage | None = None
        self._introduced = False

    @property
    def findings(self) -> Findings:
        """What the conversation has come to so far."""
        return self._answers.findings

    @property
    def log(self) -> TurnLog:
        """The turns so far."""
        return self._answers.log

    @property
    def suspicious(self) -> bool:
        """Whether a machine may still be on the line."""
        return self._answers.suspicious

    @property
    def curious(self) -> bool:
        """Whether what is said now may be the greeting of whoever answered."""
        return self._answers.rule is None and self._time.ms(self._time.now()) < _GREETING_MS

    @property
    def supervisor(self) -> Supervisor:
        """Who answered."""
        return self._answers.supervisor

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        """Take what was heard; pass on all else."""
        await super().process_frame(frame, direction)
        match frame:
            case HeardFrame():
                self._events.put_nowait(Spoken(frame))
                return
            case MonologueFrame():
                if self._answers.sounds_recorded(frame):
                    self._events.put_nowait(Machine(frame))
                return
            case BeepFrame():
                if self._answers.tone(frame):
                    self._events.put_nowait(Machine(None))
                if frame.beep is not None and self.supervisor.is_beep(frame.beep):
                    self._events.put_nowait(Beeped())
                return
            case SpeechStartedFrame():
                await self._saying.speech_started(frame)
            case VADUserStartedSpeakingFrame() | VADUserStoppedSpeakingFrame():
                await self._saying.voice(frame)
        await self.push_frame(frame, direction)

    def tell(self, event: Event) -> None:
        """Something has happened that the conversation reacts to, after what happened before."""
        self._events.put_nowait(event)

    def pressed(self, digit: str) -> None:
        """The customer pressed a key."""
        if self.switchboard.joined.is_set():
            self.switchboard.key(digit)
        else:
            self.tell(Pressed(digit))

    def failed(self, error: BaseException) -> None:
        """Something that the conversation needs does not work."""
        self.tell(Failed(error))

    async def converse(self) -> EndedBy:
        """Talk until either side is done; the bot's last word has then been heard."""
        self.floor.quiet_since = self._time.now()
        await self._guarded(self._begin() if self._answers.rule is None else self._meet_machine(None))
        self._put_through_when_quiet()
        while self.ending is None or self.floor.turn is not None or self.floor.cut is not None:
            event = await self._next_event()
            await self._guarded(self._overhear(event) if self.switchboard.joined.is_set() else self._handle(event))
            self._put_through_when_quiet()
        await asyncio.sleep(max(0.0, self.floor.quiet_since - self._time.now()))
        return self.ending

    async def last_words(self, frame: HeardFrame) -> None:
        """Take what the customer said just before hanging up: nothing can be answered, but it counts."""
        frame.taken = True
        if not frame.text or self.findings.voicemail:
            return
        # Said to an agent already, it does not change what led to them.
        frame.continues = frame.continues and not self.switchboard.joined.is_set()
        try:
            await self._apply(self._answers.heard(frame).effects)
        except Exception as error:
            _log.exception("dialogue.last_words_failed", attempt=self._job.attempt_id)
            self.findings.error = self.findings.error or describe(error)

    async def committed(self) -> None:
        """Wait for an opt-out that is still being committed, but not for long."""
        await self._committing.finish()

    async def _guarded(self, step: Coroutine[Any, Any, None]) -> None:
        try:
            await step
        except Exception as error:
            await self._fail(error)

    async def _next_event(self) -> Event:
        """The next event; `Silence` when the script's patience ends first."""
        floor, wait = self.floor, self._wait
        talking = floor.turn is not None or floor.speech_at is not None
        if not isinstance(wait, Wait) or talking or not self._events.empty():
            return await self._events.get()
        patience_s = floor.quiet_since + wait.silence_ms / 1000 - self._time.now()
        try:
            return await asyncio.wait_for(self._events.get(), max(0.0, patience_s))
        except TimeoutError:
            # Somebody may have begun to speak meanwhile, which is no event.
            return Silence() if floor.speech_at is None else Quiet()

    async def _begin(self) -> None:
        await self._act(self._answers.start())

    async def _handle(self, event: Event) -> None:
        match event:
            case Spoken():
                await self._answer(event.frame)
            case Pressed():
                await self._answer_key(event.digit)
            case Silence():
                await (self._act(self._answers.silent()) if self._message is None else self._say_message())
            case Beeped():
                if self._message is not None:
                    await self._say_message()
            case StillSpeaking():
                await self._saying.check_pick_up()
            case Machine():
                await self._meet_machine(event.frame)
            case TimeUp():
                await self._close(self._closing.time_up, EndedBy.MAX_DURATION)
            case Failed():
                await self._fail(event.error)
            case NotJoined():
                await self._go_on_alone(event)
            case Quiet() | Parted():
                pass
            case _:
                assert_never(event)

    async def _overhear(self, event: Event) -> None:
        """Customer and agent talk: nothing is answered, and only their end ends the call."""
        match event:
            case Parted():
                self.ending, self._wait = event.ended_by, None
                self.floor.clear()
            case Spoken():
                await self.last_words(event.frame)
            case Failed():
                _log.error("dialogue.failed", attempt=self._job.attempt_id, error=describe(event.error))

    def _put_through_when_quiet(self) -> None:
        """Begin the transfer that the script has come to, once the words before it are said."""
        wanted, floor = self._wait, self.floor
        if isinstance(wanted, Transfer) and self.ending is None and floor.turn is None and floor.cut is None:
            self._answers.put_through()
            self.switchboard.put_through(wanted, max(floor.quiet_since, self._time.now()))

    async def _go_on_alone(self, event: NotJoined) -> None:
        """No agent took the customer: go on where the script says, or close."""
        if not self.switchboard.is_over(event) or not isinstance(self._wait, Transfer):
            return
        self._rang_until = self.floor.quiet_since = self._time.now()
        if not event.kept:
            self._wait, self.ending = None, EndedBy.CUSTOMER
        elif self._wait.otherwise is None:
            await self._close(self._closing.nobody_free, EndedBy.BOT)
        else:
            await self._act(self._answers.not_joined())

    async def _answer(self, frame: HeardFrame) -> None:
        self._saying.speech_over()
        if self._message is not None and not self._is_person(frame):
            await self._listen_to_machine(frame)
        elif not frame.text:
            await self._saying.go_on()
        elif frame.started_at < self._rang_until and not is_opt_out(frame.text):
            self._note_heard(frame)
            await self._saying.go_on()
        elif self._answers.sounds_recorded(frame):
            await self._meet_machine(frame)
        elif self._saying.greeting is not None and self._answers.is_hello(frame.text):
            self._note_heard(frame)
        else:
            greeting = self._saying.greeting
            if greeting is not None and not greeting.final:
                await self._saying.interrupt()
            self.floor.cut, frame.taken = None, True
            await self._act(self._answers.heard(frame), answers=frame.ended_at)

    async def _answer_key(self, digit: str) -> None:
        if isinstance(self._wait, Transfer):
            return
        reply = self._answers.key(digit, self._time.now())
        turn = self.floor.turn
        if turn is not None and not turn.final and (reply.lines or reply.wait is None):
            await self._saying.interrupt()
        self.floor.cut = None
        await self._act(reply)

    async def _meet_machine(self, frame: HeardFrame | MonologueFrame | None) -> None:
        rule = self._answers.rule
        if rule is None or not self._answers.suspicious or self.ending is not None or self._message is not None:
            return
        if self.supervisor.answerer is Answerer.SCREENING and rule.message is not None:
            if isinstance(frame, HeardFrame):
                await self._introduce(frame, rule.message)
            return
        self._note_heard(frame)
        self.findings.voicemail = True
        if rule.policy is not MachinePolicy.MESSAGE or rule.message is None:
            await self._close(None, EndedBy.BOT)
            return
        await self._saying.interrupt()
        self.floor.clear()
        self._message = LeftMessage(self._answers.message(rule.message), since=self._time.now())
        self._wait = Wait(self._message.no_beep_ms)

    def _note_heard(self, frame: HeardFrame | MonologueFrame | None) -> None:
        if frame is not None:
            self._answers.note(frame)
        if isinstance(frame, HeardFrame):
            frame.taken = True

    async def _introduce(self, frame: HeardFrame, message: str) -> None:
        """Tell a screener once who calls and why, and go on with whoever comes."""
        self._note_heard(frame)
        await self._saying.interrupt()
        self.floor.cut = None
        if not self._introduced:
            self._introduced = True
            await self._saying.say(BotTurn(self._answers.message(message), self._answers.step))

    def _is_person(self, frame: HeardFrame) -> bool:
        """Whether these cannot be the words of the machine that is to take a message."""
        if not is_opt_out(frame.text):
            return False
        self._message, self.findings.voicemail = None, False
        return True

    async def _listen_to_machine(self, frame: HeardFrame) -> None:
        message = self._message
        assert message is not None
        if frame.text:
            self._note_heard(frame)
        frame.taken = True
        if message.overdue(self._time.now()):
            await self._close(None, EndedBy.BOT)

    async def _say_message(self) -> None:
        """Speak after the beep, or when the machine has been quiet for long without one; then hang up."""
        message, self._message = self._message, None
        assert message is not None
        self._wait, self.ending = None, EndedBy.BOT
        await self._saying.say(BotTurn(message.lines, None, final=True))

    async def _act(self, reply: Reply, *, answers: float | None = None) -> None:
        """Effects, then lines, then wait: in this order, since an opt-out is committed before the next word."""
        await self._apply(reply.effects)
        if self._committing.pending or self.ending not in (None, EndedBy.BOT):
            return
        goes_on = isinstance(reply.wait, Transfer) and self.switchboard.is_calling(reply.wait)
        self._wait, self._answers.step = reply.wait, reply.step
        self.switchboard.drop_unless(reply.wait)
        self.ending = EndedBy.BOT if reply.wait is None else None
        if reply.lines and not goes_on:
            final = not isinstance(reply.wait, Wait)
            await self._saying.say(BotTurn(reply.lines, reply.step, answers, final=final))

    async def _apply(self, effects: Sequence[Effect]) -> None:
        for effect in effects:
            match effect:
                case SetCode():
                    self.findings.code = effect.code
                case CallBack():
                    self.findings.callback, self.findings.callback_at = True, effect.at
                case OptOut():
                    await self._opt_out(effect)
                case _:
                    assert_never(effect)

    async def _opt_out(self, effect: OptOut) -> None:
        self.findings.opted_out = True
        # No agent may pick up while it is being committed.
        self.switchboard.drop_unless(None)
        self.supervisor.answered("wants no more calls", now_ms=self._time.ms(self._time.now()))
        if not await self._committing.begin(effect):
            # No word may follow, and silence must not go on: the call ends, and the result tells of the opt-out.
            await self._close(None, EndedBy.BOT)

    async def _close(self, text: str | None, ended_by: EndedBy) -> None:
        """Stop whatever is being said, say one last line and end the call."""
        if self.ending not in (None, EndedBy.BOT) or self.switchboard.joined.is_set():
            return
        await self._saying.interrupt()
        self.floor.clear()
        self._wait, self.ending = None, ended_by
        self.switchboard.drop_unless(None)
        if text is not None:
            await self._saying.say(BotTurn([Line(text, interruptible=False)], None, final=True))

    async def _fail(self, error: BaseException) -> None:
        _log.error("dialogue.failed", attempt=self._job.attempt_id, error=describe(error), exc_info=error)
        again = self.findings.error is not None or self.ending is EndedBy.MAX_DURATION
        self.findings.error = self.findings.error or describe(error)
        if again:
            self.floor.clear()
        else:
            # No word may follow an opt-out that is not committed.
            await self._close(None if self._committing.pending else self._closing.sorry, EndedBy.ERROR)
        self.ending = EndedBy.ERROR
