"""The money gate: what a call may cost at most is set aside before it is placed, in the transaction that claims it.

Nobody is claimed whose call could not be paid for, and a campaign none of whose calls can be paid for any more is
paused. docs/reference/tariffs-and-billing.md tells the bound. Campaigns without a limit cost no statement here.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, Protocol, TypeVar

import structlog
from sqlalchemy import insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from billing.ledger import move_balance, reservation_rows
from campaigns.clauses import Clause
from campaigns.funds import CallPrices, Funds, Short, held_for, is_limited, is_prepaid
from campaigns.states import CampaignState, move_campaign
from campaigns.webhook_events import tell_moved
from storage.outbox import enqueue
from storage.tables import accounts, campaigns, ledger_entries

log = structlog.get_logger(__name__)

PAUSED_TOPIC = "pause_mail"


class _Dialled(Protocol):
    """A campaign as a claim has it: a row of the table campaigns with its tariff, and its account's limit."""

    @property
    def row(self) -> Mapping[str, Any]: ...


C = TypeVar("C", bound=_Dialled)


@dataclass(frozen=True)
class _Reserved:
    campaign: Mapping[str, Any]
    amount: Decimal


class MoneyGate:
    """Reservations of one claim; `store` writes them."""

    def __init__(self, conn: AsyncConnection, now: datetime) -> None:
        self._conn = conn
        self._now = now
        self._prices: dict[int, CallPrices] = {}
        #: By campaign (budget) and by account (balance), once asked for.
        self._budgets: dict[int, Funds] = {}
        self._balances: dict[int, Funds] = {}
        self._costs: dict[int, _Reserved] = {}
        self._reserved: dict[str, _Reserved] = {}
        self._short: dict[int, Short] = {}
        self._rows: dict[int, Mapping[str, Any]] = {}

    def room(self, row: Mapping[str, Any], free: int) -> int:
        """How many of so many calls a campaign can surely not pay for more than; one at least, so that it is told."""
        if free <= 1 or not is_limited(row):
            return free
        least = self._prices_of(row).floor
        left = min(funds.left for funds in Funds.of(row))
        return free if least <= 0 else max(1, min(free, int(left / least)))

    async def afford(self, pairs: Sequence[tuple[C, Mapping[str, Any]]]) -> list[tuple[C, Mapping[str, Any]]]:
        """Those of these campaigns' contacts, in order, whose calls can be paid for."""
        await self._open(campaign.row for campaign, _ in pairs)
        return [(campaign, contact) for campaign, contact in pairs if self._sets_aside(campaign.row, contact)]

    def cost(self, contact_id: int) -> Decimal | None:
        """What was set aside for a contact's call; None where no limit holds."""
        return self._costs[contact_id].amount if contact_id in self._costs else None

    def placed(self, made: Iterable[tuple[C, Mapping[str, Any], str]]) -> None:
        """These attempts were made; what was set aside for contacts that are not among them is free again."""
        for _, contact, attempt_id in made:
            if contact["id"] in self._costs:
                self._reserved[attempt_id] = self._costs.pop(contact["id"])
        for unused in self._costs.values():
            self._take(unused.campaign, -unused.amount)
        self._costs.clear()

    async def store(self) -> None:
        """Post the reservations, and pause the campaigns that can pay for no further call."""
        if self._reserved:
            await self._post()
        paying = {reserved.campaign["id"] for reserved in self._reserved.values()}
        for campaign_id in sorted(set(self._short) - paying):
            await self._pause_unless_released(self._rows[campaign_id], self._short[campaign_id])

    async def _open(self, rows: Iterable[Mapping[str, Any]]) -> None:
        limited = {row["id"]: row for row in rows if is_limited(row)}
        for campaign_id, row in limited.items():
            if campaign_id not in self._rows:
                self._rows[campaign_id] = row
                if row["budget"] is not None:
                    self._budgets[campaign_id] = Funds.of_budget(row)
        wanted = {row["account_id"] for row in limited.values() if is_prepaid(row)} - set(self._balances)
        if not wanted:
            return
        # Locked before the first attempt is inserted: who waits for a number's insert holds no account then.
        found = select(accounts.c.id, accounts.c.prepaid, accounts.c.credit_limit, accounts.c.currency)
        locked = found.where(accounts.c.id.in_(sorted(wanted))).order_by(accounts.c.id).with_for_update(key_share=True)
        for account in (await self._conn.execute(locked)).mappings():
            self._balances[account["id"]] = Funds.of_balance(dict(account))

    def _sets_aside(self, row: Mapping[str, Any], contact: Mapping[str, Any]) -> bool:
        if not is_limited(row):
            return True
        needed = self._prices_of(row).most(contact["number"])
        for funds in self._funds(row):
            if needed > funds.left:
                short = Short(funds, needed)
                known = self._short.get(row["id"])
                self._short[row["id"]] = min(known, short, key=lambda one: one.needed) if known else short
                return False
        self._take(row, needed)
        self._costs[contact["id"]] = _Reserved(row, needed)
        return True

    def _funds(self, row: Mapping[str, Any]) -> list[Funds]:
        found = [self._budgets.get(row["id"]), self._balances.get(row["account_id"]) if is_prepaid(row) else None]
        return [funds for funds in found if funds is not None]

    def _take(self, row: Mapping[str, Any], amount: Decimal) -> None:
        for funds in self._funds(row):
            funds.left -= amount
            funds.held += amount

    def _prices_of(self, row: Mapping[str, Any]) -> CallPrices:
        if row["id"] not in self._prices:
            self._prices[row["id"]] = CallPrices.of(row)
        return self._prices[row["id"]]

    async def _post(self) -> None:
        entries: list[dict[str, Any]] = []
        of_campaign: dict[int, Decimal] = defaultdict(Decimal)
        of_account: dict[int, Decimal] = defaultdict(Decimal)
        for attempt_id, reserved in self._reserved.items():
            row, amount = reserved.campaign, reserved.amount
            common = {"account_id": row["account_id"], "currency": row["currency"], "rehearsal": row["is_test"]}
            entries += reservation_rows(amount, attempt_id=attempt_id, now=self._now, **common)
            of_campaign[row["id"]] += amount
            if not row["is_test"]:
                of_account[row["account_id"]] -= amount
        await self._conn.execute(insert(ledger_entries), entries)
        for campaign_id, amount in sorted(of_campaign.items()):
            if campaign_id in self._budgets:
                raised = {"reserved": campaigns.c.reserved + amount}
                await self._conn.execute(update(campaigns).where(campaigns.c.id == campaign_id).values(raised))
        await move_balance(self._conn, {i: of_account[i] for i in of_account if i in self._balances})

    async def _pause_unless_released(self, row: Mapping[str, Any], short: Short) -> None:
        funds = short.funds
        if funds.clause is Clause.BALANCE:
            funds.held = await held_for(self._conn, row["account_id"])
        if short.may_pass:
            return
        old = CampaignState(row["state"])
        paused = {"state": move_campaign(old, CampaignState.PAUSED).value, "pause_reason": short.told[:200]}
        running = (campaigns.c.id == row["id"]) & (campaigns.c.state == old.value)
        await self._conn.execute(update(campaigns).where(running).values(paused))
        await tell_moved(self._conn, row["id"], old, CampaignState.PAUSED, self._now)
        payload = {"campaign_id": row["id"], "clause": funds.clause.value, "reason": short.told}
        payload["paused_at"] = self._now.isoformat()
        key = f"paused:{row['id']}:{payload['paused_at']}"
        await enqueue(self._conn, key=key, topic=PAUSED_TOPIC, payload=payload, now=self._now)
        log.warning("campaign_out_of_money", campaign_id=row["id"], clause=funds.clause.value)
