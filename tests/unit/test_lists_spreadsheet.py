"""Reading delimited files: encodings, delimiters, quotes, and what cannot be read."""

from __future__ import annotations

import codecs
import hashlib
from pathlib import Path

import pytest

from campaigns.listfile import ListError, Record
from campaigns.spreadsheet import inspect

ROWS = "Phone,Tên\r\n0901234567,Nguyễn\r\n"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "list.csv"


def records(path: Path, content: str | bytes, **options: str) -> list[Record]:
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return list(inspect(path, **options).records())


def cells(path: Path, content: str | bytes, **options: str) -> list[tuple[str, ...]]:
    return [record.cells for record in records(path, content, **options)]


def refusal(path: Path, content: bytes, **options: str) -> str:
    path.write_bytes(content)
    with pytest.raises(ListError) as caught:
        inspect(path, **options)
    assert str(caught.value).startswith(f"{path}: ")
    return str(caught.value)


@pytest.mark.parametrize(
    ("content", "options"),
    [
        (ROWS.encode(), {}),
        (codecs.BOM_UTF8 + ROWS.encode(), {}),
        (codecs.BOM_UTF8 + ROWS.encode(), {"encoding": "UTF-8"}),
        (ROWS.encode(), {"encoding": "utf8"}),
        (ROWS.encode("utf-16"), {}),
        (codecs.BOM_UTF16_BE + ROWS.encode("utf-16-be"), {}),
        (ROWS.encode("utf-16-le"), {"encoding": "utf-16-le"}),
        (ROWS.replace("\r\n", "\n").encode(), {}),
        (ROWS.replace("\r\n", "\r").encode(), {}),
        (ROWS.rstrip().encode(), {}),
    ],
)
def test_encodings_and_line_ends(path: Path, content: bytes, options: dict[str, str]) -> None:
    assert cells(path, content, **options) == [("Phone", "Tên"), ("0901234567", "Nguyễn")]


def test_an_encoding_of_old_vietnamese_windows(path: Path) -> None:
    content = "Phone,Ten\n0901234567,Hạnh phúc\n".replace("ạ", "a\u0323").encode("cp1258")
    assert cells(path, content, encoding="cp1258")[1] == ("0901234567", "Ha\u0323nh phúc")


def test_a_wrong_encoding_names_line_byte_and_remedy(path: Path) -> None:
    message = refusal(path, "Phone,Name\n1,An\n2,Müller\n".encode("cp1252"))
    assert "line 3, byte 19: not readable as utf-8" in message
    assert "--encoding cp1258" in message
    assert "save it as CSV UTF-8" in message


def test_a_wrong_byte_far_into_the_file_is_counted_from_its_beginning(path: Path) -> None:
    start = b"Phone\n" + b"0901234567\n" * 200_000
    assert f"line 200002, byte {len(start)}" in refusal(path, start + b"\xff\n")


def test_a_character_cut_off_at_the_end_of_the_file(path: Path) -> None:
    assert "not readable as utf-8" in refusal(path, "Phone\nễ".encode()[:-1])


def test_a_chosen_encoding_that_does_not_fit_says_so(path: Path) -> None:
    message = refusal(path, "Phone\nễ\n".encode(), encoding="ascii")
    assert "not readable as ascii; it is not in this encoding; leave --encoding out if it is UTF-8" in message


@pytest.mark.parametrize(
    ("content", "options", "told"),
    [
        (b"", {}, "the file is empty; it needs a header line"),
        (b"Phone\n1\n", {"encoding": "klingon"}, "unknown encoding 'klingon'; try utf-8"),
        ("Phone\n1\n".encode("utf-16-le"), {}, "holds NUL characters; if it is UTF-16, add --encoding utf-16-le"),
        (b"Phone\n1\n", {"delimiter": "/"}, "the delimiter '/' is not supported; use one of"),
    ],
)
def test_what_cannot_be_read_says_what_to_do(path: Path, content: bytes, options: dict[str, str], told: str) -> None:
    assert told in refusal(path, content, **options)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ListError, match=r"none\.csv: cannot be read: No such file"):
        inspect(tmp_path / "none.csv")


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_the_delimiter_is_found(path: Path, delimiter: str) -> None:
    content = "\n".join(delimiter.join(row) for row in [("Phone", "Name", "Sum"), ("1", "An", "5"), ("2", "Bo", "6")])
    path.write_text(content)
    source = inspect(path)
    assert source.delimiter == delimiter
    assert list(source.records())[2].cells == ("2", "Bo", "6")


