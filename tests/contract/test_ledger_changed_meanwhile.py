"""A campaign that somebody changes while a move of one of its attempts is being written."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import select, update

from bot.outcome import Speaker, Turn
from campaigns.contacts import Contacts
from campaigns.errors import ContactBusy
from campaigns.limits import set_budget, set_credit_limit
from campaigns.states import AttemptPhase, CampaignState, ContactState
from campaigns.waiting import WaitingTimes
from storage.database import Database
from storage.tables import accounts, attempts, campaigns, contacts, turns
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


async def test_a_campaign_that_changes_all_the_time_costs_no_settlement_its_words(house: House) -> None:
    campaign_id = await house.campaign(people=2)
    ledger = house.ledger()
    (claim,) = (await ledger.claim(["line"], 1)).claims
    await ledger.begin(claim.attempt_id, 1)
    await ledger.advance(claim.attempt_id, 1, AttemptPhase.ANSWERED, house.clock.now())

    async def change() -> None:
        for _ in range(500):
            async with house.database.write() as conn:
                await conn.execute(
                    update(campaigns).where(campaigns.c.id == campaign_id).values(share=campaigns.c.share + 1)
                )
                await asyncio.sleep(0.01)

    changing = asyncio.ensure_future(change())
    await asyncio.sleep(0.05)
    said = (Turn(Speaker.CUSTOMER, 0, 900, "Yes"),)
    await ledger.settle(claim.attempt_id, 1, house.talked(turns=said))
    assert not changing.done()
    changing.cancel()
    assert [row["text"] for row in await house.rows(turns)] == ["Yes"]


#: Where one transaction may wait for the row of another; on SQLite it would wait for all of it.
only_rows_are_locked = pytest.mark.parametrize(
    "migrated_url", [pytest.param("postgresql", marks=pytest.mark.postgres)], indirect=True
)


@contextlib.asynccontextmanager
async def _held(house: House, table: Any, key: Any) -> AsyncIterator[None]:
    """The row is locked, as by a move that waits for the campaign."""
    async with house.database.write() as conn:
        await conn.execute(select(table.c.id).where(table.c.id == key).with_for_update(key_share=True))
        async with asyncio.timeout(5):
            yield


@only_rows_are_locked
async def test_nobody_who_holds_the_campaign_waits_for_a_contact_in_a_call(house: House) -> None:
    rule = {"when": {"waiting_h": 1}, "then": {"priority": 5}}
    campaign_id = await house.campaign(people=1, post_conditions=[rule])
    async with house.database.write() as conn:
        await conn.execute(update(contacts).values(entered_at=house.clock.now()))
    (claim,) = (await house.ledger().claim(["line"], 1)).claims
    house.clock.advance(hours=2)
    by_hand = Contacts(house.database, house.clock)
    async with _held(house, contacts, claim.contact_id):
        await WaitingTimes(house.database, house.clock, node="node-a").look()
        with pytest.raises(ContactBusy):
            await by_hand.edit(claim.contact_id, {"priority": "3"}, by="a")
        with pytest.raises(ContactBusy):
            await by_hand.delete(claim.contact_id, by="a")
    assert (await house.row(contacts, claim.contact_id))["priority"] == 0
    assert (await house.row(campaigns, campaign_id))["waits"] is not None


@only_rows_are_locked
async def test_leases_are_renewed_past_an_attempt_that_is_being_moved(house: House) -> None:
    await house.campaign(people=3)
    ledger = house.ledger()
    claims = (await ledger.claim(["line"], 3)).claims
    first, *others = sorted(claim.attempt_id for claim in claims)
    house.clock.advance(seconds=5)
    async with _held(house, attempts, first):
        assert await ledger.renew(dict.fromkeys([first, *others], 1)) == set()
    leases = {row["id"]: row["lease_until"] for row in await house.rows(attempts)}
    assert {leases[id_] for id_ in others} == {house.clock.now() + ledger.lease}
    assert leases[first] < leases[others[0]]
