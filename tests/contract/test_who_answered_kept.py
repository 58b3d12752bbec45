"""Who answered is kept with the call, with its evidence."""

from __future__ import annotations

import pytest

from bot.who_answered import Answerer, Source, Verdict
from storage.database import Database
from storage.tables import attempt_events
from tests.support_campaigns import House

SAID = Verdict(
    Answerer.VOICEMAIL,
    Source.WORDS,
    'said "after the tone"',
    2400,
    words="leave a message after the tone",
    speech_ms=1900,
    pause_ms=300,
)
BEEPED = Verdict(Answerer.FAX, Source.TONE, "2100 Hz for 400 ms", 900, tone_hz=2100.4, tone_ms=400, tone_at_ms=500)


@pytest.fixture
async def house(database: Database) -> House:
    return await House(database).build()


async def test_every_verdict_stands_in_the_event_of_the_end(house: House) -> None:
    await house.campaign(people=1)
    ledger = house.ledger()
    (claim,) = (await ledger.claim(["line"], 1)).claims
    await house.talk(ledger, claim, voicemail=True, who_answered=(SAID, BEEPED))
    detail = (await house.rows(attempt_events))[-1]["detail"]
    assert detail["who_answered"] == [
        {
            "answerer": "voicemail",
            "source": "words",
            "reason": 'said "after the tone"',
            "decided_ms": 2400,
            "words": "leave a message after the tone",
            "speech_ms": 1900,
            "pause_ms": 300,
        },
        {
            "answerer": "fax",
            "source": "tone",
            "reason": "2100 Hz for 400 ms",
            "decided_ms": 900,
            "tone_hz": 2100.4,
            "tone_ms": 400,
            "tone_at_ms": 500,
        },
    ]


async def test_a_call_without_a_verdict_has_none(house: House) -> None:
    await house.campaign(people=1)
    ledger = house.ledger()
    (claim,) = (await ledger.claim(["line"], 1)).claims
    await house.talk(ledger, claim)
    assert "who_answered" not in (await house.rows(attempt_events))[-1]["detail"]
