"""A campaign whose script asks a language model: which one is asked, and what is told when none is named."""

from __future__ import annotations

import contextlib
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from bot.errands import NoModel, Outside
from bot.llm.config import ModelConfig, Prices
from bot.llm.needs import ModelUnnamed
from bot.recording import Recordings
from campana import voicebots
from campana.application import open_app
from campana.definition import load_definition
from campana.enrolment import enrol
from campana.errors import SettingsError
from campana.language_models import model_config
from campana.settings import LlmSettings, Settings, TrunkSettings, load_settings, shown
from storage.clock import ManualClock
from tests.support_acceptance import DEMO
from tests.support_campaigns import NOW
from tests.support_scripts import script_of

SCRIPT = "script: chat\nsteps: {a: [{llm: {goal: Talk.}}]}\n"
FILE = "name: A\ncode: C1\nscript: script.yaml\ntariff: {tariff}\ntrunk: main\nbot: {{name: Lan}}\nrehearsal: true\n"


def _settings(url: str, folder: Path, llm: LlmSettings) -> Settings:
    trunk = TrunkSettings(name="main", host="127.0.0.1")
    return Settings(data_folder=folder, database_url=url, trunks=(trunk,), llm=llm)


async def _enrol(url: str, folder: Path, llm: LlmSettings) -> None:
    (folder / "script.yaml").write_text(SCRIPT, encoding="utf-8")
    file = folder / "campaign.yaml"
    file.write_text(FILE.format(tariff=DEMO / "tariff.yaml"), encoding="utf-8")
    async with open_app(_settings(url, folder, llm), clock=ManualClock(NOW)) as app:
        try:
            await enrol(app, load_definition(file))
        except ModelUnnamed:
            assert await app.campaigns.all_ids() == []
            raise


async def test_a_script_without_a_model_is_refused_before_any_call(migrated_url: str, tmp_path: Path) -> None:
    with pytest.raises(ModelUnnamed, match=r"script\.yaml, line 2: .* under \[llm\]"):
        await _enrol(migrated_url, tmp_path, LlmSettings())
    await _enrol(migrated_url, tmp_path, LlmSettings(model="openai/gpt-4o-mini"))


async def test_the_way_to_models_is_opened_once_and_only_for_scripts_that_want_it(
    migrated_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[LlmSettings] = []

    @contextlib.asynccontextmanager
    async def open_model(llm: LlmSettings) -> Any:
        opened.append(llm)
        yield object()

    monkeypatch.setattr(voicebots, "open_model", open_model)
    llm = LlmSettings(model="openai/gpt-4o-mini")
    async with open_app(_settings(migrated_url, tmp_path, llm)) as app, contextlib.AsyncExitStack() as stack:
        made = voicebots.Voicebots(app, None, Recordings(tmp_path), Outside(), None, stack)  # type: ignore[arg-type]
        says = await made._outside(script_of("\nsteps: {a: [{say: Hello.}, end]}\n"))
        assert isinstance(says.model, NoModel)
        asks = [await made._outside(script_of(SCRIPT.partition("\n")[2])) for _ in range(2)]
        assert asks[0].model is asks[1].model
        assert opened == [llm]


def test_the_settings_say_how_a_model_is_asked(tmp_path: Path) -> None:
    file = tmp_path / "campana.toml"
    file.write_text(
        '[llm]\nmodel = "qwen"\napi_base = "http://127.0.0.1:1/v1"\napi_key = "hush"\ntemperature = 0.3\n'
        'max_tokens = 100\nprompt_price = "0.15"\ncompletion_price = "0.60"\n',
        encoding="utf-8",
    )
    settings = load_settings(file)
    config = model_config(settings.llm)
    prices = Prices(Decimal("0.15"), Decimal("0.60"))
    assert config == ModelConfig("qwen", "http://127.0.0.1:1/v1", "hush", 0.3, 100, prices)
    assert config.wire_name == "openai/qwen"
    assert "hush" not in repr(config) + str(shown(settings))


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('prompt_price = "0.15"', "prompt_price and completion_price go together"),
        ("prompt_price = 0.15\ncompletion_price = 1.0", "is a float, which is not exact"),
        ('api_base = "localhost:8000"', "llm.api_base"),
        ('model = ""', "llm.model"),
    ],
)
def test_mistakes_are_told(text: str, told: str, tmp_path: Path) -> None:
    file = tmp_path / "campana.toml"
    file.write_text(f"[llm]\n{text}\n", encoding="utf-8")
    with pytest.raises(SettingsError, match=told):
        load_settings(file)


def test_a_key_is_never_printed() -> None:
    assert "hush" not in repr(LlmSettings(api_key=SecretStr("hush")))
