"""The voices and ears of this process, each opened once, by the names that settings and bots use."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Final

import structlog

from bot.speech.listening import Listener, WhisperListener
from bot.speech.phrases import PhraseCache
from bot.speech.pool import WorkPool
from bot.speech.recorded import Recorded, RecordedLines
from bot.speech.speaking import CachedSpeaker, EspeakSpeaker, open_speaker
from campana.settings import ModelSettings, ServiceSettings, Settings
from campana.speech_choice import ESPEAK, Choice, ears_for, service_of, voice_for
from models.store import ModelStore

if TYPE_CHECKING:
    from bot.speech.hosted import ServiceSpec

_log = structlog.get_logger(__name__)
_MB: Final = 1024 * 1024

#: Loads the recognition of a model id; blocks.
LoadEars = Callable[[ModelStore, ModelSettings, WorkPool], WhisperListener]


def phrase_cache(settings: Settings) -> PhraseCache:
    """Spoken lines in memory and on disk, within the settings' bounds; one for all voices of a process."""
    models = settings.models
    return PhraseCache(
        settings.phrase_folder,
        memory_bytes=models.phrase_memory_mb * _MB,
        disk_bytes=models.phrase_disk_mb * _MB,
        prune_every_bytes=max(_MB, min(32, models.phrase_disk_mb // 8) * _MB),
    )


class Speech:
    """Opens voices and ears at their first use; `stack` closes them. Voices share one cache and, here, one pool."""

    def __init__(
        self,
        settings: Settings,
        store: ModelStore,
        pool: WorkPool,
        stack: contextlib.AsyncExitStack,
        load_ears: LoadEars,
    ) -> None:
        self.cache = phrase_cache(settings)
        self._settings = settings
        self._store = store
        self._pool = pool
        self._stack = stack
        self._load_ears = load_ears
        self._speakers: dict[tuple[str, str], CachedSpeaker] = {}
        self._whispers: dict[str, WhisperListener] = {}
        self._listeners: dict[tuple[str, str], Listener] = {}
        self._opening = asyncio.Lock()
        self._warned: set[str] = set()

    async def speaker(self, language: str, own: str | None = None) -> CachedSpeaker:
        """The voice of a bot in a language; `own` is the one that it names.

        Raises `SpeechUnavailable`, `SpeechError` or `ModelError`.
        """
        choice = self._told(await asyncio.to_thread(voice_for, self._settings, self._store, language, own))
        async with self._opening:
            # A service may speak each language in another way; a voice here does not.
            hosted = service_of(self._settings.services.tts, choice.name)
            key = (choice.name, language if hosted is not None else "")
            if key not in self._speakers:
                speaker = await self._open_voice(choice.name, language, hosted)
                self._stack.push_async_callback(speaker.aclose)
                self._speakers[key] = speaker
            return self._speakers[key]

    async def listener(self, language: str, own: str | None = None) -> Listener:
        """The ears of a bot in a language; `own` are those that it names. Raises as `speaker` does."""
        choice = self._told(ears_for(self._settings, self._store, language, own))
        key = (choice.name, language)
        async with self._opening:
            if key not in self._listeners:
                self._listeners[key] = await self._open_ears(choice.name, language)
            return self._listeners[key]

    async def load_usual_ears(self) -> None:
        """Load the ears of bots that name none now, so that their lack is told at once; a service is not asked yet."""
        usual = self._settings.models.listening
        if service_of(self._settings.services.stt, usual) is None:
            async with self._opening:
                await self._whisper(usual)

    def recorded(self, files: Mapping[str, Recorded]) -> RecordedLines:
        """The recorded lines of a bot, by the names in its script."""
        return RecordedLines(files, self.cache, self._pool)

    async def _open_voice(self, name: str, language: str, hosted: ServiceSettings | None) -> CachedSpeaker:
        if hosted is not None:
            from bot.speech.hosted_voice import HostedSpeaker

            return await HostedSpeaker.open(service_spec(hosted), language, self.cache)
        if name.startswith(ESPEAK):
            spoken = name.removeprefix(ESPEAK)
            return await asyncio.to_thread(EspeakSpeaker.load, spoken, pool=self._pool, cache=self.cache)
        return await asyncio.to_thread(open_speaker, self._store, name, pool=self._pool, cache=self.cache)

    async def _open_ears(self, name: str, language: str) -> Listener:
        hosted = service_of(self._settings.services.stt, name)
        if hosted is None:
            return (await self._whisper(name)).in_language(language.partition("-")[0])
        from bot.speech.hosted_ears import HostedListener

        listener = await HostedListener.open(service_spec(hosted), language)
        self._stack.push_async_callback(listener.aclose)
        return listener

    async def _whisper(self, name: str) -> WhisperListener:
        if name not in self._whispers:
            chosen = self._settings.models.model_copy(update={"listening": name})
            listener = await asyncio.to_thread(self._load_ears, self._store, chosen, self._pool)
            self._stack.push_async_callback(listener.aclose)
            self._whispers[name] = listener
        return self._whispers[name]

    def _told(self, choice: Choice) -> Choice:
        if choice.warning is not None and choice.warning not in self._warned:
            self._warned.add(choice.warning)
            _log.warning("speech.second_best", what=choice.warning)
        return choice


def service_spec(service: ServiceSettings) -> ServiceSpec:
    """A service of the settings as bots know it."""
    from bot.speech.hosted import ServiceSpec

    return ServiceSpec(
        name=service.name,
        path=service.class_path,
        arguments=service.arguments,
        settings=service.settings,
        secrets=service.secrets,
        at_once=service.at_once,
        timeout_s=service.timeout_s,
    )
