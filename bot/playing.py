"""The bot's voice held back in the middle of a line, to go on where it was cut, or a little before."""

from __future__ import annotations

import asyncio
from typing import Final

import numpy as np

_SAMPLE_BYTES: Final = 2
#: Sound kept of what was written: more than any network holds ahead, and a word before that.
_KEPT_MS: Final = 1000
#: Nobody goes on in the middle of a word: it begins anew after a gap that is no further back than this.
_WORD_MS: Final = 400
_GAP_MS: Final = 20
#: A gap is this much quieter than what is around it.
_GAP_RATIO: Final = 0.1


class Held:
    """What is written and was not heard because the customer spoke: 16-bit PCM at `rate_hz`."""

    def __init__(self, rate_hz: int) -> None:
        self._rate_hz = rate_hz
        self._written = bytearray()
        self._rest = b""
        self._released = asyncio.Event()
        self._released.set()

    @property
    def holds(self) -> bool:
        """Whether the bot is held back, or has still to say what that cut off."""
        return not self._released.is_set() or bool(self._rest)

    def wrote(self, pcm: bytes) -> None:
        """`pcm` is on its way to the customer."""
        self._written += pcm
        del self._written[: -self._bytes(_KEPT_MS)]

    def hold(self, unheard_ms: int) -> None:
        """Stop; the last `unheard_ms` of what was written did not reach the customer."""
        heard = len(self._written) - min(len(self._written), self._bytes(unheard_ms))
        self._rest = bytes(self._written[self._word_began(heard) :])
        self._written.clear()
        self._released.clear()

    def release(self) -> None:
        """Go on."""
        self._released.set()

    def drop(self) -> None:
        """Forget what was cut off."""
        self._rest = b""
        self._written.clear()
        self._released.set()

    async def released(self) -> None:
        """Wait until the bot may speak."""
        await self._released.wait()

    def take(self) -> bytes:
        """What is to be said first, once."""
        rest, self._rest = self._rest, b""
        return rest

    def _word_began(self, heard: int) -> int:
        """Where to go on, in bytes: the last gap between words, `heard` when there is none near."""
        gap = self._bytes(_GAP_MS)
        gaps = min(heard, self._bytes(_WORD_MS)) // gap
        if not gaps:
            return heard
        first = heard - gaps * gap
        samples = np.frombuffer(bytes(self._written[first:heard]), dtype="<i2").astype(np.float64)
        levels = np.sqrt(np.mean(samples.reshape(gaps, -1) ** 2, axis=1))
        quiet = np.flatnonzero(levels <= _GAP_RATIO * levels.max())
        return first + int(quiet[-1]) * gap if quiet.size and quiet.size < gaps else heard

    def _bytes(self, duration_ms: int) -> int:
        return duration_ms * self._rate_hz // 1000 * _SAMPLE_BYTES
