"""The file that tells the owner of a list what became of each row."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, TextIO

from campaigns.listfile import ListError
from campaigns.rows import Row
from storage.cells import safe_cell

HEADER: Final = ("line", "phone", "e164", "status", "detail")


class ResultFile:
    """An open result file."""

    def __init__(self, file: TextIO, path: Path) -> None:
        self._csv, self._path = csv.writer(file), path
        with _explained(path):
            self._csv.writerow(HEADER)

    def write(self, rows: Iterable[Row]) -> None:
        """Append one line a row; cells that a spreadsheet would run are neutralised. Raises `ListError`."""
        with _explained(self._path):
            for row in rows:
                cells = (str(row.line), row.phone, row.number or "", row.status.value, row.detail)
                self._csv.writerow([safe_cell(cell) for cell in cells])


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
