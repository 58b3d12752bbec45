"""The clauses that are a matter of the contact: its state, its waits, its hours, its number."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from campaigns.admission import Admission, Hindrance, PutOff, put_off_by
from campaigns.clauses import Clause
from campaigns.due import KINDS, has_attempts_left, is_due, number_is_live
from campaigns.explain_campaign import Standing
from campaigns.findings import Finding, of_hours
from campaigns.states import ContactState
from campaigns.zones import UnknownZone, whereabouts
from storage.tables import contacts

#: What admission judges, and what is told of it when nothing is in the way.
_JUDGED: Final[Mapping[Clause, str]] = {
    Clause.OWN_WINDOW: "the contact has no hours of its own",
    Clause.TIME_ZONE: "the campaign keeps to no legal hours",
    Clause.LEGAL_HOURS: "the campaign keeps to no legal hours",
    Clause.DO_NOT_CALL: "nothing stands against calling the number",
    Clause.FREQUENCY_CAP: "no cap is reached",
    Clause.NO_CALL_BACK_PERIOD: "no answered call keeps the number free of calls",
}


async def findings(conn: AsyncConnection, admission: Admission, at: Standing, row: Mapping[str, Any]) -> list[Finding]:
    """Every clause that is a matter of the contact, a row of the table contacts."""
    held: Sequence[Hindrance] = ()
    if row["number"] is not None:
        held = (await admission.every(at.row, [row])).get(row["id"], ())
    queued = await _queued(conn, at, row, {hindrance.clause for hindrance in held})
    return [*queued, *_admitted(admission, at, row, {hindrance.clause: hindrance for hindrance in reversed(held)})]


async def _queued(conn: AsyncConnection, at: Standing, row: Mapping[str, Any], hindering: set[Clause]) -> list[Finding]:
    """What the claim asks of the contact's row, by the claim's own conditions."""
    kinds = [kind.where for kind in KINDS]
    left = [has_attempts_left(at.row, kind) for kind in KINDS]
    asked = select(is_due(at.now), number_is_live(), *kinds, *left).where(contacts.c.id == row["id"])
    due, live, *rest = (await conn.execute(asked)).one()
    of_kind = next((place for place, is_kind in enumerate(rest[: len(kinds)]) if is_kind), None)
    # In a state that is not dialled it would come back as one of the last kind.
    attempts_left = rest[len(kinds) + (len(kinds) - 1 if of_kind is None else of_kind)]
    made = f"{row['attempts']} of {at.row['max_attempts']} attempts made"
    number = "in a call now" if live else "in no call now"
    return [
        _state(row, waits=of_kind is not None),
        _next_at(row, hindering, due=bool(due)),
        Finding(Clause.ATTEMPTS_LEFT, ok=bool(attempts_left), text=made),
        Finding(Clause.NUMBER_LIVE, ok=not live, text=f"the number is {number}"),
    ]


def _state(row: Mapping[str, Any], *, waits: bool) -> Finding:
    if row["number"] is None:
        return Finding(Clause.CONTACT_STATE, ok=False, text=f"the contact is {row['state']}: it has no number")
    # What put it off is told by its own clause; what took it out is not.
    why = f": {row['detail']}" if row["detail"] and not waits else ""
    return Finding(Clause.CONTACT_STATE, ok=waits, text=f"the contact is {row['state']}{why}")


def _next_at(row: Mapping[str, Any], hindering: set[Clause], *, due: bool) -> Finding:
    if due:
        return Finding(Clause.NEXT_AT, ok=True, text="due")
    later = f"{row['next_at']:%Y-%m-%d %H:%M:%S} UTC"
    clause = put_off_by(row["detail"])
    if clause in hindering:
        # It waits for that clause alone, and is told of there.
        return Finding(Clause.NEXT_AT, ok=True, text=f"put off by {clause.value}, looked at again at {later}")
    why = {ContactState.CALLBACK: "the customer asked for", ContactState.RETRY_WAIT: "the next attempt is for"}
    told = why.get(ContactState(row["state"]), "not before")
    told = f"put off by {clause.value} until" if clause else told
    return Finding(Clause.NEXT_AT, ok=False, text=f"{told} {later}", opens_at=row["next_at"])


def _admitted(
    admission: Admission, at: Standing, row: Mapping[str, Any], held: Mapping[Clause, Hindrance]
) -> list[Finding]:
    found = _hours(admission, at, row) if row["number"] is not None else {}
    for clause, text in _JUDGED.items():
        hindrance = held.get(clause)
        if hindrance is not None and (clause not in found or found[clause].ok):
            found[clause] = _hindered(hindrance)
        found.setdefault(clause, Finding(clause, ok=True, text=text))
    return list(found.values())


def _hindered(hindrance: Hindrance) -> Finding:
    # A zone does not become known by itself; it is only looked at again.
    by_itself = isinstance(hindrance, PutOff) and hindrance.clause is not Clause.TIME_ZONE
    until = hindrance.until if isinstance(hindrance, PutOff) and by_itself else None
    return Finding(hindrance.clause, ok=False, text=hindrance.detail or hindrance.clause.value, opens_at=until)


def _hours(admission: Admission, at: Standing, row: Mapping[str, Any]) -> dict[Clause, Finding]:
    """What the contact's own and the law's hours say by themselves: the claim waits until all are open together."""
    found: dict[Clause, Finding] = {}
    hours = admission.hours.of(at.row, row)
    country, purpose = whereabouts(row["number"]).country, at.row["purpose"]
    source = f"; {hours.rule.source}" if hours.rule and hours.rule.source else ""
    told = {Clause.LEGAL_HOURS: f" for {purpose} in {country or 'no country'}{source}"}
    for clause, schedule in hours.schedules.items():
        if clause is not Clause.CAMPAIGN_WINDOW:
            found[clause] = of_hours(clause, schedule, at.now, told.get(clause, ""))
    if isinstance(hours.zone, UnknownZone):
        nothing = "told once the time zone is known"
        found[Clause.LEGAL_HOURS] = Finding(Clause.LEGAL_HOURS, ok=True, text=nothing)
    elif hours.zone is not None:
        found[Clause.TIME_ZONE] = Finding(Clause.TIME_ZONE, ok=True, text=hours.zone)
    return found
