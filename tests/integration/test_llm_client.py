"""The client of language models against a server of the OpenAI protocol, as it answers, fails, hangs and breaks off."""

from __future__ import annotations

import asyncio
import logging
import sys
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from decimal import Decimal
from typing import Any

import pytest

from bot.errands import ModelFailed, Piece
from bot.llm.client import LiteLlm
from bot.llm.config import ModelConfig, Prices
from bot.outcome import LlmUsage
from bot.script.replies import Consult, ToolCall
from tests.support_llm import Answer, Call, Cut, Deaf, Refuse, ScriptedModel, Wait, scripted_model

SECRET = "the customer said this"
PRICES = Prices(Decimal("0.15"), Decimal("0.60"))
#: Beyond any wait of a machine that stands still.
LONG_MS = 60_000


def question(timeout_ms: int = LONG_MS, **options: Any) -> Consult:
    talk = ({"role": "system", "content": "You are Mary."}, {"role": "user", "content": SECRET})
    return Consult(talk, options.get("tools", ()), options.get("model"), timeout_ms)


class Asked:
    """A client and what it told of its spending."""

    def __init__(self, client: LiteLlm, server: ScriptedModel) -> None:
        self.server = server
        self.spent: list[LlmUsage] = []
        self._client = client

    def answer(self, wanted: Consult) -> AsyncGenerator[Piece, None]:
        return self._client.answer(wanted, self.spent.append)

    async def whole(self, wanted: Consult | None = None) -> list[Piece]:
        return [piece async for piece in self.answer(wanted or question())]


async def opened(*answers: Answer, finish: str = "stop", **options: Any) -> AsyncIterator[Asked]:
    async with scripted_model(*answers, finish=finish) as server:
        config = ModelConfig("scripted", api_base=server.base, prices=PRICES, **options)
        async with LiteLlm.open(config) as client:
            yield Asked(client, server)


async def test_sentences_come_before_the_answer_is_whole() -> None:
    wait = Wait()
    async for asked in opened(["Good morn", "ing. Are", wait, " you well?"]):
        async with aclosing(asked.answer(question())) as answer:
            assert await anext(answer) == "Good morning."
            assert not wait.go.is_set()
            wait.go.set()
            assert [piece async for piece in answer] == ["Are you well?"]


async def test_what_was_used_is_told_with_its_price() -> None:
    async for asked in opened(["Hello."]):
        await asked.whole()
        assert asked.spent == [LlmUsage("scripted", 100, 20, Decimal("0.000027"))]


async def test_the_request_holds_what_was_asked_and_no_more() -> None:
    tool = {"type": "function", "function": {"name": "end_call", "parameters": {"type": "object", "properties": {}}}}
    async for asked in opened(["Hello."], temperature=0.2, max_tokens=77):
        await asked.whole(question(tools=(tool,)))
        (request,) = asked.server.requests
        assert [message["role"] for message in request["messages"]] == ["system", "user"]
        assert (request["model"], request["stream"], request["max_tokens"]) == ("scripted", True, 77)
        assert (request["temperature"], request["tools"]) == (0.2, [tool])
        assert not request.keys() - {
            *("model", "messages", "stream", "stream_options", "max_tokens", "temperature", "tools")
        }


async def test_the_step_may_name_another_model() -> None:
    async for asked in opened(["Hello."]):
        await asked.whole(question(model="openai/other"))
        assert asked.server.requests[0]["model"] == "other"
        assert asked.spent == [LlmUsage("openai/other", 100, 20, None)]


async def test_calls_of_functions_are_put_together() -> None:
    calls = [Call("set_code", '{"code": "AG"}'), Call("end_call", "{}")]
    async for asked in opened(["Thank you, good", "bye", *calls]):
        assert await asked.whole() == [
            "Thank you, goodbye",
            ToolCall("set_code", '{"code": "AG"}'),
            ToolCall("end_call", "{}"),
        ]


async def test_an_answer_of_calls_alone_is_one() -> None:
    async for asked in opened([Call("end_call", "{}")]):
        assert await asked.whole() == [ToolCall("end_call", "{}")]


