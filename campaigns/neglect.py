"""Contacts that waited too long: whom nobody reached within the days that their campaign allows expires."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import exists, func, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from campaigns.closing import Finished, close_finished, lock_campaigns
from campaigns.states import WAITING, ContactState
from campaigns.trail import Decision, note
from campaigns.webhook_events import tell_contacts
from storage.tables import attempts, contacts

#: Contacts looked at in one transaction.
BATCH: Final = 1000
DETAIL: Final = "not_reached_in_time"
# A call that is on may still reach its contact: it is looked at again.
_LOOK_AGAIN: Final = timedelta(minutes=5)


async def next_expiry(conn: AsyncConnection) -> datetime | None:
    """When the next contact is to be looked at; None when no campaign has such a limit."""
    found: datetime | None = await conn.scalar(
        select(func.min(contacts.c.expires_at)).where(contacts.c.expires_at.is_not(None))
    )
    return found


async def expire_neglected(conn: AsyncConnection, now: datetime, *, by: str) -> list[Finished]:
    """Expire up to `BATCH` waiting contacts whose time is over and who never answered; campaigns that it ended."""
    c = contacts.c
    due = select(c.id, c.campaign_id).where(c.expires_at <= now).order_by(c.expires_at).limit(BATCH)
    found = (await conn.execute(due)).all()
    if not found:
        return []
    touched = sorted({row.campaign_id for row in found})
    await lock_campaigns(conn, touched)
    answered = exists().where(attempts.c.contact_id == c.id, attempts.c.answered_at.is_not(None))
    # Those that somebody else has locked are looked at again the next time.
    again = select(c.id, c.state, answered.label("reached")).where(c.id.in_([row.id for row in found]))
    again = again.where(c.expires_at <= now).with_for_update(skip_locked=True, of=contacts)
    rows = (await conn.execute(again)).all()
    live = [row.id for row in rows if row.state == ContactState.IN_PROGRESS]
    expired = [row.id for row in rows if row.state in WAITING and not row.reached]
    rest = sorted({row.id for row in rows} - set(live) - set(expired))
    gone = {"state": ContactState.EXPIRED.value, "detail": DETAIL, "next_at": None, "expires_at": None}
    for ids, values in ((live, {"expires_at": now + _LOOK_AGAIN}), (rest, {"expires_at": None}), (expired, gone)):
        if ids:
            await conn.execute(update(contacts).where(c.id.in_(ids)).values(values))
    await note(conn, [Decision(contact_id, "expired") for contact_id in expired], by=by, now=now)
    await tell_contacts(conn, expired, now)
    return await close_finished(conn, touched, now) if expired else []
