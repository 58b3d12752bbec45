"""Whatever nodes, customers, owners and crashes do: no limit is overspent, and what is reserved is what is live."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import tempfile
from decimal import Decimal
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from billing.ledger import top_up
from campaigns.attempts import Ledger
from campaigns.claiming import Claim
from campaigns.errors import CampaignError, IllegalMove, StaleFence
from campaigns.limits import set_credit_limit
from campaigns.states import AttemptPhase
from reports.audit_money import balances, budgets, reservations
from reports.checks import Of
from storage.database import open_database
from storage.tables import accounts, attempts, campaigns, ledger_entries, outbox
from tests.support_campaigns import NOW, House

_STEPS = ["claim", "claim", "answer", "settle", "settle", "miss", "release", "crash", "pay", "raise_", "start"]
#: What a call of 60 s and the runner's overtime may cost: 17 blocks.
_BUDGET, _CREDIT = Decimal("0.90"), Decimal("0.20")


class World:
    """Two nodes, a campaign with a budget, one without, and a rehearsal with one, on one prepaid account."""

    def __init__(self, house: House) -> None:
        self.house = house
        self.nodes = [house.ledger("node-a"), house.ledger("node-b")]
        self.held: list[tuple[Ledger, Claim]] = []
        self.campaigns: list[int] = []
        self.paid = Decimal(0)
        self.budgets: dict[int, Decimal] = {}

    async def build(self) -> World:
        await self.house.build()
        for fields in ({"budget": _BUDGET}, {}, {"budget": _BUDGET, "is_test": True}):
            more: dict[str, Any] = {"people": 6, "max_call_s": 60, "max_attempts": 2}
            self.campaigns.append(await self.house.campaign(**more | fields))
        self.budgets = dict.fromkeys((self.campaigns[0], self.campaigns[2]), _BUDGET)
        async with self.house.database.write() as conn:
            await set_credit_limit(conn, self.house.account_id, _CREDIT, NOW)
        await self._pay(6)
        return self

    async def step(self, name: str, choice: int) -> None:
        # What an owner or a late node asks for in vain is refused, and changes nothing.
        with contextlib.suppress(IllegalMove, StaleFence, CampaignError):
            await getattr(self, f"_{name}")(choice)

    async def _claim(self, choice: int) -> None:
        node = self.nodes[choice % 2]
        self.held += [(node, claim) for claim in (await node.claim(["line"], 1 + choice % 4)).claims]

    async def _answer(self, choice: int) -> None:
        if self.held:
            node, claim = self.held[choice % len(self.held)]
            await self.house.answer(node, claim)

    async def _settle(self, choice: int) -> None:
        if self.held:
            node, claim = self.held.pop(choice % len(self.held))
            row = await self.house.row(attempts, claim.attempt_id)
            if row["answered_at"] is None:
                await self.house.answer(node, claim)
            self.house.clock.advance(seconds=min(choice * 9, 60))
            await node.settle(claim.attempt_id, claim.fence, self.house.talked())

    async def _miss(self, choice: int) -> None:
        if self.held:
            node, claim = self.held.pop(choice % len(self.held))
            await self.house.miss(node, claim)

    async def _release(self, choice: int) -> None:
        if self.held:
            node, claim = self.held.pop(choice % len(self.held))
            await node.release(claim.attempt_id, claim.fence, "shutdown")

    async def _crash(self, choice: int) -> None:
        dead, other = self.nodes[choice % 2], self.nodes[(choice + 1) % 2]
        self.held = [(node, claim) for node, claim in self.held if node is not dead]
        self.house.clock.advance(seconds=16)
        await other.reap(_no_stray)

    async def _pay(self, choice: int) -> None:
        amount, key = Decimal(choice + 1) / 10, f"{self.paid}:{self.house.clock.now()}"
        async with self.house.database.write() as conn:
            fields: dict[str, Any] = {"account_id": self.house.account_id, "currency": "USD", "now": NOW}
            await top_up(conn, amount=amount, key=key, **fields)
        self.paid += amount

    async def _raise_(self, choice: int) -> None:
        campaign_id = self.campaigns[choice % 2 * 2]
        budget = self.budgets[campaign_id] + Decimal(choice + 1) / 10
        await self.house.campaigns.set_budget(campaign_id, budget)
        self.budgets[campaign_id] = budget

    async def _start(self, choice: int) -> None:
        await self.house.campaigns.start(self.campaigns[choice % 3])

    async def check(self) -> None:
        """What must hold at every instant."""
        async with self.house.database.read() as conn:
            found = [await one(conn, Of(None)) for one in (reservations, budgets, balances)]
        assert [one for one in found if not one.ok] == []
        for campaign_id, budget in self.budgets.items():
            row = await self.house.row(campaigns, campaign_id)
            assert 0 <= row["spent"] + row["reserved"] <= budget
        account = await self.house.row(accounts, self.house.account_id)
        assert account["prepaid"] >= -_CREDIT

    async def check_end(self) -> None:
        """Nothing is reserved for what has ended, and each pause was told once."""
        live = {row["id"] for row in await self.house.rows(attempts) if row["phase"] != AttemptPhase.ENDED}
        moves: dict[str, list[str]] = {}
        for entry in await self.house.rows(ledger_entries):
            if entry["book"] == "reserved":
                moves.setdefault(entry["attempt_id"], []).append(entry["kind"])
        for attempt_id, kinds in moves.items():
            assert kinds == ["reservation"] if attempt_id in live else ["reservation", "release"]
        mails = [row["key"] for row in await self.house.rows(outbox) if row["topic"] == "pause_mail"]
        assert len(mails) == len(set(mails))


async def _no_stray(_trunk: str, _attempt_id: str) -> bool:
    return False


async def _play(steps: list[tuple[str, int]], url: str) -> None:
    async with open_database(url) as database:
        world = await World(House(database)).build()
        for name, choice in steps:
            await world.step(name, choice)
            await world.check()
        await world.check_end()


@settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=st.lists(st.tuples(st.sampled_from(_STEPS), st.integers(0, 7)), min_size=10, max_size=25))
def test_no_order_of_events_overspends_a_limit(steps: list[tuple[str, int]], sqlite_template: Path) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = shutil.copy(sqlite_template, Path(folder) / "world.db")
        asyncio.run(_play(steps, f"sqlite:///{path}"))