async def test_an_answer_cut_by_its_length_ends_with_a_whole_sentence() -> None:
    async for asked in opened(["All right. I will now te"], finish="length"):
        assert await asked.whole() == ["All right."]


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        ([], "said nothing"),
        ([Refuse(401)], "refuses the key; set llm.api_key"),
        ([Refuse(404)], "is not known there; set llm.model or llm.api_base"),
        ([Refuse(400)], "refuses the request"),
        ([Refuse(429)], "is asked too often"),
        ([Refuse(500)], "answered 500"),
        ([Cut()], ""),
        (["Well. I", Cut()], ""),
        (["Well. I", Cut(cleanly=True)], "broke off"),
    ],
)
async def test_failures_name_the_model_and_a_remedy_and_nothing_that_was_said(
    answer: Answer, told: str, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    async for asked in opened(answer):
        with pytest.raises(ModelFailed) as failed:
            await asked.whole()
        assert str(failed.value).startswith("language model scripted: ")
        assert told in str(failed.value)
        assert failed.value.__cause__ is None
        assert failed.value.__context__ is None or failed.value.__suppress_context__
        assert len(asked.server.requests) == 1, "a request is not tried again"
    shown = "".join(capfd.readouterr()) + caplog.text + str(failed.value)
    assert SECRET not in shown


async def test_a_server_that_is_not_there_is_told() -> None:
    async with scripted_model() as server:
        gone = server.base
    async with LiteLlm.open(ModelConfig("scripted", api_base=gone)) as client:
        with pytest.raises(ModelFailed, match="cannot be reached; check"):
            await anext(client.answer(question(), lambda _: None))


async def test_a_name_without_a_provider_is_told() -> None:
    async with LiteLlm.open(ModelConfig("no-such-model")) as client:
        with pytest.raises(ModelFailed, match="write it as provider/model"):
            await anext(client.answer(question(), lambda _: None))


@pytest.mark.parametrize("answer", [[Deaf()], [Wait()], ["Let me see. One", Wait()]], ids=["deaf", "mute", "midway"])
async def test_a_model_that_hangs_is_left_after_its_time(answer: Answer) -> None:
    async for asked in opened(answer):
        with pytest.raises(ModelFailed, match="gave no sentence within 300 ms"):
            await asked.whole(question(timeout_ms=300))
        # A machine that stands still may let the time pass before the question has gone out.
        if asked.server.requests:
            await asyncio.wait_for(asked.server.left.wait(), 30)


async def test_whoever_stops_listening_ends_the_request() -> None:
    wait = Wait()
    async for asked in opened(["Good morning. Are", wait]):
        async with aclosing(asked.answer(question())) as answer:
            assert await anext(answer) == "Good morning."
        await asyncio.wait_for(asked.server.left.wait(), 30)
        (used,) = asked.spent
        assert used.prompt_tokens > 0, "what was broken off is estimated"
        assert used.completion_tokens > 0


@pytest.mark.parametrize("wait", [Deaf(), Wait()], ids=["before its answer", "in its answer"])
async def test_a_cancelled_call_ends_the_request(wait: Wait) -> None:
    async for asked in opened([wait] if isinstance(wait, Deaf) else ["Good", wait]):
        task = asyncio.create_task(asked.whole())
        await asyncio.wait_for(wait.reached.wait(), 30)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await asyncio.wait_for(asked.server.left.wait(), 30)
        assert len(asked.spent) == 1


async def test_a_burst_of_words_leaves_others_their_turn() -> None:
    words = [f"w{n}. " for n in range(300)]
    async for asked in opened(words):
        turns, most = 0, 0

        async def others() -> None:
            nonlocal turns
            while True:
                turns += 1
                await asyncio.sleep(0)

        beside = asyncio.create_task(others())
        last = 0
        async for _ in asked.answer(question()):
            most, last = most + (turns > last), turns
        beside.cancel()
        assert most > 290, "between any two sentences"


async def test_answers_of_many_calls_do_not_mix() -> None:
    async for asked in opened(*[[f"Number {n}. Bye."] for n in range(8)]):
        answers = await asyncio.gather(*(asked.whole() for _ in range(8)))
        assert sorted(str(answer[0]) for answer in answers) == [f"Number {n}." for n in range(8)]


def test_nothing_is_sent_to_others() -> None:
    litellm: Any = sys.modules["litellm"]
    for callbacks in ("callbacks", "success_callback", "failure_callback", "input_callback"):
        assert getattr(litellm, callbacks) == []
    assert litellm.turn_off_message_logging
