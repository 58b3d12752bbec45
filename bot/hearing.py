"""From the customer's audio to finished turns: voice activity, recognition begun at the first pause, end of turn.

Recognition starts after 64 ms of silence, side by side with the question whether the turn sounds finished; when
the silence holds until the voice counts as stopped (200 ms), both answers are usually there, and say together how
much silence the end of this turn needs (`bot.patience`). When the customer goes on instead, they are dropped.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

import structlog
from pipecat.frames.frames import (
    CancelFrame,
    EndFrame,
    Frame,
    InputAudioRawFrame,
    UserStoppedSpeakingFrame,
    VADUserStartedSpeakingFrame,
    VADUserStoppedSpeakingFrame,
)
from pipecat.processors.frame_processor import FrameDirection, FrameProcessor

from bot.beep import Beep
from bot.errors import BotError
from bot.frames import BeepFrame, HeardFrame, MonologueFrame, SpeechStartedFrame
from bot.outcome import Alternative
from bot.patience import Patience, Words
from bot.speech.listening import Heard, Listener
from bot.speech.turn_end import TurnEnd
from bot.speech.voice_activity import WINDOW_MS, Activity, VoiceActivity

_log = structlog.get_logger(__name__)

_SAMPLE_BYTES: Final = 2
#: Sound kept from before the voice was found: soft first consonants.
_PRE_ROLL_MS: Final = 300
#: Longest recognised in one piece; who speaks on is answered in between.
_LONGEST_MS: Final = 20_000
#: How long the customer waits in silence for their words to be recognised.
_RECOGNITION_S: Final = 10.0


class RecognitionOverdue(BotError):
    """A customer's turn was not recognised in time."""


class Beeps(Protocol):
    """Listens for the tones of machines."""

    def feed(self, pcm: bytes) -> Beep | None:
        """The tone that is sounding or has just ended, None without one."""
        ...


@dataclass(frozen=True)
class HearingParams:
    """When a turn ends; times in ms."""

    #: Silence that ends a turn.
    patience: Patience = field(default_factory=Patience)
    #: A customer who goes on this soon after a turn was taken as ended continues that turn.
    continue_ms: int = 700
    #: Unbroken speech after which its words so far are looked at, and how often from then on.
    monologue_ms: int = 4000
    monologue_every_ms: int = 3000
    #: Likewise, while nobody knows who answered: most greetings of machines have told themselves by then.
    early_looks_ms: tuple[int, ...] = (800, 1000, 1200, 1400, 1600, 1900, 2300, 3000)


@dataclass(eq=False)
class _Utterance:
    """The turn under way; `audio` begins a little before the voice, which begins at sample `start`."""

    audio: bytearray
    start: int
    continues: bool = False
    looked_at_ms: int = 0
    #: Silence that was needed to end it, and what recognition took beyond that.
    silence_ms: int | None = None
    late_ms: int | None = None


