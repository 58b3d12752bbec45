"""Contacts entered or changed by hand, judged as a row of a list would be."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import RowMapping, and_, exists, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from campaigns import suppression
from campaigns.admission import put_off_by
from campaigns.clauses import Clause
from campaigns.columns import ALIASES, Columns
from campaigns.contact_rows import Contact, contact_row
from campaigns.errors import BadContact, ContactBusy, ContactTaken
from campaigns.intake import lock_campaign, refuse_closed
from campaigns.listfile import Record
from campaigns.packing import Packed, expiry, pack, store_one
from campaigns.rows import Row, RowRules, RowStatus, check_row
from campaigns.states import WAITING, CampaignState, ContactState
from campaigns.trail import Decision, note
from storage.notify import Topic, tell
from storage.tables import attempts, contacts

ORIGIN: Final = "manual"
#: Refused rows that may come in after all when they are mended.
MENDABLE: Final = frozenset({ContactState.INVALID, ContactState.DUPLICATE, ContactState.DNC_BLOCKED})
_REFUSED: Final = [ContactState.INVALID.value, ContactState.DUPLICATE.value]
_VARIABLE = re.compile(r"[a-z_][a-z0-9_]{0,63}\Z")
_OF_HOURS: Final = frozenset({"phone", "time_zone", "time_from", "time_to"})
_FOR_HOURS: Final = frozenset({Clause.OWN_WINDOW, Clause.TIME_ZONE, Clause.LEGAL_HOURS})
_OF_ROW: Final = ("name", "language", "time_zone", "time_from", "time_to", "caller_id")


@dataclass(frozen=True)
class Added:
    """A contact that was to be added."""

    contact: Contact
    #: False: the external key was there already; with the same content, or updated.
    created: bool
    updated: bool = False


@dataclass(frozen=True)
class Hand:
    """Who changes contacts, when, and what the campaign's script says of each."""

    by: str
    now: datetime
    required_variables: Collection[str] = ()
    #: Of contacts that come in by this hand.
    origin: str = ORIGIN


def storable(text: str) -> bool:
    """Whether both databases can keep the text."""
    return "\0" not in text and not any("\ud800" <= character <= "\udfff" for character in text)


def checked(given: Mapping[str, str], campaign: RowMapping, required_variables: Collection[str]) -> Row:
    """The columns of a contact as a list's row; raises `BadContact` for what a list's row would be refused for."""
    kept = {name: text for name, text in given.items() if text.strip()}
    for name in given:
        if name not in ALIASES and not _VARIABLE.match(name):
            raise BadContact(name, f"no such field; write one of {', '.join(ALIASES)}, or a variable in small letters")
        if not storable(given[name]):
            raise BadContact(name, "it holds characters that cannot be kept: NUL, or half of a pair")
    names = tuple(kept)
    reserved = {at: name for at, name in enumerate(names) if name in ALIASES}
    variables = {at: name for at, name in enumerate(names) if name not in ALIASES}
    if "phone" not in kept:
        raise BadContact("phone", "a contact needs a telephone number")
    rules = RowRules(
        Columns(names, reserved, variables), campaign["region"], campaign["time_zone"], frozenset(required_variables)
    )
    row = check_row(Record(0, tuple(kept.values())), rules)
    if row.status is RowStatus.MISSING_VARIABLE:
        raise BadContact(row.detail.split(", ")[0], "the script says this variable, and the contact has none; give it")
    if row.status is not RowStatus.ACCEPTED:
        field, colon, problem = row.detail.partition(": ")
        raise BadContact(field if colon else "phone", problem or row.detail)
    return row


async def add_contact(
    conn: AsyncConnection,
    campaign_id: int,
    given: Mapping[str, str],
    hand: Hand,
    *,
    update_known: bool,
    hold: bool,
) -> Added:
    """See `Contacts.add`."""
    campaign = await lock_campaign(conn, campaign_id)
    refuse_closed(campaign)
    row = checked(given, campaign, hand.required_variables)
    packed = pack(row)
    if packed.external_key is not None:
        known = await _holder(conn, campaign_id, "external_key", packed.external_key)
        if known is not None:
            contact = Contact.of(await contact_row(conn, known))
            return await _known_again(conn, contact, given, row, hand if update_known else None)
    await _refuse_taken_or_suppressed(conn, campaign, str(packed.number), besides=None)
    contact_id = await store_one(conn, campaign, packed, origin=hand.origin, hold=hold, now=hand.now)
    decision = Decision(contact_id, "added", detail={"fields": sorted(given)})
    await note(conn, [decision], by=hand.by, now=hand.now)
    await _tell_nodes(conn, campaign)
    return Added(Contact.of(await contact_row(conn, contact_id)), created=True)


async def _known_again(
    conn: AsyncConnection, contact: Contact, given: Mapping[str, str], row: Row, hand: Hand | None
) -> Added:
    if contact.number == row.number and dict(contact.variables) == dict(row.variables):
        return Added(contact, created=False)
    if hand is None:
        raise ContactTaken(
            f"external_key: {contact.external_key} is contact {contact.id} already, with other content;"
            " ask for an update to change it, or give another key",
            contact.id,
        )
    changes = dict.fromkeys(contact.as_written(), "") | dict(given)
    changes.pop("external_key", None)
    # Said again it is no new wish: what became of it since, such as an agreed call-back, stays.
    if given.get("schedule_at", "") == contact.variables.get("schedule_at", ""):
        changes.pop("schedule_at", None)
    return Added(await edit_contact(conn, contact.id, changes, hand), created=False, updated=True)


