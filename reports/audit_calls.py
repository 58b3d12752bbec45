"""Audit of what was said and recorded, and of the report itself."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from sqlalchemy import and_, case, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from reports.checks import Check, Of, check
from reports.measures import ANSWERED, TALK_MS
from reports.overview import overview
from reports.recount import as_counted, recount
from reports.scope import Scope
from reports.wav import read_wav
from storage.tables import attempts, campaigns, recordings, turns

#: How far a recording's length may lie from the talk time.
TOLERANCE_MS = 100


async def messages(conn: AsyncConnection, of: Of) -> Check:
    """An attempt's messages are its bot turns."""
    spoken = (
        select(func.count())
        .where(turns.c.attempt_id == attempts.c.id, turns.c.speaker == "bot")
        .correlate(attempts)
        .scalar_subquery()
    )
    each = select(attempts.c.id, attempts.c.messages, spoken.label("spoken")).where(*of.ended()).subquery()
    said, found = (await conn.execute(select(func.sum(each.c.messages), func.sum(each.c.spoken)))).one()
    wrong = select(each).where(each.c.messages != each.c.spoken).order_by(each.c.id)
    rows = [f"attempt {id_} counts {n} messages and has {m} turns" for id_, n, m in (await conn.execute(wrong)).all()]
    return check("messages = bot turns", int(said or 0), int(found or 0), rows)


async def recorded(conn: AsyncConnection, of: Of, recordings_dir: Path) -> Check:
    """Every answered call has a recording as long as its talk time, within `TOLERANCE_MS`.

    A call that was handed over to the network took its audio with it: its recording may end anywhere from the transfer
    on. Left out are calls whose recording is known to be broken (a full disk) and calls lost with their node.
    """
    c = attempts.c
    handed = and_(c.transfer_by == "hand_over", c.transfer_joined_ms.is_not(None))
    least = case((and_(handed, c.transfer_asked_ms < TALK_MS), c.transfer_asked_ms), else_=TALK_MS)
    statement = (
        select(c.id, TALK_MS.label("talk_ms"), least.label("least_ms"), recordings.c.path, recordings.c.duration_ms)
        .outerjoin(recordings, recordings.c.attempt_id == attempts.c.id)
        .where(*of.calls(), ANSWERED, recordings.c.error.is_(None), attempts.c.lost.is_(False))
        .order_by(attempts.c.id)
    )
    calls = (await conn.execute(statement)).all()
    faults = await asyncio.to_thread(lambda: [_fault(row, recordings_dir) for row in calls])
    wrong = [fault for fault in faults if fault]
    return check("recordings' length = talk time", len(calls), len(calls) - len(wrong), wrong)


def _fault(row: Any, folder: Path) -> str | None:
    if row.path is None:
        return f"attempt {row.id} was answered and has no recording"
    try:
        length_ms = read_wav(folder / row.path).duration_ms
    except OSError as error:
        return f"attempt {row.id}: {row.path}: {error.strerror or error}"
    except ValueError as error:
        return f"attempt {row.id}: {row.path} {error}"
    within = row.least_ms - TOLERANCE_MS <= length_ms <= row.talk_ms + TOLERANCE_MS
    if not within or abs(length_ms - row.duration_ms) > TOLERANCE_MS:
        return f"attempt {row.id} talked {row.talk_ms} ms, its recording has {length_ms} ms (said {row.duration_ms})"
    return None


async def report(conn: AsyncConnection, of: Of) -> Check:
    """The report's figures are those of a recount in plain Python."""
    ids = [of.campaign_id] if of.campaign_id is not None else await _campaign_ids(conn)
    compared, rows = 0, []
    for campaign_id in ids:
        reported = as_counted(await overview(conn, Scope(campaign_id)))
        counted = await recount(conn, campaign_id)
        compared += len(counted)
        rows += [
            f"campaign {campaign_id}: {name} is reported as {reported[name]}, counted as {value}"
            for name, value in counted.items()
            if reported[name] != value
        ]
    return check("report = recount from attempts", compared, compared - len(rows), rows)


async def _campaign_ids(conn: AsyncConnection) -> list[int]:
    return list((await conn.execute(select(campaigns.c.id).order_by(campaigns.c.id))).scalars())
