"""A campaign with several trunks, on both databases: which of them takes a call, and that nobody is lost meanwhile."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Collection
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import update

from campaigns.attempts import Ledger
from campaigns.campaigns import NewCampaign
from campaigns.claiming import Claim
from campaigns.errors import CampaignError
from campaigns.settling import Settlement
from campaigns.states import AttemptPhase
from campaigns.trunks import Trunks
from reports.audit import audit
from storage.database import Database
from storage.tables import attempts, contacts, outbox, trunks
from telephony.call import NotAnswered
from telephony.outcomes import DialStatus
from tests.support_campaigns import House

BOTH = ("main", "backup")


@pytest.fixture
async def house(database: Database) -> House:
    house = await House(database).build()
    for name in BOTH:
        await house.trunk(name)
    return house


async def _campaign(house: House, people: int, **changes: Any) -> int:
    return await house.campaign(people=people, **{"trunk": "main", "backup_trunks": ["backup"]} | changes)


async def _claim(ledger: Ledger, limit: int = 50, names: Collection[str] = BOTH) -> tuple[Claim, ...]:
    return (await ledger.claim(names, limit)).claims


async def _fail(house: House, ledger: Ledger, claim: Claim, code: int | None = 503) -> str | None:
    await ledger.begin(claim.attempt_id, claim.fence)
    dial = NotAnswered(DialStatus.CONGESTION, house.clock.now(), sip_code=code, text="away")
    return (await ledger.settle(claim.attempt_id, claim.fence, Settlement(dial=dial))).contact_state


async def _dial(house: House, ledger: Ledger, dead: Collection[str], *, at_once: int = 4) -> Counter[str]:
    """Call until nobody may be called; the calls that were placed, by trunk."""
    placed: Counter[str] = Counter()
    while claims := await _claim(ledger, at_once):
        for claim in claims:
            if (await ledger.begin(claim.attempt_id, claim.fence)).phase is AttemptPhase.ENDED:
                continue
            placed[claim.trunk] += 1
            if claim.trunk in dead:
                away = NotAnswered(DialStatus.CONGESTION, house.clock.now(), sip_code=503)
                await ledger.settle(claim.attempt_id, claim.fence, Settlement(dial=away))
            else:
                await ledger.advance(claim.attempt_id, claim.fence, AttemptPhase.ANSWERED, house.clock.now())
                house.clock.advance(seconds=1)
                await ledger.settle(claim.attempt_id, claim.fence, house.talked(messages=0))
    return placed


async def _probe(house: House, name: str) -> None:
    house.clock.advance(minutes=10)
    store = Trunks(house.database, house.clock)
    assert await store.take_probes([name]) == [name]
    await store.note_probe(name, ok=True)


async def _everybody_was_reached_once(house: House, people: int) -> None:
    rows = await house.rows(attempts)
    answered = Counter(row["contact_id"] for row in rows if row["answered_at"] is not None)
    assert answered == {contact["id"]: 1 for contact in await house.rows(contacts)}
    assert len(answered) == people
    assert all(row["call_status"] and row["phase"] == "ended" for row in rows)
    async with house.database.read() as conn:
        checks = (await audit(conn, None, Path("recordings"))).checks
    assert [check for check in checks if not check.ok and not check.name.startswith("recordings")] == []


def _by_trunk(claims: Collection[Claim]) -> Counter[str]:
    return Counter(claim.trunk for claim in claims)


@pytest.mark.parametrize("at_once", [1, 4, 12])
async def test_when_the_first_trunk_dies_in_mid_campaign_the_other_reaches_everybody(
    house: House, at_once: int
) -> None:
    campaign_id = await _campaign(house, 15, max_attempts=1)
    ledger = house.ledger()
    for claim in await _claim(ledger, 3):
        assert claim.trunk == "main"
        await house.talk(ledger, claim, messages=0)
    placed = await _dial(house, ledger, {"main"}, at_once=at_once)
    assert placed["backup"] == 12
    assert placed["main"] >= 1
    status = await house.campaigns.status(campaign_id)
    assert (status.state, status.contacts) == ("completed", {"done": 15})
    assert {row["attempts"] for row in await house.rows(contacts)} == {1}
    await _everybody_was_reached_once(house, 15)


async def test_a_call_that_the_first_trunk_loses_goes_out_by_the_second_before_the_first_is_paused(
    house: House,
) -> None:
    await _campaign(house, 2, max_attempts=1)
    ledger = house.ledger()
    lost, other = await _claim(ledger, 2)
    assert await _fail(house, ledger, lost) == "pending"
    assert (await house.rows_of_trunk("main"))["health"] == "suspect"
    (again,) = await _claim(ledger)
    assert (again.contact_id, again.trunk, again.attempt_no) == (lost.contact_id, "backup", 1)
    assert await _fail(house, ledger, again) == "pending"
    assert _by_trunk(await _claim(ledger)) == {"main": 1}, "there are only two"
    await house.talk(ledger, other)


async def test_who_was_lost_goes_first_and_within_the_campaigns_limit(house: House) -> None:
    await house.trunk("zero")
    await _campaign(house, 10, backup_trunks=["zero"], concurrency=3)
    ledger = house.ledger()
    claims = await _claim(ledger, names=("main", "zero"))
    for claim in claims[:2]:
        await _fail(house, ledger, claim)
    again = await _claim(ledger, names=("main", "zero"))
    assert {(claim.trunk, claim.contact_id) for claim in again} == {("zero", c.contact_id) for c in claims[:2]}
    for claim in again:
        await house.talk(ledger, claim)
    assert _by_trunk(await _claim(ledger, names=("main", "zero"))) == {"main": 2}


async def test_a_number_that_fails_everywhere_is_spared_so_often_and_no_more(house: House) -> None:
    await _campaign(house, 1, max_attempts=1)
    ledger = house.ledger()
    async with house.database.write() as conn:
        await conn.execute(update(trunks).values(failures_allowed=50))
    states, used = [], []
    while claims := await _claim(ledger):
        used.append(claims[0].trunk)
        states.append(await _fail(house, ledger, claims[0], 403))
    assert states == ["pending", "pending", "pending", "error"]
    assert used == ["main", "backup", "main", "backup"]


async def test_a_dialer_that_broke_down_may_have_rung_somebody_and_is_not_tried_again(house: House) -> None:
    await _campaign(house, 1, max_attempts=1)
    ledger = house.ledger()
    (claim,) = await _claim(ledger)
    await ledger.begin(claim.attempt_id, claim.fence)
    broken = Settlement(dial=NotAnswered(DialStatus.ERROR, house.clock.now(), text="dialer: lost"), dialer_failed=True)
    assert (await ledger.settle(claim.attempt_id, claim.fence, broken)).contact_state == "error"


async def test_with_both_dead_everybody_waits_and_the_first_is_used_again_when_it_is_back(house: House) -> None:
    campaign_id = await _campaign(house, 20, max_attempts=1)
    ledger = house.ledger()
    await _dial(house, ledger, BOTH)
    assert {(await house.rows_of_trunk(name))["health"] for name in BOTH} == {"paused"}
    status = await house.campaigns.status(campaign_id)
    assert (status.trunk, status.trunks) == (None, ["main", "backup"])
    assert (status.trunk_told or "").startswith("trunks paused: main: 5 calls in a row failed")
    assert (status.trunk_told or "").endswith("; calls wait")
    left = status.contacts_left
    assert left >= 10
    await _probe(house, "main")
    (trial,) = await _claim(ledger)
    assert trial.trunk == "main"
    await house.talk(ledger, trial)
    assert (await house.campaigns.status(campaign_id)).trunk_told is None
    assert await _dial(house, ledger, ()) == {"main": left - 1}
    assert (await house.campaigns.status(campaign_id)).state == "completed"


async def test_while_the_first_is_on_trial_one_call_tries_it_and_the_others_go_on_by_the_second(house: House) -> None:
    campaign_id = await _campaign(house, 30, concurrency=8)
    ledger = house.ledger()
    await Trunks(house.database, house.clock).pause("main", "maintenance")
    first = await _claim(ledger, 4)
    assert _by_trunk(first) == {"backup": 4}
    status = await house.campaigns.status(campaign_id)
    assert (status.trunk, status.trunk_paused) == ("backup", "maintenance")
    assert status.trunk_told == "trunk paused: main: maintenance; calls go out by backup"
    async with house.database.write() as conn:
        await conn.execute(update(trunks).where(trunks.c.name == "main").values(health="trying"))
    assert _by_trunk(await _claim(ledger)) == {"main": 1, "backup": 3}, "and no more than the campaign may"
    for claim in first:
        await house.talk(ledger, claim)
    assert _by_trunk(await _claim(ledger)) == {"backup": 4}, "one trial at a time"


async def test_claimed_contacts_of_a_trunk_that_is_paused_meanwhile_go_out_by_the_next(house: House) -> None:
    await _campaign(house, 3)
    ledger = house.ledger()
    claims = await _claim(ledger)
    assert await _fail(house, ledger, claims[0], 401) == "pending"
    for claim in claims[1:]:
        assert (await ledger.begin(claim.attempt_id, claim.fence)).reason == "trunk_paused"
    assert _by_trunk(await _claim(ledger)) == {"backup": 3}
    assert {row["attempts"] for row in await house.rows(contacts)} == {1}


@pytest.mark.parametrize(("overflow", "spilt"), [(False, 0), (True, 5)])
async def test_a_full_trunk_makes_calls_wait_unless_they_may_overflow(house: House, overflow: bool, spilt: int) -> None:
    await _campaign(house, 9, overflow=overflow)
    await _limit(house, "main", channels=4)
    claims = await _claim(house.ledger())
    assert _by_trunk(claims) == Counter(main=4) + Counter(backup=spilt)
    assert len({claim.contact_id for claim in claims}) == 4 + spilt


async def test_calls_overflow_when_the_rate_is_used_up_and_each_trunk_keeps_its_own(house: House) -> None:
    await _campaign(house, 9, overflow=True)
    await _limit(house, "main", cps=1.0)
    await _limit(house, "backup", cps=1.0)
    claimed = await house.ledger().claim(BOTH, 50)
    assert _by_trunk(claimed.claims) == {"main": 1, "backup": 1}
    assert claimed.wake_at is not None
    house.clock.advance(seconds=(claimed.wake_at - house.clock.now()).total_seconds())
    assert _by_trunk(await _claim(house.ledger())) == {"main": 1, "backup": 1}


async def _limit(house: House, name: str, **values: float) -> None:
    async with house.database.write() as conn:
        await conn.execute(update(trunks).where(trunks.c.name == name).values(**values))


async def test_a_transfer_holds_two_channels(house: House) -> None:
    await _campaign(house, 9)
    await _limit(house, "main", channels=5)
    ledger = house.ledger()
    first, second = await _claim(ledger, 2)
    await house.answer(ledger, first)
    await ledger.advance(first.attempt_id, first.fence, AttemptPhase.TRANSFERRING, house.clock.now())
    store = Trunks(house.database, house.clock)
    assert (await store.status("main")).live_calls == 3
    assert len(await _claim(ledger)) == 2
    assert (await store.status("main")).live_calls == 5
    await ledger.settle(first.attempt_id, first.fence, house.talked())
    assert len(await _claim(ledger)) == 2
    await ledger.release(second.attempt_id, second.fence, "shutdown")


async def test_a_node_that_has_only_the_second_trunk_calls_over_it(house: House) -> None:
    await _campaign(house, 3)
    assert _by_trunk(await _claim(house.ledger(), names=["backup"])) == {"backup": 3}


@pytest.mark.parametrize("backups", [["main"], ["backup", "backup"], ["nowhere"]])
async def test_trunks_that_cannot_be_meant_are_refused(house: House, backups: list[str]) -> None:
    with pytest.raises(CampaignError, match="trunks: "):
        await _campaign(house, 0, backup_trunks=backups)
    assert NewCampaign.backup_trunks == ()


async def test_who_has_the_trunk_as_a_backup_is_told_of_its_pause_too(house: House) -> None:
    await _campaign(house, 5, trunk="backup", backup_trunks=["main"])
    ledger = house.ledger()
    for claim in await _claim(ledger, names=["main"]):
        await _fail(house, ledger, claim)
    (mail,) = await house.rows(outbox)
    assert mail["payload"]["trunk"] == "main"


async def test_campaigns_that_share_trunks_in_opposite_orders_never_take_more_than_there_is(house: House) -> None:
    people = 12
    ids = [
        await _campaign(house, people, trunk=one, backup_trunks=[other], overflow=True, concurrency=9)
        for one, other in (BOTH, BOTH[::-1], BOTH)
    ]
    await _limit(house, "main", channels=5)
    await _limit(house, "backup", channels=3)
    nodes = [house.ledger(f"node-{place}") for place in range(4)]
    for round_ in range(60):
        async with asyncio.timeout(60):
            batches = await asyncio.gather(
                *(_claim(node, 6, BOTH if place % 2 else BOTH[::-1]) for place, node in enumerate(nodes))
            )
        live = [row for row in await house.rows(attempts) if row["phase"] != "ended"]
        held = Counter(row["trunk"] for row in live)
        assert held["main"] <= 5
        assert held["backup"] <= 3
        pairs = [(node, claim) for node, batch in zip(nodes, batches, strict=True) for claim in batch]
        if not pairs:
            break
        assert held == {"main": 5, "backup": 3} or round_ > 2
        house.clock.advance(seconds=1)
        await asyncio.gather(*(_talk(house, node, claim) for node, claim in pairs))
    states = [(await house.campaigns.status(campaign_id)).state for campaign_id in ids]
    assert states == ["completed"] * 3
    await _everybody_was_reached_once(house, 3 * people)


async def _talk(house: House, node: Ledger, claim: Claim) -> None:
    await house.answer(node, claim)
    await node.settle(claim.attempt_id, claim.fence, house.talked(messages=0))


async def test_nodes_with_different_trunks_keep_to_the_campaigns_limit_together(house: House) -> None:
    here, there = house.ledger("here"), house.ledger("there")
    for _ in range(5):
        await _campaign(house, 4, concurrency=1)
        both = await asyncio.gather(_claim(here, names=["main"]), _claim(there, names=["backup"]))
        assert sum(map(len, both)) == 1
        for ledger, claims in zip((here, there), both, strict=True):
            for claim in claims:
                await house.talk(ledger, claim, messages=0)
        await _dial(house, here, ())


async def test_a_call_that_got_no_answer_at_all_is_not_followed_by_another_while_it_may_ring(house: House) -> None:
    await _campaign(house, 1, max_attempts=1)
    ledger = house.ledger()
    (claim,) = await _claim(ledger)
    assert await _fail(house, ledger, claim, None) == "pending"
    house.clock.advance(seconds=32)
    assert await _claim(ledger) == ()
    house.clock.advance(seconds=1)
    assert _by_trunk(await _claim(ledger)) == {"backup": 1}


async def test_who_may_have_been_rung_without_a_word_is_not_called_by_another_trunk(house: House) -> None:
    await _campaign(house, 1, max_attempts=1)
    ledger = house.ledger()
    (claim,) = await _claim(ledger)
    await ledger.begin(claim.attempt_id, claim.fence)
    house.clock.advance(seconds=45)
    silent = Settlement(dial=NotAnswered(DialStatus.CHANUNAVAIL, house.clock.now(), text="nothing came back"))
    assert (await ledger.settle(claim.attempt_id, claim.fence, silent)).contact_state == "error"
