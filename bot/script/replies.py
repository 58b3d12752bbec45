"""What the interpreter answers: sentences, effects, and what to wait for."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from bot.outcome import OptOut
from bot.understanding.intents import Understood
from telephony.transfer import Target


@dataclass(frozen=True)
class Line:
    """One sentence to say."""

    text: str
    interruptible: bool = True


@dataclass(frozen=True)
class SetCode:
    """The action code of the call from now on."""

    code: str


@dataclass(frozen=True)
class CallBack:
    """The customer wants a later call; `at` is aware, None when no time was named. A later one replaces it."""

    at: datetime | None


Effect = SetCode | OptOut | CallBack


@dataclass(frozen=True)
class Wait:
    """Listen; when nobody speaks for `silence_ms` after the last word, call `Interpreter.silent`."""

    silence_ms: int


@dataclass(frozen=True)
class Transfer:
    """Put the customer through to a person; when nobody picks up, call `Interpreter.not_joined`.

    The sentences of `whisper` are for the agent alone. `otherwise` is the step that follows then, None for the end.
    """

    target: Target
    whisper: tuple[str, ...] = ()
    otherwise: str | None = None


@dataclass(frozen=True)
class Reply:
    """What to do now: first the effects, then the lines, then wait or transfer; hang up when `wait` is None."""

    lines: tuple[Line, ...]
    effects: tuple[Effect, ...]
    step: str
    understood: Understood | None
    wait: Wait | Transfer | None
