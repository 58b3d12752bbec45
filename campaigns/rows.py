"""One row of a contact list, checked on its own; what other rows and lists say of it comes later."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from types import MappingProxyType
from typing import Any, Final, NamedTuple
from zoneinfo import ZoneInfo

from campaigns.columns import Columns
from campaigns.listfile import Record
from campaigns.numbers import InvalidNumber, normalise
from storage.types import is_tellable

KEY_LENGTH: Final = 48
_NAME_LENGTH: Final = 200
PRIORITIES: Final = range(-1000, 1001)
_LANGUAGE = re.compile(r"[A-Za-z]{2,3}([-_][A-Za-z0-9]{2,8}){0,2}\Z")
_CALLER_ID = re.compile(r"\+?[0-9]{3,15}\Z")
_TIME_OF_DAY = re.compile(r"(\d{1,2})(?:[:hH](\d{2})?)?(?::\d{2})?\Z", re.ASCII)
_TEXT_FORMULA = re.compile(r'="([^"]*)"\Z')
_DAY_FIRST = ("%d/%m/%Y %H:%M", "%d/%m/%Y %H:%M:%S", "%d/%m/%Y")


class RowStatus(StrEnum):
    """What became of a row (VOCABULARY: Contact lists)."""

    ACCEPTED = "accepted"
    DUPLICATE = "duplicate"
    INVALID = "invalid"
    DNC = "dnc"
    MISSING_VARIABLE = "missing_variable"


@dataclass(frozen=True)
class RowRules:
    """What a row is checked against."""

    columns: Columns
    region: str
    #: Of instants and times that name no zone of their own.
    time_zone: str
    required_variables: frozenset[str] = frozenset()


class Row(NamedTuple):
    """A row and what is known of it."""

    line: int
    #: As the file has it.
    phone: str
    number: str | None
    status: RowStatus
    detail: str = ""
    #: Reserved columns that were filled in, under the names of the contacts table; and `schedule_at`.
    fields: Mapping[str, Any] = MappingProxyType({})
    #: What the script may say: the other columns, and the reserved ones as written, the phone in E.164.
    variables: Mapping[str, str] = MappingProxyType({})

    def turned(self, status: RowStatus, detail: str) -> Row:
        """The same row with another outcome."""
        return self._replace(status=status, detail=detail)


def check_row(record: Record, rules: RowRules) -> Row:
    """A row by itself: accepted, invalid, or without a variable that the script needs; raises nothing."""
    columns = rules.columns
    cells = [_text(cell) for cell in record.cells]
    width = len(cells)
    values = {name: cells[at] for at, name in columns.reserved.items() if at < width and cells[at]}
    variables = {name: cells[at] for at, name in columns.variables.items() if at < width and cells[at]}
    phone = record.cells[columns.phone] if columns.phone < width else ""
    # What a refused row says in the reserved columns is kept too, so that it can be mended in place.
    row = Row(record.line, phone.strip(), None, RowStatus.ACCEPTED, "", {}, {**values, **variables})
    if record.error:
        return row.turned(RowStatus.INVALID, record.error)
    if any(cells[len(columns.headers) :]):
        return row.turned(RowStatus.INVALID, _too_wide(len(cells), len(columns.headers)))
    return _numbered(row, phone, values, rules)


def _numbered(row: Row, phone: str, values: Mapping[str, str], rules: RowRules) -> Row:
    found = normalise(phone, rules.region)
    if isinstance(found, InvalidNumber):
        return row.turned(RowStatus.INVALID, f"phone: {found.reason}")
    try:
        fields = _fields(values, rules)
    except ValueError as error:
        return row._replace(number=found.e164, status=RowStatus.INVALID, detail=str(error))
    detail = f"repaired: {', '.join(found.repaired)}" if found.repaired else ""
    # A script may say {name} or {phone}: what stands in a reserved column is a variable too.
    variables = {**row.variables, "phone": found.e164}
    missing = sorted(rules.required_variables - variables.keys())
    if missing:
        detail = ", ".join(missing)
    status = RowStatus.MISSING_VARIABLE if missing else RowStatus.ACCEPTED
    return Row(row.line, row.phone, found.e164, status, detail, fields, variables)


def _text(cell: str) -> str:
    """A cell's text, out of a spreadsheet's `="..."`."""
    plain = cell.strip()
    if not plain.isascii():
        plain = cell.replace("\u00a0", " ").strip().strip("\ufeff\u200b")
    if not plain.startswith("="):
        return plain
    wrapped = _TEXT_FORMULA.match(plain)
    return wrapped[1].strip() if wrapped else plain


def _too_wide(cells: int, headers: int) -> str:
    return f"{cells} cells under {headers} column names; put quotation marks around a cell that holds the delimiter"


def _fields(values: Mapping[str, str], rules: RowRules) -> dict[str, Any]:
    """The reserved columns as the contacts table keeps them; raises ValueError naming the column and the remedy."""
    fields: dict[str, Any] = {name: READERS[name](text) for name, text in values.items() if name in READERS}
    opens, closes = fields.get("time_from"), fields.get("time_to")
    if opens and closes and closes <= opens:
        raise ValueError(f"time_to: {closes} is not after time_from {opens}")
    if "schedule_at" in values:
        zone = ZoneInfo(fields.get("time_zone") or rules.time_zone)
        fields["schedule_at"] = _instant(values["schedule_at"], zone, day_first=rules.region != "US")
    return fields


def _short(name: str, longest: int) -> Callable[[str], str]:
    def read(text: str) -> str:
        if len(text) > longest:
            raise ValueError(f"{name}: longer than {longest} characters")
        return text

    return read


def _language(text: str) -> str:
    if len(text) > 16 or not _LANGUAGE.match(text):
        raise ValueError(f"language: {text!r} is no language tag; write en, vi or en-GB")
    return text.replace("_", "-")


def _zone(text: str) -> str:
    try:
        ZoneInfo(text)
    except (OSError, ValueError, LookupError) as error:
        raise ValueError(f"time_zone: {text!r} is unknown; write an IANA name such as Asia/Ho_Chi_Minh") from error
    return text


def _priority(text: str) -> int:
    try:
        value = int(text.removesuffix(".0"))
    except ValueError:
        value = PRIORITIES.stop
    if value not in PRIORITIES:
        raise ValueError(f"priority: {text!r} is no whole number from -1000 to 1000")
    return value


def _time_of(name: str) -> Callable[[str], str]:
    def read(text: str) -> str:
        match = _TIME_OF_DAY.match(text)
        if match is None or int(match[1]) > 23 or int(match[2] or 0) > 59:
            raise ValueError(f"{name}: {text!r} is no time of day; write 08:30")
        return f"{int(match[1]):02d}:{match[2] or '00'}"

    return read


def _caller_id(text: str) -> str:
    plain = re.sub(r"[\s.\-]", "", text)
    if not _CALLER_ID.match(plain):
        raise ValueError(f"caller_id: {text!r} is no telephone number")
    return plain


def _instant(text: str, zone: ZoneInfo, *, day_first: bool) -> datetime:
    value = _parsed_instant(text, day_first)
    if value is None:
        raise ValueError(f"schedule_at: {text!r} is no point in time; write 2026-11-30 14:30")
    at = value if value.tzinfo else value.replace(tzinfo=zone)
    if not is_tellable(at):
        raise ValueError(f"schedule_at: {text!r} is before the first day or after the last of the calendar")
    return at.astimezone(UTC)


def _parsed_instant(text: str, day_first: bool) -> datetime | None:
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        pass
    for form in _DAY_FIRST if day_first else ():
        try:
            return datetime.strptime(text, form)  # noqa: DTZ007 - the zone is added by the caller
        except ValueError:
            continue
    return None


READERS: Final[Mapping[str, Callable[[str], Any]]] = {
    "name": _short("name", _NAME_LENGTH),
    "external_key": _short("external_key", KEY_LENGTH),
    "language": _language,
    "time_zone": _zone,
    "priority": _priority,
    "time_from": _time_of("time_from"),
    "time_to": _time_of("time_to"),
    "caller_id": _caller_id,
}
