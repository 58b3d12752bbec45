"""The file that tells the owner of a list what became of each row."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, Protocol, TextIO

from campaigns.listfile import ListError
from campaigns.rows import RowStatus
from storage.cells import safe_cell

HEADER: Final = ("line", "phone", "e164", "status", "detail")


class Outcome(Protocol):
    """A row and what became of it."""

    @property
    def line(self) -> int: ...

    @property
    def phone(self) -> str: ...

    @property
    def number(self) -> str | None: ...

    @property
    def status(self) -> RowStatus: ...

    @property
    def detail(self) -> str: ...


class ResultFile:
    """An open result file."""

    def __init__(self, file: TextIO, path: Path) -> None:
        self._csv, self._path = csv.writer(file), path
        with _explained(path):
            self._csv.writerow(HEADER)

    def write(self, rows: Iterable[Outcome]) -> None:
        """Append one line a row; cells that a spreadsheet would run are neutralised. Raises `ListError`."""
        with _explained(self._path):
            self._csv.writerows(
                (row.line, _safe(row.phone), row.number or "", row.status, _safe(row.detail)) for row in rows
            )


def _safe(text: str) -> str:
    # Most are digits or nothing.
    return text if not text or text.isalnum() else safe_cell(text)


@contextmanager
def result_file(path: Path) -> Iterator[ResultFile]:
    """A result file that stands at `path` only when it is whole.

    UTF-8 with a BOM, by which spreadsheet programs recognise it. Raises `ListError` when it cannot be written.
    """
    part = path.with_name(f"{path.name}.part")
    with _explained(path):
        file = part.open("w", encoding="utf-8-sig", newline="")
    try:
        yield ResultFile(file, path)
    finally:
        with _explained(path):
            file.close()
    with _explained(path):
        part.replace(path)


@contextmanager
def _explained(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise ListError(
            f"{path}: the result file cannot be written: {error.strerror}; mend that and import the list again,"
            " which goes on where it stopped"
        ) from error
