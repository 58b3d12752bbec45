"""A campaign whose script gives a web service a secret: one that nobody has is told before any call."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import SecretStr

from campana.application import open_app
from campana.definition import DefinitionError, load_definition
from campana.enrolment import enrol
from campana.settings import Settings, TrunkSettings
from storage.clock import ManualClock
from tests.support_acceptance import DEMO
from tests.support_campaigns import NOW

SCRIPT = """script: balance
variables: {balance: {default: ""}}
steps:
  a:
    - webhook:
        url: https://crm.example/balance
        headers: {Authorization: "Bearer {secret:CRM}"}
        into: {balance: balance}
        else: b
    - end
  b: [end]
"""
FILE = "name: A\ncode: C1\nscript: script.yaml\ntariff: {tariff}\ntrunk: main\nbot: {{name: Lan}}\nrehearsal: true\n"


async def _enrol(url: str, folder: Path, **secrets: SecretStr) -> int:
    (folder / "script.yaml").write_text(SCRIPT, encoding="utf-8")
    file = folder / "campaign.yaml"
    file.write_text(FILE.format(tariff=DEMO / "tariff.yaml"), encoding="utf-8")
    trunk = TrunkSettings(name="main", host="127.0.0.1")
    settings = Settings(data_folder=folder, database_url=url, trunks=(trunk,), secrets=secrets)
    async with open_app(settings, clock=ManualClock(NOW)) as app:
        try:
            return await enrol(app, load_definition(file))
        except DefinitionError:
            assert await app.campaigns.all_ids() == []
            raise


async def test_a_secret_that_the_settings_lack_is_refused_with_its_line(migrated_url: str, tmp_path: Path) -> None:
    with pytest.raises(DefinitionError, match=r"script\.yaml, line \d+: the settings have no secret CRM.*\[secrets\]"):
        await _enrol(migrated_url, tmp_path, other=SecretStr("hush"))
    assert await _enrol(migrated_url, tmp_path, crm=SecretStr("hush"))
