"""Outcomes entered for contacts that were met outside the dialler (REQUIREMENTS C12): no call, no cost."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, Final

from sqlalchemy import RowMapping, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from campaigns.closing import Finished, close_finished
from campaigns.codes import DEFAULTS, ActionCode, CodeClass, CodeTable
from campaigns.contact_entry import Hand, storable
from campaigns.contact_rows import contact_row
from campaigns.errors import BadVisit, ContactBusy
from campaigns.intake import lock_campaign
from campaigns.keeping import store_opt_outs
from campaigns.retries import Exhausted, Outcome, Retry, next_move, parse_rules
from campaigns.states import WAITING, AttemptPhase, ContactState
from campaigns.trail import Decision, note
from campaigns.webhook_events import tell_contacts
from storage.tables import accounts, attempt_events, attempts, contacts
from storage.types import is_tellable

CALL_TYPE: Final = "visitor"
_NOUGHT: Final = Decimal(0)
_NOTE_LENGTH: Final = 500
#: Where a contact rests whom no rule calls again after a visit of this class.
_RESTS: Final[Mapping[CodeClass, ContactState]] = {
    CodeClass.SUCCESS: ContactState.DONE,
    CodeClass.UNSUCCESSFUL: ContactState.EXHAUSTED,
    CodeClass.ERROR: ContactState.ERROR,
    CodeClass.NOT_COUNTED: ContactState.CANCELLED,
}


@dataclass(frozen=True)
class Visit:
    """What came of meeting a contact."""

    #: One of the campaign's codes.
    code: str
    #: None: now.
    at: datetime | None = None
    note: str | None = None
    #: When the customer wants to be called; needed for the code CB.
    call_back_at: datetime | None = None


@dataclass(frozen=True)
class Visited:
    """A visit that was entered."""

    attempt_id: str
    contact_id: int
    code: str
    #: The contact's state since then.
    state: ContactState
    #: Campaigns in which it was the last contact that was waited for.
    finished: tuple[Finished, ...] = ()


@dataclass(frozen=True)
class _Met:
    """A visit with the rows that it is about."""

    campaign: RowMapping
    contact: RowMapping
    code: ActionCode
    visit: Visit


async def note_visit(conn: AsyncConnection, contact_id: int, visit: Visit, hand: Hand) -> Visited:
    """See `Contacts.visit`."""
    campaign = await lock_campaign(conn, (await contact_row(conn, contact_id))["campaign_id"])
    contact = await contact_row(conn, contact_id, lock=True)
    code = _code(campaign, visit, hand.now)
    if contact["state"] == ContactState.IN_PROGRESS:
        raise ContactBusy(f"contact {contact_id} is in a call; enter the visit when the call has ended")
    if contact["number"] is None:
        raise BadVisit(f"contact {contact_id} has no telephone number that can be read; mend it first")
    met = _Met(campaign, contact, code, visit)
    attempt_id = await _store(conn, met, hand)
    state, next_at = await _after(conn, met, attempt_id, hand.now)
    if (state, next_at) != (contact["state"], contact["next_at"]):
        values = {"state": state.value, "next_at": next_at, "detail": None}
        await conn.execute(update(contacts).where(contacts.c.id == contact_id).values(values))
    if state != contact["state"]:
        await tell_contacts(conn, [contact_id], hand.now)
    touched = {int(campaign["id"])}
    if _is(campaign, code, "DNC"):
        evidence = f"visit: {visit.note or ''}"[:_NOTE_LENGTH]
        said = {"account_id": campaign["account_id"], "number": contact["number"], "evidence": evidence}
        touched |= await store_opt_outs(conn, [said | {"id": attempt_id}], hand.now)
    detail = {"attempt": attempt_id, "code": code.code, "note": visit.note, "was": contact["state"]}
    await note(conn, [Decision(contact_id, "visited", detail=detail)], by=hand.by, now=hand.now)
    finished = await close_finished(conn, sorted(touched), hand.now)
    return Visited(attempt_id, contact_id, code.code, state, tuple(finished))


def _code(campaign: RowMapping, visit: Visit, now: datetime) -> ActionCode:
    table = CodeTable.from_json(campaign["codes"])
    known = {table.default(name).code: table.default(name) for name in DEFAULTS if name != "XC"} | dict(table.custom)
    if visit.code not in known:
        raise BadVisit(f"code: the campaign has no code {visit.code!r}; it has {', '.join(sorted(known))}")
    for name, instant in (("at", visit.at), ("call_back_at", visit.call_back_at)):
        if instant is not None and instant.tzinfo is None:
            raise BadVisit(f"{name}: {instant} has no UTC offset; write one, such as 2026-03-02T14:30+07:00")
        if instant is not None and not is_tellable(instant):
            raise BadVisit(f"{name}: {instant} is at the calendar's end; write a day such as 2026-03-02")
    if visit.note is not None and not storable(visit.note):
        raise BadVisit("note: it holds characters that cannot be kept: NUL, or half of a pair")
    if visit.at is not None and visit.at > now:
        raise BadVisit(f"at: {visit.at:%Y-%m-%d %H:%M} has not come yet; enter a visit when it has taken place")
    if _is(campaign, known[visit.code], "CB") and visit.call_back_at is None:
        raise BadVisit(f"code {visit.code}: say when the customer wants to be called")
    return known[visit.code]


def _is(campaign: RowMapping, code: ActionCode, default: str) -> bool:
    return code.code == CodeTable.from_json(campaign["codes"]).default(default).code


async def _store(conn: AsyncConnection, met: _Met, hand: Hand) -> str:
    """The visit as an attempt that was made by nobody's trunk, is settled, and costs nothing; its id."""
    campaign, contact, code, visit = met.campaign, met.contact, met.code, met.visit
    at, attempt_id = visit.at or hand.now, uuid.uuid4().hex
    instants = ("lease_until", "claimed_at", "originated_at", "answered_at", "ended_at")
    currency = await conn.scalar(select(accounts.c.currency).where(accounts.c.id == campaign["account_id"]))
    row: dict[str, Any] = {
        "id": attempt_id,
        "account_id": campaign["account_id"],
        "campaign_id": campaign["id"],
        "contact_id": contact["id"],
        "bot_id": campaign["bot_id"],
        "trunk": "",
        "attempt_no": contact["attempts"] + 1,
        "call_type": CALL_TYPE,
        "is_test": campaign["is_test"],
        "origin": "visit",
        "number": contact["number"],
        "node": "",
        "phase": AttemptPhase.ENDED.value,
        **dict.fromkeys(instants, at),
        "settled_at": hand.now,
        "action_code": code.code,
        "code_class": code.code_class.value,
        "code_family": code.family,
        "generic_result": code.generic_result.value,
        "counted": False,
        "bot_ms": 0,
        "tariff_snapshot": {},
        "currency": currency,
        **dict.fromkeys(("cost_bot", "cost_telecom", "cost_fees", "cost_vat", "cost_agent"), _NOUGHT),
    }
    await conn.execute(insert(attempts).values(row))
    event = {"attempt_id": attempt_id, "at": hand.now, "node": hand.by[:64], "kind": "visited"}
    detail = {"note": visit.note[:_NOTE_LENGTH]} if visit.note else None
    await conn.execute(insert(attempt_events).values(**event, to_phase=AttemptPhase.ENDED.value, detail=detail))
    return attempt_id


