"""A Pipecat text-to-speech service as a bot's voice."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from dataclasses import dataclass
from itertools import groupby
from typing import Final

import numpy as np
import structlog
from pipecat.frames.frames import ControlFrame, Frame, TTSAudioRawFrame, TTSSpeakFrame

from bot.speech.errors import PoolClosed, ServiceUnreachable, SynthesisFailed
from bot.speech.hosted import VOICE_HZ, HostedService, ServiceSpec, has_setting, service_class
from bot.speech.phrases import PhraseCache
from bot.speech.pool import WorkPool
from bot.speech.service_bases import TTSService
from bot.speech.sound import Samples, from_pcm, resample
from bot.speech.speaking import CachedSpeaker

_log = structlog.get_logger(__name__)

#: Longer than any request may take, so that a thread never waits for a loop that has gone.
_LOST_S: Final = 30.0


@dataclass
class _SaidFrame(ControlFrame):
    """Follows a text through the service, behind all of its sound."""


class HostedVoice:
    """A `Voice` that another machine speaks with. `render` is called in threads and works on the loop it was made on.

    Each request has the service for itself; objects of it are kept for the next, one that failed is not.
    """

    rate_hz = VOICE_HZ

    def __init__(self, spec: ServiceSpec, language: str) -> None:
        self.fingerprint = f"hosted:{spec.fingerprint(language)}"
        self._spec = spec
        self._language = language
        self._loop = asyncio.get_running_loop()
        self._idle: dict[float, list[_Line]] = defaultdict(list)
        self._speaking: set[asyncio.Task[Samples]] = set()
        self._closed = False

    async def open(self) -> None:
        """Make the first object of the service, so that what is wrong with the settings is told now."""
        await asyncio.to_thread(service_class, self._spec, TTSService)  # its import may take seconds
        line = await self._new_line(1.0)
        self._idle[1.0].append(line)

    def render(self, sentence: str, speed: float) -> Samples:
        """See `Voice`. Raises `SynthesisFailed`, `HostedSpeechFailed`."""
        waiting = asyncio.run_coroutine_threadsafe(self._rendered(sentence, speed), self._loop)
        try:
            return waiting.result(timeout=2 * self._spec.timeout_s + _LOST_S)
        except TimeoutError as error:
            waiting.cancel()
            raise SynthesisFailed("the event loop did not answer a thread of the voice", retryable=True) from error

    async def aclose(self) -> None:
        """Break off what is being said and release the service. Idempotent."""
        self._closed = True
        for task in tuple(self._speaking):
            task.cancel()
        await asyncio.gather(*self._speaking, return_exceptions=True)
        lines = [line for kept in self._idle.values() for line in kept]
        self._idle.clear()
        for line in lines:
            await line.aclose()

    async def _rendered(self, sentence: str, speed: float) -> Samples:
        if self._closed:
            raise PoolClosed
        task = asyncio.create_task(self._said(sentence, speed))
        self._speaking.add(task)
        task.add_done_callback(self._speaking.discard)
        try:
            return await task
        except asyncio.CancelledError as error:
            if self._closed:
                raise PoolClosed from error
            raise

    async def _said(self, sentence: str, speed: float) -> Samples:
        idle = self._idle[speed]
        kept = idle.pop() if idle else None
        if kept is not None:
            try:
                return await self._said_by(kept, sentence, speed)
            except ServiceUnreachable:
                # The connection of one that was kept may have gone meanwhile.
                _log.debug("speech.connection_gone", service=self._spec.name)
        return await self._said_by(await self._new_line(speed), sentence, speed)

    async def _said_by(self, line: _Line, sentence: str, speed: float) -> Samples:
        try:
            async with asyncio.timeout(self._spec.timeout_s):
                samples = await line.say(sentence)
        except BaseException as error:
            await line.aclose()
            if isinstance(error, TimeoutError):
                raise line.host.refusals.overdue() from error
            raise
        if self._closed:
            await line.aclose()
        else:
            self._idle[speed].append(line)
        return samples

    async def _new_line(self, speed: float) -> _Line:
        line = _Line(self._spec, self._language, speed)
        await line.host.open()
        return line


class _Line:
    """One object of the service, used for one text at a time."""

    def __init__(self, spec: ServiceSpec, language: str, speed: float) -> None:
        further = {} if speed == 1.0 else {"speed": speed}
        if further and not has_setting(service_class(spec, TTSService), "speed"):
            raise SynthesisFailed(f"speech service {spec.name} has no setting for speed; use speed 1.0 with it")
        self.host = HostedService(spec, TTSService, self._take, language=language, further=further)
        self._sounds: list[tuple[int, Samples]] = []
        self._said = asyncio.Event()

    async def say(self, sentence: str) -> Samples:
        """The sound of a text at `VOICE_HZ`."""
        self.host.private = sentence
        self._sounds.clear()
        self._said.clear()
        await self.host.put(TTSSpeakFrame(sentence, append_to_context=False))
        await self.host.put(_SaidFrame())
        waiting = {asyncio.create_task(event.wait()) for event in (self._said, self.host.failed)}
        try:
            await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in waiting:
                task.cancel()
        if self.host.error is not None:
            raise self.host.error
        if not self._sounds:
            raise self.host.refusals.silent()
        return _together(self._sounds)

    async def aclose(self) -> None:
        await self.host.aclose()

    def _take(self, frame: Frame) -> None:
        if isinstance(frame, TTSAudioRawFrame):
            self._sounds.append((frame.sample_rate, _samples(frame)))
        elif isinstance(frame, _SaidFrame):
            self._said.set()


def _samples(frame: TTSAudioRawFrame) -> Samples:
    sound = from_pcm(frame.audio[: len(frame.audio) // 2 * 2])
    if frame.num_channels > 1:
        sound = sound[: sound.size // frame.num_channels * frame.num_channels]
        sound = sound.reshape(-1, frame.num_channels).mean(axis=1)
    return sound


def _together(sounds: list[tuple[int, Samples]]) -> Samples:
    # Resampled piece by piece, each joint would click.
    runs = groupby(sounds, key=lambda sound: sound[0])
    return np.concatenate(
        [resample(np.concatenate([samples for _, samples in run]), rate_hz, VOICE_HZ) for rate_hz, run in runs]
    )


class HostedSpeaker(CachedSpeaker):
    """A `Speaker` over a service, with the phrase cache in front of it."""

    def __init__(self, voice: HostedVoice, cache: PhraseCache, at_once: int, language: str) -> None:
        # Threads of its own: they wait for the network, and recognition must not wait behind them.
        super().__init__(voice, cache, WorkPool(at_once, name="hosted"), owns_pool=True, language=language)
        self._hosted = voice

    @classmethod
    async def open(cls, spec: ServiceSpec, language: str, cache: PhraseCache) -> HostedSpeaker:
        """The service as a voice in a language. Raises `BadService`, `HostedSpeechFailed`."""
        voice = HostedVoice(spec, language)
        await voice.open()
        return cls(voice, cache, spec.at_once, language)

    async def aclose(self) -> None:
        """See `Speaker`."""
        await self._hosted.aclose()
        await super().aclose()
