"""Language model servers for tests: a scripted one of the OpenAI protocol, and llama.cpp's with a real small model."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
from aiohttp import web

from models.store import ModelStore, State

#: The model that `campana models fetch llm-test` brings.
TEST_MODEL = "llm-test"


@dataclass
class Wait:
    """The server pauses here until `go` is set; `reached` says that it has come so far."""

    reached: asyncio.Event = field(default_factory=asyncio.Event)
    go: asyncio.Event = field(default_factory=asyncio.Event)


@dataclass
class Deaf(Wait):
    """The server takes the request and does not even begin to answer."""


@dataclass(frozen=True)
class Call:
    """A call of a function, its arguments sent in two fragments."""

    name: str
    arguments: str


@dataclass(frozen=True)
class Refuse:
    """The server answers with an error that repeats the request, as some do."""

    status: int


@dataclass(frozen=True)
class Cut:
    """The connection breaks here; `cleanly` ends the body as if all were said."""

    cleanly: bool = False


#: One answer, piece by piece: text is a delta of its own.
Answer = Sequence[str | Wait | Call | Refuse | Cut]


@dataclass
class ScriptedModel:
    """A server that answers each request with the next answer."""

    base: str
    answers: Iterator[Answer]
    requests: list[dict[str, Any]] = field(default_factory=list)
    #: Set when a client has gone before the end of its answer.
    left: asyncio.Event = field(default_factory=asyncio.Event)
    #: The reason given for the end of each answer.
    finish: str = "stop"

    async def complete(self, request: web.Request) -> web.StreamResponse:
        """POST /v1/chat/completions, streamed."""
        try:
            self.requests.append(await request.json())
            return await self._answer(request, next(self.answers))
        except (ConnectionError, asyncio.CancelledError):
            self.left.set()
            raise

    async def _answer(self, request: web.Request, answer: Answer) -> web.StreamResponse:
        first = answer[0] if answer else None
        if isinstance(first, Refuse):
            told = json.dumps({"error": {"message": f"cannot answer {self.requests[-1]['messages']}"}})
            return web.Response(status=first.status, text=told, content_type="application/json")
        if isinstance(first, Deaf):
            first.reached.set()
            await first.go.wait()
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        if await self._write(request, response, answer):
            await response.write(b"data: [DONE]\n\n")
        return response

    async def _write(self, request: web.Request, response: web.StreamResponse, answer: Answer) -> bool:
        called = 0
        await self._send(response, {"role": "assistant", "content": ""})
        for piece in answer:
            match piece:
                case str():
                    await self._send(response, {"content": piece})
                case Wait():
                    piece.reached.set()
                    await piece.go.wait()
                case Call():
                    for delta in _fragments(piece, called):
                        await self._send(response, delta)
                    called += 1
                case Cut():
                    if not piece.cleanly:
                        assert request.transport is not None
                        request.transport.abort()
                    return False
                case Refuse() | Deaf():
                    raise AssertionError("it stands alone")
        await self._send(response, {}, finish="tool_calls" if called else self.finish)
        usage = {"prompt_tokens": 100, "completion_tokens": 20, "total_tokens": 120}
        await self._event(response, {"choices": [], "usage": usage})
        return True

    async def _send(self, response: web.StreamResponse, delta: dict[str, Any], finish: str | None = None) -> None:
        await self._event(response, {"choices": [{"index": 0, "delta": delta, "finish_reason": finish}]})

    async def _event(self, response: web.StreamResponse, body: dict[str, Any]) -> None:
        whole = {"id": "1", "object": "chat.completion.chunk", "created": 0, "model": "scripted", **body}
        await response.write(b"data: " + json.dumps(whole).encode() + b"\n\n")


def _fragments(call: Call, place: int) -> list[dict[str, Any]]:
    half = len(call.arguments) // 2
    head = {"index": place, "id": f"c{place}", "type": "function"}
    first = {**head, "function": {"name": call.name, "arguments": call.arguments[:half]}}
    second = {"index": place, "function": {"arguments": call.arguments[half:]}}
    return [{"tool_calls": [first]}, {"tool_calls": [second]}]


@asynccontextmanager
async def scripted_model(*answers: Answer, finish: str = "stop") -> AsyncIterator[ScriptedModel]:
    """A server on the loopback with these answers, in order."""
    model = ScriptedModel("", iter(answers), finish=finish)
    app = web.Application()
    app.router.add_post("/v1/chat/completions", model.complete)
    runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    model.base = f"http://127.0.0.1:{runner.addresses[0][1]}/v1"
    try:
        yield model
    finally:
        await runner.cleanup()


@contextmanager
def real_model() -> Iterator[str]:
    """The address of llama.cpp's server with `TEST_MODEL`; skips where package or model are missing."""
    xllamacpp = pytest.importorskip("xllamacpp", reason="the package xllamacpp (a development one) is not installed")
    status = ModelStore().status(TEST_MODEL)
    if status.state is not State.OK:
        pytest.skip(f"model {TEST_MODEL} is not here; get it with: campana models fetch {TEST_MODEL}")
    params = xllamacpp.CommonParams()
    params.model.path = str(status.files[0].path)
    params.n_ctx, params.n_parallel, params.n_gpu_layers = 4096, 2, 0
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = 1
    params.port, params.verbosity, params.use_jinja = 0, -1, True
    server = xllamacpp.Server(params)
    try:
        yield f"{server.listening_address}/v1"
    finally:
        del server
