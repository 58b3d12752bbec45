"""The language models of this installation, as its settings name them."""

from __future__ import annotations

import asyncio
from contextlib import AbstractAsyncContextManager, aclosing
from typing import Final

from bot.errands import ModelClient
from bot.llm.client import LiteLlm
from bot.llm.config import ModelConfig, Prices
from bot.outcome import LlmUsage
from bot.script.replies import Consult
from campana.settings import LlmSettings

_LONGEST_MS: Final = 15_000


def open_model(settings: LlmSettings) -> AbstractAsyncContextManager[ModelClient]:
    """The way to language models; loading it takes seconds the first time."""
    return LiteLlm.open(model_config(settings))


async def first_words(settings: LlmSettings) -> int:
    """Ask for one sentence; the ms to it. Raises `ModelFailed` when there is none within 15 seconds."""
    question = Consult(({"role": "user", "content": "Say hello in one short sentence."},), (), None, _LONGEST_MS)
    loop = asyncio.get_running_loop()
    async with open_model(settings) as model, aclosing(model.answer(question, _not_counted)) as answer:
        asked_at = loop.time()
        await anext(answer)
        return round((loop.time() - asked_at) * 1000)


def _not_counted(_used: LlmUsage) -> None:
    """No attempt pays for this."""


def model_config(settings: LlmSettings) -> ModelConfig:
    """How models are asked; without a name of its own where only scripts name theirs."""
    prices = None
    if settings.prompt_price is not None and settings.completion_price is not None:
        prices = Prices(settings.prompt_price, settings.completion_price)
    return ModelConfig(
        settings.model or "",
        api_base=settings.api_base,
        api_key=None if settings.api_key is None else settings.api_key.get_secret_value(),
        temperature=settings.temperature,
        max_tokens=settings.max_tokens,
        prices=prices,
    )
