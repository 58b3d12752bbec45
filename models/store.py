"""The models of this machine: how they stand, where they are, and how to get them."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from models.catalogue import Catalogue, load_catalogue
from models.folders import default_models_dir
from models.origins import Origins
from models.progress import ProgressListener, ignore
from models.shelf import Shelf, State, Status

__all__ = ["ModelStore", "State", "Status"]


class ModelStore:
    """Models in `models_dir` (none: `default_models_dir()`), each in a folder named by its id.

    Safe to use from several threads and processes: a fetch takes a lock, and files appear whole.
    """

    def __init__(
        self, models_dir: Path | None = None, *, catalogue: Catalogue | None = None, origins: Origins | None = None
    ) -> None:
        self.models_dir = models_dir or default_models_dir()
        self.catalogue = catalogue or load_catalogue()
        self._origins = origins

    def status(self, model_id: str) -> Status:
        """How a model stands; quick, since digests are remembered. Raises `UnknownModel`."""
        return self._shelf(model_id).status()

    def path(self, model_id: str) -> Path:
        """The folder with the model's files, verified. Raises `UnknownModel`, `ModelMissing` or `ModelCorrupt`."""
        status = self.status(model_id)
        if status.error is not None:
            raise status.error
        assert status.folder is not None
        return status.folder

    def sha256(self, model_id: str, ending: str) -> str | None:
        """Digest that the file with this ending must have, None when it is not pinned yet. Raises `UnknownModel`."""
        shelf = self._shelf(model_id)
        file = next((file for file in shelf.model.files if file.name.endswith(ending)), None)
        return shelf.expected(file) if file else None

    def verify(self, model_ids: Iterable[str] = (), *, progress: ProgressListener = ignore) -> list[Status]:
        """Read every file of the models (none: all in the catalogue) again and compare. Raises `UnknownModel`."""
        return [self._shelf(model_id).status(again=True, listener=progress) for model_id in self._ids(model_ids)]

    def fetch(self, model_ids: Iterable[str], *, progress: ProgressListener = ignore) -> list[Status]:
        """Get what is missing or wrong of the models; blocking. What is there and right is not fetched again.

        Interrupted, it resumes next time. Raises `UnknownModel`, `FetchFailed` (what was tried, why it failed),
        `NoSpace`, `FolderUnusable`; `ModelMissing` or `ModelCorrupt` for a model that is part of a package.
        """
        from models.fetch import fetch_models

        shelves = [self._shelf(model_id) for model_id in dict.fromkeys(model_ids)]
        return fetch_models(shelves, self._origins or Origins.from_environment(), progress)

    def _shelf(self, model_id: str) -> Shelf:
        return Shelf(self.catalogue[model_id], self.models_dir)

    def _ids(self, model_ids: Iterable[str]) -> list[str]:
        return list(dict.fromkeys(model_ids)) or [model.id for model in self.catalogue.models]
