"""The calls that are on now, by all that limits them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from campaigns.due import live_counts
from campaigns.routing import CHANNELS, busy_channels
from campaigns.shares import allowed, kept_free
from storage.tables import accounts, attempts, campaigns

#: The origin of attempts to contacts who had agreed on a time.
CALLBACK_ORIGIN = "callback"


@dataclass(frozen=True)
class Occupancy:
    """Live attempts, counted in one transaction."""

    by_campaign: Mapping[int, int]
    #: Of these, to contacts who had agreed on a time.
    callbacks: Mapping[int, int]
    #: Channels that a campaign holds, by campaign and trunk.
    on_trunk: Mapping[tuple[int, str], int]
    #: Channels in use by trunk.
    busy: Mapping[str, int]


async def occupancy(conn: AsyncConnection) -> Occupancy:
    """Count the live attempts of every campaign."""
    by_campaign: Counter[int] = Counter()
    callbacks: Counter[int] = Counter()
    on_trunk: Counter[tuple[int, str]] = Counter()
    rows = (await conn.execute(live_counts(attempts.c.origin))).all()
    for campaign_id, trunk, phase, origin, count in rows:
        by_campaign[campaign_id] += count
        on_trunk[campaign_id, trunk] += CHANNELS.get(phase, 1) * count
        if origin == CALLBACK_ORIGIN:
            callbacks[campaign_id] += count
    busy = busy_channels((trunk, phase, count) for _, trunk, phase, _, count in rows)
    return Occupancy(by_campaign, callbacks, on_trunk, busy)


async def lock_accounts(conn: AsyncConnection, account_ids: Collection[int]) -> None:
    """Make other transactions that claim for these accounts wait, so that none counts its calls meanwhile.

    Taken before any contact is, though accounts come last elsewhere: a claim waits for no contact (SKIP LOCKED).
    """
    if account_ids and conn.dialect.name != "sqlite":
        rows = select(accounts.c.id).where(accounts.c.id.in_(sorted(account_ids))).order_by(accounts.c.id)
        await conn.execute(rows.with_for_update(key_share=True))


async def account_room(conn: AsyncConnection, most: Mapping[int, int], taken: Occupancy) -> dict[int, int]:
    """By account (id → its calls at once at most): how many more it may have."""
    if not most:
        return {}
    room = dict(most)
    owners = select(campaigns.c.id, campaigns.c.account_id).where(campaigns.c.account_id.in_(sorted(most)))
    live = owners.where(campaigns.c.id.in_(sorted(taken.by_campaign)))
    for campaign_id, account_id in (await conn.execute(live)).all():
        room[account_id] -= taken.by_campaign[campaign_id]
    return room


def told_full(campaign: Mapping[str, Any], taken: Occupancy, now: datetime) -> tuple[bool, str, datetime | None]:
    """Whether a campaign's own calls at once are all on, that in words, and when it may have more by itself.

    `campaign` is a row of the table campaigns.
    """
    live, most = taken.by_campaign.get(campaign["id"], 0), campaign["concurrency"]
    calls, more_at = allowed(campaign, now)
    kept = kept_free(campaign["callback_reserve"], taken.callbacks.get(campaign["id"], 0))
    text = f"{live} of the campaign's {calls} calls at once are on"
    if more_at is not None:
        text += f" (slow start: of {most} in the end)"
    if kept and live < calls:
        text += f"; {kept} kept for call-backs"
    return live + kept >= calls, text, more_at
