"""Whether contacts that are due may be called now, as far as lists, caps, the law and their own hours go.

Asked in the transaction that claims them, and once more in the one that notes that the network is about to be asked.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from campaigns import frequency, suppression, trail
from campaigns.alike import MANY, put_off_alike
from campaigns.clauses import Clause
from campaigns.hours import Hours
from campaigns.legal import Purpose
from campaigns.rules import CallingRules
from campaigns.states import ContactState
from campaigns.webhook_events import tell_contacts
from campaigns.zones import UnknownZone, whereabouts
from storage.rows import update_each
from storage.tables import contacts

# Whose hours never meet, or whose time zone is unknown, is looked at again the next day.
_LOOK_AGAIN = timedelta(days=1)
_DETAIL_LENGTH = 200


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
    hindered = [(row, found[row["id"]]) for row in rows if row["id"] in found]
    decisions = [_decision(row["id"], why) for row, why in hindered if row["detail"] != _reason(why)]
    await update_each(conn, contacts, (({"id": i}, _values(hindrance)) for i, hindrance in found.items()))
    await tell_contacts(conn, [i for i, hindrance in found.items() if isinstance(hindrance, Barred)], now)
    await trail.note(conn, decisions, by=by, now=now)
    by_law = [(row, why.until) for row, why in hindered if isinstance(why, PutOff) and why.clause is Clause.LEGAL_HOURS]
    if len(by_law) >= MANY:
        await put_off_alike(conn, by_law, by=by, now=now)


def _reason(hindrance: Hindrance) -> str:
    """What the contact's row says of it."""
    if isinstance(hindrance, Barred):
        return hindrance.detail[:_DETAIL_LENGTH]
    told = f": {hindrance.detail}" if hindrance.detail else ""
    return f"{hindrance.clause.value}{told}"[:_DETAIL_LENGTH]


def put_off_by(detail: str | None) -> Clause | None:
    """The clause by which a claim put a contact off, from the contact's `detail`; None when none did."""
    name = (detail or "").partition(":")[0]
    return Clause(name) if name in set(Clause) else None


def _values(hindrance: Hindrance) -> dict[str, Any]:
    if isinstance(hindrance, Barred):
        return {"state": hindrance.state.value, "detail": _reason(hindrance)}
    return {"next_at": hindrance.until, "detail": _reason(hindrance)}


def _decision(contact_id: int, hindrance: Hindrance) -> trail.Decision:
    detail: dict[str, Any] = {"reason": hindrance.detail} if hindrance.detail else {}
    if isinstance(hindrance, Barred):
        return trail.Decision(contact_id, "barred", hindrance.clause, detail | {"state": hindrance.state.value})
    return trail.Decision(contact_id, "put_off", hindrance.clause, detail | {"until": hindrance.until.isoformat()})


def _cap(one: frequency.Capped) -> Hindrance:
    if one.until is None:
        return Barred(one.clause, ContactState.EXHAUSTED, f"{one.clause.value}: {one.text}")
    return PutOff(one.clause, one.until, one.text)


class Admission:
    """The clauses that are a matter of the contact, judged for many contacts of one campaign at once."""

    def __init__(self, conn: AsyncConnection, now: datetime, rules: CallingRules) -> None:
        self._conn = conn
        self._now = now
        self._rules = rules
        self.hours = Hours(now, rules.legal)

    async def hindrances(self, campaign: Mapping[str, Any], rows: Sequence[Mapping[str, Any]]) -> dict[int, Hindrance]:
        """What is in the way of each of these contacts (rows of the table contacts), by id; the first clause found."""
        return {contact_id: found[0] for contact_id, found in (await self.every(campaign, rows)).items()}

    async def every(self, campaign: Mapping[str, Any], rows: Sequence[Mapping[str, Any]]) -> dict[int, list[Hindrance]]:
        """All that is in the way of each of these contacts, by id; what bars them comes first."""
        found: dict[int, list[Hindrance]] = defaultdict(list)
        if not rows:
            return found
        against = await suppression.against(self._conn, campaign, {row["number"] for row in rows})
        for row in rows:
            if row["number"] in against:
                texts = "; ".join(one.text for one in against[row["number"]])
                found[row["id"]].append(Barred(Clause.DO_NOT_CALL, ContactState.DNC_BLOCKED, f"do_not_call: {texts}"))
        for contact_id, capped in (await self._capped(campaign, rows)).items():
            found[contact_id] += capped
        for row in rows:
            if later := self._outside_hours(campaign, row):
                found[row["id"]] += later
        return found

    async def _capped(
        self, campaign: Mapping[str, Any], rows: Sequence[Mapping[str, Any]]
    ) -> dict[int, list[Hindrance]]:
        legal: dict[int, int] = {}
        if campaign["purpose"]:
            for row in rows:
                rule = self._rules.legal.rule(whereabouts(row["number"]).country, Purpose(campaign["purpose"]))
                if rule.per_24h is not None:
                    legal[row["id"]] = rule.per_24h
        found = await frequency.capped(
            self._conn, campaign, rows, now=self._now, caps=self._rules.caps, legal_per_24h=legal
        )
        return {contact_id: [_cap(one) for one in several] for contact_id, several in found.items()}

    def _outside_hours(self, campaign: Mapping[str, Any], row: Mapping[str, Any]) -> list[PutOff]:
        if not (row["time_from"] or row["time_to"] or campaign["purpose"]):
            return []
        hours = self.hours.of(campaign, row)
        closed = [clause for clause, schedule in hours.schedules.items() if not schedule.is_open(self._now)]
        later = self._now + _LOOK_AGAIN
        until = (self.hours.opening(hours) or later) if closed else later
        found = [PutOff(clause, until) for clause in closed if clause is not Clause.CAMPAIGN_WINDOW]
        if isinstance(hours.zone, UnknownZone):
            found.append(PutOff(Clause.TIME_ZONE, later, hours.zone.reason))
        return found
