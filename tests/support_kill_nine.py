"""Kill nodes with SIGKILL, again and again, in the middle of campaigns, and count what the telephone network saw.

    python -m tests.support_kill_nine --times 20                                    # one node on SQLite
    scripts/with-postgres sh -c 'python -m tests.support_kill_nine --times 20 --nodes 3 --database "$CAMPANA_BENCH_URL"'

Nodes are real `campana serve` processes that place real SIP calls; the network is a process of its own, whose log of
INVITEs outlives them all. The bot says one line from the phrase cache, so that little of the machine goes to speech.
With `--apart` each node lives in a process namespace of its own (unshare(1), as root), as on a machine of its own:
nobody knows by its name that it is dead, and its leases must run out.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from sqlalchemy import text

from campaigns.states import UNFINISHED
from reports.audit import audit
from storage.database import Database, open_database
from telephony.simulator import SimulatorProcess
from telephony.simulator.record import read_log
from tests.support_acceptance import Running, Site, network

SCRIPT: Final = """\
script: reminder
language: en
steps:
  greeting:
    - say: Hello. Goodbye.
    - end
"""
#: What becomes of a number is told by its seventh digit.
PERSONAS: Final = """\
number: "+849011xxxxx"
name: Listens to the end
answer: {after_ms: 300}
play: [{wait: 60000}]
---
number: "+849012xxxxx"
name: Hangs up early
answer: {after_ms: 200}
play: [{wait: 700}, hangup]
---
number: "+849013xxxxx"
name: Busy
busy: true
---
number: "+849014xxxxx"
name: Wrong number
reject: {status: 404}
---
number: "+849015xxxxx"
name: Does not answer
ring_out: true
"""
#: How many of ten numbers are whose.
_OF_TEN: Final = "1111122345"
#: Busy numbers are called once more, and nobody else is.
_RULES: Final = [{"when": ["BUSY"], "times": 1, "after_min": 0}]
_LEASE_S: Final = 4
_READY = "dialling running campaigns"
_START_S, _END_S = 120.0, 600.0


@dataclass
class Report:
    """What came of it."""

    database: str
    nodes: int
    seed: int
    kills: int = 0
    #: Kills by what the node did: starting, idle, or holding calls.
    killed_while: Counter[str] = field(default_factory=Counter)
    #: Live attempts that died with their nodes, by phase.
    died: Counter[str] = field(default_factory=Counter)
    audits: int = 0
    campaigns: int = 0
    contacts: int = 0
    invites: int = 0
    lost_attempts: int = 0
    given_back: int = 0
    #: Numbers called more often than the campaign's rules allow, by the network's log.
    duplicates: list[str] = field(default_factory=list)
    #: Contacts without an outcome.
    lost_contacts: int = 0
    complaints: list[str] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def ok(self) -> bool:
        return not (self.duplicates or self.lost_contacts or self.complaints)


class Nodes:
    """The `campana serve` processes, by name."""

    def __init__(self, site: Site, count: int, *, apart: bool) -> None:
        self.names = [f"kill-{place}" for place in range(1, count + 1)]
        self._site = site
        self._apart = apart
        self._running: dict[str, Running] = {}

    async def start(self, name: str) -> None:
        """Start the node of that name; returns before it dials."""
        first = 20000 + 500 * self.names.index(name)
        env = {"CAMPANA_NODE__NAME": name, "CAMPANA_SIP__RTP_PORTS": json.dumps([first, first + 480])}
        # The namespace's first process ends with unshare, which is the one that is killed.
        self._site.wrapper = ("unshare", "--pid", "--fork", "--mount-proc", "--kill-child") if self._apart else ()
        self._running[name] = await self._site.start("serve", "--port", "0", env=env)
        self._site.wrapper = ()

    def dials(self, name: str) -> bool:
        """Whether the node has told that it is ready."""
        return _READY in self._running[name].out

    async def ready(self, names: Sequence[str]) -> None:
        for name in names:
            await self._running[name].says(_READY, _START_S)

    async def kill(self, name: str) -> None:
        """SIGKILL; raises when it had ended before, or had said something alarming."""
        run = self._running[name]
        assert run.alive, f"{name} ended by itself\n{run.out}"
        (await run.kill()).quiet()

    async def drain(self) -> None:
        """Take every node out of work by command; each must end well."""
        await self.ready(self.names)
        for name in self.names:
            (await self._site.run("node", "drain", name)).ok()
        for name in self.names:
            (await self._running[name].ended(_END_S)).ok()

    def said(self) -> str:
        """The last words of each node."""
        return "\n".join(f"--- {name}\n{run.out[-1000:]}{run.err[-3000:]}" for name, run in self._running.items())

    async def kill_all(self) -> None:
        for run in self._running.values():
            await run.kill()


@contextlib.asynccontextmanager
async def _house(
    folder: Path, url: str | None, count: int, *, apart: bool
) -> AsyncIterator[tuple[Site, SimulatorProcess, Nodes, Database]]:
    site = Site(folder)
    async with network(folder, PERSONAS, None) as far:
        database_url = f'database_url = "{url}"\n' if url else ""
        more = (
            f"{database_url}[node]\nlease_s = {_LEASE_S}\ncalls = 6\n[models]\nlistening = 'stt-tiny-en'\nworkers = 1"
        )
        site.settings(trunk_port=far.port, cps=20, more=more)
        nodes = Nodes(site, count, apart=apart)
        try:
            (await site.run("node", "list")).ok()
            async with open_database(url or f"sqlite:///{site.database}", migrate=False) as database:
                yield site, far, nodes, database
        finally:
            await nodes.kill_all()


class Killing:
    """One run: campaigns, kills, and what is counted."""

    def __init__(self, site: Site, nodes: Nodes, database: Database, report: Report, people: int) -> None:
        self._site, self._nodes, self._database = site, nodes, database
        self._people = people
        self._chance = random.Random(report.seed)
        #: Attempts that were live when their node was killed.
        self._dead: set[str] = set()
        self.report = report

    async def run(self, times: int) -> None:
        """Kill so many times while there is a campaign to dial, then let everything end."""
        await self._campaign()
        for name in self._nodes.names:
            await self._nodes.start(name)
        for _ in range(times):
            if not await self._left():
                await self._campaign()
            await self._kill_one()
            await self._audit()
        await self._until(self._complete)
        await self._nodes.drain()
        await self._audit()

    async def _campaign(self) -> None:
        """Enrol and start one more campaign, of numbers that nobody has called yet."""
        place = self.report.campaigns * self._people
        numbers = [f"+84901{_OF_TEN[n % 10]}{n:05d}" for n in range(place, place + self._people)]
        self._chance.shuffle(numbers)
        code = f"C{self.report.campaigns + 1}"
        fields = {"concurrency": 20, "max_attempts": 2, "call_backs": _RULES, "bot": {"language": "en"}}
        await self._site.enrol(numbers, code, script_text=SCRIPT, script_type="static", **fields)
        (await self._site.run("campaign", "start", code, "--detach")).ok()
        self.report.campaigns += 1
        self.report.contacts += self._people

    async def _kill_one(self) -> None:
        chance, nodes = self._chance, self._nodes
        name = chance.choice(nodes.names)
        # Else most would die at their start; one in four still does.
        if chance.random() < 0.75:
            await self._until(lambda: self._on_the_line(name))
        await asyncio.sleep(chance.uniform(0.0, 3.0))
        dialled = nodes.dials(name)
        await nodes.kill(name)
        held = {row["id"]: row["phase"] for row in await self._held_by(name) if row["id"] not in self._dead}
        self._dead |= set(held)
        self.report.kills += 1
        self.report.killed_while["holding calls" if held else "idle" if dialled else "starting"] += 1
        self.report.died.update(held.values())
        await nodes.start(name)

    async def _held_by(self, name: str) -> list[dict[str, Any]]:
        return await self.rows(f"SELECT id, phase FROM attempts WHERE phase != 'ended' AND node LIKE '{name}/%'")

    async def _on_the_line(self, name: str) -> bool:
        """Whether the node has asked the network for a call, or nobody is left to call."""
        held = [row for row in await self._held_by(name) if row["id"] not in self._dead]
        return any(row["phase"] != "created" for row in held) or not await self._left()

    async def _left(self) -> int:
        """Contacts that are still to be called."""
        waiting = ", ".join(f"'{state}'" for state in ("pending", "retry_wait"))
        (row,) = await self.rows(f"SELECT count(*) AS n FROM contacts WHERE state IN ({waiting})")
        return int(row["n"])

    async def _until(self, fact: Callable[[], Awaitable[bool]]) -> None:
        end = time.monotonic() + _END_S
        while not await fact():
            assert time.monotonic() < end, f"nothing moves any more: {await self._state()}\n{self._nodes.said()}"
            await asyncio.sleep(0.2)

    async def _state(self) -> list[dict[str, Any]]:
        """What may keep the nodes from dialling."""
        told = await self.rows("SELECT code, state FROM campaigns") + await self.rows("SELECT * FROM trunks")
        told += await self.rows("SELECT name, state, live_calls FROM nodes")
        return told + await self.rows("SELECT phase, node, count(*) FROM attempts GROUP BY phase, node")

    async def _complete(self) -> bool:
        return not await self.rows("SELECT id FROM campaigns WHERE finished_at IS NULL")

    async def _audit(self) -> None:
        async with self._database.read() as conn:
            found = await audit(conn, None, self._site.folder / "data" / "recordings")
        self.report.audits += 1
        self.report.complaints += [f"audit {self.report.audits}: {one}" for one in found.checks if not one.ok]

    async def rows(self, statement: str) -> list[dict[str, Any]]:
        async with self._database.read() as conn:
            return [dict(row) for row in (await conn.execute(text(statement))).mappings()]

    async def judge(self, far: SimulatorProcess) -> None:
        """Lay the network's log beside the books."""
        report = self.report
        assert far.log is not None
        seen = {(str(row["number"]), str(row["call_id"])) for row in read_log(far.log, "invite")}
        report.invites = len(seen)
        invited = Counter(number for number, _ in seen)
        attempts = await self.rows("SELECT * FROM attempts ORDER BY claimed_at, id")
        placed = [row for row in attempts if row["originated_at"] is not None]
        report.lost_attempts = sum(bool(row["lost"]) for row in attempts)
        report.given_back = len(attempts) - len(placed)
        allowed = Counter({row["number"]: 1 for row in placed})
        # A number that was busy may be called once more.
        allowed.update({row["number"]: 1 for row in placed if row["call_status"] == "BUSY" and row["attempt_no"] == 1})
        report.duplicates = sorted(number for number, times in invited.items() if times > allowed[number])
        contacts = await self.rows("SELECT * FROM contacts")
        unfinished = set(UNFINISHED)
        with_outcome = {row["contact_id"] for row in placed if row["action_code"] and row["phase"] == "ended"}
        lost = [c for c in contacts if c["state"] in unfinished or c["id"] not in with_outcome]
        report.lost_contacts = len(lost) + report.contacts - len(contacts)
        # An attempt of which the network heard nothing died between the ledger's word and the wire.
        unheard = {row["number"] for row in placed if not row["lost"]} - set(invited)
        report.complaints += [f"{number}: in the books, but the network never heard of it" for number in unheard]


