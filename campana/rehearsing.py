"""`campana script rehearse`: conversation tests of a script as real calls to simulated customers, by SIP and speech.

Everything is what a real campaign uses; only the far end of the telephone line is ours. Each test becomes a customer
who says aloud what the test says in text, and the code that the call came to is compared with the test's.
"""

from __future__ import annotations

import asyncio
import contextlib
import csv
import shutil
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml
from rich.console import Console

from bot.errors import BotError
from bot.script.language import Collect, Listen, Script
from bot.script.loader import load_script
from bot.script.test_files import load_cases
from bot.script.testing import NONE, Case, Doing, Turn
from campaigns.states import CampaignState, ContactState
from campana.application import App, open_app
from campana.cli.lists import import_with_progress
from campana.cli.models import fetch_with_progress, needed
from campana.customers import CPS, TRUNK, learn_lines
from campana.definition import load_definition
from campana.dialling import run_shown, warm_up
from campana.enrolment import enrol
from campana.node import Node, open_node
from campana.settings import ModelSettings, NodeSettings, Settings, TrunkSettings
from campana.voicebots import open_voicebots
from reports.attempts import AttemptFilter, every_attempt
from reports.scope import Scope
from telephony.simulator import SimulatorProcess, load_personas

#: Stands in the folders that rehearsals make, which are emptied at the next.
_MARKER: Final = ".campana-rehearsal"
_MAX_CALL_S: Final = 180
#: Each test has ten thousand numbers of its own.
_MOST_TESTS: Final = 100
#: A customer who has nothing more to do hangs up this long after the bot's last word.
_LINGER_MS: Final = 2500
_LOOK_S: Final = 1.0
_TARIFF: Final = {
    "name": "Rehearsal",
    "currency": "VND",
    "valid_from": "2026-01-01",
    "block_s": 30,
    "block_price": {"conversation": 0, "static": 0},
    "telecom": {"increment": "1+1", "price_per_min": 0},
}


@dataclass(frozen=True)
class Rehearsed:
    """One call: the test it was of, and the codes that were expected and found."""

    case: str
    number: str
    expected: str
    found: str
    recording: str | None = None

    @property
    def as_expected(self) -> bool:
        return self.expected == self.found


@dataclass(frozen=True)
class RehearsalResult:
    """What the calls of one script came to; `left_out` are tests that no telephone call can hold, with the reason."""

    script: str
    calls: tuple[Rehearsed, ...]
    left_out: Mapping[str, str]

    @property
    def right(self) -> int:
        """Calls that ended with the expected code."""
        return sum(call.as_expected for call in self.calls)

    def as_json(self) -> dict[str, Any]:
        """The same, for a program."""
        return {
            "script": self.script,
            "calls": len(self.calls),
            "as_expected": self.right,
            "pct": round(100 * self.right / len(self.calls), 1) if self.calls else None,
            "otherwise": [vars(call) for call in self.calls if not call.as_expected],
            "left_out": dict(self.left_out),
        }


def why_not(case: Case) -> str | None:
    """Why a test cannot be a telephone call, None when it can."""
    if case.webhooks or case.models:
        return "a web service or a language model answers in it"
    if any(turn.doing is Doing.NOT_JOINED or turn.transfer not in (None, NONE) for turn in case.talk):
        return "it puts the customer through to a person"
    if case.expected.facts.get("code", (NONE, 0))[0] == NONE:
        return "it names no code"
    return None


def persona_of(case: Case, numbers: str, silence_ms: int) -> dict[str, Any]:
    """A test as a simulated customer (docs/reference/personas.md)."""
    play: list[Any] = []
    for turn in case.talk:
        play += _acts(turn, silence_ms)
    play += [{"wait_for_bot": {"silence_ms": _LINGER_MS}}, "hangup"]
    return {
        "number": numbers,
        "name": case.name,
        "expected_code": case.expected.facts["code"][0],
        "answer": {"after_ms": 600},
        "play": play,
        "max_call_ms": _MAX_CALL_S * 1000,
    }


def _acts(turn: Turn, silence_ms: int) -> list[Any]:
    match turn.doing:
        case Doing.SAID:
            return ["wait_for_bot", {"say": turn.what}]
        case Doing.KEY:
            return ["wait_for_bot", {"keys": turn.what}]
        case Doing.SILENCE:
            return ["wait_for_bot", {"wait": silence_ms}]
        case _:
            return []


def _make_room(out: Path) -> None:
    """Remove what an earlier rehearsal made but the spoken lines; refuses a folder that is not a rehearsal's own."""
    marker = out / _MARKER
    if out.exists() and any(out.iterdir()) and not marker.exists():
        raise BotError(f"{out} holds other things than a rehearsal; name another folder by --out")
    for name in ("data", "customers"):
        shutil.rmtree(out / name, ignore_errors=True)
    for name in ("contacts.csv", "network.jsonl", "campaign.yaml", "tariff.yaml"):
        (out / name).unlink(missing_ok=True)
    out.mkdir(parents=True, exist_ok=True)
    marker.touch()


def longest_silence_ms(script: Script) -> int:
    """How long a customer must be silent for the script to notice, in any of its steps."""
    own = [block.silence for _, block in script.blocks() if isinstance(block, (Listen, Collect)) and block.silence]
    return max(one.after_ms for one in (script.silence, *own))


