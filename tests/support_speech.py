"""Real speech for tests: the models of the catalogue, loaded once a module."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from bot.speech.listening import WhisperListener
from bot.speech.pool import WorkPool
from bot.speech.speaking import PiperSpeaker
from models import ModelStore


def model_folder(model_id: str) -> Path:
    """Where a model lies, or a skip that says how to get it."""
    store = ModelStore()
    error = store.status(model_id).error
    if error is not None:
        pytest.skip(f"{error} (CAMPANA_MODELS_DIR names another folder)")
    return store.path(model_id)


class AlwaysComplete:
    """A `bot.speech.turn_end.TurnEnd` for which every pause ends the turn."""

    async def likelihood(self, pcm: bytes, rate_hz: int, *, silence_ms: int) -> float:
        return 1.0


@pytest.fixture(scope="module")
def speech_pool() -> Iterator[WorkPool]:
    pool = WorkPool(2)
    yield pool
    pool.close()


@pytest.fixture(scope="module")
def base_listener(speech_pool: WorkPool) -> WhisperListener:
    """The recognition that a new installation has."""
    return WhisperListener.load(model_folder("stt-base"), pool=speech_pool)


@pytest.fixture(scope="module")
def joe_voice(speech_pool: WorkPool) -> PiperSpeaker:
    """The English voice. It draws noise: the same in every run of the suite."""
    folder = model_folder("tts-en-joe")
    import onnxruntime

    onnxruntime.set_seed(7)
    return PiperSpeaker.load(folder, pool=speech_pool)
