"""A campaign's own way with machines, from its file through the claim to a call (the call in virtual time)."""

from __future__ import annotations

import asyncio
import contextlib
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest

from bot.errands import Outside
from bot.outcome import EndedBy
from bot.recording import Recordings
from bot.script.language import MachinePolicy, Script
from bot.who_answered import Answerer
from campaigns.attempts import Ledger
from campaigns.claiming import Claim
from campana.application import App, open_app
from campana.definition import DefinitionError, load_definition
from campana.enrolment import enrol
from campana.settings import AccountSettings, Settings, TrunkSettings
from campana.voicebots import Voicebots
from storage.clock import ManualClock
from tests.support_acceptance import DEMO
from tests.support_calls import Line, World, hold, texts
from tests.support_campaigns import NOW, House, number

SCRIPT = """
script: machines
variables: {name: required}
machines:
  voicemail: {message: "Hello {name}, please call us back."}
steps:
  greeting:
    - say: Hello {name} this is a greeting of many words for you.
    - listen: {ask: "Will you pay?", intents: {"yes": bye}, else: bye}
  bye:
    - say: Goodbye then.
    - end
"""
FILE = (
    "name: A\ncode: {code}\nscript: script.yaml\ntariff: {tariff}\ntrunk: main\nbot: {{name: Lan}}\nrehearsal: true\n"
)
MACHINE = "please leave a message after the tone"


class _Scripts(Voicebots):
    """Voicebots that need no speech models: they tell the script that a call would be held by."""

    async def scripted(self, script: Script, voice: str, speed: float = 1.0, **_: Any) -> Any:
        return script


def _settings(url: str, folder: Path) -> Settings:
    trunk = TrunkSettings(name="main", host="127.0.0.1")
    account = AccountSettings(name="Bell", currency="VND")
    return Settings(data_folder=folder, database_url=url, account=account, trunks=(trunk,))


async def _enrolled(app: App, folder: Path, code: str, machines: str) -> int:
    (folder / "script.yaml").write_text(dedent(SCRIPT), encoding="utf-8")
    file = folder / f"{code}.yaml"
    file.write_text(FILE.format(code=code, tariff=DEMO / "tariff.yaml") + machines, encoding="utf-8")
    return await enrol(app, load_definition(file))


async def _claimed(app: App, campaign_id: int, phone: str) -> Claim:
    await House(app.database).contact(campaign_id, phone, name="Anna")
    await app.campaigns.start(campaign_id)
    ledger = Ledger(app.database, app.clock, node="node", ahead_ms=60_000)
    (claim,) = (await ledger.claim(["main"], 1, campaign_ids=[campaign_id])).claims
    return claim


async def _scripts(url: str, folder: Path, *machines: str) -> list[Script]:
    """The scripts that the calls of campaigns with these `machines:` are held by."""
    async with open_app(_settings(url, folder), clock=ManualClock(NOW)) as app:
        bots = _Scripts(app, None, Recordings(folder), Outside(), None, contextlib.AsyncExitStack())  # type: ignore[arg-type]
        found = []
        for place, each in enumerate(machines):
            claim = await _claimed(app, await _enrolled(app, folder, f"C{place}", each), number(place))
            found.append(await bots.conversation(claim.bot_id, claim.machines))
        assert await bots.conversation(claim.bot_id) is not found[-1], "of the same bot without the campaign's rules"
        return found  # type: ignore[return-value]


async def _voicemail(line: Line) -> None:
    await asyncio.sleep(0.5)
    line.say(MACHINE, 3000)
    await asyncio.sleep(60)


def test_the_campaigns_rule_holds_in_the_call_and_the_script_keeps_the_others(
    migrated_url: str, tmp_path: Path
) -> None:
    own = "machines: {voicemail: hang_up, screening: {message: 'For {name}.'}}\n"
    plain, changed = asyncio.run(_scripts(migrated_url, tmp_path, "", own))
    result, line = hold(World(plain), _voicemail)
    assert (texts(line.spans())[-1], result.voicemail) == ("Hello Anna, please call us back.", True)
    result, line = hold(World(changed), _voicemail)
    assert (result.voicemail, result.ended_by) == (True, EndedBy.BOT)
    assert "Hello Anna, please call us back." not in texts(line.spans())
    assert changed.machines[Answerer.SCREENING].message == "For {name}."
    assert changed.machines[Answerer.FAX].policy is MachinePolicy.HANG_UP


async def test_a_message_with_a_variable_that_the_script_lacks_is_refused(migrated_url: str, tmp_path: Path) -> None:
    async with open_app(_settings(migrated_url, tmp_path), clock=ManualClock(NOW)) as app:
        with pytest.raises(DefinitionError, match=r"machines: undefined variable `sum`; declare it .*script\.yaml"):
            await _enrolled(app, tmp_path, "C1", "machines: {voicemail: {message: 'You owe {sum}.'}}\n")
        assert await app.campaigns.all_ids() == []