@dataclass
class Rehearsal:
    """The calls of one script, made in the folder `out`."""

    script: Path
    tests: Path
    out: Path
    console: Console
    models: ModelSettings
    calls: int = 100
    at_once: int = 6

    async def run(self) -> RehearsalResult:
        """Call, and compare. Raises the errors of whatever is missing or wrong."""
        script, cases = load_script(self.script), load_cases(self.tests)
        left_out = {case.name: reason for case in cases if (reason := why_not(case))}
        usable = [case for case in cases if case.name not in left_out]
        if not usable:
            raise BotError(f"{self.tests}: none of its tests can be a telephone call; give tests a `code:`")
        if len(usable) > _MOST_TESTS:
            raise BotError(f"{self.tests}: more than {_MOST_TESTS} tests to call; write them into several files")
        _make_room(self.out)
        customers = self._write_customers(usable, longest_silence_ms(script) + 1000)
        campaign = self._write_campaign(script)
        async with self._network(customers) as network, open_app(self._settings(network.port)) as app:
            found = await self._call(app, campaign)
        names = {number: case for case, numbers in self._spread(usable) for number in numbers}
        calls = tuple(
            Rehearsed(case.name, number, case.expected.facts["code"][0], *found.get(number, ("no call", None)))
            for number, case in names.items()
        )
        return RehearsalResult(str(self.script), calls, left_out)

    def _spread(self, cases: Sequence[Case]) -> list[tuple[Case, list[str]]]:
        """The calls, dealt out over the tests in turn, each to a number of its own."""
        return [
            (case, [f"+84901{place:02d}{at:04d}" for at in range(len(range(place, self.calls, len(cases))))])
            for place, case in enumerate(cases)
        ]

    def _write_customers(self, cases: Sequence[Case], silence_ms: int) -> Path:
        folder = self.out / "customers"
        folder.mkdir(parents=True)
        columns = sorted({name for case in cases for name in case.variables})
        with (self.out / "contacts.csv").open("w", encoding="utf-8", newline="") as file:
            rows = csv.DictWriter(file, ["phone", *columns])
            rows.writeheader()
            for place, (case, numbers) in enumerate(self._spread(cases)):
                persona = persona_of(case, f"+84901{place:02d}xxxx", silence_ms)
                text = yaml.safe_dump(persona, allow_unicode=True, sort_keys=False)
                (folder / f"{place:02d}.yaml").write_text(text, encoding="utf-8")
                rows.writerows({"phone": number, **case.variables} for number in numbers)
        return folder

    def _write_campaign(self, script: Script) -> Path:
        (self.out / "tariff.yaml").write_text(yaml.safe_dump(_TARIFF), encoding="utf-8")
        campaign = {
            "name": script.title,
            "code": "REHEARSAL",
            "script": str(self.script.resolve()),
            "script_type": "conversation",
            "bot": {"name": "Bot", "language": script.language},
            "tariff": "tariff.yaml",
            "trunk": TRUNK,
            "region": "VN",
            "time_zone": "Asia/Ho_Chi_Minh",
            "concurrency": self.at_once,
            "max_call_s": _MAX_CALL_S,
            "max_attempts": 1,
            "rehearsal": True,
        }
        path = self.out / "campaign.yaml"
        path.write_text(yaml.safe_dump(campaign, allow_unicode=True, sort_keys=False), encoding="utf-8")
        return path

    def _settings(self, port: int) -> Settings:
        trunk = TrunkSettings(name=TRUNK, host="127.0.0.1", port=port, cps=CPS, channels=self.at_once)
        return Settings(
            data_folder=self.out / "data",
            log_level="error",
            models=self.models,
            node=NodeSettings(name="rehearsal"),
            trunks=(trunk,),
        )

    @contextlib.asynccontextmanager
    async def _network(self, customers: Path) -> AsyncIterator[SimulatorProcess]:
        """The customers' telephones; their lines are spoken into files first, for the running network only plays."""
        async with open_app(self._settings(5060)) as app:
            await asyncio.to_thread(fetch_with_progress, app.models, needed(app.settings))
            async with open_voicebots(app) as voicebots:
                people, voice = load_personas(customers), self.models.speaking
                lines = await learn_lines(voicebots, people, voice, self.out / "lines", self.console)
        async with SimulatorProcess(customers, lines.folder, self.out / "network.jsonl") as network:
            yield network

    async def _call(self, app: App, campaign: Path) -> dict[str, tuple[str, str | None]]:
        campaign_id = await enrol(app, load_definition(campaign))
        await import_with_progress(app, campaign_id, self.out / "contacts.csv")
        async with open_node(app) as node:
            await warm_up(node, campaign_id, self.console)
            await app.campaigns.start(campaign_id)
            ending = asyncio.create_task(_stop_when_called(node, campaign_id))
            try:
                await run_shown(node, await app.campaigns.status(campaign_id), self.console)
            finally:
                ending.cancel()
                await asyncio.wait([ending])
        return await _codes(app, campaign_id)


async def _stop_when_called(node: Node, campaign_id: int) -> None:
    """End the campaign once everybody has been called: who agreed on another time is not waited for."""
    ahead = {ContactState.PENDING, ContactState.IN_PROGRESS}
    while True:
        await asyncio.sleep(_LOOK_S)
        status = await node.app.campaigns.status(campaign_id)
        if status.state is not CampaignState.RUNNING:
            return
        if status.live_calls == 0 and not any(status.contacts.get(state, 0) for state in ahead):
            await node.app.campaigns.stop(campaign_id)
            return


async def _codes(app: App, campaign_id: int) -> dict[str, tuple[str, str | None]]:
    """By number: its call's code, and its recording."""
    found: dict[str, tuple[str, str | None]] = {}
    async with app.database.read() as conn:
        async for batch in every_attempt(conn, Scope(campaign_id=campaign_id), AttemptFilter()):
            found |= {row.number: (row.action_code or NONE, row.recording) for row in batch}
    return found
