"""Calls at once: a campaign's share of a trunk, what is kept for call-backs, slow start, the account's limit."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import update

from campaigns.claiming import Claim
from campaigns.occupancy import occupancy, told_full
from storage.database import Database
from storage.tables import accounts, campaigns
from tests.support_campaigns import NOW, House, number


@pytest.fixture
async def house(database: Database) -> House:
    return await House(database).build()


async def _callback(house: House, campaign_id: int, place: int) -> int:
    return await house.contact(campaign_id, number(900_000 + place), state="callback", next_at=NOW, attempts=1)


async def test_channels_are_shared_by_weight_and_an_unused_share_is_the_others(house: House) -> None:
    await house.trunk("narrow", channels=8)
    big = await house.campaign(people=12, trunk="narrow", share=3)
    small = await house.campaign(people=3, trunk="narrow")
    ledger = house.ledger()
    claims = list((await ledger.claim(["narrow"], 20)).claims)
    assert Counter(claim.campaign_id for claim in claims) == {big: 6, small: 2}
    # Each takes the place of its own call, while both wait; the last of the small one has gone then.
    for ended, next_ in ((big, big), (small, small), (small, big)):
        await house.miss(ledger, _take(claims, ended))
        (claim,) = (await ledger.claim(["narrow"], 20)).claims
        assert claim.campaign_id == next_
        claims.append(claim)


def _take(claims: list[Claim], campaign_id: int) -> Claim:
    return claims.pop(next(place for place, claim in enumerate(claims) if claim.campaign_id == campaign_id))


async def test_one_channel_goes_round_by_weight(house: House) -> None:
    await house.trunk("single", channels=1)
    big = await house.campaign(people=20, trunk="single", share=3)
    small = await house.campaign(people=20, trunk="single")
    ledger, taken = house.ledger(), Counter[int]()
    for _ in range(12):
        (claim,) = (await ledger.claim(["single"], 5)).claims
        taken[claim.campaign_id] += 1
        await house.miss(ledger, claim)
    assert taken == {big: 9, small: 3}


async def test_what_is_kept_for_call_backs_is_theirs(house: House) -> None:
    campaign_id = await house.campaign(people=9, concurrency=4, callback_reserve=2, max_attempts=2)
    ledger = house.ledger()
    plain = (await ledger.claim(["line"], 20)).claims
    assert len(plain) == 2
    told = await _told(house, campaign_id)
    assert told == (True, "2 of the campaign's 4 calls at once are on; 2 kept for call-backs", None)
    promised = [await _callback(house, campaign_id, place) for place in range(3)]
    called = (await ledger.claim(["line"], 20)).claims
    assert [claim.contact_id for claim in called] == promised[:2]
    assert (await _told(house, campaign_id))[:2] == (True, "4 of the campaign's 4 calls at once are on")
    # The place of a call-back is kept again, that of another call is anybody's.
    await house.miss(ledger, called[0])
    assert [claim.contact_id for claim in (await ledger.claim(["line"], 20)).claims] == promised[2:]
    await house.miss(ledger, plain[0])
    (claim,) = (await ledger.claim(["line"], 20)).claims
    assert claim.contact_id not in promised


async def test_of_a_trunk_campaigns_keep_half_at_most(house: House) -> None:
    await house.trunk("narrow", channels=4)
    campaign_id = await house.campaign(people=9, trunk="narrow", concurrency=9, callback_reserve=3, max_attempts=2)
    await house.campaign(people=9, trunk="narrow")
    ledger = house.ledger()
    assert len((await ledger.claim(["narrow"], 20)).claims) == 2
    promised = [await _callback(house, campaign_id, place) for place in range(3)]
    assert [claim.contact_id for claim in (await ledger.claim(["narrow"], 20)).claims] == promised[:2]


async def test_after_a_start_and_a_resumption_calls_grow_step_by_step(house: House) -> None:
    ramp = {"from": 1, "step": 2, "every_s": 30}
    campaign_id = await house.campaign(people=9, concurrency=4, slow_start=ramp)
    ledger = house.ledger()
    first = await ledger.claim(["line"], 20)
    assert (len(first.claims), first.wake_at) == (1, NOW + timedelta(seconds=30))
    assert await _told(house, campaign_id) == (
        True,
        "1 of the campaign's 1 calls at once are on (slow start: of 4 in the end)",
        NOW + timedelta(seconds=30),
    )
    house.clock.advance(seconds=30)
    assert len((await ledger.claim(["line"], 20)).claims) == 2
    house.clock.advance(seconds=30)
    last = await ledger.claim(["line"], 20)
    assert (len(last.claims), last.wake_at) == (1, None)
    for claim in last.claims:
        await house.miss(ledger, claim)
    await house.campaigns.pause(campaign_id)
    await house.campaigns.start(campaign_id)
    assert (await ledger.claim(["line"], 20)).claims == ()


async def test_an_account_keeps_to_its_calls_at_once_whatever_its_campaigns_may(house: House) -> None:
    await house.trunk("other")
    for trunk in ("line", "other"):
        await house.campaign(people=4, trunk=trunk)
    async with house.database.write() as conn:
        await conn.execute(update(accounts).values(concurrency=3))
    one, two = house.ledger("one"), house.ledger("two")
    claims = list((await one.claim(["line"], 2)).claims)
    claims += (await two.claim(["line", "other"], 20)).claims
    assert len(claims) == 3
    assert (await one.claim(["line", "other"], 20)).claims == ()
    await house.miss(one, claims[0])
    assert len((await two.claim(["other"], 20)).claims) == 1


async def _told(house: House, campaign_id: int) -> tuple[bool, str, Any]:
    row = await house.row(campaigns, campaign_id)
    async with house.database.read() as conn:
        return told_full(row, await occupancy(conn), house.clock.now())
