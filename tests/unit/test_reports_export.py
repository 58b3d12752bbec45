"""CSV and XLSX: exact columns, exact values, and nothing that a spreadsheet would run."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest

import reports.export as export
from reports.export import Sheet, csv_chunks, write_csv, write_xlsx
from reports.rows import ATTEMPT_COLUMNS, CONTACT_COLUMNS, USAGE_COLUMNS, Cell, seconds
from tests.support_reports import read_xlsx

NOON = datetime(2026, 3, 2, 5, 0, 0, 123_000, tzinfo=UTC)
EVIL = ["=1+1", "+1+1", "-2+3", "@SUM(A1)", "\t=1", "\r=1", '=HYPERLINK("http://x","y")', "+84 90 call me", "+8490=1"]
EVIL += [" =1", "\u00a0=1", "＝1+1", "＋1+1", "－1+1", "＠SUM(A1)"]


def _sheet(*rows: Sequence[Cell], columns: tuple[str, ...] = ("a", "b")) -> Sheet:
    async def batches() -> AsyncIterator[Sequence[Sequence[Cell]]]:
        for row in rows:
            yield [row]

    return Sheet("rows", columns, batches(), "Asia/Ho_Chi_Minh")


async def _csv(sheet: Sheet) -> list[list[str]]:
    content = b"".join([chunk async for chunk in csv_chunks(sheet)])
    assert content.startswith(b"\xef\xbb\xbf")
    return list(csv.reader(io.StringIO(content.decode("utf-8-sig"), newline="")))


@pytest.mark.parametrize("text", EVIL)
async def test_formulas_are_neutralised(text: str) -> None:
    assert await _csv(_sheet((text, "x"))) == [["a", "b"], [f"'{text}", "x"]]


@pytest.mark.parametrize("text", ["", "Hoa", "+84900000001", "-5", "1=1", "'=1"])
async def test_what_runs_nothing_is_left_alone(text: str) -> None:
    assert await _csv(_sheet((text, "x"))) == [["a", "b"], [text, "x"]]


async def test_a_csv_file_holds_the_chunks(tmp_path: Path) -> None:
    await write_csv(_sheet((NOON, "+84900000001")), tmp_path / "x.csv")
    assert (tmp_path / "x.csv").read_bytes() == b"".join([c async for c in csv_chunks(_sheet((NOON, "+84900000001")))])


async def test_csv_writes_instants_with_offset_and_amounts_exactly() -> None:
    rows = await _csv(_sheet((NOON, Decimal("602.0833")), (True, None), (False, -3), ('Trả góp, "x"\nnext', "=1")))
    assert rows == [
        ["a", "b"],
        ["2026-03-02T12:00:00.123+07:00", "602.0833"],
        ["yes", ""],
        ["no", "-3"],
        ['Trả góp, "x"\nnext', "'=1"],
    ]


async def test_csv_of_nothing_still_has_its_head() -> None:
    assert await _csv(_sheet()) == [["a", "b"]]


async def test_xlsx_holds_numbers_dates_and_text_but_no_formula(tmp_path: Path) -> None:
    path = tmp_path / "x.xlsx"
    sheet = _sheet((NOON, Decimal("602.0833")), (True, None), *((text, 7) for text in EVIL), ("http://x.example", 0))
    assert await write_xlsx(sheet, path, {"time zone": "Asia/Ho_Chi_Minh"}) == len(EVIL) + 3
    rows = read_xlsx(path.read_bytes())
    assert rows[0] == ["a", "b"]
    assert float(rows[1][0]) == pytest.approx(46083.5, abs=1e-5)  # days since 1900, local noon
    assert rows[1][1] == "602.0833"
    assert rows[2] == ["yes"]
    # XML turns a carriage return into a line feed unless it is escaped, which the writer does.
    shown = [re.sub("_x000[dD]_", "\r", row[0]) for row in rows[3:-1]]
    assert shown == EVIL
    assert read_xlsx(path.read_bytes(), sheet=2) == [["time zone", "Asia/Ho_Chi_Minh"]]


async def test_a_workbook_that_cannot_be_written_is_a_system_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        await write_xlsx(_sheet(("x", 1)), tmp_path / "nowhere" / "x.xlsx", {})


async def test_xlsx_goes_on_in_a_further_sheet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(export, "_SHEET_ROWS", 3)
    path = tmp_path / "x.xlsx"
    await write_xlsx(_sheet(*((n, n) for n in range(5))), path, {})
    assert [row[0] for row in read_xlsx(path.read_bytes(), 1)] == ["a", "0", "1"]
    assert [row[0] for row in read_xlsx(path.read_bytes(), 2)] == ["a", "2", "3"]
    assert [row[0] for row in read_xlsx(path.read_bytes(), 3)] == ["a", "4"]


async def test_a_cell_longer_than_xlsx_allows_is_cut(tmp_path: Path) -> None:
    path = tmp_path / "x.xlsx"
    await write_xlsx(_sheet(("x" * 40_000, "")), path, {})
    assert len(read_xlsx(path.read_bytes())[1][0]) == 32_767


def test_milliseconds_become_seconds_exactly() -> None:
    assert (seconds(None), seconds(29_999), seconds(0)) == (None, Decimal("29.999"), Decimal("0"))


def test_the_columns_are_those_of_the_reference_page() -> None:
    text = (Path(__file__).parents[2] / "docs/reference/exports.md").read_text()
    for name, columns in (("attempts", ATTEMPT_COLUMNS), ("contacts", CONTACT_COLUMNS), ("usage", USAGE_COLUMNS)):
        section = text.split(f"## {name}")[1].split("\n## ")[0]
        assert tuple(re.findall(r"^\| `(\w+)` \|", section, re.M)) == columns
