"""What happened to a contact, in order of time: decisions on it, and every phase of its attempts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from storage.tables import attempt_events, attempts, contact_events

#: Columns of an attempt that are told where it ended.
_OUTCOME: Final = ("trunk", "dial_status", "call_status", "action_code", "sip_code", "network_text")


@dataclass(frozen=True)
class Happened:
    """One entry of the trail."""

    at: datetime
    #: A node, a token's name, or a person.
    by: str
    #: claimed, phase, settled, put_off, barred, edited …
    kind: str
    #: The clause that decided, the phase that was reached, the reason, the outcome.
    detail: Mapping[str, Any]
    attempt_id: str | None = None

    def as_data(self) -> Mapping[str, Any]:
        """For programs."""
        known = {"at": self.at.isoformat(), "by": self.by, "kind": self.kind, "attempt_id": self.attempt_id}
        return known | {"detail": dict(self.detail)}


async def trail(conn: AsyncConnection, contact_id: int) -> tuple[Happened, ...]:
    """Everything that is kept of the contact, the first first."""
    found = [*await _decisions(conn, contact_id), *await _calls(conn, contact_id)]
    return tuple(sorted(found, key=lambda one: one.at))


async def _decisions(conn: AsyncConnection, contact_id: int) -> list[Happened]:
    statement = select(contact_events).where(contact_events.c.contact_id == contact_id).order_by(contact_events.c.id)
    found: list[Happened] = []
    for row in (await conn.execute(statement)).mappings():
        detail = ({"clause": row["clause"]} if row["clause"] else {}) | dict(row["detail"] or {})
        found.append(Happened(row["at"], row["by"], row["kind"], detail))
    return found


async def _calls(conn: AsyncConnection, contact_id: int) -> list[Happened]:
    outcome = [attempts.c[name] for name in _OUTCOME]
    statement = (
        select(attempt_events, attempts.c.attempt_no, *outcome)
        .join(attempts, attempts.c.id == attempt_events.c.attempt_id)
        .where(attempts.c.contact_id == contact_id)
        .order_by(attempt_events.c.id)
    )
    found: list[Happened] = []
    for row in (await conn.execute(statement)).mappings():
        detail: dict[str, Any] = {"attempt": row["attempt_no"], "phase": row["to_phase"]}
        if row["kind"] == "settled":
            detail |= {name: row[name] for name in _OUTCOME if row[name] is not None}
        told = {name: value for name, value in (row["detail"] or {}).items() if name != "who_answered"}
        found.append(Happened(row["at"], row["node"], row["kind"], detail | told, row["attempt_id"]))
    return found
