"""Another provider's protocol than OpenAI's: the same sentences, functions and tokens, and nobody else is asked."""

from __future__ import annotations

import json
import socket
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp import web

from bot.llm.client import LiteLlm
from bot.llm.config import ModelConfig
from bot.llm.history import BotSaid, CustomerSaid
from bot.llm.prompting import messages, tools
from bot.outcome import LlmUsage
from bot.script.language import Converse, Tools
from bot.script.replies import Consult, ToolCall

MODEL = "anthropic/claude-of-tests"
STREAM: list[dict[str, Any]] = [
    {
        "type": "message_start",
        "message": {"id": "m", "role": "assistant", "content": [], "usage": {"input_tokens": 90}},
    },
    {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
    {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "Thank you. Good"}},
    {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "bye."}},
    {"type": "content_block_stop", "index": 0},
    {"type": "content_block_start", "index": 1, "content_block": {"type": "tool_use", "id": "t", "name": "set_code"}},
    {"type": "content_block_delta", "index": 1, "delta": {"type": "input_json_delta", "partial_json": '{"code": '}},
    {"type": "content_block_delta", "index": 1, "delta": {"type": "input_json_delta", "partial_json": '"AG"}'}},
    {"type": "content_block_stop", "index": 1},
    {"type": "message_delta", "delta": {"stop_reason": "tool_use"}, "usage": {"output_tokens": 20}},
    {"type": "message_stop"},
]


class Server:
    """Answers the Messages protocol with `STREAM`."""

    def __init__(self) -> None:
        self.requests: list[dict[str, Any]] = []
        self.keys: list[str | None] = []
        self.base = ""

    async def answer(self, request: web.Request) -> web.StreamResponse:
        """POST /v1/messages."""
        self.requests.append(await request.json())
        self.keys.append(request.headers.get("x-api-key"))
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        for event in STREAM:
            await response.write(f"event: {event['type']}\ndata: {json.dumps(event)}\n\n".encode())
        return response


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    server = Server()
    app = web.Application()
    app.router.add_post("/v1/messages", server.answer)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    server.base = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield server
    await runner.cleanup()


@pytest.fixture
def looked_up(monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """Every host that is looked up."""
    hosts: set[str] = set()
    real = socket.getaddrinfo

    def getaddrinfo(host: Any, *rest: Any, **named: Any) -> Any:
        hosts.add(str(host))
        return real(host, *rest, **named)

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    return hosts


async def test_another_protocol_gives_the_same(server: Server, looked_up: set[str]) -> None:
    block = Converse(goal="Agree.", tools=Tools(codes=("AG",)))
    before = BotSaid("Will you pay?", (ToolCall("set_code", '{"code": "XX"}'),), ("refused: that is not offered",))
    talk = messages(block, "en", (before, CustomerSaid("I will.")), {})
    spent: list[LlmUsage] = []
    async with LiteLlm.open(ModelConfig(MODEL, api_base=server.base, api_key="hush")) as client:
        wanted = Consult(talk, tools(block), None, 60_000)
        pieces = [piece async for piece in client.answer(wanted, spent.append)]
    assert pieces == ["Thank you.", "Goodbye.", ToolCall("set_code", '{"code": "AG"}')]
    assert spent == [LlmUsage(MODEL, 90, 20, None)]
    (request,) = server.requests
    assert server.keys == ["hush"]
    assert [message["role"] for message in request["messages"]] == ["user", "assistant", "user"]
    assert {tool["name"] for tool in request["tools"]} == {"set_code", "end_call"}
    assert looked_up <= {"127.0.0.1"}
