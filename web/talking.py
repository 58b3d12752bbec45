"""The port of test calls from the browser: which bots there are, a call to one, and what happens in it."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol


@dataclass(frozen=True)
class TalkBot:
    """Who can be talked to: a stored bot with its versions, the newest first, or a script file without any."""

    name: str
    title: str
    versions: tuple[int, ...] = ()


@dataclass(frozen=True)
class TalkVariable:
    """A variable of the script, with what stands in the form at first."""

    name: str
    value: str
    required: bool


@dataclass(frozen=True)
class TalkScript:
    """What is known of the chosen bot before the call."""

    title: str
    language: str
    voice: str
    variables: tuple[TalkVariable, ...]
    #: What is second best about the voice, with the remedy.
    warning: str | None = None


@dataclass(frozen=True)
class TalkWish:
    """A call as the form asks for it; `rate_hz` is 8000 or 16000."""

    bot: str
    version: int | None
    variables: Mapping[str, str]
    rate_hz: int = 8000


@dataclass(frozen=True)
class TalkEvent:
    """Something happened. `data` can be written as JSON.

    `preparing` {done, total}: lines of the script spoken so far. `ready`: the call waits for the browser's offer.
    `talking` {rate_hz}. `turns` {from, turns}: from this turn on the transcript is as told. `ended` {call_status, code,
    …}: how it went. `failed` {text}. Nothing follows on `ended` and `failed`.
    """

    name: str
    data: Mapping[str, Any] = field(default_factory=dict)


class TalkCall(Protocol):
    """One test call."""

    @property
    def id(self) -> str: ...

    @property
    def recording(self) -> Path | None:
        """The recording's file, once the call has ended and if there is one."""
        ...

    async def answer(self, offer: str) -> str:
        """The answer to the browser's offer (both SDP), once; raises `web.errors.ControlRefused`."""
        ...

    def events(self) -> AsyncGenerator[TalkEvent | None, None]:
        """Everything from the begin to the end of the call; None each second in which nothing happens."""
        ...

    async def hang_up(self) -> None:
        """End the call, in whatever state it is."""
        ...


class TalkDesk(Protocol):
    """Where test calls are asked for."""

    async def bots(self) -> Sequence[TalkBot]:
        """Who can be talked to."""
        ...

    async def script(self, bot: str, version: int | None) -> TalkScript:
        """What is known of one of them; raises `web.errors.BadFields`."""
        ...

    async def begin(self, caller: str, wish: TalkWish) -> TalkCall:
        """Begin a call; an earlier one of the same caller ends.

        Raises `web.errors.BadFields` for what is wrong with the wish, `ControlRefused` when there are too many calls.
        """
        ...

    def call(self, caller: str, call_id: str) -> TalkCall | None:
        """A call of this caller, also for a while after its end."""
        ...
