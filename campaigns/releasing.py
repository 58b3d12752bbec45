"""Giving back what was reserved for attempts that end, with their charges, in the transaction that ends them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import update
from sqlalchemy.ext.asyncio import AsyncConnection

from billing.ledger import move_balance, release_rows
from billing.rating import Rated
from campaigns.funds import is_limited, is_prepaid
from storage.tables import campaigns

_NOUGHT = Decimal(0)


class Releases:
    """The running sums of limited campaigns and accounts, for one transaction's worth of ends."""

    def __init__(self, now: datetime) -> None:
        self._now = now
        self._spent: dict[int, Decimal] = defaultdict(Decimal)
        self._reserved: dict[int, Decimal] = defaultdict(Decimal)
        self._balances: dict[int, Decimal] = defaultdict(Decimal)

    def ended(
        self, row: Mapping[str, Any], campaign: Mapping[str, Any], rated: Rated | None = None
    ) -> list[dict[str, Any]]:
        """Rows for the ledger that release the attempt's reservation, if it has one; `rated` is what it is charged.

        `campaign` is its row with its account's `credit_limit`, read behind the campaign's lock.
        """
        held, cost = row["reserved"], rated.total if rated is not None and rated.billed else _NOUGHT
        if is_limited(campaign):
            self._count(row, campaign, held or _NOUGHT, cost)
        if held is None:
            return []
        return release_rows(
            held,
            account_id=row["account_id"],
            attempt_id=row["id"],
            currency=row["currency"],
            now=self._now,
            rehearsal=row["is_test"],
        )

    def _count(self, row: Mapping[str, Any], campaign: Mapping[str, Any], held: Decimal, cost: Decimal) -> None:
        if campaign["budget"] is not None:
            self._spent[row["campaign_id"]] += cost
            self._reserved[row["campaign_id"]] += held
        if is_prepaid(campaign):
            self._balances[row["account_id"]] += held - cost

    async def store(self, conn: AsyncConnection) -> None:
        """Change the running sums; accounts are locked last of all."""
        for campaign_id in sorted(self._spent):
            sums = {
                "spent": campaigns.c.spent + self._spent[campaign_id],
                "reserved": campaigns.c.reserved - self._reserved[campaign_id],
            }
            await conn.execute(update(campaigns).where(campaigns.c.id == campaign_id).values(sums))
        await move_balance(conn, self._balances)
