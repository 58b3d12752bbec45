"""One row on its own: reserved values, variables, and every way to be refused."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from campaigns.columns import read_header
from campaigns.listfile import Record
from campaigns.rows import Row, RowRules, RowStatus, check_row

HEADER = ("Phone", "Name", "external_key", "language", "time_zone", "priority", "time_from", "time_to", "schedule_at")


def checked(
    phone: str = "0901234567", *, region: str = "VN", required: tuple[str, ...] = (), more: int = 0, **cells: str
) -> Row:
    names = {"phone": phone, **cells}
    columns = ("phone", "name", "external_key", "language", "time_zone", "priority", "time_from", "time_to")
    known = (*columns, "schedule_at", "caller_id", "amount")
    header = read_header(list(known), source="l.csv")
    rules = RowRules(header, region, "Asia/Ho_Chi_Minh", frozenset(required))
    values = tuple(names.get(name, "") for name in known) + ("x",) * more
    return check_row(Record(7, values), rules)


def test_a_plain_row_is_accepted() -> None:
    row = checked(name="Lan", amount="5.000")
    assert (row.line, row.phone, row.number, row.status, row.detail) == (
        *(7, "0901234567", "+84901234567"),
        *(RowStatus.ACCEPTED, ""),
    )
    assert row.fields == {"name": "Lan"}
    assert row.variables == {"amount": "5.000", "name": "Lan", "phone": "+84901234567"}


def test_a_repair_is_told() -> None:
    row = checked("9.01234567E8")
    assert (row.status, row.number) == (RowStatus.ACCEPTED, "+84901234567")
    assert row.detail == "repaired: scientific notation, lost leading zero"
    assert row.phone == "9.01234567E8"


@pytest.mark.parametrize(
    ("column", "written", "kept"),
    [
        ("name", ' \u00a0="Lan"\u200b', "Lan"),
        ("external_key", "K" * 48, "K" * 48),
        ("language", "en_GB", "en-GB"),
        ("language", "vi", "vi"),
        ("time_zone", "Europe/Prague", "Europe/Prague"),
        ("priority", "5", 5),
        ("priority", "-3.0", -3),
        ("time_from", "8", "08:00"),
        ("time_from", "8h", "08:00"),
        ("time_from", "8h30", "08:30"),
        ("time_from", "08:30:00", "08:30"),
        ("time_to", "23:59", "23:59"),
        ("caller_id", "028 3822-1234", "02838221234"),
        ("schedule_at", "2026-11-30 14:30", datetime(2026, 11, 30, 7, 30, tzinfo=UTC)),
        ("schedule_at", "2026-11-30T14:30:00+01:00", datetime(2026, 11, 30, 13, 30, tzinfo=UTC)),
        ("schedule_at", "30/11/2026 14:30", datetime(2026, 11, 30, 7, 30, tzinfo=UTC)),
        ("schedule_at", "30/11/2026", datetime(2026, 11, 29, 17, tzinfo=UTC)),
    ],
)
def test_reserved_values_are_put_into_one_form(column: str, written: str, kept: Any) -> None:
    row = checked(**{column: written})
    assert row.status is RowStatus.ACCEPTED
    assert row.fields == {column: kept}


def test_a_schedule_is_read_in_the_contacts_own_zone() -> None:
    row = checked(schedule_at="2026-11-30 14:30", time_zone="Europe/Prague")
    assert row.fields["schedule_at"] == datetime(2026, 11, 30, 13, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    ("cells", "told"),
    [
        ({"phone": ""}, "phone: empty"),
        ({"phone": "12"}, "phone: too few digits"),
        ({"phone": "=cmd|' /C calc'!A0"}, "phone: a formula"),
        ({"name": "N" * 201}, "name: longer than 200 characters"),
        ({"external_key": "K" * 49}, "external_key: longer than 48 characters"),
        ({"language": "English"}, "language: 'English' is no language tag"),
        ({"language": "en-aaaaaaaa-bbbbbbbb"}, "is no language tag"),
        ({"time_zone": "Saigon"}, "time_zone: 'Saigon' is unknown; write an IANA name"),
        ({"time_zone": "../etc/passwd"}, "is unknown"),
        ({"priority": "high"}, "priority: 'high' is no whole number"),
        ({"priority": "1001"}, "priority: '1001' is no whole number from -1000 to 1000"),
        ({"time_from": "25:00"}, "time_from: '25:00' is no time of day"),
        ({"time_to": "8:61"}, "time_to: '8:61' is no time of day"),
        ({"time_to": "noon"}, "time_to: 'noon' is no time of day; write 08:30"),
        ({"time_from": "17:00", "time_to": "9:00"}, "time_to: 09:00 is not after time_from 17:00"),
        ({"caller_id": "Acme"}, "caller_id: 'Acme' is no telephone number"),
        ({"schedule_at": "tomorrow"}, "schedule_at: 'tomorrow' is no point in time; write 2026-11-30 14:30"),
        ({"schedule_at": "31/02/2026"}, "schedule_at: '31/02/2026' is no point in time"),
        ({"schedule_at": "0001-01-01"}, "schedule_at: '0001-01-01' is before the first day"),
        ({"schedule_at": "9999-12-31T23:59-12:00"}, "or after the last of the calendar"),
    ],
)
def test_a_bad_value_makes_the_row_invalid_and_says_why(cells: dict[str, str], told: str) -> None:
    row = checked(**cells)
    assert row.status is RowStatus.INVALID
    assert told in row.detail


def test_day_first_dates_are_not_guessed_where_the_month_comes_first() -> None:
    assert checked("(202) 555-0123", region="US", schedule_at="11/12/2026").status is RowStatus.INVALID


def test_a_row_that_could_not_be_read_is_invalid() -> None:
    rules = RowRules(read_header(["Phone"], source="l.csv"), "VN", "UTC")
    row = check_row(Record(3, ("0901234567",), "a quotation mark is not closed"), rules)
    assert (row.status, row.detail, row.phone) == (
        RowStatus.INVALID,
        "a quotation mark is not closed",
        "0901234567",
    )


def test_a_row_wider_than_the_header_is_invalid_for_its_cells_are_shifted() -> None:
    row = checked(more=1)
    assert row.status is RowStatus.INVALID
    assert row.detail.startswith("12 cells under 11 column names; put quotation marks around")


def test_a_shorter_row_has_empty_cells_at_its_end() -> None:
    rules = RowRules(read_header(HEADER, source="l.csv"), "VN", "UTC")
    assert check_row(Record(2, ("0901234567",)), rules).status is RowStatus.ACCEPTED
    bare = RowRules(read_header(["Name", "Phone"], source="l.csv"), "VN", "UTC")
    assert check_row(Record(2, ("Lan",)), bare).detail == "phone: empty"


def test_trailing_empty_cells_do_no_harm() -> None:
    rules = RowRules(read_header(["Phone"], source="l.csv"), "VN", "UTC")
    assert check_row(Record(2, ("0901234567", "", " ")), rules).status is RowStatus.ACCEPTED


def test_missing_variables_are_named() -> None:
    row = checked(required=("amount", "due_date", "name"), amount=" ")
    assert (row.status, row.detail) == (RowStatus.MISSING_VARIABLE, "amount, due_date, name")
    assert row.number == "+84901234567"


def test_reserved_columns_satisfy_the_script_too() -> None:
    assert checked(required=("amount", "name", "phone"), amount="5", name="Lan").status is RowStatus.ACCEPTED


def test_a_variables_formula_is_kept_as_text() -> None:
    assert checked(amount='=HYPERLINK("x")').variables["amount"] == '=HYPERLINK("x")'
