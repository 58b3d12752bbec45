"""Any bytes are a list or a refusal; what a spreadsheet writes is read back; no row is lost or joined to another."""

from __future__ import annotations

import csv
import io
import tempfile
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from campaigns.columns import read_header
from campaigns.listfile import ListError, Record
from campaigns.rows import RowRules, RowStatus, check_row
from campaigns.spreadsheet import inspect
from storage.cells import safe_cell

CELLS = st.text(st.characters(codec="utf-8", exclude_characters="\0", exclude_categories=["Cs"]), max_size=12)
ROWS = st.lists(st.lists(CELLS, min_size=2, max_size=4), min_size=1, max_size=8)
FRAGMENTS = st.sampled_from(['"', ",", ";", "\n", "\r\n", "\r", "\t", "|", "a", "0901234567", "=", " ", "phone", "ễ"])


def read(content: bytes, **options: str) -> list[Record] | str:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "list.csv"
        path.write_bytes(content)
        try:
            return list(inspect(path, **options).records())
        except ListError as error:
            return str(error)


@given(st.binary(max_size=200))
def test_any_bytes_are_records_or_a_refusal(content: bytes) -> None:
    found = read(content)
    assert found or found == []


@given(ROWS, st.sampled_from([",", ";", "\t", "|"]))
def test_what_was_written_is_read_back(rows: list[list[str]], delimiter: str) -> None:
    buffer = io.StringIO(newline="")
    csv.writer(buffer, delimiter=delimiter, quoting=csv.QUOTE_ALL).writerows(rows)
    found = read(buffer.getvalue().encode(), delimiter=delimiter)
    assert isinstance(found, list)
    assert [record.cells for record in found] == [tuple(row) for row in rows if any(cell.strip() for cell in row)]
    assert not any(record.error for record in found)


@given(st.lists(FRAGMENTS, max_size=40).map("".join))
def test_records_come_in_the_order_of_their_lines_and_skip_only_blank_ones(content: str) -> None:
    found = read(content.encode(), delimiter=",")
    if isinstance(found, list):
        lines = [record.line for record in found]
        assert lines == sorted(set(lines))
        letters = "".join(cell for record in found for cell in record.cells)
        assert [letters.count(mark) for mark in "0aễ"] == [content.count(mark) for mark in "0aễ"]


@given(st.lists(CELLS, max_size=6))
def test_a_row_always_has_an_outcome(cells: list[str]) -> None:
    header = read_header(["Phone", "time_zone", "priority", "schedule_at"], source="l.csv")
    row = check_row(Record(2, tuple(cells)), RowRules(header, "VN", "Asia/Ho_Chi_Minh"))
    assert (row.status is RowStatus.ACCEPTED) <= (row.number is not None)
    assert row.status is RowStatus.ACCEPTED or row.detail


@given(CELLS)
def test_no_cell_can_begin_a_formula(text: str) -> None:
    written = safe_cell(text)
    assert written.removeprefix("'") == text or written == text
    assert not written.startswith(("=", "@", "\t", "\r"))
    if written.startswith(("+", "-")):
        assert not any(letter.isalpha() or letter in "()!'\"" for letter in written)
