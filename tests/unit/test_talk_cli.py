"""`campana talk` serves the page until it is told to end; `campana call` wants one thing that says what to say."""

from __future__ import annotations

import asyncio
import io
import os
import re
import signal
from pathlib import Path

import httpx
import pytest
from rich.console import Console
from typer.testing import CliRunner

from bot.errors import BotError, ScriptErrors
from campana.bots import NoSuchBot
from campana.cli.main import app
from campana.settings import Settings
from campana.talk_serving import Beginning, talk_until_told

SCRIPT = "script: small\ntitle: A small talk\nlanguage: en\nsteps:\n  greeting:\n    - say: Hello.\n    - end\n"


@pytest.fixture
def script(tmp_path: Path) -> Path:
    path = tmp_path / "small.yaml"
    path.write_text(SCRIPT, encoding="utf-8")
    return path


async def test_the_page_is_served_with_the_script_until_the_program_is_told_to_end(
    script: Path, tmp_path: Path
) -> None:
    told = io.StringIO()
    beginning = Beginning((script,), None, {"name": "Mary Ann"})
    serving = asyncio.create_task(
        talk_until_told(Settings(data_folder=tmp_path), beginning, 0, screen=Console(file=told, width=200))
    )
    async with asyncio.timeout(60):
        while not (address := re.search(r"http://\S+", told.getvalue())):
            await asyncio.sleep(0.02)
            assert not serving.done()
    assert address[0].endswith("/talk?var.name=Mary+Ann")
    async with httpx.AsyncClient() as client:
        shown = await client.get(address[0])
    assert "A small talk" in shown.text
    assert "Start talking" in shown.text
    os.kill(os.getpid(), signal.SIGTERM)
    await asyncio.wait_for(serving, 60)


@pytest.mark.parametrize(
    ("scripts", "bot", "error", "why"),
    [
        (("nowhere.yaml",), None, BotError, "No such file"),
        (("broken.yaml",), None, ScriptErrors, "line 1"),
        ((), "Lan@3", NoSuchBot, "there is no bot 'Lan'"),
    ],
)
async def test_what_cannot_be_talked_to_is_told_before_anything_is_served(
    tmp_path: Path, scripts: tuple[str, ...], bot: str | None, error: type[Exception], why: str
) -> None:
    (tmp_path / "broken.yaml").write_text("script: [", encoding="utf-8")
    beginning = Beginning(tuple(tmp_path / name for name in scripts), bot, {})
    with pytest.raises(error, match=why):
        await talk_until_told(Settings(data_folder=tmp_path), beginning, 0, screen=Console(file=io.StringIO()))


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["call", "0901234567"], "stored bot"),
        (["call", "0901234567", "--script", "a.yaml", "--bot", "Lan"], "stored bot"),
        (["call", "0901234567", "--bot", "Lan", "--var", "name"], "write name=value"),
        (["talk", "--var", "=Mary"], "write name=value"),
    ],
)
def test_a_mistake_on_the_command_line_is_told_with_what_to_write(arguments: list[str], why: str) -> None:
    ran = CliRunner().invoke(app, arguments)
    assert ran.exit_code == 2
    assert why in ran.output
