"""`campana node`: what people and programs are shown, and a name that no node has."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from structlog.testing import capture_logs
from typer.testing import CliRunner

from campaigns.errors import UnknownNode
from campaigns.presence import Presence
from campana.application import open_app
from campana.cli.main import app
from campana.settings import load_settings


@pytest.fixture(autouse=True)
def _no_logs_to_a_stream_that_ends_with_the_command(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr("campana.logs.configure_logs", lambda _level: None)
    with capture_logs():
        yield


def _run(config: Path, *arguments: str) -> str:
    runner = CliRunner(env={"COLUMNS": "250"})
    ran = runner.invoke(app, ["--config", str(config), "node", *arguments], catch_exceptions=False)
    assert ran.exit_code == 0, ran.output
    return ran.stdout


async def _enter(config: Path, name: str) -> None:
    async with open_app(load_settings(config)) as opened:
        lease = timedelta(hours=1)
        presence = Presence(opened.database, opened.clock, name, lease=lease, calls=4, trunks=["carrier"])
        await presence.enter()
        await presence.beat(3, draining=False)


def test_nodes_are_listed_and_one_of_them_is_drained(tmp_path: Path) -> None:
    config = tmp_path / "campana.toml"
    config.write_text('data_folder = "data"\n')
    assert "campana serve" in _run(config, "list")
    for name in ("one/x.1.2.3", "two/x.1.3.4"):
        asyncio.run(_enter(config, name))
    assert "3/4" in _run(config, "list")
    one, two = json.loads(_run(config, "list", "--json"))
    assert (one["name"], one["state"], one["live_calls"], one["calls"]) == ("one/x.1.2.3", "running", 3, 4)
    assert (one["trunks"], two["name"]) == (["carrier"], "two/x.1.3.4")
    assert 0 <= one["seen_s"] < 3600
    assert json.loads(_run(config, "drain", "two", "--json")) == {"draining": ["two/x.1.3.4"]}
    assert [each["state"] for each in json.loads(_run(config, "list", "--json"))] == ["running", "draining"]
    with pytest.raises(UnknownNode, match=r"one/x\.1\.2\.3"):
        _run(config, "drain", "three")
