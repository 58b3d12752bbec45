"""What customers gave, from the ledger to page, API, exports and webhooks."""

from __future__ import annotations

import csv
import io
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from sqlalchemy import insert, select, update

from campaigns.states import ContactState
from campaigns.webhook_events import Ended, tell_ended
from reports.attempts import AttemptFilter
from reports.contacts import ContactFilter
from reports.export import Sheet, csv_chunks
from reports.scope import Scope
from reports.sheets import attempt_sheet, contact_sheet
from storage.clock import ManualClock
from storage.database import Database, open_database
from storage.tables import attempts, campaigns, contacts, turns, webhook_deliveries, webhooks
from tests.support_api import open_api
from tests.support_reports import START, Call, standard
from web.app import create_app
from web.state import WebSettings

USAGE = {"model": "m/one", "prompt_tokens": 9, "completion_tokens": 3, "cost_usd": "0.00012", "answers": 2}
TURN = {
    "heard": [{"text": "on Friday", "score": 0.91}, {"text": "on Sunday", "score": 0.4}],
    "collected": {"pay_date": "2026-03-06"},
    "latency": {"endpointing_ms": 310, "stt_work_ms": 190},
}


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    async with open_database(f"sqlite:///{tmp_path / 'collected.db'}") as opened:
        yield opened


@pytest.fixture
async def calls(database: Database) -> dict[str, Call]:
    """The standard campaign; three of its calls have collected something."""
    made = await standard(database)
    given = {"agreed": {"pay_date": "2026-03-06", "=sum": "1"}, "refused": {"why": "=HYPERLINK(1)"}}
    async with database.write() as conn:
        for name, values in given.items():
            await conn.execute(update(attempts).where(attempts.c.id == made[name].id).values(collected=values))
        await conn.execute(update(attempts).where(attempts.c.id == made["agreed"].id).values(llm_usage=[USAGE]))
        said = turns.c.attempt_id == made["agreed"].id, turns.c.speaker == "customer"
        await conn.execute(update(turns).where(*said).values(TURN))
    return made


async def _rows(sheet: Sheet) -> list[dict[str, str]]:
    content = b"".join([chunk async for chunk in csv_chunks(sheet)]).decode("utf-8-sig")
    return list(csv.DictReader(io.StringIO(content)))


async def test_the_attempts_export_has_a_column_for_each_value(database: Database, calls: dict[str, Call]) -> None:
    async with database.read() as conn:
        rows = await _rows(await attempt_sheet(conn, Scope(1), AttemptFilter(), "UTC"))
        none = await attempt_sheet(conn, Scope(1), AttemptFilter(code="BS"), "UTC")
        assert not [column for column in none.columns if column.startswith("collected_")]
        assert await _rows(none)
    by_id = {row["attempt_id"]: row for row in rows}
    assert list(rows[0])[-3:] == ["collected_=sum", "collected_pay_date", "collected_why"]
    assert by_id[calls["agreed"].id]["collected_pay_date"] == "2026-03-06"
    # A spreadsheet must not run what a customer said.
    assert by_id[calls["refused"].id]["collected_why"] == "'=HYPERLINK(1)"
    assert by_id[calls["busy"].id]["collected_pay_date"] == ""


async def test_the_contacts_export_has_the_latest_value_of_all_calls(
    database: Database, calls: dict[str, Call]
) -> None:
    async with database.write() as conn:
        first = (await conn.execute(select(attempts).where(attempts.c.id == calls["agreed"].id))).mappings().one()
        later = dict(first) | {"id": "f" * 32, "attempt_no": 2, "collected": {"pay_date": "2026-04-01"}}
        later["originated_at"] = first["originated_at"].replace(year=first["originated_at"].year + 1)
        await conn.execute(insert(attempts).values(later))
    async with database.read() as conn:
        rows = await _rows(await contact_sheet(conn, Scope(1), ContactFilter(), "UTC"))
    mine = next(row for row in rows if row["contact_id"] == str(first["contact_id"]))
    assert (mine["collected_pay_date"], mine["collected_=sum"]) == ("2026-04-01", "1")


async def test_the_call_page_shows_values_parts_and_models(
    database: Database, calls: dict[str, Call], tmp_path: Path
) -> None:
    app = create_app(database, WebSettings(recordings_dir=tmp_path), clock=ManualClock(START))
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8080") as client:
        page = (await client.get(f"/attempts/{calls['agreed'].id}")).text
        other = (await client.get(f"/attempts/{calls['busy'].id}")).text
    for part in ("Collected", "pay_date", "2026-03-06", "Language models", "m/one", "9 + 3 tokens, 0.00012 USD"):
        assert part in page
    for part in ("End of turn", "Recognition, at work", "heard with 91", "Or heard", "on Sunday", "pay_date = 2026"):
        assert part in page
    assert "Collected" not in other
    assert "Language models" not in other


async def test_a_webhook_is_told_what_was_collected(database: Database, calls: dict[str, Call]) -> None:
    hook = {"account_id": 1, "url": "https://example.com/hook", "events": ["call.ended"], "secret": "s"}
    async with database.write() as conn:
        await conn.execute(insert(webhooks).values(hook | {"active": True, "created_at": START, "failures": 0}))
        attempt = (await conn.execute(select(attempts).where(attempts.c.id == calls["agreed"].id))).mappings().one()
        contact = (await conn.execute(select(contacts).where(contacts.c.id == attempt["contact_id"]))).mappings().one()
        campaign = (await conn.execute(select(campaigns))).mappings().first()
        assert campaign is not None
        await tell_ended(conn, [Ended(dict(attempt), dict(contact), dict(campaign), ContactState.DONE, None)], START)
        (payload,) = (await conn.execute(select(webhook_deliveries.c.payload))).scalars().all()
    assert '"collected":{"pay_date":"2026-03-06","=sum":"1"}' in payload


async def test_the_api_tells_what_a_contact_and_a_call_have_given(
    database: Database, calls: dict[str, Call], tmp_path: Path
) -> None:
    async with open_api(tmp_path, database_url=f"sqlite+aiosqlite:///{tmp_path / 'collected.db'}") as api:
        call = (await api.ask("GET", f"/attempts/{calls['agreed'].id}")).json()
        contact = (await api.ask("GET", f"/contacts/{call['contact_id']}")).json()
        other = (await api.ask("GET", f"/attempts/{calls['busy'].id}")).json()
    given = {"pay_date": "2026-03-06", "=sum": "1"}
    assert (contact["collected"], call["collected"], other["collected"]) == (given, given, None)
    assert call["llm_usage"] == [USAGE]
    heard = next(turn for turn in call["turns"] if turn["speaker"] == "customer")
    assert heard["latency"] == TURN["latency"]
    assert [(one["text"], one["score"]) for one in heard["heard"]] == [("on Friday", 0.91), ("on Sunday", 0.4)]