def test_commas_inside_the_text_do_not_mislead(path: Path) -> None:
    content = "Phone;Name, given;Note\n1;Lê, An;a, b, c\n2;Vũ, Bo;d\n"
    assert cells(path, content)[1] == ("1", "Lê, An", "a, b, c")


def test_one_column_needs_no_delimiter(path: Path) -> None:
    assert cells(path, "Phone\n0901234567\n") == [("Phone",), ("0901234567",)]


def test_a_chosen_delimiter_is_used(path: Path) -> None:
    assert cells(path, "Phone|A,B\n1|2,3\n", delimiter=",")[0] == ("Phone|A", "B")


def test_the_line_in_which_spreadsheets_tell_each_other_the_delimiter(path: Path) -> None:
    found = records(path, "sep=;\nPhone;Name\n1;a,b,c\n")
    assert [(record.line, record.cells) for record in found] == [(2, ("Phone", "Name")), (3, ("1", "a,b,c"))]


def test_blank_lines_are_left_out_and_lines_still_count(path: Path) -> None:
    found = records(path, "\n\nPhone,Name\n,,\n  \n1,An\n")
    assert [(record.line, record.cells) for record in found] == [(3, ("Phone", "Name")), (6, ("1", "An"))]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ('1,"An, Bo"', ("1", "An, Bo")),
        ('1,"An ""the"" Bo"', ("1", 'An "the" Bo')),
        ('1,5" pipe', ("1", '5" pipe')),
        ('1,"An" Bo', ("1", "An Bo")),
        ('1,""', ("1", "")),
    ],
)
def test_quotation_marks(path: Path, line: str, expected: tuple[str, ...]) -> None:
    assert cells(path, f"Phone,Name\n{line}\n")[1] == expected


def test_a_quoted_cell_may_hold_line_ends(path: Path) -> None:
    found = records(path, 'Phone,Name\n1,"An\nBo"\n2,Vu\n')
    assert [(record.line, record.cells) for record in found[1:]] == [(2, ("1", "An\nBo")), (4, ("2", "Vu"))]


def test_an_open_quotation_mark_spoils_its_own_line_only(path: Path) -> None:
    lines = ["Phone,Name", '1,"An', *(f"{n},Bo" for n in range(2, 80))]
    found = records(path, "\n".join(lines))
    assert [record.line for record in found] == list(range(1, 81))[: len(lines)]
    assert found[1].error == "a quotation mark is not closed on this line, or a cell is too long"
    assert found[1].cells == ("1", "An")
    assert all(record.error is None for record in found if record.line != 2)


def test_two_open_quotation_marks_do_not_join_their_lines(path: Path) -> None:
    found = records(path, 'Phone,Name\n1,"An\n2,"Bo\n3,Vu\n')
    assert [(record.cells, record.error is None) for record in found[1:]] == [
        (("1", "An"), False),
        (("2", "Bo"), False),
        (("3", "Vu"), True),
    ]


@pytest.mark.parametrize("tail", ['"', '"x'])
def test_a_quoted_cell_without_measure_is_an_error_of_its_row(path: Path, tail: str) -> None:
    found = records(path, 'Phone,Name\n1,"' + "x" * 200_000 + tail + "\n2,Bo\n")
    assert found[1].error is not None
    assert found[-1] == Record(3, ("2", "Bo"))


def test_what_was_found_out_about_the_file(path: Path) -> None:
    content = codecs.BOM_UTF8 + b"Phone;Name\n1;a\n2;b"
    path.write_bytes(content)
    source = inspect(path)
    assert (source.encoding, source.delimiter, source.lines) == ("utf-8-sig", ";", 3)
    assert source.sha256 == hashlib.sha256(content).hexdigest()
    path.write_bytes(content + b"\n")
    assert inspect(path).lines == 3
