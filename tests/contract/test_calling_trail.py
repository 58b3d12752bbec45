"""The trail of decisions on a contact: one entry for each change of reason, none for each look."""

from __future__ import annotations

from datetime import timedelta

from campaigns.suppression import Source, add
from storage.database import Database
from storage.tables import contact_events, contacts
from tests.support_campaigns import NOW, House, number


async def test_a_change_of_reason_is_noted_once_and_the_contact_says_it(database: Database) -> None:
    house = await House(database).build()
    campaign_id = await house.campaign()
    own = {"time_from": "20:00", "time_to": "21:00"}
    contact_id = await house.contact(campaign_id, number(1), **own)
    await house.campaigns.start(campaign_id)
    ledger = house.ledger()
    for _ in range(3):
        assert (await ledger.claim(["line"], 5)).claims == ()
        # Just after its window has closed again: the same reason as before.
        house.clock.advance(hours=24)
    (noted,) = await house.rows(contact_events)
    assert (noted["contact_id"], noted["at"], noted["by"], noted["kind"]) == (contact_id, NOW, "node-a", "put_off")
    assert (noted["clause"], noted["detail"]) == ("own_window", {"until": (NOW + timedelta(hours=4)).isoformat()})
    assert (await house.row(contacts, contact_id))["detail"] == "own_window"
    async with database.write() as conn:
        await add(conn, house.account_id, number(1), Source.MANUAL, now=house.clock.now())
    house.clock.advance(hours=12)
    await ledger.claim(["line"], 5)
    barred = (await house.rows(contact_events))[-1]
    assert (barred["kind"], barred["clause"]) == ("barred", "do_not_call")
    assert (await house.row(contacts, contact_id))["state"] == "dnc_blocked"


async def test_a_contact_that_is_called_has_no_reason_to_wait_any_more(database: Database) -> None:
    house = await House(database).build()
    campaign_id = await house.campaign()
    contact_id = await house.contact(campaign_id, number(1), time_from="20:00", time_to="21:00")
    await house.campaigns.start(campaign_id)
    await house.ledger().claim(["line"], 5)
    house.clock.advance(hours=4)
    assert len((await house.ledger().claim(["line"], 5)).claims) == 1
    assert (await house.row(contacts, contact_id))["detail"] is None
