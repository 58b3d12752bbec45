"""Recycling: a new campaign from any filter of a finished one's contacts (REQUIREMENTS D4)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, fields
from functools import partial
from typing import Any

from sqlalchemy import ColumnElement, Select, exists, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from campaigns.campaigns import NewCampaign, create_campaign
from campaigns.closing import lock_campaigns
from campaigns.entering import KEPT, Entry, enter
from campaigns.errors import CampaignError, UnknownCampaign
from campaigns.legal import Purpose
from campaigns.states import CampaignState, ContactState
from storage.clock import Clock
from storage.database import Database
from storage.tables import attempts, campaigns, contacts

BATCH = 2000
#: Never called, or not to be called: taken only where the filter names them.
_LEFT_OUT = frozenset({ContactState.DUPLICATE, ContactState.INVALID})
#: Settings that do not pass on to a further campaign: its dates are over.
_NOT_COPIED = frozenset({"code", "name", "start_at", "end_at"})


@dataclass(frozen=True)
class Wanted:
    """Which contacts are taken; what is empty or None takes any."""

    states: Collection[ContactState] = ()
    #: Action codes, and call statuses, of the last call.
    codes: Collection[str] = ()
    statuses: Collection[str] = ()
    #: Whether the last call was answered, and whether any was.
    answered: bool | None = None
    reached: bool | None = None


@dataclass(frozen=True)
class Recycled:
    """What a recycling did."""

    campaign_id: int
    #: Contacts that the filter takes; Σ counts.
    taken: int
    counts: Mapping[Entry, int]


async def copy_settings(database: Database, clock: Clock, campaign_id: int, *, code: str, name: str | None) -> int:
    """A draft `code` with the settings of a campaign, except its dates; its id.

    Raises `CampaignError` when the code is taken, or the settings would do no more.
    """

    async def work(conn: AsyncConnection) -> int:
        row = await _row(conn, campaign_id)
        _require_finished(row)
        same = {f.name: row[f.name] for f in fields(NewCampaign) if f.name not in _NOT_COPIED}
        same["post_conditions"] = row["post_conditions"] or ()
        # Campaigns of earlier versions had no purpose: real ones keep to the stricter law.
        same["purpose"] = row["purpose"] or (None if row["is_test"] else Purpose.ADVERTISING.value)
        new = NewCampaign(**same, code=code, name=name or row["name"])
        return await create_campaign(conn, new, clock.now())

    return await database.transact(work)


async def recycle(
    database: Database,
    clock: Clock,
    campaign_id: int,
    into: int,
    wanted: Wanted,
    *,
    progress: Callable[[int, int], None] | None = None,
    batch_rows: int = BATCH,
) -> Recycled:
    """Let the wanted contacts of a finished campaign enter the draft `into`, each once.

    They enter batch by batch, so that memory stays bounded; after an interruption the same call adds the rest.
    `progress` is told the contacts done and those wanted. Raises `CampaignError` when the one has not finished or the
    other is no draft.
    """
    async with database.read() as conn:
        source = await _row(conn, campaign_id)
        _require_finished(source)
        _require_draft(await _row(conn, into), source)
        chosen = _chosen(campaign_id, wanted)
        counting = select(func.count()).select_from(chosen.subquery())
        total = int((await conn.execute(counting)).scalar_one())
    counts: Counter[Entry] = Counter()
    last = 0
    while rows := await _batch(database, chosen, last, batch_rows):
        entries = await database.transact(partial(_enter, into=into, rows=rows, source=source, clock=clock))
        counts.update(entries.values())
        last = rows[-1]["id"]
        if progress is not None:
            progress(counts.total(), total)
    return Recycled(into, counts.total(), {entry: counts[entry] for entry in Entry if entry is not Entry.CLOSED})


async def _batch(database: Database, chosen: Select[Any], after: int, rows: int) -> Sequence[Mapping[str, Any]]:
    async with database.read() as conn:
        following = chosen.where(contacts.c.id > after).order_by(contacts.c.id).limit(rows)
        return [dict(row) for row in (await conn.execute(following)).mappings()]


async def _enter(
    conn: AsyncConnection, into: int, rows: Sequence[Mapping[str, Any]], source: Mapping[str, Any], clock: Clock
) -> dict[int, Entry]:
    await lock_campaigns(conn, [into])
    target = await _row(conn, into)
    _require_draft(target, source)
    return await enter(conn, target, rows, origin="recycle", now=clock.now())


async def _row(conn: AsyncConnection, campaign_id: int) -> dict[str, Any]:
    found = (await conn.execute(select(campaigns).where(campaigns.c.id == campaign_id))).mappings().first()
    if found is None:
        raise UnknownCampaign(f"there is no campaign with the id {campaign_id}")
    return dict(found)


def _require_finished(row: Mapping[str, Any]) -> None:
    if row["finished_at"] is None:
        raise CampaignError(
            f"campaign {row['code']} is {row['state']} and has not finished; its contacts may still be called. "
            f"Stop it first: campana campaign stop {row['code']}"
        )


def _require_draft(row: Mapping[str, Any], source: Mapping[str, Any]) -> None:
    if row["state"] != CampaignState.DRAFT:
        raise CampaignError(
            f"campaign {row['code']} is {row['state']}; recycled contacts enter a draft, so name a new code"
        )
    if row["account_id"] != source["account_id"]:
        raise CampaignError(f"campaign {row['code']} is of another account than {source['code']}; name a new code")


def _chosen(campaign_id: int, wanted: Wanted) -> Select[Any]:
    """The wanted contacts' ids and what they keep; the last call is looked up only where a filter asks for it."""
    c = contacts.c
    statement = select(c.id, *(c[name] for name in KEPT)).select_from(contacts)
    statement = statement.where(c.campaign_id == campaign_id, c.number.is_not(None))
    if wanted.states:
        statement = statement.where(c.state.in_([state.value for state in wanted.states]))
    else:
        statement = statement.where(c.state.not_in([state.value for state in sorted(_LEFT_OUT)]))
    if wanted.reached is not None:
        answered = exists().where(attempts.c.contact_id == c.id, attempts.c.answered_at.is_not(None))
        statement = statement.where(answered if wanted.reached else ~answered)
    last = attempts.alias("last")
    conditions = _of_last_call(wanted, last)
    if conditions:
        statement = statement.join(last, last.c.id == _last_call()).where(*conditions)
    return statement


def _last_call() -> ColumnElement[str]:
    placed = select(attempts.c.id).where(attempts.c.contact_id == contacts.c.id, attempts.c.originated_at.is_not(None))
    order = (attempts.c.originated_at.desc(), attempts.c.attempt_no.desc(), attempts.c.id.desc())
    newest = placed.order_by(*order).limit(1)
    return newest.correlate(contacts).scalar_subquery()


def _of_last_call(wanted: Wanted, last: Any) -> list[ColumnElement[bool]]:
    conditions: list[ColumnElement[bool]] = []
    if wanted.codes:
        conditions.append(last.c.action_code.in_(list(wanted.codes)))
    if wanted.statuses:
        conditions.append(last.c.call_status.in_(list(wanted.statuses)))
    if wanted.answered is not None:
        answered = last.c.answered_at
        conditions.append(answered.is_not(None) if wanted.answered else answered.is_(None))
    return conditions
