"""Choosing whom to call now: due contacts, in order, within every limit, in one transaction (VOCABULARY: May be
dialled now)."""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from billing.tariff import Stored, stored
from campaigns.admission import Admission
from campaigns.budget import MoneyGate
from campaigns.choosing import Asking, Choosing, Pair, RunningCampaign
from campaigns.closing import Finished, close_finished, lock_campaigns
from campaigns.due import is_due
from campaigns.occupancy import CALLBACK_ORIGIN, Occupancy, account_room, lock_accounts, occupancy
from campaigns.pacing import from_us, spacing_us, take_slots, to_us
from campaigns.routing import Line, Stranded, calling_over, offers, open_lines
from campaigns.rules import NO_RULES, CallingRules
from campaigns.shares import allowed, kept_free
from campaigns.states import DIALLABLE, AttemptPhase, CampaignState, ContactState
from campaigns.trunk_health import TrunkHealth
from campaigns.windows import campaign_schedule
from storage.many import insert_many, member
from storage.rows import insert_new, update_each, words
from storage.tables import accounts, attempt_events, attempts, campaigns, contacts, tariffs, trunks

# Made once: to put a statement together costs more than to run it.
_IS_RUNNING = campaigns.c.state == CampaignState.RUNNING.value
_OPEN_TRUNKS = (
    select(trunks)
    .where(member(trunks.c.name, "names"), trunks.c.health != TrunkHealth.PAUSED.value)
    .order_by(trunks.c.name)
    .with_for_update(key_share=True)
)
_RUNNING = (
    select(campaigns.c.id, campaigns.c.trunk, campaigns.c.backup_trunks, accounts.c.concurrency)
    .add_columns(campaigns.c.account_id)
    .join(accounts, accounts.c.id == campaigns.c.account_id)
    .where(_IS_RUNNING)
)
_RUNNING_OF = _RUNNING.where(member(campaigns.c.id, "ids"))
_WITH_TARIFF = (
    select(campaigns, tariffs.c.definition, tariffs.c.currency, accounts.c.credit_limit, accounts.c.prepaid)
    .join(tariffs, tariffs.c.id == campaigns.c.tariff_id)
    .join(accounts, accounts.c.id == campaigns.c.account_id)
    .where(member(campaigns.c.id, "ids"), _IS_RUNNING)
    .order_by(campaigns.c.id)
)

_ORIGIN: Mapping[str, str] = {ContactState.RETRY_WAIT.value: "retry", ContactState.CALLBACK.value: CALLBACK_ORIGIN}


@dataclass(frozen=True)
class Claim:
    """One contact to dial, ours until the lease runs out."""

    attempt_id: str
    fence: int
    account_id: int
    campaign_id: int
    bot_id: int
    contact_id: int
    trunk: str
    number: str
    name: str | None
    caller_id: str | None
    language: str | None
    time_zone: str
    variables: Mapping[str, str]
    attempt_no: int
    ring_timeout_s: int
    max_call_s: int
    #: When the trunk's rate lets this call start.
    dial_at: datetime
    #: How far apart the trunk's rate keeps two calls.
    spacing_us: int = 0
    #: What the campaign does with machines instead of its script, as the table campaigns has it.
    machines: Mapping[str, Any] | None = None

    @property
    def script_variables(self) -> dict[str, str]:
        """What the script may say of this contact; a column of the list wins over the built-in of its name."""
        return {"name": self.name or "", "phone": self.number} | dict(self.variables)


@dataclass(frozen=True)
class Claimed:
    """What one round of claiming brought."""

    claims: tuple[Claim, ...] = ()
    #: When something may be due that no event will tell of; None when only events can.
    wake_at: datetime | None = None
    finished: tuple[Finished, ...] = ()


