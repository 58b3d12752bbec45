"""Recognition on this machine, as the settings choose its models."""

from __future__ import annotations

from pathlib import Path

import structlog

from bot.speech.listening import WhisperListener
from bot.speech.pool import WorkPool
from bot.speech.relief import Relief, ReliefParams
from campana.settings import ModelSettings
from models.errors import ModelCorrupt, ModelMissing
from models.store import ModelStore

_log = structlog.get_logger(__name__)


def open_local_ears(store: ModelStore, settings: ModelSettings, pool: WorkPool) -> WhisperListener:
    """Load the model that listens and, where it is there, the one that relieves it; blocks about two seconds.

    Raises `ModelError` when the first is missing or no model has such a name; without the second everybody waits
    for the first.
    """
    relief = Relief(ReliefParams(above_ms=settings.listening_fast_above_ms))
    return WhisperListener.load(
        store.path(settings.listening), pool=pool, fast_dir=_fast_folder(store, settings), relief=relief
    )


def _fast_folder(store: ModelStore, settings: ModelSettings) -> Path | None:
    fast = settings.listening_fast
    if fast is None or fast == settings.listening:
        return None
    try:
        return store.path(fast)
    except (ModelMissing, ModelCorrupt) as error:
        _log.warning("ears.no_fast_model", model=fast, error=str(error))
        return None
