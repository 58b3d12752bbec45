"""What the columns of a list mean: reserved ones by their English and Vietnamese names, variables by all others."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final

from campaigns.listfile import ListError

#: Reserved column → the headers that stand for it, as `slug` writes them.
ALIASES: Final[Mapping[str, tuple[str, ...]]] = {
    "phone": (
        *("phone", "phone_number", "phonenumber", "phone_no", "mobile", "mobile_phone", "mobile_number", "cell"),
        *("cell_phone", "tel", "telephone", "telephone_number", "contact_number", "msisdn", "sdt", "so_dt"),
        *("mobile_no", "dien_thoai", "so_dien_thoai", "dien_thoai_di_dong", "so_di_dong", "di_dong"),
    ),
    "name": ("name", "full_name", "fullname", "customer_name", "ten", "ho_ten", "ho_va_ten", "ten_khach_hang"),
    "external_key": ("external_key", "externalkey", "external_id", "ma_tham_chieu"),
    "language": ("language", "lang", "ngon_ngu"),
    "time_zone": ("time_zone", "timezone", "tz", "mui_gio"),
    "priority": ("priority", "uu_tien", "do_uu_tien"),
    "time_from": ("time_from", "call_from", "tu_gio", "goi_tu"),
    "time_to": ("time_to", "call_to", "den_gio", "goi_den"),
    "schedule_at": ("schedule_at", "schedule", "scheduled_at", "call_at", "lich_goi", "gio_goi"),
    "caller_id": ("caller_id", "callerid", "so_goi_ra", "dau_so"),
}
RESERVED: Final[Mapping[str, str]] = {alias: name for name, aliases in ALIASES.items() for alias in aliases}
_VARIABLE = re.compile(r"[a-z][a-z0-9_]{0,63}\Z")
_SEVERAL_DIGITS = re.compile(r"\D*(?:\d\D?){7,15}\Z")


@dataclass(frozen=True)
class Columns:
    """The meaning of each cell of a row, by its position."""

    headers: tuple[str, ...]
    #: Position → reserved column.
    reserved: Mapping[int, str]
    #: Position → script variable.
    variables: Mapping[int, str]

    @cached_property
    def phone(self) -> int:
        """The position of the column that holds the number."""
        return next(at for at, name in self.reserved.items() if name == "phone")


def slug(header: str) -> str:
    """The header in snake_case ASCII: `Số tiền (VNĐ)` → `so_tien_vnd`; empty when nothing of it is left."""
    plain = header.replace("đ", "d").replace("Đ", "D")
    ascii_only = unicodedata.normalize("NFKD", plain).encode("ascii", "ignore").decode()
    words = re.sub(r"([a-z0-9])([A-Z])", r"\1_\2", ascii_only)
    return re.sub(r"[^a-z0-9]+", "_", words.lower()).strip("_")


def parse_mapping(options: Sequence[str]) -> dict[str, str]:
    """`Header=field` texts as header → field; a field left empty leaves the column out. Raises `ListError`."""
    mapping: dict[str, str] = {}
    for option in options:
        header, equals, name = (part.strip() for part in option.rpartition("="))
        if not equals or not header:
            raise ListError(f"--map {option!r}: write the column's header, =, and a field, such as --map 'Ref=name'")
        if mapping.setdefault(header, name) != name:
            raise ListError(f"--map: {header!r} is given two meanings, {mapping[header]!r} and {name!r}; keep one")
    return mapping


def read_header(
    cells: Sequence[str], *, source: str, line: int = 1, mapping: Mapping[str, str] | None = None
) -> Columns:
    """The columns of a list; `mapping` (header → field, or nothing to leave a column out) wins over the aliases.

    Raises `ListError` when no column, or more than one, holds the phone number, two columns share a meaning, or the
    mapping does not fit the header.
    """
    reserved: dict[int, str] = {}
    variables: dict[int, str] = {}
    seen: dict[str, str] = {}
    chosen = _chosen(cells, mapping or {}, f"{source}: line {line}")
    for position, header in enumerate(cells):
        name = chosen[position] if position in chosen else _meaning(header, position)
        if not name:
            continue
        if name in seen:
            raise ListError(
                f"{source}: line {line}: the columns {seen[name]!r} and {header!r} both mean {name}; rename one of"
                f" them, or leave one out: --map {_quoted(header + '=')}"
            )
        seen[name] = header
        (reserved if name in ALIASES else variables)[position] = name
    if "phone" not in seen:
        raise ListError(_no_phone(cells, source, line))
    return Columns(tuple(cells), reserved, variables)


def _chosen(cells: Sequence[str], mapping: Mapping[str, str], where: str) -> dict[int, str]:
    """Position → field of the columns that the mapping names."""
    return {_position(cells, header, where): _field(header, name, where) for header, name in mapping.items()}


def _position(cells: Sequence[str], header: str, where: str) -> int:
    plain = [cell.strip().strip("\ufeff") for cell in cells]
    found = [place for place, cell in enumerate(plain) if cell == header.strip()]
    # Nobody types accents and capitals alike twice.
    found = found or [place for place, cell in enumerate(plain) if slug(cell) == slug(header) != ""]
    if len(found) == 1:
        return found[0]
    shown = ", ".join(repr(cell) for cell in plain if cell)
    if found:
        raise ListError(f"{where}: --map: {len(found)} columns are headed {header!r}; rename them apart in the file")
    raise ListError(f"{where}: --map: there is no column {header!r}; the list has {shown}")


def _field(header: str, name: str, where: str) -> str:
    if not name or name in ALIASES or _VARIABLE.match(name):
        return name
    raise ListError(
        f"{where}: --map {_quoted(f'{header}={name}')}: {name!r} is no field; write one of {', '.join(ALIASES)},"
        " a variable in small letters, digits and _, or nothing to leave the column out"
    )


def _quoted(text: str) -> str:
    return f"'{text}'"


def _meaning(header: str, position: int) -> str:
    name = slug(header)
    joined = RESERVED.get(name) or RESERVED.get(name.replace("_", ""))
    if joined:
        return joined
    if not name:
        return f"column_{position + 1}"
    return f"v_{name}" if name[0].isdigit() else name


def _no_phone(cells: Sequence[str], source: str, line: int) -> str:
    seen = ", ".join(repr(cell.strip()) for cell in cells if cell.strip())
    accepted = "Phone, phone_number, Mobile, Tel, SĐT, Số điện thoại, Điện thoại"
    if any(_SEVERAL_DIGITS.match(cell.strip()) for cell in cells):
        return (
            f"{source}: line {line} holds data, not column names; put a header line above it,"
            f" with one of {accepted} over the numbers"
        )
    return (
        f"{source}: line {line}: no phone column among {seen}; name one of them {accepted},"
        " or say which it is: --map 'HEADER=phone'"
    )
