"""A new campaign from contacts of a finished one: who is taken, what they keep, and that each enters once."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from sqlalchemy import insert

from campaigns.entering import Entry
from campaigns.errors import CampaignError
from campaigns.recycling import Wanted, copy_settings, recycle
from campaigns.states import ContactState
from storage.database import Database
from storage.tables import attempts, campaigns, contacts, do_not_call
from telephony.outcomes import DialStatus
from tests.support_campaigns import NOW, House, number


@pytest.fixture
async def house(database: Database) -> House:
    return await House(database).build()


async def _finished(house: House) -> int:
    """A completed campaign: 1 answered, 2 busy, 3 short after busy, 4 invalid, 5 a refused row, 6 never called."""
    rules = [{"on": ["busy"], "times": 1, "after_min": 0}]
    campaign_id = await house.campaign(
        code="SPRING",
        max_attempts=2,
        retry_rules=rules,
        concurrency=7,
        windows=[["08:00", "18:00"]],
        caps={"per_24h": 9},
    )
    for place in range(1, 5):
        fields = {"external_key": f"k{place}", "variables": {"sum": str(place)}, "time_zone": "Asia/Bangkok"}
        await house.contact(campaign_id, number(place), **fields)
    await house.contact(campaign_id, number(5), state="duplicate")
    await house.contact(campaign_id, number(6), state="cancelled")
    await house.campaigns.start(campaign_id)
    ledger = house.ledger()
    for _ in range(2):
        for claim in (await ledger.claim(["line"], 9)).claims:
            match claim.contact_id, claim.attempt_no:
                case (1, _) | (3, 2):
                    await house.talk(ledger, claim, seconds=1, code="YES")
                case (4, _):
                    await house.miss(ledger, claim, DialStatus.INVALID)
                case _:
                    await house.miss(ledger, claim)
    assert (await house.row(campaigns, campaign_id))["state"] == "completed"
    return campaign_id


async def _new(house: House, campaign_id: int) -> int:
    return await copy_settings(house.database, house.clock, campaign_id, code="SPRING-2", name=None)


async def _sources(house: House, campaign_id: int) -> list[int]:
    return [row["source_id"] for row in await house.rows(contacts) if row["campaign_id"] == campaign_id]


async def test_each_filter_alone_decides_who_is_taken(house: House) -> None:
    old = await _finished(house)
    filters: Sequence[tuple[Wanted, list[int]]] = [
        (Wanted(), [1, 2, 3, 6]),
        (Wanted(states=[ContactState.EXHAUSTED]), [2]),
        (Wanted(states=[ContactState.INVALID, ContactState.CANCELLED]), [4, 6]),
        (Wanted(codes=["BS"]), [2]),
        (Wanted(codes=["YES", "BS"], states=[ContactState.DONE]), [1, 3]),
        (Wanted(statuses=["BUSY"]), [2]),
        (Wanted(answered=True), [1, 3]),
        (Wanted(answered=False), [2]),
        (Wanted(reached=True), [1, 3]),
        (Wanted(reached=False), [2, 6]),
    ]
    for place, (wanted, taken) in enumerate(filters):
        new = await house.campaign(code=f"N{place}", start=False)
        done = await recycle(house.database, house.clock, old, new, wanted)
        assert await _sources(house, new) == taken, wanted
        assert (done.taken, done.counts[Entry.ADDED]) == (len(taken), len(taken))


async def test_the_new_campaign_is_as_the_old_one_was_and_so_are_its_contacts(house: House) -> None:
    old = await _finished(house)
    new = await _new(house, old)
    before, after = await house.row(campaigns, old), await house.row(campaigns, new)
    theirs = {"id", "code", "state", "created_at", "started_at", "finished_at", "share_turn", "running_since"}
    # The old one never said what it called for: the new one keeps to the stricter law.
    theirs |= {"purpose"}
    assert (before["purpose"], after["purpose"]) == (None, "advertising")
    assert {k: v for k, v in after.items() if k not in theirs} == {k: v for k, v in before.items() if k not in theirs}
    assert (after["state"], after["started_at"], after["finished_at"]) == ("draft", None, None)
    house.clock.advance(minutes=5)
    async with house.database.write() as conn:
        row = {"account_id": house.account_id, "number": number(2), "source": "manual", "created_at": NOW}
        await conn.execute(insert(do_not_call).values(row))
    seen: list[tuple[int, int]] = []
    done = await recycle(
        house.database, house.clock, old, new, Wanted(), batch_rows=2, progress=lambda *told: seen.append(told)
    )
    assert done.counts == {Entry.ADDED: 3, Entry.ALREADY: 0, Entry.DUPLICATE: 0, Entry.DO_NOT_CALL: 1}
    assert seen == [(2, 4), (4, 4)]
    first, copy = await house.row(contacts, 1), await house.row(contacts, 7)
    for name in ("number", "external_key", "variables", "time_zone", "priority", "line"):
        assert copy[name] == first[name]
    assert (copy["state"], copy["attempts"], copy["origin"], copy["source_id"]) == ("pending", 0, "recycle", 1)
    again = await recycle(house.database, house.clock, old, new, Wanted())
    assert again.counts == {Entry.ADDED: 0, Entry.ALREADY: 3, Entry.DUPLICATE: 0, Entry.DO_NOT_CALL: 1}
    await house.campaigns.start(new)
    claims = (await house.ledger().claim(["line"], 9)).claims
    assert {(await house.row(attempts, claim.attempt_id))["origin"] for claim in claims} == {"recycle"}


class _Interrupted(Exception):
    pass


def _interrupt(done: int, _total: int) -> None:
    if done >= 2:
        raise _Interrupted


async def test_after_an_interruption_it_goes_on(house: House) -> None:
    old = await _finished(house)
    new = await _new(house, old)
    with pytest.raises(_Interrupted):
        await recycle(house.database, house.clock, old, new, Wanted(), batch_rows=2, progress=_interrupt)
    assert await _sources(house, new) == [1, 2]
    done = await recycle(house.database, house.clock, old, new, Wanted())
    assert await _sources(house, new) == [1, 2, 3, 6]
    assert done.counts == {Entry.ADDED: 2, Entry.ALREADY: 2, Entry.DUPLICATE: 0, Entry.DO_NOT_CALL: 0}


async def test_a_number_or_key_that_the_draft_has_is_not_added_again(house: House) -> None:
    old = await _finished(house)
    new = await _new(house, old)
    await house.contact(new, number(1))
    await house.contact(new, number(99), external_key="k2")
    done = await recycle(house.database, house.clock, old, new, Wanted())
    assert (done.counts[Entry.ADDED], done.counts[Entry.DUPLICATE]) == (2, 2)


async def test_only_a_finished_campaign_is_recycled_and_only_into_a_draft(house: House) -> None:
    old = await _finished(house)
    new, running = await _new(house, old), await house.campaign(people=1)
    with pytest.raises(CampaignError, match="has not finished; its contacts may still be called"):
        await recycle(house.database, house.clock, running, new, Wanted())
    with pytest.raises(CampaignError, match="has not finished"):
        await copy_settings(house.database, house.clock, running, code="X", name=None)
    with pytest.raises(CampaignError, match="is running; recycled contacts enter a draft"):
        await recycle(house.database, house.clock, old, running, Wanted())
