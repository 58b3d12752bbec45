"""Services as Pipecat's websocket ones work: sound and words come later, by a task of their own."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import Any

import numpy as np
from pipecat.frames.frames import (
    Frame,
    StartFrame,
    TranscriptionFrame,
    TTSAudioRawFrame,
    TTSStartedFrame,
    VADUserStoppedSpeakingFrame,
)
from pipecat.processors.frame_processor import FrameDirection
from pipecat.services.settings import STTSettings, TTSSettings

from bot.speech.service_bases import STTService, TTSService

BEEP_HZ = 16000


class BeepTTSService(TTSService):
    """Says each text as a stereo tone, 20 ms a character, and one that holds `fail` as an error."""

    Settings = TTSSettings

    def __init__(self, *, settings: TTSSettings | None = None, **kwargs: Any) -> None:
        given = settings or TTSSettings()
        given.model, given.voice = None, None
        super().__init__(sample_rate=BEEP_HZ, settings=given, **kwargs)

    async def run_tts(self, text: str, context_id: str) -> AsyncGenerator[Frame | None, None]:
        await self.create_audio_context(context_id)
        await self.append_to_audio_context(context_id, TTSStartedFrame(context_id=context_id))
        self.create_task(self._send(text, context_id), "beep")
        yield None

    async def _send(self, text: str, context_id: str) -> None:
        if "fail" in text:
            await self.push_error("the socket was closed by the peer")
            return
        tone = (9000 * np.sin(np.arange(len(text) * 320) / 5)).astype("<i2")
        for piece in np.array_split(np.repeat(tone, 2), 4):
            await asyncio.sleep(0)
            await self.append_to_audio_context(context_id, TTSAudioRawFrame(piece.tobytes(), BEEP_HZ, 2))
        await self.remove_audio_context(context_id)


@dataclass
class CountingSettings(STTSettings):
    """Whether it says when it is finished, and whether it hears anything."""

    finalizes: bool = True
    deaf: bool = False


class CountingSTTService(STTService):
    """Streams: hears how many tenths of a second of sound there were; the words come after the end, in two parts."""

    Settings = CountingSettings

    def __init__(self, *, settings: CountingSettings | None = None, **kwargs: Any) -> None:
        given = settings or CountingSettings()
        given.model = None
        super().__init__(settings=given, ttfs_p99_latency=0.1, **kwargs)
        self._told = given
        self._bytes = 0

    async def start(self, frame: StartFrame) -> None:
        await super().start(frame)
        if self._told.language == "xx":
            await self.push_error("HTTP 403: this key may not listen")

    async def run_stt(self, audio: bytes) -> AsyncGenerator[Frame | None, None]:
        self._bytes += len(audio)
        yield None

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        await super().process_frame(frame, direction)
        if isinstance(frame, VADUserStoppedSpeakingFrame) and not self._told.deaf:
            self.create_task(self._answer(), "answer")

    async def _answer(self) -> None:
        tenths, self._bytes = self._bytes // (self.sample_rate // 10 * 2), 0
        await self.push_frame(TranscriptionFrame(f"{self._told.language}", "", ""))
        last = TranscriptionFrame(f"{tenths} tenths", "", "")
        last.finalized = self._told.finalizes
        await self.push_frame(last)


class PoshSTTService(CountingSTTService):
    """Wants what the settings do not give, and a session, which must not be left open then."""

    def __init__(self, *, butler: str, aiohttp_session: object) -> None:
        super().__init__()


class HeldSTTService(CountingSTTService):
    """Hands out its session when it starts, and is ready only when it may go on."""

    def __init__(self, *, begun: asyncio.Queue[object], goes_on: asyncio.Event, aiohttp_session: object) -> None:
        super().__init__()
        self._begun = begun
        self._goes_on = goes_on
        self._session = aiohttp_session

    async def start(self, frame: StartFrame) -> None:
        await super().start(frame)
        self._begun.put_nowait(self._session)
        await self._goes_on.wait()
