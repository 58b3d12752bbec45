"""A database that an earlier version filled is brought up with what is in it."""

from __future__ import annotations

from typing import Any

from alembic import command
from sqlalchemy import Connection, select, text

from campaigns.trunk_health import Breaker
from storage.database import Database, open_database, parse_url
from storage.migrations.upgrade import _config
from storage.tables import attempts, campaigns, trunks

_ROWS = (
    "INSERT INTO accounts VALUES (1, 'Acme', 'VND', 'UTC', 'VN', 0)",
    "INSERT INTO bots VALUES (1, 1, 'Lan', 1, 'en', 'v', 1.0, '', 0)",
    "INSERT INTO tariffs VALUES (1, 1, 'Plain', 'VND', '{}', 0)",
    "INSERT INTO trunks (name, channels, cps, next_call_us) VALUES ('line', 5, 2.5, 7)",
    "INSERT INTO campaigns (id, account_id, code, name, script_type, bot_id, tariff_id, trunk, state, is_test, region,"
    " time_zone, windows, weekdays, concurrency, max_call_s, ring_timeout_s, max_attempts, retry_rules, codes,"
    " report_emails, created_at) VALUES (1, 1, 'C1', 'One', 'conversation', 1, 1, 'line', 'running', false, 'VN',"
    " 'UTC', '[]', '[]', 5, 300, 45, 1, '[]', '{}', '[]', 0)",
    "INSERT INTO contacts (id, campaign_id, line, phone, number, priority, variables, state, attempts, origin)"
    " VALUES (1, 1, 1, '1', '+99900000001', 0, '{}', 'pending', 1, 'import')",
)
_ANSWERED = "UPDATE attempts SET answered_at = 2000, ended_at = 9250 WHERE id = 'had rung'"
_ATTEMPT = (
    "INSERT INTO attempts (id, account_id, campaign_id, contact_id, bot_id, trunk, attempt_no, call_type, is_test,"
    " origin, number, node, fence, lease_until, phase, claimed_at, originated_at, ringing_at, acw_ms, call_status,"
    " network_text, lost, spoke, messages, blocks, billable_s, tariff_snapshot, currency) VALUES (:id, 1, 1, 1, 1,"
    " 'line', 1, 'campaign', false, 'import', '+99900000001', 'n', 1, 0, 'ended', 0, :placed, :rang, 0, :status,"
    " :text, false, false, 0, 0, 0, '{}', 'VND')"
)


def _to(revision: str) -> Any:
    def work(connection: Connection) -> None:
        config = _config()
        config.attributes["connection"] = connection
        command.upgrade(config, revision)

    return work


async def _fill(database: Database) -> None:
    calls = [
        {"id": "broken off", "placed": 1, "rang": None, "status": "CANCELLED", "text": "shutdown"},
        {"id": "had rung", "placed": 1, "rang": 2, "status": "CANCELLED", "text": "shutdown"},
        {"id": "given back", "placed": None, "rang": None, "status": "CANCELLED", "text": None},
        {"id": "busy", "placed": 1, "rang": None, "status": "BUSY", "text": "Busy Here"},
    ]
    async with database.write() as conn:
        await conn.run_sync(_to("0001"))
        for row in _ROWS:
            await conn.execute(text(row))
        await conn.execute(text(_ATTEMPT), calls)
        await conn.execute(text(_ANSWERED))


async def test_trunks_come_up_healthy_and_old_attempts_count_as_they_did(database_url: str) -> None:
    database = Database(parse_url(database_url))
    try:
        await _fill(database)
    finally:
        await database.aclose()
    async with open_database(database_url) as opened, opened.read() as conn:
        (trunk,) = (await conn.execute(select(trunks))).mappings().all()
        counted = dict((await conn.execute(select(attempts.c.id, attempts.c.counted))).all())
    assert (trunk["cps"], trunk["next_call_us"]) == (2.5, 7)
    assert Breaker.from_row(dict(trunk)) == Breaker()
    assert counted == {"broken off": False, "had rung": True, "given back": False, "busy": True}


async def test_the_talk_of_old_calls_was_all_the_bots(database_url: str) -> None:
    database = Database(parse_url(database_url))
    try:
        await _fill(database)
    finally:
        await database.aclose()
    c = attempts.c
    shown = (c.bot_ms, c.cost_agent, c.agent_ms, c.agent_billable_s, c.transfer_target, c.transfer_asked_ms)
    async with open_database(database_url) as opened, opened.read() as conn:
        rows = {row[0]: tuple(row[1:]) for row in (await conn.execute(select(c.id, *shown))).all()}
    assert rows["had rung"] == (7250, 0, 0, 0, None, None)
    assert rows["busy"] == (None, None, 0, 0, None, None)


async def test_campaigns_that_never_said_their_purpose_keep_to_the_stricter_law(database_url: str) -> None:
    database = Database(parse_url(database_url))
    try:
        await _fill(database)
    finally:
        await database.aclose()
    async with open_database(database_url) as opened, opened.read() as conn:
        assert (await conn.execute(select(campaigns.c.purpose))).scalars().all() == ["advertising"]


async def test_the_transfers_can_be_taken_out_again(database_url: str) -> None:
    def back(connection: Connection) -> None:
        config = _config()
        config.attributes["connection"] = connection
        command.downgrade(config, "0004")

    database = Database(parse_url(database_url))
    try:
        await _fill(database)
        async with database.write() as conn:
            await conn.run_sync(_to("0005"))
        async with database.write() as conn:
            await conn.run_sync(back)
            await conn.run_sync(_to("0005"))
            found = (await conn.execute(select(attempts.c.bot_ms).where(attempts.c.id == "had rung"))).scalar_one()
    finally:
        await database.aclose()
    assert found == 7250
