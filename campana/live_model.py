"""A language model that answers a conversation in text, which has no event loop of its own."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterator
from contextlib import aclosing
from decimal import Decimal

from bot.errands import ModelClient
from bot.errors import BotError
from bot.llm.needs import require_model
from bot.outcome import LlmUsage
from bot.script.language import Script
from bot.script.replies import Consult, Consulted, ToolCall
from campana.language_models import open_model
from campana.settings import LlmSettings


class LiveModel:
    """Asks the model and waits for its whole answer; `told` hears why there was none. See `live_model`."""

    def __init__(self, client: ModelClient, runner: asyncio.Runner, told: Callable[[str], None]) -> None:
        self.used: list[LlmUsage] = []
        self._client = client
        self._runner = runner
        self._told = told

    def consult(self, wanted: Consult) -> Consulted:
        """See `bot.script.in_text.Outside`."""
        return self._runner.run(self._answer(wanted))

    @property
    def spent(self) -> str:
        """Tokens and price of all answers, in words."""
        read = sum(used.prompt_tokens for used in self.used)
        written = sum(used.completion_tokens for used in self.used)
        prices = [used.cost_usd for used in self.used if used.cost_usd is not None]
        price = f", {sum(prices, Decimal(0))} USD" if prices else ""
        return f"{len(self.used)} answers, {read} + {written} tokens{price}"

    async def _answer(self, wanted: Consult) -> Consulted:
        said: list[str] = []
        calls: list[ToolCall] = []
        try:
            async with aclosing(self._client.answer(wanted, self.used.append)) as pieces:
                async for piece in pieces:
                    calls.append(piece) if isinstance(piece, ToolCall) else said.append(piece)
        except BotError as error:
            self._told(str(error))
            return Consulted(" ".join(said), failed=True)
        return Consulted(" ".join(said), tuple(calls))


@contextlib.contextmanager
def live_model(settings: LlmSettings, script: Script, told: Callable[[str], None]) -> Iterator[LiveModel]:
    """The model of the settings, or of the script's steps. Raises `ModelUnnamed` where neither names one."""
    require_model(script, settings.model)
    with asyncio.Runner() as runner:
        stack = contextlib.AsyncExitStack()
        client = runner.run(stack.enter_async_context(open_model(settings)))
        try:
            yield LiveModel(client, runner, told)
        finally:
            runner.run(stack.aclose())