async def edit_contact(conn: AsyncConnection, contact_id: int, changes: Mapping[str, str], hand: Hand) -> Contact:
    """See `Contacts.edit`."""
    campaign = await lock_campaign(conn, (await contact_row(conn, contact_id))["campaign_id"])
    refuse_closed(campaign)
    contact = Contact.of(await contact_row(conn, contact_id, lock=True))
    if contact.state is ContactState.IN_PROGRESS:
        raise ContactBusy(f"contact {contact_id} is in a call; change it when the call has ended")
    if "external_key" in changes:
        raise BadContact("external_key", "it is what the contact is known by; delete the contact and add another one")
    row = checked(contact.as_written() | dict(changes), campaign, hand.required_variables)
    mended = contact.state in MENDABLE and await _never_tried(conn, contact_id)
    if mended or row.number != contact.number:
        await _refuse_taken_or_suppressed(conn, campaign, str(row.number), besides=contact_id)
    values = _values(row) | _when(contact, row, changes, hand.now)
    if mended:
        values |= await _mended(conn, campaign, contact, row, hand.now)
    await conn.execute(update(contacts).where(contacts.c.id == contact_id).values(values))
    detail = {"fields": sorted(changes)} | ({"was": contact.state.value} if mended else {})
    await note(conn, [Decision(contact_id, "edited", detail=detail)], by=hand.by, now=hand.now)
    await _tell_nodes(conn, campaign)
    return Contact.of(await contact_row(conn, contact_id))


def _values(row: Row) -> dict[str, Any]:
    of_row = {name: row.fields.get(name) for name in _OF_ROW}
    priority = row.fields.get("priority", 0)
    packed: Packed = pack(row)
    return of_row | {
        "phone": row.phone[:64],
        "number": packed.number,
        "priority": priority,
        "variables": dict(row.variables),
    }


def _when(contact: Contact, row: Row, changes: Mapping[str, str], now: datetime) -> dict[str, Any]:
    """A changed schedule time moves a waiting contact, and so do other hours of one that waits for its hours.

    Other changes leave its turn alone.
    """
    if contact.state not in WAITING:
        return {}
    if put_off_by(contact.detail) in _FOR_HOURS and not _OF_HOURS.isdisjoint(changes) and "schedule_at" not in changes:
        return {"next_at": now if contact.state is ContactState.CALLBACK else None, "detail": None}
    if "schedule_at" not in changes:
        return {}
    at = row.fields.get("schedule_at")
    if at is not None and at > now:
        return {"next_at": at}
    return {"next_at": now if contact.state is ContactState.CALLBACK else None}


async def _mended(
    conn: AsyncConnection, campaign: RowMapping, contact: Contact, row: Row, now: datetime
) -> dict[str, Any]:
    key, at = row.fields.get("external_key"), row.fields.get("schedule_at")
    if key is not None and key != contact.external_key:
        holder = await _holder(conn, campaign["id"], "external_key", key)
        if holder is not None:
            raise ContactTaken(f"external_key: {key} is contact {holder}'s already; delete one of the two", holder)
    return {
        "external_key": key,
        "state": ContactState.PENDING.value,
        "detail": None,
        "next_at": at if at is not None and at > now else None,
        "expires_at": expiry(campaign, now),
    }


async def _never_tried(conn: AsyncConnection, contact_id: int) -> bool:
    return not await conn.scalar(select(exists().where(attempts.c.contact_id == contact_id)))


async def _refuse_taken_or_suppressed(
    conn: AsyncConnection, campaign: RowMapping, number: str, *, besides: int | None
) -> None:
    holder = await _holder(conn, campaign["id"], "number", number, besides=besides)
    if holder is not None:
        raise ContactTaken(f"phone: the campaign has this number already, as contact {holder}; edit that one", holder)
    against = (await suppression.listed(conn, campaign, [number])).get(number)
    if against is not None:
        raise BadContact("phone", f"the number may not be called: {against.text}")


async def _holder(
    conn: AsyncConnection, campaign_id: int, column: str, value: str, *, besides: int | None = None
) -> int | None:
    """The campaign's contact with this number, refused rows left out, or with this external key."""
    c = contacts.c
    if column == "number":
        # Without statistics SQLite would read the whole campaign: only the key is indexed together with it.
        mine = and_(c.number == value, c.campaign_id + 0 == campaign_id, c.state.not_in(_REFUSED))
    else:
        mine = and_(c.external_key == value, c.campaign_id == campaign_id)
    statement = select(c.id).where(mine)
    if besides is not None:
        statement = statement.where(c.id != besides)
    found = await conn.scalar(statement.order_by(c.id).limit(1))
    return None if found is None else int(found)


async def _tell_nodes(conn: AsyncConnection, campaign: RowMapping) -> None:
    if campaign["state"] == CampaignState.RUNNING:
        await tell(conn, Topic.WORK)
