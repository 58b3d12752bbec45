"""What every source does."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Final, Protocol

from models.catalogue import Model, ModelFile
from models.errors import SourceUnavailable
from models.progress import Phase, Progress, ProgressListener

CHUNK: Final = 1024 * 1024
#: Bound of a file whose size the catalogue does not know.
MAX_BYTES: Final = 4 * 1024**3


class Giver(Protocol):
    """One source of one model."""

    @property
    def name(self) -> str:
        """How the source is called in messages."""
        ...

    def give(self, file: ModelFile, folder: Path, progress: ProgressListener) -> Path:
        """Write `file` into `folder` under another name and return that; the caller verifies and renames it.

        Raises `SourceUnavailable` when this source cannot give it, `OSError` when the folder cannot take it.
        """
        ...

    def finish(self) -> None:
        """All files are in place: delete what was kept for resuming."""
        ...


class Meter:
    """Counts bytes of one file, tells the listener and stops at what the catalogue allows."""

    def __init__(
        self, model: Model, file: ModelFile, phase: Phase, progress: ProgressListener, *, source: str, done: int = 0
    ) -> None:
        self._told = Progress(model.id, file.name, phase, done, file.size)
        self._limit = file.size if file.size is not None else MAX_BYTES
        self._progress = progress
        self._source = source
        self._done = done

    def add(self, count: int, total: int | None = None) -> None:
        """Count bytes; raises `SourceUnavailable` when they are too many."""
        self._done += count
        if self._done > self._limit:
            raise SourceUnavailable(f"{self._source}: {self._told.file} is longer than {self._limit} bytes")
        known = self._told.total_bytes or total
        self._progress(Progress(self._told.model_id, self._told.file, self._told.phase, self._done, known))


def write_all(path: Path, chunks: Iterable[bytes], meter: Meter) -> None:
    """Write a file anew from `chunks`."""
    with path.open("wb") as out:
        for chunk in chunks:
            meter.add(len(chunk))
            out.write(chunk)
