"""Headers: reserved columns in two languages, variables, and what is missing."""

from __future__ import annotations

import pytest

from campaigns.columns import ALIASES, parse_mapping, read_header, slug
from campaigns.listfile import ListError


@pytest.mark.parametrize(
    ("header", "name"),
    [
        ("Số tiền (VNĐ)", "so_tien_vnd"),
        ("Due date", "due_date"),
        ("dueDate", "due_date"),
        ("  Đường/phố  ", "duong_pho"),
        ("AMOUNT", "amount"),
        ("電話", ""),
        ("", ""),
    ],
)
def test_headers_become_snake_case(header: str, name: str) -> None:
    assert slug(header) == name


@pytest.mark.parametrize(
    "header",
    [
        *("Phone", "PHONE", "phone_number", "Phone Number", "PhoneNumber", "SĐT", "sđt", "Số điện thoại"),
        *("SO DIEN THOAI", "Điện thoại", "Mobile", "Mobile No.", "Tel", "\ufeffPhone"),
    ],
)
def test_the_phone_column_has_many_names(header: str) -> None:
    assert read_header(["x", header], source="l.csv").reserved == {1: "phone"}


@pytest.mark.parametrize(
    ("header", "name"),
    [
        ("Họ tên", "name"),
        ("Full Name", "name"),
        ("External Key", "external_key"),
        ("Ngôn ngữ", "language"),
        ("Múi giờ", "time_zone"),
        ("Time Zone", "time_zone"),
        ("Ưu tiên", "priority"),
        ("Từ giờ", "time_from"),
        ("Đến giờ", "time_to"),
        ("Lịch gọi", "schedule_at"),
        ("Caller ID", "caller_id"),
    ],
)
def test_reserved_columns_in_both_languages(header: str, name: str) -> None:
    assert read_header([header, "Phone"], source="l.csv").reserved == {0: name, 1: "phone"}


def test_all_others_are_variables() -> None:
    columns = read_header(["Phone", "Số tiền", "2nd date", "", "電話"], source="l.csv")
    assert columns.variables == {1: "so_tien", 2: "v_2nd_date", 3: "column_4", 4: "column_5"}


def test_no_alias_stands_for_two_columns() -> None:
    every = [alias for aliases in ALIASES.values() for alias in aliases]
    assert len(every) == len(set(every))
    assert all(slug(alias) == alias for alias in every)


def test_a_missing_phone_column_names_those_seen_and_those_accepted() -> None:
    with pytest.raises(ListError) as caught:
        read_header(["Name", " Amount ", ""], source="l.csv", line=2)
    message = str(caught.value)
    assert message.startswith("l.csv: line 2: no phone column among 'Name', 'Amount'; name one of them Phone,")
    assert "Số điện thoại" in message


@pytest.mark.parametrize("cell", ["0901234567", "+84 901 234 567"])
def test_a_file_without_a_header_is_told_apart(cell: str) -> None:
    with pytest.raises(ListError, match="line 1 holds data, not column names; put a header line above it"):
        read_header(["Lan", cell], source="l.csv")


@pytest.mark.parametrize(
    ("headers", "told"),
    [
        (["Phone", "Mobile"], "'Phone' and 'Mobile' both mean phone; rename one of them"),
        (["Phone", "Số tiền", "so tien"], "both mean so_tien"),
    ],
)
def test_two_columns_of_one_meaning_are_refused(headers: list[str], told: str) -> None:
    with pytest.raises(ListError, match=told):
        read_header(headers, source="l.csv")


def test_a_mapping_wins_over_the_names_that_are_known() -> None:
    cells = ("Phone", "Second number", "Ref", "Số tiền", "Ghi chú")
    options = ["Phone=old_phone", "second NUMBER=phone", "Ref=external_key", "Số tiền=amount", "Ghi chú="]
    columns = read_header(cells, source="l.csv", mapping=parse_mapping(options))
    assert columns.reserved == {1: "phone", 2: "external_key"}
    assert columns.variables == {0: "old_phone", 3: "amount"}
    assert columns.phone == 1


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["Ref"], "--map 'Ref': write the column's header, =, and a field"),
        (["=name"], "--map '=name': write the column's header"),
        (["Ref=name", "Ref=phone"], "--map: 'Ref' is given two meanings, 'name' and 'phone'; keep one"),
        (["Nobody=name"], "line 1: --map: there is no column 'Nobody'; the list has 'Phone', 'Ref', 'ref'"),
        (["REF=name"], "line 1: --map: 2 columns are headed 'REF'; rename them apart in the file"),
        (["Ref=Tên khách"], "--map 'Ref=Tên khách': 'Tên khách' is no field; write one of phone, name,"),
        (["Ref=phone"], "'Phone' and 'Ref' both mean phone; rename one of them, or leave one out: --map 'Ref='"),
        (["Phone=", "ref="], "no phone column among 'Phone', 'Ref', 'ref'; name one of them"),
    ],
)
def test_a_mapping_that_does_not_fit_names_header_and_remedy(options: list[str], told: str) -> None:
    with pytest.raises(ListError) as caught:
        read_header(("Phone", "Ref", "ref"), source="l.csv", mapping=parse_mapping(options))
    assert told in str(caught.value)