class Claiming:
    """One transaction that claims contacts for a node."""

    def __init__(
        self,
        conn: AsyncConnection,
        *,
        node: str,
        now: datetime,
        lease: timedelta,
        ahead: timedelta,
        rules: CallingRules = NO_RULES,
    ) -> None:
        self._conn = conn
        self._choosing = Choosing(conn, Admission(conn, now, rules), node=node, now=now)
        self._money = MoneyGate(conn, now)
        self._node = node
        self._now = now
        self._lease = lease
        self._ahead = ahead
        self._wakes = self._choosing.wakes

    async def run(self, trunk_names: Collection[str], limit: int, campaign_ids: Collection[int] | None) -> Claimed:
        """Claim up to `limit` contacts of running campaigns on these trunks."""
        rows = await self._trunks(trunk_names)
        running, taken = await self._running(rows, campaign_ids)
        lines = {name: Line(row, row["channels"] - taken.busy.get(name, 0)) for name, row in rows.items()}
        for campaign in running:
            campaign.home = next((line.name for line in open_lines(campaign.row, lines)), None)
        await self._choosing.make_ready(running)
        stranded = await self._stranded(running, lines)
        every = [Asking(campaign, offer) for campaign in running for offer in offers(campaign.row, lines, stranded)]
        claims: list[Claim] = []
        # Those whose call a trunk has lost have waited for their turn already.
        for first in (True, False):
            waiting = [asking for asking in every if (asking.offer.only is not None) is first]
            claims += await self._claim_along(lines.values(), waiting, limit - len(claims))
        await self._note_turns(running)
        await self._money.store()
        finished = await close_finished(self._conn, self._choosing.blocked, self._now)
        self._note_openings(running)
        return Claimed(tuple(claims), min(self._wakes, default=None), tuple(finished))

    async def _claim_along(self, lines: Collection[Line], waiting: Sequence[Asking], limit: int) -> list[Claim]:
        claims: list[Claim] = []
        while waiting:
            for line in lines:
                mine = [asking for asking in waiting if asking.line is line]
                if mine:
                    claims += await self._claim_on(line, mine, limit - len(claims))
            waiting = [asking for asking in waiting if asking.moves_on()]
        return claims

    async def _trunks(self, names: Collection[str]) -> dict[str, dict[str, Any]]:
        rows = await self._conn.execute(_OPEN_TRUNKS, {"names": sorted(names)})
        return {row["name"]: dict(row) for row in rows.mappings()}

    async def _running(
        self, trunk_names: Collection[str], campaign_ids: Collection[int] | None
    ) -> tuple[list[RunningCampaign], Occupancy]:
        # Locked first and read after, so that a pause committed meanwhile is seen.
        if campaign_ids is None:
            found = await self._conn.execute(_RUNNING)
        else:
            found = await self._conn.execute(_RUNNING_OF, {"ids": sorted(campaign_ids)})
        rows = [dict(row) for row in found.mappings()]
        callers = calling_over(rows, trunk_names)
        ids = [row["id"] for row in callers]
        limited = {row["account_id"]: row["concurrency"] for row in callers if row["concurrency"] is not None}
        await lock_campaigns(self._conn, ids)
        await lock_accounts(self._conn, limited)
        # Counted behind the locks: another node may claim for the same campaigns on other trunks.
        taken = await occupancy(self._conn)
        self._choosing.accounts = await account_room(self._conn, limited, taken)
        rows = [dict(row) for row in (await self._conn.execute(_WITH_TARIFF, {"ids": ids})).mappings()]
        return [self._campaign(row, taken) for row in rows], taken

    def _campaign(self, row: Mapping[str, Any], taken: Occupancy) -> RunningCampaign:
        calls, more_at = allowed(row, self._now)
        if more_at is not None:
            self._wakes.append(more_at)
        id_ = row["id"]
        free = calls - taken.by_campaign.get(id_, 0)
        kept, payable = kept_free(row["callback_reserve"], taken.callbacks.get(id_, 0)), self._money.room(row, free)
        return RunningCampaign(
            row,
            campaign_schedule(row),
            free=payable,
            # Of calls that cannot be paid for none are kept: else nobody would be asked for, nor the campaign paused.
            kept=max(0, payable - max(0, free - kept)),
            live=Counter({trunk: count for (of, trunk), count in taken.on_trunk.items() if of == id_}),
            turn=row["share_turn"],
        )

    async def _stranded(self, running: Sequence[RunningCampaign], lines: Mapping[str, Line]) -> Stranded:
        several = {campaign.id: opened for campaign in running if len(opened := open_lines(campaign.row, lines)) > 1}
        trunk_of = {
            attempt_id: line.name for opened in several.values() for line in opened for attempt_id in line.failed
        }
        if not trunk_of:
            return {}
        statement = (
            select(contacts.c.id, contacts.c.campaign_id, attempts.c.id.label("attempt_id"))
            .join(attempts, attempts.c.contact_id == contacts.c.id)
            .where(attempts.c.id.in_(sorted(trunk_of)), contacts.c.last_attempt_id == attempts.c.id)
            .where(contacts.c.campaign_id.in_(several), contacts.c.state.in_(words(sorted(DIALLABLE))))
            .where(is_due(self._now))
        )
        found: dict[tuple[int, str], frozenset[int]] = {}
        for row in (await self._conn.execute(statement)).mappings():
            key = (row["campaign_id"], trunk_of[row["attempt_id"]])
            found[key] = found.get(key, frozenset()) | {row["id"]}
        return found

    async def _note_turns(self, running: Sequence[RunningCampaign]) -> None:
        moved = [({"id": one.id}, {"share_turn": one.turn}) for one in running if one.turn != one.row["share_turn"]]
        await update_each(self._conn, campaigns, moved)

    async def _claim_on(self, line: Line, asking: Sequence[Asking], limit: int) -> list[Claim]:
        room, row = line.room(limit), line.row
        now_us, ahead_us = to_us(self._now), self._ahead // timedelta(microseconds=1)
        slots = take_slots(row["next_call_us"], now_us, row["cps"], room, ahead_us)
        chosen = await self._choosing.choose(line, asking, len(slots.at_us))
        for one in asking:
            one.turned_away = chosen.full
        claims = await self._create(line, chosen.pairs, slots.at_us)
        # Where nobody could be paid for, time alone brings no room: the end of a call does.
        if len(chosen.pairs) == len(slots.at_us) < room and (claims or not slots.at_us):
            self._wakes.append(from_us(max(slots.next_call_us - ahead_us, now_us + 1)))
        if claims:
            spent = take_slots(row["next_call_us"], now_us, row["cps"], len(claims), ahead_us)
            values: dict[str, Any] = {"next_call_us": spent.next_call_us}
            if line.on_trial:
                values["trial_attempt_id"] = claims[0].attempt_id
            row.update(values)
            line.free -= len(claims)
            await self._conn.execute(update(trunks).where(trunks.c.name == line.name).values(values))
        return [replace(claim, spacing_us=spacing_us(row["cps"])) for claim in claims]

    async def _create(self, line: Line, chosen: Sequence[Pair], slots_us: Sequence[int]) -> list[Claim]:
        chosen = await self._money.afford(chosen)
        made = [(campaign, contact, uuid.uuid4().hex) for campaign, contact in chosen]
        definitions = {campaign.id: campaign.row["definition"] for campaign, _ in chosen}
        prices = {campaign_id: stored(each) for campaign_id, each in definitions.items()}
        # In the order of their numbers, so that two nodes that insert the same two numbers do not wait in a circle.
        in_order = sorted(made, key=lambda m: m[1]["number"])
        rows = [self._attempt_row(*one, line=line, tariff=prices[one[0].id]) for one in in_order]
        inserted = await insert_new(self._conn, attempts, rows, "id")
        made = [one for one in made if one[2] in inserted]
        self._money.placed(made)
        await self._take_contacts([(contact, attempt_id) for _, contact, attempt_id in made])
        for campaign, contact, _ in made:
            self._choosing.took(campaign, contact, line)
        return [_claim(*one, line.name, at_us) for one, at_us in zip(made, slots_us, strict=False)]

    async def _take_contacts(self, taken: Sequence[tuple[Mapping[str, Any], str]]) -> None:
        if not taken:
            return
        changes = [
            (
                {"id": contact["id"], "state": contact["state"]},
                {
                    "state": ContactState.IN_PROGRESS.value,
                    "detail": None,
                    "attempts": contact["attempts"] + 1,
                    "last_attempt_id": attempt_id,
                },
            )
            for contact, attempt_id in taken
        ]
        await update_each(self._conn, contacts, changes)
        created = {"kind": "claimed", "at": self._now, "node": self._node, "to_phase": AttemptPhase.CREATED.value}
        await insert_many(self._conn, attempt_events, [created | {"attempt_id": i} for _, i in taken])

    def _attempt_row(
        self, campaign: RunningCampaign, contact: Mapping[str, Any], attempt_id: str, *, line: Line, tariff: Stored
    ) -> dict[str, Any]:
        row = campaign.row
        return {
            "id": attempt_id,
            "account_id": row["account_id"],
            "campaign_id": row["id"],
            "contact_id": contact["id"],
            "bot_id": contact["bot_id"] or row["bot_id"],
            "trunk": line.name,
            "attempt_no": contact["attempts"] + 1,
            "call_type": "campaign",
            "is_test": row["is_test"],
            "origin": _ORIGIN.get(contact["state"], contact["origin"]),
            "number": contact["number"],
            "caller_id": contact["caller_id"] or row["caller_id"],
            "node": self._node,
            "fence": 1,
            "lease_until": self._now + self._lease,
            "phase": AttemptPhase.CREATED.value,
            "claimed_at": self._now,
            "tariff_snapshot": tariff.snapshot(contact["number"]),
            "currency": row["currency"],
            "reserved": self._money.cost(contact["id"]),
        }

    def _note_openings(self, running: Sequence[RunningCampaign]) -> None:
        for campaign in running:
            opening = campaign.schedule.next_opening(self._now)
            if opening is not None and opening > self._now:
                self._wakes.append(opening)


def _claim(campaign: RunningCampaign, contact: Mapping[str, Any], attempt_id: str, trunk: str, at_us: int) -> Claim:
    row = campaign.row
    return Claim(
        attempt_id=attempt_id,
        fence=1,
        account_id=row["account_id"],
        campaign_id=row["id"],
        bot_id=contact["bot_id"] or row["bot_id"],
        contact_id=contact["id"],
        trunk=trunk,
        number=contact["number"],
        name=contact["name"],
        caller_id=contact["caller_id"] or row["caller_id"],
        language=contact["language"],
        time_zone=contact["time_zone"] or row["time_zone"],
        variables=contact["variables"],
        attempt_no=contact["attempts"] + 1,
        ring_timeout_s=row["ring_timeout_s"],
        max_call_s=row["max_call_s"],
        dial_at=from_us(at_us),
        machines=row["machines"],
    )
