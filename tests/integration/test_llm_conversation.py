"""A call that a language model holds: real voice, the protocol's server, the call's own audio."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from decimal import Decimal

import numpy as np
import pytest

from bot.conversation import ScriptedConversation, SpeechRuntime
from bot.errands import Outside
from bot.llm.client import LiteLlm
from bot.llm.config import ModelConfig, Prices
from bot.loopback import LoopbackCall
from bot.outcome import ConversationResult, EndedBy, Job, LlmUsage, OptOut, Speaker
from bot.speech.listening import Heard
from bot.speech.pool import WorkPool
from bot.speech.speaking import PiperSpeaker
from models import ModelStore
from storage.clock import SystemClock
from telephony.errors import MediaClosed
from tests.support_llm import Answer, Call, Wait, scripted_model
from tests.support_scripts import script_of
from tests.support_speech import AlwaysComplete

pytestmark = pytest.mark.speech

SCRIPT = script_of(
    """
    script: chat
    codes:
      AG: {title: Agrees, result: Completed}
      "NO": {title: No answer, result: NoResult}
    transfers:
      sales: {number: "+84901234567"}
    silence: {after_ms: 60000, say: []}
    steps:
      talk:
        - llm:
            goal: Say hello.
            tools: {codes: [AG], transfers: [sales], end: true}
            timeout_ms: 30000
            fallback: One moment please.
            else: sorry
      sorry:
        - code: "NO"
        - say: Goodbye then.
        - end
    """
)
#: Far above the silence of a line, far below a voice.
LOUD = 500


class NobodySpeaks:
    """Ears for a customer who only listens."""

    async def transcribe(self, pcm: bytes, rate_hz: int) -> Heard:
        return Heard("", -1.0, 1.0, 0, 0, 0)


@pytest.fixture
async def speech() -> AsyncIterator[SpeechRuntime]:
    store = ModelStore()
    error = store.status("tts-en-joe").error
    if error is not None:
        pytest.skip(f"{error} (CAMPANA_MODELS_DIR names another folder)")
    pool = WorkPool(2)
    speaker = PiperSpeaker.load(store.path("tts-en-joe"), pool=pool)
    async with SpeechRuntime.open(NobodySpeaks(), speaker, pool=pool, turn_end=AlwaysComplete()) as runtime:
        yield runtime
    await speaker.aclose()
    await pool.aclose()


async def hear(call: LoopbackCall, voice: asyncio.Event) -> None:
    """Listen to the call's end; `voice` tells that something was heard."""
    try:
        while True:
            if np.abs(np.frombuffer(await call.far.read(), "<i2").astype(int)).max(initial=0) > LOUD:
                voice.set()
    except MediaClosed:
        return


async def hold(speech: SpeechRuntime, model: LiteLlm, heard: asyncio.Event) -> ConversationResult:
    async def on_opt_out(_: OptOut) -> None:
        raise AssertionError("nobody said so")

    call = LoopbackCall("attempt-1", clock=SystemClock())
    conversation = ScriptedConversation(SCRIPT, speech, outside=Outside(model=model))
    async with asyncio.TaskGroup() as group:
        group.create_task(hear(call, heard))
        return await conversation.run(call, Job("attempt-1", {}, 120.0, on_opt_out))


async def test_the_first_sentence_is_heard_while_the_model_still_writes(speech: SpeechRuntime) -> None:
    wait, heard = Wait(), asyncio.Event()
    orders = [Call("transfer", '{"to": "+19005550100"}'), Call("set_code", '{"code": "AG"}'), Call("end_call", "{}")]
    answer: Answer = ["Good morning, this is the bank. ", wait, "Have a nice day.", *orders]
    async with scripted_model(answer) as server:
        config = ModelConfig("scripted", api_base=server.base, prices=Prices(Decimal(1), Decimal(2)))
        async with LiteLlm.open(config) as model, asyncio.TaskGroup() as group:
            holding = group.create_task(hold(speech, model, heard))
            async with asyncio.timeout(60):
                await heard.wait()
            assert wait.reached.is_set(), "the model has not finished"
            wait.go.set()
    result = holding.result()
    assert (result.ended_by, result.error, result.code, result.transfer) == (EndedBy.BOT, None, "AG", None)
    (turn,) = result.turns
    assert (turn.speaker, turn.text) == (Speaker.BOT, "Good morning, this is the bank. Have a nice day.")
    assert turn.latency.llm_first_sentence_ms is not None
    assert result.llm_usage == (LlmUsage("scripted", 100, 20, Decimal("0.00014")),)
