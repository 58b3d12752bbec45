from pathlib import Path

import pytest

from campana.definition import CampaignDefinition, DefinitionError, load_definition

ROOT = Path(__file__).parents[2]
MINIMAL = "name: A\ncode: A1\nscript: s.yaml\ntariff: t.yaml\ntrunk: carrier\n"


def written(tmp_path: Path, text: str) -> Path:
    file = tmp_path / "c.yaml"
    file.write_text(text, encoding="utf-8")
    return file


def test_a_minimal_file_takes_the_documented_defaults(tmp_path: Path) -> None:
    campaign = load_definition(written(tmp_path, MINIMAL))
    assert campaign.script == tmp_path / "s.yaml"
    assert (campaign.concurrency, campaign.max_call_s, campaign.max_attempts) == (5, 300, 1)
    assert campaign.iso_weekdays == []


def test_windows_weekdays_and_rules_are_read(tmp_path: Path) -> None:
    text = MINIMAL + (
        'windows: ["08:00-11:30", "13:30-17:00"]\nweekdays: [mon, sun]\n'
        "call_backs: [{when: [busy, 'code:XY'], times: 2}]\nend: 2026-12-01\nstart: 2026-11-30\n"
    )
    campaign = load_definition(written(tmp_path, text))
    assert [f"{w.opens:%H:%M}-{w.closes:%H:%M}" for w in campaign.windows] == ["08:00-11:30", "13:30-17:00"]
    assert campaign.iso_weekdays == [1, 7]
    assert campaign.call_backs[0].after_min == 20


def test_one_trunk_or_several_in_order(tmp_path: Path) -> None:
    assert load_definition(written(tmp_path, MINIMAL)).ways == ("carrier",)
    several = MINIMAL.replace("trunk: carrier", "trunks: [main, backup]\noverflow: true")
    campaign = load_definition(written(tmp_path, several))
    assert (campaign.ways, campaign.overflow) == (("main", "backup"), True)


def test_machines_are_read_in_the_words_of_the_script(tmp_path: Path) -> None:
    text = MINIMAL + "machines:\n  voicemail: hang_up\n  screening: {message: 'For {name}.'}\n"
    assert load_definition(written(tmp_path, text)).machines == {
        "voicemail": "hang_up",
        "screening": {"message": "For {name}."},
    }


def test_mistakes_in_machines_are_told_with_their_lines_among_the_others(tmp_path: Path) -> None:
    text = MINIMAL + "concurrency: 0\nmachines:\n  voicemal: hang_up\n  fax: {message: Hi}\n  ivr: maybe\n"
    with pytest.raises(DefinitionError) as caught:
        load_definition(written(tmp_path, text))
    told = str(caught.value)
    assert "concurrency: " in told
    assert "c.yaml, line 8: unknown key `voicemal` in machines. Did you mean `voicemail`?" in told
    assert "c.yaml, line 9: machines, `fax` takes no message. Write hang_up or talk_on" in told
    assert "c.yaml, line 10: machines, `ivr` is `maybe`" in told


@pytest.mark.parametrize(
    ("extra", "field", "remedy"),
    [
        ("colour: red\n", "colour", "unknown field"),
        ('windows: ["11:00-08:00"]\n', "windows.0", "closes before it opens"),
        ("windows: [morning]\n", "windows.0", "written 08:00-11:30"),
        ("time_zone: Mars/Base\n", "time_zone", "IANA"),
        ("report_emails: [nobody]\n", "report_emails", "no e-mail address"),
        ("concurrency: 0\n", "concurrency", "greater than or equal to 1"),
        ("start: 2026-12-02\nend: 2026-12-01\n", "", "ends before it starts"),
        ("call_backs: [{when: []}]\n", "call_backs.0.when", "at least 1"),
        ("trunks: [other, backup]\n", "trunks: ", "leave one of the two fields out"),
        ("trunks: []\n", "trunks: ", "[main, backup]"),
        ("trunks: carrier\n", "trunks: ", "[main, backup]"),
        ("trunks: [carrier, b, b]\n", "trunks: ", "b is named twice"),
        ("overflow: true\n", "overflow: ", "trunks: [main, backup]"),
        ("machines: hang_up\n", "machines: ", "dictionary"),
        ("machines: {voicemail: {message: 'Hi {Name'}}\n", "line 6", "Write {name}"),
    ],
)
def test_a_mistake_names_file_field_and_remedy(tmp_path: Path, extra: str, field: str, remedy: str) -> None:
    with pytest.raises(DefinitionError) as caught:
        load_definition(written(tmp_path, MINIMAL + extra))
    text = str(caught.value)
    assert "c.yaml" in text
    assert field in text
    assert remedy in text


def test_all_mistakes_are_told_at_once(tmp_path: Path) -> None:
    with pytest.raises(DefinitionError) as caught:
        load_definition(written(tmp_path, "name: A\nconcurrency: 0\n"))
    for field in ("code", "script", "tariff", "trunk", "concurrency"):
        assert f"{field}:" in str(caught.value)


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"a: [1\n", "line"),
        (b"- a\n", "expected"),
        (b"[" * 20_000, r"c\.yaml: nested too deeply"),
        (b"\xff\xfe", "UTF-8"),
        (b"start: 2026-99-01\n", r"c\.yaml: start or end: no such day .*2026-01-31"),
        (b"start: 0001-01-01\n", r"c\.yaml: start: the year 1 cannot be meant"),
        (b"end: 9999-12-31\n", r"c\.yaml: end: the year 9999 cannot be meant"),
    ],
)
def test_an_unreadable_file_is_told_plainly(tmp_path: Path, content: bytes, expected: str) -> None:
    file = tmp_path / "c.yaml"
    file.write_bytes(content)
    with pytest.raises(DefinitionError, match=expected):
        load_definition(file)


def test_a_folder_is_no_campaign_file(tmp_path: Path) -> None:
    with pytest.raises(DefinitionError, match="cannot be read: Is a directory"):
        load_definition(tmp_path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(DefinitionError, match=r"absent\.yaml"):
        load_definition(tmp_path / "absent.yaml")


def test_the_demo_campaign_is_a_valid_example() -> None:
    assert load_definition(ROOT / "examples" / "demo" / "campaign.yaml").rehearsal


def test_every_field_stands_in_the_docs() -> None:
    text = (ROOT / "docs" / "reference" / "campaign-file.md").read_text(encoding="utf-8")
    assert [name for name in CampaignDefinition.model_fields if f"`{name}`" not in text] == []
