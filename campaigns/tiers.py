"""How many blocks an account has used in a month: what the tiers of a tariff go by (VOCABULARY: Billing)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from campaigns.windows import zone_of
from storage.tables import accounts, attempts

#: An account, whether its rehearsals are meant, and a month's first instant in the account's time zone.
_Count = tuple[int, bool, datetime]


class MonthBlocks:
    """Blocks by account and calendar month, kept while attempts are settled one after the other.

    An attempt belongs to the month in which it was placed, in its account's time zone. Rehearsals are counted
    for themselves: they use up no tier of real calls.
    """

    def __init__(self) -> None:
        self._zones: dict[int, ZoneInfo] = {}
        self._used: dict[_Count, int] = {}

    async def load(self, conn: AsyncConnection, placed: Sequence[tuple[Mapping[str, Any], datetime]]) -> None:
        """Count for attempts, each with the instant at which it was placed; flat prices need no count.

        Accounts stay locked until the transaction ends: no other may settle by the same count.
        """
        tiered = [(row, at) for row, at in placed if has_tiers(row["tariff_snapshot"])]
        if not tiered:
            return
        ids = {row["account_id"] for row, _ in tiered}
        zones = select(accounts.c.id, accounts.c.time_zone).where(accounts.c.id.in_(ids)).order_by(accounts.c.id)
        for account_id, zone in await conn.execute(zones.with_for_update(key_share=True)):
            self._zones[account_id] = zone_of(zone)
        for count in {self._count(row, at) for row, at in tiered}:
            self._used[count] = await _used(conn, count)

    def before(self, row: Mapping[str, Any], at: datetime) -> int:
        """Blocks that the account used in the month of `at` so far; 0 where no price depends on it."""
        return self._used.get(self._count(row, at), 0) if row["account_id"] in self._zones else 0

    def add(self, row: Mapping[str, Any], at: datetime, blocks: int) -> None:
        """Let the blocks of a settled attempt count for those that follow."""
        if row["account_id"] in self._zones and (count := self._count(row, at)) in self._used:
            self._used[count] += blocks

    def _count(self, row: Mapping[str, Any], at: datetime) -> _Count:
        local = at.astimezone(self._zones[row["account_id"]])
        return row["account_id"], row["is_test"], local.replace(day=1, hour=0, minute=0, second=0, microsecond=0)


async def blocks_of_month(conn: AsyncConnection, account_id: int, now: datetime, *, is_test: bool) -> int:
    """Blocks that an account has used so far in the calendar month of `now`, in its time zone."""
    zone = (await conn.execute(select(accounts.c.time_zone).where(accounts.c.id == account_id))).scalar_one()
    month = now.astimezone(zone_of(zone)).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    return await _used(conn, (account_id, is_test, month))


async def _used(conn: AsyncConnection, count: _Count) -> int:
    account_id, is_test, month = count
    following = month.replace(year=month.year + month.month // 12, month=month.month % 12 + 1)
    total = select(func.coalesce(func.sum(attempts.c.blocks), 0)).where(
        attempts.c.account_id == account_id,
        attempts.c.is_test.is_(is_test),
        attempts.c.originated_at >= month,
        attempts.c.originated_at < following,
    )
    return int((await conn.execute(total)).scalar_one())


def has_tiers(snapshot: Mapping[str, Any]) -> bool:
    """Whether what a block costs in a tariff, or in an attempt's snapshot of it, depends on how many were used."""
    prices = snapshot.get("block_price")
    kinds: Iterable[Any] = prices.values() if isinstance(prices, Mapping) else ()
    return any(isinstance(kind, list) and len(kind) > 1 for kind in kinds)
