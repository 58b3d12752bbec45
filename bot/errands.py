"""Errands of a conversation: while the customer waits, a web service or a language model is asked.

One errand at a time. What comes of it is told as events, so that the conversation goes on meanwhile.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Final, Protocol, assert_never

import structlog

from bot.committing import describe
from bot.errors import BotError
from bot.events import Answered, Event, Fetched, Sentence
from bot.outcome import LlmUsage
from bot.script.replies import Consult, Fetch, ToolCall

_log = structlog.get_logger(__name__)

#: Pieces of one answer; a model that has gone wild never ends.
_MOST_PIECES: Final = 60

Piece = str | ToolCall


class ModelFailed(BotError):
    """A language model gave no answer that can be used; the text names no key and nothing that was said."""


class Services(Protocol):
    """The way to web services."""

    async def fetch(self, wanted: Fetch) -> Mapping[str, str]:
        """The values that `wanted.into` names; raises `BotError` at the latest after `wanted.timeout_ms`."""
        ...


class ModelClient(Protocol):
    """The way to language models."""

    def answer(self, wanted: Consult, spent: Callable[[LlmUsage], None]) -> AsyncGenerator[Piece, None]:
        """What the model answers, as it comes: whole sentences to say, and the functions it wants called.

        `spent` is told what it used, also when the answer fails or is closed before its end; closing it ends the
        request. Raises `BotError` when there is no answer, or no more of it.
        """
        ...


class NoServices:
    """No web service can be asked."""

    async def fetch(self, wanted: Fetch) -> Mapping[str, str]:
        """See `Services`."""
        raise BotError("no web service can be asked here")


class NoModel:
    """No language model can be asked."""

    async def answer(self, wanted: Consult, spent: Callable[[LlmUsage], None]) -> AsyncGenerator[Piece, None]:
        """See `ModelClient`."""
        raise ModelFailed("no language model is configured; see [llm] in docs/reference/settings.md")
        yield ""


@dataclass(frozen=True)
class Outside:
    """What the conversations of a process may ask."""

    services: Services = field(default_factory=NoServices)
    model: ModelClient = field(default_factory=NoModel)


class Errands:
    """The errands of one conversation; `tell` gets `Fetched`, `Sentence` and `Answered`. Close it after use."""

    def __init__(
        self, outside: Outside, tell: Callable[[Event], None], *, attempt_id: str, spent: Callable[[LlmUsage], None]
    ) -> None:
        self._outside = outside
        self._tell = tell
        self._attempt_id = attempt_id
        self._spent = spent
        self._under_way: Errand | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    def is_on(self, wanted: Fetch | Consult) -> bool:
        """Whether this very errand is under way."""
        return self._under_way is not None and self._under_way.wanted == wanted

    def begin(self, wanted: Fetch | Consult) -> None:
        """Set out; whatever else was under way is dropped."""
        self.drop()
        self._under_way = errand = Errand(wanted)
        task = asyncio.create_task(self._run(errand), name="errand")
        errand.task = task
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def drop(self) -> None:
        """Break off what is under way; nothing is told of it any more."""
        errand, self._under_way = self._under_way, None
        if errand is not None and errand.task is not None:
            errand.task.cancel()

    def is_current(self, event: Fetched | Sentence | Answered) -> bool:
        """Whether `event` tells of what is under way."""
        return event.errand is self._under_way

    def done(self) -> None:
        """What is under way was told as done, and that has been taken."""
        self._under_way = None

    async def aclose(self) -> None:
        """Break off whatever is under way, and wait for its end. Idempotent."""
        self.drop()
        if self._tasks:
            await asyncio.wait(set(self._tasks))

    async def _run(self, errand: Errand) -> None:
        match errand.wanted:
            case Fetch():
                self._tell(Fetched(errand, await self._fetch(errand.wanted)))
            case Consult():
                self._tell(await self._consult(errand, errand.wanted))
            case _:
                assert_never(errand.wanted)

    async def _fetch(self, wanted: Fetch) -> Mapping[str, str] | None:
        try:
            # One second more than the service has: whoever asks keeps the time, and is not trusted with it.
            async with asyncio.timeout(wanted.timeout_ms / 1000 + 1):
                return await self._outside.services.fetch(wanted)
        except Exception as error:
            _log.warning("errand.fetch_failed", attempt=self._attempt_id, error=describe(error))
            return None

    async def _consult(self, errand: Errand, wanted: Consult) -> Answered:
        calls: list[ToolCall] = []
        try:
            async with aclosing(self._outside.model.answer(wanted, self._spent)) as answer:
                await self._hear_out(errand, answer, calls)
        except Exception as error:
            _log.warning("errand.model_failed", attempt=self._attempt_id, error=describe(error))
            return Answered(errand, (), failed=True)
        return Answered(errand, tuple(calls))

    async def _hear_out(self, errand: Errand, answer: AsyncGenerator[Piece, None], calls: list[ToolCall]) -> None:
        loop = asyncio.get_running_loop()
        asked_at = loop.time()
        for _ in range(_MOST_PIECES):
            async with asyncio.timeout(errand.wanted.timeout_ms / 1000):
                piece = await anext(answer, None)
            match piece:
                case None:
                    return
                case ToolCall():
                    calls.append(piece)
                case str():
                    self._tell(Sentence(errand, piece, round((loop.time() - asked_at) * 1000)))
                case _:
                    assert_never(piece)
        raise ModelFailed(f"the answer has more than {_MOST_PIECES} pieces")


class Spent:
    """What the language models of one conversation have used."""

    def __init__(self) -> None:
        self._by_model: dict[str, LlmUsage] = {}

    def add(self, usage: LlmUsage) -> None:
        """One more answer."""
        before = self._by_model.get(usage.model)
        self._by_model[usage.model] = usage if before is None else _sum(before, usage)

    def usage(self) -> tuple[LlmUsage, ...]:
        """By model, in the order of their first use."""
        return tuple(self._by_model.values())


def _sum(one: LlmUsage, other: LlmUsage) -> LlmUsage:
    costs = (one.cost_usd, other.cost_usd)
    return LlmUsage(
        model=one.model,
        prompt_tokens=one.prompt_tokens + other.prompt_tokens,
        completion_tokens=one.completion_tokens + other.completion_tokens,
        # What has no price makes the sum unknown, not cheaper.
        cost_usd=None if costs[0] is None or costs[1] is None else costs[0] + costs[1],
        answers=one.answers + other.answers,
    )


@dataclass(eq=False)
class Errand:
    """One errand."""

    wanted: Fetch | Consult
    task: asyncio.Task[None] | None = None
