"""Whether a pause is the end of what the customer wants to say: smart-turn, one ONNX session a process."""

from __future__ import annotations

from importlib import resources
from typing import Final, Protocol

import numpy as np

from bot.speech.pool import Priority, WorkPool
from bot.speech.sound import from_pcm, resample

_RATE_HZ: Final = 16000
#: The model was trained on speech cut this long after its end; asked earlier, it is shown the silence to come.
_TRAINED_SILENCE_MS: Final = 200
_LONGEST_S: Final = 8


class TurnEnd(Protocol):
    """Tells a finished turn from a pause for thought."""

    async def likelihood(self, pcm: bytes, rate_hz: int, *, silence_ms: int) -> float:
        """How likely the turn in `pcm`, whose last `silence_ms` are silent, is finished by its sound: 0 to 1."""
        ...


class SmartTurn:
    """The turn model that Pipecat bundles, shared by all calls of a process."""

    def __init__(self, pool: WorkPool) -> None:
        from pipecat.audio.turn.smart_turn.local_smart_turn_v3 import LocalSmartTurnAnalyzerV3

        path = resources.files("pipecat.audio.turn.smart_turn.data") / "smart-turn-v3.2-cpu.onnx"
        self._model = LocalSmartTurnAnalyzerV3(smart_turn_model_path=str(path), sample_rate=_RATE_HZ, cpu_count=1)
        self._pool = pool

    async def likelihood(self, pcm: bytes, rate_hz: int, *, silence_ms: int) -> float:
        """See `TurnEnd`. Raises `PoolFull` or `PoolClosed`."""
        return (await self._pool.run(lambda: self.probability(pcm, rate_hz, silence_ms), priority=Priority.NOW)).value

    def probability(self, pcm: bytes, rate_hz: int, silence_ms: int) -> float:
        """How likely the turn is finished; blocks about 50 ms."""
        samples = from_pcm(pcm)[-rate_hz * _LONGEST_S :]
        missing = max(0, _TRAINED_SILENCE_MS - silence_ms) * rate_hz // 1000
        samples = resample(np.concatenate((samples, np.zeros(missing, dtype=np.float32))), rate_hz, _RATE_HZ)
        return float(self._model._predict_endpoint(samples)["probability"])
