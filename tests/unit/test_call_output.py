"""What `campana call --json` tells of a conversation."""

from __future__ import annotations

import json
from decimal import Decimal

from bot.outcome import Alternative, ConversationResult, EndedBy, Latency, Letter, LlmUsage, Speaker, Turn
from campaigns.codes import assign
from campana.cli.call import _as_data
from campana.single_call import SingleResult
from storage.clock import SystemClock
from telephony.call import CallEnd
from telephony.outcomes import HangupBy


def test_each_turn_tells_what_was_heard_taken_and_spent() -> None:
    said = Turn(
        Speaker.CUSTOMER,
        900,
        1800,
        "on Friday",
        step="ask",
        heard=(Alternative("on Friday", 0.91),),
        collected={"pay_date": "2026-03-06"},
        latency=Latency(endpointing_ms=300, stt_work_ms=0),
    )
    talk = ConversationResult(
        EndedBy.BOT,
        messages=1,
        turns=(Turn(Speaker.BOT, 0, 800, "When?", interrupted=True, barge_in_stop_ms=120), said),
        collected={"pay_date": "2026-03-06"},
        mails=(Letter("a@example.com", "x", "y"),),
        llm_usage=(LlmUsage("m/one", 9, 3, Decimal("0.00012")),),
    )
    end = CallEnd(HangupBy.BOT, SystemClock().now())
    result = SingleResult("a1", assign(None, end, talk, talk_ms=9000), None, 9000, talk)
    data = json.loads(json.dumps(_as_data(result)))
    assert data["collected"] == {"pay_date": "2026-03-06"}
    assert data["mails"] == 1
    assert data["llm_usage"] == [
        {"model": "m/one", "prompt_tokens": 9, "completion_tokens": 3, "cost_usd": "0.00012", "answers": 1}
    ]
    first, second = data["turns"]
    assert first == {
        "speaker": "bot",
        "start_ms": 0,
        "end_ms": 800,
        "text": "When?",
        "interrupted": True,
        "barge_in_stop_ms": 120,
    }
    assert [(one["text"], one["score"]) for one in second["heard"]] == [("on Friday", 0.91)]
    assert second["latency"] == {"endpointing_ms": 300, "stt_work_ms": 0}
    assert second["collected"] == {"pay_date": "2026-03-06"}
    assert second["step"] == "ask"
