"""Visits, which are no calls; contacts that nobody reached in time; and what a start asks of those who wait."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from campaigns.campaigns import Campaigns
from campaigns.contacts import Contacts, Visit
from campaigns.errors import BadVisit, ContactBusy, MissingVariables
from campaigns.states import CampaignState, ContactState
from reports.attempt import attempt_detail
from reports.audit import audit
from reports.measures import totals
from reports.scope import Scope
from storage.database import Database
from storage.tables import attempts, contacts, do_not_call
from tests.support_campaigns import NOW, House, number

CODES = {"NA": "KNM", "PTP": {"generic_result": "Completed", "class": "success"}}


@pytest.fixture
async def house(database: Database) -> House:
    return await House(database).build()


def desk(house: House) -> Contacts:
    return Contacts(house.database, house.clock)


async def balanced(house: House, campaign_id: int, folder: Path) -> bool:
    async with house.database.read() as conn:
        return (await audit(conn, campaign_id, folder)).ok


async def figures(house: House, scope: Scope) -> tuple[int, int, Decimal]:
    async with house.database.read() as conn:
        found = await totals(conn, scope)
    return found.total, found.answered, found.cost


async def test_a_visit_is_an_outcome_without_a_call_or_a_cost(house: House, tmp_path: Path) -> None:
    campaign_id = await house.campaign(people=2, codes=CODES)
    people = desk(house)
    one, two = await people.page(campaign_id)
    at = NOW - timedelta(days=1)
    visited = await people.visit(one.id, Visit("PTP", at=at, note="paid at the branch"), by="lan")
    assert (visited.state, visited.finished) == (ContactState.DONE, ())
    row = await house.row(attempts, visited.attempt_id)
    expected: dict[str, Any] = {
        "call_type": "visitor",
        "phase": "ended",
        "action_code": "PTP",
        "code_class": "success",
        "counted": False,
        "cost_bot": 0,
        "originated_at": at,
        "trunk": "",
    }
    assert {name: row[name] for name in expected} == expected
    history = await people.history(one.id)
    assert [(each.call_type, each.action_code, each.talk_ms) for each in history.tries] == [("visitor", "PTP", 0)]
    detail = {"attempt": visited.attempt_id, "code": "PTP", "note": "paid at the branch", "was": "pending"}
    assert [(each.kind, each.by, each.detail) for each in history.events] == [("visited", "lan", detail)]
    # Neither its campaign's figures nor the account's know it, unless they are asked for.
    assert await figures(house, Scope(campaign_id)) == await figures(house, Scope()) == (0, 0, Decimal(0))
    assert await figures(house, Scope(campaign_id, include_test=True)) == (1, 1, Decimal(0))
    assert (await house.campaigns.status(campaign_id)).attempts == 0
    async with house.database.read() as conn:
        shown = await attempt_detail(conn, visited.attempt_id)
    assert (shown.row.call_status, shown.row.action_code, shown.recording) == (None, "PTP", None)
    # One who is through may be met again, and stays as he is; the last one's visit completes the campaign.
    again = await people.visit(one.id, Visit("KNM"), by="lan")
    assert again.state is ContactState.DONE
    last = await people.visit(two.id, Visit("KNM"), by="lan")
    assert (last.state, [each.state for each in last.finished]) == (ContactState.EXHAUSTED, [CampaignState.COMPLETED])
    assert await balanced(house, campaign_id, tmp_path)


async def test_a_visit_follows_the_rules_of_its_code(house: House, tmp_path: Path) -> None:
    rules = [{"on": ["code:KNM"], "times": 1, "after_min": 30}]
    campaign_id = await house.campaign(people=4, codes=CODES, retry_rules=rules, max_attempts=3)
    people, ledger = desk(house), house.ledger()
    first, second, third, busy = await people.page(campaign_id)
    assert (await people.visit(first.id, Visit("KNM"), by="lan")).state is ContactState.RETRY_WAIT
    assert (await people.get(first.id)).next_at == NOW + timedelta(minutes=30)
    # The rule's one time is used up.
    assert (await people.visit(first.id, Visit("KNM"), by="lan")).state is ContactState.EXHAUSTED
    wish = Visit("CB", call_back_at=NOW + timedelta(hours=2))
    assert (await people.visit(second.id, wish, by="lan")).state is ContactState.CALLBACK
    assert (await people.get(second.id)).next_at == NOW + timedelta(hours=2)
    assert (await people.visit(third.id, Visit("DNC", note="do not ring"), by="lan")).state is ContactState.OPTED_OUT
    (listed,) = await house.rows(do_not_call)
    assert (listed["number"], listed["source"], listed["evidence"]) == (third.number, "opt_out", "visit: do not ring")
    (claim,) = (await ledger.claim(["line"], 5)).claims
    assert claim.contact_id == busy.id
    with pytest.raises(ContactBusy, match="is in a call; enter the visit"):
        await people.visit(busy.id, Visit("PTP"), by="lan")
    refused = [
        (first.id, Visit("NA"), r"code: the campaign has no code 'NA'; it has AHU, ANP, "),
        (first.id, Visit("XC"), "no code 'XC'"),
        (first.id, Visit("CB"), "code CB: say when the customer wants to be called"),
        (first.id, Visit("PTP", at=NOW + timedelta(minutes=1)), "at: .* has not come yet"),
        (first.id, Visit("PTP", at=NOW.replace(tzinfo=None)), "at: .* has no UTC offset"),
        (first.id, Visit("PTP", note="\0"), "note: it holds characters that cannot be kept"),
        (await house.contact(campaign_id, "12", number=None, state="invalid"), Visit("PTP"), "no telephone number"),
    ]
    for contact_id, visit, told in refused:
        with pytest.raises(BadVisit, match=told):
            await people.visit(contact_id, visit, by="lan")
    await house.miss(ledger, claim)
    (call,) = [row for row in await house.rows(attempts) if row["call_type"] == "campaign"]
    assert call["attempt_no"] == 1
    assert await balanced(house, campaign_id, tmp_path)


async def test_what_was_entered_last_counts_whenever_it_took_place(house: House) -> None:
    rules = [{"on": ["busy"], "times": 2, "after_min": 30}, {"on": ["code:KNM"], "times": 1, "after_min": 30}]
    campaign_id = await house.campaign(people=3, codes=CODES, retry_rules=rules, max_attempts=3)
    people, ledger = desk(house), house.ledger()
    paid, held, promised = await people.page(campaign_id)
    (claim,) = (await ledger.claim(["line"], 1)).claims
    assert claim.contact_id == paid.id
    await house.miss(ledger, claim)
    assert (await people.get(paid.id)).state is ContactState.RETRY_WAIT
    # Who has paid yesterday is not called again for today's busy line.
    visited = await people.visit(paid.id, Visit("PTP", at=NOW - timedelta(days=1)), by="lan")
    assert visited.state is ContactState.DONE
    # Only a person lets a held contact go.
    await people.hold(campaign_id, [held.id], by="lan")
    assert (await people.visit(held.id, Visit("KNM"), by="lan")).state is ContactState.HELD
    # A call-back that is agreed anew is made at the new time.
    for days in (1, 4):
        wish = Visit("CB", call_back_at=NOW + timedelta(days=days))
        assert (await people.visit(promised.id, wish, by="lan")).state is ContactState.CALLBACK
        assert (await people.get(promised.id)).next_at == NOW + timedelta(days=days)
    with pytest.raises(BadVisit, match=r"call_back_at: .* calendar's end"):
        await people.visit(promised.id, Visit("CB", call_back_at=datetime.max.replace(tzinfo=UTC)), by="lan")


async def test_who_was_not_reached_in_time_expires(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("campaigns.neglect.BATCH", 2)
    rules = [{"on": ["BUSY", "code:BHU"], "times": 9, "after_min": 60}]
    campaign_id = await house.campaign(people=0, contact_expires_days=2, retry_rules=rules, max_attempts=9)
    people, ledger, sweep = desk(house), house.ledger(), house.campaigns.sweep
    for place in range(5):
        await people.add(campaign_id, {"phone": f"090123456{place}"}, by="lan", hold=place == 4)
    assert await house.campaigns.next_date() == NOW + timedelta(days=2)
    await house.campaigns.start(campaign_id)
    missed, reached, busy, *_ = (await ledger.claim(["line"], 3)).claims
    await house.miss(ledger, missed)
    await house.talk(ledger, reached)
    states = await house.contact_states(campaign_id)
    assert states == {"retry_wait": 2, "in_progress": 1, "pending": 1, "held": 1}
    house.clock.advance(hours=48)
    assert await sweep() == await sweep() == await sweep() == []
    # Reached once, the contact waits on; whoever is in a call is looked at again later.
    assert await house.contact_states(campaign_id) == {"expired": 3, "retry_wait": 1, "in_progress": 1}
    gone = await house.row(contacts, missed.contact_id)
    assert (gone["detail"], gone["next_at"], gone["expires_at"]) == ("not_reached_in_time", None, None)
    assert (await house.row(contacts, reached.contact_id))["expires_at"] is None
    assert await house.campaigns.next_date() == house.clock.now() + timedelta(minutes=5)
    assert (await people.history(missed.contact_id)).events[-1].kind == "expired"
    await people.delete(reached.contact_id, by="lan")
    await house.miss(ledger, busy)
    house.clock.advance(minutes=5)
    assert [(one.campaign_id, one.state) for one in await sweep()] == [(campaign_id, CampaignState.COMPLETED)]
    assert await house.campaigns.next_date() is None


async def test_a_campaign_starts_only_when_everybody_has_what_the_script_says(house: House) -> None:
    async def needed(_campaign_id: int) -> list[str]:
        return ["amount", "name", "phone"]

    campaign_id = await house.campaign()
    campaigns = Campaigns(house.database, house.clock, required_variables=needed)
    await house.contact(campaign_id, number(1), line=2, variables={"amount": "5", "name": "Lan"})
    by_column = await house.contact(campaign_id, number(2), line=3, name="Bo", variables={"amount": "6"})
    for place in range(7):
        await house.contact(campaign_id, number(10 + place), line=place + 4, name="Ca", variables={"amount": ""})
    await house.contact(campaign_id, "+84901234567", line=0, state="held", variables={"amount": "7"})
    await house.contact(campaign_id, number(21), line=12, state="invalid", variables={})
    with pytest.raises(MissingVariables) as caught:
        await campaigns.start(campaign_id)
    assert dict(caught.value.lacking) == {"amount": 7, "name": 1}
    lines = "line 4, line 5, line 6, line 7, line 8 …"
    assert f"campaign C1: contacts wait without what the script says: 7 lack amount ({lines})" in str(caught.value)
    assert f"1 lack name (contact {by_column + 8})" in str(caught.value)
    assert (await campaigns.status(campaign_id)).state is CampaignState.DRAFT
    people = desk(house)
    for contact in await people.page(campaign_id):
        if not contact.variables.get("amount") and contact.state is ContactState.PENDING:
            await people.delete(contact.id, by="lan")
    await people.edit(by_column + 8, {"name": "Di"}, by="lan")
    assert await campaigns.start(campaign_id) is CampaignState.RUNNING
