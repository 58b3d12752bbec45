"""What the interpreter answers: sentences, effects, and what to wait for."""

from __future__ import annotations

from collections.abc import Mapping
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
    #: A WAV file that is played instead, as the script names it.
    audio: str | None = None


@dataclass(frozen=True)
class SetCode:
    """The action code of the call from now on."""

    code: str


@dataclass(frozen=True)
class CallBack:
    """The customer wants a later call; `at` is aware, None when no time was named. A later one replaces it."""

    at: datetime | None


@dataclass(frozen=True)
class Keep:
    """The customer has given a value, in the canonical text of `ValueKind`; a later one of the name replaces it."""

    name: str
    value: str


@dataclass(frozen=True)
class Mail:
    """Send an e-mail, once the call is settled."""

    to: str
    subject: str
    body: str


Effect = SetCode | OptOut | CallBack | Keep | Mail


@dataclass(frozen=True)
class Wait:
    """Listen; when nobody speaks for `silence_ms` after the last word, call `Interpreter.silent`."""

    silence_ms: int
    #: Silence that ends what the customer says, None for the usual.
    patience_ms: int | None = None
    #: A value is being typed: the silence counts from the last key, and words that go on are in the way.
    typing: bool = False


@dataclass(frozen=True)
class Transfer:
    """Put the customer through to a person; when nobody picks up, call `Interpreter.not_joined`.

    The sentences of `whisper` are for the agent alone. `otherwise` is the step that follows then, None for the end.
    """

    target: Target
    whisper: tuple[str, ...] = ()
    otherwise: str | None = None


@dataclass(frozen=True)
class Fetch:
    """Ask a web service; then call `Interpreter.fetched` with the values found, None after a failure.

    `into` maps names to dotted paths into the JSON answer. `headers` still hold `{secret:NAME}` and doubled
    braces, for `bot.script.placeholders.with_secrets`. A later reply that waits for an equal one asks nothing anew.
    """

    url: str
    method: str
    headers: Mapping[str, str]
    body: Mapping[str, str]
    into: Mapping[str, str]
    timeout_ms: int


@dataclass(frozen=True)
class Consult:
    """Have a language model answer; say what it says, then call `Interpreter.consulted`.

    `messages` are those of the OpenAI chat protocol so far (role, content), `tools` its function declarations.
    """

    messages: tuple[Mapping[str, object], ...]
    tools: tuple[Mapping[str, object], ...]
    model: str | None
    timeout_ms: int


@dataclass(frozen=True)
class ToolCall:
    """A function that the model wants called; `arguments` is unchecked JSON text."""

    name: str
    arguments: str


@dataclass(frozen=True)
class Consulted:
    """What a language model answered: `said` is what was spoken of it; `failed` when there is nothing usable."""

    said: str
    calls: tuple[ToolCall, ...] = ()
    failed: bool = False


@dataclass(frozen=True)
class Reply:
    """What to do now: first the effects, then the lines, then what `wait` tells; hang up when it is None."""

    lines: tuple[Line, ...]
    effects: tuple[Effect, ...]
    step: str
    understood: Understood | None
    wait: Wait | Transfer | Fetch | Consult | None
