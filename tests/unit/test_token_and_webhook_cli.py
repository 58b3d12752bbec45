"""`campana token` and `campana webhook`: secrets are shown once, and everything else can be read by programs."""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs
from typer.testing import CliRunner

from campaigns.webhooks import UnknownWebhook
from campana.cli.main import app
from web.tokens import BadToken


@pytest.fixture(autouse=True)
def _no_logs_to_a_stream_that_ends_with_the_command(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr("campana.logs.configure_logs", lambda _level: None)
    with capture_logs():
        yield


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "campana.toml"
    path.write_text('data_folder = "data"\n')
    return path


def _run(config: Path, *arguments: str, code: int = 0) -> str:
    ran = CliRunner(env={"COLUMNS": "250"}).invoke(app, ["--config", str(config), *arguments], catch_exceptions=False)
    assert ran.exit_code == code, ran.output
    return ran.stdout


def _data(config: Path, *arguments: str, code: int = 0) -> Any:
    return json.loads(_run(config, *arguments, "--json", code=code))


def test_a_tokens_secret_is_shown_once_and_kept_as_its_hash(config: Path) -> None:
    made = _data(config, "token", "create", "--name", "crm", "--scope", "calls:write", "--scope", "*", "--days", "2")
    assert (made["scopes"], made["state"]) == (["*", "calls:write"], "valid")
    with sqlite3.connect(config.parent / "data" / "campana.db") as books:
        (kept,) = books.execute("SELECT secret_sha256 FROM api_tokens").fetchone()
        assert made["secret"] not in "\n".join(books.iterdump())
    books.close()
    assert kept == hashlib.sha256(made["secret"].encode()).hexdigest()
    assert made["secret"] not in _run(config, "token", "list")
    for wrong, told in ((("--name", "crm", "--scope", "*"), "already"), (("--name", "x", "--scope", "y"), "known are")):
        with pytest.raises(BadToken, match=told):
            _run(config, "token", "create", *wrong)
    assert _data(config, "token", "revoke", "crm") == {"name": "crm", "state": "revoked"}
    assert [token["state"] for token in _data(config, "token", "list")] == ["revoked"]
    with pytest.raises(BadToken, match="token list"):
        _run(config, "token", "revoke", "nobody")


def test_a_webhook_is_added_tried_switched_and_removed(config: Path) -> None:
    made = _data(config, "webhook", "add", "http://127.0.0.1:1/", "--event", "call.ended")
    assert made["secret"].startswith("whsec_")
    assert made["events"] == ["call.ended"]
    assert made["secret"] not in _run(config, "webhook", "list")
    tried = _data(config, "webhook", "test", "1", code=1)
    assert (tried["state"], tried["tries"]) == ("pending", 1)
    assert "private network" in tried["error"]
    assert [each["id"] for each in _data(config, "webhook", "deliveries", "1")] == [tried["id"]]
    assert _data(config, "webhook", "switch", "1", "off")["disabled_reason"] == "switched off by a person"
    assert "off" in _run(config, "webhook", "list")
    assert _data(config, "webhook", "remove", "1") == {"webhook_id": 1, "removed": True}
    with pytest.raises(UnknownWebhook, match="webhook list"):
        _run(config, "webhook", "deliveries", "1")
    assert _data(config, "webhook", "add", "https://example.com/")["events"] == ["*"]
