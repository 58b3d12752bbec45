"""From the campaign file to the commands: rules that name other bots, recycling, and codes set by a person."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import pytest
from sqlalchemy import select
from structlog.testing import capture_logs
from typer.testing import CliRunner

from campaigns.codes import CodeTable
from campaigns.errors import BadFollowUp, CampaignError
from campana.application import App, open_app
from campana.cli.main import app
from campana.definition import DefinitionError, load_definition
from campana.enrolment import enrol, required_variables
from campana.errors import CampanaError
from campana.other_bots import other_bots
from campana.settings import load_settings
from storage.clock import ManualClock
from storage.tables import campaigns, contact_events, contacts
from telephony.outcomes import DialStatus
from tests.support_campaigns import House, number

T = TypeVar("T")

TARIFF = Path(__file__).parents[2] / "examples/demo/tariff.yaml"
SETTINGS = """data_folder = "data"
[account]
currency = "VND"
[[trunks]]
name = "carrier"
host = "127.0.0.1"
channels = 7
cps = 100
"""
SCRIPT = """script: {name}
language: en
variables: {{{variables}}}
codes:
  {code}: {{title: Something, result: Completed}}
steps:
  greeting:
    - say: Hello.
    - code: {code}
    - end
"""
RULES = """max_attempts: 3
call_backs: [{when: [busy], times: 2, after_min: 0}]
retarget: {after_unanswered: 2, campaign: EVENING}
post_conditions:
  - {when: {last: [busy]}, then: {bot: Mai, variables: {tone: calm}}}
