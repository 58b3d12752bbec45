"""`campana demo`: one whole campaign on this machine, with simulated customers over real SIP and RTP.

Everything is what a real campaign uses; only the far end of the telephone line and of the mail are ours. The codes
come from what was heard: each persona's file names the code to expect, and the demo says which came out otherwise.
"""

from __future__ import annotations

import asyncio
import csv
import shutil
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from rich.console import Console

from billing.currency import round_money
from campana.application import App, open_app
from campana.cli.lists import import_with_progress
from campana.cli.models import fetch_with_progress, needed
from campana.customers import CPS, TRUNK, learn_lines
from campana.definition import load_definition
from campana.dialling import run_shown, warm_up
from campana.enrolment import enrol
from campana.mail_sink import MailSink
from campana.node import open_node
from campana.settings import (
    AccountSettings,
    ModelSettings,
    NodeSettings,
    Settings,
    SmtpSettings,
    TrunkSettings,
    WebSettings,
)
from campana.voicebots import open_voicebots
from reports.attempts import AttemptFilter, every_attempt
from reports.audit import AuditResult, audit
from reports.overview import Overview, overview
from reports.scope import Scope
from telephony.simulator import Lines, Persona, SimulatorProcess, load_personas
from web.app import create_app
from web.server import serving
from web.state import WebSettings as PageSettings

#: In a checkout, else where the wheel puts it.
EXAMPLE: Final = next(
    folder
    for folder in (Path(__file__).resolve().parents[1] / "examples" / "demo", Path(__file__).parent / "example")
    if folder.is_dir() or folder.name == "example"
)
_MAIL_WAIT_S: Final = 30.0


@dataclass(frozen=True)
class Surprise:
    """A persona whose calls did not end with the codes that its file expects; codes are in order of the calls."""

    number: str
    name: str
    expected: str
    found: str


@dataclass(frozen=True)
class DemoResult:
    """What the demo came to."""

    report: Overview
    audit: AuditResult
    surprises: tuple[Surprise, ...]
    mails: tuple[Path, ...]
    recordings: int
    wall_s: float
    settings_file: Path
    #: Where `campana serve` shows it.
    dashboard_url: str

    def summary(self) -> dict[str, Any]:
        """The figures of summary.json; lengths in seconds, latencies in milliseconds."""
        totals, latency = self.report.totals, self.report.latencies
        percentiles = {
            "answer_to_first_word_ms": latency.answer_to_first_word,
            "voice_to_voice_ms": latency.voice_to_voice,
            "barge_in_stop_ms": latency.barge_in_stop,
        }
        return {
            "contacts": self.report.contacts.total,
            "attempts": totals.total,
            "answered": totals.answered,
            "codes": {row.code: row.calls for row in self.report.codes},
            "messages": totals.messages,
            "blocks": totals.blocks,
            "talk_s": totals.talk_ms / 1000,
            "dial_s": totals.dial_ms / 1000,
            "cost": f"{round_money(totals.cost, self.report.currency):f}",
            "currency": self.report.currency,
            "mail_sent": len(self.mails),
            "recordings": self.recordings,
            **{name: {"p50": p.p50_ms, "p95": p.p95_ms, "count": p.count} for name, p in percentiles.items()},
            "audit_ok": self.audit.ok,
            "as_expected": self.report.contacts.total - len(self.surprises),
            "otherwise": [vars(surprise) for surprise in self.surprises],
            "wall_s": round(self.wall_s, 1),
        }


