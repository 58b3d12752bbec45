"""A forecast of a stored campaign: from its contacts, the account's own calls, and its limits; on both engines."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import insert

from billing.ledger import top_up
from campaigns.errors import UnknownCampaign
from campaigns.experience import DEFAULT
from campaigns.forecast import Forecast, forecast
from campaigns.limits import set_credit_limit
from campaigns.rules import NO_RULES
from storage.database import Database
from storage.tables import attempts, bots, contacts, do_not_call
from tests.support_campaigns import NOW, TARIFF, House, number


@pytest.fixture
async def house(database: Database) -> House:
    return await House(database).build(channels=4)


async def _forecast(house: House, campaign_id: int, **options: Any) -> Forecast:
    async with house.database.read() as conn:
        return await forecast(conn, campaign_id, rules=NO_RULES, now=house.clock.now(), **options)


async def _people(house: House, campaign_id: int, count: int, first: int, **values: Any) -> None:
    row: dict[str, Any] = {"campaign_id": campaign_id, "line": 1, "variables": {}, "state": "pending", "attempts": 0}
    rows = [row | {"phone": number(n), "number": number(n)} | values for n in range(first, first + count)]
    async with house.database.write() as conn:
        await conn.execute(insert(contacts), rows)


async def _called_before(house: House, count: int, *, bot_id: int, talk_s: int) -> None:
    """Half of the calls were answered; the others rang for 20 s."""
    past = await house.campaign(bot_id=bot_id)
    contact_id = await house.contact(past, number(999), state="done")
    common: dict[str, Any] = {
        "account_id": house.account_id,
        "campaign_id": past,
        "contact_id": contact_id,
        "bot_id": bot_id,
    }
    common |= {"trunk": "line", "attempt_no": 1, "origin": "import", "number": number(999), "node": "n"}
    common |= {"lease_until": NOW, "phase": "ended", "claimed_at": NOW, "currency": "USD", "tariff_snapshot": {}}
    rows = []
    for place in range(count):
        began = NOW - timedelta(days=1, seconds=place * 60)
        answered = began + timedelta(seconds=10) if place % 2 else None
        ended = answered + timedelta(seconds=talk_s) if answered else began + timedelta(seconds=20)
        told = ("USER_HANGUP", "HUP", "HUP") if answered else ("NOANSWER", "NA", "NA")
        row: dict[str, Any] = {
            "id": f"{past}-{place}",
            "originated_at": began,
            "answered_at": answered,
            "ended_at": ended,
        }
        row |= dict(zip(("call_status", "action_code", "code_family"), told, strict=True))
        rows.append(common | row | {"messages": 4 if answered else 0, "acw_ms": 1000 if answered else 0})
    async with house.database.write() as conn:
        await conn.execute(insert(attempts), rows)


async def test_contacts_are_counted_and_those_that_will_not_be_called_by_reason(house: House) -> None:
    campaign_id = await house.campaign(start=False, max_attempts=2)
    await _people(house, campaign_id, 20, 0)
    await _people(house, campaign_id, 5, 100, state="retry_wait", attempts=1)
    for place, (state, detail) in enumerate(
        [("duplicate", "duplicate: line 1"), ("invalid", "missing_variable: amount"), ("invalid", "invalid: short")]
    ):
        await _people(house, campaign_id, place + 1, 200 + 10 * place, state=state, detail=detail)
    await _people(house, campaign_id, 4, 300, state="done")
    await _people(house, campaign_id, 3, 400, time_from="20:00", time_to="21:00")
    async with house.database.write() as conn:
        row = {"account_id": house.account_id, "number": number(2), "source": "list", "created_at": NOW}
        await conn.execute(insert(do_not_call).values(**row))
    found = await _forecast(house, campaign_id)
    assert found.contacts == 27
    assert found.skipped == {"duplicate": 1, "missing_variable": 2, "invalid": 3, "do_not_call": 1}
    assert found.put_off == {"own_window": 3}
    assert found.likely.attempts == 27
    assert found.limits == []
    assert found.assumptions[0] == DEFAULT.told
    assert any("4 calls at once (the channels of line)" in one for one in found.assumptions)
    assert "27 contacts, 27 calls" in found.line
    assert any("1 calls at once" in one for one in (await _forecast(house, campaign_id, node_calls=1)).assumptions)
    with pytest.raises(UnknownCampaign):
        await _forecast(house, 4711)


async def test_the_bots_own_calls_count_before_the_accounts_and_those_before_defaults(house: House) -> None:
    async with house.database.write() as conn:
        values: dict[str, Any] = {
            "account_id": house.account_id,
            "version": 1,
            "language": "en",
            "voice": "v",
            "script": "",
        }
        made = await conn.execute(insert(bots).values(name="Other", created_at=NOW, **values))
        key = made.inserted_primary_key
        assert key is not None
        again = await conn.execute(insert(bots).values(name="Lan", created_at=NOW, **values | {"version": 2}))
        newer = again.inserted_primary_key
        assert newer is not None
    campaign_id = await house.campaign(start=False, bot_id=newer[0])
    await _people(house, campaign_id, 100, 0)
    await _called_before(house, 299, bot_id=key[0], talk_s=60)
    assert (await _forecast(house, campaign_id)).assumptions[0] == DEFAULT.told
    await _called_before(house, 2, bot_id=key[0], talk_s=60)
    found = await _forecast(house, campaign_id)
    assert "as the last 301 calls of the account went" in found.assumptions[0]
    # 150 of 301 were answered.
    assert (found.likely.answers, found.likely.talk_s) == (50, 2990)
    # 10 blocks of 0.01 for each minute of talk.
    assert found.likely.cost == Decimal("4.98")
    assert found.low.cost <= found.likely.cost <= found.high.cost
    await _called_before(house, 300, bot_id=house.bot_id, talk_s=30)
    found = await _forecast(house, campaign_id)
    assert "as the last 300 calls of the bot Lan went" in found.assumptions[0]
    assert (found.likely.cost, found.likely.talk_s) == (Decimal("2.50"), 50 * 30)


async def test_budget_and_balance_are_weighed_against_the_cost(house: House) -> None:
    assert TARIFF["block_s"] == 6
    await _called_before(house, 400, bot_id=house.bot_id, talk_s=60)
    campaign_id = await house.campaign(start=False, budget=Decimal("6.00"))
    await _people(house, campaign_id, 100, 0)
    async with house.database.write() as conn:
        await set_credit_limit(conn, house.account_id, Decimal(0), NOW)
        await top_up(conn, account_id=house.account_id, amount=Decimal(1), currency="USD", key="k", now=NOW)
    found = await _forecast(house, campaign_id)
    assert [(one.limit, one.verdict, one.left) for one in found.limits] == [
        ("budget", "enough", Decimal("6.00")),
        ("balance", "not_enough", Decimal("1.00")),
    ]
    assert "not enough: 1.00 left, at least 5.00 is needed" in found.limits[1].text
    await house.campaigns.set_budget(campaign_id, Decimal("5.56"))
    assert (await _forecast(house, campaign_id)).limits[0].verdict == "not_enough"


async def test_the_rest_of_a_running_campaign_is_what_is_forecast(house: House) -> None:
    campaign_id = await house.campaign(people=5, budget=Decimal(10))
    ledger = house.ledger()
    for claim in (await ledger.claim(["line"], 2)).claims:
        await house.talk(ledger, claim)
    before = await house.rows(contacts)
    found = await _forecast(house, campaign_id)
    assert (found.contacts, found.limits[0].left) == (3, Decimal("9.96"))
    assert await house.rows(contacts) == before
