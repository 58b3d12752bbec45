"""A Pipecat speech-to-text service as a bot's ears."""

from __future__ import annotations

import asyncio
import io
import time
import wave
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from typing import Final, Protocol

import structlog
from pipecat.frames.frames import (
    ErrorFrame,
    Frame,
    InputAudioRawFrame,
    TranscriptionFrame,
    VADUserStartedSpeakingFrame,
    VADUserStoppedSpeakingFrame,
)

from bot.errors import SpeechError
from bot.speech.errors import ServiceUnreachable
from bot.speech.hosted import EARS_HZ, HostedService, ServiceSpec, service_class
from bot.speech.listening import Heard
from bot.speech.service_bases import SegmentedSTTService, STTService
from bot.speech.sound import from_pcm, resample, silence, to_pcm

_log = structlog.get_logger(__name__)

#: Recognisers drop or garble a last word that ends with the sound.
_TAIL_MS: Final = 300
_CHUNK_BYTES: Final = EARS_HZ // 10 * 2
#: A streaming service is done when it says so, or has added nothing for so long.
_SETTLED_S: Final = 0.6


class HostedListener:
    """A `Listener` by a service, for one language.

    One that takes whole utterances answers several at once; of one that streams, each utterance has an object for
    itself, kept for the next.
    """

    def __init__(self, spec: ServiceSpec, language: str, recogniser: _Recogniser) -> None:
        self._spec = spec
        self._recogniser = recogniser
        self._turns = asyncio.Semaphore(spec.at_once)
        self.language = language

    @classmethod
    async def open(cls, spec: ServiceSpec, language: str) -> HostedListener:
        """The service listening in a language. Raises `BadService`, `HostedSpeechFailed`."""
        service = await asyncio.to_thread(service_class, spec, STTService)  # its import may take seconds
        whole = issubclass(service, SegmentedSTTService)
        recogniser = _Whole(spec, language) if whole else _Streaming(spec, language)
        await recogniser.open()
        return cls(spec, language, recogniser)

    async def transcribe(self, pcm: bytes, rate_hz: int) -> Heard:
        """See `Listener`. Raises `BadAudio`, `HostedSpeechFailed`."""
        began = time.monotonic()
        sound = to_pcm(resample(from_pcm(pcm), rate_hz, EARS_HZ)) + silence(_TAIL_MS, EARS_HZ)
        async with self._turns:
            sent = time.monotonic()
            try:
                async with asyncio.timeout(self._spec.timeout_s):
                    text = await self._recogniser.words(sound)
            except TimeoutError as error:
                raise self._recogniser.overdue() from error
        return Heard(
            text=text,
            score=0.0,
            no_speech_prob=0.0,
            audio_ms=len(pcm) // 2 * 1000 // rate_hz,
            wait_ms=round((sent - began) * 1000),
            work_ms=round((time.monotonic() - sent) * 1000),
        )

    async def aclose(self) -> None:
        """Release the service. Idempotent."""
        await self._recogniser.aclose()


class _Recogniser(Protocol):
    async def open(self) -> None: ...

    async def words(self, sound: bytes) -> str:
        """What was said in PCM at `EARS_HZ`; empty for nothing."""
        ...

    def overdue(self) -> SpeechError: ...

    async def aclose(self) -> None: ...


class _Whole:
    """A service that is given whole utterances: its generator ends when it has said all."""

    def __init__(self, spec: ServiceSpec, language: str) -> None:
        self._spec = spec
        self._language = language
        self._host = self._made()

    def _made(self) -> HostedService:
        return HostedService(self._spec, SegmentedSTTService, lambda _frame: None, language=self._language)

    async def open(self) -> None:
        await self._host.open()

    def overdue(self) -> SpeechError:
        return self._host.refusals.overdue()

    async def words(self, sound: bytes) -> str:
        host = self._host
        before = host.error
        try:
            async with aclosing(host.service.run_stt(_wav(sound) if host.service.wants_wav_segments else sound)) as got:
                frames = [frame async for frame in got]
        except Exception as error:
            raise host.refusals.of(error) from error
        for frame in frames:
            if isinstance(frame, ErrorFrame):
                raise host.refusals.of_frame(frame)
        said = [frame.text for frame in frames if isinstance(frame, TranscriptionFrame)]
        if not said and host.error is not None and host.error is not before:
            raise host.error
        return " ".join(said).strip()

    async def aclose(self) -> None:
        await self._host.aclose()


