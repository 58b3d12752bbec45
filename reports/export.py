"""Exports as CSV and XLSX: the columns of VOCABULARY "Exports", streamed, with nothing a spreadsheet would run."""

from __future__ import annotations

import asyncio
import csv
import io
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, Final
from zoneinfo import ZoneInfo

from reports.rows import Cell
from storage.cells import safe_cell

_SHEET_ROWS: Final = 1_048_576
_CELL_CHARACTERS: Final = 32_767


@dataclass(frozen=True)
class Sheet:
    """What is exported: column names, and the rows in batches."""

    name: str
    columns: tuple[str, ...]
    batches: AsyncIterator[Sequence[Sequence[Cell]]]
    time_zone: str


async def csv_chunks(sheet: Sheet) -> AsyncIterator[bytes]:
    """The sheet as CSV (RFC 4180) in UTF-8 with a byte order mark, so that spreadsheets read it right.

    Instants are written in ISO 8601 with their offset, lengths in seconds, amounts with a decimal point.
    """
    zone = ZoneInfo(sheet.time_zone)
    yield b"\xef\xbb\xbf" + _csv([sheet.columns])
    async for batch in sheet.batches:
        yield _csv([[_text(cell, zone) for cell in row] for row in batch])


async def write_csv(sheet: Sheet, path: Path) -> None:
    """Write `csv_chunks` to a file; raises OSError when it cannot be written."""
    with path.open("wb") as target:
        async for chunk in csv_chunks(sheet):
            await asyncio.to_thread(target.write, chunk)


def _csv(rows: Sequence[Sequence[str]]) -> bytes:
    buffer = io.StringIO(newline="")
    csv.writer(buffer, lineterminator="\r\n").writerows(rows)
    return buffer.getvalue().encode()


def _text(cell: Cell, zone: ZoneInfo) -> str:
    match cell:
        case None:
            return ""
        case bool():
            return "yes" if cell else "no"
        case datetime():
            return cell.astimezone(zone).isoformat(timespec="milliseconds")
        case int():
            return str(cell)
        case Decimal():
            return f"{cell:f}"
        case str():
            return safe_cell(cell)


def _system_error(error: Exception) -> OSError:
    """What the library has wrapped."""
    cause = error.args[0] if error.args else None
    return cause if isinstance(cause, OSError) else OSError(str(error))


async def write_xlsx(sheet: Sheet, path: Path, about: Mapping[str, str]) -> int:
    """Write the sheet as an XLSX file, and a second sheet that says what it is; the number of rows.

    Rows leave memory as they are written. Instants are dates in the sheet's time zone, which `about` should name.
    What does not fit one sheet of 1,048,576 rows goes on in further ones. Raises OSError when the file cannot be
    written.
    """
    book = _Book(path, sheet)
    try:
        async for batch in sheet.batches:
            await asyncio.to_thread(book.append, batch)
    finally:
        await asyncio.to_thread(book.close, about)
    return book.rows


class _Book:
    """An open workbook that takes rows in order."""

    def __init__(self, path: Path, sheet: Sheet) -> None:
        from xlsxwriter import Workbook

        # The library looks at the file last, and would leave its temporary files behind.
        path.open("wb").close()
        options = {
            "constant_memory": True,
            "strings_to_formulas": False,
            "strings_to_urls": False,
            "strings_to_numbers": False,
            "remove_timezone": True,
        }
        self._book = Workbook(str(path), options)
        self._sheet = sheet
        self._zone = ZoneInfo(sheet.time_zone)
        self._head = self._book.add_format({"bold": True, "bottom": 1, "bg_color": "#EEF2F6"})
        self._instant = self._book.add_format({"num_format": "yyyy-mm-dd hh:mm:ss.000"})
        self._page: Any = None
        self._line = _SHEET_ROWS
        self._pages = 0
        self.rows = 0
        self._turn_page()

    def append(self, batch: Sequence[Sequence[Cell]]) -> None:
        for row in batch:
            if self._line == _SHEET_ROWS:
                self._turn_page()
            for place, cell in enumerate(row):
                self._write(place, cell)
            self._line += 1
            self.rows += 1

    def close(self, about: Mapping[str, str]) -> None:
        from xlsxwriter.exceptions import FileCreateError

        page = self._book.add_worksheet("about")
        page.set_column(0, 0, 20)
        page.set_column(1, 1, 60)
        for line, (name, value) in enumerate(about.items()):
            page.write_string(line, 0, name, self._head)
            page.write_string(line, 1, value)
        try:
            self._book.close()
        except FileCreateError as error:
            raise _system_error(error) from error

    def _turn_page(self) -> None:
        self._pages += 1
        name = self._sheet.name if self._pages == 1 else f"{self._sheet.name} {self._pages}"
        self._page = self._book.add_worksheet(name)
        self._page.freeze_panes(1, 0)
        self._page.set_column(0, len(self._sheet.columns) - 1, 18)
        for place, column in enumerate(self._sheet.columns):
            self._page.write_string(0, place, column, self._head)
        self._line = 1

    def _write(self, place: int, cell: Cell) -> None:
        match cell:
            case None:
                return
            case bool():
                self._page.write_string(self._line, place, "yes" if cell else "no")
            case datetime():
                local = cell.astimezone(self._zone).replace(tzinfo=None)
                self._page.write_datetime(self._line, place, local, self._instant)
            case int() | Decimal():
                self._page.write_number(self._line, place, float(cell))
            case str():
                self._page.write_string(self._line, place, cell[:_CELL_CHARACTERS])
