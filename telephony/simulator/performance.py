"""A persona's acts as a stream of 20 ms frames; what to send next depends only on time and on what is heard."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import count, cycle
from typing import Final, TypeAlias, assert_never

from telephony.simulator import sounds
from telephony.simulator.ear import Ear
from telephony.simulator.g711 import FRAME_MS, FRAME_SAMPLES, Law
from telephony.simulator.lines import Lines
from telephony.simulator.persona import (
    Act,
    BargeIn,
    Beep,
    Chirp,
    Echo,
    HangUp,
    Keys,
    Noise,
    Persona,
    Repeat,
    Say,
    Silent,
    Wait,
    WaitForBot,
)
from telephony.simulator.rtp import Key

#: An echo may lag this far behind what is heard; then the oldest is lost.
_ECHO_FRAMES = 100
_KEY_END_REPEATS = 3
#: Frames that are later are never sent: the call goes on where the clock is.
MOST_LATE_MS = 500


class _Goodbye:
    """Says that the callee hangs up now."""


GOODBYE: Final = _Goodbye()


@dataclass(frozen=True)
class Press:
    """A key by SIP INFO, `alone` as the whole body, while the audio goes on."""

    key: str
    ms: int
    alone: bool
    audio: bytes


#: What the next 20 ms are: encoded audio, a key, None for no packet, or the end of the call.
Frame: TypeAlias = bytes | Key | Press | _Goodbye | None


@dataclass(frozen=True)
class Spoken:
    """A line that was said, in ms after the answer; `whole` is False when it was broken off."""

    text: str
    start_ms: int
    end_ms: int
    whole: bool = True


class Performance:
    """What one callee does on one answered call.

    `frame()` is called once for every 20 ms of the call, `hear()` for every frame that arrives.
    """

    def __init__(self, persona: Persona, lines: Lines | None, law: Law) -> None:
        self.ear = Ear(law)
        self.spoken: list[Spoken] = []
        self._persona = persona
        self._lines = lines
        self._law = law
        self._ticks = 0
        #: How late the frame of now is.
        self.late_ms = 0
        self._behind_ms = 0
        self._silence = sounds.silence(law)
        self._background: Iterator[bytes] = cycle((self._silence,))
        self._echo: deque[bytes] | None = None
        self._frames = self._whole_call()

    @property
    def now_ms(self) -> int:
        """How much of the call has been performed."""
        return self._ticks * FRAME_MS

    def hear(self, payload: bytes, at_ms: int) -> None:
        """Take audio that arrived `at_ms` after the answer."""
        self.ear.hear(payload, at_ms)
        if self._echo is not None:
            self._echo.extend(payload[at : at + FRAME_SAMPLES] for at in range(0, len(payload), FRAME_SAMPLES))

    def keep_up(self, now_ms: int) -> int:
        """Compare with the clock, `now_ms` after the answer; how many frames are skipped after a long standstill.

        Lines then begin when they are heard to begin, whatever held this process up.
        """
        skipped = max(0, now_ms - self.now_ms) // FRAME_MS if now_ms - self.now_ms > MOST_LATE_MS else 0
        self.late_ms = max(0, now_ms - self.now_ms)
        self._ticks += skipped
        self._behind_ms = max(0, now_ms - self.now_ms) // FRAME_MS * FRAME_MS
        return skipped

    def frame(self) -> Frame:
        """The next 20 ms."""
        frame = GOODBYE if self.now_ms >= self._persona.max_call_ms else next(self._frames)
        self._ticks += 1
        return frame

    def _whole_call(self) -> Iterator[Frame]:
        yield from self._acts(self._persona.play)
        while True:
            yield next(self._background)

    def _acts(self, acts: Sequence[Act]) -> Iterator[Frame]:
        for act in acts:
            yield from self._act(act)

    def _act(self, act: Act) -> Iterator[Frame]:
        match act:
            case Say():
                yield from self._say(act.text, act.cut_after_ms)
            case Wait():
                yield from self._pause(act.ms)
            case WaitForBot():
                yield from self._wait_for_bot(act)
            case BargeIn():
                yield from self._barge_in(act)
            case HangUp():
                yield from self._hang_up(act)
            case Repeat():
                yield from self._repeat(act)
            case Noise():
                self._background = cycle(sounds.noise(self._law, act.level_db))
            case _:
                yield from self._sound(act)

    def _sound(self, act: Beep | Chirp | Keys | Silent | Echo) -> Iterator[Frame]:
        match act:
            case Beep():
                yield from sounds.tone(self._law, act.hz, act.ms, act.level_db)
            case Chirp():
                yield from sounds.chirp(self._law, act.from_hz, act.to_hz, act.ms, act.level_db)
            case Keys():
                yield from self._keys(act)
            case Silent():
                yield from self._silent(act)
            case Echo():
                yield from self._echo_back(act)
            case _:
                assert_never(act)

    def _pause(self, ms: int) -> Iterator[Frame]:
        for _ in range(ms // FRAME_MS):
            yield next(self._background)

    def _say(self, text: str, cut_after_ms: int | None = None) -> Iterator[Frame]:
        frames = self._lines.frames(text, self._persona.voice.speed, self._law) if self._lines else ()
        played = frames if cut_after_ms is None else frames[: cut_after_ms // FRAME_MS]
        start_ms = self.now_ms + self._behind_ms
        at = len(self.spoken)
        self.spoken.append(Spoken(text, start_ms, start_ms, whole=False))
        yield from played
        self.spoken[at] = Spoken(text, start_ms, self.now_ms + self._behind_ms, whole=len(played) == len(frames))

    def _wait_for_bot(self, act: WaitForBot) -> Iterator[Frame]:
        began_ms = self.now_ms
        while self.now_ms - began_ms < act.max_ms:
            last = self.ear.last()
            if last and last.end_ms >= began_ms and self.now_ms - last.end_ms >= act.silence_ms:
                return
            yield next(self._background)

    def _until_bot_spoke_for(self, ms: int, max_ms: int) -> Iterator[Frame]:
        began_ms = self.now_ms
        while self.now_ms - began_ms < max_ms:
            last = self.ear.last()
            if last and last.end_ms >= began_ms and self.now_ms - last.start_ms >= ms:
                return
            yield next(self._background)

    def _barge_in(self, act: BargeIn) -> Iterator[Frame]:
        yield from self._until_bot_spoke_for(act.after_ms, act.max_ms)
        yield from self._say(act.text)

    def _hang_up(self, act: HangUp) -> Iterator[Frame]:
        if act.after_bot_ms is None:
            yield from self._pause(act.after_ms)
        else:
            yield from self._until_bot_spoke_for(act.after_bot_ms, act.max_ms)
        while True:  # the BYE may have to wait for the caller's ACK
            yield GOODBYE

    def _repeat(self, act: Repeat) -> Iterator[Frame]:
        for _ in range(act.times) if act.times else count():
            before = self._ticks
            yield from self._acts(act.play)
            if self._ticks == before:  # acts that take no time would never come back
                yield next(self._background)

    def _keys(self, act: Keys) -> Iterator[Frame]:
        if act.by != "rtp":
            yield from self._keys_by_info(act)
            return
        for key in act.digits:
            steps = act.ms // FRAME_MS
            for step in range(1, steps + 1):
                yield Key(key, step * FRAME_SAMPLES, first=step == 1)
            for _ in range(_KEY_END_REPEATS):
                yield Key(key, steps * FRAME_SAMPLES, end=True)
            yield from self._pause(max(0, act.pause_ms - _KEY_END_REPEATS * FRAME_MS))

    def _keys_by_info(self, act: Keys) -> Iterator[Frame]:
        for key in act.digits:
            yield Press(key, act.ms, act.by == "info_alone", next(self._background))
            yield from self._pause(act.ms + act.pause_ms - FRAME_MS)

    def _silent(self, act: Silent) -> Iterator[Frame]:
        for _ in _ticks(act.ms):
            yield self._silence if act.rtp else None

    def _echo_back(self, act: Echo) -> Iterator[Frame]:
        echo: deque[bytes] = deque(maxlen=_ECHO_FRAMES)
        self._echo = echo
        for _ in _ticks(act.ms):
            yield echo.popleft() if echo else self._silence
        self._echo = None


def _ticks(ms: int | None) -> Iterable[int]:
    return count() if ms is None else range(ms // FRAME_MS)
