"""The world that the ledger's state machine plays in: what nodes, customers, owners, crashes and clocks do to it.

    python -m tests.support_state_machine --steps 10000 [--database postgresql://…/postgres]

plays many more steps than the tests do; the user of the PostgreSQL address must be allowed to create databases.
"""

from __future__ import annotations

import argparse
import contextlib
import shutil
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import structlog
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test
from sqlalchemy import update

from campaigns.attempts import Ledger
from campaigns.claiming import Claim
from campaigns.contact_entry import Hand
from campaigns.contact_moves import hold_contacts, release_contacts
from campaigns.do_not_call import DoNotCall
from campaigns.errors import CampaignError, IllegalMove, StaleFence
from campaigns.settling import CALLBACK_EXTRA, Settlement
from campaigns.states import FINISHED, AttemptPhase, CampaignState, ContactState, is_terminal
from campaigns.trunk_health import TrunkHealth
from campaigns.trunks import Trunks
from reports.audit import audit
from storage.tables import accounts, attempt_events, attempts, campaigns, contacts, ledger_entries, trunks
from telephony.call import NotAnswered
from telephony.outcomes import DialStatus
from tests.support_campaigns import TARIFF, House, number

#: A Friday; the clocks of Paris go forward in the night to Sunday.
START = datetime(2026, 3, 27, 9, 0, tzinfo=UTC)
_PHONES = [number(place) for place in (1, 2, 3, 4, 4, 5, 5)]
_TRUNKS = ("line", "spare")
_CHANNELS = 3
_CALLS, _RESERVE, _ACCOUNT_CALLS, _CPS = 3, 1, 5, 4.0
_RULES = [{"on": ["BUSY", "CHANUNAVAIL"], "times": 1, "after_min": 10}]
_MAX_ATTEMPTS = 3
#: A campaign of the whole day, and one of office hours where summer time begins.
_CAMPAIGNS: tuple[dict[str, Any], ...] = (
    {"share": 2, "callback_reserve": _RESERVE, "slow_start": {"from": 1, "step": 1, "every_s": 30}},
    {"overflow": True, "windows": [["08:00", "12:00"], ["13:00", "20:00"]], "time_zone": "Europe/Paris"},
)

# What a world is made of, and how far it can be driven.
STEPS = (
    *("claim", "begin", "answer", "ring", "busy", "talk", "opt_out", "call_back", "wrap_up", "shut_down", "give_back"),
    *("fail", "probe", "resume", "transfer", "renew", "crash", "reap", "pause", "stop", "wait", "days", "back"),
    *("do_not_call", "new_contact", "hold", "sweep"),
)


async def _no_stray(_trunk: str, _attempt_id: str) -> bool:
    return False


