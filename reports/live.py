"""A running campaign as it stands now: contacts by state, calls in progress, codes so far."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import exists, func, select, type_coerce
from sqlalchemy.ext.asyncio import AsyncConnection

from reports.measures import FINISHED, Totals, totals
from reports.overview import CodeCount, code_counts
from reports.scope import CampaignHead, Scope, campaign_head
from reports.trunks import TrunkPause, trunk_pause
from reports.wording import OPEN_CONTACT_STATES
from storage.rows import words
from storage.tables import attempts, contacts
from storage.types import UtcTime

_QUEUED, _PROMISED = ("pending", "retry_wait"), ("callback",)


@dataclass(frozen=True)
class LiveCall:
    """A call in progress; `since` is when its phase began."""

    attempt_id: str
    number: str
    name: str | None
    attempt_no: int
    phase: str
    since: datetime


@dataclass(frozen=True)
class Live:
    """The present state of a campaign."""

    campaign: CampaignHead
    states: tuple[tuple[str, int], ...]
    calls: tuple[LiveCall, ...]
    codes: tuple[CodeCount, ...]
    totals: Totals
    #: When the next contact may be called, while nobody is called and somebody is still to be.
    next_at: datetime | None
    #: Why calls do not go out by the first trunk, when they do not.
    trunk: TrunkPause | None = None

    @property
    def contacts(self) -> int:
        return sum(n for _, n in self.states)

    @property
    def settled(self) -> int:
        """Contacts that need no further call."""
        return sum(n for state, n in self.states if state not in OPEN_CONTACT_STATES)

    @property
    def is_over(self) -> bool:
        return self.campaign.finished_at is not None


async def live(conn: AsyncConnection, campaign_id: int) -> Live:
    """The campaign's present state; raises `NoSuchCampaign`."""
    head = await campaign_head(conn, campaign_id)
    scope = Scope(campaign_id)
    states = select(contacts.c.state, func.count()).where(contacts.c.campaign_id == campaign_id)
    rows = (await conn.execute(states.group_by(contacts.c.state).order_by(contacts.c.state))).all()
    calls = await _calls(conn, campaign_id)
    return Live(
        campaign=head,
        states=tuple((state, n) for state, n in rows),
        calls=calls,
        codes=await code_counts(conn, scope),
        totals=await totals(conn, scope),
        next_at=None if calls else await _next_at(conn, campaign_id),
        trunk=await trunk_pause(conn, campaign_id),
    )


async def _calls(conn: AsyncConnection, campaign_id: int) -> tuple[LiveCall, ...]:
    c = attempts.c
    since = func.coalesce(c.ended_at, c.answered_at, c.ringing_at, c.originated_at, c.claimed_at)
    statement = (
        select(
            c.id.label("attempt_id"),
            c.number,
            contacts.c.name,
            c.attempt_no,
            c.phase,
            type_coerce(since, UtcTime).label("since"),
        )
        .join(contacts, contacts.c.id == c.contact_id)
        .where(c.campaign_id == campaign_id, ~FINISHED)
        .order_by(c.claimed_at, c.id)
    )
    return tuple(LiveCall(**row) for row in (await conn.execute(statement)).mappings().all())


async def _next_at(conn: AsyncConnection, campaign_id: int) -> datetime | None:
    mine, next_at = contacts.c.campaign_id == campaign_id, contacts.c.next_at
    queued, promised = (contacts.c.state.in_(words(states)) for states in (_QUEUED, _PROMISED))
    ready = exists().where(mine, queued, next_at.is_(None), contacts.c.time_from.is_(None))
    soonest = (
        select(type_coerce(func.min(next_at), UtcTime).label("at")).where(mine, of_these, next_at.is_not(None))
        for of_these in (queued, promised)
    )
    times = [await conn.scalar(each) for each in soonest]
    if await conn.scalar(select(ready)):
        return None
    return min((at for at in times if at is not None), default=None)
