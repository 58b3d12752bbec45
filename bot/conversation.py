"""One scripted conversation from answer to result, and what all conversations of a process share."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any, Final, Self

import structlog

from bot.answers import Answers
from bot.beep import BeepDetector
from bot.closing import closing_lines
from bot.dialogue import Dialogue
from bot.errands import Outside
from bot.events import TimeUp
from bot.frames import HeardFrame
from bot.hearing import Hearing, HearingParams
from bot.outcome import ConversationResult, EndedBy, Job, Letter, Recording
from bot.pipeline import CallPipeline, PipelineBroken
from bot.recording import CallRecorder, Recordings, Unrecorded
from bot.script.hearing import model_of
from bot.script.interpreter import Interpreter
from bot.script.language import Script
from bot.script.phrases import phrases, static_phrases
from bot.speech.environment import settle_memory
from bot.speech.listening import Listener
from bot.speech.pool import WorkPool
from bot.speech.recorded import RecordedLines
from bot.speech.services import Voice
from bot.speech.speaking import Speaker, WarmProgress
from bot.speech.turn_end import SmartTurn, TurnEnd
from bot.speech.voice_activity import SileroModel, VoiceActivity
from bot.timings import CallTime, lasted_ms
from bot.transferring import Switchboard, Whisperer
from bot.transport import CallTransport
from bot.who_answered import MACHINES, verdict_of_amd
from bot.who_answered.supervisor import HIGHEST_HZ, LOWEST_HZ
from storage.clock import Clock, SystemClock
from telephony.call import Call, CallEnd
from telephony.outcomes import HangupBy
from telephony.transfer import TransferBy

_log = structlog.get_logger(__name__)

#: The polite end of a call that lasts too long may take this much more.
_GOODBYE_S: Final = 15.0
#: Recognising what was said just before the customer hung up.
_LAST_WORDS_S: Final = 5.0
_HANGUP_S: Final = 5.0


@dataclass(frozen=True, eq=False)
class SpeechRuntime:
    """Everything that the calls of a process share: models, voices, threads. Open it once."""

    listener: Listener
    speaker: Speaker
    turn_end: TurnEnd
    voice_model: SileroModel
    hearing: HearingParams = field(default_factory=HearingParams)
    #: The recorded lines of the bot whose runtime this is.
    recorded: RecordedLines | None = None

    def with_voice(self, listener: Listener, speaker: Speaker) -> SpeechRuntime:
        """The same models for other ears and another voice; lasts as long as this one."""
        return replace(self, listener=listener, speaker=speaker)

    def with_recorded(self, recorded: RecordedLines | None) -> SpeechRuntime:
        """The same for a bot with recorded lines."""
        return replace(self, recorded=recorded)

    @classmethod
    @asynccontextmanager
    async def open(
        cls,
        listener: Listener,
        speaker: Speaker,
        *,
        pool: WorkPool | None = None,
        turn_end: TurnEnd | None = None,
        hearing: HearingParams | None = None,
    ) -> AsyncIterator[Self]:
        """Load the voice activity and turn models and run each once; `listener` and `speaker` stay their owner's.

        `pool` is best the one of the listener; without it the turn model gets one thread of its own.
        """
        turns = pool or WorkPool(1, name="turns")
        try:
            voice_model = await asyncio.to_thread(SileroModel)
            judge = turn_end if turn_end is not None else await asyncio.to_thread(SmartTurn, turns)
            await judge.likelihood(bytes(16000), 8000, silence_ms=200)
            await asyncio.to_thread(VoiceActivity(voice_model, 8000).feed, b"\x00\x10\x00\xf0" * 512)
            settle_memory()
            yield cls(listener, speaker, judge, voice_model, hearing or HearingParams())
        finally:
            if pool is None:
                await turns.aclose()


class ScriptedConversation:
    """Talks by a script; implements `outcome.Conversation`. One object serves any number of calls at once."""

    def __init__(
        self,
        script: Script,
        speech: SpeechRuntime,
        *,
        recordings: Recordings | None = None,
        speed: float = 1.0,
        clock: Clock | None = None,
        outside: Outside | None = None,
    ) -> None:
        self.script = script
        self._speech = speech
        self._recordings = recordings
        self._speed = speed
        self._clock = clock or SystemClock()
        self._outside = outside or Outside()

    async def warm(self, *, rate_hz: int = 8000, progress: WarmProgress | None = None) -> None:
        """Put every line that is the same for all contacts into the phrase cache.

        Raises the voice's error when it cannot say a single one.
        """
        model_of(self.script)
        texts = [*static_phrases(self.script), *closing_lines(self.script.language).texts()]
        done = await self._speech.speaker.warm(texts, rate_hz=rate_hz, speed=self._speed, progress=progress)
        if done.mute and done.error is not None:
            raise done.error
        if self._speech.recorded is not None:
            await self._speech.recorded.warm(rate_hz=rate_hz)

    async def prepare(self, variables: Mapping[str, str], *, rate_hz: int = 8000) -> None:
        """Put the lines of one contact into the phrase cache: while it rings, so that the greeting starts at once.

        Raises `MissingVariables`.
        """
        await self._speech.speaker.warm(phrases(self.script, variables), rate_hz=rate_hz, speed=self._speed)

    async def run(self, call: Call, job: Job) -> ConversationResult:
        """See `outcome.Conversation`."""
        time = CallTime.of(call, self._clock)
        try:
            interpreter = Interpreter(self.script, job.variables, now=self._clock.now(), time_zone=job.time_zone)
        except Exception as error:
            _log.exception("conversation.not_begun", attempt=job.attempt_id)
            await call.hangup()
            return ConversationResult(EndedBy.ERROR, error=f"{type(error).__name__}: {error}")
        dialogue = self._dialogue(interpreter, job, time)
        recorder = self._recorder(call, time)
        held = _Held(
            call, job, dialogue, self._speech, recorder=recorder, speed=self._speed, language=self.script.language
        )
        return await held.run()

    def _dialogue(self, interpreter: Interpreter, job: Job, time: CallTime) -> Dialogue:
        given = verdict_of_amd(job.amd_status, job.amd_cause)
        answers = Answers(self.script, interpreter, time, given=given)
        return Dialogue(answers, job, time, closing_lines(self.script.language), self._outside)

    def _recorder(self, call: Call, time: CallTime) -> CallRecorder | None:
        if self._recordings is None:
            return None
        return self._recordings.begin(call.attempt_id, call.answered_at, time, call.media.rate_hz)


class _Held:
    """One conversation while it lasts."""

    def __init__(
        self,
        call: Call,
        job: Job,
        dialogue: Dialogue,
        speech: SpeechRuntime,
        *,
        recorder: CallRecorder | None,
        speed: float,
        language: str,
    ) -> None:
        rate_hz = call.media.rate_hz
        self._call = call
        self._job = job
        self._time = dialogue.log.time
        self._dialogue = dialogue
        self._recorder = recorder
        #: The end of the call by the event loop's clock.
        self._over_at: float | None = None
        self._hearing = Hearing(
            listener=speech.listener,
            turn_end=speech.turn_end,
            voice=VoiceActivity(speech.voice_model, rate_hz),
            params=speech.hearing,
            beeps=BeepDetector(rate_hz, lowest_hz=LOWEST_HZ, highest_hz=HIGHEST_HZ),
            suspicious=lambda: dialogue.suspicious,
            curious=lambda: dialogue.curious,
            judge=dialogue.judge,
            patience_ms=lambda: dialogue.patience_ms,
            on_failure=dialogue.failed,
        )
        voice = Voice(
            speech.speaker, rate_hz=rate_hz, speed=speed, on_failure=dialogue.failed, recorded=speech.recorded
        )
        transport = CallTransport(call.media, recorder or Unrecorded(), dialogue.floor)
        self._switchboard = dialogue.switchboard = Switchboard(
            call,
            job,
            transport,
            Whisperer(speech.speaker, rate_hz=rate_hz, speed=speed),
            language=language,
            time=self._time,
            on_event=dialogue.tell,
        )
        self._pipeline = CallPipeline(
            [transport.input(), self._hearing, dialogue, voice, transport.output()],
            rate_hz=rate_hz,
            on_failure=dialogue.failed,
        )

    async def run(self) -> ConversationResult:
        ended = asyncio.create_task(self._call.ended())
        ended.add_done_callback(self._over)
        ended_by, end, recording = EndedBy.ERROR, None, None
        try:
            ended_by = await self._talk(ended)
            await self._take_last_words()
        finally:
            await self._pipeline.stop()
            end = await self._hang_up(ended)
            if self._recorder is not None:
                recording = await self._recorder.close(self._ours_ms(end))
        return self._result(ended_by, recording, end)

    async def _talk(self, ended: asyncio.Task[CallEnd]) -> EndedBy:
        self._call.on_dtmf(self._dialogue.pressed)
        try:
            await self._pipeline.start()
        except PipelineBroken as error:
            self._dialogue.findings.error = str(error)
            return EndedBy.ERROR
        loop = asyncio.get_running_loop()
        longest_at = self._time.answered_at + self._job.max_call_s
        timer = loop.call_at(longest_at, self._dialogue.tell, TimeUp())
        conversing = asyncio.create_task(self._dialogue.converse())
        joined = asyncio.create_task(self._switchboard.joined.wait())
        try:
            left_s = longest_at + _GOODBYE_S - loop.time()
            await asyncio.wait({conversing, ended, joined}, timeout=left_s, return_when=asyncio.FIRST_COMPLETED)
            if joined.done():
                timer.cancel()
                left_s = self._job.max_transfer_s + _GOODBYE_S
                await asyncio.wait({conversing, ended}, timeout=left_s, return_when=asyncio.FIRST_COMPLETED)
            return self._ended_by(conversing, ended)
        finally:
            timer.cancel()
            # First of all: neither an agent's telephone nor an opt-out that is being committed keeps a line open.
            self._switchboard.cancel()
            self._dialogue.drop_errands()
            await self._call.hangup()
            await _cancelled(joined)
            await _cancelled(conversing)
            await self._switchboard.aclose()
            await self._dialogue.aclose()
            await self._dialogue.committed()

    def _ended_by(self, conversing: asyncio.Task[EndedBy], ended: asyncio.Task[CallEnd]) -> EndedBy:
        if conversing.done():
            return conversing.result()
        if self._dialogue.ending in (EndedBy.ERROR, EndedBy.MAX_DURATION):
            return self._dialogue.ending
        if ended.done():
            ours = ended.result().hangup_by in (HangupBy.BOT, HangupBy.AGENT)
            return EndedBy.BOT if ours else EndedBy.CUSTOMER
        return EndedBy.MAX_DURATION

    async def _take_last_words(self) -> None:
        cut_off = await self._cut_off()
        for frame in (*self._hearing.untaken(), cut_off):
            if frame is not None:
                await self._dialogue.last_words(frame)
        await self._dialogue.committed()

    async def _cut_off(self) -> HeardFrame | None:
        """What the customer was saying at the end, None when it was nothing or cannot be had."""
        try:
            async with asyncio.timeout(_LAST_WORDS_S):
                return await self._hearing.flush()
        except asyncio.CancelledError as error:
            if _is_being_cancelled():
                raise
            lost: BaseException = error
        except Exception as error:
            lost = error
        _log.warning("conversation.last_words_lost", attempt=self._job.attempt_id, error=repr(lost))
        return None

    async def _hang_up(self, ended: asyncio.Task[CallEnd]) -> CallEnd | None:
        try:
            async with asyncio.timeout(_HANGUP_S):
                await self._call.hangup()
                return await ended
        except Exception as error:
            # The call is over for us; the ledger's own watch settles what the network still holds.
            _log.warning("conversation.end_unknown", attempt=self._job.attempt_id, error=repr(error))
            return None
        finally:
            await _cancelled(ended)

    def _over(self, _: asyncio.Task[CallEnd]) -> None:
        self._over_at = self._time.now()

    def _talk_ms(self, end: CallEnd | None) -> int:
        by_loop = self._time.ms(self._time.now() if self._over_at is None else self._over_at)
        if end is None:
            return by_loop
        return lasted_ms(self._call.answered_at, end.ended_at, by_loop)

    def _ours_ms(self, end: CallEnd | None) -> int:
        """How long the call's audio came by us: a call that was handed over goes on without us."""
        went = self._switchboard.transferred(end)
        if went is None or went.by is TransferBy.SECOND_LEG or went.joined_ms is None:
            return self._talk_ms(end)
        return min(went.joined_ms, self._talk_ms(end))

    def _result(self, ended_by: EndedBy, recording: Recording | None, end: CallEnd | None) -> ConversationResult:
        found, log, talk_ms = self._dialogue.findings, self._dialogue.log, self._talk_ms(end)
        return ConversationResult(
            ended_by=EndedBy.ERROR if found.error is not None else ended_by,
            code=found.code,
            messages=log.messages,
            customer_spoke=found.customer_spoke,
            voicemail=found.voicemail or self._dialogue.supervisor.answerer in MACHINES,
            opted_out=found.opted_out,
            callback=found.callback,
            callback_at=found.callback_at,
            turns=log.turns(talk_ms),
            recording=recording,
            answer_to_first_word_ms=log.answer_to_first_word_ms,
            error=found.error,
            who_answered=self._dialogue.supervisor.verdicts(talk_ms),
            transfer=self._switchboard.transferred(end),
            collected=dict(found.collected),
            mails=tuple(Letter(mail.to, mail.subject, mail.body) for mail in found.mails),
            llm_usage=self._dialogue.llm_usage,
        )


def _is_being_cancelled() -> bool:
    """Whether a `CancelledError` is meant for the present task, and not that of work it waited for."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


async def _cancelled(task: asyncio.Task[Any]) -> None:
    """End a task and wait for its end."""
    task.cancel()
    await asyncio.wait({task})
