"""Ending a campaign by the event that ends it: its last contact settled, a person's stop, its end date."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import exists, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from campaigns.states import FINISHED, OPEN, UNFINISHED, AttemptPhase, CampaignState, move_campaign
from campaigns.webhook_events import tell_moved
from storage.many import member
from storage.notify import Topic, tell
from storage.outbox import enqueue
from storage.rows import words
from storage.tables import attempts, campaigns, contacts

REPORT_TOPIC = "report_mail"


_LIVE = exists().where(attempts.c.campaign_id == campaigns.c.id, attempts.c.phase != words([AttemptPhase.ENDED])[0])
_LEFT = exists().where(contacts.c.campaign_id == campaigns.c.id, contacts.c.state.in_(words(sorted(UNFINISHED))))
#: Made once: to put a statement together costs more than to run it.
_WITHOUT_CALLS = (
    select(campaigns.c.id, campaigns.c.state, or_(_LEFT, campaigns.c.stays_open).label("left"))
    .where(member(campaigns.c.id, "ids"), campaigns.c.finished_at.is_(None), ~_LIVE)
    .order_by(campaigns.c.id)
)


@dataclass(frozen=True)
class Finished:
    """A campaign whose report is due."""

    campaign_id: int
    state: CampaignState


async def lock_campaigns(conn: AsyncConnection, campaign_ids: Collection[int]) -> None:
    """Make other transactions that end or dial these campaigns wait; always taken in the order of their ids."""
    if campaign_ids and conn.dialect.name != "sqlite":
        rows = select(campaigns.c.id).where(campaigns.c.id.in_(sorted(campaign_ids))).order_by(campaigns.c.id)
        await conn.execute(rows.with_for_update(key_share=True))


async def close_finished(conn: AsyncConnection, campaign_ids: Collection[int], now: datetime) -> list[Finished]:
    """Close those of the campaigns in which no call is live and, unless they were ended, no contact is left.

    One that stays open for further contacts ends at its end date or by a person's stop alone. A campaign is completed
    only from running or paused; stopped and expired ones keep their state. Either way its report enters the outbox, in
    this transaction, once.
    """
    if not campaign_ids:
        return []
    await lock_campaigns(conn, campaign_ids)
    rows = await conn.execute(_WITHOUT_CALLS, {"ids": sorted(campaign_ids)})
    finished = []
    for campaign_id, stored, contacts_left in rows.all():
        state = CampaignState(stored)
        if state in OPEN and not contacts_left:
            finished.append(await _finish(conn, campaign_id, move_campaign(state, CampaignState.COMPLETED), now))
            await tell_moved(conn, campaign_id, state, CampaignState.COMPLETED, now)
        elif state in FINISHED:
            finished.append(await _finish(conn, campaign_id, state, now))
    return finished


async def _finish(conn: AsyncConnection, campaign_id: int, state: CampaignState, now: datetime) -> Finished:
    await conn.execute(
        update(campaigns).where(campaigns.c.id == campaign_id).values(state=state.value, finished_at=now)
    )
    # Nodes in the foreground wait for this end.
    await tell(conn, Topic.WORK)
    payload = {"campaign_id": campaign_id, "state": state.value}
    await enqueue(conn, key=f"report:{campaign_id}:{state.value}", topic=REPORT_TOPIC, payload=payload, now=now)
    return Finished(campaign_id, state)
