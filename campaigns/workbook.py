"""Reading a sheet of a workbook: its cells as the text that a person sees in them."""

from __future__ import annotations

import hashlib
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import Final

from python_calamine import (
    CalamineError,
    CalamineSheet,
    CalamineWorkbook,
    PasswordError,
    SheetTypeEnum,
    SheetVisibleEnum,
)

from campaigns.listfile import ListError, Record

#: What a workbook begins with: a ZIP archive (XLSX, XLSM, XLSB, ODS) or a compound file (XLS, and encrypted ones).
SIGNATURES: Final = (b"PK\x03\x04", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1")
_SAVE_AS_TEXT: Final = "save the sheet as CSV UTF-8 (comma delimited) and import that"
# The reader keeps a sheet in memory; a spreadsheet's own limit, 1,048,576 rows of some twenty cells, stays below this.
_LARGEST_BYTES: Final = 1 << 30
_EXACT_DIGITS: Final = 10**15

_Cell = int | float | str | bool | time | date | datetime | timedelta


@dataclass(frozen=True)
class WorkbookSource:
    """A sheet that was read through once."""

    path: Path
    sheet: str
    sha256: str
    #: Rows of the sheet, the blank ones above its first included.
    lines: int

    def records(self) -> Iterator[Record]:
        """The rows in order, the header first, blank ones left out; holds the sheet in memory until exhausted."""
        with _opened(self.path) as book:
            for line, row in enumerate(book.get_sheet_by_name(self.sheet).iter_rows(), start=1):
                cells = tuple(_text(cell) for cell in row)
                if any(cell.strip() for cell in cells):
                    yield Record(line, cells)


def inspect(path: Path, *, sheet: str | None = None) -> WorkbookSource:
    """The sheet that is asked for, else the first visible one that holds anything.

    Raises `ListError` for a workbook that is damaged, encrypted or too large, and for an unknown or empty sheet.
    """
    try:
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        _refuse_huge(path)
    except OSError as error:
        raise ListError(f"{path}: cannot be read: {error.strerror}; check the name and the permissions") from error
    with _opened(path) as book:
        chosen = _chosen(path, book, sheet)
        # The same file imported from another sheet is another list.
        key = hashlib.sha256(f"{digest}:{chosen.name}".encode()).hexdigest()
        last_row, _column = chosen.end or (0, 0)
        return WorkbookSource(path, chosen.name, key, last_row + 1)


def _opened(path: Path) -> CalamineWorkbook:
    try:
        # By its content: a name that ends in the wrong way does no harm.
        with path.open("rb") as file:
            return CalamineWorkbook.from_filelike(file)
    except PasswordError as error:
        raise ListError(f"{path}: the workbook is protected by a password; {_SAVE_AS_TEXT}") from error
    except (CalamineError, ValueError, OSError) as error:
        raise ListError(f"{path}: the workbook cannot be read ({_first_line(error)}); {_SAVE_AS_TEXT}") from error


def _refuse_huge(path: Path) -> None:
    try:
        with zipfile.ZipFile(path) as archive:
            size = sum(part.file_size for part in archive.infolist())
    except zipfile.BadZipFile:
        return  # A compound file, or damaged: the reader tells.
    if size > _LARGEST_BYTES:
        raise ListError(f"{path}: the workbook unpacks to {size >> 20} MiB, more than can be read; {_SAVE_AS_TEXT}")


def _chosen(path: Path, book: CalamineWorkbook, wanted: str | None) -> CalamineSheet:
    sheets = [meta for meta in book.sheets_metadata if meta.typ is SheetTypeEnum.WorkSheet]
    names = ", ".join(repr(meta.name) for meta in sheets)
    if wanted is not None and wanted not in {meta.name for meta in sheets}:
        raise ListError(f"{path}: there is no sheet {wanted!r}; it has {names or 'none'}")
    for meta in sheets:
        if meta.name != wanted if wanted is not None else meta.visible is not SheetVisibleEnum.Visible:
            continue
        sheet = _sheet(path, book, meta.name)
        if sheet.end is not None:
            return sheet
    which = f"sheet {wanted!r} is empty" if wanted is not None else f"every visible sheet is empty (it has {names})"
    raise ListError(f"{path}: {which}; it needs a header row and a phone column")


def _sheet(path: Path, book: CalamineWorkbook, name: str) -> CalamineSheet:
    try:
        return book.get_sheet_by_name(name)
    except CalamineError as error:
        raise ListError(f"{path}: sheet {name!r} cannot be read ({_first_line(error)}); {_SAVE_AS_TEXT}") from error


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]


def _text(cell: _Cell) -> str:
    """A cell as text: whole numbers without a point, dates in ISO 8601, times of day as 08:30."""
    match cell:
        case bool():
            text = "true" if cell else "false"
        case float():
            whole = cell.is_integer() and abs(cell) < _EXACT_DIGITS
            text = str(int(cell)) if whole else f"{cell:.15g}"
        case datetime():
            text = cell.isoformat(" ", "minutes" if cell.second == 0 else "seconds")
        case time():
            text = cell.isoformat("minutes" if cell.second == 0 else "seconds")
        case timedelta():
            minutes, seconds = divmod(round(cell.total_seconds()), 60)
            text = f"{minutes // 60:02d}:{minutes % 60:02d}" + (f":{seconds:02d}" if seconds else "")
        case date():
            text = cell.isoformat()
        case _:
            text = str(cell)
    return text