"""


@pytest.fixture(autouse=True)
def _no_logs_to_a_stream_that_ends_with_the_command(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr("campana.logs.configure_logs", lambda _level: None)
    with capture_logs():
        yield


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "campana.toml"
    path.write_text(SETTINGS)
    return path


def _campaign(folder: Path, code: str, bot: str, variables: str, script_code: str, rest: str = "") -> Path:
    script = SCRIPT.format(name=code.lower(), variables=variables, code=script_code)
    (folder / f"{code}.script.yaml").write_text(script)
    file = folder / f"{code}.yaml"
    head = f"name: {code}\ncode: {code}\nscript: {code}.script.yaml\ntariff: {TARIFF}\ntrunk: carrier\n"
    file.write_text(f"{head}bot: {{name: {bot}}}\nrehearsal: true\nconcurrency: 7\n{rest}")
    return file


def _in_app(config: Path, work: Callable[[App], Awaitable[T]]) -> T:
    async def run() -> T:
        async with open_app(load_settings(config)) as opened:
            return await work(opened)

    return asyncio.run(run())


def _run(config: Path, *arguments: str) -> str:
    ran = CliRunner(env={"COLUMNS": "250"}).invoke(app, ["--config", str(config), *arguments], catch_exceptions=False)
    assert ran.exit_code == 0, ran.output
    return ran.stdout


def _data(config: Path, *arguments: str) -> Any:
    return json.loads(_run(config, *arguments, "--json"))


async def _called(opened: App, campaign_id: int) -> list[str]:
    """Three contacts: one that answers, one that is busy, one that cannot be called; the ids of the attempts."""
    house = House(opened.database, ManualClock(opened.clock.now()))
    ledger = house.ledger(ahead_ms=60_000)
    for place in range(3):
        await house.contact(campaign_id, number(place), external_key=f"k{place}", variables={"sum": "5"})
    await opened.campaigns.start(campaign_id)
    claims = (await ledger.claim(["carrier"], 3, campaign_ids=[campaign_id])).claims
    await house.talk(ledger, claims[0], code="YES")
    await house.miss(ledger, claims[1], DialStatus.NOANSWER)
    await house.miss(ledger, claims[2], DialStatus.INVALID)
    return [claim.attempt_id for claim in claims]


def test_rules_that_name_a_bot_are_kept_with_it_and_the_list_needs_its_variables(config: Path, tmp_path: Path) -> None:
    spring = _campaign(tmp_path, "SPRING", "Lan", "sum: required", "YES", RULES)

    async def work(opened: App) -> tuple[dict[str, Any], tuple[str, ...]]:
        with pytest.raises(BadFollowUp, match=r"rule 1: then\.bot: no bot of the account is called 'Mai'"):
            await enrol(opened, load_definition(spring))
        evening = _campaign(tmp_path, "EVENING", "Mai", "tone: required, place: required", "LATER")
        await enrol(opened, load_definition(evening))
        campaign_id = await enrol(opened, load_definition(spring))
        async with opened.database.read() as conn:
            row = (await conn.execute(select(campaigns).where(campaigns.c.id == campaign_id))).mappings().one()
        return dict(row), await required_variables(opened, campaign_id)

    row, required = _in_app(config, work)
    assert row["retarget"] == {"after_unanswered": 2, "campaign": "EVENING"}
    assert row["post_conditions"][0]["then"]["bot_id"] == other_bots(row["post_conditions"])[0] != row["bot_id"]
    # What a rule sets itself need not stand in the list.
    assert required == ("sum", "place")
    assert {"YES", "LATER"} <= {each.code for each in CodeTable.from_json(row["codes"]).codes()}


def test_a_finished_campaign_is_recycled_and_a_call_gets_another_code(config: Path, tmp_path: Path) -> None:
    spring = _campaign(tmp_path, "SPRING", "Lan", "sum: required", "YES")

    async def call(opened: App) -> list[str]:
        return await _called(opened, await enrol(opened, load_definition(spring)))

    talked, missed, _ = _in_app(config, call)

    told = _data(config, "contact", "code", missed, "RJ", "--note", "said no at the door", "--by", "mai")
    assert (told["old_code"], told["code"], told["class"], told["contact_state"]) == (
        "NA",
        "RJ",
        "unsuccessful",
        "exhausted",
    )
    shown = _run(config, "contact", "code", talked, "CB")
    assert shown == f"attempt {talked}: YES is now CB (success, ToContinue); its contact is done\n"

    async def trail(opened: App) -> Any:
        async with opened.database.read() as conn:
            events = select(contact_events.c.by, contact_events.c.detail).order_by(contact_events.c.id)
            return (await conn.execute(events)).first()

    by, detail = _in_app(config, trail)
    assert (by, detail["note"], detail["attempt_id"]) == ("mai", "said no at the door", missed)
    with pytest.raises(CampaignError, match="has no code 'NEW' to set"):
        _run(config, "contact", "code", talked, "NEW")
    with pytest.raises(CampanaError, match="'tomorrow' is no time; write it like"):
        _run(config, "contact", "code", talked, "CB", "--call-back-at", "tomorrow")
    with pytest.raises(CampaignError, match=r"no call-back at 2030-03-03 02:30 UTC: campaign SPRING is completed"):
        _run(config, "contact", "code", talked, "CB", "--call-back-at", "2030-03-03 09:30")

    recycled = _data(config, "campaign", "recycle", "SPRING", "--into", "AGAIN", "--unanswered")
    assert recycled == {"campaign": "AGAIN", "taken": 1, "added": 1, "already": 0, "duplicate": 0, "do_not_call": 0}
    shown = _run(config, "campaign", "recycle", "SPRING", "--into", "AGAIN", "--code", "RJ", "--state", "exhausted")
    assert shown.splitlines() == ["1 contacts of SPRING: 1 there already", "next: campana campaign start AGAIN"]
    file = _campaign(tmp_path, "OTHER", "Mai", "sum: required", "LATER")
    with pytest.raises(DefinitionError, match="code: OTHER, but --into says ELSE; make them the same"):
        _run(config, "campaign", "recycle", "SPRING", "--into", "ELSE", "--file", str(file))
    done = _data(config, "campaign", "recycle", "SPRING", "--into", "OTHER", "--file", str(file), "--answered")
    assert done["added"] == 1

    async def made(opened: App) -> Any:
        async with opened.database.read() as conn:
            of = select(campaigns.c.code, contacts.c.number, contacts.c.external_key, contacts.c.variables)
            joined = of.join(contacts, contacts.c.campaign_id == campaigns.c.id).where(contacts.c.origin == "recycle")
            return [tuple(row) for row in (await conn.execute(joined.order_by(contacts.c.id))).all()]

    assert _in_app(config, made) == [("AGAIN", number(1), "k1", {"sum": "5"}), ("OTHER", number(0), "k0", {"sum": "5"})]
