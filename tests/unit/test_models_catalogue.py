"""The catalogue that is shipped is sound, and a broken one names the place."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from models.catalogue import HubSource, InstalledSource, Kind, Model, PackageSource, load_catalogue
from models.errors import CatalogueError, UnknownModel

CATALOGUE = load_catalogue()
DOCS = Path(__file__).parents[2] / "docs" / "reference" / "models.md"


def _ids(model: Model) -> str:
    return model.id


def test_the_models_that_everything_else_names_are_there() -> None:
    kinds = {model.id: model.kind for model in CATALOGUE.models}
    assert kinds["stt-base"] is kinds["stt-tiny-en"] is kinds["stt-small"] is Kind.STT
    assert kinds["tts-en-joe"] is kinds["tts-vi"] is Kind.TTS
    assert (kinds["vad"], kinds["turn"]) == (Kind.VAD, Kind.TURN)


@pytest.mark.parametrize("model", CATALOGUE.models, ids=_ids)
def test_every_file_can_be_told_from_another(model: Model) -> None:
    for file in model.files:
        if file.sha256 is None:
            # Nobody but the hub has it, so its first fetch pins it.
            assert {type(source) for source in model.sources} == {HubSource}
        else:
            assert re.fullmatch(r"[0-9a-f]{64}", file.sha256)
    assert len({file.name for file in model.files}) == len(model.files)


@pytest.mark.parametrize("model", CATALOGUE.models, ids=_ids)
def test_every_source_is_fixed_to_one_version(model: Model) -> None:
    assert model.sources
    for source in model.sources:
        if isinstance(source, HubSource):
            assert re.fullmatch(r"[0-9a-f]{40}", source.revision)
        elif isinstance(source, PackageSource):
            assert all(re.fullmatch(r"[0-9a-f]{64}", wheel.sha256) and wheel.size > 0 for wheel in source.wheels)
            packages = {wheel.name.replace("-", "_") for wheel in source.wheels}
            assert {part.split("/")[0] for parts in source.members.values() for part in parts} == packages
        else:
            assert isinstance(source, InstalledSource)
            assert all(file.sha256 and file.size for file in model.files)


@pytest.mark.parametrize("model_id", ["stt-base", "stt-tiny-en", "tts-en-joe"])
def test_defaults_come_from_hub_first_and_package_next_with_known_sizes(model_id: str) -> None:
    model = CATALOGUE[model_id]
    assert [type(source) for source in model.sources] == [HubSource, PackageSource]
    assert model.size is not None
    assert model.size > 10_000_000


def test_vietnamese_has_a_voice_and_a_fallback() -> None:
    voice = CATALOGUE["tts-vi"]
    assert voice.languages == ("vi",)
    assert voice.fallback == "espeak-ng:vi"
    assert voice.size is None


@pytest.mark.parametrize("model", CATALOGUE.models, ids=_ids)
def test_the_reference_page_tells_of_every_model(model: Model) -> None:
    rows = [line for line in DOCS.read_text(encoding="utf-8").splitlines() if line.startswith(f"| `{model.id}` ")]
    assert len(rows) == 1
    assert model.licence in rows[0]


def test_an_unknown_id_lists_the_known_ones() -> None:
    with pytest.raises(UnknownModel, match="no model is called 'stt-huge'; known: stt-base, stt-tiny-en"):
        CATALOGUE["stt-huge"]


def test_a_model_of_another_kind_is_refused_by_naming_those_that_fit() -> None:
    with pytest.raises(UnknownModel, match="known: tts-en-joe, tts-vi"):
        CATALOGUE.of_kind("stt-base", Kind.TTS)
    assert CATALOGUE.of_kind("tts-vi", Kind.TTS) is CATALOGUE["tts-vi"]


GOOD = """
[[models]]
id = "stt-x"
kind = "stt"
languages = ["en"]
licence = "MIT"
description = "x"
files = [{ name = "model.bin", size = 3, sha256 = "AAAA" }]
[[models.sources]]
kind = "package"
wheels = [{ name = "x", version = "1", size = 9, sha256 = "BBBB" }]
members = { "model.bin" = ["x/model.bin"] }
""".replace("AAAA", "a" * 64).replace("BBBB", "b" * 64)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("a" * 64, "a" * 63, r"models\[0\] \(stt-x\)\.files\[0\]\.sha256: 'a{63}' is not text like"),
        ('kind = "stt"', 'kind = "asr"', r"\.kind: 'asr' is none of stt, tts, vad, turn, llm"),
        ("size = 3", 'size = "3"', r"files\[0\]\.size: '3' is not a number of bytes"),
        ('name = "model.bin"', 'name = "../model.bin"', r"files\[0\]\.name: '../model.bin' is not text like"),
        ('licence = "MIT"', 'license = "MIT"', "unknown license; known: .*licence"),
        ('kind = "package"', 'kind = "ftp"', r"sources\[0\]\.kind: 'ftp' is none of hub, package, installed"),
        ('{ "model.bin" = ["x/model.bin"] }', "{}", r"members \[\] are not the files \['model.bin'\]"),
        ('languages = ["en"]', "languages = []", r"\.languages: a list with at least one item is expected, not \[\]"),
        ('id = "stt-x"', 'id = "STT x"', r"models\[0\]\.id: 'STT x' is not text like"),
        ("[[models]]", "[[models]", "toml: .*line 2"),
    ],
)
def test_a_mistake_is_named_with_file_entry_and_field(tmp_path: Path, old: str, new: str, message: str) -> None:
    assert old in GOOD
    file = tmp_path / "catalogue.toml"
    file.write_text(GOOD.replace(old, new), encoding="utf-8")
    with pytest.raises(CatalogueError, match=message) as caught:
        load_catalogue(file)
    assert str(file) in str(caught.value)


def test_a_folder_may_not_leave_its_package(tmp_path: Path) -> None:
    file = tmp_path / "catalogue.toml"
    source = 'kind = "installed"\ndistribution = "x"\nfolder = "../../etc"\n'
    file.write_text(GOOD.split("[[models.sources]]", maxsplit=1)[0] + "[[models.sources]]\n" + source, encoding="utf-8")
    with pytest.raises(CatalogueError, match="leaves the package or repository"):
        load_catalogue(file)


@pytest.mark.parametrize("content", ["", GOOD + GOOD])
def test_no_entry_or_the_same_entry_twice_is_refused(tmp_path: Path, content: str) -> None:
    file = tmp_path / "catalogue.toml"
    file.write_text(content, encoding="utf-8")
    with pytest.raises(CatalogueError, match="every id once"):
        load_catalogue(file)


def test_a_missing_catalogue_is_named(tmp_path: Path) -> None:
    with pytest.raises(CatalogueError, match=r"none\.toml: .*No such file"):
        load_catalogue(tmp_path / "none.toml")
