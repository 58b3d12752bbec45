"""How a callee hears that the bot speaks: by the energy of each frame."""

from __future__ import annotations

from dataclasses import dataclass

from telephony.simulator.g711 import LOUDNESS_STEP, Law

#: Mean magnitude of a frame, against 32768, from which it counts as sound (about −45 dBFS).
LOUD = 192
#: Sound must fill so many frames, with no gap longer than `_ONSET_GAP_MS`, to count as speech.
_ONSET_FRAMES = 3
_ONSET_GAP_MS = 60
#: Speech goes on through pauses up to this long.
JOIN_MS = 300
_FRAME_MS = 20


@dataclass
class Span:
    """A stretch of sound, in ms after the answer."""

    start_ms: int
    end_ms: int


class Ear:
    """Finds speech in the frames of one call."""

    def __init__(self, law: Law) -> None:
        self.speech: list[Span] = []
        #: The first frame that was loud at all, in ms after the answer.
        self.first_sound_ms: int | None = None
        self._loudness = law.loudness
        self._silence = law.encode(bytes(2))[0]
        self._candidate: Span | None = None
        self._loud_frames = 0

    def hear(self, payload: bytes, at_ms: int) -> None:
        """Take one frame that arrived `at_ms` after the answer."""
        if payload.count(self._silence) == len(payload):
            return
        if sum(payload.translate(self._loudness)) * LOUDNESS_STEP >= LOUD * len(payload):
            self._loud(at_ms)

    def last(self) -> Span | None:
        """The latest stretch of speech, over or not."""
        return self.speech[-1] if self.speech else None

    def speaking(self, now_ms: int) -> bool:
        """Whether the bot speaks now; pauses within speech count as speech."""
        last = self.last()
        return last is not None and now_ms - last.end_ms < JOIN_MS

    def _loud(self, at_ms: int) -> None:
        if self.first_sound_ms is None:
            self.first_sound_ms = at_ms
        end_ms = at_ms + _FRAME_MS
        last = self.last()
        if last is not None and at_ms - last.end_ms < JOIN_MS:
            last.end_ms = end_ms
            return
        if self._candidate is None or at_ms - self._candidate.end_ms > _ONSET_GAP_MS:
            self._candidate, self._loud_frames = Span(at_ms, end_ms), 0
        self._candidate.end_ms = end_ms
        self._loud_frames += 1
        if self._loud_frames >= _ONSET_FRAMES:
            self.speech.append(self._candidate)
            self._candidate = None
