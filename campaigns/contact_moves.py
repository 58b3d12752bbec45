"""Contacts held back, released, and taken out by hand."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import structlog
from sqlalchemy import RowMapping, delete, exists, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from campaigns.closing import Finished, close_finished
from campaigns.contact_entry import Hand
from campaigns.contact_rows import contact_row
from campaigns.errors import ContactBusy
from campaigns.intake import lock_campaign, refuse_closed
from campaigns.states import DIALLABLE, WAITING, CampaignState, ContactState, move_contact
from campaigns.trail import Decision, note
from campaigns.webhook_events import tell_contacts
from storage.notify import Topic, tell
from storage.rows import update_each, words
from storage.tables import attempts, contact_events, contacts

log = structlog.get_logger(__name__)

#: Contacts moved in one transaction.
BATCH: Final = 1000
_HELD: Final = "held"


@dataclass(frozen=True)
class Deleted:
    """What became of a contact that was to be deleted."""

    contact_id: int
    #: True: nothing of it is left. False: it was called before, so it is cancelled and its calls stay in the books.
    removed: bool
    #: The campaign, where it was the last contact that its campaign waited for.
    finished: tuple[Finished, ...] = ()


async def hold_contacts(
    conn: AsyncConnection, campaign_id: int, ids: Collection[int] | None, limit: int, hand: Hand
) -> int:
    """Hold up to `limit` of the campaign's waiting contacts, of these ids or of all; how many there were."""
    await _open_campaign(conn, campaign_id)
    rows = await _chosen(conn, campaign_id, ids, DIALLABLE, limit)
    moves = [(ContactState(row["state"]), row) for row in rows]
    changes = [
        ({"id": row["id"], "state": old.value}, {"state": move_contact(old, ContactState.HELD).value})
        for old, row in moves
    ]
    await update_each(conn, contacts, changes)
    decisions = [Decision(row["id"], _HELD, detail={"from": old.value}) for old, row in moves]
    await note(conn, decisions, by=hand.by, now=hand.now)
    return len(rows)


async def release_contacts(
    conn: AsyncConnection, campaign_id: int, ids: Collection[int] | None, limit: int, hand: Hand
) -> int:
    """Let up to `limit` held contacts go, in the order of dialling, back to where each was held; how many."""
    campaign = await _open_campaign(conn, campaign_id)
    rows = await _chosen(conn, campaign_id, ids, {ContactState.HELD}, limit)
    former = await _held_from(conn, [row["id"] for row in rows])
    changes = []
    for row in rows:
        state = move_contact(ContactState.HELD, former.get(row["id"], ContactState.PENDING))
        changes.append(
            ({"id": row["id"], "state": _HELD}, {"state": state.value, "next_at": _turn(row, state, hand.now)})
        )
    await update_each(conn, contacts, changes)
    await note(conn, [Decision(row["id"], "released") for row in rows], by=hand.by, now=hand.now)
    if rows and campaign["state"] == CampaignState.RUNNING:
        await tell(conn, Topic.WORK)
    return len(rows)


def _turn(row: RowMapping, state: ContactState, now: datetime) -> datetime | None:
    """When a released contact is due: as it was put off, else at once, which only a call-back keeps a time for."""
    later = row["next_at"] if row["next_at"] is not None and row["next_at"] > now else None
    return later or (now if state is ContactState.CALLBACK else None)


async def delete_contact(conn: AsyncConnection, contact_id: int, hand: Hand) -> Deleted:
    """See `Contacts.delete`."""
    campaign = await _open_campaign(conn, (await contact_row(conn, contact_id))["campaign_id"])
    row = await contact_row(conn, contact_id, lock=True)
    state = ContactState(row["state"])
    if state is ContactState.IN_PROGRESS:
        raise ContactBusy(f"contact {contact_id} is in a call; delete it when the call has ended")
    called = bool(await conn.scalar(select(exists().where(attempts.c.contact_id == contact_id))))
    if called and state not in WAITING:
        raise ContactBusy(f"contact {contact_id} is {state.value} and its calls are in the books; it stays")
    if called:
        values = {"state": move_contact(state, ContactState.CANCELLED).value, "detail": "deleted", "next_at": None}
        await conn.execute(update(contacts).where(contacts.c.id == contact_id).values(values))
        await note(conn, [Decision(contact_id, "deleted", detail={"was": state.value})], by=hand.by, now=hand.now)
        await tell_contacts(conn, [contact_id], hand.now)
    else:
        # Its trail goes with it; the log says who took it out.
        await conn.execute(delete(contact_events).where(contact_events.c.contact_id == contact_id))
        await conn.execute(delete(contacts).where(contacts.c.id == contact_id))
        log.info("contact_removed", contact_id=contact_id, campaign_id=campaign["id"], was=state.value, by=hand.by)
    finished = await close_finished(conn, [campaign["id"]], hand.now)
    return Deleted(contact_id, removed=not called, finished=tuple(finished))


async def _open_campaign(conn: AsyncConnection, campaign_id: int) -> RowMapping:
    campaign = await lock_campaign(conn, campaign_id)
    refuse_closed(campaign)
    return campaign


async def _chosen(
    conn: AsyncConnection, campaign_id: int, ids: Collection[int] | None, states: Collection[ContactState], limit: int
) -> Sequence[RowMapping]:
    c = contacts.c
    statement = select(c.id, c.state, c.next_at).where(c.campaign_id == campaign_id, c.state.in_(words(sorted(states))))
    if ids is not None:
        statement = statement.where(c.id.in_(sorted(ids)))
    statement = statement.order_by(c.priority.desc(), c.id).limit(limit).with_for_update()
    return (await conn.execute(statement)).mappings().all()


async def _held_from(conn: AsyncConnection, ids: Sequence[int]) -> dict[int, ContactState]:
    """Where contacts were when they were last held by hand; those of a held import were nowhere yet."""
    e = contact_events.c
    held = select(e.contact_id, e.detail).where(e.contact_id.in_(ids), e.kind == _HELD).order_by(e.id)
    found: list[Any] = list((await conn.execute(held)).all()) if ids else []
    return {contact_id: ContactState(detail["from"]) for contact_id, detail in found if detail and "from" in detail}
