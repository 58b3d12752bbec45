"""Contacts of one campaign entering another: by retargeting, one at a time, or by recycling, in batches."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from campaigns import suppression
from campaigns.states import CampaignState, ContactState
from storage.rows import insert_new
from storage.tables import contacts

#: Campaigns in these states take contacts.
TAKING = frozenset({CampaignState.DRAFT, CampaignState.SCHEDULED, CampaignState.RUNNING, CampaignState.PAUSED})
#: What a contact keeps of the one that it is made of.
KEPT = (
    "line",
    "phone",
    "number",
    "name",
    "external_key",
    "language",
    "time_zone",
    "priority",
    "time_from",
    "time_to",
    "caller_id",
    "variables",
)


class Entry(StrEnum):
    """What became of a contact that was to enter another campaign."""

    ADDED = "added"
    #: It has entered before.
    ALREADY = "already"
    #: The campaign has its number, or its external key, already.
    DUPLICATE = "duplicate"
    DO_NOT_CALL = "do_not_call"
    #: The campaign takes no contacts any more.
    CLOSED = "closed"


@dataclass(frozen=True)
class _Held:
    sources: Collection[int]
    numbers: Collection[str]
    keys: Collection[str]


async def enter(
    conn: AsyncConnection,
    target: Mapping[str, Any],
    sources: Sequence[Mapping[str, Any]],
    *,
    origin: str,
    now: datetime,
) -> dict[int, Entry]:
    """Make contacts of the campaign `target` of these (rows of the table contacts); what became of each, by id.

    Each enters a campaign once. The caller has locked `target`, so that no import adds the same numbers meanwhile.
    """
    if CampaignState(target["state"]) not in TAKING:
        return {row["id"]: Entry.CLOSED for row in sources}
    held = await _held(conn, target, sources)
    listed = await suppression.listed(conn, target, {row["number"] for row in sources})
    entries: dict[int, Entry] = {}
    new: list[dict[str, Any]] = []
    numbers, keys = set(held.numbers), set(held.keys)
    for row in sources:
        entries[row["id"]] = entry = _judge(row, held.sources, numbers, keys, listed)
        if entry is Entry.ADDED:
            numbers.add(row["number"])
            keys.add(row["external_key"])
            new.append(_contact(row, target, origin, now))
    added = await insert_new(conn, contacts, new, "source_id")
    for row in new:
        if row["source_id"] not in added:
            entries[row["source_id"]] = Entry.ALREADY
    return entries


def _judge(
    row: Mapping[str, Any],
    sources: Collection[int],
    numbers: Collection[str],
    keys: Collection[str | None],
    listed: Collection[str],
) -> Entry:
    if row["id"] in sources:
        return Entry.ALREADY
    if row["number"] in listed:
        return Entry.DO_NOT_CALL
    taken = row["external_key"] is not None and row["external_key"] in keys
    return Entry.DUPLICATE if taken or row["number"] in numbers else Entry.ADDED


async def _held(conn: AsyncConnection, target: Mapping[str, Any], rows: Sequence[Mapping[str, Any]]) -> _Held:
    """Which of these contacts, numbers and keys the campaign has already."""
    c = contacts.c
    keys = [row["external_key"] for row in rows if row["external_key"] is not None]
    sources = select(c.source_id).where(c.campaign_id == target["id"], c.source_id.in_([row["id"] for row in rows]))
    # Without statistics SQLite would read the whole campaign for its numbers: only keys are indexed together with it.
    numbers = select(c.number).where(c.campaign_id + 0 == target["id"], c.number.in_([row["number"] for row in rows]))
    fits = c.state.not_in([ContactState.INVALID.value, ContactState.DUPLICATE.value])
    of_key = select(c.external_key).where(c.campaign_id == target["id"], c.external_key.in_(keys))
    return _Held(
        set((await conn.execute(sources)).scalars()),
        set((await conn.execute(numbers.where(fits))).scalars()),
        set((await conn.execute(of_key)).scalars()) if keys else set(),
    )


def _contact(row: Mapping[str, Any], target: Mapping[str, Any], origin: str, now: datetime) -> dict[str, Any]:
    days = target["contact_expires_days"]
    return {name: row[name] for name in KEPT} | {
        "campaign_id": target["id"],
        "source_id": row["id"],
        "state": ContactState.PENDING.value,
        "entered_at": now,
        "expires_at": now + timedelta(days=days) if days else None,
        "attempts": 0,
        "origin": origin,
    }
