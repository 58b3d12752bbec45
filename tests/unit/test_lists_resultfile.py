"""The result file: its columns, its neutralised cells, and that it stands only when whole."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from campaigns.listfile import ListError
from campaigns.resultfile import result_file
from campaigns.rows import Row, RowStatus
from storage.cells import safe_cell


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("=1+1", "'=1+1"),
        ("+1+cmd|' /C calc'!A0", "'+1+cmd|' /C calc'!A0"),
        ("-2+3", "'-2+3"),
        ("@SUM(A1)", "'@SUM(A1)"),
        (" =1+1", "' =1+1"),
        ("\t=1", "'\t=1"),
        ("\r=1", "'\r=1"),
        ("＝1+1", "'＝1+1"),
        ("+84901234567", "+84901234567"),
        ("-5", "-5"),
        ("-1,234.50", "-1,234.50"),
        ("+84 901 234", "+84 901 234"),
        ("Lan", "Lan"),
        ("", ""),
        ("a=b", "a=b"),
    ],
)
def test_cells_that_a_spreadsheet_would_run(text: str, written: str) -> None:
    assert safe_cell(text) == written


def test_one_line_a_row_in_a_form_that_spreadsheets_open(tmp_path: Path) -> None:
    path = tmp_path / "result.csv"
    rows = [
        Row(2, "0901234567", "+84901234567", RowStatus.ACCEPTED),
        Row(3, "=1+1", None, RowStatus.INVALID, "phone: a formula, chữ"),
    ]
    with result_file(path) as results:
        results.write(rows)
        assert not path.exists()
    assert path.read_bytes().startswith(b"\xef\xbb\xbf")
    with path.open(encoding="utf-8-sig", newline="") as file:
        assert list(csv.reader(file)) == [
            ["line", "phone", "e164", "status", "detail"],
            ["2", "0901234567", "+84901234567", "accepted", ""],
            ["3", "'=1+1", "", "invalid", "phone: a formula, chữ"],
        ]
    assert list(tmp_path.iterdir()) == [path]


def test_a_file_that_cannot_be_written_says_what_to_do(tmp_path: Path) -> None:
    path = tmp_path / "missing" / "result.csv"
    with (
        pytest.raises(
            ListError, match=r"result\.csv: the result file cannot be written: No such file.*import the list"
        ),
        result_file(path),
    ):
        pass


def test_an_interrupted_import_leaves_no_result_file_that_looks_whole(tmp_path: Path) -> None:
    path = tmp_path / "result.csv"
    with pytest.raises(KeyboardInterrupt), result_file(path):
        raise KeyboardInterrupt
    assert not path.exists()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="only Linux has a device that is always full")
@pytest.mark.parametrize("rows", [0, 10_000])
def test_a_full_disk_says_so_and_that_nothing_is_lost(tmp_path: Path, rows: int) -> None:
    (tmp_path / "result.csv.part").symlink_to("/dev/full")
    with (
        pytest.raises(ListError, match=r"result\.csv: .*No space left on device.*goes on where it stopped"),
        result_file(tmp_path / "result.csv") as results,
    ):
        results.write(Row(line, "0901234567", "+84901234567", RowStatus.ACCEPTED) for line in range(rows))
    assert not (tmp_path / "result.csv").exists()


def test_another_failure_is_not_blamed_on_the_result_file(tmp_path: Path) -> None:
    with pytest.raises(ConnectionResetError), result_file(tmp_path / "result.csv"):
        raise ConnectionResetError
