"""The rows that a transaction on live attempts needs, read and locked before anything is decided."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import Select, select
from sqlalchemy.ext.asyncio import AsyncConnection

from campaigns.admission import Admission, Hindrance
from campaigns.closing import lock_campaigns
from campaigns.funds import is_limited
from campaigns.operations import Advance, Operation, Settle, is_signalling
from campaigns.retries import Outcome
from campaigns.rules import CallingRules
from campaigns.states import AttemptPhase, ContactState
from campaigns.tiers import MonthBlocks, has_tiers
from campaigns.trunk_signs import TrunkSigns
from storage.database import RunAgain
from storage.many import member
from storage.tables import accounts, attempts, campaigns, contacts, do_not_call, tariffs

_SLICE = 20
# Made once: to put a statement together costs more than to run it.
_ATTEMPTS = select(attempts).where(member(attempts.c.id, "ids")).order_by(attempts.c.id).with_for_update(key_share=True)
_CONTACTS = select(contacts).where(member(contacts.c.id, "ids")).order_by(contacts.c.id).with_for_update(key_share=True)
_CAMPAIGNS = (
    select(campaigns, accounts.c.credit_limit, tariffs.c.definition)
    .join(accounts, accounts.c.id == campaigns.c.account_id)
    .join(tariffs, tariffs.c.id == campaigns.c.tariff_id)
)
_CAMPAIGNS_BY_ID = _CAMPAIGNS.where(member(campaigns.c.id, "ids"))
_CAMPAIGNS_OF = _CAMPAIGNS.where(campaigns.c.id.in_(select(attempts.c.campaign_id).where(member(attempts.c.id, "ids"))))
#: What claims and settlements themselves change in a campaign that goes on.
_RUNNING_SUMS = frozenset({"spent", "reserved", "share_turn", "waits"})
_LISTED = select(do_not_call.c.account_id, do_not_call.c.number, do_not_call.c.attempt_id).where(
    member(do_not_call.c.number, "ids")
)
#: What the earlier calls of contacts came to, as far as they count.
_PAST = (
    select(attempts.c.contact_id, attempts.c.call_status, attempts.c.action_code, attempts.c.originated_at)
    .where(
        member(attempts.c.contact_id, "ids"),
        attempts.c.phase == AttemptPhase.ENDED.value,
        attempts.c.counted.is_(True),
        attempts.c.originated_at.is_not(None),
    )
    .order_by(attempts.c.claimed_at)
)


@dataclass
class LiveAttempt:
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


class Loaded:
    """Attempts, their contacts, campaigns, trunks, and what else a settlement reads."""

    def __init__(self, conn: AsyncConnection, now: datetime, rules: CallingRules, *, lock_first: bool) -> None:
        self._conn = conn
        self._now = now
        self._admission = Admission(conn, now, rules)
        #: Whether the campaigns were locked before they were read.
        self._locked = conn.dialect.name == "sqlite"
        self._lock_first = lock_first
        self.attempts: dict[str, LiveAttempt] = {}
        self.contacts: dict[int, dict[str, Any]] = {}
        #: With `credit_limit` of their accounts and `definition` of their tariffs.
        self.campaigns: dict[int, Mapping[str, Any]] = {}
        #: Campaigns in which contacts of these go on.
        self.targets: dict[int, Mapping[str, Any]] = {}
        #: By contact that is about to be called: what is in the way after all.
        self.hindrances: dict[int, Hindrance] = {}
        #: By contact: what its earlier calls came to, as far as they count.
        self.history: dict[int, list[Outcome]] = defaultdict(list)
        #: By contact that has such calls: when the first of them was placed.
        self.first_called: dict[int, datetime] = {}
        self.month_blocks = MonthBlocks()
        self.trunks = TrunkSigns(now)
        #: (account, number) → the attempt in which it was asked for, None for a listed number.
        self.do_not_call: dict[tuple[int, str], str | None] = {}

    # Locks are taken in one order, so that nodes seldom deadlock: trunks, campaigns, attempts, contacts. Where no sum
    # of money hangs on it, campaigns come last of all (`lock_late`): nodes that dial one campaign wait for one another
    # only while they commit.
    async def load(self, operations: Sequence[Operation]) -> None:
        await self.trunks.load(self._conn, operations)
        ids = sorted({operation.attempt_id for operation in operations})
        ending = [operation.attempt_id for operation in operations if not is_signalling(operation)]
        if ending:
            await self._load_campaigns(ending)
        for row in await self._all(_ATTEMPTS, ids):
            match = {"id": row["id"], "fence": row["fence"], "phase": row["phase"]}
            self.attempts[row["id"]] = LiveAttempt(dict(row), match)
        if ending:
            await self._load_contacts([self.attempts[i].row for i in ending if i in self.attempts])
        asking = [o.attempt_id for o in operations if isinstance(o, Advance) and not is_signalling(o)]
        await self._load_hindrances([self.attempts[i].row for i in asking if i in self.attempts])
        settling = [o.attempt_id for o in operations if isinstance(o, Settle) and o.attempt_id in self.attempts]
        if settling:
            begun = {o.attempt_id: o.at for o in operations if isinstance(o, Advance) and not is_signalling(o)}
            rows = [self.attempts[i].row for i in settling]
            await self._load_history(rows)
            placed = [(row, row["originated_at"] or begun.get(row["id"], self._now)) for row in rows]
            await self.month_blocks.load(self._conn, placed)

    async def _load_contacts(self, rows: Sequence[Mapping[str, Any]]) -> None:
        contact_ids = sorted({row["contact_id"] for row in rows})
        for row in await self._all(_CONTACTS, contact_ids):
            self.contacts[row["id"]] = row
        for row in await self._all(_LISTED, {row["number"] for row in rows}):
            self.do_not_call[row["account_id"], row["number"]] = row["attempt_id"]

    async def _load_campaigns(self, ending: Sequence[str]) -> None:
        rows = await self._all(_CAMPAIGNS_OF, ending)
        if not self._locked and (self._lock_first or any(_comes_first(row) for row in rows)):
            both = {i for row in rows for i in (row["id"], row["retarget_id"]) if i is not None}
            await lock_campaigns(self._conn, both)
            self._locked = True
            rows = await self._all(_CAMPAIGNS_OF, ending)
        self.campaigns = {row["id"]: row for row in rows}
        targets = {row["retarget_id"] for row in rows} - {None}
        if targets:
            self.targets = {row["id"]: row for row in await self._all(_CAMPAIGNS_BY_ID, targets)}

    async def lock_late(self, further: Collection[int]) -> None:
        """Lock the campaigns that were read without a lock, and `further` ones, before the transaction ends.

        Raises `RunAgain` when somebody has changed one that was read: paused it, say, before this call was dialled. Run
        again with `lock_first`, the moves wait for the campaigns and are done.
        """
        if self._locked or not (self.campaigns or further):
            return
        read = {**self.targets, **self.campaigns}
        await lock_campaigns(self._conn, {*read, *further})
        now = {row["id"]: row for row in await self._all(_CAMPAIGNS_BY_ID, read)}
        if any(_steady(now[i]) != _steady(row) for i, row in read.items()):
            raise RunAgain

    async def _load_hindrances(self, rows: Sequence[Mapping[str, Any]]) -> None:
        of_campaign: dict[int, list[Mapping[str, Any]]] = defaultdict(list)
        for row in rows:
            contact = self.contacts[row["contact_id"]]
            # Claimed, it is in progress; that the customer asked for this call shows in its attempt alone.
            agreed = {"state": ContactState.CALLBACK.value} if row["origin"] == "callback" else {}
            of_campaign[row["campaign_id"]].append(contact | agreed)
        for campaign_id, about_to_be_called in of_campaign.items():
            campaign = self.campaigns[campaign_id]
            self.hindrances |= await self._admission.hindrances(campaign, about_to_be_called)

    async def _load_history(self, rows: Sequence[Mapping[str, Any]]) -> None:
        again = [row["contact_id"] for row in rows if self.contacts[row["contact_id"]]["attempts"] > 1]
        if again:
            for row in await self._all(_PAST, again):
                self.history[row["contact_id"]].append(Outcome(row["call_status"], row["action_code"]))
                self.first_called.setdefault(row["contact_id"], row["originated_at"])

    async def _all(self, statement: Select[Any], ids: Collection[Any]) -> list[dict[str, Any]]:
        rows = (await self._conn.execute(statement, {"ids": list(ids)})).mappings().all()
        found: list[dict[str, Any]] = []
        for at in range(0, len(rows), _SLICE):
            found += [dict(row) for row in rows[at : at + _SLICE]]
            if len(rows) > _SLICE:
                # A large group in one go would hold up the loop, and with it every call's audio.
                await asyncio.sleep(0)
        return found


def _comes_first(row: Mapping[str, Any]) -> bool:
    """Whether a campaign is locked before all else: its moves lock the account too, or bring contacts into another
    campaign, of which no two may have one number."""
    return is_limited(row) or has_tiers(row["definition"]) or row["retarget_id"] is not None


def _steady(row: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in row.items() if name not in _RUNNING_SUMS}
