"""Frequency caps where contacts are claimed and at the last look, on both engines."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import event, update

from campaigns.claiming import Claim
from campaigns.frequency import Caps
from campaigns.rules import CallingRules
from campaigns.states import AttemptPhase
from storage.database import Database
from storage.tables import attempts, campaigns, contacts
from tests.support_campaigns import NOW, House, number

LAN = number(5)
HOUR = timedelta(hours=1)


@pytest.fixture
async def house(database: Database) -> House:
    return await House(database).build()


async def running(house: House, phones: list[str], **changes: Any) -> int:
    campaign_id = await house.campaign(start=False, **changes)
    for phone in phones:
        await house.contact(campaign_id, phone)
    await house.campaigns.start(campaign_id)
    return campaign_id


async def claims(house: House, caps: Caps | None = None) -> tuple[Claim, ...]:
    rules = {"rules": CallingRules(caps=caps)} if caps is not None else {}
    return (await house.ledger(**rules).claim(["line"], 10)).claims


async def test_a_number_waits_out_the_accounts_cap_over_all_campaigns(house: House) -> None:
    caps = Caps(per_24h=1)
    await running(house, [LAN])
    (first,) = await claims(house, caps)
    await house.miss(house.ledger(), first)
    house.clock.advance(seconds=3600)
    second = await running(house, [LAN, number(6)])
    (other,) = await claims(house, caps)
    assert other.number == number(6)
    (waiting,) = [row for row in await house.rows(contacts) if row["campaign_id"] == second and row["number"] == LAN]
    assert (waiting["state"], waiting["next_at"]) == ("pending", NOW + 24 * HOUR)
    assert "1 call in 24 hours allowed" in waiting["detail"]
    await house.miss(house.ledger(), other)
    house.clock.advance(seconds=23 * 3600 - 1)
    assert await claims(house, caps) == ()
    house.clock.advance(seconds=1)
    assert [claim.number for claim in await claims(house, caps)] == [LAN]


async def test_a_campaigns_own_caps_need_none_of_the_account_and_the_strictest_holds(house: House) -> None:
    campaign_id = await running(
        house,
        [LAN],
        max_attempts=5,
        caps={"per_campaign": 2},
        retry_rules=[{"on": ["BUSY"], "times": 5, "after_min": 60, "multiply": 1}],
    )
    for _ in range(2):
        (claim,) = await claims(house, Caps(per_campaign=3))
        await house.miss(house.ledger(), claim)
        house.clock.advance(seconds=3600)
    claimed = await house.ledger(rules=CallingRules(caps=Caps(per_campaign=3))).claim(["line"], 10)
    assert claimed.claims == ()
    assert await house.contact_states(campaign_id) == {"exhausted": 1}
    assert [finished.campaign_id for finished in claimed.finished] == [campaign_id]


async def test_an_answered_number_rests_and_calls_that_do_not_count_do_not(house: House) -> None:
    await running(house, [LAN, number(6), number(7)])
    for claim in await claims(house):
        await house.talk(house.ledger(), claim)
    async with house.database.write() as conn:
        await conn.execute(update(attempts).where(attempts.c.number == number(6)).values(counted=False))
        await conn.execute(update(attempts).where(attempts.c.number == number(7)).values(is_test=True))
    await running(house, [LAN, number(6), number(7)], caps={"no_call_back_days": 10, "lifetime": 1})
    assert sorted(claim.number for claim in await claims(house)) == [number(6), number(7)]


async def test_the_last_look_sees_a_cap_and_an_agreed_call_back_is_spared(house: House) -> None:
    caps = CallingRules(caps=Caps(per_24h=1))
    await running(house, [LAN], max_attempts=3)
    ledger = house.ledger(rules=caps)
    (claim,) = (await ledger.claim(["line"], 1)).claims
    await house.talk(ledger, claim, callback=True, callback_at=house.clock.now() + HOUR)
    house.clock.advance(seconds=3700)
    (agreed,) = (await ledger.claim(["line"], 1)).claims
    begun = await ledger.begin(agreed.attempt_id, agreed.fence)
    assert begun.phase is AttemptPhase.ORIGINATING
    await ledger.settle(agreed.attempt_id, agreed.fence, house.missed())
    # Claimed before anybody capped it, and looked at once more with the cap in force.
    await running(house, [LAN])
    (late,) = await claims(house)
    begun = await ledger.begin(late.attempt_id, late.fence)
    assert (begun.phase, begun.reason) == (AttemptPhase.ENDED, "frequency_cap")


async def test_without_a_cap_nobodys_calls_are_looked_up(house: House) -> None:
    asked: list[str] = []
    engine = house.database._writer.sync_engine

    def note(_conn: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
        if "originated_at" in statement and statement.startswith("SELECT attempts.number"):
            asked.append(statement)

    event.listen(engine, "before_cursor_execute", note)
    try:
        first = await running(house, [LAN])
        (claim,) = await claims(house)
        await house.miss(house.ledger(), claim)
        assert asked == []
        async with house.database.write() as conn:
            await conn.execute(
                update(campaigns).where(campaigns.c.id == first).values(state="running", caps={"lifetime": 9})
            )
            await conn.execute(update(contacts).values(state="pending", attempts=0))
        assert len(await claims(house)) == 1
        assert len(asked) == 1
    finally:
        event.remove(engine, "before_cursor_execute", note)
