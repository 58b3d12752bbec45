"""Hours in the campaign file and in the settings."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from campaigns.legal import Purpose, preset
from campana.calling import calling_rules
from campana.definition import CampaignDefinition, DefinitionError, load_definition
from campana.settings import CallingSettings, load_settings

ROOT = Path(__file__).parents[2]
MINIMAL = "name: A\ncode: A1\nscript: s.yaml\ntariff: t.yaml\ntrunk: carrier\n"


def _campaign(folder: Path, more: str) -> CampaignDefinition:
    file = folder / "c.yaml"
    file.write_text(MINIMAL + more, encoding="utf-8")
    return load_definition(file)


def test_closed_dates_holidays_and_the_zone_of_contacts_are_read(tmp_path: Path) -> None:
    text = "closed_dates: [2026-12-24]\nholidays: US-CA\ncontact_time_zone: Asia/Ho_Chi_Minh\n"
    campaign = _campaign(tmp_path, text)
    assert (campaign.closed_dates, campaign.holidays) == ((date(2026, 12, 24),), "US-CA")
    assert campaign.contact_time_zone == "Asia/Ho_Chi_Minh"
    assert _campaign(tmp_path, "holidays: NO\n").holidays == "NO"


@pytest.mark.parametrize(
    ("text", "purpose"),
    [
        ("", Purpose.ADVERTISING),
        ("purpose: service\n", Purpose.SERVICE),
        ("rehearsal: true\n", None),
        ("rehearsal: true\npurpose: advertising\n", Purpose.ADVERTISING),
    ],
)
def test_a_campaign_advertises_unless_told_otherwise(tmp_path: Path, text: str, purpose: Purpose | None) -> None:
    assert _campaign(tmp_path, text).keeps_to is purpose


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("holidays: Vietnam\n", "holidays: unknown country 'Vietnam'"),
        ("holidays: VN-XX\n", "holidays: VN has no part 'XX'"),
        ("closed_dates: [24.12.2026]\n", r"closed_dates\.0: "),
        ("purpose: marketing\n", "purpose: .*'advertising' or 'service'"),
        ("contact_time_zone: Mars/Olympus\n", "contact_time_zone: unknown time zone"),
    ],
)
def test_a_mistake_names_its_field(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(DefinitionError, match=words):
        _campaign(tmp_path, text)


def test_the_file_of_legal_hours_lies_beside_the_settings(tmp_path: Path) -> None:
    folder = tmp_path / "etc"
    folder.mkdir()
    (folder / "legal.yaml").write_text("VN: {service: {hours: ['10:00-11:00']}}", encoding="utf-8")
    (folder / "campana.toml").write_text('[calling]\nlegal_hours = "legal.yaml"\n', encoding="utf-8")
    rules = calling_rules(load_settings(folder / "campana.toml"))
    assert rules.legal.rule("VN", Purpose.SERVICE).windows == ((600, 660),)
    (tmp_path / "plain.toml").write_text("", encoding="utf-8")
    assert calling_rules(load_settings(tmp_path / "plain.toml")).legal == preset()


def test_every_setting_of_calling_and_every_entry_of_the_preset_stand_in_the_docs() -> None:
    text = (ROOT / "docs" / "reference" / "settings.md").read_text(encoding="utf-8")
    assert [name for name in CallingSettings.model_fields if f"`{name}`" not in text] == []
    page = (ROOT / "docs" / "how-to" / "keep-legal-hours.md").read_text(encoding="utf-8")
    names = {"VN": "Vietnam", "US": "United States", "default": "any other"}
    for country in {country for country, _ in preset().rules}:
        (row,) = [line for line in page.splitlines() if line.startswith(f"| {names[country]}")]
        for cell, purpose in zip(row.split("|")[2:4], Purpose, strict=True):
            (span,) = preset().rules[country, purpose].windows
            assert "–".join(f"{minute // 60:02d}:{minute % 60:02d}" for minute in span) in cell
