"""When recognition leaves its model for a faster one, and when it comes back."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

import structlog

_log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class ReliefParams:
    """An utterance that waited longer than `above_ms` is for the faster model, and so are those after it.

    The usual model has its turn again once every wait of the last `calm_s` was at most `below_ms`.
    """

    above_ms: int = 150
    below_ms: int = 50
    calm_s: float = 5.0


class Relief:
    """Told how long each utterance waited; any thread may tell. `clock` counts seconds."""

    def __init__(self, params: ReliefParams | None = None, *, clock: Callable[[], float] = time.monotonic) -> None:
        self.params = params or ReliefParams()
        self._clock = clock
        self._lock = threading.Lock()
        self._under_way = False
        self._restless_at = 0.0

    @property
    def under_way(self) -> bool:
        """Whether the faster model has its turn."""
        return self._under_way

    def now(self) -> float:
        """Seconds of the clock."""
        return self._clock()

    def wanted(self, wait_ms: int) -> bool:
        """Whether an utterance that waited so long is for the faster model."""
        with self._lock:
            now = self._clock()
            if not self._under_way and wait_ms > self.params.above_ms:
                self._change(True, wait_ms)
            if self._under_way and wait_ms > self.params.below_ms:
                self._restless_at = now
            if self._under_way and now - self._restless_at >= self.params.calm_s:
                self._change(False, wait_ms)
            return self._under_way

    def _change(self, under_way: bool, wait_ms: int) -> None:
        self._under_way = under_way
        _log.info("listening.fast_model" if under_way else "listening.usual_model", wait_ms=wait_ms)
