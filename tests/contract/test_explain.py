"""`explain`: who is found by what, what it tells beside the clauses, and why a campaign is not dialling."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import insert, update

from campaigns.clauses import Clause
from campaigns.errors import UnknownContact
from campaigns.explain import CampaignExplained, ContactExplained, explain_campaign_of, explain_contact_of
from storage.database import Database
from storage.tables import campaigns, contacts, nodes, trunks
from telephony.outcomes import DialStatus
from tests.support_campaigns import NOW, House, number

VIETNAM, NEW_YORK = "+84912345678", "+12125550123"


@pytest.fixture
async def house(database: Database) -> House:
    return await House(database).build()


async def _contact(house: House, campaign_id: int, text: str) -> ContactExplained:
    async with house.database.read() as conn:
        return await explain_contact_of(conn, campaign_id, text, now=house.clock.now())


async def _campaign(house: House, campaign_id: int) -> CampaignExplained:
    async with house.database.read() as conn:
        return await explain_campaign_of(conn, campaign_id, now=house.clock.now())


async def test_a_contact_is_found_by_key_id_and_number_in_any_form(house: House) -> None:
    campaign_id = await house.campaign(people=1)
    twice = await house.contact(campaign_id, VIETNAM, state="duplicate")
    mine = await house.contact(campaign_id, VIETNAM, external_key="K1")
    broken = await house.contact(campaign_id, "ask at the desk", number=None, state="invalid", external_key="K2")
    other = await house.contact(await house.campaign(), VIETNAM)
    for text in ("K1", str(mine), VIETNAM, "0912 345 678", "84912345678", "0084 91 234 5678"):
        assert (await _contact(house, campaign_id, text)).contact_id == mine, text
    assert (await _contact(house, campaign_id, str(twice))).contact_id == twice
    told = await _contact(house, campaign_id, "K2")
    assert told.contact_id == broken
    assert told.failing[0].text == "the contact is invalid: it has no number"
    for text in ("nobody", str(other), "0912345679", "+", "9" * 40):
        with pytest.raises(UnknownContact, match="its external key or its telephone number"):
            await _contact(house, campaign_id, text)


async def test_the_trail_tells_decisions_and_calls_in_order(house: House) -> None:
    campaign_id = await house.campaign(
        max_attempts=2, retry_rules=[{"on": ["BUSY"], "times": 1, "after_min": 20, "multiply": 1}]
    )
    contact_id = await house.contact(campaign_id, number(1), time_from="16:30", time_to="16:45")
    await house.campaigns.start(campaign_id)
    ledger = house.ledger()
    await ledger.claim(["line"], 1)
    house.clock.advance(minutes=30)
    (claim,) = (await ledger.claim(["line"], 1)).claims
    house.clock.advance(seconds=10)
    await house.miss(ledger, claim, DialStatus.BUSY)
    house.clock.advance(minutes=20)
    await ledger.claim(["line"], 1)
    told = await _contact(house, campaign_id, str(contact_id))
    assert [entry.kind for entry in told.trail] == ["put_off", "claimed", "phase", "settled", "put_off"]
    assert {entry.by for entry in told.trail} == {"node-a"}
    first, settled = told.trail[0], told.trail[3]
    assert first.detail == {"clause": "own_window", "until": (NOW + timedelta(minutes=30)).isoformat()}
    assert settled.attempt_id == claim.attempt_id
    assert (settled.detail["call_status"], settled.detail["action_code"]) == ("BUSY", "BS")
    # It waits for its own hours: that it is looked at again only then follows from it.
    assert [finding.clause for finding in told.failing] == [Clause.OWN_WINDOW]
    (own,) = told.failing
    assert own.opens_at == NOW + timedelta(days=1, minutes=30)
    assert "16:30-16:45 (Asia/Ho_Chi_Minh)" in own.text
    # Once they are open, what is left of it is that the claim looks again later.
    async with house.database.write() as conn:
        await conn.execute(update(contacts).values(time_from=None, time_to=None))
    (later,) = (await _contact(house, campaign_id, str(contact_id))).failing
    assert later.clause is Clause.NEXT_AT
    assert "put off by own_window" in later.text


async def test_a_campaign_tells_what_its_contacts_wait_for(house: House) -> None:
    campaign_id = await house.campaign(purpose="service", max_attempts=1)
    for place in range(3):
        await house.contact(campaign_id, f"+8491234567{place}")
    await house.contact(campaign_id, NEW_YORK)
    await house.contact(campaign_id, number(1))
    await house.contact(campaign_id, "+84912345680", state="retry_wait", next_at=NOW + timedelta(hours=2))
    await house.contact(campaign_id, "+84912345681", state="retry_wait", attempts=1)
    await house.contact(campaign_id, "+84912345682", state="done")
    told = await _campaign(house, campaign_id)
    assert [finding.clause for finding in told.failing] == [Clause.CAMPAIGN_RUNNING]
    assert told.failing[0].text == "the campaign is draft"
    groups = {group.clause: (group.contacts, group.opens_at) for group in told.waiting}
    assert groups == {
        None: (3, None),
        Clause.LEGAL_HOURS: (1, NOW + timedelta(hours=4)),
        Clause.TIME_ZONE: (1, NOW + timedelta(days=1)),
        Clause.ATTEMPTS_LEFT: (1, None),
        Clause.NEXT_AT: (1, NOW + timedelta(hours=2)),
    }
    assert (told.callable_now, told.not_looked_at, sum(told.states.values())) == (3, 0, 8)
    await house.campaigns.start(campaign_id)
    assert len((await house.ledger().claim(["line"], 10)).claims) == 3
    # What the claim has put off is told for the same reasons as before.
    after = {group.clause: group.contacts for group in (await _campaign(house, campaign_id)).waiting}
    assert after == {clause: many for clause, (many, _) in groups.items() if clause is not None}


async def test_money_and_trunks_are_told_in_words(house: House) -> None:
    campaign_id = await house.campaign(people=1, backup_trunks=[])
    async with house.database.write() as conn:
        await conn.execute(update(campaigns).values(state="paused", pause_reason="budget used up"))
        await conn.execute(update(trunks).values(health="paused", pause_reason="by hand"))
    told = {finding.clause: finding.text for finding in (await _campaign(house, campaign_id)).failing}
    assert told == {
        Clause.CAMPAIGN_RUNNING: "the campaign is paused: budget used up",
        Clause.TRUNK_OPEN: "line: paused: by hand",
    }


async def test_the_nodes_that_dial_are_told(house: House) -> None:
    campaign_id = await house.campaign(people=1)
    assert (await _campaign(house, campaign_id)).dialling == ()
    node = {"started_at": NOW, "seen_at": NOW, "calls": 16, "live_calls": 2, "version": "1", "state": "running"}
    alive, dead = NOW + timedelta(seconds=15), NOW
    async with house.database.write() as conn:
        for name, until, names in (("a", alive, ["line"]), ("b", dead, ["line"]), ("c", alive, ["another"])):
            await conn.execute(insert(nodes).values(name=name, alive_until=until, trunks=names, **node))
    (one,) = (await _campaign(house, campaign_id)).dialling
    assert (one.name, one.live_calls, one.calls) == ("a", 2, 16)
