"""How models stand: whole, missing, begun, damaged; and what is remembered of it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from models import Catalogue, ModelCorrupt, ModelFile, ModelMissing, ModelStore, State, default_models_dir
from models import verify as verify_module
from models.catalogue import InstalledSource, Kind, Model
from models.errors import UnknownModel
from models.origins import Origins
from tests.support_models import WEIGHTS, a_catalogue, fill, hub_source, sha256


def _store(folder: Path, *, pinned: bool = True) -> ModelStore:
    return ModelStore(folder, catalogue=a_catalogue(hub_source(), pinned=pinned))


def _installed(name: str, folder: str, file: ModelFile) -> Catalogue:
    source = InstalledSource(name, folder)
    return Catalogue((Model("vad-toy", Kind.VAD, ("mul",), "MIT", "a toy", (file,), (source,)),))


def test_nothing_there_says_which_file_where_and_how_to_get_it(tmp_path: Path) -> None:
    store = _store(tmp_path)
    assert store.status("stt-toy").state is State.MISSING
    with pytest.raises(ModelMissing) as caught:
        store.path("stt-toy")
    told = str(caught.value)
    assert "file model.bin is missing" in told
    assert f"looked in {tmp_path / 'stt-toy'}" in told
    assert "campana models fetch stt-toy" in told


def test_a_whole_model_gives_its_folder(tmp_path: Path) -> None:
    fill(tmp_path)
    assert _store(tmp_path).path("stt-toy") == tmp_path / "stt-toy"


def test_one_file_of_two_is_partial(tmp_path: Path) -> None:
    fill(tmp_path)
    (tmp_path / "stt-toy" / "config.json").unlink()
    status = _store(tmp_path).status("stt-toy")
    assert status.state is State.PARTIAL
    assert [file.state for file in status.files] == [State.OK, State.MISSING]


def test_a_download_under_way_is_partial(tmp_path: Path) -> None:
    (tmp_path / "stt-toy").mkdir()
    (tmp_path / "stt-toy" / "model.bin.part").write_bytes(b"abc")
    assert [file.state for file in _store(tmp_path).status("stt-toy").files] == [State.PARTIAL, State.MISSING]


@pytest.mark.parametrize(
    ("content", "detail"),
    [(WEIGHTS[:-1], "1048575 bytes instead of 1048576"), (b"x" + WEIGHTS[1:], "its sha256 is")],
    ids=["short", "changed"],
)
def test_a_damaged_file_is_named_with_a_remedy(tmp_path: Path, content: bytes, detail: str) -> None:
    fill(tmp_path, model=content)
    store = _store(tmp_path)
    assert store.status("stt-toy").state is State.CORRUPT
    with pytest.raises(ModelCorrupt) as caught:
        store.path("stt-toy")
    told = str(caught.value)
    assert str(tmp_path / "stt-toy" / "model.bin") in told
    assert detail in told
    assert "replace it with: campana models fetch stt-toy" in told


def test_a_file_is_read_once_while_it_does_not_change(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(tmp_path)
    read: list[str] = []
    real = verify_module.sha256_of
    monkeypatch.setattr(verify_module, "sha256_of", lambda path, tell=None: read.append(path.name) or real(path, tell))

    assert _store(tmp_path).status("stt-toy").state is State.OK
    assert _store(tmp_path).status("stt-toy").state is State.OK
    assert read == ["model.bin", "config.json"]

    path = tmp_path / "stt-toy" / "config.json"
    os.utime(path, ns=(0, path.stat().st_mtime_ns + 1))
    assert _store(tmp_path).status("stt-toy").state is State.OK
    assert read == ["model.bin", "config.json", "config.json"]


def test_verify_finds_a_change_that_kept_size_and_time(tmp_path: Path) -> None:
    fill(tmp_path)
    store = _store(tmp_path)
    assert store.status("stt-toy").state is State.OK
    path = tmp_path / "stt-toy" / "model.bin"
    stat = path.stat()
    path.write_bytes(b"x" + WEIGHTS[1:])
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))

    assert store.status("stt-toy").state is State.OK
    assert [status.state for status in store.verify()] == [State.CORRUPT]
    assert store.status("stt-toy").state is State.CORRUPT


@pytest.mark.parametrize("notes", ["{nonsense", "[]", '{"model.bin": {"size": 1}}', '{"model.bin": 3}'])
def test_notes_that_are_damaged_cost_a_reading_only(tmp_path: Path, notes: str) -> None:
    fill(tmp_path)
    (tmp_path / "stt-toy" / ".verified.json").write_text(notes)
    assert _store(tmp_path).status("stt-toy").state is State.OK


def test_a_file_without_known_digest_counts_and_is_shown_as_unpinned(tmp_path: Path) -> None:
    fill(tmp_path)
    store = _store(tmp_path, pinned=False)
    status = store.status("stt-toy")
    assert status.state is State.OK
    assert status.unpinned == ("model.bin", "config.json")
    assert store.sha256("stt-toy", ".bin") is None


def test_the_digest_of_a_file_is_known_by_its_ending(tmp_path: Path) -> None:
    assert _store(tmp_path).sha256("stt-toy", ".bin") == sha256(WEIGHTS)
    assert _store(tmp_path).sha256("stt-toy", ".onnx") is None


def test_models_inside_pipecat_are_found_where_they_are_installed(tmp_path: Path) -> None:
    store = ModelStore(tmp_path)
    assert (store.path("vad") / "silero_vad.onnx").is_file()
    assert (store.path("turn") / "smart-turn-v3.2-cpu.onnx").is_file()
    assert [status.state for status in store.fetch(["vad", "turn"])] == [State.OK, State.OK]


def test_a_package_that_is_not_installed_is_named(tmp_path: Path) -> None:
    file = ModelFile("toy.onnx", "a" * 64, 3)
    store = ModelStore(tmp_path, catalogue=_installed("no-such-package", "toy", file), origins=Origins(hub=None))
    assert store.status("vad-toy").folder is None
    with pytest.raises(ModelMissing, match="pip install --force-reinstall --no-deps no-such-package"):
        store.fetch(["vad-toy"])


def test_another_version_of_a_package_is_no_silent_match(tmp_path: Path) -> None:
    file = ModelFile("silero_vad.onnx", "a" * 64, 2327524)
    store = ModelStore(tmp_path, catalogue=_installed("pipecat-ai", "pipecat/audio/vad/data", file))
    with pytest.raises(ModelCorrupt, match="reinstall the package: pip install"):
        store.path("vad-toy")


def test_an_unknown_model_is_refused_everywhere(tmp_path: Path) -> None:
    store = _store(tmp_path)
    for ask in (store.status, store.path, lambda name: store.fetch([name]), lambda name: store.verify([name])):
        with pytest.raises(UnknownModel):
            ask("stt-none")


def test_the_folder_follows_the_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("XDG_DATA_HOME", raising=False)
    monkeypatch.delenv("CAMPANA_MODELS_DIR", raising=False)
    assert default_models_dir() == tmp_path / ".local/share/campana/models"
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    assert default_models_dir() == tmp_path / "data/campana/models"
    monkeypatch.setenv("CAMPANA_MODELS_DIR", str(tmp_path / "mine"))
    assert ModelStore().models_dir == tmp_path / "mine"