@dataclass
class Demo:
    """One run of the demo into the folder `out`, replacing what an earlier one left there."""

    out: Path
    console: Console
    models: ModelSettings
    personas: Path = EXAMPLE / "personas"

    async def run(self) -> DemoResult:
        """Set up, run the campaign, collect. Raises the errors of whatever is missing or wrong."""
        people = load_personas(self.personas)
        _make_room(self.out)
        contacts = _write_contacts(people, self.out / "contacts.csv")
        lines = await self._rehearse(people)
        async with MailSink(self.out / "mail") as sink, self._network(lines) as network:
            settings = _settings(self.out, self.models, sink.port, network.port)
            async with open_app(settings) as app:
                return await self._campaign(app, people, contacts, sink)

    async def _rehearse(self, people: Sequence[Persona]) -> Lines:
        """Fetch the models, and speak the customers' lines into files: the running network only plays them."""
        async with open_app(_settings(self.out, self.models, smtp_port=25, trunk_port=5060)) as app:
            await asyncio.to_thread(fetch_with_progress, app.models, needed(app.settings))
            async with open_voicebots(app) as voicebots:
                return await learn_lines(voicebots, people, self.models.speaking, self.out / "customers", self.console)

    def _network(self, lines: Lines) -> SimulatorProcess:
        return SimulatorProcess(self.personas, lines.folder, self.out / "network.jsonl")

    async def _campaign(self, app: App, people: Sequence[Persona], contacts: Path, sink: MailSink) -> DemoResult:
        definition = load_definition(EXAMPLE / "campaign.yaml")
        campaign_id = await enrol(app, definition)
        await import_with_progress(app, campaign_id, contacts)
        async with open_node(app) as node:
            await warm_up(node, campaign_id, self.console)
            started = time.monotonic()
            await app.campaigns.start(campaign_id)
            pages = create_app(app.database, PageSettings(app.settings.recordings_folder), clock=app.clock)
            async with serving(pages, port=0) as where:
                self.console.print(f"watch it live: {where.url}/campaigns/{campaign_id}", highlight=False)
                await run_shown(node, await app.campaigns.status(campaign_id), self.console)
            wall_s = time.monotonic() - started
            await sink.wait_for(1, timeout_s=_MAIL_WAIT_S)
        return await self._collect(app, campaign_id, people, sink.files, wall_s)

    async def _collect(
        self, app: App, campaign_id: int, people: Sequence[Persona], mails: tuple[Path, ...], wall_s: float
    ) -> DemoResult:
        scope = Scope(campaign_id=campaign_id)
        folder = app.settings.recordings_folder
        async with app.database.read() as conn:
            codes: dict[str, list[str]] = defaultdict(list)
            async for batch in every_attempt(conn, scope, AttemptFilter()):
                for row in batch:
                    codes[row.number].append(row.action_code or "none")
            return DemoResult(
                report=await overview(conn, scope),
                audit=await audit(conn, campaign_id, folder),
                surprises=tuple(_surprises(people, codes)),
                mails=mails,
                recordings=sum(1 for _ in folder.rglob("*.wav")),
                wall_s=wall_s,
                settings_file=_write_settings(app.settings, self.out),
                dashboard_url=f"http://{app.settings.web.host}:{app.settings.web.port}/campaigns/{campaign_id}",
            )


def _surprises(people: Sequence[Persona], codes: Mapping[str, Sequence[str]]) -> list[Surprise]:
    return [
        Surprise(number, persona.name, ", ".join(persona.expected_codes), ", ".join(codes.get(number, ())))
        for persona in people
        for number in persona.numbers
        if persona.expected_codes and tuple(codes.get(number, ())) != persona.expected_codes
    ]


def _make_room(out: Path) -> None:
    """Remove what an earlier demo made, and nothing else."""
    for name in ("data", "mail", "network.jsonl", "summary.json", "contacts.csv", "campana.toml"):
        path = out / name
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
    out.mkdir(parents=True, exist_ok=True)


def _write_contacts(people: Sequence[Persona], path: Path) -> Path:
    """The contact list that a marketer would upload: number and variables, nothing of how the customer behaves."""
    columns = sorted({name for persona in people for name in persona.contact})
    with path.open("w", encoding="utf-8", newline="") as file:
        rows = csv.DictWriter(file, ["phone", *columns])
        rows.writeheader()
        for persona in people:
            for number in persona.numbers:
                rows.writerow({"phone": number, **persona.contact})
    return path


def _settings(out: Path, models: ModelSettings, smtp_port: int, trunk_port: int) -> Settings:
    return Settings(
        data_folder=out / "data",
        log_level="error",
        account=AccountSettings(name="Bell Finance"),
        models=models,
        smtp=SmtpSettings(port=smtp_port, sender="reports@campana.example"),
        node=NodeSettings(name="demo"),
        web=WebSettings(),
        trunks=(TrunkSettings(name=TRUNK, host="127.0.0.1", port=trunk_port, cps=CPS, channels=20),),
    )


def _write_settings(settings: Settings, out: Path) -> Path:
    """What `campana --config FILE serve` needs to show this demo again; the rehearsal's trunk is gone by then."""
    path = out / "campana.toml"
    path.write_text(f'data_folder = "data"\n\n[account]\nname = "{settings.account.name}"\n', encoding="utf-8")
    return path