class _Streaming:
    """A service that hears sound as it comes and sends words when it has them."""

    def __init__(self, spec: ServiceSpec, language: str) -> None:
        self._spec = spec
        self._language = language
        self._idle: list[_Stream] = []
        self._closing: set[asyncio.Task[None]] = set()
        self._first = _Stream(spec, language)

    async def open(self) -> None:
        await self._first.host.open()
        self._idle.append(self._first)

    def overdue(self) -> SpeechError:
        return self._first.host.refusals.overdue()

    async def words(self, sound: bytes) -> str:
        kept = self._usable()
        if kept is not None:
            try:
                return await self._by(kept, sound)
            except ServiceUnreachable:
                # The connection of one that was kept may have gone meanwhile.
                _log.debug("speech.connection_gone", service=self._spec.name)
        stream = _Stream(self._spec, self._language)
        await stream.host.open()
        return await self._by(stream, sound)

    async def aclose(self) -> None:
        idle, self._idle = self._idle, []
        for stream in (*idle, self._first):
            await stream.host.aclose()
        await asyncio.gather(*self._closing, return_exceptions=True)

    def _usable(self) -> _Stream | None:
        """One that was kept and has not failed since; the others are closed, but nobody waits for that."""
        while self._idle:
            stream = self._idle.pop()
            if not stream.host.failed.is_set():
                return stream
            task = asyncio.create_task(stream.host.aclose())
            self._closing.add(task)
            task.add_done_callback(self._closing.discard)
        return None

    async def _by(self, stream: _Stream, sound: bytes) -> str:
        async with self._kept(stream):
            return await stream.words(sound)

    @asynccontextmanager
    async def _kept(self, stream: _Stream) -> AsyncIterator[None]:
        try:
            yield
        except BaseException:
            await stream.host.aclose()
            raise
        self._idle.append(stream)


class _Stream:
    """One object of a streaming service, used for one utterance at a time."""

    def __init__(self, spec: ServiceSpec, language: str) -> None:
        self.host = HostedService(spec, STTService, self._take, language=language)
        self._frames: asyncio.Queue[TranscriptionFrame | None] = asyncio.Queue()
        self.host.service.add_event_handler("on_error", self._on_error)

    async def words(self, sound: bytes) -> str:
        while not self._frames.empty():  # a late word of the utterance before
            self._frames.get_nowait()
        await self.host.put(VADUserStartedSpeakingFrame(start_secs=0.0))
        for at in range(0, len(sound), _CHUNK_BYTES):
            await self.host.put(InputAudioRawFrame(sound[at : at + _CHUNK_BYTES], EARS_HZ, 1))
        await self.host.put(VADUserStoppedSpeakingFrame(stop_secs=_TAIL_MS / 1000))
        return " ".join([text async for text in self._said()]).strip()

    async def _said(self) -> AsyncIterator[str]:
        patience_s: float | None = None
        while True:
            try:
                frame = await asyncio.wait_for(self._frames.get(), patience_s)
            except TimeoutError:
                return
            if frame is None:
                assert self.host.error is not None
                raise self.host.error
            yield frame.text
            if frame.finalized:
                return
            patience_s = _SETTLED_S

    def _take(self, frame: Frame) -> None:
        if isinstance(frame, TranscriptionFrame):
            self._frames.put_nowait(frame)

    def _on_error(self, _service: object, _frame: ErrorFrame) -> None:
        self._frames.put_nowait(None)


def _wav(pcm: bytes) -> bytes:
    container = io.BytesIO()
    with wave.open(container, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(EARS_HZ)
        file.writeframes(pcm)
    return container.getvalue()
