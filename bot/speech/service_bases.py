"""Pipecat's base classes of speech services."""

from __future__ import annotations

import warnings

with warnings.catch_warnings():
    # The module derives from classes that it has deprecated itself.
    warnings.simplefilter("ignore", DeprecationWarning)
    from pipecat.services.stt_service import SegmentedSTTService, STTService
    from pipecat.services.tts_service import TTSService

__all__ = ["STTService", "SegmentedSTTService", "TTSService"]