async def kill_nine(
    times: int, *, nodes: int, folder: Path, url: str | None = None, seed: int = 1, people: int, apart: bool = False
) -> Report:
    """Run it in an empty folder, on an empty database; raises `AssertionError` when a command fails."""
    report = Report("PostgreSQL" if url else "SQLite", nodes, seed)
    began = time.monotonic()
    async with _house(folder, url, nodes, apart=apart) as (site, far, running, database):
        killing = Killing(site, running, database, report, people)
        await killing.run(times)
        await killing.judge(far)
    report.seconds = round(time.monotonic() - began, 1)
    return report


def main() -> int:
    """Print the report as JSON; exit 1 when somebody was called twice, lost, or the books do not balance."""
    told = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    told.add_argument("--times", type=int, default=20, help="kills")
    told.add_argument("--nodes", type=int, default=1, help="processes that dial; several need PostgreSQL")
    told.add_argument("--database", help="an empty PostgreSQL database; SQLite without it")
    told.add_argument("--seed", type=int, default=1, help="of the victims and instants")
    told.add_argument("--people", type=int, default=200, help="contacts of each campaign")
    told.add_argument("--apart", action="store_true", help="each node as on a machine of its own (needs root)")
    options = told.parse_args()
    if options.nodes > 1 and options.database is None:
        told.error("several nodes need a PostgreSQL: give --database")
    with tempfile.TemporaryDirectory(prefix="campana-kill-nine-") as folder:
        work = kill_nine(
            options.times,
            nodes=options.nodes,
            folder=Path(folder),
            url=options.database,
            seed=options.seed,
            people=options.people,
            apart=options.apart,
        )
        report = asyncio.run(work)
    print(json.dumps(vars(report) | {"ok": report.ok}, indent=2))
    return 0 if report.ok else 1


if __name__ == "__main__":
    sys.exit(main())
