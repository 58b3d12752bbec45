"""A campaign that somebody changes while a move of one of its attempts is being written."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import update

from campaigns.limits import set_budget, set_credit_limit
from campaigns.states import AttemptPhase, CampaignState, ContactState
from storage.database import Database
from storage.tables import accounts, attempts, campaigns
from tests.support_campaigns import House

#: Long enough for the move to read everything and wait for the campaign; too short would only test less.
READING_S = 0.3


@pytest.fixture
async def house(database: Database) -> House:
    return await House(database).build()


async def _meanwhile(house: House, move: Any, table: Any, key: int, **changes: Any) -> Any:
    """Start the move while these changes are made but not committed; what the move comes to."""
    async with house.database.write() as conn:
        await conn.execute(update(table).where(table.c.id == key).values(**changes))
        moving = asyncio.ensure_future(move)
        await asyncio.sleep(READING_S)
        assert not moving.done()
    return await moving


async def _cost(house: House, attempt_id: str) -> Decimal:
    row = await house.row(attempts, attempt_id)
    cost = sum((row[part] for part in ("cost_bot", "cost_telecom", "cost_fees", "cost_vat")), Decimal(0))
    assert cost > 0
    return cost


async def test_a_pause_that_comes_before_the_network_is_asked_keeps_the_call_back(house: House) -> None:
    campaign_id = await house.campaign(people=1)
    ledger = house.ledger()
    (claim,) = (await ledger.claim(["line"], 1)).claims
    moved = await _meanwhile(
        house, ledger.begin(claim.attempt_id, 1), campaigns, campaign_id, state=CampaignState.PAUSED.value
    )
    assert (moved.phase, moved.reason) == (AttemptPhase.ENDED, "campaign_paused")
    assert await house.contact_states(campaign_id) == {ContactState.PENDING.value: 1}


async def test_a_stop_while_a_call_is_settled_leaves_no_contact_waiting(house: House) -> None:
    rules = [{"on": ["BUSY"], "times": 3}]
    campaign_id = await house.campaign(people=1, max_attempts=3, retry_rules=rules)
    ledger = house.ledger()
    (claim,) = (await ledger.claim(["line"], 1)).claims
    await ledger.begin(claim.attempt_id, 1)
    moved = await _meanwhile(
        house,
        ledger.settle(claim.attempt_id, 1, house.missed()),
        campaigns,
        campaign_id,
        state=CampaignState.STOPPED.value,
    )
    assert moved.contact_state is ContactState.CANCELLED
    assert [end.campaign_id for end in moved.finished] == [campaign_id]


async def test_a_budget_given_while_a_call_is_settled_counts_what_it_cost(house: House) -> None:
    campaign_id = await house.campaign(people=2)
    ledger = house.ledger()
    (claim,) = (await ledger.claim(["line"], 1)).claims
    await ledger.begin(claim.attempt_id, 1)
    await ledger.advance(claim.attempt_id, 1, AttemptPhase.ANSWERED, house.clock.now())
    async with house.database.write() as conn:
        await set_budget(conn, campaign_id, Decimal(1_000_000), house.clock.now())
        settling = asyncio.ensure_future(ledger.settle(claim.attempt_id, 1, house.talked()))
        await asyncio.sleep(READING_S)
        assert not settling.done()
    await settling
    row = await house.row(campaigns, campaign_id)
    assert (row["spent"], row["reserved"]) == (await _cost(house, claim.attempt_id), 0)


async def test_two_nodes_that_settle_the_last_two_calls_at_once_end_the_campaign_once(house: House) -> None:
    campaign_id = await house.campaign(people=2)
    first, second = house.ledger("node-a"), house.ledger("node-b")
    claims = [(await ledger.claim(["line"], 1)).claims[0] for ledger in (first, second)]
    for ledger, claim in zip((first, second), claims, strict=True):
        await ledger.begin(claim.attempt_id, 1)
    settling = [
        ledger.settle(claim.attempt_id, 1, house.missed())
        for ledger, claim in zip((first, second), claims, strict=True)
    ]
    moved = await asyncio.gather(*settling)
    assert [end.campaign_id for one in moved for end in one.finished] == [campaign_id]
    assert (await house.row(campaigns, campaign_id))["state"] == CampaignState.COMPLETED.value
    assert await house.reports() == [f"report:{campaign_id}:completed"]


async def test_a_credit_limit_given_while_a_call_is_settled_counts_what_it_cost(house: House) -> None:
    await house.campaign(people=2)
    ledger = house.ledger()
    (claim,) = (await ledger.claim(["line"], 1)).claims
    await ledger.begin(claim.attempt_id, 1)
    await ledger.advance(claim.attempt_id, 1, AttemptPhase.ANSWERED, house.clock.now())
    async with house.database.write() as conn:
        await set_credit_limit(conn, house.account_id, Decimal(0), house.clock.now())
        settling = asyncio.ensure_future(ledger.settle(claim.attempt_id, 1, house.talked()))
        await asyncio.sleep(READING_S)
        assert not settling.done()
    await settling
    assert (await house.row(accounts, house.account_id))["prepaid"] == -await _cost(house, claim.attempt_id)
