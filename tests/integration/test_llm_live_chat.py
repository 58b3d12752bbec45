"""`campana script chat --live`: the language model of the settings answers, over the wire."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from structlog.testing import capture_logs
from typer.testing import CliRunner, Result

from campana.cli.main import app
from campana.doctor import State, examine
from campana.settings import LlmSettings, Settings
from tests.support_llm import Answer, Call, Refuse, scripted_model
from tests.support_scripts import ROOT

SCRIPT = ROOT / "examples/language-model/script.yaml"
VARIABLES = ["--var", "name=Anna", "--var", "visit_date=2026-11-24"]


@pytest.fixture(autouse=True)
def _no_logs_to_a_stream_that_ends_with_the_command(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr("campana.logs.configure_logs", lambda _level: None)
    with capture_logs():
        yield


async def chat(folder: Path, typed: str, *answers: Answer) -> Result:
    async with scripted_model(*answers) as server:
        file = folder / "campana.toml"
        file.write_text(
            f'[llm]\nmodel = "scripted"\napi_base = "{server.base}"\nprompt_price = "1"\ncompletion_price = "2"\n',
            encoding="utf-8",
        )
        command = ["--config", str(file), "script", "chat", str(SCRIPT), *VARIABLES, "--live"]
        return await asyncio.to_thread(lambda: CliRunner().invoke(app, command, input=typed))


async def test_the_model_talks_and_what_it_wants_happens(tmp_path: Path) -> None:
    orders = [Call("transfer", '{"to": "+19005550100"}'), Call("set_code", '{"code": "CF"}'), Call("end_call", "{}")]
    result = await chat(tmp_path, "Yes, I will come.\n", ["Wonderful. ", "See you then.", *orders])
    assert result.exit_code == 0
    assert "bot: Wonderful. See you then." in result.stdout
    assert "the bot hung up, code CF" in result.stdout
    assert "1 answers, 100 + 20 tokens, 0.00014 USD" in result.stderr


async def test_why_the_model_did_not_answer_is_told(tmp_path: Path) -> None:
    result = await chat(tmp_path, "Yes, I will come.\n", [Refuse(401)])
    assert result.exit_code == 0
    assert "language model scripted: refuses the key; set llm.api_key" in result.stderr
    assert "bot: Sorry, I did not get that." in result.stdout


def test_without_a_model_the_script_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "campana.toml"
    file.write_text("", encoding="utf-8")
    result = CliRunner().invoke(app, ["--config", str(file), "script", "chat", str(SCRIPT), *VARIABLES, "--live"])
    assert result.exit_code != 0
    assert "the settings name none" in str(result.exception) + result.stderr


def test_check_tells_that_no_model_is_named_and_that_is_no_mistake_of_the_script(tmp_path: Path) -> None:
    told = []
    for text in ("", '[llm]\nmodel = "openai/gpt-4o-mini"\n'):
        file = tmp_path / "campana.toml"
        file.write_text(text, encoding="utf-8")
        command = ["--config", str(file), "script", "check", str(SCRIPT)]
        plain = CliRunner().invoke(app, command)
        assert "no mistakes" in plain.stdout
        (found,) = json.loads(CliRunner().invoke(app, [*command, "--json"]).stdout)
        assert found["ok"]
        told.append((found["lacks"], plain.stderr))
    assert "the settings name none" in told[0][0][0]
    assert told[0][0][0] in told[0][1]
    assert told[1] == ([], "")


async def test_the_doctor_asks_the_model(tmp_path: Path) -> None:
    for answer, state, told in (
        (["Hello."], State.OK, "scripted: first sentence after"),
        ([Refuse(401)], State.FAILED, "language model scripted: refuses the key"),
    ):
        async with scripted_model(answer) as server:
            settings = Settings(data_folder=tmp_path, llm=LlmSettings(model="scripted", api_base=server.base))
            (found,) = [one async for one in examine(settings) if one.check == "language model"]
        assert (found.state, found.found.startswith(told)) == (state, True), found
        assert bool(found.remedy) == (state is State.FAILED)
