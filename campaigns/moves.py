"""Moving live attempts: load the rows, fold the operations into them, store what changed, all in one transaction.

Every change of an attempt is a compare-and-set on its fence and phase and leaves a row in attempt_events.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from typing import Any, assert_never

from sqlalchemy import Select, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from billing.ledger import charge_rows
from bot.outcome import Recording, Turn
from campaigns.closing import Finished, close_finished, lock_campaigns
from campaigns.codes import Assigned
from campaigns.errors import IllegalMove, StaleFence
from campaigns.retries import Outcome
from campaigns.settling import NextContact, Settlement, Tried, counts, judge, next_contact
from campaigns.states import WAITING, AttemptPhase, CampaignState, ContactState, move_attempt, move_contact
from campaigns.tiers import MonthBlocks
from campaigns.windows import campaign_schedule, contact_schedule
from storage.rows import insert_new, update_each
from storage.tables import (
    attempt_events,
    attempts,
    campaigns,
    contacts,
    do_not_call,
    ledger_entries,
    recordings,
    turns,
)

_PHASE_COLUMN: Mapping[AttemptPhase, str] = {
    AttemptPhase.ORIGINATING: "originated_at",
    AttemptPhase.RINGING: "ringing_at",
    AttemptPhase.ANSWERED: "answered_at",
    AttemptPhase.WRAPUP: "ended_at",
}
_BACK_TO: Mapping[str, ContactState] = {"retry": ContactState.RETRY_WAIT, "callback": ContactState.CALLBACK}


@dataclass(frozen=True)
class Advance:
    """The call has reached a phase."""

    attempt_id: str
    fence: int
    phase: AttemptPhase
    at: datetime


@dataclass(frozen=True)
class Release:
    """The contact goes back to the queue undialled; the attempt does not count."""

    attempt_id: str
    fence: int
    reason: str
    #: The holder knows that it has not asked the network yet, although it has noted that it will.
    unasked: bool = False


@dataclass(frozen=True)
class OptOutSaid:
    """The customer does not want to be called again."""

    attempt_id: str
    fence: int
    evidence: str


@dataclass(frozen=True)
class Settle:
    """The call is over, and this is what is known of it."""

    attempt_id: str
    fence: int
    facts: Settlement


Operation = Advance | Release | OptOutSaid | Settle


@dataclass(frozen=True)
class Moved:
    """What became of an attempt; `assigned` and `contact_state` once it has ended."""

    attempt_id: str
    campaign_id: int
    phase: AttemptPhase
    assigned: Assigned | None = None
    contact_state: ContactState | None = None
    reason: str | None = None
    #: Campaigns that the transaction has ended; told once, by the first move of it.
    finished: tuple[Finished, ...] = ()


@dataclass
class _Attempt:
    """A row of attempts, as it was and as it shall be."""

    row: dict[str, Any]
    match: dict[str, Any]
    changes: dict[str, Any] = field(default_factory=dict)

    @property
    def phase(self) -> AttemptPhase:
        return AttemptPhase(self.row["phase"])

    def set(self, **values: Any) -> None:
        self.row |= values
        self.changes |= values


class Moves:
    """One transaction's worth of operations."""

    def __init__(self, conn: AsyncConnection, *, node: str, now: datetime, short_call_ms: int) -> None:
        self._conn = conn
        self._node = node
        self._now = now
        self._short_call_ms = short_call_ms
        self._attempts: dict[str, _Attempt] = {}
        self._contacts: dict[int, dict[str, Any]] = {}
        self._campaigns: dict[int, Mapping[str, Any]] = {}
        self._history: dict[int, list[Outcome]] = defaultdict(list)
        self._month_blocks = MonthBlocks()
        #: (account, number) → the attempt in which it was asked for, None for a listed number.
        self._do_not_call: dict[tuple[int, str], str | None] = {}
        self._contact_changes: dict[int, dict[str, Any]] = {}
        self._rows: dict[Any, list[dict[str, Any]]] = defaultdict(list)
        self._opted_out: list[dict[str, Any]] = []
        self._touched: set[int] = set()

    async def run(self, operations: Sequence[Operation]) -> list[Moved | Exception]:
        """Carry the operations out; for each what became of its attempt, or `StaleFence`."""
        await self._load(operations)
        results = [self._fold(operation) for operation in operations]
        await self._store()
        finished = await close_finished(self._conn, self._touched, self._now)
        return _tell(results, tuple(finished))

    # Locks are taken in one order everywhere (campaigns, attempts, contacts), so that nodes do not deadlock.
    async def _load(self, operations: Sequence[Operation]) -> None:
        ids = sorted({operation.attempt_id for operation in operations})
        ending = [operation.attempt_id for operation in operations if not _is_signalling(operation)]
        if ending:
            of_these = select(attempts.c.campaign_id).where(attempts.c.id.in_(ending)).distinct()
            await lock_campaigns(self._conn, (await self._conn.execute(of_these)).scalars().all())
        for row in await self._all(select(attempts).where(attempts.c.id.in_(ids)).order_by(attempts.c.id), lock=True):
            match = {"id": row["id"], "fence": row["fence"], "phase": row["phase"]}
            self._attempts[row["id"]] = _Attempt(dict(row), match)
        if ending:
            await self._load_contacts([self._attempts[i].row for i in ending if i in self._attempts])
        settling = [o.attempt_id for o in operations if isinstance(o, Settle) and o.attempt_id in self._attempts]
        if settling:
            begun = {o.attempt_id: o.at for o in operations if isinstance(o, Advance) and not _is_signalling(o)}
            rows = [self._attempts[i].row for i in settling]
            await self._load_history(rows)
            placed = [(row, row["originated_at"] or begun.get(row["id"], self._now)) for row in rows]
            await self._month_blocks.load(self._conn, placed)

    async def _load_contacts(self, rows: Sequence[Mapping[str, Any]]) -> None:
        contact_ids = sorted({row["contact_id"] for row in rows})
        window = (contacts.c.time_from, contacts.c.time_to, contacts.c.time_zone)
        found = select(contacts.c.id, contacts.c.state, contacts.c.attempts, *window)
        found = found.where(contacts.c.id.in_(contact_ids))
        for row in await self._all(found.order_by(contacts.c.id), lock=True):
            self._contacts[row["id"]] = dict(row)
        campaign_ids = {row["campaign_id"] for row in rows}
        for row in await self._all(select(campaigns).where(campaigns.c.id.in_(campaign_ids))):
            self._campaigns[row["id"]] = row
        listed = select(do_not_call.c.account_id, do_not_call.c.number, do_not_call.c.attempt_id)
        for row in await self._all(listed.where(do_not_call.c.number.in_({row["number"] for row in rows}))):
            self._do_not_call[row["account_id"], row["number"]] = row["attempt_id"]

    async def _load_history(self, rows: Sequence[Mapping[str, Any]]) -> None:
        again = [row["contact_id"] for row in rows if self._contacts[row["contact_id"]]["attempts"] > 1]
        if again:
            past = select(attempts.c.contact_id, attempts.c.call_status, attempts.c.action_code).where(
                attempts.c.contact_id.in_(again),
                attempts.c.phase == AttemptPhase.ENDED.value,
                attempts.c.originated_at.is_not(None),
            )
            for row in await self._all(past.order_by(attempts.c.claimed_at)):
                self._history[row["contact_id"]].append(Outcome(row["call_status"], row["action_code"]))

    async def _all(self, statement: Select[Any], *, lock: bool = False) -> Sequence[Mapping[str, Any]]:
        if lock:
            statement = statement.with_for_update(key_share=True)
        return [dict(row) for row in (await self._conn.execute(statement)).mappings()]

    def _fold(self, operation: Operation) -> Moved | Exception:
        attempt = self._attempts.get(operation.attempt_id)
        if attempt is None or attempt.row["fence"] != operation.fence or attempt.phase is AttemptPhase.ENDED:
            return StaleFence(f"attempt {operation.attempt_id} is no longer ours")
        match operation:
            case Advance():
                return self._advance(attempt, operation)
            case Release():
                return self._release(attempt, operation.reason, unasked=operation.unasked)
            case OptOutSaid():
                return self._opt_out(attempt, operation.evidence)
            case Settle():
                return self._settle(attempt, operation.facts)
            case _:
                assert_never(operation)

    def _move(self, attempt: _Attempt, new: AttemptPhase, kind: str, at: datetime, **detail: Any) -> None:
        old = attempt.phase
        attempt.set(phase=move_attempt(old, new).value)
        self._event(attempt, kind, at, (old, new), **detail)

    def _event(
        self, attempt: _Attempt, kind: str, at: datetime, move: tuple[AttemptPhase, AttemptPhase], **detail: Any
    ) -> None:
        self._rows[attempt_events].append(
            {
                "attempt_id": attempt.row["id"],
                "at": at,
                "node": self._node,
                "kind": kind,
                "from_phase": move[0].value,
                "to_phase": move[1].value,
                "detail": detail or None,
            }
        )

    def _advance(self, attempt: _Attempt, operation: Advance) -> Moved | Exception:
        row = attempt.row
        if operation.phase is AttemptPhase.ORIGINATING:
            refusal = self._refusal(row)
            if refusal is not None:
                return self._release(attempt, refusal)
        try:
            self._move(attempt, operation.phase, "phase", operation.at)
        except IllegalMove as exc:
            # Signalling repeats itself; that must not undo the group that this move is written with.
            return exc
        column = _PHASE_COLUMN.get(operation.phase)
        if column is not None:
            attempt.set(**{column: operation.at})
        return Moved(row["id"], row["campaign_id"], operation.phase)

    def _refusal(self, row: Mapping[str, Any]) -> str | None:
        """Why a claimed contact may after all not be dialled: the last look before the network is asked."""
        campaign = self._campaigns[row["campaign_id"]]
        if (row["account_id"], row["number"]) in self._do_not_call:
            return "do_not_call"
        if campaign["state"] != CampaignState.RUNNING:
            return f"campaign_{campaign['state']}"
        if campaign["end_at"] is not None and campaign["end_at"] <= self._now:
            return "campaign_over"
        own = contact_schedule(self._contacts[row["contact_id"]], campaign["time_zone"])
        if not (campaign_schedule(campaign).is_open(self._now) and own.is_open(self._now)):
            return "outside_window"
        return None

    def _release(self, attempt: _Attempt, reason: str, *, unasked: bool = False) -> Moved | Exception:
        row = attempt.row
        unplaced = {AttemptPhase.CREATED, AttemptPhase.ORIGINATING} if unasked else {AttemptPhase.CREATED}
        if attempt.phase not in unplaced:
            return IllegalMove(
                f"attempt {row['id']} is {attempt.phase.value}: the network was asked, so it must be settled"
            )
        self._move(attempt, AttemptPhase.ENDED, "released", self._now, reason=reason)
        attempt.set(ended_at=self._now, settled_at=self._now, **_NEVER_PLACED)
        state = self._after_release(row, reason)
        self._move_contact(row["contact_id"], state, attempts=self._contacts[row["contact_id"]]["attempts"] - 1)
        return self._ended(attempt, None, state, reason)

    def _after_release(self, row: Mapping[str, Any], reason: str) -> ContactState:
        if reason == "do_not_call":
            return ContactState.DNC_BLOCKED
        match CampaignState(self._campaigns[row["campaign_id"]]["state"]):
            case CampaignState.EXPIRED:
                return ContactState.EXPIRED
            case CampaignState.STOPPED:
                return ContactState.CANCELLED
            case _:
                return _BACK_TO.get(row["origin"], ContactState.PENDING)

    def _opt_out(self, attempt: _Attempt, evidence: str) -> Moved:
        row = attempt.row
        key = (row["account_id"], row["number"])
        if key not in self._do_not_call:
            self._do_not_call[key] = row["id"]
            self._opted_out.append(row | {"evidence": evidence})
        self._event(attempt, "opt_out", self._now, (attempt.phase, attempt.phase), evidence=evidence)
        return Moved(row["id"], row["campaign_id"], attempt.phase)

    def _settle(self, attempt: _Attempt, facts: Settlement) -> Moved:
        row = attempt.row
        campaign = self._campaigns[row["campaign_id"]]
        if facts.result is not None and facts.result.opted_out:
            self._opt_out(attempt, "settled")
        placed_at = row["originated_at"] or self._now
        verdict = judge(
            row,
            campaign,
            facts,
            self._now,
            month_blocks=self._month_blocks.before(row, placed_at),
            short_call_ms=self._short_call_ms,
        )
        self._month_blocks.add(row, placed_at, verdict.rated.blocks)
        self._move(attempt, AttemptPhase.ENDED, "settled", self._now, code=verdict.assigned.code)
        attempt.set(**verdict.values)
        self._keep(row, facts)
        self._rows[ledger_entries] += charge_rows(
            verdict.rated,
            account_id=row["account_id"],
            attempt_id=row["id"],
            now=self._now,
            rehearsal=row["is_test"],
        )
        state = self._after_settle(row, verdict.assigned, facts)
        return self._ended(attempt, verdict.assigned, state)

    def _after_settle(self, row: Mapping[str, Any], assigned: Assigned, facts: Settlement) -> ContactState:
        made = self._contacts[row["contact_id"]]["attempts"] - (not counts(row, facts))
        history = [*self._history[row["contact_id"]], Outcome(assigned.call_status.value, assigned.code)]
        listed = (row["account_id"], row["number"]) in self._do_not_call
        opted_out = listed and self._do_not_call[row["account_id"], row["number"]] == row["id"]
        after = next_contact(
            assigned,
            facts,
            campaign=self._campaigns[row["campaign_id"]],
            tried=Tried(history, made, _BACK_TO.get(row["origin"], ContactState.PENDING)),
            opted_out=opted_out,
            now=self._now,
        )
        if listed and after.next_at is not None:
            after = NextContact(ContactState.DNC_BLOCKED)
        self._move_contact(row["contact_id"], after.state, next_at=after.next_at, attempts=made)
        return after.state

    def _keep(self, row: Mapping[str, Any], facts: Settlement) -> None:
        if facts.result is None:
            return
        self._rows[turns] += [_turn_row(row["id"], n, turn) for n, turn in enumerate(facts.result.turns, start=1)]
        if facts.result.recording is not None:
            self._rows[recordings].append(_recording_row(row["id"], facts.result.recording, self._now))

    def _ended(
        self, attempt: _Attempt, assigned: Assigned | None, state: ContactState, reason: str | None = None
    ) -> Moved:
        row = attempt.row
        self._touched.add(row["campaign_id"])
        return Moved(row["id"], row["campaign_id"], AttemptPhase.ENDED, assigned, state, reason)

    def _move_contact(self, contact_id: int, state: ContactState, **values: Any) -> None:
        move_contact(ContactState(self._contacts[contact_id]["state"]), state)
        self._contact_changes[contact_id] = {"state": state.value, **values}

    async def _store(self) -> None:
        changed = [attempt for attempt in self._attempts.values() if attempt.changes]
        count = await update_each(self._conn, attempts, ((a.match, a.changes) for a in changed))
        if count != len(changed):
            raise StaleFence("an attempt moved although its row was locked")
        await update_each(self._conn, contacts, (({"id": i}, values) for i, values in self._contact_changes.items()))
        if self._opted_out:
            await self._store_opt_outs()
        for table, rows in self._rows.items():
            if rows:
                await self._conn.execute(insert(table), rows)

    async def _store_opt_outs(self) -> None:
        rows = [
            {
                "account_id": row["account_id"],
                "number": row["number"],
                "source": "opt_out",
                "attempt_id": row["id"],
                "evidence": row["evidence"],
                "created_at": self._now,
            }
            for row in self._opted_out
        ]
        await insert_new(self._conn, do_not_call, rows, "id")
        for row in rows:
            self._touched |= await _block_waiting(self._conn, row["account_id"], row["number"])


