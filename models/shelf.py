"""One model's folder: which of its files are there, and whether they are right."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from importlib import metadata
from pathlib import Path
from typing import Final

from models.catalogue import InstalledSource, Model, ModelFile
from models.errors import ModelCorrupt, ModelError, ModelMissing
from models.progress import Phase, Progress, ProgressListener, ignore
from models.verify import Digests, Pins

#: Endings of a file under way: one that is resumed, one that is begun anew.
PART: Final = ".part"
DRAFT: Final = ".new"


class State(StrEnum):
    """How a file, or a model, stands."""

    OK = "ok"
    MISSING = "missing"
    PARTIAL = "partial"
    CORRUPT = "corrupt"


@dataclass(frozen=True)
class FileStatus:
    """How one file stands; `detail` says what is wrong with it."""

    file: ModelFile
    path: Path
    state: State
    detail: str = ""


@dataclass(frozen=True)
class Status:
    """How one model stands. `folder` is None when the package that holds it is not installed."""

    model: Model
    folder: Path | None
    state: State
    files: tuple[FileStatus, ...]

    @property
    def unpinned(self) -> tuple[str, ...]:
        """Files that the catalogue has no sha256 for: they are compared with their first fetch only."""
        return tuple(file.name for file in self.model.files if file.sha256 is None)

    @property
    def error(self) -> ModelError | None:
        """What is wrong, with the file and the remedy; None when the model can be used."""
        bad = next((file for file in self.files if file.state is not State.OK), None)
        if bad is None:
            return None
        remedy = _reinstall(self.model.installed)
        if bad.state is State.CORRUPT:
            return ModelCorrupt(self.model.id, bad.path, bad.detail, remedy)
        return ModelMissing(self.model.id, bad.file.name, bad.path.parent, remedy)


class Shelf:
    """The folder of one model under `models_dir`, or inside the package that brings it."""

    def __init__(self, model: Model, models_dir: Path) -> None:
        self.model = model
        self.notes = models_dir / model.id
        self.folder = _installed_folder(model.installed) if model.installed else self.notes
        self._digests = Digests(self.notes)
        self.pins = Pins(self.notes)

    def expected(self, file: ModelFile) -> str | None:
        """The sha256 that a file must have: the catalogue's, else the one pinned here, else None."""
        return file.sha256 or self.pins.get(file.name)

    def status(self, *, again: bool = False, listener: ProgressListener = ignore) -> Status:
        """How the model stands; files are read only when they changed, or when `again`."""
        files = tuple(self._file_status(file, again, listener) for file in self.model.files)
        return Status(self.model, self.folder, _together({file.state for file in files}), files)

    def remember(self, file: ModelFile, digest: str) -> None:
        """A file was just placed with this digest: it need not be read again."""
        self._digests.remember(self.notes / file.name, digest)

    def _file_status(self, file: ModelFile, again: bool, listener: ProgressListener) -> FileStatus:
        path = (self.folder or self.notes) / file.name
        if self.folder is None or not path.is_file():
            begun = any(path.with_name(path.name + ending).exists() for ending in (PART, DRAFT))
            return FileStatus(file, path, State.PARTIAL if begun else State.MISSING)
        wrong = self._difference(file, path, again, listener)
        return FileStatus(file, path, State.CORRUPT if wrong else State.OK, wrong)

    def _difference(self, file: ModelFile, path: Path, again: bool, listener: ProgressListener) -> str:
        size = path.stat().st_size
        if file.size is not None and size != file.size:
            return f"{size} bytes instead of {file.size}"
        expected = self.expected(file)
        if expected is None:
            return ""
        found = self._digests.of(path, again=again, tell=_verifying(self.model, file, size, listener))
        return "" if found == expected else f"its sha256 is {found[:12]}…, not {expected[:12]}…"


def _together(states: set[State]) -> State:
    if State.CORRUPT in states:
        return State.CORRUPT
    return states.pop() if len(states) == 1 else State.PARTIAL


def _verifying(model: Model, file: ModelFile, size: int, listener: ProgressListener) -> Callable[[int], None]:
    return lambda done: listener(Progress(model.id, file.name, Phase.VERIFYING, done, size))


def _installed_folder(source: InstalledSource) -> Path | None:
    try:
        return Path(str(metadata.distribution(source.distribution).locate_file(source.folder)))
    except metadata.PackageNotFoundError:
        return None


def _reinstall(source: InstalledSource | None) -> str | None:
    return f"reinstall the package: pip install --force-reinstall --no-deps {source.distribution}" if source else None
