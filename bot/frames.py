"""Frames of our own beside Pipecat's; times are seconds of the event loop's clock."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pipecat.frames.frames import (
    ControlFrame,
    InterimTranscriptionFrame,
    SystemFrame,
    TranscriptionFrame,
    TTSSpeakFrame,
    UserStartedSpeakingFrame,
)

from bot.outcome import Alternative

if TYPE_CHECKING:
    from bot.beep import Beep
    from bot.timings import BotTurn


@dataclass
class SpeechStartedFrame(UserStartedSpeakingFrame):
    """The customer began to speak at `at`, told about 100 ms later; or went on with the turn before (`continues`)."""

    at: float = 0.0
    continues: bool = False


@dataclass
class HeardFrame(TranscriptionFrame):
    """A finished customer turn. Every `SpeechStartedFrame` is followed by exactly one, with an empty text for noise.

    `continues` tells that the customer went on with the turn before: `text` then holds both parts. `taken` is set
    once the conversation has begun to act on it: until then the end of the call may still overtake it.
    """

    started_at: float = 0.0
    ended_at: float = 0.0
    stt_ms: int = 0
    #: The recogniser's readings, the best first; none where it tells no scores.
    alternatives: tuple[Alternative, ...] = ()
    #: From the customer's last sound until the turn was taken as over.
    endpointing_ms: int | None = None
    #: Parts of `stt_ms`: in the queue, and at work.
    stt_wait_ms: int | None = None
    stt_work_ms: int | None = None
    #: What of the recognition was still to be waited for when the silence had been long enough.
    stt_late_ms: int | None = None
    continues: bool = False
    taken: bool = field(default=False, init=False)
    interruptible: bool = field(default=False, init=False)


@dataclass
class MonologueFrame(InterimTranscriptionFrame):
    """The words so far of a customer who has spoken since `started_at`; `paused` tells that they pause now."""

    started_at: float = 0.0
    ended_at: float = 0.0
    paused: bool = False


@dataclass
class BeepFrame(SystemFrame):
    """A tone sounds or has just ended at `at`; told every 20 ms from 200 ms on."""

    beep: Beep | None = None
    at: float = 0.0


@dataclass
class HoldFrame(SystemFrame):
    """The bot falls silent where it is, or (`holds` false) goes on from there."""

    holds: bool = True


@dataclass
class LineMarkFrame(ControlFrame):
    """Stands in the audio queue before the first sample of line `line` of a turn, or behind its last one."""

    turn: BotTurn | None = None
    line: int = 0
    begins: bool = True


@dataclass
class LineFrame(TTSSpeakFrame):
    """Line `line` of a bot turn, to be said, or played from recording `audio`; `last` ends the turn."""

    turn: BotTurn | None = None
    line: int = 0
    last: bool = False
    audio: str | None = None
