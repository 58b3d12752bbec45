"""Secrets of scripts in the settings: by file and by environment, and never shown."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from campana.settings import load_settings, shown


def test_secrets_come_from_file_and_environment_and_are_not_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "campana.toml"
    file.write_text('[secrets]\nCRM = "from-the-file"\nShop = "of-the-shop"\n', encoding="utf-8")
    monkeypatch.setenv("CAMPANA_SECRETS__NEWS", "1234")
    settings = load_settings(file)
    values = {name.upper(): secret.get_secret_value() for name, secret in settings.secrets.items()}
    assert values == {"CRM": "from-the-file", "SHOP": "of-the-shop", "NEWS": "1234"}
    told = json.dumps(shown(settings)) + repr(settings)
    for value in values.values():
        assert value not in told
