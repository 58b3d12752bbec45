"""The bot's voice in the pipeline: lines in, audio between marks out."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Final

import structlog
from pipecat.frames.frames import Frame, TTSAudioRawFrame, TTSStartedFrame, TTSStoppedFrame
from pipecat.processors.frame_processor import FrameDirection, FrameProcessor

from bot.errors import SpeechError
from bot.frames import LineFrame, LineMarkFrame
from bot.speech.recorded import RecordedLines
from bot.speech.sound import silence
from bot.speech.speaking import PAUSE_MS, Speaker
from bot.transport import chunk_bytes

_log = structlog.get_logger(__name__)

#: The first piece of a line is short so that it is on its way before the rest is cut up.
_FIRST_PIECE_MS: Final = 200
_PIECE_MS: Final = 1000
#: How long a voice may take over the first sound of a line, and over each one after it.
_SOUND_S: Final = 8.0


class VoiceOverdue(SpeechError):
    """The bot's voice gave no sound in time."""


class Voice(FrameProcessor):
    """Says `LineFrame`s, from the phrase cache or as the speaker renders them."""

    def __init__(
        self,
        speaker: Speaker,
        *,
        rate_hz: int,
        speed: float,
        on_failure: Callable[[BaseException], None],
        recorded: RecordedLines | None = None,
    ) -> None:
        super().__init__()
        self._recorded = recorded
        self._speaker = speaker
        self._rate_hz = rate_hz
        self._speed = speed
        self._on_failure = on_failure

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        """Say lines, pass on all else."""
        await super().process_frame(frame, direction)
        if not isinstance(frame, LineFrame):
            await self.push_frame(frame, direction)
            return
        if frame.turn is not None and frame.turn.interrupted and frame.interruptible:
            return
        try:
            await self._say(frame)
        except Exception as error:
            self._on_failure(error)

    async def _say(self, line: LineFrame) -> None:
        mark: Frame | None = self._mark(line, begins=True)
        asked_at = asyncio.get_running_loop().time()
        async for pcm in self._sound_of(line):
            if mark is not None:
                if line.line == 0 and line.turn is not None:
                    waited_s = asyncio.get_running_loop().time() - asked_at
                    line.turn.tts_first_byte_ms = round(waited_s * 1000)
                await self._begin(line, mark)
                mark = None
            for piece in self._pieces(pcm):
                await self._push(TTSAudioRawFrame(piece, self._rate_hz, 1), line)
        await self._push(self._mark(line, begins=False), line)
        if line.last:
            await self._push(TTSStoppedFrame(), line)

    async def _begin(self, line: LineFrame, mark: Frame) -> None:
        if line.line == 0:
            await self._push(TTSStartedFrame(), line)
        else:
            pause = self._whole(silence(PAUSE_MS, self._rate_hz))
            await self._push(TTSAudioRawFrame(pause, self._rate_hz, 1), line)
        await self._push(mark, line)

    async def _sound_of(self, line: LineFrame) -> AsyncIterator[bytes]:
        if line.audio is not None and (played := await self._played(line.audio)) is not None:
            yield played
            return
        async for pcm in self._sound(line.text):
            yield pcm

    async def _played(self, name: str) -> bytes | None:
        """A recorded line; None when it cannot be had: the voice then says its text."""
        if self._recorded is None:
            return None
        cached = self._recorded.cached(name, self._rate_hz)
        if cached is not None:
            return cached
        try:
            return await self._recorded.sound(name, self._rate_hz)
        except SpeechError as error:
            _log.warning("speaking.no_recording", error=str(error))
            return None

    async def _sound(self, text: str) -> AsyncIterator[bytes]:
        cached = self._speaker.cached(text, self._rate_hz, self._speed)
        if cached is not None:
            yield cached
            return
        sound = aiter(self._speaker.stream(text, rate_hz=self._rate_hz, speed=self._speed))
        while (pcm := await self._more(sound)) is not None:
            yield pcm

    @staticmethod
    async def _more(sound: AsyncIterator[bytes]) -> bytes | None:
        """The next sound, None at the end; the customer hears silence until it comes."""
        try:
            async with asyncio.timeout(_SOUND_S):
                return await anext(sound, None)
        except TimeoutError as error:
            raise VoiceOverdue(f"no sound for {_SOUND_S:g} s") from error

    async def _push(self, frame: Frame, line: LineFrame) -> None:
        frame.interruptible = line.interruptible
        await self.push_frame(frame)

    def _mark(self, line: LineFrame, *, begins: bool) -> LineMarkFrame:
        return LineMarkFrame(turn=line.turn, line=line.line, begins=begins)

    def _pieces(self, pcm: bytes) -> Iterator[bytes]:
        pcm = self._whole(pcm)
        first = self._bytes(_FIRST_PIECE_MS)
        yield pcm[:first]
        for at in range(first, len(pcm), self._bytes(_PIECE_MS)):
            yield pcm[at : at + self._bytes(_PIECE_MS)]

    def _whole(self, pcm: bytes) -> bytes:
        # A rest shorter than one outgoing piece would wait in the transport, behind the mark that ends the line.
        return pcm + bytes(-len(pcm) % chunk_bytes(self._rate_hz))

    def _bytes(self, duration_ms: int) -> int:
        return duration_ms * self._rate_hz // 1000 * 2
