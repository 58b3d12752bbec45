"""The client of language models against a real one: llama.cpp's OpenAI-compatible server with a very small model.

The model follows no script: what is tested is the wire.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import aclosing
from typing import Any

import httpx
import pytest

from bot.llm.client import LiteLlm
from bot.llm.config import ModelConfig
from bot.llm.history import BotSaid, CustomerSaid
from bot.llm.prompting import messages, tools
from bot.outcome import LlmUsage
from bot.script.language import Converse, Tools
from bot.script.replies import Consult, ToolCall
from tests.support_llm import TEST_MODEL, real_model

STORY = Converse(persona="You are a friendly teller of tales.", goal="Tell a long tale about a fox.", tools=Tools())


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with real_model() as base:
        yield base


def question(block: Converse = STORY) -> Consult:
    return Consult(messages(block, "en", (), {}), tools(block), None, 60_000)


def config(server: str, **options: Any) -> ModelConfig:
    return ModelConfig(TEST_MODEL, api_base=server, temperature=0.0, **options)


async def is_idle(server: str) -> bool:
    """Whether the server computes nothing."""
    async with httpx.AsyncClient() as http:
        slots = (await http.get(server.removesuffix("/v1") + "/slots")).json()
    return not any(slot["is_processing"] for slot in slots)


async def test_a_real_model_talks_in_sentences_and_tells_its_tokens(server: str) -> None:
    spent: list[LlmUsage] = []
    async with LiteLlm.open(config(server, max_tokens=24)) as client:
        said = [piece async for piece in client.answer(question(), spent.append)]
    assert said
    assert all(isinstance(piece, str) for piece in said)
    (used,) = spent
    assert used.model == TEST_MODEL
    assert used.prompt_tokens > 50
    assert 0 < used.completion_tokens <= 24
    assert used.cost_usd is None, "nobody knows what one's own server costs"


async def test_a_real_model_stops_when_nobody_listens_any_more(server: str) -> None:
    async with LiteLlm.open(config(server, max_tokens=3000)) as client:
        async with aclosing(client.answer(question(), lambda _: None)) as answer:
            assert await anext(answer)
            assert not await is_idle(server)
        async with asyncio.timeout(60):
            while not await is_idle(server):  # noqa: ASYNC110 - only the server knows
                await asyncio.sleep(0.05)


async def test_a_real_server_takes_functions_and_what_came_of_them(server: str) -> None:
    """Its template must take declarations, calls and results; so small a model calls nothing by itself."""
    block = Converse(goal="Say goodbye.", tools=Tools(codes=("AG",)))
    called = BotSaid("Goodbye.", (ToolCall("set_code", '{"code": "AG"}'),), ("done",))
    talk = messages(block, "en", (CustomerSaid("Goodbye."), called, CustomerSaid("Are you still there?")), {})
    wanted = Consult(talk, tools(block), None, 60_000)
    async with LiteLlm.open(config(server, max_tokens=8)) as client:
        pieces = [piece async for piece in client.answer(wanted, lambda _: None)]
    assert pieces
