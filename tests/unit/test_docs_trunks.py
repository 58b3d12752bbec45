"""The pages about trunks: their settings are read by the program, their settings files load."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from campana.settings import AsteriskTrunkSettings, TrunkSettings, load_settings

PAGES = Path(__file__).parents[2] / "docs" / "how-to"


@pytest.mark.parametrize(
    ("page", "kind"), [("connect-asterisk", AsteriskTrunkSettings), ("connect-a-sip-trunk", TrunkSettings)]
)
def test_the_settings_on_the_page_load(page: str, kind: type, tmp_path: Path) -> None:
    (block,) = re.findall(r"```toml\n(.*?)```", (PAGES / f"{page}.md").read_text(encoding="utf-8"), flags=re.S)
    file = tmp_path / "campana.toml"
    file.write_text(block, encoding="utf-8")
    (trunk,) = load_settings(file).trunks
    assert isinstance(trunk, kind)


@pytest.mark.parametrize(
    ("page", "kind"), [("connect-asterisk", AsteriskTrunkSettings), ("connect-a-sip-trunk", TrunkSettings)]
)
def test_settings_that_the_page_names_exist(page: str, kind: type) -> None:
    text = (PAGES / f"{page}.md").read_text(encoding="utf-8")
    named = set(re.findall(r"`((?:media|tls|dial|number|register|caller)_\w+|wideband|outbound_proxy|auth_user)", text))
    assert named
    assert named <= set(kind.model_fields)  # type: ignore[attr-defined]
