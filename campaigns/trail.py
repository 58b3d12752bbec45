"""The trail of decisions on each contact, beside what its attempts left: who put it off or changed it, and why."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from campaigns.clauses import Clause
from storage.tables import contact_events


@dataclass(frozen=True)
class Decision:
    """One row of the trail; `kind` is a past participle, such as put_off, held, edited."""

    contact_id: int
    kind: str
    clause: Clause | None = None
    detail: Mapping[str, Any] | None = None


async def note(conn: AsyncConnection, decisions: Iterable[Decision], *, by: str, now: datetime) -> None:
    """Add to the trail, in the caller's transaction; `by` is a node, a token's name, or a person."""
    rows = [
        {
            "contact_id": decision.contact_id,
            "at": now,
            "by": by[:64],
            "kind": decision.kind,
            "clause": decision.clause and decision.clause.value,
            "detail": dict(decision.detail) if decision.detail else None,
        }
        for decision in decisions
    ]
    if rows:
        await conn.execute(insert(contact_events), rows)
