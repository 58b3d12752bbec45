"""Pages of a long list by keyset: a page begins after a row, not at an offset, so new rows never shift it."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from sqlalchemy import ColumnElement, RowMapping, Select, and_, or_

from reports.errors import BadFilter

R = TypeVar("R")

PAGE_ROWS = 50
MOST_ROWS = 1000
_MOST = 2**63 - 1


@dataclass(frozen=True)
class Paging:
    """Which page: `sort` names a column (a leading minus: the greatest first), `after` is the last page's mark."""

    sort: str
    after: str | None = None
    rows: int = PAGE_ROWS

    @property
    def column(self) -> str:
        return self.sort.removeprefix("-")

    @property
    def descending(self) -> bool:
        return self.sort.startswith("-")


@dataclass(frozen=True)
class Page(Generic[R]):
    """Some rows, and the mark to ask for the next ones with; None at the end."""

    rows: tuple[R, ...]
    next: str | None


def order(
    statement: Select[Any], paging: Paging, columns: Mapping[str, ColumnElement[Any]], key: ColumnElement[Any]
) -> Select[Any]:
    """The statement in the wanted order, from the wanted row on, with one row more than the page holds.

    `columns` must never be null; `key` is unique and makes the order total. Raises `BadFilter`.
    """
    if paging.column not in columns:
        raise BadFilter(f"cannot sort by {paging.column!r}; known are {', '.join(columns)}")
    if not 1 <= paging.rows <= MOST_ROWS:
        raise BadFilter(f"a page has 1 to {MOST_ROWS} rows, not {paging.rows}")
    column = columns[paging.column]
    if paging.after is not None:
        value, last = _read_mark(paging.after, column, key)
        further = column < value if paging.descending else column > value
        beyond = key < last if paging.descending else key > last
        statement = statement.where(or_(further, and_(column == value, beyond)))
    directed = [part.desc() if paging.descending else part.asc() for part in (column, key)]
    return statement.add_columns(column.label("sort_value")).order_by(*directed).limit(paging.rows + 1)


def mark(value: Any, key: Any) -> str:
    """The mark of a row, to stand in an address."""
    return base64.urlsafe_b64encode(json.dumps([value, key], default=int).encode()).decode().rstrip("=")


def _read_mark(text: str, *columns: ColumnElement[Any]) -> tuple[Any, Any]:
    refusal = BadFilter(f"{text!r} marks no row of this list; open its first page again")
    try:
        value, key = json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
    except (binascii.Error, ValueError, TypeError, RecursionError) as error:
        raise refusal from error
    for part, column in zip((value, key), columns, strict=True):
        if isinstance(part, str) and not _storable(part):
            raise refusal
        # Databases differ in what they make of a value of another type.
        if type(part) is not column.type.python_type or (isinstance(part, int) and abs(part) > _MOST):
            raise refusal
    return value, key


def _storable(text: str) -> bool:
    """Whether every database takes the text as a parameter: no NUL, and no half of a surrogate pair."""
    return "\0" not in text and not any("\ud800" <= sign <= "\udfff" for sign in text)


def page_of(rows: Sequence[RowMapping], paging: Paging, make: Callable[..., R]) -> Page[R]:
    """The page that rows of an `order`ed statement with a column `id` make."""
    shown = rows[: paging.rows]
    further = mark(shown[-1]["sort_value"], shown[-1]["id"]) if len(rows) > paging.rows else None
    return Page(tuple(make(**{name: row[name] for name in row if name != "sort_value"}) for row in shown), further)
