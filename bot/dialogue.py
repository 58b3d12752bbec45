"""The conversation itself: what was heard goes to the script, what the script answers is said and waited on."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, Final, assert_never

import structlog
from pipecat.frames.frames import Frame, VADUserStartedSpeakingFrame, VADUserStoppedSpeakingFrame
from pipecat.processors.frame_processor import FrameDirection, FrameProcessor

from bot.answers import Answers, Findings
from bot.closing import ClosingLines
from bot.committing import describe
from bot.course import Course
from bot.errands import Errands, Outside, Spent
from bot.events import (
    Answered,
    Beeped,
    Event,
    Failed,
    Fetched,
    Machine,
    NotJoined,
    Parted,
    Pressed,
    Quiet,
    Sentence,
    Silence,
    Spoken,
    StillSpeaking,
    TimeUp,
)
from bot.frames import BeepFrame, HeardFrame, MonologueFrame, SpeechStartedFrame
from bot.machine_talk import MachineTalk
from bot.meanwhile import Meanwhile
from bot.outcome import EndedBy, Job, LlmUsage
from bot.patience import Words
from bot.saying import Saying
from bot.script.replies import Transfer, Wait
from bot.speech.listening import Heard
from bot.timings import BotTurn, CallTime, TurnLog
from bot.transferring import Switchboard
from bot.understanding.optout import is_opt_out
from bot.who_answered import Supervisor

_log = structlog.get_logger(__name__)

#: Who answers greets within this time; later words answer the bot.
_GREETING_MS: Final = 5000
#: Who says more than a "yeah, okay" into the bot's words speaks longer.
_BACK_CHANNEL_S: Final = 1.2
#: Nor does a hum that recognition made a word of last so long.
_HUM_S: Final = 0.8


class Dialogue(FrameProcessor):
    """Holds one conversation. Frames bring what the customer does; `converse` answers, one event after another."""

    def __init__(
        self, answers: Answers, job: Job, time: CallTime, closing: ClosingLines, outside: Outside | None = None
    ) -> None:
        super().__init__()
        self._answers = answers
        self._job = job
        self._time = time
        self._events: asyncio.Queue[Event] = asyncio.Queue()
        self._saying = Saying(self, answers.log, self.tell)
        if job.watch is not None:
            job.watch(answers.log)
        self.floor = self._saying.floor
        self._course = Course(answers, job, self._saying, closing)
        self._spent = Spent()
        self._course.errands = Errands(
            outside or Outside(), self.tell, attempt_id=job.attempt_id, spent=self._spent.add
        )
        self._machines = MachineTalk(self._course, answers, self._saying)
        self._meanwhile = Meanwhile(self._course, answers, self._saying)
        #: What was begun to say before was said into the ringing.
        self._rang_until = 0.0

    @property
    def switchboard(self) -> Switchboard:
        """The way to agents; set before `converse`."""
        return self._course.switchboard

    @switchboard.setter
    def switchboard(self, board: Switchboard) -> None:
        self._course.switchboard = board

    @property
    def ending(self) -> EndedBy | None:
        """Who ends the call after the present words, None while nobody does."""
        return self._course.ending

    @property
    def findings(self) -> Findings:
        """What the conversation has come to so far."""
        return self._answers.findings

    @property
    def llm_usage(self) -> tuple[LlmUsage, ...]:
        """What language models have used."""
        return self._spent.usage()

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
    def patience_ms(self) -> int | None:
        """Silence that ends an answer to the present step, None for the usual."""
        wait = self._course.wait
        return wait.patience_ms if isinstance(wait, Wait) else None

    def judge(self, heard: Heard) -> Words:
        """What the customer's words so far tell of the end of their turn."""
        turn, answers = self._overlaid, self._answers
        if turn is not None and answers.is_back_channel(heard.text, turn):
            return Words.WHOLE
        if turn is not None and answers.is_hum(heard.text, heard.confidence, turn):
            return Words.BRIEF
        return answers.judge(heard.text)

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
        await self._guarded(self._begin() if self._answers.rule is None else self._machines.meet(None))
        await self._guarded(self._go_on())
        while self.ending is None or self.floor.turn is not None or self.floor.cut is not None:
            event = await self._next_event()
            await self._guarded(self._overhear(event) if self.switchboard.joined.is_set() else self._handle(event))
            await self._guarded(self._go_on())
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
            await self._course.apply(self._answers.heard(frame).effects)
        except Exception as error:
            await self._course.keep(error)
            self._note_failure(error)

    async def committed(self) -> None:
        """Wait for an opt-out that is still being committed, but not for long."""
        await self._course.committed()

    def drop_errands(self) -> None:
        """The call is over: nobody outside is asked any more."""
        self._course.errands.drop()

    async def aclose(self) -> None:
        """End the errands, and wait for that. Idempotent."""
        await self._course.errands.aclose()
        try:
            await self._meanwhile.close()
        except Exception as error:
            await self._course.keep(error)
            self._note_failure(error)

    def _note_failure(self, error: Exception) -> None:
        _log.error("dialogue.last_words_failed", attempt=self._job.attempt_id, exc_info=error)
        self.findings.error = self.findings.error or describe(error)

    async def _guarded(self, step: Coroutine[Any, Any, None]) -> None:
        try:
            await step
        except Exception as error:
            await self._course.fail(error)

    async def _next_event(self) -> Event:
        """The next event; `Silence` when the script's patience ends first."""
        floor, wait = self.floor, self._course.wait
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
        await self._course.act(self._answers.start())

    async def _go_on(self) -> None:
        """What had to wait for the end of words: an errand's result, and a transfer."""
        if self.ending is None:
            await self._meanwhile.go_on()
        self._put_through_when_quiet()

    async def _handle(self, event: Event) -> None:
        match event:
            case Spoken():
                await self._answer(event.frame)
            case Pressed():
                await self._answer_key(event.digit)
            case Silence():
                await (self._machines.say() if self._machines.waits else self._course.act(self._answers.silent()))
            case Beeped():
                await self._machines.say()
            case StillSpeaking():
                await self._saying.check_pick_up()
            case Machine():
                await self._machines.meet(event.frame)
            case TimeUp():
                await self._course.close(self._course.closing.time_up, EndedBy.MAX_DURATION)
            case Failed():
                await self._course.fail(event.error)
            case NotJoined():
                await self._go_on_alone(event)
            case Fetched() | Sentence() | Answered():
                self._meanwhile.told(event)
            case Quiet() | Parted():
                pass
            case _:
                assert_never(event)

    async def _overhear(self, event: Event) -> None:
        """Customer and agent talk: nothing is answered, and only their end ends the call."""
        match event:
            case Parted():
                self._course.ending, self._course.wait = event.ended_by, None
                self.floor.clear()
            case Spoken():
                await self.last_words(event.frame)
            case Failed():
                _log.error("dialogue.failed", attempt=self._job.attempt_id, error=describe(event.error))

    def _put_through_when_quiet(self) -> None:
        """Begin the transfer that the script has come to, once the words before it are said."""
        wanted, floor = self._course.wait, self.floor
        if isinstance(wanted, Transfer) and self.ending is None and floor.turn is None and floor.cut is None:
            self._answers.put_through()
            self.switchboard.put_through(wanted, max(floor.quiet_since, self._time.now()))

    async def _go_on_alone(self, event: NotJoined) -> None:
        """No agent took the customer: go on where the script says, or close."""
        wanted = self._course.wait
        if not self.switchboard.is_over(event) or not isinstance(wanted, Transfer):
            return
        self._rang_until = self.floor.quiet_since = self._time.now()
        if not event.kept:
            self._course.wait, self._course.ending = None, EndedBy.CUSTOMER
        elif wanted.otherwise is None:
            await self._course.close(self._course.closing.nobody_free, EndedBy.BOT)
        else:
            await self._course.act(self._answers.not_joined())

    async def _answer(self, frame: HeardFrame) -> None:
        self._saying.speech_over()
        if self._machines.waits and not self._machines.is_person(frame):
            await self._machines.listen(frame)
        elif not frame.text:
            await self._saying.go_on()
        elif self._is_back_channel(frame) or (frame.started_at < self._rang_until and not is_opt_out(frame.text)):
            self._note_heard(frame)
            await self._saying.go_on()
        elif self._answers.sounds_recorded(frame):
            await self._machines.meet(frame)
        elif self._greeted and not is_opt_out(frame.text) and self._answers.is_hello(frame.text):
            self._note_heard(frame)
            await self._saying.go_on()
        elif self._meanwhile.under_way and (self.findings.opted_out or not is_opt_out(frame.text)):
            await self._meanwhile.hear(frame)
        else:
            greeting = self._saying.greeting
            if self.floor.held_turn is not None or (greeting is not None and not greeting.final):
                await self._saying.interrupt()
            self.floor.cut, frame.taken = None, True
            self._meanwhile.drop()
            await self._course.act(self._answers.heard(frame), answers=frame.ended_at)
        if self.floor.held_turn is not None:
            await self._saying.go_on()

    @property
    def _greeted(self) -> bool:
        """Whether the greeting goes on through what was said: it was not longer than a "Hello?"."""
        return self._saying.greeting is not None and self.floor.held_turn is None

    @property
    def _overlaid(self) -> BotTurn | None:
        """The bot's turn that the customer speaks into, or that a line of it kept from being held; None if silent."""
        cut = self.floor.cut
        return self.floor.held_turn or self._saying.greeting or (cut if cut and cut.began_at is not None else None)

    def _is_back_channel(self, frame: HeardFrame) -> bool:
        turn, lasted_s = self._overlaid, frame.ended_at - frame.started_at
        if turn is None or frame.continues or lasted_s > _BACK_CHANNEL_S:
            return False
        if self._answers.is_back_channel(frame.text, turn):
            return True
        confidence = frame.alternatives[0].score if frame.alternatives else None
        return lasted_s <= _HUM_S and self._answers.is_hum(frame.text, confidence, turn)

    async def _answer_key(self, digit: str) -> None:
        if isinstance(self._course.wait, Transfer):
            return
        if self._meanwhile.under_way:
            self._meanwhile.press(digit, self._time.now())
            return
        reply = self._answers.key(digit, self._time.now())
        turn = self.floor.turn
        typing = isinstance(reply.wait, Wait) and reply.wait.typing
        if turn is not None and not turn.final and (reply.lines or reply.wait is None or typing):
            await self._saying.interrupt()
        if typing:
            # The silence counts from the last key.
            self.floor.quiet_since = max(self.floor.quiet_since, self._time.now())
        self.floor.cut = None
        await self._course.act(reply)

    def _note_heard(self, frame: HeardFrame) -> None:
        self._answers.note(frame)
        frame.taken = True