def _tell(results: list[Moved | Exception], finished: tuple[Finished, ...]) -> list[Moved | Exception]:
    for place, result in enumerate(results):
        if isinstance(result, Moved):
            return [*results[:place], replace(result, finished=finished), *results[place + 1 :]]
    return results


_NEVER_PLACED = {
    "originated_at": None,
    "call_status": "CANCELLED",
    "action_code": "XC",
    "code_class": "not_counted",
    "code_family": "XC",
    "generic_result": "Cancelled",
}


def _is_signalling(operation: Operation) -> bool:
    """Whether only the attempt's own row is needed."""
    if isinstance(operation, Advance):
        return operation.phase is not AttemptPhase.ORIGINATING
    return False


async def _block_waiting(conn: AsyncConnection, account_id: int, number: str) -> set[int]:
    """Take the number's waiting contacts out of every campaign of the account; the campaigns concerned."""
    of_account = select(campaigns.c.id).where(campaigns.c.account_id == account_id)
    statement = (
        update(contacts)
        .where(contacts.c.number == number, contacts.c.campaign_id.in_(of_account))
        .where(contacts.c.state.in_([state.value for state in WAITING]))
        .values(state=ContactState.DNC_BLOCKED.value, detail="do_not_call")
        .returning(contacts.c.campaign_id)
    )
    return set((await conn.execute(statement)).scalars())


def _turn_row(attempt_id: str, turn_no: int, turn: Turn) -> dict[str, Any]:
    return asdict(turn) | {"attempt_id": attempt_id, "turn_no": turn_no, "speaker": turn.speaker.value}


def _recording_row(attempt_id: str, recording: Recording, now: datetime) -> dict[str, Any]:
    return asdict(recording) | {"attempt_id": attempt_id, "path": recording.path.as_posix(), "created_at": now}
