"""What a call leaves beside its own row: turns, the recording, and the wish not to be called again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any

from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from bot.outcome import Recording, Turn
from campaigns.states import WAITING, ContactState
from campaigns.suppression import Source, add_opt_outs
from campaigns.webhook_events import tell_contacts
from storage.tables import campaigns, contacts
from storage.texts import storable


async def store_opt_outs(conn: AsyncConnection, opted_out: Sequence[Mapping[str, Any]], now: datetime) -> set[int]:
    """Put the numbers of these attempts (rows with `evidence`) onto the do-not-call list and out of their account's
    campaigns; the campaigns concerned."""
    rows = [
        {
            "account_id": row["account_id"],
            "number": row["number"],
            "source": Source.OPT_OUT.value,
            "attempt_id": row["id"],
            "evidence": row["evidence"],
            "created_at": now,
        }
        for row in opted_out
    ]
    await add_opt_outs(conn, rows)
    touched: set[int] = set()
    for row in rows:
        blocked = await _block_waiting(conn, row["account_id"], row["number"])
        await tell_contacts(conn, blocked.keys(), now)
        touched |= set(blocked.values())
    return touched


async def _block_waiting(conn: AsyncConnection, account_id: int, number: str) -> dict[int, int]:
    """Take the number's waiting contacts out of every campaign of the account; they, and the campaign of each."""
    of_account = select(campaigns.c.id).where(campaigns.c.account_id == account_id)
    statement = (
        update(contacts)
        .where(contacts.c.number == number, contacts.c.campaign_id.in_(of_account))
        .where(contacts.c.state.in_([state.value for state in WAITING]))
        .values(state=ContactState.DNC_BLOCKED.value, detail="do_not_call")
        .returning(contacts.c.id, contacts.c.campaign_id)
    )
    return {row.id: row.campaign_id for row in (await conn.execute(statement)).all()}


def turn_row(attempt_id: str, turn_no: int, turn: Turn) -> dict[str, Any]:
    """A row of the table turns."""
    row: dict[str, Any] = storable(asdict(turn))
    return row | {
        "attempt_id": attempt_id,
        "turn_no": turn_no,
        "speaker": turn.speaker.value,
        "heard": list(row["heard"]) or None,
        "collected": row["collected"] or None,
        "latency": {part: ms for part, ms in row["latency"].items() if ms is not None} or None,
    }


def recording_row(attempt_id: str, recording: Recording, now: datetime) -> dict[str, Any]:
    """A row of the table recordings."""
    return asdict(recording) | {"attempt_id": attempt_id, "path": recording.path.as_posix(), "created_at": now}
