"""A paused trunk on the pages and in the mail, over real SMTP."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import insert, update

from campana.mail_sink import MailSink
from reports.mail import SmtpSettings
from reports.trunk_mail import deliver_trunk_mail
from storage.clock import ManualClock
from storage.database import Database, open_database
from storage.tables import accounts, campaigns, trunks
from tests.support_reports import START, Sample, standard
from web.app import create_app
from web.state import WebSettings

CALL = {
    "attempt_id": "ab" * 16,
    "at": START.isoformat(),
    "dial_status": "CHANUNAVAIL",
    "sip_code": 401,
    "q850": 21,
    "text": "Unauthorized <script>",
}
PAYLOAD = {
    "trunk": "trunk",
    "account_id": 1,
    "paused_at": START.isoformat(),
    "reason": "the trunk refused us: 401 Unauthorized",
    "failing_calls": [CALL],
}


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    async with open_database(f"sqlite:///{tmp_path / 'web.db'}") as opened:
        await standard(opened)
        yield opened


@pytest.fixture
async def client(database: Database, tmp_path: Path) -> AsyncIterator[httpx.AsyncClient]:
    app = create_app(database, WebSettings(recordings_dir=tmp_path), clock=ManualClock(START))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://127.0.0.1:8080") as opened:
        yield opened


async def _set(database: Database, table: Any, **values: Any) -> None:
    async with database.write() as conn:
        await conn.execute(update(table).values(**values))


async def _pause(database: Database, **values: Any) -> None:
    paused = {"health": "paused", "paused_at": START, "pause_reason": PAYLOAD["reason"], "failing_calls": [CALL]}
    await _set(database, trunks, **paused | {"failures": 1, "probe_at": START + timedelta(seconds=30)} | values)
    await _set(database, campaigns, state="running", finished_at=None)


async def test_a_healthy_trunk_is_shown_with_its_limits(client: httpx.AsyncClient) -> None:
    page = (await client.get("/trunks")).text
    assert '<span class="chip ok">Healthy</span>' in page
    assert "campana trunk resume" not in page
    assert "Trunk <a" not in (await client.get("/campaigns/1")).text


async def test_a_paused_trunk_says_why_since_when_and_what_to_do(client: httpx.AsyncClient, database: Database) -> None:
    await _pause(database)
    page = (await client.get("/trunks")).text
    for words in (
        "Paused</span>",
        "401 Unauthorized",
        "campana trunk resume trunk",
        "16:00:30",
        f"/attempts/{'ab' * 16}",
    ):
        assert words in page
    assert "<script>" not in page.split("<main")[1]
    assert "C1" in page
    campaign = (await client.get("/campaigns/1")).text
    assert 'Trunk <a href="/trunks">trunk</a> paused' in campaign
    assert "401 Unauthorized" in campaign


async def test_calls_that_go_out_by_another_trunk_are_told_so(
    client: httpx.AsyncClient, database: Database, tmp_path: Path
) -> None:
    await _pause(database)
    async with database.write() as conn:
        await conn.execute(insert(trunks).values(name="backup", channels=5, cps=1.0, next_call_us=0))
    await _set(database, campaigns, backup_trunks=["backup"], report_emails=["boss@example.com"])
    page = (await client.get("/campaigns/1")).text
    assert "401 Unauthorized; calls go out by backup</p>" in page
    assert "C1" in (await client.get("/trunks")).text.split(">backup<")[1].split("</tr>")[0]
    mail = await _mailed(database, tmp_path)
    assert "401 Unauthorized; calls go out by backup" in mail
    assert "Campaign C1: calls go out by backup." in mail
    assert "wait for it" not in mail
    async with database.write() as conn:
        closed = {"health": "paused", "pause_reason": "maintenance", "paused_at": START}
        await conn.execute(update(trunks).where(trunks.c.name == "backup").values(**closed))
    page = (await client.get("/campaigns/1")).text
    assert '; Trunk <a href="/trunks">backup</a> paused' in page
    assert "calls go out" not in page
    assert "Campaigns that wait for it: C1" in await _mailed(database, tmp_path)


async def _mailed(database: Database, folder: Path) -> str:
    async with MailSink(folder / "mail") as sink:
        await deliver_trunk_mail(database, PAYLOAD, SmtpSettings(port=sink.port))
        return " ".join(sink.files[-1].read_text().split())


async def test_a_trunk_on_trial_and_a_suspect_one_are_told_apart(client: httpx.AsyncClient, database: Database) -> None:
    await _pause(database, health="trying", probe_at=None)
    assert "one call is tried" in (await client.get("/trunks")).text
    await _pause(database, health="suspect", probe_at=None)
    page = (await client.get("/trunks")).text
    assert "1 of at most 5 calls in a row failed by its fault" in page
    assert "Trunk <a" not in (await client.get("/campaigns/1")).text


async def test_without_a_trunk_the_page_says_what_to_do(client: httpx.AsyncClient, tmp_path: Path) -> None:
    async with open_database(f"sqlite:///{tmp_path / 'empty.db'}") as empty:
        app = create_app(empty, WebSettings(recordings_dir=tmp_path))
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://127.0.0.1:8080") as fresh:
            assert "There is no trunk yet" in (await fresh.get("/trunks")).text


async def test_the_mail_names_trunk_reason_calls_and_remedy(database: Database, tmp_path: Path) -> None:
    await _pause(database)
    await _set(database, campaigns, report_emails=["boss@example.com", "ops@example.com"])
    await _other_account(database)
    async with MailSink(tmp_path / "mail") as sink:
        smtp = SmtpSettings(port=sink.port, dashboard_url="https://calls.example.com/")
        await deliver_trunk_mail(database, PAYLOAD, smtp)
        await deliver_trunk_mail(database, PAYLOAD, smtp)
        first, again = (file.read_text() for file in sink.files)
    assert "Subject: Trunk trunk is paused: the trunk refused us: 401 Unauthorized" in first
    assert "To: boss@example.com, ops@example.com" in first
    for words in ("2026-03-02 16:00:00", "C1", "CHANUNAVAIL SIP 401", "ab" * 16, "campana trunk resume trunk"):
        assert words in first
    assert "https://calls.example.com/trunks" in first
    (one,) = {line for mail in (first, again) for line in mail.splitlines() if line.startswith("Message-ID")}
    assert one.startswith("Message-ID: <trunk.")


async def _other_account(database: Database) -> None:
    """Whose campaign calls over the same trunk, and whose people are not told with the others."""
    async with database.write() as conn:
        row = {"id": 2, "name": "Other", "currency": "VND", "time_zone": "UTC", "region": "VN", "created_at": START}
        await conn.execute(insert(accounts).values(**row))
    await Sample(database).campaign(2, account_id=2, state="running", report_emails=["other@example.com"])


@pytest.mark.parametrize("change", [{"report_emails": []}, {"state": "completed"}])
async def test_nobody_is_mailed_who_does_not_wait_for_it(
    database: Database, tmp_path: Path, change: dict[str, Any]
) -> None:
    await _pause(database)
    await _set(database, campaigns, **change)
    async with MailSink(tmp_path / "mail") as sink:
        await deliver_trunk_mail(database, PAYLOAD, SmtpSettings(port=sink.port))
        assert sink.files == ()
