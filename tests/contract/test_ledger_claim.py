"""Whom a claim takes, in what order, and whom it leaves alone."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import insert, text, update

from campaigns.states import AttemptPhase, ContactState
from storage.database import Database
from storage.tables import attempt_events, attempts, campaigns, contacts, do_not_call, trunks
from tests.support_campaigns import NOW, House, number


@pytest.fixture
async def house(database: Database) -> House:
    return await House(database).build()


async def _claimed(house: House, limit: int = 10, **options: Any) -> list[int]:
    return [claim.contact_id for claim in (await house.ledger().claim(["line"], limit, **options)).claims]


async def test_a_claim_takes_the_contact_and_writes_the_attempt(house: House) -> None:
    campaign_id = await house.campaign(caller_id="+842888", ring_timeout_s=30)
    contact_id = await house.contact(campaign_id, number(1), name="An", variables={"sum": "5"}, language="vi")
    await house.campaigns.start(campaign_id)
    (claim,) = (await house.ledger().claim(["line"], 10)).claims
    assert (claim.number, claim.name, claim.variables, claim.caller_id) == (number(1), "An", {"sum": "5"}, "+842888")
    assert (claim.attempt_no, claim.fence, claim.ring_timeout_s, claim.time_zone) == (1, 1, 30, "Asia/Ho_Chi_Minh")
    assert claim.dial_at == NOW
    attempt = await house.row(attempts, claim.attempt_id)
    assert attempt["phase"] == AttemptPhase.CREATED
    assert attempt["lease_until"] == NOW + timedelta(seconds=15)
    assert attempt["tariff_snapshot"]["block_price"] == {"conversation": [{"from_blocks": 0, "price": "0.01"}]}
    contact = await house.row(contacts, contact_id)
    assert (contact["state"], contact["attempts"]) == (ContactState.IN_PROGRESS, 1)
    assert contact["last_attempt_id"] == claim.attempt_id
    assert [(e["kind"], e["to_phase"]) for e in await house.rows(attempt_events)] == [("claimed", "created")]


async def test_the_price_stays_as_it_was_at_the_claim(house: House) -> None:
    await house.campaign(people=1)
    (claim,) = (await house.ledger().claim(["line"], 1)).claims
    async with house.database.write() as conn:
        await conn.execute(text("UPDATE tariffs SET definition = '{}'"))
    assert (await house.row(attempts, claim.attempt_id))["tariff_snapshot"]["block_s"] == 6


@pytest.mark.parametrize("state", [s for s in ContactState if s not in {"pending", "retry_wait", "callback"}])
async def test_a_contact_in_any_other_state_is_left_alone(house: House, state: ContactState) -> None:
    campaign_id = await house.campaign(people=1)
    other = await house.contact(campaign_id, number(1), state=state.value)
    assert other not in await _claimed(house)


@pytest.mark.parametrize("state", ["draft", "scheduled", "paused", "completed", "stopped", "expired", "archived"])
async def test_a_campaign_that_does_not_run_is_left_alone(house: House, state: str) -> None:
    await house.campaign(people=1)
    async with house.database.write() as conn:
        await conn.execute(update(campaigns).values(state=state))
    assert await _claimed(house) == []


async def test_a_contact_is_claimed_when_it_falls_due_and_the_wake_up_names_that_instant(house: House) -> None:
    campaign_id = await house.campaign()
    due = await house.contact(campaign_id, number(1), state="retry_wait", next_at=NOW + timedelta(minutes=20))
    await house.campaigns.start(campaign_id)
    claimed = await house.ledger().claim(["line"], 10)
    assert (claimed.claims, claimed.wake_at) == ((), NOW + timedelta(minutes=20))
    house.clock.advance(minutes=20)
    assert await _claimed(house) == [due]


async def test_a_contact_that_has_had_its_attempts_is_left_alone(house: House) -> None:
    campaign_id = await house.campaign(max_attempts=2)
    first = await house.contact(campaign_id, number(1), state="retry_wait", attempts=1)
    await house.contact(campaign_id, number(2), state="retry_wait", attempts=2)
    await house.campaigns.start(campaign_id)
    assert await _claimed(house) == [first]


async def test_the_order_is_callbacks_own_window_fewest_tries_priority_list_order(house: House) -> None:
    campaign_id = await house.campaign(max_attempts=9)
    tried = await house.contact(campaign_id, number(1), state="retry_wait", attempts=1, next_at=NOW, priority=9)
    plain = await house.contact(campaign_id, number(2))
    later = await house.contact(campaign_id, number(3))
    urgent = await house.contact(campaign_id, number(4), priority=5)
    own = await house.contact(campaign_id, number(5), time_from="15:00", time_to="17:00")
    promised = await house.contact(campaign_id, number(6), state="callback", attempts=1, next_at=NOW)
    sooner = await house.contact(campaign_id, number(7), state="callback", next_at=NOW - timedelta(minutes=1))
    await house.campaigns.start(campaign_id)
    assert await _claimed(house) == [sooner, promised, own, urgent, plain, later, tried]


async def test_outside_its_windows_a_campaign_waits_and_names_the_next_opening(house: House) -> None:
    await house.campaign(people=1, windows=[["08:00", "11:30"]])
    claimed = await house.ledger().claim(["line"], 10)
    assert claimed.claims == ()
    assert claimed.wake_at == NOW + timedelta(hours=16)
    house.clock.advance(hours=16)
    assert len(await _claimed(house)) == 1


async def test_a_contact_outside_its_own_window_is_put_off_in_its_own_zone(house: House) -> None:
    campaign_id = await house.campaign(windows=[["08:00", "18:00"]])
    # 09:00 UTC is 10:00 in Paris: its window opens in four hours, at 20:00 in Vietnam, when the campaign's is shut.
    paris = await house.contact(campaign_id, number(1), time_from="08:00", time_to="12:00", time_zone="Europe/Paris")
    asleep = await house.contact(campaign_id, number(2), time_from="14:00", time_to="20:00", time_zone="Europe/Paris")
    plain = await house.contact(campaign_id, number(3), time_to="16:30")
    await house.campaigns.start(campaign_id)
    assert await _claimed(house) == [paris, plain]
    # The two windows never meet: it is looked at again the next day, and the campaign goes on.
    assert (await house.row(contacts, asleep))["next_at"] == NOW + timedelta(days=1)


async def test_a_put_off_contact_does_not_hold_up_those_behind_it(house: House) -> None:
    campaign_id = await house.campaign()
    for place in range(5):
        await house.contact(campaign_id, number(place), time_from="20:00", time_to="21:00", priority=9)
    plain = await house.contact(campaign_id, number(50))
    await house.campaigns.start(campaign_id)
    claimed = await house.ledger().claim(["line"], 1)
    assert [claim.contact_id for claim in claimed.claims] == [plain]
    assert {row["next_at"] for row in await house.rows(contacts)} == {None, NOW + timedelta(hours=4)}


async def test_many_put_off_contacts_do_not_make_those_behind_them_wait_for_the_poll(house: House) -> None:
    campaign_id = await house.campaign()
    closed = {"variables": {}, "state": "pending", "time_from": "20:00", "time_to": "21:00"}
    rows = [
        {"campaign_id": campaign_id, "line": place, "phone": number(place), "number": number(place), **closed}
        for place in range(1000, 1450)
    ]
    async with house.database.write() as conn:
        await conn.execute(insert(contacts), rows)
    open_now = await house.contact(campaign_id, number(50), time_from="08:00", time_to="18:00")
    await house.campaigns.start(campaign_id)
    ledger, rounds = house.ledger(), 1
    while not (claimed := await ledger.claim(["line"], 1)).claims:
        assert claimed.wake_at == house.clock.now()
        rounds += 1
    assert ([claim.contact_id for claim in claimed.claims], rounds) == ([open_now], 3)


async def test_a_number_on_the_do_not_call_list_is_blocked_and_the_campaign_completes(house: House) -> None:
    campaign_id = await house.campaign(people=1)
    listed = {"account_id": house.account_id, "number": number(1000), "source": "manual", "created_at": NOW}
    async with house.database.write() as conn:
        await conn.execute(insert(do_not_call).values(**listed))
    claimed = await house.ledger().claim(["line"], 10)
    assert claimed.claims == ()
    assert await house.contact_states(campaign_id) == {"dnc_blocked": 1}
    assert [finished.campaign_id for finished in claimed.finished] == [campaign_id]
    assert await house.reports() == [f"report:{campaign_id}:completed"]


async def test_a_number_is_live_in_one_campaign_at_a_time(house: House) -> None:
    first = await house.campaign(max_attempts=3)
    second = await house.campaign(max_attempts=3)
    for campaign_id in (first, first, second):
        await house.contact(campaign_id, number(1))
    for campaign_id in (first, second):
        await house.campaigns.start(campaign_id)
    ledger = house.ledger()
    for _ in range(3):
        (claim,) = (await ledger.claim(["line"], 10)).claims
        assert (await ledger.claim(["line"], 10)).claims == ()
        await house.miss(ledger, claim)
    assert len(await house.rows(attempts)) == 3


async def test_campaigns_take_turns_on_a_trunk(house: House) -> None:
    first = await house.campaign(people=5)
    second = await house.campaign(people=5)
    claims = (await house.ledger().claim(["line"], 4)).claims
    assert [claim.campaign_id for claim in claims] == [first, second, first, second]


async def test_a_campaign_keeps_to_its_concurrency_and_to_the_ids_asked_for(house: House) -> None:
    first = await house.campaign(people=5, concurrency=2)
    await house.campaign(people=5)
    ledger = house.ledger()
    claims = (await ledger.claim(["line"], 10, campaign_ids=[first])).claims
    assert [claim.campaign_id for claim in claims] == [first, first]
    assert (await ledger.claim(["line"], 10, campaign_ids=[first])).claims == ()
    await house.miss(ledger, claims[0])
    assert len((await ledger.claim(["line"], 10, campaign_ids=[first])).claims) == 1


async def test_a_trunk_keeps_to_its_channels_and_wrap_up_frees_one(house: House) -> None:
    await house.trunk("narrow", channels=2)
    await house.campaign(people=5, trunk="narrow")
    ledger = house.ledger()
    claims = (await ledger.claim(["narrow"], 10)).claims
    assert len(claims) == 2
    await house.answer(ledger, claims[0])
    assert (await ledger.claim(["narrow"], 10)).claims == ()
    await ledger.advance(claims[0].attempt_id, 1, AttemptPhase.WRAPUP, house.clock.now())
    assert len((await ledger.claim(["narrow"], 10)).claims) == 1


async def test_only_the_trunks_asked_for_are_used(house: House) -> None:
    await house.trunk("other")
    await house.campaign(people=1, trunk="other")
    assert (await house.ledger().claim(["line"], 10)).claims == ()
    assert (await house.ledger().claim(["line", "absent"], 10)).claims == ()


async def test_calls_on_a_trunk_are_spaced_by_its_rate(house: House) -> None:
    await house.trunk("slow", cps=2.0)
    await house.campaign(people=5, trunk="slow")
    ledger = house.ledger(ahead_ms=0)
    first = await ledger.claim(["slow"], 10)
    assert [claim.dial_at for claim in first.claims] == [NOW]
    # Half of 1.05 s: the margin for what the way to the carrier adds to one call and not to the next.
    assert first.wake_at == NOW + timedelta(milliseconds=525)
    assert (await ledger.claim(["slow"], 10)).claims == ()
    house.clock.advance(seconds=0.525)
    assert [claim.dial_at for claim in (await ledger.claim(["slow"], 10)).claims] == [NOW + timedelta(milliseconds=525)]


async def test_claiming_ahead_hands_out_the_instants_to_dial_at(house: House) -> None:
    await house.trunk("slow", cps=4.0)
    await house.campaign(people=9, trunk="slow")
    claims = (await house.ledger(ahead_ms=600).claim(["slow"], 10)).claims
    assert [(claim.dial_at - NOW) // timedelta(microseconds=1) for claim in claims] == [0, 262_500, 525_000]
    assert (await house.rows_of_trunk("slow"))["next_call_us"] % 1_000_000 == 787_500


async def test_an_idle_campaign_does_not_ask_to_be_woken_for_the_rate(house: House) -> None:
    await house.trunk("slow", cps=2.0)
    await house.campaign(people=1, trunk="slow")
    ledger = house.ledger(ahead_ms=0)
    assert (await ledger.claim(["slow"], 10)).wake_at is not None
    house.clock.advance(seconds=5)
    assert (await ledger.claim(["slow"], 10)).wake_at is None


async def test_two_nodes_claim_every_contact_exactly_once(house: House) -> None:
    await house.campaign(people=60, concurrency=1000)
    nodes = [house.ledger(f"node-{name}") for name in "abcd"]

    async def drain(place: int) -> list[int]:
        mine: list[int] = []
        while claims := (await nodes[place].claim(["line"], 3)).claims:
            mine += [claim.contact_id for claim in claims]
        return mine

    taken = await asyncio.gather(*(drain(place) for place in range(4)))
    everyone = [contact for mine in taken for contact in mine]
    assert len(everyone) == len(set(everyone)) == 60


async def test_two_nodes_on_two_trunks_never_call_one_number_at_once(house: House) -> None:
    await house.trunk("other")
    first, second = await house.campaign(), await house.campaign(trunk="other")
    for place in range(30):
        await house.contact(first, number(place))
        await house.contact(second, number(29 - place))
    for campaign_id in (first, second):
        await house.campaigns.start(campaign_id)
    one, two = house.ledger("one"), house.ledger("two")
    batches = await asyncio.gather(*(node.claim([t], 30) for node, t in ((one, "line"), (two, "other"))))
    called = [claim.number for batch in batches for claim in batch.claims]
    assert len(called) == len(set(called))
    assert await house.live() == len(called)


async def test_what_a_cancelled_claim_took_is_given_back(house: House) -> None:
    campaign_id = await house.campaign(people=40)
    for steps in range(40):
        claiming = asyncio.create_task(house.ledger().claim(["line"], 1))
        for _ in range(steps):
            await asyncio.sleep(0)
        await asyncio.sleep(steps % 8 / 1000)
        claiming.cancel()
        (left,) = await asyncio.gather(claiming, return_exceptions=True)
        if not isinstance(left, asyncio.CancelledError):
            (claim,) = left.claims
            await house.ledger().release(claim.attempt_id, claim.fence, "shutdown")
        assert await house.contact_states(campaign_id) == {"pending": 40}


async def test_an_unused_trunk_row_is_not_touched(house: House) -> None:
    assert (await house.ledger().claim(["line"], 10)).claims == ()
    async with house.database.read() as conn:
        assert (await conn.execute(trunks.select())).mappings().one()["next_call_us"] == 0
