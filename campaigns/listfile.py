"""A contact list as a file: delimited text or a workbook, read row by row."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from campaigns.errors import CampaignError


class ListError(CampaignError):
    """A contact list cannot be imported; the message names file, line and remedy."""


@dataclass(frozen=True)
class Record:
    """One row of the file."""

    #: The physical line, or row of the sheet, on which it begins, the first being 1.
    line: int
    cells: tuple[str, ...]
    #: Why the row cannot be read, else None.
    error: str | None = None


class Source(Protocol):
    """A file that was read through once, so that it is known to be readable."""

    @property
    def path(self) -> Path: ...

    @property
    def sha256(self) -> str: ...

    @property
    def lines(self) -> int:
        """Physical lines, or rows of the sheet."""
        ...

    def records(self) -> Iterator[Record]:
        """The rows in order, the header first, blank ones left out."""
        ...


def inspect(
    path: Path, *, encoding: str | None = None, delimiter: str | None = None, sheet: str | None = None
) -> Source:
    """Read the file through once, so that nothing is stored of one that cannot be read.

    A workbook (XLSX, XLSM, XLSB, XLS or ODS) is told by its content, not by its name. `encoding` and `delimiter`
    are of text files, `sheet` is of workbooks. Raises `ListError`.
    """
    from campaigns import spreadsheet, workbook

    try:
        with path.open("rb") as file:
            is_workbook = file.read(8).startswith(workbook.SIGNATURES)
    except OSError as error:
        raise ListError(f"{path}: cannot be read: {error.strerror}; check the name and the permissions") from error
    if not is_workbook:
        if sheet is not None:
            raise ListError(f"{path}: this is a text file and has no sheets; leave --sheet out")
        return spreadsheet.inspect(path, encoding=encoding, delimiter=delimiter)
    if encoding is not None or delimiter is not None:
        raise ListError(f"{path}: this is a workbook; leave --encoding and --delimiter out")
    return workbook.inspect(path, sheet=sheet)
