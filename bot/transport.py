"""Pipecat's ends of a call: a transport over the `Media` port of telephony."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from typing import Final, Protocol

from pipecat.frames.frames import (
    CancelFrame,
    EndFrame,
    Frame,
    InputAudioRawFrame,
    InterruptionFrame,
    OutputAudioRawFrame,
    StartFrame,
)
from pipecat.processors.frame_processor import FrameDirection
from pipecat.transports.base_input import BaseInputTransport
from pipecat.transports.base_output import BaseOutputTransport
from pipecat.transports.base_transport import BaseTransport, TransportParams

from bot.frames import HoldFrame, LineMarkFrame
from bot.playing import Held
from bot.recording import Recorder
from bot.timings import BotTurn
from telephony.call import Media, frame_bytes
from telephony.errors import MediaClosed

#: Audio goes out in pieces of 40 ms: half the task switches of 20 ms, and a flush discards the rest of one anyway.
CHUNK_10MS: Final = 4
_SAMPLE_BYTES: Final = 2
#: A write waits as long as the customer holds the call; the call's own limit ends it, and not the runtime's 10 s.
_HOLD_S: Final = 3600.0


def chunk_bytes(rate_hz: int) -> int:
    """Bytes of one outgoing piece."""
    return rate_hz // 100 * CHUNK_10MS * _SAMPLE_BYTES


class Playback(Protocol):
    """Is told what the customer hears, at the time it reaches them (seconds of the loop's clock). Must not block."""

    def line_began(self, turn: BotTurn, line: int, at: float) -> None:
        """The first sample of a line is heard at `at`."""
        ...

    def line_ended(self, turn: BotTurn, line: int, at: float) -> None:
        """The last sample of a line is heard at `at`, which may lie ahead."""
        ...

    def silenced(self, at: float) -> None:
        """What was playing, if anything, stopped at `at`; nothing of it follows."""
        ...

    def held(self, at: float) -> None:
        """What was playing stopped at `at`; it goes on later, or `silenced` follows."""
        ...


class CallInput(BaseInputTransport):
    """Pushes the customer's audio, 20 ms a frame, and records it."""

    def __init__(self, media: Media, recorder: Recorder, params: TransportParams) -> None:
        super().__init__(params)
        self._media = media
        self._recorder = recorder
        self._reader: asyncio.Task[None] | None = None
        self._elsewhere: Callable[[bytes], None] | None = None

    def divert(self, taker: Callable[[bytes], None]) -> None:
        """From now on give the customer's audio to `taker`, which must not block, and none to the pipeline."""
        self._elsewhere = taker

    async def start(self, frame: StartFrame) -> None:
        """Begin to read."""
        await super().start(frame)
        self._reader = self.create_task(self._read())

    async def stop(self, frame: EndFrame) -> None:
        """Stop reading."""
        await self._stop_reading()
        await super().stop(frame)

    async def cancel(self, frame: CancelFrame) -> None:
        """Stop reading."""
        await self._stop_reading()
        await super().cancel(frame)

    async def cleanup(self) -> None:
        """Stop reading."""
        await self._stop_reading()
        await super().cleanup()  # type: ignore[no-untyped-call]

    async def _stop_reading(self) -> None:
        reader, self._reader = self._reader, None
        if reader is not None:
            await self.cancel_task(reader)

    async def _read(self) -> None:
        rate_hz = self._media.rate_hz
        while True:
            try:
                pcm = await self._media.read()
            except MediaClosed:
                return
            self._recorder.customer(pcm)
            if self._elsewhere is not None:
                self._elsewhere(pcm)
                continue
            # Past the base class's queue: its time-out on every frame costs more than our work on it.
            await self.push_frame(InputAudioRawFrame(audio=pcm, sample_rate=rate_hz, num_channels=1))


class CallOutput(BaseOutputTransport):
    """Plays the bot's audio at its real pace, records it when it is heard, and discards it when interrupted."""

    def __init__(self, media: Media, recorder: Recorder, playback: Playback, params: TransportParams) -> None:
        super().__init__(params)
        self._media = media
        self._recorder = recorder
        self._playback = playback
        self._mark: LineMarkFrame | None = None
        self._keeps = False
        self._deaf = False
        self._in_line = False
        self._end_at = 0.0
        self._held = Held(media.rate_hz)

    async def start(self, frame: StartFrame) -> None:
        """Ready to play."""
        await super().start(frame)
        await self.set_transport_ready(frame)

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        """As the base class; an interruption also discards what the network has not played yet."""
        await super().process_frame(frame, direction)
        if isinstance(frame, InterruptionFrame) and not self._keeps:
            self._silence()
        elif isinstance(frame, HoldFrame) and frame.holds:
            self._hold()
        elif isinstance(frame, HoldFrame):
            self._held.release()

    async def write_transport_frame(self, frame: Frame) -> None:
        """Take a line's mark out of the audio queue."""
        if not isinstance(frame, LineMarkFrame) or frame.turn is None:
            return
        with contextlib.suppress(MediaClosed):
            await self._go_on()
        if frame.turn.interrupted and frame.interruptible:
            return
        self._in_line = frame.begins
        if frame.begins:
            self._mark, self._deaf = frame, False
            self._keeps = not frame.interruptible
        else:
            self._keeps = False
            self._playback.line_ended(frame.turn, frame.line, max(self._end_at, self._now()))

    async def write_audio_frame(self, frame: OutputAudioRawFrame) -> bool:
        """Write one piece; returns when at most 100 ms are ahead."""
        if self._deaf and frame.interruptible:
            return False
        rest = frame.audio
        try:
            await self._go_on()
            if self._deaf and frame.interruptible:
                return False
            if self._mark is not None:
                first = frame_bytes(self._media.rate_hz)
                await self._begin(self._mark, rest[:first])
                rest = rest[first:]
            if rest and not (self._deaf and frame.interruptible):
                await self._write(rest)
            # Before the line's end may be told: the last of it may have been held back meanwhile.
            await self._go_on()
        except MediaClosed:
            return False
        return True

    async def _go_on(self) -> None:
        """Wait while the bot is held, and say what that cut off."""
        while self._held.holds:
            await self._held.released()
            if rest := self._held.take():
                await self._write(rest)

    async def play(self, pcm: bytes) -> None:
        """Sound that is no line of the bot, recorded like one; returns when at most 100 ms are ahead.

        Raises `MediaClosed`. Not while the bot speaks.
        """
        await self._write(pcm)

    def hush(self) -> None:
        """Discard what was played and not yet heard."""
        self._silence()

    async def _begin(self, mark: LineMarkFrame, pcm: bytes) -> None:
        """Tell of a line once its first sound was taken: a call that is over takes none."""
        at = await self._write(pcm)
        # Not of one that was interrupted while it waited for the line.
        if self._mark is mark and mark.turn is not None:
            self._mark = None
            self._playback.line_began(mark.turn, mark.line, at)

    async def _write(self, pcm: bytes) -> float:
        """Write; when its first sample is heard."""
        at = self._now() + self._media.ahead_ms / 1000
        self._recorder.bot(pcm, at)
        self._end_at = at + len(pcm) / _SAMPLE_BYTES / self._media.rate_hz
        self._held.wrote(pcm)
        await self._media.write(pcm)
        return at

    def _hold(self) -> None:
        # A line that must be heard is not held: nothing would let it go on.
        if self._held.holds or self._keeps:
            return
        # The last sound of a line whose end was told already is left to play.
        discarded_ms = self._media.flush() if self._in_line else 0
        now = self._now()
        self._held.hold(discarded_ms)
        self._recorder.bot_flushed(discarded_ms, now)
        self._playback.held(now)

    def _silence(self) -> None:
        # The piece that the audio task already holds belongs to what was interrupted.
        self._deaf = True
        self._mark = None
        self._in_line = False
        self._held.drop()
        discarded_ms = self._media.flush()
        now = self._now()
        self._recorder.bot_flushed(discarded_ms, now)
        self._end_at = now
        self._playback.silenced(now)

    def _now(self) -> float:
        return asyncio.get_running_loop().time()


class CallTransport(BaseTransport):
    """Both ends of one call."""

    def __init__(self, media: Media, recorder: Recorder, playback: Playback) -> None:
        super().__init__()
        params = TransportParams(
            audio_in_enabled=False,  # the reader pushes frames itself
            audio_out_enabled=True,
            audio_out_10ms_chunks=CHUNK_10MS,
            audio_out_sample_rate=media.rate_hz,
            audio_in_sample_rate=media.rate_hz,
            audio_out_end_silence_secs=0,
            audio_out_write_timeout_secs=_HOLD_S,
        )
        self._rate_hz = media.rate_hz
        self._in = CallInput(media, recorder, params)
        self._out = CallOutput(media, recorder, playback, params)

    @property
    def rate_hz(self) -> int:
        """Sample rate of either direction."""
        return self._rate_hz

    def divert(self, taker: Callable[[bytes], None]) -> None:
        """See `CallInput.divert`."""
        self._in.divert(taker)

    async def play(self, pcm: bytes) -> None:
        """See `CallOutput.play`."""
        await self._out.play(pcm)

    def hush(self) -> None:
        """See `CallOutput.hush`."""
        self._out.hush()

    def input(self) -> CallInput:
        """The customer's side."""
        return self._in

    def output(self) -> CallOutput:
        """The bot's side."""
        return self._out
