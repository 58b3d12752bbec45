"""The way to language models: LiteLLM, which knows every provider and any OpenAI-compatible server.

LiteLLM is imported here alone and only when a model is asked for: that takes seconds and 200 MB.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import logging
import os
import warnings
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any, Final, Self

from bot.errands import ModelFailed, Piece
from bot.llm.config import ModelConfig
from bot.llm.failures import failure_of
from bot.llm.spending import Spending
from bot.llm.streaming import SentenceStream
from bot.outcome import LlmUsage
from bot.script.replies import Consult, ToolCall

#: An answer of a telephone call is a few sentences; calls of functions beyond these are dropped.
_MOST_CALLS: Final = 16
_MOST_ARGUMENT_CHARS: Final = 8000
#: Whoever waits for a sentence gives up at the very time: the failure that says why must come before.
_EARLIER_S: Final = 0.05
#: How long a broken-off request may take to close.
_CLOSING_S: Final = 2.0
_TOO_SLOW: Final = "use a faster model, or raise timeout_ms of the step"
_UNWELL: Final = "see whether its server is well"
_LOCAL_LISTS: Final = ("LITELLM_LOCAL_MODEL_COST_MAP", "LITELLM_LOCAL_ANTHROPIC_BETA_HEADERS")
#: Their records hold what was said.
_LOGGERS: Final = ("LiteLLM", "LiteLLM Proxy", "LiteLLM Router", "openai", "openai._base_client")


def load_litellm() -> Any:
    """LiteLLM, with everything turned off that writes, calls out or tells others. Blocks for seconds at first."""
    # Without them lists are fetched from the network: at import, and in the middle of a first request.
    os.environ.update(dict.fromkeys(_LOCAL_LISTS, "True"))
    os.environ.setdefault("LITELLM_LOG", "CRITICAL")
    litellm: Any = importlib.import_module("litellm")
    litellm.suppress_debug_info = True
    litellm.turn_off_message_logging = True
    litellm.drop_params = True
    # It reads fields of pydantic that are going away, at every piece of an answer.
    warnings.filterwarnings("ignore", category=DeprecationWarning, module=r"litellm\.")
    for name in _LOGGERS:
        logging.getLogger(name).disabled = True
    return litellm


class LiteLlm:
    """One client for the calls of a process, implementing `bot.errands.ModelClient`; open it once."""

    def __init__(self, litellm: Any, config: ModelConfig) -> None:
        self._litellm = litellm
        self._config = config

    @classmethod
    @asynccontextmanager
    async def open(cls, config: ModelConfig) -> AsyncIterator[Self]:
        """Load LiteLLM in a thread, and run it once there so that no call waits for what it loads later."""
        litellm = await asyncio.to_thread(load_litellm)
        await asyncio.to_thread(_rehearse, litellm)
        try:
            yield cls(litellm, config)
        finally:
            await litellm.close_litellm_async_clients()
            # A closed client must not be found again.
            litellm.in_memory_llm_clients_cache.flush_cache()

    async def answer(self, wanted: Consult, spent: Callable[[LlmUsage], None]) -> AsyncGenerator[Piece, None]:
        """See `ModelClient`. `wanted.timeout_ms` bounds the wait for each sentence."""
        asked = self._config.for_model(wanted.model)
        spending = Spending(asked, wanted.messages)
        try:
            async with contextlib.aclosing(self._pieces(asked, wanted, spending)) as pieces:
                async for piece in pieces:
                    yield piece
        finally:
            if spending.begun:
                spent(spending.usage(self._litellm))

    async def _pieces(self, asked: ModelConfig, wanted: Consult, spending: Spending) -> AsyncGenerator[Piece, None]:
        """The answer, its errors told as `ModelFailed` alone: what a provider writes may repeat what was said."""
        timeout_s = max(wanted.timeout_ms / 1000 - _EARLIER_S, _EARLIER_S)
        deltas = self._deltas(asked, wanted, spending)
        words, calls = SentenceStream(), _Calls()
        try:
            deadline = asyncio.get_running_loop().time() + timeout_s
            while (delta := await _next_by(deltas, deadline)) is not None:
                # A burst of pieces that are there already must not hold up the sound of other calls.
                await asyncio.sleep(0)
                called = calls.take(delta)
                # What was written before a call of a function is whole.
                sentences = [*words.feed(getattr(delta, "content", None) or ""), *(words.end() if called else ())]
                for sentence in sentences:
                    yield sentence
                if sentences or called:
                    deadline = asyncio.get_running_loop().time() + timeout_s
            for sentence in words.end(cut=spending.cut):
                yield sentence
            for call in calls.whole():
                yield call
            _require(asked, anything=words.begun or calls.any)
        except TimeoutError:
            waited = f"gave no sentence within {wanted.timeout_ms} ms"
            raise ModelFailed(f"language model {asked.name}: {waited}; {_TOO_SLOW}") from None
        except ModelFailed:
            raise
        except Exception as error:
            raise failure_of(error, asked) from None
        finally:
            await _closed(deltas)

    async def _deltas(self, asked: ModelConfig, wanted: Consult, spending: Spending) -> AsyncGenerator[Any, None]:
        """What comes over the wire; closing it closes the connection, which stops the model."""
        spending.begun = True
        stream = await self._litellm.acompletion(**asked.request(wanted))
        try:
            async for chunk in stream:
                spending.take(chunk)
                for choice in chunk.choices or ():
                    yield choice.delta
            if stream.received_finish_reason is None and stream.intermittent_finish_reason is None:
                raise ModelFailed(f"language model {asked.name}: its answer broke off; {_UNWELL}")
        finally:
            await stream.aclose()


def _require(asked: ModelConfig, *, anything: bool) -> None:
    if not anything:
        raise ModelFailed(f"language model {asked.name}: said nothing; ask for words in persona or goal")


async def _next_by(deltas: AsyncGenerator[Any, None], deadline: float) -> Any | None:
    async with asyncio.timeout_at(deadline):
        return await anext(deltas, None)


async def _closed(deltas: AsyncGenerator[Any, None]) -> None:
    """Close a stream although this task may be being cancelled; a server that will not let go is left behind."""
    closing = asyncio.ensure_future(deltas.aclose())
    with suppress(Exception):
        await asyncio.wait({closing}, timeout=_CLOSING_S)


class _Calls:
    """Calls of functions, which come in fragments by their place in the answer."""

    def __init__(self) -> None:
        self._names: dict[int, str] = {}
        self._arguments: dict[int, str] = {}

    @property
    def any(self) -> bool:
        return bool(self._names)

    def take(self, delta: Any) -> bool:
        """Keep what a piece of the answer holds of calls; whether it holds any."""
        fragments = getattr(delta, "tool_calls", None) or ()
        for fragment in fragments:
            place = fragment.index if fragment.index is not None else len(self._names)
            if place not in self._names and len(self._names) >= _MOST_CALLS:
                continue
            name = getattr(fragment.function, "name", None) or ""
            self._names[place] = self._names.get(place) or name
            written = self._arguments.get(place, "") + (getattr(fragment.function, "arguments", None) or "")
            self._arguments[place] = written[: _MOST_ARGUMENT_CHARS + 1]
        return bool(fragments)

    def whole(self) -> list[ToolCall]:
        """In the order of the answer; arguments that are too long are none."""
        return [
            ToolCall(name, self._arguments[place] if len(self._arguments[place]) <= _MOST_ARGUMENT_CHARS else "")
            for place, name in sorted(self._names.items())
        ]


def _rehearse(litellm: Any) -> None:
    """One answer and one error without any network: most of LiteLLM is loaded only at its first use."""
    with suppress(Exception):
        asyncio.run(_rehearsed(litellm))


async def _rehearsed(litellm: Any) -> None:
    import httpx
    from openai import AsyncOpenAI

    body = b'data: {"id":"1","object":"chat.completion.chunk","created":0,"model":"m","choices":[{"index":0,"delta":'
    body += b'{"role":"assistant","content":"Hello."},"finish_reason":"stop"}]}\n\ndata: [DONE]\n\n'
    answers = iter([httpx.Response(200, content=body, headers={"Content-Type": "text/event-stream"})])
    transport = httpx.MockTransport(lambda _request: next(answers, httpx.Response(500)))
    async with httpx.AsyncClient(transport=transport) as http:
        client = AsyncOpenAI(api_key="none", base_url="http://rehearsal.invalid", http_client=http, max_retries=0)
        for _ in range(2):
            config = ModelConfig("openai/rehearsal", api_base="http://rehearsal.invalid")
            tool = {"type": "function", "function": {"name": "f", "parameters": {"type": "object", "properties": {}}}}
            request = config.request(Consult(({"role": "user", "content": "Hello."},), (tool,), None, 1000))
            with suppress(litellm.exceptions.APIError, litellm.exceptions.InternalServerError):
                async for _chunk in await litellm.acompletion(**request, client=client):
                    pass
