"""Putting off at once all those whom the law keeps from being called alike.

When legal hours end with very many contacts left, judging one after the other would keep claims busy for long.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, Final

from sqlalchemy import func, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from campaigns import trail
from campaigns.clauses import Clause
from campaigns.states import ContactState
from campaigns.zones import one_zone_prefix
from storage.rows import words
from storage.tables import contacts

#: So many found alike in one look, and the others are taken for alike too.
MANY: Final = 25
AT_ONCE: Final = 300
_QUEUED: Final = (ContactState.PENDING, ContactState.RETRY_WAIT)


async def put_off_alike(
    conn: AsyncConnection, judged: Iterable[tuple[Mapping[str, Any], datetime]], *, by: str, now: datetime
) -> None:
    """Put off those like `judged`: contacts that wait for their legal hours, each with the instant they open at."""
    found: Counter[tuple[int, str, datetime]] = Counter()
    for row, until in judged:
        prefix = one_zone_prefix(row["number"])
        own = row["time_zone"] or row["time_from"] or row["time_to"]
        if prefix is not None and not own and row["state"] in _QUEUED:
            found[row["campaign_id"], prefix, until] += 1
    for (campaign_id, prefix, until), count in found.items():
        if count >= MANY:
            await _put_off(conn, campaign_id, prefix, until, by=by, now=now)


async def _put_off(
    conn: AsyncConnection, campaign_id: int, prefix: str, until: datetime, *, by: str, now: datetime
) -> None:
    own = (contacts.c.time_zone, contacts.c.time_from, contacts.c.time_to)
    begins_so = func.substr(contacts.c.number, 1, len(prefix)) == prefix
    alike = (
        select(contacts.c.id, contacts.c.detail)
        .where(contacts.c.campaign_id == campaign_id, contacts.c.state.in_(words(_QUEUED)))
        .where(contacts.c.next_at.is_(None), begins_so, *(c.is_(None) for c in own))
        .limit(AT_ONCE)
    )
    rows = (await conn.execute(alike.with_for_update(skip_locked=True))).all()
    clause = Clause.LEGAL_HOURS
    values = {"next_at": until, "detail": clause.value}
    await conn.execute(update(contacts).where(contacts.c.id.in_([row.id for row in rows])).values(**values))
    told = {"until": until.isoformat()}
    new = (trail.Decision(row.id, "put_off", clause, told) for row in rows if row.detail != clause.value)
    await trail.note(conn, new, by=by, now=now)
