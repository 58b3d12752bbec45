"""Who answered, and what told: the record that is kept with the call."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any, Final


class Answerer(StrEnum):
    """Who or what took the call."""

    HUMAN = "human"
    VOICEMAIL = "voicemail"
    #: An assistant that asks who is calling and why before it puts anybody through.
    SCREENING = "screening"
    #: A menu or the queue behind one.
    IVR = "ivr"
    #: A fax machine or a modem.
    FAX = "fax"
    #: No voice and no machine's tone: silence, line noise, ringing, music.
    SILENCE = "silence"
    UNKNOWN = "unknown"


MACHINES: Final = frozenset({Answerer.VOICEMAIL, Answerer.SCREENING, Answerer.IVR, Answerer.FAX})


class Source(StrEnum):
    """What a verdict rests on."""

    WORDS = "words"
    #: How much was said, and how long it took.
    LENGTH = "length"
    TONE = "tone"
    SILENCE = "silence"
    #: Asterisk's AMD application in the user's dialplan.
    APP_AMD = "app_amd"
    #: Two answers to the bot's questions.
    ANSWERS = "answers"


@dataclass(frozen=True)
class Verdict:
    """One decision; times are ms after the answer. `reason` says it in words, the other fields are its evidence."""

    answerer: Answerer
    source: Source
    reason: str
    decided_ms: int
    #: What had been recognised of the turn that decided.
    words: str | None = None
    #: How long that turn had lasted, and the silence before it.
    speech_ms: int | None = None
    pause_ms: int | None = None
    tone_hz: float | None = None
    tone_ms: int | None = None
    #: When the tone began.
    tone_at_ms: int | None = None

    @property
    def machine(self) -> bool:
        """Whether no person took the call."""
        return self.answerer in MACHINES

    def as_json(self) -> dict[str, Any]:
        """The fields that are known, as JSON has them."""
        return {name: value for name, value in asdict(self).items() if value is not None}
