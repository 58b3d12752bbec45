"""Whatever nodes, customers, owners and crashes do, in whatever order: the ledger's sums hold (DESIGN: Invariants)."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import tempfile
from collections import Counter
from decimal import Decimal
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import update

from campaigns.attempts import Ledger
from campaigns.claiming import Claim
from campaigns.errors import IllegalMove, StaleFence
from campaigns.settling import CALLBACK_EXTRA, Settlement
from campaigns.states import AttemptPhase, CampaignState, ContactState, is_terminal
from campaigns.trunk_health import TrunkHealth
from campaigns.trunks import Trunks
from storage.database import open_database
from storage.tables import attempt_events, attempts, contacts, ledger_entries, trunks
from telephony.call import NotAnswered
from telephony.outcomes import DialStatus
from tests.support_campaigns import House, number

_STEPS = [
    "claim",
    "begin",
    "answer",
    "busy",
    "talk",
    "opt_out",
    "call_back",
    "crash",
    "reap",
    "pause",
    "wait",
    "shut_down",
    "fail",
    "probe",
    "resume",
]
_PHONES = [number(place) for place in (1, 2, 3, 4, 4, 5, 5)]
_TRUNKS = ("line", "spare")
_CHANNELS = 2
_RULES = [{"on": ["BUSY", "CHANUNAVAIL"], "times": 1, "after_min": 10}]


async def _no_stray(_trunk: str, _attempt_id: str) -> bool:
    return False


class World:
    """Two campaigns that share numbers, and trunks in opposite orders, and two nodes that call for them."""

    def __init__(self, house: House) -> None:
        self.house = house
        self.nodes = [house.ledger("one"), house.ledger("two")]
        self.held: list[tuple[Ledger, Claim]] = []
        self.campaigns: list[int] = []
        self.trunks = Trunks(house.database, house.clock)

    async def build(self) -> World:
        await self.house.build()
        await self.house.trunk("spare")
        async with self.house.database.write() as conn:
            await conn.execute(update(trunks).values(failures_allowed=2, channels=_CHANNELS))
        for first, backup in (_TRUNKS, _TRUNKS[::-1]):
            ways: dict[str, Any] = {"trunk": first, "backup_trunks": [backup], "overflow": first == "spare"}
            campaign_id = await self.house.campaign(max_attempts=3, retry_rules=_RULES, concurrency=3, **ways)
            for phone in _PHONES:
                await self.house.contact(campaign_id, phone)
            await self.house.campaigns.start(campaign_id)
            self.campaigns.append(campaign_id)
        return self

    async def step(self, name: str, choice: int) -> None:
        with contextlib.suppress(StaleFence, IllegalMove):
            await getattr(self, f"_{name}")(choice)

    async def _claim(self, choice: int) -> None:
        node = self.nodes[choice % 2]
        names = _TRUNKS if choice < 9 else ("spare",)
        self.held += [(node, claim) for claim in (await node.claim(names, choice % 4)).claims]

    async def _begin(self, choice: int) -> None:
        if self.held:
            node, claim = self.held[choice % len(self.held)]
            await node.begin(claim.attempt_id, claim.fence)

    async def _answer(self, choice: int) -> None:
        if self.held:
            node, claim = self.held[choice % len(self.held)]
            await self.house.answer(node, claim)

    async def _finish(self, choice: int, facts: Any) -> None:
        if self.held:
            node, claim = self.held.pop(choice % len(self.held))
            row = await self.house.row(attempts, claim.attempt_id)
            if row["phase"] == AttemptPhase.CREATED:
                await node.release(claim.attempt_id, claim.fence, "shutdown")
            else:
                await node.settle(claim.attempt_id, claim.fence, facts(row["answered_at"] is not None))

    async def _busy(self, choice: int) -> None:
        status = (DialStatus.BUSY, DialStatus.INVALID, DialStatus.CHANUNAVAIL)[choice % 3]
        await self._finish(choice, lambda on: self.house.talked() if on else self.house.missed(status))

    async def _fail(self, choice: int) -> None:
        """A call that fails by the trunk's fault, or is refused; two in a row pause it."""
        code = (503, 401, None)[choice % 3]
        dial = NotAnswered(DialStatus.CHANUNAVAIL, self.house.clock.now(), sip_code=code)
        await self._finish(choice, lambda on: self.house.talked() if on else Settlement(dial=dial))

    async def _probe(self, choice: int) -> None:
        self.house.clock.advance(minutes=choice)
        await self._look(ok=choice % 3 > 0)

    async def _look(self, *, ok: bool) -> None:
        for name in await self.trunks.take_probes(_TRUNKS):
            await self.trunks.note_probe(name, ok=ok)

    async def _resume(self, choice: int) -> None:
        await self.trunks.resume(_TRUNKS[choice % 2])

    async def _talk(self, choice: int) -> None:
        await self._finish(choice, lambda on: self.house.talked(code="YES") if on else self.house.missed())

    async def _call_back(self, choice: int) -> None:
        await self._finish(choice, lambda on: self.house.talked(callback=True) if on else self.house.missed())

    async def _shut_down(self, choice: int) -> None:
        rang = NotAnswered(DialStatus.CANCEL, self.house.clock.now(), rang=True)
        broken_off = Settlement(dial=rang, by_node=True)
        await self._finish(choice, lambda on: self.house.talked() if on else broken_off)

    async def _opt_out(self, choice: int) -> None:
        if self.held:
            node, claim = self.held[choice % len(self.held)]
            await node.opt_out(claim.attempt_id, claim.fence, "stop")

    async def _crash(self, choice: int) -> None:
        dead = self.nodes[choice % 2]
        self.held = [(node, claim) for node, claim in self.held if node is not dead]

    async def _reap(self, choice: int) -> None:
        self.house.clock.advance(seconds=16)
        await self.nodes[choice % 2].reap(_no_stray)

    async def _pause(self, choice: int) -> None:
        campaign_id = self.campaigns[choice % 2]
        state = (await self.house.campaigns.status(campaign_id)).state
        if state is CampaignState.PAUSED:
            await self.house.campaigns.start(campaign_id)
        else:
            await self.house.campaigns.pause(campaign_id)

    async def _wait(self, choice: int) -> None:
        self.house.clock.advance(minutes=choice % 25)

    async def run_out(self) -> None:
        """Resume what is paused and call until nothing is left."""
        for campaign_id in self.campaigns:
            if (await self.house.campaigns.status(campaign_id)).state is CampaignState.PAUSED:
                await self.house.campaigns.start(campaign_id)
        for _ in range(200):
            self.house.clock.advance(minutes=30)
            await self.nodes[0].reap(_no_stray)
            await self._look(ok=True)
            claims = (await self.nodes[0].claim(_TRUNKS, 10)).claims
            for claim in claims:
                await self.house.talk(self.nodes[0], claim)
            if not claims and await self.house.live() == 0:
                return
        raise AssertionError("the campaigns never end")

    async def check(self) -> None:
        """What must hold at every instant."""
        tried = [row for row in await self.house.rows(attempts) if not _was_released(row)]
        live = [row for row in tried if row["phase"] != AttemptPhase.ENDED]
        assert max(Counter(row["number"] for row in live).values(), default=0) <= 1
        counted = Counter(row["contact_id"] for row in tried if row["counted"])
        for line in await self.house.rows(trunks):
            mine = {row["id"] for row in live if row["trunk"] == line["name"]}
            assert len(mine) <= _CHANNELS
            if line["health"] == TrunkHealth.TRYING and line["trial_attempt_id"]:
                assert line["trial_attempt_id"] in mine
            else:
                assert line["trial_attempt_id"] is None
        for contact in await self.house.rows(contacts):
            assert contact["attempts"] == counted[contact["id"]] <= 3 + CALLBACK_EXTRA
            on_a_call = contact["id"] in {row["contact_id"] for row in live}
            assert (contact["state"] == ContactState.IN_PROGRESS) is on_a_call
        entries = await self.house.rows(ledger_entries)
        assert sum((entry["amount"] for entry in entries), Decimal(0)) == 0
        billed = {row["id"] for row in tried if row["blocks"]}
        assert {entry["attempt_id"] for entry in entries} == billed


def _was_released(row: dict[str, Any]) -> bool:
    return row["phase"] == AttemptPhase.ENDED and row["originated_at"] is None


async def _play(steps: list[tuple[str, int]], url: str) -> None:
    async with open_database(url) as database:
        world = await World(House(database)).build()
        for name, choice in steps:
            await world.step(name, choice)
            await world.check()
        await world.run_out()
        await world.check()
        house = world.house
        assert all(is_terminal(ContactState(row["state"])) for row in await house.rows(contacts))
        reports = [key for key in await house.reports() if key.startswith("report:")]
        assert sorted(reports) == [f"report:{campaign_id}:completed" for campaign_id in world.campaigns]
        ends = Counter(e["attempt_id"] for e in await house.rows(attempt_events) if e["to_phase"] == "ended")
        assert ends == {row["id"]: 1 for row in await house.rows(attempts)}


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=st.lists(st.tuples(st.sampled_from(_STEPS), st.integers(0, 11)), max_size=30))
def test_no_order_of_events_breaks_the_books(steps: list[tuple[str, int]], sqlite_template: Path) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = shutil.copy(sqlite_template, Path(folder) / "world.db")
        asyncio.run(_play(steps, f"sqlite:///{path}"))
