"""Legal hours in the claim, at the last look, and in what the contact and its trail say."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import insert

from campaigns.contacts import Contacts
from campaigns.errors import BadSchedule
from campaigns.legal import load_legal_hours
from campaigns.rules import CallingRules
from campaigns.states import AttemptPhase
from storage.database import Database
from storage.tables import contact_events, contacts
from tests.support_campaigns import NOW, House, number

VIETNAM, NEW_YORK, TOLL_FREE = "+84912345678", "+12125550123", "+18005550123"


@pytest.fixture
async def house(database: Database) -> House:
    return await House(database).build()


async def _claimed(house: House, **options: Any) -> list[int]:
    return [claim.contact_id for claim in (await house.ledger(**options).claim(["line"], 10)).claims]


async def test_each_contact_waits_for_the_hours_of_its_own_country_and_zone(house: House) -> None:
    campaign_id = await house.campaign(purpose="advertising")
    # NOW is 16:00 in Hanoi, 04:00 in New York, and 01:00 in Los Angeles.
    hanoi = await house.contact(campaign_id, VIETNAM)
    york = await house.contact(campaign_id, NEW_YORK)
    coast = await house.contact(campaign_id, "+12125550124", time_zone="America/Los_Angeles")
    nowhere = await house.contact(campaign_id, number(1))
    several = await house.contact(campaign_id, TOLL_FREE)
    await house.campaigns.start(campaign_id)
    assert await _claimed(house) == [hanoi]
    rows = {row["id"]: row for row in await house.rows(contacts)}
    assert (rows[york]["next_at"], rows[york]["detail"]) == (NOW + timedelta(hours=4), "legal_hours")
    assert rows[coast]["next_at"] == NOW + timedelta(hours=7)
    assert rows[nowhere]["detail"] == "time_zone: nothing tells the number's time zone"
    assert "differ now" in rows[several]["detail"]
    assert {rows[i]["next_at"] for i in (nowhere, several)} == {NOW + timedelta(days=1)}
    noted = {row["contact_id"]: row for row in await house.rows(contact_events)}
    assert {i: row["clause"] for i, row in noted.items()} == {
        york: "legal_hours",
        coast: "legal_hours",
        nowhere: "time_zone",
        several: "time_zone",
    }
    assert noted[several]["detail"]["reason"].startswith("the number may be in")
    house.clock.advance(hours=4)
    assert await _claimed(house) == [york]
    house.clock.advance(hours=3)
    assert await _claimed(house) == [coast]


async def test_a_contact_of_an_unknown_zone_is_called_in_the_one_that_the_campaign_names(house: House) -> None:
    campaign_id = await house.campaign(purpose="service", contact_time_zone="Asia/Ho_Chi_Minh")
    nowhere = await house.contact(campaign_id, number(1))
    await house.campaigns.start(campaign_id)
    assert await _claimed(house) == [nowhere]


async def test_a_contact_that_waits_for_its_hours_is_looked_at_again_when_they_are_edited(house: House) -> None:
    campaign_id = await house.campaign(purpose="service")
    nowhere = await house.contact(campaign_id, TOLL_FREE)
    own = await house.contact(campaign_id, VIETNAM, time_from="20:00", time_to="21:00")
    await house.campaigns.start(campaign_id)
    assert await _claimed(house) == []
    people = Contacts(house.database, house.clock)
    await people.edit(nowhere, {"name": "Ann"}, by="lan")
    assert await _claimed(house) == []
    await people.edit(nowhere, {"time_zone": "Asia/Tokyo"}, by="lan")
    await people.edit(own, {"time_from": "08:00"}, by="lan")
    assert sorted(await _claimed(house)) == [nowhere, own]


async def test_the_three_windows_open_together(house: House) -> None:
    # In Hanoi the campaign calls from 07:00 to 18:00, the decree allows 08:00 to 17:00, the contact 17:30 to 09:00.
    campaign_id = await house.campaign(purpose="advertising", windows=[["07:00", "18:00"]])
    contact_id = await house.contact(campaign_id, VIETNAM, time_from="17:30", time_to="09:00")
    await house.campaigns.start(campaign_id)
    assert await _claimed(house) == []
    assert (await house.row(contacts, contact_id))["next_at"] == NOW + timedelta(hours=16)
    assert (await house.row(contacts, contact_id))["detail"] == "own_window"


async def test_the_last_look_keeps_legal_hours_too(house: House) -> None:
    campaign_id = await house.campaign(purpose="advertising")
    await house.contact(campaign_id, VIETNAM)
    await house.campaigns.start(campaign_id)
    house.clock.advance(minutes=59, seconds=59)
    ledger = house.ledger(lease_s=60)
    (claim,) = (await ledger.claim(["line"], 1)).claims
    house.clock.advance(seconds=1)
    moved = await ledger.begin(claim.attempt_id, claim.fence)
    assert (moved.phase, moved.reason) == (AttemptPhase.ENDED, "legal_hours")
    assert await _claimed(house) == []
    opens_at = datetime(2026, 3, 3, 1, 0, tzinfo=UTC)
    assert (await house.row(contacts, claim.contact_id))["next_at"] == opens_at


async def test_a_file_of_ones_own_rules(house: House, tmp_path: Path) -> None:
    file = tmp_path / "legal.yaml"
    file.write_text("VN: {advertising: {hours: ['20:00-21:00']}}", encoding="utf-8")
    rules = CallingRules(legal=load_legal_hours(file))
    campaign_id = await house.campaign(purpose="advertising")
    await house.contact(campaign_id, VIETNAM)
    await house.campaigns.start(campaign_id)
    assert await _claimed(house, rules=rules) == []
    house.clock.advance(hours=4)
    assert len(await _claimed(house, rules=rules)) == 1


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"purpose": "marketing"}, "advertising or service"),
        ({"contact_time_zone": "Mars/Olympus"}, "IANA"),
        ({"holidays": "XX"}, "unknown country"),
    ],
)
async def test_hours_that_cannot_be_understood_are_refused(house: House, fields: dict[str, Any], words: str) -> None:
    with pytest.raises(BadSchedule, match=words):
        await house.campaign(**fields)


async def test_very_many_whose_hours_end_together_are_put_off_together(house: House) -> None:
    campaign_id = await house.campaign(purpose="advertising")
    fields = {"campaign_id": campaign_id, "line": 1, "phone": "x", "variables": {}, "state": "pending"}
    rows = [fields | {"number": f"+8491234{place:04d}"} for place in range(400)]
    async with house.database.write() as conn:
        await conn.execute(insert(contacts), rows)
    paris = await house.contact(campaign_id, "+84912340001", time_zone="Europe/Paris")
    await house.contact(campaign_id, NEW_YORK)
    later = await house.contact(campaign_id, VIETNAM, state="retry_wait", next_at=NOW + timedelta(hours=3))
    await house.campaigns.start(campaign_id)
    house.clock.advance(hours=1)
    # It is 17:00 in Hanoi, 11:00 in Paris and 05:00 in New York.
    ledger, claimed = house.ledger(), []
    for _ in range(3):
        claimed += [claim.contact_id for claim in (await ledger.claim(["line"], 10)).claims]
    opens_at = datetime(2026, 3, 3, 1, 0, tzinfo=UTC)
    found = {row["id"]: row for row in await house.rows(contacts)}
    assert claimed == [paris]
    assert sum(row["next_at"] == opens_at and row["detail"] == "legal_hours" for row in found.values()) == 400
    assert found[later]["next_at"] == NOW + timedelta(hours=3)
    noted = await house.rows(contact_events)
    assert len({row["contact_id"] for row in noted}) == len(noted) == 401
    assert {row["clause"] for row in noted} == {"legal_hours"}
    assert (await house.ledger().claim(["line"], 10)).wake_at == NOW + timedelta(hours=3)
