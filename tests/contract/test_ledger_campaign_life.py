"""A campaign's life in its owner's hands and by the calendar."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import update
from sqlalchemy.exc import DBAPIError

from campaigns.campaigns import Campaigns
from campaigns.codes import CodeError
from campaigns.errors import BadRetryRule, BadSchedule, CampaignError, IllegalMove, UnknownCampaign
from campaigns.states import CampaignState, ContactState
from storage.database import Database
from storage.tables import campaigns, contacts
from tests.support_campaigns import NOW, House, number


@pytest.fixture
async def house(database: Database) -> House:
    return await House(database).build()


async def test_a_new_campaign_is_a_draft_that_keeps_every_field(house: House) -> None:
    fields: dict[str, Any] = {
        "windows": (("08:00", "11:30"), ("13:30", "17:00")),
        "weekdays": (1, 2),
        "retry_rules": ({"on": ("busy",), "times": 2},),
        "codes": {"NA": "KNM"},
        "report_emails": ("a@example.com",),
        "end_at": NOW + timedelta(days=1),
        "is_test": True,
    }
    campaign_id = await house.campaign(**fields)
    row = await house.row(campaigns, campaign_id)
    assert row["state"] == CampaignState.DRAFT
    assert row["windows"] == [["08:00", "11:30"], ["13:30", "17:00"]]
    assert row["retry_rules"] == [{"on": ["busy"], "times": 2}]
    assert (row["codes"], row["is_test"], row["end_at"]) == ({"NA": "KNM"}, True, NOW + timedelta(days=1))


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"time_zone": "Mars/Olympus"}, BadSchedule),
        ({"windows": [["8", "9"]]}, BadSchedule),
        ({"weekdays": [8]}, BadSchedule),
        ({"retry_rules": [{"on": ["rain"]}]}, BadRetryRule),
        ({"codes": {"ZZ": "x"}}, CodeError),
        ({"code": "C1"}, CampaignError),
    ],
)
async def test_a_campaign_that_could_never_run_is_refused(
    house: House, changes: dict[str, Any], error: type[Exception]
) -> None:
    await house.campaign(code="C1")
    with pytest.raises(error):
        await house.campaign(**changes)


async def test_a_campaign_is_found_by_code_or_id(house: House) -> None:
    campaign_id = await house.campaign(code="SPRING")
    other = await house.campaign(code=str(campaign_id))
    assert await house.campaigns.find("SPRING") == campaign_id
    assert await house.campaigns.find(str(other), account_id=house.account_id) == other
    assert await house.campaigns.find(str(campaign_id)) == other, "a code goes before an id"
    assert await house.campaigns.all_ids() == [other, campaign_id]
    for missing in ("WINTER", "99", "9" * 18, "9" * 19, "9" * 5000):
        with pytest.raises(UnknownCampaign, match=missing):
            await house.campaigns.find(missing)
    with pytest.raises(UnknownCampaign):
        await house.campaigns.find("SPRING", account_id=99)
    with pytest.raises(UnknownCampaign):
        await house.campaigns.status(99)


async def test_an_empty_campaign_is_not_started(house: House) -> None:
    campaign_id = await house.campaign()
    await house.contact(campaign_id, number(1), state="invalid")
    with pytest.raises(CampaignError, match="import a contact list"):
        await house.campaigns.start(campaign_id)


async def test_a_campaign_past_its_end_is_not_started(house: House) -> None:
    campaign_id = await house.campaign(people=1, start=False, end_at=NOW)
    with pytest.raises(CampaignError, match="later end date"):
        await house.campaigns.start(campaign_id)


async def test_pause_and_resume_keep_the_start(house: House) -> None:
    campaign_id = await house.campaign(people=1)
    house.clock.advance(hours=1)
    assert await house.campaigns.pause(campaign_id) is CampaignState.PAUSED
    assert await house.campaigns.start(campaign_id) is CampaignState.RUNNING
    assert (await house.campaigns.status(campaign_id)).started_at == NOW
    with pytest.raises(IllegalMove, match="from running to running"):
        await house.campaigns.start(campaign_id)


async def test_stop_cancels_who_waits_and_reports_at_once_when_nobody_is_on_the_line(house: House) -> None:
    campaign_id = await house.campaign(people=3)
    await house.contact(campaign_id, number(1), state="held")
    await house.contact(campaign_id, number(2), state="done")
    await house.campaigns.stop(campaign_id)
    assert await house.contact_states(campaign_id) == {"cancelled": 4, "done": 1}
    assert await house.reports() == [f"report:{campaign_id}:stopped"]
    status = await house.campaigns.status(campaign_id)
    assert (status.state, status.finished_at, status.contacts_left) == (CampaignState.STOPPED, NOW, 0)
    with pytest.raises(IllegalMove):
        await house.campaigns.stop(campaign_id)
    with pytest.raises(IllegalMove):
        await house.campaigns.start(campaign_id)


@pytest.mark.parametrize(("event", "state"), [("stop", "cancelled"), ("expire", "expired")])
async def test_a_live_call_of_an_ended_campaign_is_not_repeated(house: House, event: str, state: str) -> None:
    rules = [{"on": ["BUSY"], "times": 3}]
    campaign_id = await house.campaign(people=1, max_attempts=5, retry_rules=rules, end_at=NOW + timedelta(minutes=1))
    ledger = house.ledger()
    (claim,) = (await ledger.claim(["line"], 1)).claims
    await ledger.begin(claim.attempt_id, 1)
    if event == "stop":
        await house.campaigns.stop(campaign_id)
    else:
        house.clock.advance(minutes=1)
        assert await house.campaigns.sweep() == []
    assert await house.reports() == []
    await ledger.settle(claim.attempt_id, 1, house.missed())
    assert await house.contact_states(campaign_id) == {state: 1}
    ended = "stopped" if event == "stop" else "expired"
    assert await house.reports() == [f"report:{campaign_id}:{ended}"]


async def test_the_calendar_starts_a_scheduled_campaign(house: House) -> None:
    start_at = NOW + timedelta(hours=1)
    campaign_id = await house.campaign(people=1, start_at=start_at)
    assert (await house.campaigns.status(campaign_id)).state is CampaignState.SCHEDULED
    assert await house.campaigns.next_date() == start_at
    assert await house.campaigns.sweep() == []
    house.clock.advance(hours=1)
    await house.campaigns.sweep()
    status = await house.campaigns.status(campaign_id)
    assert (status.state, status.started_at) == (CampaignState.RUNNING, start_at)
    assert await house.campaigns.next_date() is None


class _Victim(Exception):
    sqlstate = "40P01"


@pytest.mark.parametrize(("what", "state"), [("start", "running"), ("pause", "paused"), ("stop", "stopped")])
async def test_what_a_person_asks_of_a_campaign_is_done_after_a_deadlock_too(
    house: House, monkeypatch: pytest.MonkeyPatch, what: str, state: str
) -> None:
    campaign_id = await house.campaign(people=1)
    if what == "start":
        await house.campaigns.pause(campaign_id)
    chosen, move = [DBAPIError("UPDATE", {}, _Victim())], Campaigns._move

    async def is_the_victim_once(*args: Any) -> CampaignState:
        if chosen:
            raise chosen.pop()
        return await move(*args)

    monkeypatch.setattr(Campaigns, "_move", is_the_victim_once)
    assert await getattr(house.campaigns, what)(campaign_id) == state
    assert not chosen


async def test_what_the_calendar_did_stands_when_neglected_contacts_cannot_be_looked_at(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    campaign_id = await house.campaign(people=1, start_at=NOW + timedelta(hours=1))
    house.clock.advance(hours=1)
    monkeypatch.setattr("campaigns.campaigns.expire_neglected", None)
    with pytest.raises(TypeError):
        await house.campaigns.sweep()
    assert (await house.campaigns.status(campaign_id)).state is CampaignState.RUNNING


async def test_a_campaign_whose_contacts_are_all_gone_by_its_start_date_completes_then(house: House) -> None:
    start_at = NOW + timedelta(hours=1)
    campaign_id = await house.campaign(people=1, start_at=start_at)
    waits_on = await house.campaign(people=1, start_at=start_at, stays_open=True)
    async with house.database.write() as conn:
        await conn.execute(update(contacts).values(state="dnc_blocked"))
    house.clock.advance(hours=1)
    swept = await house.campaigns.sweep()
    assert [(one.campaign_id, one.state) for one in swept] == [(campaign_id, CampaignState.COMPLETED)]
    assert await house.reports() == [f"report:{campaign_id}:completed"]
    assert (await house.campaigns.status(waits_on)).state is CampaignState.RUNNING


async def test_the_calendar_expires_a_campaign_and_reports_once(house: House) -> None:
    end_at = NOW + timedelta(hours=1)
    campaign_id = await house.campaign(people=2, end_at=end_at)
    assert await house.campaigns.next_date() == end_at
    house.clock.advance(hours=1)
    swept = await asyncio.gather(house.campaigns.sweep(), house.campaigns.sweep())
    assert [finished.campaign_id for one in swept for finished in one] == [campaign_id]
    assert await house.contact_states(campaign_id) == {"expired": 2}
    assert {row["detail"] for row in await house.rows(contacts)} == {"end_date_reached"}
    assert await house.reports() == [f"report:{campaign_id}:expired"]


async def test_the_status_tells_what_is_left_live_and_waiting(house: House) -> None:
    campaign_id = await house.campaign(people=3, windows=[["08:00", "17:00"]])
    ledger = house.ledger()
    first, _second = (await ledger.claim(["line"], 2)).claims
    await house.talk(ledger, first)
    status = await house.campaigns.status(campaign_id)
    assert status.contacts == {ContactState.DONE: 1, ContactState.IN_PROGRESS: 1, ContactState.PENDING: 1}
    assert (status.contacts_left, status.live_calls, status.attempts) == (2, 1, 1)
    assert (status.waiting, status.opens_at, status.code, status.name) == (False, None, "C1", "Campaign 1")
    house.clock.advance(hours=2)
    status = await house.campaigns.status(campaign_id)
    assert (status.waiting, status.opens_at) == (True, NOW + timedelta(hours=16))
    assert await house.campaigns.has_finished(campaign_id) is False