async def _after(
    conn: AsyncConnection, met: _Met, visit_id: str, now: datetime
) -> tuple[ContactState, datetime | None]:
    """Where a waiting contact goes, as after a call with this code; one that is through stays as it is.

    What was entered last is the newest that is known of the contact, whenever it took place.
    """
    campaign, contact, code, visit = met.campaign, met.contact, met.code, met.visit
    state = ContactState(contact["state"])
    if state not in WAITING:
        return state, contact["next_at"]
    if _is(campaign, code, "DNC"):
        return ContactState.OPTED_OUT, None
    if visit.call_back_at is not None:
        return ContactState.CALLBACK, max(visit.call_back_at, now)
    c = attempts.c
    before = select(c.call_status, c.action_code).where(
        c.contact_id == contact["id"], c.action_code.is_not(None), c.originated_at.is_not(None), c.id != visit_id
    )
    rows = (await conn.execute(before.order_by(c.claimed_at, c.id))).all()
    history = [*(Outcome(call_status or "", action_code) for call_status, action_code in rows), Outcome("", code.code)]
    rules = parse_rules(campaign["retry_rules"])
    match next_move(rules, max_attempts=campaign["max_attempts"], history=history, made=contact["attempts"], now=now):
        case Retry(at):
            # Whoever is held stays so until a person releases it.
            return (state if state is ContactState.HELD else ContactState.RETRY_WAIT), at
        case Exhausted():
            return ContactState.EXHAUSTED, None
        case _:
            return _RESTS[code.code_class], None
