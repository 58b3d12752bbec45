"""`campana dnc`: what people and programs are shown, and what is asked before anything is taken out."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from structlog.testing import capture_logs
from typer.testing import CliRunner

from campaigns.errors import BadPattern, NotSuppressed
from campana.cli.main import app
from campana.dnc import BadNumber

LAN = "+84901234567"


@pytest.fixture(autouse=True)
def _no_logs_to_a_stream_that_ends_with_the_command(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr("campana.logs.configure_logs", lambda _level: None)
    with capture_logs():
        yield


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "campana.toml"
    path.write_text('data_folder = "data"\n[calling]\nlifetime = 1\n')
    return path


def _ran(config: Path, *arguments: str, typed: str | None = None) -> Result:
    runner = CliRunner(env={"COLUMNS": "250"})
    return runner.invoke(app, ["--config", str(config), "dnc", *arguments], input=typed, catch_exceptions=False)


def _run(config: Path, *arguments: str) -> str:
    ran = _ran(config, *arguments)
    assert ran.exit_code == 0, ran.output
    return ran.stdout


def _data(config: Path, *arguments: str) -> Any:
    return json.loads(_run(config, *arguments, "--json"))


def test_a_number_goes_on_and_comes_off_with_its_trace(config: Path) -> None:
    assert _data(config, "add", "0901234567", "--reason", "by [/letter]", "--by", "ann")["added"] == 1
    assert "on it already" in _run(config, "add", LAN, "--reason", "again")
    (entry,) = _data(config, "list")
    assert (entry["number"], entry["source"], entry["evidence"], entry["by"]) == (LAN, "manual", "by [/letter]", "ann")
    assert "by [/letter]" in _run(config, "list")
    assert f"{LAN} is not called" in _run(config, "check", "090 123 45 67")
    refused = _ran(config, "remove", LAN, "--reason", "slip", typed="n\n")
    assert refused.exit_code == 1
    assert not _data(config, "check", LAN)["may_be_called"]
    assert _ran(config, "remove", LAN, "--reason", "asked for it", "--by", "bob", typed="y\n").exit_code == 0
    checked = _data(config, "check", LAN)
    assert (checked["may_be_called"], checked["against"], checked["caps"]) == (True, [], [])
    assert [(one["kind"], one["by"], one["reason"]) for one in checked["trace"]] == [
        ("number_removed", "bob", "asked for it")
    ]
    assert "number_removed by bob: asked for it" in _run(config, "check", LAN)
    with pytest.raises(NotSuppressed):
        _ran(config, "remove", LAN, "--reason", "again", "--yes")
    with pytest.raises(BadNumber, match=r"'12' is no number: .*; write it with country code"):
        _ran(config, "add", "12", "--reason", "slip")
    with pytest.raises(BadNumber, match="--region Nowhere: there is no such country"):
        _ran(config, "check", "0901234567", "--region", "Nowhere")


def test_a_file_is_read_into_a_list_and_the_list_dropped(config: Path) -> None:
    file = config.parent / "register.csv"
    file.write_text(f"phone\n{LAN}\n0\n")
    told = _run(config, "import", str(file), "--list", "NATIONAL", "--kind", "register", "--by", "ann")
    assert "2 rows into the list NATIONAL: 1 listed, 1 invalid" in told
    assert (config.parent / "data" / "lists" / "register.refused.csv").is_file()
    (one,) = _data(config, "lists")
    assert (one["name"], one["kind"], one["applies_to"], one["numbers"]) == ("NATIONAL", "register", "advertising", 1)
    assert _data(config, "list", "--list", "NATIONAL") == [{"number": LAN}]
    assert _data(config, "check", LAN)["against"] == [
        {"against": "list", "name": "NATIONAL", "text": "on the register NATIONAL"}
    ]
    replaced = _data(config, "import", str(file), "--list", "NATIONAL")
    assert (replaced["counts"]["listed"], replaced["replaced"]) == (1, 1)
    assert _data(config, "drop", "NATIONAL", "--reason", "over", "--yes")["numbers"] == 1
    assert "no list yet" in _run(config, "lists")


def test_patterns_are_kept_by_hand(config: Path) -> None:
    assert "+841900*: numbers that match" in _run(config, "pattern", "add", "1900*", "--reason", "[/premium]")
    assert "was there already" in _run(config, "pattern", "add", "+841900*", "--reason", "[/premium]")
    (pattern,) = _data(config, "pattern", "list")
    assert (pattern["pattern"], pattern["campaign"], pattern["reason"]) == ("+841900*", None, "[/premium]")
    assert "[/premium]" in _run(config, "pattern", "list")
    assert _ran(config, "pattern", "remove", "1900*", "--reason", "slip", typed="n\n").exit_code == 1
    assert _data(config, "pattern", "remove", "1900*", "--reason", "over", "--yes")["pattern"] == "+841900*"
    assert "no pattern yet" in _run(config, "pattern", "list")
    with pytest.raises(BadPattern):
        _ran(config, "pattern", "add", "*", "--reason", "slip")
