"""What a conversation leaves beside its code: values, what models used, the whole transcript, and e-mails."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import insert

from bot.outcome import Alternative, Latency, Letter, LlmUsage, Speaker, Turn
from campaigns.states import AttemptPhase
from reports.attempt import attempt_detail
from storage.database import Database
from storage.tables import attempt_events, attempts, outbox, turns
from tests.support_campaigns import House


@pytest.fixture
async def house(database: Database) -> House:
    return await House(database).build()


async def _settled(house: House, **result: Any) -> str:
    await house.campaign(people=1)
    ledger = house.ledger()
    (claim,) = (await ledger.claim(["line"], 1)).claims
    await ledger.begin(claim.attempt_id, 1)
    await ledger.advance(claim.attempt_id, 1, AttemptPhase.ANSWERED, house.clock.now())
    await ledger.settle(claim.attempt_id, 1, house.talked(**result))
    return claim.attempt_id


async def test_what_was_collected_and_used_stands_in_the_attempt(house: House) -> None:
    usage = LlmUsage("openai/gpt-4o-mini", 1200, 80, Decimal("0.000228"), answers=3)
    id_ = await _settled(house, collected={"pay_date": "2026-11-27", "größe": "10"}, llm_usage=(usage,))
    row = await house.row(attempts, id_)
    assert row["collected"] == {"pay_date": "2026-11-27", "größe": "10"}
    assert row["llm_usage"] == [
        {
            "model": "openai/gpt-4o-mini",
            "prompt_tokens": 1200,
            "completion_tokens": 80,
            "cost_usd": "0.000228",
            "answers": 3,
        }
    ]


async def test_a_call_that_collects_nothing_has_none(house: House) -> None:
    row = await house.row(attempts, await _settled(house))
    assert (row["collected"], row["llm_usage"]) == (None, None)


async def test_every_part_of_a_turn_is_kept_and_read_again(house: House) -> None:
    said = Turn(
        Speaker.CUSTOMER,
        900,
        1800,
        "on Friday",
        step="ask",
        heard=(Alternative("on Friday", 0.91, "stt-base"), Alternative("on Friday then")),
        collected={"pay_date": "2026-11-27"},
        latency=Latency(endpointing_ms=300, stt_wait_ms=4, stt_work_ms=190, understanding_ms=2),
    )
    answer = Turn(Speaker.BOT, 2100, 3000, "Thank you.", latency=Latency(tts_first_byte_ms=0))
    id_ = await _settled(house, turns=(said, answer))
    first, second = await house.rows(turns)
    assert first["heard"] == [
        {"text": "on Friday", "score": 0.91, "model": "stt-base"},
        {"text": "on Friday then", "score": None, "model": None},
    ]
    assert first["collected"] == {"pay_date": "2026-11-27"}
    assert first["latency"] == {"endpointing_ms": 300, "stt_wait_ms": 4, "stt_work_ms": 190, "understanding_ms": 2}
    assert (second["heard"], second["collected"], second["latency"]) == (None, None, {"tts_first_byte_ms": 0})
    async with house.database.read() as conn:
        detail = await attempt_detail(conn, id_)
    assert [turn.latency for turn in detail.turns] == [first["latency"], second["latency"]]


async def test_e_mails_go_into_the_outbox_with_the_settlement(house: House) -> None:
    letters = (Letter("anna@example.com", "Your bill", "120"), Letter("nobody", "x", "y"))
    id_ = await _settled(house, mails=letters)
    rows = [row for row in await house.rows(outbox) if row["topic"] == "call_mail"]
    assert [(row["key"], row["state"]) for row in rows] == [(f"call_mail:{id_}:1", "pending")]
    assert rows[0]["payload"] == {
        "attempt_id": id_,
        "letter": 1,
        "to": "anna@example.com",
        "subject": "Your bill",
        "body": "120",
    }
    refused = [row["detail"] for row in await house.rows(attempt_events) if row["kind"] == "mail_refused"]
    assert refused == [{"reason": "the address is none"}]


async def test_a_settlement_that_fails_sends_nothing(house: House) -> None:
    letters = (Letter("anna@example.com", "Your bill", "120"),)
    await house.campaign(people=1)
    ledger = house.ledger()
    (claim,) = (await ledger.claim(["line"], 1)).claims
    await ledger.begin(claim.attempt_id, 1)
    await ledger.advance(claim.attempt_id, 1, AttemptPhase.ANSWERED, house.clock.now())
    taken = {"attempt_id": claim.attempt_id, "turn_no": 1, "speaker": "bot", "start_ms": 0, "end_ms": 1, "text": "x"}
    async with house.database.write() as conn:
        await conn.execute(insert(turns).values(taken))
    turn = Turn(Speaker.BOT, 0, 1, "Hello.")
    with pytest.raises(Exception, match=r"(?i)unique|duplicate"):
        await ledger.settle(claim.attempt_id, 1, house.talked(turns=(turn,), mails=letters))
    assert [row for row in await house.rows(outbox) if row["topic"] == "call_mail"] == []
