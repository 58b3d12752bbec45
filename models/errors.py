"""What can go wrong with a model; each message names the file and the remedy."""

from __future__ import annotations

from pathlib import Path


class ModelError(Exception):
    """Root of every error of this package."""

    retryable = False


class CatalogueError(ModelError):
    """The catalogue itself is wrong: file, entry and field are named."""


class UnknownModel(ModelError):
    """No such id in the catalogue."""

    def __init__(self, model_id: str, known: tuple[str, ...]) -> None:
        super().__init__(f"no model is called {model_id!r}; known: {', '.join(known)}")
        self.model_id = model_id


class ModelMissing(ModelError):
    """A file of a model is not where it should be."""

    def __init__(self, model_id: str, name: str, looked_in: Path, remedy: str | None = None) -> None:
        how = remedy or f"get it with: campana models fetch {model_id}"
        super().__init__(f"model {model_id}: file {name} is missing (looked in {looked_in}); {how}")
        self.model_id = model_id
        self.name = name
        self.looked_in = looked_in


class ModelCorrupt(ModelError):
    """A file of a model is not the one the catalogue means."""

    def __init__(self, model_id: str, path: Path, detail: str, remedy: str | None = None) -> None:
        how = remedy or f"replace it with: campana models fetch {model_id}"
        super().__init__(f"model {model_id}: file {path} is corrupt ({detail}); {how}")
        self.model_id = model_id
        self.path = path


class SourceUnavailable(ModelError):
    """One source could not give one file; the next source is tried."""

    def __init__(self, message: str, *, retryable: bool = False) -> None:
        super().__init__(message)
        self.retryable = retryable


class FetchFailed(ModelError):
    """No source could give a file."""

    def __init__(self, model_id: str, name: str, reasons: tuple[str, ...], *, retryable: bool) -> None:
        tried = "".join(f"\n  - {reason}" for reason in reasons) or " it has no sources"
        super().__init__(
            f"model {model_id}: file {name} could not be fetched:{tried}\n"
            f"Remedy: go online and run `campana models fetch {model_id}` again (it resumes), or copy the file to "
            f"FOLDER/{model_id}/{name} and set CAMPANA_MODELS_SOURCE=FOLDER."
        )
        self.model_id = model_id
        self.name = name
        self.reasons = reasons
        self.retryable = retryable


class NoSpace(ModelError):
    """The disk cannot hold what is to be fetched."""

    retryable = True

    def __init__(self, folder: Path, needed_bytes: int, free_bytes: int) -> None:
        super().__init__(
            f"not enough disk space in {folder}: {needed_bytes / 1e6:.0f} MB needed, {free_bytes / 1e6:.0f} MB free; "
            "free some, or set CAMPANA_MODELS_DIR to another disk"
        )


class FolderUnusable(ModelError):
    """The models folder cannot be written."""

    def __init__(self, folder: Path, error: OSError) -> None:
        super().__init__(f"cannot write models to {folder}: {error}; set CAMPANA_MODELS_DIR to a folder of yours")
