"""Workbooks as contact lists: what a cell says, which sheet is read, and what cannot be."""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Sequence
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import Any

import pytest
from xlsxwriter import Workbook

from campaigns import workbook
from campaigns.listfile import ListError, inspect
from campaigns.lists import preview


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "list.xlsx"


def write(path: Path, sheets: dict[str, Sequence[Sequence[Any]]], arrange: Callable[[Workbook], None] = lambda _: None):  # type: ignore[no-untyped-def]
    with Workbook(path) as book:
        forms = {
            datetime: book.add_format({"num_format": "dd/mm/yyyy hh:mm"}),
            date: book.add_format({"num_format": "dd/mm/yyyy"}),
            time: book.add_format({"num_format": "hh:mm"}),
            timedelta: book.add_format({"num_format": "[h]:mm"}),
        }
        for name, rows in sheets.items():
            sheet = book.add_worksheet(name)
            for at, row in enumerate(rows):
                for column, cell in enumerate(row):
                    sheet.write(at, column, cell, forms.get(type(cell)))
        arrange(book)


def cells(path: Path, rows: Sequence[Sequence[Any]]) -> list[tuple[str, ...]]:
    write(path, {"People": rows})
    return [record.cells for record in inspect(path).records()]


@pytest.mark.parametrize(
    ("cell", "text"),
    [
        (84912345678, "84912345678"),
        (9.12345678e8, "912345678"),
        ("0912345678", "0912345678"),
        (12.5, "12.5"),
        (0.1 + 0.2, "0.3"),
        (-3, "-3"),
        (1.5e300, "1.5e+300"),
        (True, "true"),
        (False, "false"),
        ("Nguyễn Văn An", "Nguyễn Văn An"),
        (datetime(2026, 11, 30, 14, 30), "2026-11-30 14:30"),  # noqa: DTZ001 - a cell has no zone
        (datetime(2026, 11, 30, 14, 30, 5), "2026-11-30 14:30:05"),  # noqa: DTZ001
        (date(2026, 11, 30), "2026-11-30"),
        (time(8, 30), "08:30"),
        (time(8, 30, 7), "08:30:07"),
        (timedelta(hours=26, minutes=5), "26:05"),
        (timedelta(hours=8, minutes=30, seconds=9), "08:30:09"),
    ],
)
def test_a_cell_says_what_a_person_sees_in_it(path: Path, cell: Any, text: str) -> None:
    assert cells(path, [["Phone"], [cell]])[1] == (text,)


def test_rows_keep_their_numbers_and_blank_ones_are_left_out(path: Path) -> None:
    write(path, {"People": [[], ["Phone", "Name"], ["0901", "An"], [" ", ""], ["0902"]]})
    source = inspect(path)
    assert [(record.line, record.cells) for record in source.records()] == [
        (2, ("Phone", "Name")),
        (3, ("0901", "An")),
        (5, ("0902", "")),
    ]
    assert source.lines == 5


def test_the_first_visible_sheet_with_content_is_read(path: Path) -> None:
    people = [["Phone"], ["0901"]]
    sheets = {"Old": [["Phone"], ["0909"]], "Empty": [], "People": people, "More": [["Phone"], ["0902"]]}

    def hide(book: Workbook) -> None:
        book.get_worksheet_by_name("Empty").activate()
        book.get_worksheet_by_name("Empty").set_first_sheet()
        book.get_worksheet_by_name("Old").hide()

    write(path, sheets, hide)
    assert [record.cells for record in inspect(path).records()] == [("Phone",), ("0901",)]
    assert [record.cells for record in inspect(path, sheet="More").records()] == [("Phone",), ("0902",)]
    assert [record.cells for record in inspect(path, sheet="Old").records()] == [("Phone",), ("0909",)]


def test_another_sheet_of_the_same_file_is_another_list(path: Path) -> None:
    write(path, {"A": [["Phone"], ["0901"]], "B": [["Phone"], ["0902"]]})
    assert inspect(path).sha256 == inspect(path, sheet="A").sha256 != inspect(path, sheet="B").sha256


def test_a_workbook_is_told_by_its_content(path: Path, tmp_path: Path) -> None:
    write(path, {"People": [["Phone"], ["0901"]]})
    misnamed = path.rename(tmp_path / "list.csv")
    assert len(list(inspect(misnamed).records())) == 2


def test_a_preview_reads_workbooks_too(path: Path) -> None:
    write(path, {"People": [["SĐT", "Số tiền"], [84912345678, 500000], ["0902", 1]]})
    shown = preview(path, rows=1, required_variables=["so_tien", "due"])
    assert shown.rows[0].cells == ("84912345678", "500000")
    assert shown.missing_columns == ("due",)


def _refusal(path: Path, **options: str) -> str:
    with pytest.raises(ListError) as caught:
        inspect(path, **options)
    assert str(caught.value).startswith(f"{path}: ")
    return str(caught.value)


@pytest.mark.parametrize("content", [b"PK\x03\x04rest", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 600])
def test_a_damaged_workbook_says_what_to_do(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    told = _refusal(path)
    assert "the workbook cannot be read" in told
    assert "save the sheet as CSV UTF-8" in told


def test_an_archive_that_is_no_workbook(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("readme.txt", "hello")
    assert "the workbook cannot be read" in _refusal(path)


def test_a_workbook_that_unpacks_to_too_much(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(path, {"People": [["Phone"]]})
    monkeypatch.setattr(workbook, "_LARGEST_BYTES", 1000)
    assert "more than can be read" in _refusal(path)


def test_an_unknown_or_empty_sheet_names_the_sheets(path: Path) -> None:
    write(path, {"A": [], "B": []})
    assert "there is no sheet 'C'; it has 'A', 'B'" in _refusal(path, sheet="C")
    assert "sheet 'B' is empty" in _refusal(path, sheet="B")
    assert "every visible sheet is empty (it has 'A', 'B')" in _refusal(path)


def test_options_of_the_other_kind_of_file_are_refused(path: Path, tmp_path: Path) -> None:
    write(path, {"A": [["Phone"]]})
    assert "leave --encoding and --delimiter out" in _refusal(path, encoding="utf-8")
    assert "leave --encoding and --delimiter out" in _refusal(path, delimiter=";")
    text = tmp_path / "list.csv"
    text.write_text("Phone\n0901\n")
    assert "leave --sheet out" in _refusal(text, sheet="A")


def test_a_missing_file_is_told(path: Path) -> None:
    assert "cannot be read: No such file or directory" in _refusal(path)
