"""Contacts added, changed, held, released and taken out by hand, on both engines."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from campaigns import suppression
from campaigns.contacts import Contacts
from campaigns.errors import BadContact, CampaignError, ContactBusy, ContactTaken, UnknownContact
from campaigns.lists import import_list
from campaigns.states import CampaignState, ContactState
from reports.audit import audit
from storage.database import Database
from storage.tables import contact_events, contacts
from tests.support_campaigns import NOW, House, number

A, B, C = "0901234567", "0912345678", "0987654321"


@pytest.fixture
async def house(database: Database) -> House:
    return await House(database).build()


def desk(house: House) -> Contacts:
    return Contacts(house.database, house.clock)


async def trail(house: House, contact_id: int) -> list[tuple[str, str, Any]]:
    statement = select(contact_events).where(contact_events.c.contact_id == contact_id).order_by(contact_events.c.id)
    async with house.database.read() as conn:
        rows = (await conn.execute(statement)).mappings().all()
    return [(row["kind"], row["by"], row["detail"]) for row in rows]


async def test_a_contact_is_added_once_per_external_key_and_found_by_all_its_names(house: House) -> None:
    campaign_id = await house.campaign()
    people = desk(house)
    columns = {"phone": "090 123 4567", "name": "Lan", "external_key": "K1", "amount": "5", "priority": "3"}
    made = await people.add(campaign_id, columns, by="lan", required_variables=["amount"])
    contact = made.contact
    assert (made.created, contact.number, contact.state) == (True, "+84901234567", ContactState.PENDING)
    assert (contact.priority, contact.origin, contact.line, contact.entered_at) == (3, "manual", 0, NOW)
    assert contact.variables["amount"] == "5"
    again = await people.add(campaign_id, columns, by="lan", required_variables=["amount"])
    assert (again.created, again.updated, again.contact) == (False, False, contact)
    with pytest.raises(ContactTaken, match=r"K1 is contact .* with other content") as taken:
        await people.add(campaign_id, columns | {"amount": "6"}, by="lan")
    assert taken.value.contact_id == contact.id
    other = await people.add(campaign_id, {"phone": B, "external_key": "K1"}, by="lan", update=True)
    assert (other.created, other.updated, other.contact.id) == (False, True, contact.id)
    assert (other.contact.number, other.contact.name, other.contact.priority) == ("+84912345678", None, 0)
    assert dict(other.contact.variables) == {"phone": "+84912345678", "external_key": "K1"}
    for reference in ("K1", str(contact.id), "+84 912 345 678", B):
        assert (await people.find(campaign_id, reference)).id == contact.id
    assert await people.get(contact.id) == other.contact
    assert await trail(house, contact.id) == [
        ("added", "lan", {"fields": ["amount", "external_key", "name", "phone", "priority"]}),
        ("edited", "lan", {"fields": ["amount", "name", "phone", "priority"]}),
    ]
    with pytest.raises(UnknownContact, match="no contact 'K2'; give its id"):
        await people.find(campaign_id, "K2")
    # Another campaign's contact has no name here.
    with pytest.raises(UnknownContact):
        await people.find(await house.campaign(), str(contact.id))


async def test_a_list_said_again_leaves_an_agreed_call_back_alone(house: House) -> None:
    campaign_id = await house.campaign()
    people, ledger = desk(house), house.ledger()
    row = {"phone": A, "external_key": "K1", "amount": "5", "schedule_at": f"{NOW - timedelta(days=1):%Y-%m-%d %H:%M}"}
    contact = (await people.add(campaign_id, row, by="crm")).contact
    await house.campaigns.start(campaign_id)
    (claim,) = (await ledger.claim(["line"], 1)).claims
    agreed = NOW + timedelta(days=3)
    await house.talk(ledger, claim, callback=True, callback_at=agreed)
    again = await people.add(campaign_id, row | {"amount": "6"}, by="crm", update=True)
    assert (again.updated, again.contact.state, again.contact.next_at) == (True, ContactState.CALLBACK, agreed)
    later = {"schedule_at": f"{NOW + timedelta(days=9):%Y-%m-%d %H:%M}"}
    moved = await people.add(campaign_id, row | later, by="crm", update=True)
    assert moved.contact.next_at is not None
    assert moved.contact.next_at > agreed
    assert contact.id == moved.contact.id


async def test_who_could_not_come_by_list_cannot_be_added(house: House) -> None:
    campaign_id = await house.campaign()
    people = desk(house)
    first = (await people.add(campaign_id, {"phone": A}, by="lan")).contact
    async with house.database.write() as conn:
        await suppression.add(conn, house.account_id, "+84987654321", suppression.Source.MANUAL, now=NOW)
    refused: list[tuple[dict[str, str], str, str]] = [
        ({"phone": "123"}, "phone", "too few digits for its country"),
        ({"name": "Lan"}, "phone", "a contact needs a telephone number"),
        ({"phone": B, "time_zone": "Mars"}, "time_zone", "'Mars' is unknown"),
        ({"phone": B, "Amount": "5"}, "Amount", "no such field"),
        ({"phone": B, "name": "a\0"}, "name", "characters that cannot be kept"),
        ({"phone": B, "name": "\ud800"}, "name", "characters that cannot be kept"),
        ({"phone": B, "amount": " "}, "amount", "the script says this variable"),
        ({"phone": C, "amount": "5"}, "phone", "the number may not be called: on the do-not-call list"),
    ]
    for columns, field, told in refused:
        with pytest.raises(BadContact) as caught:
            await people.add(campaign_id, columns, by="lan", required_variables=["amount"])
        assert (caught.value.field, told in caught.value.problem) == (field, True), str(caught.value)
    with pytest.raises(ContactTaken, match=f"this number already, as contact {first.id}"):
        await people.add(campaign_id, {"phone": "+84 90 1234567"}, by="lan")
    assert len(await house.rows(contacts)) == 1
    await house.campaigns.start(campaign_id)
    await house.campaigns.stop(campaign_id)
    with pytest.raises(CampaignError, match="is stopped and takes no contacts"):
        await people.add(campaign_id, {"phone": B}, by="lan")


async def test_a_contact_is_changed_unless_it_is_in_a_call(house: House) -> None:
    campaign_id = await house.campaign()
    people = desk(house)
    contact = (await people.add(campaign_id, {"phone": A, "name": "Lan", "amount": "5"}, by="lan")).contact
    await people.add(campaign_id, {"phone": B}, by="lan")
    later = NOW + timedelta(hours=3)
    changes = {"name": "Bo", "amount": "", "city": "Huế", "time_from": "8h", "schedule_at": later.isoformat()}
    changed = await people.edit(contact.id, changes, by="bo")
    assert (changed.name, changed.time_from, changed.next_at) == ("Bo", "08:00", later)
    assert {"amount", "city"} & set(changed.variables) == {"city"}
    assert (await people.edit(contact.id, {"schedule_at": ""}, by="bo")).next_at is None
    with pytest.raises(BadContact, match="amount: the script says"):
        await people.edit(contact.id, {"name": "Ca"}, by="bo", required_variables=["amount"])
    with pytest.raises(ContactTaken):
        await people.edit(contact.id, {"phone": B}, by="bo")
    with pytest.raises(BadContact, match="external_key: it is what the contact is known by"):
        await people.edit(contact.id, {"external_key": "K9"}, by="bo")
    await people.edit(contact.id, {"time_from": ""}, by="bo")
    await house.campaigns.start(campaign_id)
    ledger = house.ledger()
    (claim, *_) = (await ledger.claim(["line"], 1)).claims
    with pytest.raises(ContactBusy, match="is in a call; change it"):
        await people.edit(claim.contact_id, {"name": "Ca"}, by="bo")
    with pytest.raises(ContactBusy, match="is in a call; delete it"):
        await people.delete(claim.contact_id, by="bo")
    assert await people.hold(campaign_id, [claim.contact_id], by="bo") == 0
    assert (await house.row(contacts, claim.contact_id))["state"] == "in_progress"


async def test_a_refused_row_is_mended_in_place(house: House, tmp_path: Path) -> None:
    campaign_id, path = await house.campaign(contact_expires_days=3), tmp_path / "list.csv"
    path.write_text(f"phone,name,external_key,amount\n{A},Lan,K1,5\n12,Bo,K2,6\n{A},Ca,K3,7\n{B},Di,K4,\n")
    await import_list(house.database, campaign_id, path, clock=house.clock, required_variables=["amount"])
    people, needed = desk(house), ["amount"]
    _, bo, ca, di = await people.page(campaign_id)
    assert [one.state for one in (bo, ca, di)] == [ContactState.INVALID, ContactState.DUPLICATE, ContactState.INVALID]
    with pytest.raises(BadContact, match="phone: too few digits"):
        await people.edit(bo.id, {"name": "Bob"}, by="lan", required_variables=needed)
    mended = await people.edit(bo.id, {"phone": C}, by="lan", required_variables=needed)
    assert (mended.state, mended.number, mended.name) == (ContactState.PENDING, "+84987654321", "Bo")
    assert (mended.external_key, mended.detail, mended.expires_at) == ("K2", None, NOW + timedelta(days=3))
    assert mended.variables["amount"] == "6"
    with pytest.raises(ContactTaken, match="this number already"):
        await people.edit(ca.id, {"name": "Can"}, by="lan", required_variables=needed)
    assert (await people.edit(di.id, {"amount": "8"}, by="lan", required_variables=needed)).state == "pending"
    assert (await trail(house, bo.id))[-1] == ("edited", "lan", {"fields": ["phone"], "was": "invalid"})


async def test_held_contacts_go_back_to_where_they_were(house: House) -> None:
    campaign_id = await house.campaign()
    people = desk(house)
    plain = await house.contact(campaign_id, number(1))
    waits = await house.contact(campaign_id, number(2), state="retry_wait", next_at=NOW + timedelta(hours=1))
    wants = await house.contact(campaign_id, number(3), state="callback", next_at=NOW + timedelta(hours=2))
    first = await house.contact(campaign_id, number(4), priority=9)
    through = await house.contact(campaign_id, number(5), state="done")
    assert await people.hold(campaign_id, by="lan") == 4
    assert await house.contact_states(campaign_id) == {"held": 4, "done": 1}
    assert await people.release(campaign_id, by="bo", limit=1) == 1
    assert (await people.get(first)).state is ContactState.PENDING
    house.clock.advance(hours=1, minutes=30)
    assert await people.release(campaign_id, [plain, waits, wants, through, 999], by="bo") == 3
    found = {one.id: (one.state.value, one.next_at) for one in await people.page(campaign_id)}
    assert found[plain] == ("pending", None)
    assert found[waits] == ("retry_wait", None)
    assert found[wants] == ("callback", NOW + timedelta(hours=2))
    assert found[through] == ("done", None)
    assert await trail(house, wants) == [("held", "lan", {"from": "callback"}), ("released", "bo", None)]
    assert await people.page(campaign_id, state=ContactState.DONE) == [await people.get(through)]
    assert [one.id for one in await people.page(campaign_id, after_id=plain, limit=2)] == [waits, wants]


async def test_more_contacts_than_one_transaction_takes(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("campaigns.contacts.BATCH", 2)
    campaign_id = await house.campaign(people=5)
    people = desk(house)
    ids = [one.id for one in await people.page(campaign_id)]
    assert await people.hold(campaign_id, by="lan") == 5
    assert await people.release(campaign_id, by="lan", limit=3) == 3
    assert await people.release(campaign_id, ids, by="lan") == 2
    assert await house.contact_states(campaign_id) == {"pending": 5}


async def test_deleting_the_last_contact_completes_the_campaign_and_the_books_stay_right(
    house: House, tmp_path: Path
) -> None:
    campaign_id = await house.campaign(people=3, retry_rules=[{"on": ["BUSY"], "times": 3}], max_attempts=4)
    people, ledger = desk(house), house.ledger()
    (claim,) = (await ledger.claim(["line"], 1)).claims
    await house.miss(ledger, claim)
    called = await people.get(claim.contact_id)
    assert (called.state, len((await people.history(called.id)).tries)) == (ContactState.RETRY_WAIT, 1)
    others = [one.id for one in await people.page(campaign_id) if one.id != called.id]
    gone = await people.delete(others[0], by="lan")
    assert (gone.removed, gone.finished) == (True, ())
    with pytest.raises(UnknownContact):
        await people.get(others[0])
    kept = await people.delete(called.id, by="lan")
    assert (kept.removed, kept.finished) == (False, ())
    after = await people.get(called.id)
    assert (after.state, after.detail, after.next_at) == (ContactState.CANCELLED, "deleted", None)
    with pytest.raises(ContactBusy, match="its calls are in the books; it stays"):
        await people.delete(called.id, by="lan")
    assert (await trail(house, called.id))[-1] == ("deleted", "lan", {"was": "retry_wait"})
    last = await people.delete(others[1], by="lan")
    assert [(one.campaign_id, one.state) for one in last.finished] == [(campaign_id, CampaignState.COMPLETED)]
    async with house.database.read() as conn:
        assert (await audit(conn, campaign_id, tmp_path)).ok
