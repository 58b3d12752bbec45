"""`campana trunk`: what people and programs are shown, and what a person may change."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs
from typer.testing import CliRunner

from campaigns.errors import UnknownTrunk
from campana.cli.main import app

SETTINGS = """data_folder = "data"
[[trunks]]
name = "carrier"
host = "127.0.0.1"
channels = 7
cps = 2.5
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


def _run(config: Path, *arguments: str) -> str:
    ran = CliRunner(env={"COLUMNS": "250"}).invoke(
        app, ["--config", str(config), "trunk", *arguments], catch_exceptions=False
    )
    assert ran.exit_code == 0, ran.output
    return ran.stdout


def _data(config: Path, *arguments: str) -> Any:
    return json.loads(_run(config, *arguments, "--json"))


def test_a_trunk_is_listed_with_its_limits_and_health(config: Path) -> None:
    (trunk,) = _data(config, "list")
    assert (trunk["name"], trunk["channels"], trunk["cps"], trunk["live_calls"]) == ("carrier", 7, 2.5, 0)
    assert (trunk["health"], trunk["failures_allowed"], trunk["failing_calls"]) == ("healthy", 5, [])


def test_a_person_pauses_a_trunk_and_resumes_it(config: Path) -> None:
    paused = _data(config, "pause", "carrier", "--reason", "maintenance")
    assert (paused["health"], paused["pause_reason"], paused["probe_at"]) == ("paused", "maintenance", None)
    assert _data(config, "show", "carrier") == paused
    assert "trunk carrier is healthy" in _run(config, "resume", "carrier")
    assert _data(config, "show", "carrier")["paused_at"] is None


def test_an_unknown_trunk_is_told_with_those_there_are(config: Path) -> None:
    with pytest.raises(UnknownTrunk, match=r"no trunk 'nobody'.*known: carrier"):
        _run(config, "resume", "nobody")


def test_without_a_trunk_it_says_what_to_do(tmp_path: Path) -> None:
    path = tmp_path / "campana.toml"
    path.write_text('data_folder = "data"\n')
    assert "[[trunks]]" in _run(path, "list")
