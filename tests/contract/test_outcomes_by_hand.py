"""A person gives a call another code afterwards: the figures follow, the bill keeps, the books balance."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import insert, update

from bot.outcome import EndedBy, Transferred
from campaigns.errors import CampaignError
from campaigns.outcomes_by_hand import SetOutcome, campaign_zone, set_outcome
from reports.audit import audit
from reports.overview import overview
from reports.scope import Scope
from storage.database import Database
from storage.tables import (
    attempt_events,
    attempts,
    campaigns,
    contact_events,
    contacts,
    do_not_call,
    ledger_entries,
)
from telephony.transfer import TransferBy
from tests.support_campaigns import MINUTE, NOW, House, number

_CODES = {"NA": "KNM", "PTP": {"generic_result": "ToContinue", "class": "success"}}
_RULES = [{"on": ["busy", "code:YES"], "times": 3, "after_min": 10}]


@pytest.fixture
async def house(database: Database) -> House:
    return await House(database).build()


async def _running(house: House, people: int = 2) -> int:
    """A campaign that goes on with a contact that is not due."""
    campaign_id = await house.campaign(codes=_CODES, retry_rules=_RULES, max_attempts=2)
    for place in range(people):
        await house.contact(campaign_id, number(place), next_at=None if place < people - 1 else NOW + 900 * MINUTE)
    await house.campaigns.start(campaign_id)
    return campaign_id


async def _called(house: House, **result: Any) -> str:
    """The attempt of the one contact that is due; not answered without a result."""
    ledger = house.ledger()
    (claim,) = (await ledger.claim(["line"], 1)).claims
    if result:
        await house.talk(ledger, claim, **result)
    else:
        await house.miss(ledger, claim)
    return claim.attempt_id


async def _set(house: House, attempt_id: str, code: str, **more: Any) -> Any:
    return await set_outcome(house.database, house.clock, SetOutcome(attempt_id, code, "mai", **more))


async def test_code_class_and_figures_follow_and_the_bill_keeps(house: House, tmp_path: Path) -> None:
    campaign_id = await _running(house)
    attempt_id = await _called(house, code="NO", messages=0)
    before, entries = await house.row(attempts, attempt_id), await house.rows(ledger_entries)
    house.clock.advance(minutes=1)
    done = await _set(house, attempt_id, "KNM", note="a child took the call")
    assert (done.old_code, done.code, done.code_class, done.contact_state) == ("NO", "KNM", "unsuccessful", "exhausted")
    after = await house.row(attempts, attempt_id)
    changed = {name for name in after if after[name] != before[name]}
    assert changed == {"action_code", "code_class", "code_family", "generic_result", "settled_family"}
    assert (after["code_family"], after["generic_result"], after["settled_family"]) == ("NA", "NoAnswer", "NO")
    assert await house.rows(ledger_entries) == entries
    assert entries
    async with house.database.read() as conn:
        figures = await overview(conn, Scope(campaign_id))
        books = await audit(conn, campaign_id, tmp_path)
    assert (figures.totals.successful, figures.totals.unsuccessful) == (0, 1)
    assert [check.name for check in books.checks if not check.ok] == ["recordings' length = talk time"]
    event = (await house.rows(attempt_events))[-1]
    told = {"from": "NO", "to": "KNM", "note": "a child took the call"}
    assert (event["kind"], event["node"], event["detail"]) == ("coded", "mai", told)
    assert event["at"] == house.clock.now()
    (trail,) = await house.rows(contact_events)
    assert (trail["kind"], trail["by"], trail["detail"]["state"]) == ("coded", "mai", "exhausted")
    await _set(house, attempt_id, "PTP")
    again = await house.row(attempts, attempt_id)
    assert (again["action_code"], again["generic_result"], again["settled_family"]) == ("PTP", "ToContinue", "NO")
    assert (await house.row(contacts, again["contact_id"]))["state"] == "done"


async def test_the_bill_of_a_transferred_call_is_still_what_its_times_make_of_it(house: House, tmp_path: Path) -> None:
    campaign_id = await _running(house)
    transfer = Transferred("desk", "+99900000099", TransferBy.SECOND_LEG, asked_ms=4000, joined_ms=5000, agent_ms=7000)
    # A call in which our bot failed is not charged for; one with an agreed call-back would be.
    attempt_id = await _called(house, transfer=transfer, messages=0, ended_by=EndedBy.ERROR)
    for code in ("CB", "VM", "PTP"):
        await _set(house, attempt_id, code)
        async with house.database.read() as conn:
            books = await audit(conn, campaign_id, tmp_path)
        assert [check.name for check in books.checks if not check.ok] == ["recordings' length = talk time"]
    assert (await house.row(attempts, attempt_id))["settled_family"] == "CU"


async def test_a_contact_whose_code_asks_for_no_retry_rests_and_its_campaign_may_end(house: House) -> None:
    campaign_id = await _running(house, people=1)
    async with house.database.write() as conn:
        await conn.execute(update(contacts).values(next_at=None))
    attempt_id = await _called(house, code="YES")
    assert await house.contact_states(campaign_id) == {"retry_wait": 1}
    done = await _set(house, attempt_id, "PTP")
    assert (done.contact_state, done.next_at) == ("done", None)
    assert [(one.campaign_id, one.state) for one in done.finished] == [(campaign_id, "completed")]
    assert len(await house.reports()) == 1


async def test_a_contact_that_still_waits_for_a_retry_or_has_been_called_since_stays(house: House) -> None:
    campaign_id = await _running(house)
    first = await _called(house)
    assert (await _set(house, first, "KNM")).contact_state == "retry_wait"
    house.clock.advance(minutes=10)
    await _called(house, code="NO")
    assert (await _set(house, first, "BS")).contact_state == "done"
    assert (await house.contact_states(campaign_id))["done"] == 1


async def test_call_another_time_puts_the_contact_back_while_its_campaign_is_open(house: House) -> None:
    await _running(house)
    attempt_id = await _called(house, code="NO")
    at = NOW + timedelta(hours=3)
    done = await _set(house, attempt_id, "CB", call_back_at=at)
    assert (done.contact_state, done.next_at, done.generic_result) == ("callback", at, "ToContinue")
    (trail,) = await house.rows(contact_events)
    assert trail["detail"]["next_at"] == at.isoformat()
    house.clock.advance(hours=3)
    (claim,) = (await house.ledger().claim(["line"], 1)).claims
    assert (await house.row(attempts, claim.attempt_id))["origin"] == "callback"


@pytest.mark.parametrize(
    ("why", "complaint"),
    [
        ("over", "that time is over"),
        ("ended", "is stopped and calls nobody"),
        ("ends", "ends before"),
        ("tried", "has had its 3 attempts, the agreed one included"),
        ("listed", "the number is on the do-not-call list"),
        ("opted_out", "the contact is opted_out"),
        ("in_progress", "in a call just now"),
        ("DNC", "who wants no more calls is not called back"),
    ],
)
async def test_a_call_back_that_could_never_be_made_is_refused(house: House, why: str, complaint: str) -> None:
    await _running(house)
    attempt_id = await _called(house, code="NO")
    async with house.database.write() as conn:
        if why in {"ended", "ends"}:
            values: dict[str, Any] = {"state": "stopped"} if why == "ended" else {"end_at": NOW + MINUTE * 60}
            await conn.execute(update(campaigns).values(**values))
        if why in {"opted_out", "in_progress", "tried"}:
            values = {"attempts": 3} if why == "tried" else {"state": why}
            await conn.execute(update(contacts).values(**values))
        if why == "listed":
            row = {"account_id": house.account_id, "number": number(0), "source": "manual", "created_at": NOW}
            await conn.execute(insert(do_not_call).values(row))
    at = NOW if why == "over" else NOW + 120 * MINUTE
    with pytest.raises(CampaignError, match=f"no call-back at .* UTC: .*{complaint}"):
        await _set(house, attempt_id, "DNC" if why == "DNC" else "CB", call_back_at=at)
    assert (await house.row(attempts, attempt_id))["action_code"] == "NO"


async def test_dnc_set_by_a_person_keeps_the_number_from_every_campaign(house: House) -> None:
    await _running(house)
    attempt_id = await _called(house, code="NO")
    other = await house.campaign(code="OTHER", start=False)
    await house.contact(other, number(0))
    done = await _set(house, attempt_id, "DNC", note="wrote to us")
    assert done.contact_state == "opted_out"
    (entry,) = await house.rows(do_not_call)
    assert (entry["number"], entry["attempt_id"], entry["evidence"]) == (number(0), attempt_id, "wrote to us")
    assert await house.contact_states(other) == {"dnc_blocked": 1}


async def test_what_cannot_be_set_is_refused_with_its_reason(house: House) -> None:
    await _running(house)
    missed = await _called(house)
    with pytest.raises(CampaignError, match=r"has no code 'NA' to set; it has PTP, HUP, BHU, BS, KNM"):
        await _set(house, missed, "NA")
    with pytest.raises(CampaignError, match="PTP stands for a success, and nobody answered attempt"):
        await _set(house, missed, "PTP")
    with pytest.raises(CampaignError, match="there is no attempt nobody"):
        await _set(house, "nobody", "PTP")
    with pytest.raises(CampaignError, match="there is no attempt nobody"):
        await campaign_zone(house.database, "nobody")
    assert await campaign_zone(house.database, missed) == "Asia/Ho_Chi_Minh"
    house.clock.advance(minutes=10)
    ledger = house.ledger()
    (claim,) = (await ledger.claim(["line"], 1)).claims
    with pytest.raises(CampaignError, match="is created; set its code when the call has ended"):
        await _set(house, claim.attempt_id, "BS")
    await ledger.release(claim.attempt_id, 1, "shutdown")
    with pytest.raises(CampaignError, match="was given back undialled"):
        await _set(house, claim.attempt_id, "BS")
