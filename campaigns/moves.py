"""Moving live attempts: load the rows, fold the operations into them, store what changed, all in one transaction.

Every change of an attempt is a compare-and-set on its fence and phase and leaves a row in attempt_events.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, assert_never

from sqlalchemy.ext.asyncio import AsyncConnection

from billing.ledger import charge_rows
from bot.outcome import Letter
from campaigns import letters, webhook_events
from campaigns.clauses import Clause
from campaigns.closing import Finished, close_finished
from campaigns.codes import Assigned
from campaigns.errors import IllegalMove, StaleFence
from campaigns.following import Ended, Following
from campaigns.keeping import recording_row, store_opt_outs, turn_row
from campaigns.loading import LiveAttempt, Loaded
from campaigns.operations import AGENT_LEG, Advance, AgentDialled, Moved, Operation, OptOutSaid, Release, Settle
from campaigns.releasing import Releases
from campaigns.retries import Outcome
from campaigns.rules import NO_RULES, CallingRules
from campaigns.settling import NextContact, Settlement, Tried, counts, judge, next_contact
from campaigns.states import AttemptPhase, CampaignState, ContactState, move_attempt, move_contact
from campaigns.windows import campaign_schedule
from storage.many import insert_many
from storage.outbox import enqueue_all
from storage.rows import update_each
from storage.tables import attempt_events, attempts, contacts, ledger_entries, recordings, turns
from storage.texts import storable

_PHASE_COLUMN: Mapping[AttemptPhase, str] = {
    AttemptPhase.ORIGINATING: "originated_at",
    AttemptPhase.RINGING: "ringing_at",
    AttemptPhase.ANSWERED: "answered_at",
    AttemptPhase.WRAPUP: "ended_at",
}
_TEXT_LENGTH = 200
_SLICE = 20
#: Phases that only a call which the network took can reach.
_GETS_THROUGH = frozenset({AttemptPhase.RINGING, AttemptPhase.ANSWERED})
_BACK_TO: Mapping[str, ContactState] = {"retry": ContactState.RETRY_WAIT, "callback": ContactState.CALLBACK}


class Moves:
    """One transaction's worth of operations."""

    def __init__(
        self,
        conn: AsyncConnection,
        *,
        node: str,
        now: datetime,
        short_call_ms: int,
        rules: CallingRules = NO_RULES,
        lock_first: bool = False,
    ) -> None:
        self._conn = conn
        self._node = node
        self._now = now
        self._short_call_ms = short_call_ms
        self._loaded = Loaded(conn, now, rules, lock_first=lock_first)
        self._following = Following(conn, self._loaded, now)
        self._contact_changes: dict[int, dict[str, Any]] = {}
        self._rows: dict[Any, list[dict[str, Any]]] = defaultdict(list)
        self._opted_out: list[dict[str, Any]] = []
        self._letters: list[tuple[str, Mapping[str, Any]]] = []
        self._money = Releases(now)
        self._touched: set[int] = set()

    async def run(self, operations: Sequence[Operation]) -> list[Moved | Exception]:
        """Carry the operations out; for each what became of its attempt, or `StaleFence`."""
        await self._loaded.load(operations)
        results = []
        for place, operation in enumerate(operations, start=1):
            results.append(self._fold(operation))
            # A large group in one go would hold up the loop, and with it every call's audio.
            if place % _SLICE == 0:
                await asyncio.sleep(0)
        await self._store()
        await webhook_events.tell_ended(self._conn, self._for_webhooks(results), self._now)
        finished = await close_finished(self._conn, self._touched, self._now)
        return _tell(results, tuple(finished))

    def _fold(self, operation: Operation) -> Moved | Exception:
        attempt = self._loaded.attempts.get(operation.attempt_id)
        if attempt is None or attempt.row["fence"] != operation.fence or attempt.phase is AttemptPhase.ENDED:
            return StaleFence(f"attempt {operation.attempt_id} is no longer ours")
        match operation:
            case Advance():
                return self._advance(attempt, operation)
            case Release():
                return self._release(attempt, operation.reason, unasked=operation.unasked)
            case OptOutSaid():
                return self._opt_out(attempt, operation.evidence)
            case AgentDialled():
                return self._agent_dialled(attempt, operation)
            case Settle():
                return self._settle(attempt, operation.facts)
            case _:
                assert_never(operation)

    def _move(self, attempt: LiveAttempt, new: AttemptPhase, kind: str, at: datetime, **detail: Any) -> None:
        old = attempt.phase
        attempt.set(phase=move_attempt(old, new).value)
        self._event(attempt, kind, at, (old, new), **detail)

    def _event(
        self, attempt: LiveAttempt, kind: str, at: datetime, move: tuple[AttemptPhase, AttemptPhase], **detail: Any
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

    def _advance(self, attempt: LiveAttempt, operation: Advance) -> Moved | Exception:
        row = attempt.row
        if operation.phase is AttemptPhase.ORIGINATING:
            refusal = self._refusal(row)
            if refusal is not None:
                return self._release(attempt, refusal)
        elif attempt.phase is AttemptPhase.CREATED:
            return IllegalMove(f"attempt {row['id']}: the network was not asked yet: it must begin first")
        try:
            self._move(attempt, operation.phase, "phase", operation.at)
        except IllegalMove as exc:
            # Signalling repeats itself; that must not undo the group that this move is written with.
            return exc
        column = _PHASE_COLUMN.get(operation.phase)
        if column is not None:
            attempt.set(**{column: operation.at})
        if operation.phase in _GETS_THROUGH:
            self._loaded.trunks.well(row["id"], operation.at)
        return Moved(row["id"], row["campaign_id"], operation.phase)

    def _refusal(self, row: Mapping[str, Any]) -> str | None:
        """Why a claimed contact may after all not be dialled: the last look before the network is asked."""
        campaign = self._loaded.campaigns[row["campaign_id"]]
        if (row["account_id"], row["number"]) in self._loaded.do_not_call:
            return Clause.DO_NOT_CALL
        if campaign["state"] != CampaignState.RUNNING:
            return f"campaign_{campaign['state']}"
        if campaign["end_at"] is not None and campaign["end_at"] <= self._now:
            return "campaign_over"
        if not campaign_schedule(campaign).is_open(self._now):
            return Clause.CAMPAIGN_WINDOW
        hindrance = self._loaded.hindrances.get(row["contact_id"])
        if hindrance is not None:
            return hindrance.clause
        return None if self._loaded.trunks.admits(row["id"]) else "trunk_paused"

    def _release(self, attempt: LiveAttempt, reason: str, *, unasked: bool = False) -> Moved | Exception:
        row = attempt.row
        unplaced = {AttemptPhase.CREATED, AttemptPhase.ORIGINATING} if unasked else {AttemptPhase.CREATED}
        if attempt.phase not in unplaced:
            return IllegalMove(
                f"attempt {row['id']} is {attempt.phase.value}: the network was asked, so it must be settled"
            )
        why = self._why(row, reason)
        self._move(attempt, AttemptPhase.ENDED, "released", self._now, reason=reason, **({"why": why} if why else {}))
        attempt.set(ended_at=self._now, settled_at=self._now, **_NEVER_PLACED)
        self._loaded.trunks.ended(row["id"])
        self._rows[ledger_entries] += self._money.ended(row, self._loaded.campaigns[row["campaign_id"]])
        state = self._after_release(row, reason)
        told = {"detail": why[:_TEXT_LENGTH]} if why and state is ContactState.DNC_BLOCKED else {}
        made = self._loaded.contacts[row["contact_id"]]["attempts"] - 1
        self._move_contact(row["contact_id"], state, attempts=made, **told)
        return self._ended(attempt, None, state, reason)

    def _why(self, row: Mapping[str, Any], reason: str) -> str | None:
        """What the last look found, in words: which list, which cap."""
        hindrance = self._loaded.hindrances.get(row["contact_id"])
        return hindrance.detail if hindrance is not None and hindrance.clause == reason else None

    def _after_release(self, row: Mapping[str, Any], reason: str) -> ContactState:
        if reason == Clause.DO_NOT_CALL:
            return ContactState.DNC_BLOCKED
        match CampaignState(self._loaded.campaigns[row["campaign_id"]]["state"]):
            case CampaignState.EXPIRED:
                return ContactState.EXPIRED
            case CampaignState.STOPPED:
                return ContactState.CANCELLED
            case _:
                return _BACK_TO.get(row["origin"], ContactState.PENDING)

    def _opt_out(self, attempt: LiveAttempt, evidence: str) -> Moved:
        row, evidence = attempt.row, storable(evidence)
        key = (row["account_id"], row["number"])
        # Listed by hand or by import, it is an opt-out from now on.
        if self._loaded.do_not_call.get(key) is None:
            self._loaded.do_not_call[key] = row["id"]
            self._opted_out.append(row | {"evidence": evidence})
        self._event(attempt, "opt_out", self._now, (attempt.phase, attempt.phase), evidence=evidence)
        return Moved(row["id"], row["campaign_id"], attempt.phase)

    def _agent_dialled(self, attempt: LiveAttempt, operation: AgentDialled) -> Moved:
        row, phase = attempt.row, attempt.phase
        detail = {"leg": operation.leg_id, "target": operation.target}
        self._event(attempt, AGENT_LEG, self._now, (phase, phase), **detail)
        return Moved(row["id"], row["campaign_id"], phase)

    def _settle(self, attempt: LiveAttempt, facts: Settlement) -> Moved:
        row = attempt.row
        campaign = self._loaded.campaigns[row["campaign_id"]]
        if facts.result is not None and facts.result.opted_out:
            self._opt_out(attempt, "settled")
        placed_at = row["originated_at"] or self._now
        verdict = judge(
            row,
            campaign,
            facts,
            self._now,
            month_blocks=self._loaded.month_blocks.before(row, placed_at),
            short_call_ms=self._short_call_ms,
            tariff=campaign["definition"],
        )
        self._loaded.month_blocks.add(row, placed_at, verdict.rated.blocks)
        told = [each.as_json() for each in facts.result.who_answered] if facts.result else []
        evidence = {"who_answered": storable(told)} if told else {}
        self._move(attempt, AttemptPhase.ENDED, "settled", self._now, code=verdict.assigned.code, **evidence)
        spared = self._loaded.trunks.settled(row, facts)
        counted = not spared and counts(row, facts)
        attempt.set(**verdict.values, counted=counted)
        self._keep(attempt, facts)
        self._rows[ledger_entries] += charge_rows(
            verdict.rated,
            account_id=row["account_id"],
            attempt_id=row["id"],
            now=self._now,
            rehearsal=row["is_test"],
        )
        self._rows[ledger_entries] += self._money.ended(row, campaign, verdict.rated)
        state = self._after_settle(row, verdict.assigned, facts, counted=counted, spared=spared)
        return self._ended(attempt, verdict.assigned, state)

    def _after_settle(
        self, row: Mapping[str, Any], assigned: Assigned, facts: Settlement, *, counted: bool, spared: bool
    ) -> ContactState:
        made = self._loaded.contacts[row["contact_id"]]["attempts"] - (not counted)
        campaign = self._loaded.campaigns[row["campaign_id"]]
        if row["lost"] and campaign["lost_calls"] == "never":
            campaign = {**campaign, "retry_rules": []}
        history = [*self._loaded.history[row["contact_id"]], Outcome(assigned.call_status.value, assigned.code)]
        listed = (row["account_id"], row["number"]) in self._loaded.do_not_call
        opted_out = listed and self._loaded.do_not_call[row["account_id"], row["number"]] == row["id"]
        after = next_contact(
            assigned,
            facts,
            campaign=campaign,
            tried=Tried(history, made, _BACK_TO.get(row["origin"], ContactState.PENDING), spared=spared),
            opted_out=opted_out,
            now=self._now,
        )
        if listed and after.next_at is not None:
            after = NextContact(ContactState.DNC_BLOCKED)
        changes: dict[str, Any] = {}
        if counted and not facts.by_node:
            after, changes = self._following.after(Ended(row, after, history, made))
        self._move_contact(row["contact_id"], after.state, next_at=after.next_at, attempts=made, **changes)
        return after.state

    def _keep(self, attempt: LiveAttempt, facts: Settlement) -> None:
        if facts.result is None:
            return
        row = attempt.row
        self._rows[turns] += [turn_row(row["id"], n, turn) for n, turn in enumerate(facts.result.turns, start=1)]
        if facts.result.recording is not None:
            self._rows[recordings].append(recording_row(row["id"], facts.result.recording, self._now))
        if facts.result.mails:
            self._post(attempt, facts.result.mails)

    def _post(self, attempt: LiveAttempt, mails: Sequence[Letter]) -> None:
        posted = letters.post(attempt.row["id"], mails, rehearsal=attempt.row["is_test"])
        self._letters += [(key, storable(payload)) for key, payload in posted.works]
        for reason in posted.refused:
            self._event(attempt, "mail_refused", self._now, (attempt.phase, attempt.phase), reason=reason)

    def _ended(
        self, attempt: LiveAttempt, assigned: Assigned | None, state: ContactState, reason: str | None = None
    ) -> Moved:
        row = attempt.row
        self._touched.add(row["campaign_id"])
        return Moved(row["id"], row["campaign_id"], AttemptPhase.ENDED, assigned, state, reason)

    def _move_contact(self, contact_id: int, state: ContactState, **values: Any) -> None:
        move_contact(ContactState(self._loaded.contacts[contact_id]["state"]), state)
        self._contact_changes[contact_id] = {"state": state.value, **values}

    def _for_webhooks(self, results: Sequence[Moved | Exception]) -> Iterator[webhook_events.Ended]:
        for moved in results:
            if isinstance(moved, Moved) and moved.contact_state is not None:
                row = self._loaded.attempts[moved.attempt_id].row
                contact, changes = self._loaded.contacts[row["contact_id"]], self._contact_changes[row["contact_id"]]
                campaign, state = self._loaded.campaigns[row["campaign_id"]], ContactState(changes["state"])
                yield webhook_events.Ended(row, contact, campaign, state, changes.get("next_at"))

    async def _store(self) -> None:
        changed = [attempt for attempt in self._loaded.attempts.values() if attempt.changes]
        count = await update_each(self._conn, attempts, ((a.match, a.changes) for a in changed))
        if count != len(changed):
            raise StaleFence("an attempt moved although its row was locked")
        for contact_id, detail in (await self._following.store(self._node)).items():
            self._contact_changes[contact_id]["detail"] = detail
        await update_each(self._conn, contacts, (({"id": i}, values) for i, values in self._contact_changes.items()))
        if self._opted_out:
            self._touched |= await store_opt_outs(self._conn, self._opted_out, self._now)
        for table, rows in self._rows.items():
            await insert_many(self._conn, table, rows)
        if self._letters:
            await enqueue_all(self._conn, self._letters, topic=letters.TOPIC, now=self._now)
        await self._loaded.trunks.store(self._conn)
        await self._loaded.lock_late(self._touched)
        await self._money.store(self._conn)


def _tell(results: list[Moved | Exception], finished: tuple[Finished, ...]) -> list[Moved | Exception]:
    for place, result in enumerate(results):
        if isinstance(result, Moved):
            return [*results[:place], replace(result, finished=finished), *results[place + 1 :]]
    return results


_NEVER_PLACED = {
    "originated_at": None,
    "counted": False,
    "call_status": "CANCELLED",
    "action_code": "XC",
    "code_class": "not_counted",
    "code_family": "XC",
    "generic_result": "Cancelled",
}
