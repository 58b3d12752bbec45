"""The outcome of a call as a person sets it afterwards: another code, perhaps a call-back (REQUIREMENTS C8)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from campaigns import suppression
from campaigns.closing import Finished, close_finished, lock_campaigns
from campaigns.codes import ActionCode, CodeClass, CodeTable
from campaigns.errors import CampaignError
from campaigns.keeping import store_opt_outs
from campaigns.retries import Done, Outcome, next_move, parse_rules
from campaigns.settling import CALLBACK_EXTRA, resting
from campaigns.states import OPEN, AttemptPhase, ContactState
from campaigns.trail import Decision, note
from campaigns.webhook_events import tell_contacts
from storage.clock import Clock
from storage.database import Database
from storage.notify import Topic, tell
from storage.tables import attempt_events, attempts, campaigns, contacts
from telephony.outcomes import CallStatus

#: States that follow from the code of the last call.
_RESTING = frozenset({ContactState.DONE, ContactState.EXHAUSTED, ContactState.ERROR})
#: Contacts in these may be called at a time that a person sets.
_MAY_BE_CALLED = _RESTING | {
    ContactState.HELD,
    ContactState.PENDING,
    ContactState.RETRY_WAIT,
    ContactState.CALLBACK,
    ContactState.CANCELLED,
}


@dataclass(frozen=True)
class SetOutcome:
    """What a person asks for; instants are UTC."""

    attempt_id: str
    code: str
    by: str
    note: str | None = None
    call_back_at: datetime | None = None


@dataclass(frozen=True)
class OutcomeSet:
    """What came of it."""

    campaign_id: int
    contact_id: int
    old_code: str
    code: str
    code_class: CodeClass
    generic_result: str
    contact_state: ContactState
    next_at: datetime | None
    #: Campaigns that this has ended: their last contact rests now.
    finished: tuple[Finished, ...] = ()


async def campaign_zone(database: Database, attempt_id: str) -> str:
    """The time zone of the campaign that an attempt was made for; raises `CampaignError`."""
    async with database.read() as conn:
        of_attempt = select(campaigns.c.time_zone).join(attempts, attempts.c.campaign_id == campaigns.c.id)
        found = (await conn.execute(of_attempt.where(attempts.c.id == attempt_id))).scalar()
    if found is None:
        raise _unknown(attempt_id)
    return str(found)


async def set_outcome(database: Database, clock: Clock, wish: SetOutcome) -> OutcomeSet:
    """Give an attempt that has ended another code of its campaign; the bill keeps.

    The contact goes where the code of its last call sends it, or waits for the call-back. Raises `CampaignError` for
    a call that goes on, a code that the campaign has not, and a call-back that could never be made.
    """
    return await database.transact(lambda conn: _Setting(conn, clock.now(), wish).run())


def _unknown(attempt_id: str) -> CampaignError:
    return CampaignError(f"there is no attempt {attempt_id}; the calls of a campaign are listed on its page")


class _Setting:
    """One transaction."""

    def __init__(self, conn: AsyncConnection, now: datetime, wish: SetOutcome) -> None:
        self._conn = conn
        self._now = now
        self._wish = wish
        self._attempt: dict[str, Any] = {}
        self._contact: dict[str, Any] = {}
        self._campaign: dict[str, Any] = {}

    async def run(self) -> OutcomeSet:
        await self._load()
        row = self._chosen()
        changes = await self._next(row)
        old = self._attempt["action_code"]
        values = {
            "action_code": row.code,
            "code_class": row.code_class.value,
            "code_family": row.family,
            "generic_result": row.generic_result.value,
            "settled_family": self._attempt["settled_family"] or self._attempt["code_family"],
        }
        await self._conn.execute(update(attempts).where(attempts.c.id == self._attempt["id"]).values(**values))
        touched = {self._campaign["id"]}
        if row.family == "DNC":
            told = self._attempt | {"evidence": self._wish.note or f"set by {self._wish.by}"}
            touched |= await store_opt_outs(self._conn, [told], self._now)
        if changes:
            await self._conn.execute(update(contacts).where(contacts.c.id == self._contact["id"]).values(**changes))
            await tell_contacts(self._conn, [self._contact["id"]], self._now)
        if self._wish.call_back_at is not None:
            await tell(self._conn, Topic.WORK)
        await self._tell(old, row.code, changes)
        finished = await close_finished(self._conn, touched, self._now)
        after = self._contact | changes
        return OutcomeSet(
            campaign_id=self._campaign["id"],
            contact_id=self._contact["id"],
            old_code=old,
            code=row.code,
            code_class=row.code_class,
            generic_result=row.generic_result.value,
            contact_state=ContactState(after["state"]),
            next_at=after["next_at"],
            finished=tuple(finished),
        )

    async def _load(self) -> None:
        of_attempt = select(attempts.c.campaign_id).where(attempts.c.id == self._wish.attempt_id)
        campaign_id = (await self._conn.execute(of_attempt)).scalar()
        if campaign_id is None:
            raise _unknown(self._wish.attempt_id)
        await lock_campaigns(self._conn, [campaign_id])
        self._campaign = await self._row(campaigns, campaign_id)
        self._attempt = await self._row(attempts, self._wish.attempt_id)
        self._contact = await self._row(contacts, self._attempt["contact_id"])

    async def _row(self, table: Any, key: Any) -> dict[str, Any]:
        statement = select(table).where(table.c.id == key).with_for_update(key_share=True)
        return dict((await self._conn.execute(statement)).mappings().one())

    def _chosen(self) -> ActionCode:
        attempt, wanted = self._attempt, self._wish.code
        if attempt["phase"] != AttemptPhase.ENDED:
            raise CampaignError(f"attempt {attempt['id']} is {attempt['phase']}; set its code when the call has ended")
        if attempt["originated_at"] is None:
            raise CampaignError(f"attempt {attempt['id']} was given back undialled: there is no call to set a code of")
        table = CodeTable.from_json(self._campaign["codes"])
        row = table.chosen(wanted)
        if row is None:
            known = ", ".join(each.code for each in table.codes())
            raise CampaignError(f"campaign {self._campaign['code']} has no code {wanted!r} to set; it has {known}")
        if row.code_class is CodeClass.SUCCESS and attempt["answered_at"] is None:
            raise CampaignError(
                f"{row.code} stands for a success, and nobody answered attempt {attempt['id']}; "
                "choose a code of the class unsuccessful or error"
            )
        return row

    async def _next(self, row: ActionCode) -> dict[str, Any]:
        """What changes on the contact."""
        state = ContactState(self._contact["state"])
        if self._wish.call_back_at is not None:
            return await self._called_back(row, state, self._wish.call_back_at)
        if row.family == "DNC":
            # A live call keeps its contact; its settlement sees the list.
            busy = state is ContactState.IN_PROGRESS
            return {} if busy else {"state": ContactState.OPTED_OUT.value, "detail": None, "next_at": None}
        if self._contact["last_attempt_id"] != self._attempt["id"]:
            return {}
        rests = state in _RESTING or (state is ContactState.RETRY_WAIT and await self._not_again(row))
        now_resting = resting(CallStatus(self._attempt["call_status"]), row.code_class)
        return {"state": now_resting.value, "next_at": None} if rests and now_resting is not state else {}

    async def _not_again(self, row: ActionCode) -> bool:
        """Whether no call-back rule asks for a further call after such a code."""
        last = Outcome(self._attempt["call_status"], row.code)
        rules = parse_rules(self._campaign["retry_rules"])
        move = next_move(rules, max_attempts=self._campaign["max_attempts"], history=[last], now=self._now, made=0)
        return isinstance(move, Done)

    async def _called_back(self, row: ActionCode, state: ContactState, at: datetime) -> dict[str, Any]:
        campaign, contact = self._campaign, self._contact
        most = campaign["max_attempts"] + CALLBACK_EXTRA
        listed = await suppression.listed(self._conn, campaign, [self._attempt["number"]])
        for wrong, why in (
            (row.family == "DNC", "who wants no more calls is not called back"),
            (campaign["state"] not in OPEN, f"campaign {campaign['code']} is {campaign['state']} and calls nobody"),
            (campaign["end_at"] is not None and at >= campaign["end_at"], f"campaign {campaign['code']} ends before"),
            (at <= self._now, "that time is over"),
            (state is ContactState.IN_PROGRESS, "the contact is in a call just now"),
            (state not in _MAY_BE_CALLED, f"the contact is {state.value}"),
            (contact["attempts"] >= most, f"the contact has had its {most} attempts, the agreed one included"),
            (bool(listed), f"the number is {next(iter(listed.values())).text}" if listed else ""),
        ):
            if wrong:
                raise CampaignError(f"no call-back at {at:%Y-%m-%d %H:%M} UTC: {why}")
        return {"state": ContactState.CALLBACK.value, "next_at": at, "detail": None}

    async def _tell(self, old: str, new: str, changes: Mapping[str, Any]) -> None:
        wish = self._wish
        detail = {"from": old, "to": new}
        if wish.note:
            detail["note"] = wish.note
        event = {
            "attempt_id": self._attempt["id"],
            "at": self._now,
            "node": wish.by[:64],
            "kind": "coded",
            "detail": detail,
        }
        await self._conn.execute(insert(attempt_events).values(event))
        if "state" in changes:
            detail = detail | {"state": changes["state"]}
        if wish.call_back_at is not None:
            detail = detail | {"next_at": wish.call_back_at.isoformat()}
        decision = Decision(self._contact["id"], "coded", detail=detail | {"attempt_id": self._attempt["id"]})
        await note(self._conn, [decision], by=wish.by, now=self._now)
