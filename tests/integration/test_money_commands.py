"""`campana account`, `campana campaign budget` and the mail of a campaign that ran out of money."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import httpx
import pytest
from sqlalchemy import select, update
from structlog.testing import capture_logs
from typer.testing import CliRunner

from billing.errors import LedgerError
from billing.ledger import Book, adjust, charge, top_up
from billing.rating import Rated
from billing.statement import statement
from campaigns.errors import CampaignError
from campana.cli.main import app
from campana.mail_sink import MailSink
from reports.mail import SmtpSettings
from reports.pause_mail import deliver_pause_mail
from storage.database import Database, open_database
from storage.tables import accounts, bots, campaigns, outbox
from tests.support_campaigns import NOW, House, number
from web.app import create_app
from web.state import WebSettings

SETTINGS = """data_folder = "data"
[account]
currency = "USD"
credit_limit = "2.50"
[[trunks]]
name = "line"
host = "127.0.0.1"
"""


@pytest.fixture(autouse=True)
def _no_logs_to_a_stream_that_ends_with_the_command(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr("campana.logs.configure_logs", lambda _level: None)
    with capture_logs():
        yield


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "campana.toml"
    path.write_text(SETTINGS)
    return path


def _run(config: Path, *arguments: str, code: int = 0) -> str:
    env = {"COLUMNS": "250"}
    ran = CliRunner(env=env).invoke(app, ["--config", str(config), *arguments], catch_exceptions=False)
    assert ran.exit_code == code, ran.output
    return ran.output


def _data(config: Path, *arguments: str) -> Any:
    return json.loads(_run(config, "account", *arguments, "--json"))


def test_paying_in_and_correcting_are_booked_once_and_stand_in_the_statement(config: Path) -> None:
    assert _data(config, "top-up", "10", "--key", "bank-1")["booked"]
    again = _data(config, "top-up", "10.00", "--key", "bank-1")
    assert (again["booked"], again["balance"], again["available"]) == (False, "10.00", "12.50")
    assert "nothing is changed" in _run(config, "account", "top-up", "10", "--key", "bank-1")
    with pytest.raises(LedgerError, match="made already, of 10"):
        _run(config, "account", "top-up", "11", "--key", "bank-1")
    with pytest.raises(LedgerError, match="too long"):
        _run(config, "account", "top-up", "1", "--key", "k" * 90)
    for amount in ("1e12", "1e30", "1e999999999"):
        with pytest.raises(LedgerError, match="a top-up moves less than 1000000000000"):
            _data(config, "top-up", amount, "--key", "large")
        with pytest.raises(LedgerError, match="an adjustment moves less than 1000000000000"):
            _data(config, "adjust", f"-{amount}", "--key", "large")
    with pytest.raises(LedgerError, match="finer than USD"):
        _run(config, "account", "top-up", "1.001", "--key", "fine")
    found = _data(config, "adjust", "-2.50", "--against", "fees", "--key", "ticket-8")
    assert (found["balance"], found["reserved"], found["credit_limit"]) == ("7.50", "0.00", "2.50")
    assert "no amount" in _run(config, "account", "top-up", "ten", "--key", "x", code=2)
    assert "choose one of cash" in _run(config, "account", "adjust", "1", "--against", "us", "--key", "x", code=2)
    told = _data(config, "statement")
    lines = [(line["kind"], line["key"], line["amount"]) for line in told["lines"]]
    assert lines == [("adjustment", "ticket-8", "-2.50"), ("top_up", "bank-1", "10.00")]
    assert (told["opening"], told["closing"]) == ("0.00", "7.50")
    assert "7.50 USD" in _run(config, "account", "balance")
    page = _run(config, "account", "statement", "--from", "2026-01-01", "--to", "2026-01-31")
    assert "after" in page


def test_a_credit_limit_may_be_taken_away_and_set_again(config: Path) -> None:
    assert _data(config, "balance")["available"] == "2.50"
    config.write_text(SETTINGS.replace('credit_limit = "2.50"\n', ""))
    assert _data(config, "balance")["available"] is None
    assert "no limit" in _run(config, "account", "balance")
    _run(config, "account", "top-up", "4", "--key", "b")
    config.write_text(SETTINGS.replace('"2.50"', "1"))
    assert _data(config, "balance")["available"] == "5.00"
    config.write_text(SETTINGS.replace('"2.50"', '"0.001"'))
    with pytest.raises(CampaignError, match="finer than USD"):
        _run(config, "account", "balance")


async def test_a_statement_tells_charges_by_the_accounts_day(tmp_path: Path) -> None:
    zone = ZoneInfo("Asia/Ho_Chi_Minh")
    rated = Rated(1, 0, Decimal("0.40"), *(Decimal(0),) * 2, vat=Decimal("0.04"), currency="USD")
    async with open_database(f"sqlite:///{tmp_path / 'c.db'}") as database:
        house = await House(database).build()
        ids = await _attempts(house, 3)
        common: dict[str, Any] = {"account_id": house.account_id}
        async with database.write() as conn:
            before = datetime(2026, 2, 28, 16, 59, tzinfo=UTC)
            await top_up(conn, amount=Decimal(5), currency="USD", key="a", now=before, **common)
            # The last and the first quarter of an hour of two days in Vietnam.
            for attempt_id, at in zip(
                ids,
                (before, datetime(2026, 2, 28, 17, 1, tzinfo=UTC), datetime(2026, 3, 1, 16, 59, tzinfo=UTC)),
                strict=True,
            ):
                await charge(conn, rated, attempt_id=attempt_id, now=at, **common)
            await adjust(conn, amount=Decimal("0.30"), against=Book.BOT, currency="USD", key="b:c", now=NOW, **common)
        async with database.read() as conn:
            days: dict[str, Any] = {"from_day": date(2026, 3, 1), "to_day": date(2026, 3, 2), "zone": zone}
            found = await statement(conn, house.account_id, **days)
            with pytest.raises(LedgerError, match="before it begins"):
                await statement(conn, house.account_id, **days | {"to_day": date(2026, 2, 1)})
    assert (found.opening, found.closing) == (Decimal("4.56"), Decimal("3.98"))
    assert [(line.day.day, line.kind, line.count, line.key, line.amount) for line in found.lines] == [
        (1, "charge", 2, None, Decimal("-0.88")),
        (2, "adjustment", 1, "b:c", Decimal("0.30")),
    ]


async def _attempts(house: House, count: int) -> list[str]:
    await house.campaign(people=count)
    return [claim.attempt_id for claim in (await house.ledger().claim(["line"], count)).claims]


async def test_the_mail_of_a_pause_tells_why_and_what_to_do(tmp_path: Path) -> None:
    async with open_database(f"sqlite:///{tmp_path / 'c.db'}") as database:
        house = await House(database).build()
        await house.campaign(people=3, budget=Decimal("0.60"), report_emails=["boss@example.com"])
        ledger = house.ledger()
        (claim,) = (await ledger.claim(["line"], 5)).claims
        await house.talk(ledger, claim, seconds=60)
        await ledger.claim(["line"], 5)
        payload = await _asked_for(database)
        async with MailSink(tmp_path / "mail") as sink:
            smtp = SmtpSettings(port=sink.port, dashboard_url="https://calls.example.com/")
            await deliver_pause_mail(database, payload, smtp)
            await deliver_pause_mail(database, payload, smtp)
            first, again = (file.read_text() for file in sink.files)
            await deliver_pause_mail(database, payload | {"clause": "balance"}, smtp)
            balance = sink.files[-1].read_text()
        mail = " ".join(first.split())
        for words in (
            "To: boss@example.com",
            "Campaign 1 (C1) is paused: budget used up: the next call may cost 0.57",
            "2 of its contacts are still to be called.",
            "campana campaign budget C1 AMOUNT",
            "campana campaign start C1",
            "https://calls.example.com/campaigns/1",
        ):
            assert words in mail
        assert "account top-up AMOUNT --key" in balance
        (one,) = {line for text in (first, again) for line in text.splitlines() if line.startswith("Message-ID")}
        assert one.startswith("Message-ID: <pause.")


async def _asked_for(database: Database) -> dict[str, Any]:
    async with database.read() as conn:
        (row,) = (await conn.execute(select(outbox).where(outbox.c.topic == "pause_mail"))).mappings().all()
    return dict(row["payload"])


async def test_nobody_is_mailed_for_a_campaign_without_recipients(tmp_path: Path) -> None:
    async with open_database(f"sqlite:///{tmp_path / 'c.db'}") as database:
        house = await House(database).build()
        campaign_id = await house.campaign()
        await house.contact(campaign_id, number(1))
        payload = {"campaign_id": campaign_id, "clause": "budget", "reason": "r", "paused_at": NOW.isoformat()}
        async with MailSink(tmp_path / "mail") as sink:
            await deliver_pause_mail(database, payload, SmtpSettings(port=sink.port))
            assert sink.files == ()


async def _campaign(folder: Path) -> None:
    """A campaign of 20 people with a budget, and one call of it, in the database of the settings."""
    async with open_database(f"sqlite:///{folder / 'data' / 'campana.db'}") as database:
        house = await House(database).build()
        async with database.write() as conn:
            await conn.execute(update(accounts).values(name="default"))
            await conn.execute(
                update(bots).values(script="script: s\nsteps:\n  hello:\n    - say: Good day.\n    - end\n")
            )
        await house.campaign(people=20, budget=Decimal("0.60"), code="SPRING")
        ledger = house.ledger()
        (claim,) = (await ledger.claim(["line"], 5)).claims
        await house.talk(ledger, claim, seconds=60)
        await ledger.claim(["line"], 5)


def test_a_campaigns_budget_and_forecast_are_shown_and_a_campaign_without_money_is_not_started(config: Path) -> None:
    asyncio.run(_campaign(config.parent))
    (status,) = json.loads(_run(config, "campaign", "status", "SPRING", "--json"))
    assert (status["state"], status["budget"], status["spent"]) == ("paused", "0.6000", "0.1000")
    assert "paused, budget used up: the next call may cost 0.57" in " ".join(_run(config, "campaign", "status").split())
    told = json.loads(_run(config, "campaign", "budget", "SPRING", "--json"))
    assert (told["budget"], told["spent"], told["reserved"], told["left"]) == ("0.60", "0.10", "0.00", "0.50")
    with pytest.raises(CampaignError, match="cannot pay for a call"):
        _run(config, "campaign", "start", "SPRING", "--detach")
    for amount in ("1e12", "1e30", "1e999999999"):
        with pytest.raises(CampaignError, match=r"budget: .* less than 1000000000000"):
            _run(config, "campaign", "budget", "SPRING", amount)
    with pytest.raises(CampaignError, match="more than nought"):
        _run(config, "campaign", "budget", "SPRING", "0")
    assert "2.50 USD" in _run(config, "campaign", "budget", "SPRING", "2.50")

    found = json.loads(_run(config, "campaign", "forecast", "SPRING", "--json"))
    assert (found["contacts"], found["likely"]["attempts"], found["currency"]) == (19, 19, "USD")
    # 19 calls, of which 40 % last 45 s: 8 blocks of 0.01.
    assert found["likely"]["cost"] == "0.61"
    assert [(one["limit"], one["verdict"]) for one in found["limits"]] == [("budget", "enough"), ("balance", "enough")]
    page = _run(config, "campaign", "forecast", "SPRING")
    for words in ("SPRING: 19 contacts to call", "0.61 USD", "budget: enough", "assumed: the account has fewer"):
        assert words in page
    started = _run(config, "campaign", "start", "SPRING", "--detach")
    assert "forecast: 19 contacts, 19 calls, 0.61 USD" in started
    assert json.loads(_run(config, "campaign", "status", "SPRING", "--json"))[0]["pause_reason"] is None
    assert "none" in _run(config, "campaign", "budget", "SPRING", "none")


async def test_the_dashboard_says_why_a_campaign_paused_by_itself(tmp_path: Path) -> None:
    async with open_database(f"sqlite:///{tmp_path / 'c.db'}") as database:
        house = await House(database).build()
        campaign_id = await house.campaign(people=1)
        reason = "balance used up: <nothing> left"
        async with database.write() as conn:
            await conn.execute(update(campaigns).values(state="paused", pause_reason=reason))
        web = create_app(database, WebSettings(recordings_dir=tmp_path))
        async with httpx.AsyncClient(transport=httpx.ASGITransport(web), base_url="http://127.0.0.1:8080") as client:
            page = (await client.get(f"/campaigns/{campaign_id}")).text
        assert "Paused by itself: balance used up: &lt;nothing&gt; left." in page
