"""What a careless or hostile client sends to the API: each is refused with its field, and none holds up the calls."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import select

from billing.tariff import parse_tariff
from billing.worst import most
from bot.script.language import Script
from bot.script.loader import load_script
from campaigns.funds import longest_talk_ms
from campana import api as campana_api
from campana import other_bots
from storage.clock import ManualClock
from storage.database import Database
from storage.tables import bots, campaigns
from storage.types import MONEY_SCALE
from tests.support_api import TARIFF, Api, campaign_body, open_api
from tests.support_reports import START
from web.api import idempotency
from web.api.bodies import LONGEST_BODY


@pytest.fixture
async def api(tmp_path: Path) -> AsyncIterator[Api]:
    async with open_api(tmp_path, ManualClock(START)) as opened:
        yield opened


async def _start(api: Api, code: str = "SPRING") -> None:
    made = await api.ask("POST", "/campaigns", json=campaign_body(code))
    assert made.status_code == 201, made.text
    assert (await api.ask("POST", f"/campaigns/{code}/start")).status_code == 200


def _field(response: httpx.Response) -> tuple[int, str]:
    """Status and the first field that the problem names."""
    return response.status_code, response.json()["errors"][0]["field"]


async def test_scripts_are_read_once_and_beside_the_event_loop(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    readers: list[int] = []

    def noted(source: Any, name: str | None = None) -> Script:
        readers.append(threading.get_ident())
        return load_script(source, name)

    monkeypatch.setattr(campana_api, "load_script", noted)
    monkeypatch.setattr(other_bots, "load_script", noted)
    other_bots._read.cache_clear()
    await _start(api)
    people = [{"number": f"+8490123{place:04}", "variables": {"amount": "1"}} for place in range(20)]
    for _ in range(2):
        asked = await api.ask("POST", "/campaigns/SPRING/contacts/batch", json={"contacts": people})
        assert asked.status_code == 200, asked.text
    # Once as it came in with the campaign, once as it is stored.
    assert len(readers) == 2
    assert threading.get_ident() not in readers


async def test_long_texts_are_not_read_at_all(api: Api) -> None:
    long = "x" * 200_001
    for field, value in (("script", long), ("tariff", TARIFF | {"name": long}), ("machines", {"fax": long})):
        refused = await api.ask("POST", "/campaigns", json=campaign_body() | {field: value})
        status, named = _field(refused)
        assert (status, named.partition(".")[0]) == (422, field)
        assert "200000 characters" in refused.text


async def test_a_call_has_room_for_its_reference(api: Api) -> None:
    await _start(api)
    named = {f"v{place}": "1" for place in range(98)} | {"amount": "1"}
    call = {"campaign": "SPRING", "number": "+84901230001", "reference": "r"}
    assert (await api.ask("POST", "/calls", json=call | {"variables": named})).status_code == 201
    refused = await api.ask("POST", "/calls", json=call | {"variables": named | {"one": "more"}})
    assert _field(refused) == (422, "variables")


@pytest.mark.parametrize("budget", ["1e30", "1e18", "1000000000000", 10**15])
async def test_no_budget_is_too_large_for_its_column(api: Api, budget: str | int) -> None:
    refused = await api.ask("POST", "/campaigns", json=campaign_body() | {"budget": budget})
    assert _field(refused) == (422, "budget")
    assert "less than 1000000000000" in refused.text


async def test_the_largest_prices_and_the_largest_budget_still_fit(api: Api) -> None:
    dear = TARIFF | {"block_s": 1, "block_price": "9999999", "per_message_fee": "9999999", "vat_pct": 100}
    changes = {"tariff": dear, "budget": "999999999999", "concurrency": 1000, "max_call_s": 7200}
    made = await api.ask("POST", "/campaigns", json=campaign_body() | changes)
    assert made.status_code == 201, made.text
    claim = most(parse_tariff(dear), "+84901230001", talk_ms=longest_talk_ms(7200))
    assert int((claim * 1000).scaleb(MONEY_SCALE)) < 2**63


async def test_campaigns_fit_their_columns_and_may_come_at_once(database: Database, tmp_path: Path) -> None:
    url = database.url.render_as_string(hide_password=False)
    async with open_api(tmp_path, ManualClock(START), database_url=url) as api:
        await _fit(api)
        await _come_at_once(api)


async def _fit(api: Api) -> None:
    bounds: dict[str, dict[str, Any]] = {
        "bot.name": {"bot": {"name": "x" * 201}},
        "bot.language": {"bot": {"language": "x" * 17}},
        "caller_id": {"caller_id": "1" * 33},
    }
    for field, changes in bounds.items():
        refused = await api.ask("POST", "/campaigns", json=campaign_body() | changes)
        assert _field(refused) == (422, field)
    longest = {"bot": {"name": "x" * 200, "language": "x" * 16}, "caller_id": "+84 28 1234-567"}
    assert (await api.ask("POST", "/campaigns", json=campaign_body("FULL") | longest)).status_code == 201
    async with api.app.database.read() as conn:
        assert await conn.scalar(select(campaigns.c.caller_id)) == "+84281234567"


async def _come_at_once(api: Api) -> None:
    many = [campaign_body(code) for code in ("SAME", "SAME", "SAME", "S1", "S2", "S3")]
    answered = await asyncio.gather(*(api.ask("POST", "/campaigns", json=body) for body in many))
    assert sorted(each.status_code for each in answered) == [201] * 4 + [409] * 2
    refused = [each.json()["detail"] for each in answered if each.status_code == 409]
    assert refused == ["there is a campaign SAME already; choose another code"] * 2
    async with api.app.database.read() as conn:
        versions = (await conn.execute(select(bots.c.version).where(bots.c.name == "Bot"))).scalars()
        assert sorted(versions) == [1, 2, 3, 4]


async def test_a_form_that_is_too_long_is_told_so(api: Api) -> None:
    here = {"origin": "http://127.0.0.1:8080"}
    refused = await api.client.post("/calls/new", data={"variables": "x" * LONGEST_BODY}, headers=here)
    assert refused.status_code == 413
    assert "at most 4 MiB" in refused.text


async def test_a_key_that_is_let_go_just_now_is_still_in_use(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    async def conflict(*_given: object) -> set[int]:
        return set()

    # As when the row that was in the way is deleted before it can be read.
    monkeypatch.setattr(idempotency, "insert_new", conflict)
    asked = await api.ask("POST", "/campaigns", json=campaign_body(), headers={"idempotency-key": "k-1"})
    assert asked.status_code == 409
    assert asked.json()["type"].endswith("idempotency-key-in-use")
