"""Volume tiers: settled together, by two nodes at once, over a month's end, and by rehearsals."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from decimal import Decimal

from billing.ledger import balance
from storage.clock import ManualClock
from storage.database import Database
from storage.tables import attempts, ledger_entries
from tests.support_campaigns import TARIFF, House

TIERS = [{"from_blocks": 0, "price": "1.00"}, {"from_blocks": 1, "price": "0.10"}]


async def _tiered(database: Database) -> House:
    return await House(database).build(tariff={**TARIFF, "block_price": {"conversation": TIERS}})


async def _bot_costs(house: House) -> list[Decimal]:
    return sorted(row["cost_bot"] for row in await house.rows(attempts))


async def test_calls_settled_in_one_group_share_the_tiers(database: Database) -> None:
    house = await _tiered(database)
    await house.campaign(people=4)
    ledger = house.ledger()
    claims = (await ledger.claim(["line"], 4)).claims
    for claim in claims:
        await house.answer(ledger, claim)
    house.clock.advance(seconds=6)
    await asyncio.gather(*(ledger.settle(claim.attempt_id, claim.fence, house.talked()) for claim in claims))
    assert await _bot_costs(house) == [Decimal("0.10")] * 3 + [Decimal("1.00")]


async def test_two_nodes_that_settle_at_once_share_the_tiers(database: Database) -> None:
    house = await _tiered(database)
    ledgers = [house.ledger("node-a"), house.ledger("node-b")]
    pairs = []
    for ledger in ledgers:
        # Campaigns of their own, so that no campaign's lock keeps the nodes apart.
        await house.campaign(people=1)
        pairs += [(ledger, claim) for claim in (await ledger.claim(["line"], 1)).claims]
    for ledger, claim in pairs:
        await house.answer(ledger, claim)
    house.clock.advance(seconds=6)
    await asyncio.gather(*(ledger.settle(claim.attempt_id, 1, house.talked()) for ledger, claim in pairs))
    assert await _bot_costs(house) == [Decimal("0.10"), Decimal("1.00")]


async def test_a_call_counts_in_the_month_in_which_it_was_placed_in_the_accounts_zone(database: Database) -> None:
    house = await _tiered(database)
    # Ten seconds before April in Vietnam.
    house.clock = ManualClock(datetime(2026, 3, 31, 16, 59, 50, tzinfo=UTC))
    await house.campaign(people=3)
    ledger = house.ledger()
    march, also_march, april = (await ledger.claim(["line"], 3)).claims
    await house.answer(ledger, march)
    await house.answer(ledger, also_march)
    house.clock.advance(seconds=20)
    await house.talk(ledger, april, seconds=6)
    for claim in (march, also_march):
        await ledger.settle(claim.attempt_id, claim.fence, house.talked())
    costs = {row["id"]: row["cost_bot"] for row in await house.rows(attempts)}
    blocks = {row["id"]: row["blocks"] for row in await house.rows(attempts)}
    assert [costs[claim.attempt_id] for claim in (april, march, also_march)] == [
        Decimal("1.00"),
        Decimal("1.00") + Decimal("0.10") * (blocks[march.attempt_id] - 1),
        Decimal("0.10") * blocks[also_march.attempt_id],
    ]


async def test_a_rehearsal_uses_up_no_tier_and_touches_no_balance(database: Database) -> None:
    house = await _tiered(database)
    ledger = house.ledger()
    costs = []
    for is_test in (True, False, True, False):
        await house.campaign(people=1, is_test=is_test)
        (claim,) = (await ledger.claim(["line"], 1)).claims
        await house.talk(ledger, claim, seconds=6)
        costs.append((await house.row(attempts, claim.attempt_id))["cost_bot"])
    assert costs == [Decimal("1.00"), Decimal("1.00"), Decimal("0.10"), Decimal("0.10")]
    async with database.read() as conn:
        assert await balance(conn, house.account_id) == Decimal("-1.10")
    rehearsed = [row["amount"] for row in await house.rows(ledger_entries) if row["book"] == "rehearsal"]
    assert rehearsed == [Decimal("-1.00"), Decimal("-0.10")]
