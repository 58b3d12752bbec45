"""How many calls a node on this machine should take, with the models that the settings choose."""

from __future__ import annotations

import asyncio
from typing import Final

from bot.capacity import Capacity, measure
from bot.speech.voices import PiperVoice
from bot.speech.whisper import Whisper
from campana.settings import Settings
from campana.speech_choice import ESPEAK, service_of, voice_for
from models.catalogue import Kind
from models.store import ModelStore

#: Of more calls than the proposal by this factor the user is warned.
_TOO_MANY: Final = 1.25


async def capacity_of(settings: Settings, *, runs: int = 5) -> Capacity:
    """Measure for some seconds, in a thread. Raises `ModelError`, `SpeechUnavailable`."""
    return await asyncio.to_thread(_capacity, settings, runs)


def too_many(settings: Settings, found: Capacity) -> bool:
    """Whether the node may take many more calls than were found good."""
    return settings.node.calls > found.cached * _TOO_MANY


def _capacity(settings: Settings, runs: int) -> Capacity:
    store, models = ModelStore(settings.models.folder), settings.models
    threads = models.workers
    ears = None
    if service_of(settings.services.stt, models.listening) is None:
        ears = Whisper.load(store.path(models.listening), workers=1)
    return measure(ears=ears, language="en", voice=_voice(settings, store), threads=threads, runs=runs)


def _voice(settings: Settings, store: ModelStore) -> PiperVoice | None:
    """The usual voice where it is one of this machine's models."""
    name = voice_for(settings, store, "en", settings.models.speaking).name
    if service_of(settings.services.tts, name) is not None or name.startswith(ESPEAK):
        return None
    model = store.catalogue.of_kind(name, Kind.TTS)
    if store.status(model.id).error is not None and model.fallback is not None:
        return None
    return PiperVoice.load(store.path(name), sha256=store.sha256(name, ".onnx"))
