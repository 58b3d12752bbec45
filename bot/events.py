"""What a conversation reacts to, one after another."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias

from bot.frames import HeardFrame, MonologueFrame
from bot.outcome import EndedBy
from bot.script.replies import ToolCall


@dataclass(frozen=True)
class Spoken:
    """A customer turn is finished."""

    frame: HeardFrame


@dataclass(frozen=True)
class Pressed:
    """The customer pressed a key."""

    digit: str


@dataclass(frozen=True)
class Failed:
    """Something that the conversation needs does not work."""

    error: BaseException


@dataclass(frozen=True)
class Machine:
    """A machine took the call, by its words so far or (None) by its tone."""

    frame: MonologueFrame | None


class Beeped:
    """The tone after which an answering machine records is over."""


class StillSpeaking:
    """A voice that began with the greeting may by now be more than a "Hello?"."""


class TimeUp:
    """The longest time for a call is over."""


class Silence:
    """The customer has said nothing for as long as the script waits."""


class Quiet:
    """The bot has stopped, by itself or interrupted."""


@dataclass(frozen=True)
class NotJoined:
    """No agent took the customer in this attempt; `kept` tells that the customer is still here."""

    attempt: object
    kept: bool = True


@dataclass(frozen=True)
class Parted:
    """Customer and agent were joined, and it is over."""

    ended_by: EndedBy


@dataclass(frozen=True)
class Fetched:
    """A web service has answered; None when it has not."""

    errand: object
    values: Mapping[str, str] | None


@dataclass(frozen=True)
class Sentence:
    """A language model answers this, `after_ms` after it was asked."""

    errand: object
    text: str
    after_ms: int


@dataclass(frozen=True)
class Answered:
    """A language model has answered; `failed` when its answer broke off or there is none."""

    errand: object
    calls: tuple[ToolCall, ...]
    failed: bool = False


Event: TypeAlias = (
    Spoken
    | Pressed
    | Failed
    | Machine
    | Beeped
    | StillSpeaking
    | TimeUp
    | Silence
    | Quiet
    | NotJoined
    | Parted
    | Fetched
    | Sentence
    | Answered
)
