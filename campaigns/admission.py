"""Whether contacts that are due may be called now, as far as lists, caps, the law and their own hours go.

Asked in the transaction that claims them, and once more in the one that notes that the network is about to be asked.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from campaigns import suppression, trail
from campaigns.clauses import Clause
from campaigns.rules import CallingRules
from campaigns.states import ContactState
from campaigns.windows import campaign_schedule, contact_schedule, next_common_opening
from storage.rows import update_each
from storage.tables import contacts

# A contact whose own window never meets the campaign's is looked at again the next day.
_LOOK_AGAIN = timedelta(days=1)


@dataclass(frozen=True)
class PutOff:
    """Not now: looked at again at `until`."""

    clause: Clause
    until: datetime
    detail: str | None = None


@dataclass(frozen=True)
class Barred:
    """Never in this campaign: the contact goes to `state`."""

    clause: Clause
    state: ContactState
    detail: str


Hindrance = PutOff | Barred


async def set_aside(
    conn: AsyncConnection,
    rows: Iterable[Mapping[str, Any]],
    found: Mapping[int, Hindrance],
    *,
    by: str,
    now: datetime,
) -> None:
    """Put off or take out the contacts that are hindered; the trail tells it when the reason is a new one."""
    decisions: list[trail.Decision] = []
    for row in rows:
        hindrance = found.get(row["id"])
        if hindrance is not None and row["detail"] != _reason(hindrance):
            decisions.append(_decision(row["id"], hindrance))
    await update_each(conn, contacts, (({"id": i}, _values(hindrance)) for i, hindrance in found.items()))
    await trail.note(conn, decisions, by=by, now=now)


def _reason(hindrance: Hindrance) -> str:
    """What the contact's row says of it."""
    return hindrance.detail or hindrance.clause.value


def _values(hindrance: Hindrance) -> dict[str, Any]:
    if isinstance(hindrance, Barred):
        return {"state": hindrance.state.value, "detail": _reason(hindrance)}
    return {"next_at": hindrance.until, "detail": _reason(hindrance)}


def _decision(contact_id: int, hindrance: Hindrance) -> trail.Decision:
    detail: dict[str, Any] = {"reason": hindrance.detail} if hindrance.detail else {}
    if isinstance(hindrance, Barred):
        return trail.Decision(contact_id, "barred", hindrance.clause, detail | {"state": hindrance.state.value})
    return trail.Decision(contact_id, "put_off", hindrance.clause, detail | {"until": hindrance.until.isoformat()})


class Admission:
    """The clauses that are a matter of the contact, judged for many contacts of one campaign at once."""

    def __init__(self, conn: AsyncConnection, now: datetime, rules: CallingRules) -> None:
        self._conn = conn
        self._now = now
        self._rules = rules

    async def hindrances(self, campaign: Mapping[str, Any], rows: Sequence[Mapping[str, Any]]) -> dict[int, Hindrance]:
        """What is in the way of each of these contacts (rows of the table contacts), by id; the first clause found."""
        found: dict[int, Hindrance] = {}
        if not rows:
            return found
        listed = await suppression.listed(self._conn, campaign, {row["number"] for row in rows})
        for row in rows:
            if (against := listed.get(row["number"])) is not None:
                found[row["id"]] = Barred(Clause.DO_NOT_CALL, ContactState.DNC_BLOCKED, f"do_not_call: {against.text}")
            elif (hindrance := self._own_window(campaign, row)) is not None:
                found[row["id"]] = hindrance
        return found

    def _own_window(self, campaign: Mapping[str, Any], row: Mapping[str, Any]) -> PutOff | None:
        if not (row["time_from"] or row["time_to"]):
            return None
        own, schedule = contact_schedule(row, campaign["time_zone"]), campaign_schedule(campaign)
        opening = next_common_opening([schedule, own], self._now) or self._now + _LOOK_AGAIN
        return PutOff(Clause.OWN_WINDOW, opening) if opening > self._now else None
