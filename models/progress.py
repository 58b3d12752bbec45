"""What a fetch tells while it works."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum


class Phase(StrEnum):
    """What is being done."""

    #: Another process fetches the same model.
    WAITING = "waiting"
    DOWNLOADING = "downloading"
    #: Copied from a folder, or read out of a package archive.
    EXTRACTING = "extracting"
    VERIFYING = "verifying"
    DONE = "done"
    #: A source could not give the file; `note` says why, and the next one is tried.
    SOURCE_FAILED = "source_failed"


@dataclass(frozen=True)
class Progress:
    """One step; `total_bytes` is None when nobody knows. `file` may be a package archive that holds the file."""

    model_id: str
    file: str
    phase: Phase
    done_bytes: int = 0
    total_bytes: int | None = None
    note: str = ""


ProgressListener = Callable[[Progress], None]


def ignore(progress: Progress) -> None:
    """A listener that does nothing."""