class Hearing(FrameProcessor):
    """Turns the caller's audio into `SpeechStartedFrame` and `HeardFrame`; passes no audio on.

    While `suspicious()`, long speech is looked at before its end, and tones are listened for: a machine. While
    `curious()` as well, speech is looked at soon. `judge` says what words tell of a turn's end, `patience_ms` how
    much silence the present step asks for.
    """

    def __init__(
        self,
        *,
        listener: Listener,
        turn_end: TurnEnd,
        voice: VoiceActivity,
        params: HearingParams | None = None,
        beeps: Beeps | None = None,
        suspicious: Callable[[], bool] = lambda: True,
        curious: Callable[[], bool] = lambda: False,
        judge: Callable[[Heard], Words] = lambda _: Words.UNSURE,
        patience_ms: Callable[[], int | None] = lambda: None,
        on_failure: Callable[[BaseException], None],
    ) -> None:
        # Queues between the transport and here would cost a task switch for every 20 ms of every call.
        super().__init__(enable_direct_mode=True)
        self._listener = listener
        self._turn_end = turn_end
        self._voice = voice
        self._params = params or HearingParams()
        self._beeps = beeps
        self._suspicious = suspicious
        self._curious = curious
        self._judge = judge
        self._patience_ms = patience_ms
        self._on_failure = on_failure
        self._pre_roll = bytearray()
        self._utterance: _Utterance | None = None
        self._emitted: _Utterance | None = None
        self._deaf = False
        self._received = 0
        self._lag: float | None = None
        self._heard: asyncio.Task[Heard] | None = None
        self._complete: asyncio.Task[float] | None = None
        self._closing: asyncio.Task[None] | None = None
        self._pause: asyncio.Task[None] | None = None
        self._cutting: asyncio.Task[None] | None = None
        self._monologue: asyncio.Task[None] | None = None
        self._told: list[HeardFrame] = []

    @property
    def speaking(self) -> bool:
        """Whether a customer turn is under way: begun and not yet told as heard."""
        return self._utterance is not None

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        """Consume the caller's audio, pass on all else."""
        await super().process_frame(frame, direction)
        if isinstance(frame, InputAudioRawFrame):
            if self._deaf:
                return
            await self._listen(frame.audio)
            return
        if isinstance(frame, (EndFrame, CancelFrame)):
            await self._drop_all()
        await self.push_frame(frame, direction)

    async def cleanup(self) -> None:
        """Drop what is under way."""
        await super().cleanup()  # type: ignore[no-untyped-call]
        await self._drop_all()

    async def flush(self) -> HeardFrame | None:
        """The words of a turn that the end of the call cut off, None when there is none."""
        utterance, self._utterance = self._utterance, None
        heard, self._heard = self._heard, None
        self._stop_closing()
        if utterance is None:
            return None
        return self._frame(utterance, await (heard or self._recognise(utterance)))

    def untaken(self) -> list[HeardFrame]:
        """The turns that were told as heard and that nobody has answered yet, oldest first."""
        self._told = [frame for frame in self._told if not frame.taken]
        return self._told

    async def _listen(self, pcm: bytes) -> None:
        self._received += len(pcm) // _SAMPLE_BYTES
        self._keep_time()
        self._keep(pcm)
        for change in self._voice.feed(pcm):
            if self._cutting is None:
                await self._changed(change)
        await self._look_at_length()
        if self._beeps is not None and self._suspicious():
            beep = self._beeps.feed(pcm)
            if beep is not None:
                await self.push_frame(BeepFrame(beep=beep, at=self._at(self._received)))

    def _keep_time(self) -> None:
        # Frames are late when the loop is busy and never early: the least lag seen ties samples to time.
        lag = asyncio.get_running_loop().time() - self._received / self._voice.rate_hz
        self._lag = lag if self._lag is None else min(self._lag, lag)

    def _at(self, sample: int) -> float:
        return (self._lag or 0.0) + sample / self._voice.rate_hz

    def _bytes(self, duration_ms: int) -> int:
        return duration_ms * self._voice.rate_hz // 1000 * _SAMPLE_BYTES

    def _keep(self, pcm: bytes) -> None:
        if self._utterance is not None:
            self._utterance.audio += pcm
            return
        if self._emitted is not None:
            self._emitted.audio += pcm
            if self._silent_ms() > self._params.continue_ms + self._voice.params.start_ms:
                self._emitted = None
        self._pre_roll += pcm
        del self._pre_roll[: -self._bytes(_PRE_ROLL_MS + self._voice.params.start_ms)]

    def _silent_ms(self) -> int:
        return (self._received - self._voice.voice_end) * 1000 // self._voice.rate_hz

    async def _changed(self, change: Activity) -> None:
        match change:
            case Activity.STARTED:
                await self._started()
            case Activity.PAUSED:
                self._speculate()
            case Activity.RESUMED:
                self._stop_closing()
            case Activity.STOPPED:
                await self._stopped()

    async def _started(self) -> None:
        await self.push_frame(VADUserStartedSpeakingFrame(start_secs=self._voice.params.start_ms / 1000))
        self._stop_closing()
        if self._utterance is not None:
            return
        before, self._emitted = self._emitted, None
        if before is not None:
            before.continues = True
        self._utterance = before or _Utterance(self._pre_roll, self._voice.voice_start)
        self._pre_roll = bytearray()
        await self.push_frame(SpeechStartedFrame(at=self._at(self._voice.voice_start), continues=before is not None))

    def _speculate(self) -> None:
        if self._utterance is None or self._heard is not None:
            return
        pcm, silence_ms = bytes(self._utterance.audio), self._silent_ms()
        self._heard = asyncio.create_task(self._listener.transcribe(pcm, self._voice.rate_hz))
        self._complete = asyncio.create_task(self._turn_end.likelihood(pcm, self._voice.rate_hz, silence_ms=silence_ms))
        if self._curious():
            self._pause = asyncio.create_task(self._tell_pause(self._utterance, self._heard))

    async def _stopped(self) -> None:
        await self.push_frame(VADUserStoppedSpeakingFrame(stop_secs=self._voice.params.stop_ms / 1000))
        if self._utterance is not None:
            self._speculate()
            self._closing = asyncio.create_task(self._close(self._utterance))

    async def _close(self, utterance: _Utterance) -> None:
        """Tell the turn as heard once it is finished; cancelled when the customer goes on."""
        try:
            async with asyncio.timeout(_RECOGNITION_S):
                likelihood = 1.0 if self._complete is None else await self._complete
                self._heard = self._heard or asyncio.create_task(self._recognise(utterance))
                # Shielded, for `flush` goes on with it when the end of the call stops this.
                heard = await asyncio.shield(self._heard)
                await self._wait_out(utterance, likelihood, heard)
        except TimeoutError:
            self._fail(RecognitionOverdue(f"no words for {_RECOGNITION_S:g} s"))
            return
        except Exception as error:
            self._fail(error)
            return
        self._closing = None
        await self._tell(utterance, heard)

    async def _wait_out(self, utterance: _Utterance, likelihood: float, heard: Heard) -> None:
        """Let pass what is missing of the silence that ends this turn."""
        patience, silent_ms = self._params.patience, self._silent_ms()
        if heard.text:
            wanted_ms = patience.silence_ms(likelihood, self._judge(heard), self._patience_ms())
        else:
            wanted_ms = patience.finished_ms
        utterance.silence_ms, utterance.late_ms = wanted_ms, max(0, silent_ms - wanted_ms)
        missing_ms = wanted_ms - silent_ms
        while missing_ms > 0:
            await asyncio.sleep(missing_ms / 1000)
            # A voice counts as begun after 100 ms: who is about to go on is not answered before that.
            missing_ms = WINDOW_MS if self._voice.rising else 0

    async def _tell(self, utterance: _Utterance, heard: Heard) -> None:
        frame = self._frame(utterance, heard)
        self._utterance, self._heard, self._complete = None, None, None
        finished = len(utterance.audio) < self._bytes(_LONGEST_MS)
        self._emitted = utterance if heard.text and finished else None
        self._told = [*self.untaken(), frame]
        await self.push_frame(UserStoppedSpeakingFrame())
        await self.push_frame(frame)

    def _frame(self, utterance: _Utterance, heard: Heard) -> HeardFrame:
        return HeardFrame(
            text=heard.text,
            user_id="",
            timestamp="",
            finalized=True,
            started_at=self._at(utterance.start),
            ended_at=self._at(self._voice.voice_end),
            stt_ms=heard.wait_ms + heard.work_ms,
            alternatives=_alternatives(heard),
            endpointing_ms=utterance.silence_ms,
            stt_wait_ms=heard.wait_ms,
            stt_work_ms=heard.work_ms,
            stt_late_ms=utterance.late_ms,
            continues=utterance.continues,
        )

    async def _recognise(self, utterance: _Utterance) -> Heard:
        return await self._listener.transcribe(bytes(utterance.audio), self._voice.rate_hz)

    async def _look_at_length(self) -> None:
        utterance = self._utterance
        if utterance is None or not self._voice.speaking:
            return
        spoken_ms = (self._received - utterance.start) * 1000 // self._voice.rate_hz
        if spoken_ms >= _LONGEST_MS and self._cutting is None:
            self._stop_closing()
            self._cutting = asyncio.create_task(self._cut(utterance))
        if spoken_ms >= self._look_due(utterance.looked_at_ms) and self._monologue is None and self._suspicious():
            utterance.looked_at_ms = spoken_ms
            self._monologue = asyncio.create_task(self._tell_so_far(utterance))

    def _look_due(self, looked_at_ms: int) -> int:
        params = self._params
        early = [ms for ms in params.early_looks_ms if looked_at_ms < ms < params.monologue_ms]
        if early and self._curious():
            return early[0]
        return params.monologue_ms if looked_at_ms < params.monologue_ms else looked_at_ms + params.monologue_every_ms

    async def _cut(self, utterance: _Utterance) -> None:
        """Tell a turn as heard although it goes on, and begin another one: a television never pauses."""
        try:
            heard = await self._recognise(utterance)
        except Exception as error:
            self._fail(error)
            return
        finally:
            self._cutting = None
        self._voice.restart()
        await self._tell(utterance, heard)

    async def _tell_pause(self, utterance: _Utterance, heard: asyncio.Task[Heard]) -> None:
        """Who answered may be known before the turn is sure to be over."""
        ended_at = self._at(self._voice.voice_end)
        try:
            text = (await asyncio.shield(heard)).text
        except Exception:
            # Told by `_close`, or tried again there.
            return
        if text:
            await self._push_so_far(utterance, text, ended_at, paused=True)

    async def _push_so_far(self, utterance: _Utterance, text: str, ended_at: float, *, paused: bool) -> None:
        await self.push_frame(
            MonologueFrame(
                text=text,
                user_id="",
                timestamp="",
                started_at=self._at(utterance.start),
                ended_at=ended_at,
                paused=paused,
            )
        )

    async def _tell_so_far(self, utterance: _Utterance) -> None:
        ended_at = self._at(self._received)
        try:
            heard = await self._recognise(utterance)
        except Exception as error:
            # Recognition of the whole turn tells a failure that lasts.
            _log.debug("hearing.look_failed", error=type(error).__name__)
            return
        finally:
            self._monologue = None
        await self._push_so_far(utterance, heard.text, ended_at, paused=False)

    def _fail(self, error: Exception) -> None:
        # Told once: the bot's last line must not be broken off because the customer speaks into it.
        self._deaf = True
        self._on_failure(error)

    def _stop_closing(self) -> list[asyncio.Task[Any]]:
        """Drop recognition and verdict under way; the tasks that are now being cancelled."""
        under_way = (self._closing, self._heard, self._complete, self._pause)
        tasks: list[asyncio.Task[Any]] = [task for task in under_way if task is not None]
        self._closing = self._heard = self._complete = self._pause = None
        for task in tasks:
            task.cancel()
            # A result that nobody waits for may be a failure; the next attempt will tell it.
            task.add_done_callback(_retrieve)
        return tasks

    async def _drop_all(self) -> None:
        tasks = self._stop_closing()
        for task in (self._cutting, self._monologue):
            if task is not None:
                task.cancel()
                tasks.append(task)
        await asyncio.gather(*tasks, return_exceptions=True)


def _alternatives(heard: Heard) -> tuple[Alternative, ...]:
    confidence = heard.confidence
    score = None if confidence is None else round(confidence, 3)
    return (Alternative(heard.text, score, heard.model),) if heard.text else ()


def _retrieve(task: asyncio.Task[Any]) -> None:
    if not task.cancelled():
        task.exception()
