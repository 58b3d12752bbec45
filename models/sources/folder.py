"""A folder on this machine, laid out like a models folder."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from models.catalogue import Model, ModelFile
from models.errors import SourceUnavailable
from models.progress import Phase, ProgressListener
from models.sources.giver import CHUNK, Meter, write_all


class FolderGiver:
    """Copies `<root>/<model id>/<file>`."""

    def __init__(self, model: Model, root: Path) -> None:
        self._model = model
        self._folder = root / model.id
        self.name = f"folder {self._folder}"

    def give(self, file: ModelFile, folder: Path, progress: ProgressListener) -> Path:
        """See `Giver`."""
        draft = folder / f"{file.name}.new"
        meter = Meter(self._model, file, Phase.EXTRACTING, progress, source=self.name)
        write_all(draft, self._chunks(file), meter)
        return draft

    def finish(self) -> None:
        """Nothing is kept."""

    def _chunks(self, file: ModelFile) -> Iterator[bytes]:
        try:
            with (self._folder / file.name).open("rb") as source:
                while chunk := source.read(CHUNK):
                    yield chunk
        except OSError as error:
            raise SourceUnavailable(f"{self.name}: {file.name}: {error.strerror}") from error