@dataclass
class World:
    """Two campaigns that share numbers, and trunks in opposite orders, and two nodes that call for them."""

    house: House
    held: list[tuple[Ledger, Claim]] = field(default_factory=list)
    campaigns: list[int] = field(default_factory=list)
    people: int = 0
    #: By trunk: when its calls may leave.
    slots: dict[str, list[datetime]] = field(default_factory=lambda: defaultdict(list))
    #: By number that is listed: the calls to it that had been placed by then.
    listed: dict[str, set[str]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.nodes = [self.house.ledger("one", ahead_ms=250), self.house.ledger("two", ahead_ms=250)]
        self.trunks = Trunks(self.house.database, self.house.clock)

    async def build(self) -> World:
        """Make the house, its trunks, and the campaigns, which run."""
        await self.house.build(tariff=TARIFF)
        await self.house.trunk("spare")
        async with self.house.database.write() as conn:
            await conn.execute(update(trunks).values(failures_allowed=2, channels=_CHANNELS, cps=_CPS))
            await conn.execute(update(accounts).values(concurrency=_ACCOUNT_CALLS))
        for (first, backup), more in zip((_TRUNKS, _TRUNKS[::-1]), _CAMPAIGNS, strict=True):
            ways: dict[str, Any] = {"trunk": first, "backup_trunks": [backup]}
            rules: dict[str, Any] = {"max_attempts": _MAX_ATTEMPTS, "retry_rules": _RULES, "concurrency": _CALLS}
            campaign_id = await self.house.campaign(**rules, **ways, **more)
            for place, phone in enumerate(_PHONES):
                hours = {"time_from": "07:00", "time_to": "21:00"} if place == 1 else {}
                await self._enter(campaign_id, phone, priority=place % 2, **hours)
            await self.house.campaigns.start(campaign_id)
            self.campaigns.append(campaign_id)
        return self

    async def step(self, name: str, choice: int) -> None:
        """One thing happens; what is out of order by then is refused."""
        with contextlib.suppress(StaleFence, IllegalMove, CampaignError):
            await getattr(self, f"_{name}")(choice)

    async def _enter(self, campaign_id: int, phone: str, **fields: Any) -> None:
        await self.house.contact(campaign_id, phone, **fields)
        self.people += 1

    async def _claim(self, choice: int) -> None:
        node = self.nodes[choice % 2]
        claims = (await node.claim(_TRUNKS if choice < 9 else ("spare",), choice % 4)).claims
        for claim in claims:
            self.slots[claim.trunk].append(claim.dial_at)
        self.held += [(node, claim) for claim in claims]

    def _one(self, choice: int) -> tuple[Ledger, str, int]:
        if not self.held:
            raise StaleFence("nobody is being called")
        node, claim = self.held[choice % len(self.held)]
        return node, claim.attempt_id, claim.fence

    async def _begin(self, choice: int) -> None:
        node, attempt_id, fence = self._one(choice)
        await node.begin(attempt_id, fence)

    async def _answer(self, choice: int) -> None:
        node, attempt_id, fence = self._one(choice)
        await node.begin(attempt_id, fence)
        await node.advance(attempt_id, fence, AttemptPhase.ANSWERED, self.house.clock.now())
        if choice % 2:
            await node.advance(attempt_id, fence, AttemptPhase.TALKING, self.house.clock.now())

    async def _ring(self, choice: int) -> None:
        node, attempt_id, fence = self._one(choice)
        await node.advance(attempt_id, fence, AttemptPhase.RINGING, self.house.clock.now())

    async def _wrap_up(self, choice: int) -> None:
        node, attempt_id, fence = self._one(choice)
        if (await self.house.row(attempts, attempt_id))["answered_at"] is not None:
            await node.advance(attempt_id, fence, AttemptPhase.WRAPUP, self.house.clock.now())

    async def _transfer(self, choice: int) -> None:
        """An agent's leg is written down and dialled; the customer may be handed over or may not."""
        node, attempt_id, fence = self._one(choice)
        if (await self.house.row(attempts, attempt_id))["answered_at"] is None:
            return
        await node.agent_leg(attempt_id, fence, f"leg{self.people}x{choice}", "sales")
        if choice % 3:
            await node.advance(attempt_id, fence, AttemptPhase.TRANSFERRING, self.house.clock.now())

    async def _renew(self, choice: int) -> None:
        node = self.nodes[choice % 2]
        mine = {claim.attempt_id: claim.fence for holder, claim in self.held if holder is node}
        lost = await node.renew(mine)
        self.held = [(holder, claim) for holder, claim in self.held if claim.attempt_id not in lost]

    async def _give_back(self, choice: int) -> None:
        node, attempt_id, fence = self._one(choice)
        await node.release(attempt_id, fence, "not_asked", unasked=choice % 2 == 0)

    async def _finish(self, choice: int, facts: Any) -> None:
        node, attempt_id, fence = self._one(choice)
        self.held.pop(choice % len(self.held))
        row = await self.house.row(attempts, attempt_id)
        if row["phase"] == AttemptPhase.CREATED:
            await node.release(attempt_id, fence, "shutdown")
        else:
            await node.settle(attempt_id, fence, facts(row["answered_at"] is not None))

    async def _busy(self, choice: int) -> None:
        status = (DialStatus.BUSY, DialStatus.INVALID, DialStatus.CHANUNAVAIL)[choice % 3]
        await self._finish(choice, lambda on: _talked(self.house) if on else self.house.missed(status))

    async def _fail(self, choice: int) -> None:
        """A call that fails by the trunk's fault, or is refused; two in a row pause it."""
        code = (503, 401, None)[choice % 3]
        dial = NotAnswered(DialStatus.CHANUNAVAIL, self.house.clock.now(), sip_code=code)
        await self._finish(choice, lambda on: _talked(self.house) if on else Settlement(dial=dial))

    async def _talk(self, choice: int) -> None:
        await self._finish(choice, lambda on: _talked(self.house, code="YES") if on else self.house.missed())

    async def _call_back(self, choice: int) -> None:
        await self._finish(choice, lambda on: _talked(self.house, callback=True) if on else self.house.missed())

    async def _shut_down(self, choice: int) -> None:
        rang = NotAnswered(DialStatus.CANCEL, self.house.clock.now(), rang=True)
        broken_off = Settlement(dial=rang, by_node=True)
        await self._finish(choice, lambda on: _talked(self.house) if on else broken_off)

    async def _opt_out(self, choice: int) -> None:
        node, attempt_id, fence = self._one(choice)
        await node.opt_out(attempt_id, fence, "stop")
        await self._note_listed((await self.house.row(attempts, attempt_id))["number"])

    async def _do_not_call(self, choice: int) -> None:
        phone = _PHONES[choice % len(_PHONES)]
        await DoNotCall(self.house.database, self.house.clock, self.house.account_id).add(
            [phone], by="owner", reason="asked by letter"
        )
        await self._note_listed(phone)

    async def _note_listed(self, phone: str) -> None:
        rows = await self.house.rows(attempts)
        placed = {row["id"] for row in rows if row["number"] == phone and row["originated_at"] is not None}
        self.listed.setdefault(phone, placed)

    async def _probe(self, choice: int) -> None:
        self.house.clock.advance(minutes=choice)
        await self._look(ok=choice % 3 > 0)

    async def _look(self, *, ok: bool) -> None:
        for name in await self.trunks.take_probes(_TRUNKS):
            await self.trunks.note_probe(name, ok=ok)

    async def _resume(self, choice: int) -> None:
        await self.trunks.resume(_TRUNKS[choice % 2])

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

    async def _stop(self, choice: int) -> None:
        # Seldom: nothing happens in a campaign any more that has been stopped.
        if choice == 0:
            await self.house.campaigns.stop(self.campaigns[1])

    async def _sweep(self, _choice: int) -> None:
        await self.house.campaigns.sweep()

    async def _wait(self, choice: int) -> None:
        self.house.clock.advance(seconds=(0.001, 0.2, 1, 20, 60, 600, 1500, 3600)[choice % 8])

    async def _days(self, choice: int) -> None:
        self.house.clock.advance(hours=(7, 13, 24, 72)[choice % 4])

    async def _back(self, choice: int) -> None:
        """A clock that ran fast is set right."""
        self.house.clock.advance(seconds=-0.1 * choice)

    async def _new_contact(self, choice: int) -> None:
        campaign_id = self.campaigns[choice % 2]
        if (await self.house.campaigns.status(campaign_id)).state in {CampaignState.RUNNING, CampaignState.PAUSED}:
            await self._enter(campaign_id, number(1 + choice % 9))

    async def _hold(self, choice: int) -> None:
        """Contacts are held, or let go again."""
        move = hold_contacts if choice % 2 else release_contacts
        async with self.house.database.write() as conn:
            await move(conn, self.campaigns[choice % 2], None, choice, Hand("owner", self.house.clock.now()))

    async def run_out(self) -> None:
        """Resume what is paused, let go whom somebody holds, and call until nothing is left."""
        for campaign_id in self.campaigns:
            if (await self.house.campaigns.status(campaign_id)).state is CampaignState.PAUSED:
                await self.house.campaigns.start(campaign_id)
            with contextlib.suppress(CampaignError):
                async with self.house.database.write() as conn:
                    await release_contacts(conn, campaign_id, None, 999, Hand("owner", self.house.clock.now()))
        for _ in range(300):
            self.house.clock.advance(minutes=30)
            await self.nodes[0].reap(_no_stray)
            await self._look(ok=True)
            claims = (await self.nodes[0].claim(_TRUNKS, 10)).claims
            for claim in claims:
                await self._call(claim)
            if not claims and await self._is_over():
                return
        raise AssertionError("the campaigns never end")

    async def _call(self, claim: Claim) -> None:
        node = self.nodes[0]
        moved = await node.begin(claim.attempt_id, claim.fence)
        if moved.phase is not AttemptPhase.ENDED:
            await node.advance(claim.attempt_id, claim.fence, AttemptPhase.ANSWERED, self.house.clock.now())
            self.house.clock.advance(seconds=12)
            await node.settle(claim.attempt_id, claim.fence, _talked(self.house))

    async def _is_over(self) -> bool:
        rows = await self.house.rows(campaigns)
        return all(row["finished_at"] is not None for row in rows) and await self.house.live() == 0

    async def check(self) -> None:
        """What must hold at every instant."""
        every = await self.house.rows(attempts)
        tried = [row for row in every if not _was_released(row)]
        live = [row for row in tried if row["phase"] != AttemptPhase.ENDED]
        assert max(Counter(row["number"] for row in live).values(), default=0) <= 1
        assert max(Counter(row["contact_id"] for row in live).values(), default=0) <= 1
        self._check_limits(live)
        await self._check_trunks(live)
        await self._check_contacts(tried, live)
        self._check_listed(every)
        entries = await self.house.rows(ledger_entries)
        assert sum((entry["amount"] for entry in entries), Decimal(0)) == 0
        billed = {row["id"] for row in tried if row["blocks"]}
        assert {entry["attempt_id"] for entry in entries} == billed
        for row in await self.house.rows(campaigns):
            if row["finished_at"] is not None:
                assert row["state"] in FINISHED
                assert row["id"] not in {one["campaign_id"] for one in live}

    def _check_limits(self, live: list[dict[str, Any]]) -> None:
        assert len(live) <= _ACCOUNT_CALLS
        for campaign_id in self.campaigns:
            mine = [row for row in live if row["campaign_id"] == campaign_id]
            assert len(mine) <= _CALLS
        kept = [row for row in live if row["campaign_id"] == self.campaigns[0] and row["origin"] != "callback"]
        assert len(kept) <= _CALLS - _RESERVE
        for slots in self.slots.values():
            for place, first in enumerate(slots):
                within = [at for at in slots[place:] if (at - first).total_seconds() < 1]
                assert len(within) <= _CPS

    async def _check_trunks(self, live: list[dict[str, Any]]) -> None:
        for line in await self.house.rows(trunks):
            mine = {row["id"] for row in live if row["trunk"] == line["name"]}
            # Who wraps up holds no channel any more.
            assert len([row for row in live if row["id"] in mine and row["phase"] != AttemptPhase.WRAPUP]) <= _CHANNELS
            if line["health"] == TrunkHealth.TRYING and line["trial_attempt_id"]:
                assert line["trial_attempt_id"] in mine
            else:
                assert line["trial_attempt_id"] is None

    async def _check_contacts(self, tried: list[dict[str, Any]], live: list[dict[str, Any]]) -> None:
        counted = Counter(row["contact_id"] for row in tried if row["counted"])
        everybody = await self.house.rows(contacts)
        assert len(everybody) == self.people
        on_a_call = {row["contact_id"] for row in live}
        for contact in everybody:
            assert contact["attempts"] == counted[contact["id"]] <= _MAX_ATTEMPTS + CALLBACK_EXTRA
            assert (contact["state"] == ContactState.IN_PROGRESS) is (contact["id"] in on_a_call)

    def _check_listed(self, every: list[dict[str, Any]]) -> None:
        for row in every:
            if row["originated_at"] is not None:
                assert row["id"] in self.listed.get(row["number"], {row["id"]})

    async def check_end(self, folder: Path) -> None:
        """What must hold when nothing is left: everybody is through, and the books balance."""
        await self.check()
        house = self.house
        assert all(is_terminal(ContactState(row["state"])) for row in await house.rows(contacts))
        ended = {row["id"]: row["state"] for row in await house.rows(campaigns)}
        reports = [key for key in await house.reports() if key.startswith("report:")]
        assert sorted(reports) == sorted(f"report:{campaign_id}:{state}" for campaign_id, state in ended.items())
        ends = Counter(e["attempt_id"] for e in await house.rows(attempt_events) if e["to_phase"] == "ended")
        assert ends == {row["id"]: 1 for row in await house.rows(attempts)}
        async with house.database.read() as conn:
            books = await audit(conn, None, folder)
        # Nobody recorded anything here.
        assert [one for one in books.checks if not one.ok and "recordings" not in one.name] == []


def _talked(house: House, **result: Any) -> Settlement:
    return house.talked(messages=0, **result)


def _was_released(row: dict[str, Any]) -> bool:
    return row["phase"] == AttemptPhase.ENDED and row["originated_at"] is None


#: Opens the address of an empty database that has the schema.
Fresh = Callable[[], AbstractContextManager[str]]


def fresh_sqlite(template: Path) -> Fresh:
    """Copies of a file that has the schema."""

    @contextlib.contextmanager
    def fresh() -> Iterator[str]:
        with tempfile.TemporaryDirectory() as folder:
            yield f"sqlite:///{shutil.copy(template, Path(folder) / 'world.db')}"

    return fresh


def play(fresh: Fresh, *, examples: int, steps: int, same: bool = True) -> int:
    """Play so many worlds of up to so many steps each, the same ones each time or others; how many steps in all."""
    from tests.support_ledger_machine import LedgerMachine

    LedgerMachine.fresh, LedgerMachine.taken = staticmethod(fresh), 0
    how = settings(
        max_examples=examples,
        stateful_step_count=steps,
        deadline=None,
        derandomize=same,
        database=None,
        # A world that fails is told as it was: to make it smaller takes many times as long as to find it.
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    run_state_machine_as_test(LedgerMachine, settings=how)
    return LedgerMachine.taken


def _main() -> None:
    parser = argparse.ArgumentParser(description="Drive the attempt ledger through random events.")
    parser.add_argument("--steps", type=int, default=10_000, help="steps in all, at least")
    parser.add_argument("--database", help="a PostgreSQL server's address; none: SQLite")
    given = parser.parse_args()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))
    with _server(given.database) as fresh:
        taken, started = 0, time.monotonic()
        while taken < given.steps:
            taken += play(fresh, examples=10, steps=100, same=False)
            print(f"{taken} steps, {time.monotonic() - started:.0f} s, no broken invariant", flush=True)


@contextlib.contextmanager
def _server(url: str | None) -> Iterator[Fresh]:
    import asyncio

    from storage.database import upgrade
    from tests.support_postgres import fresh_postgres

    if url is None:
        with tempfile.TemporaryDirectory() as folder:
            template = Path(folder) / "empty.db"
            asyncio.run(upgrade(f"sqlite:///{template}"))
            yield fresh_sqlite(template)
        return
    server = url if "+psycopg" in url else url.replace("postgresql://", "postgresql+psycopg://", 1)
    with fresh_postgres(server) as template_url:
        asyncio.run(upgrade(template_url))
        yield lambda: fresh_postgres(server, template_url.rsplit("/", 1)[1])


if __name__ == "__main__":
    sys.exit(_main())
