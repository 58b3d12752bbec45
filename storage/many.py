"""Many values, or many rows, as one parameter: a statement of a group keeps its text, however large the group is.

What the text is changes neither what SQLAlchemy compiles nor what the database has prepared; and PostgreSQL takes the
rows of a group in one message instead of one each.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping, Sequence
from functools import lru_cache
from typing import Any

from sqlalchemy import ARRAY, JSON, BigInteger, ColumnElement, Integer, String, Table, bindparam, insert
from sqlalchemy.engine import Dialect
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.schema import ScalarElementColumnDefault
from sqlalchemy.sql.visitors import InternalTraversal
from sqlalchemy.types import TypeDecorator, TypeEngine

from storage.types import E164


class _List(TypeDecorator[Collection[Any]]):
    """A list of texts or whole numbers: an array for PostgreSQL, JSON for SQLite."""

    impl = String
    cache_ok = True

    def __init__(self, item: type[TypeEngine[Any]]) -> None:
        super().__init__()
        self.item = item

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        return dialect.type_descriptor(ARRAY(self.item()) if dialect.name == "postgresql" else String())

    def process_bind_param(self, value: Collection[Any] | None, dialect: Dialect) -> Any:
        values = list(value or ())
        return values if dialect.name == "postgresql" else json.dumps(values)


class _Member(ColumnElement[bool]):
    """Whether a column is among the values of a list."""

    inherit_cache = True
    _traverse_internals = [  # noqa: RUF012 - SQLAlchemy's own form
        ("column", InternalTraversal.dp_clauseelement),
        ("values", InternalTraversal.dp_clauseelement),
    ]

    def __init__(self, column: ColumnElement[Any], values: ColumnElement[Any]) -> None:
        self.column = column
        self.values = values

    @property
    def _from_objects(self) -> Any:
        return self.column._from_objects


@compiles(_Member, "postgresql")
def _member_of_array(element: _Member, compiler: SQLCompiler, **how: Any) -> str:
    return f"{compiler.process(element.column, **how)} = ANY ({compiler.process(element.values, **how)})"


@compiles(_Member, "sqlite")
def _member_of_json(element: _Member, compiler: SQLCompiler, **how: Any) -> str:
    values = compiler.process(element.values, **how)
    return f"{compiler.process(element.column, **how)} IN (SELECT value FROM json_each({values}))"  # noqa: S608


def member(column: ColumnElement[Any], name: str) -> ColumnElement[bool]:
    """Whether the column is among the list that is given for `name` when the statement is run."""
    kind = column.type
    if not isinstance(kind, Integer | String | E164):
        raise TypeError(f"{column}: only whole numbers and texts go as a list, not {kind!r}")
    return _Member(column, bindparam(name, type_=_List(BigInteger if isinstance(kind, Integer) else String)))


async def insert_many(conn: AsyncConnection, table: Table, rows: Sequence[Mapping[str, Any]]) -> None:
    """Insert rows that have the same columns each; those without a value get the table's constant default.

    Texts, in JSON too, hold no NUL (`storage.texts.storable`); on PostgreSQL None in a JSON column is NULL.
    """
    if not rows:
        return
    if conn.dialect.name != "postgresql":
        await conn.execute(insert(table), [dict(row) for row in rows])
        return
    rows = _with_defaults(table, rows)
    names = tuple(rows[0])
    await conn.exec_driver_sql(_insert_sql(conn.dialect, table, names), (_as_json(conn.dialect, table, rows),))


async def insert_new_many(conn: AsyncConnection, table: Table, rows: Sequence[Mapping[str, Any]], key: str) -> set[Any]:
    """`insert_many` of those that break no unique constraint (PostgreSQL); their values of the column `key`."""
    rows = _with_defaults(table, rows)
    statement = _insert_sql(conn.dialect, table, tuple(rows[0]))
    statement = f"{statement} ON CONFLICT DO NOTHING RETURNING {key}"
    return set((await conn.exec_driver_sql(statement, (_as_json(conn.dialect, table, rows),))).scalars())


async def update_many(
    conn: AsyncConnection, table: Table, rows: Sequence[tuple[Mapping[str, Any], Mapping[str, Any]]]
) -> int:
    """`UPDATE table SET values WHERE match` for (match, values), which name the same columns each and no row twice
    (PostgreSQL); how many rows changed."""
    matched, set_ = tuple(rows[0][0]), tuple(rows[0][1])
    statement = _update_sql(conn.dialect, table, matched, set_)
    processors = _processors(conn.dialect, table)
    told = [
        {f"old_{name}": _told(processors, name, match[name]) for name in matched}
        | {f"new_{name}": _told(processors, name, values[name]) for name in set_}
        for match, values in rows
    ]
    return int((await conn.exec_driver_sql(statement, (json.dumps(told),))).rowcount)


def _with_defaults(table: Table, rows: Sequence[Mapping[str, Any]]) -> Sequence[Mapping[str, Any]]:
    if any(row.keys() != rows[0].keys() for row in rows):
        raise ValueError(f"{table.name}: the rows of one statement name different columns")
    missing = {name: value for name, value in _defaults(table).items() if name not in rows[0]}
    return [{**missing, **row} for row in rows] if missing else rows


@lru_cache(maxsize=100)
def _defaults(table: Table) -> dict[str, Any]:
    return {each.name: each.default.arg for each in table.c if isinstance(each.default, ScalarElementColumnDefault)}


def _as_json(dialect: Dialect, table: Table, rows: Sequence[Mapping[str, Any]]) -> str:
    processors = _processors(dialect, table)
    return json.dumps([{name: _told(processors, name, value) for name, value in row.items()} for row in rows])


def _told(processors: Mapping[str, Callable[[Any], Any]], name: str, value: Any) -> Any:
    return processors[name](value) if name in processors else value


@lru_cache(maxsize=100)
def _processors(dialect: Dialect, table: Table) -> dict[str, Callable[[Any], Any]]:
    """How values get the form that the database keeps; JSON stays what it is, as a part of the whole."""
    found: dict[str, Callable[[Any], Any]] = {}
    for column in table.c:
        processor = None if isinstance(column.type, JSON) else column.type.dialect_impl(dialect).bind_processor(dialect)
        if processor is not None:
            found[column.name] = processor
    return found


def _declared(dialect: Dialect, table: Table, name: str, given: str) -> str:
    kind = table.c[name].type.dialect_impl(dialect)
    written = "TEXT" if isinstance(kind, String) else kind.compile(dialect=dialect)
    return f"{dialect.identifier_preparer.quote(given)} {written}"


@lru_cache(maxsize=1000)
def _insert_sql(dialect: Dialect, table: Table, names: tuple[str, ...]) -> str:
    declared = ", ".join(_declared(dialect, table, name, name) for name in names)
    columns = ", ".join(map(dialect.identifier_preparer.quote, names))
    # The names are those of our own tables.
    return (
        f"INSERT INTO {table.name} ({columns}) SELECT {columns} "  # noqa: S608
        f"FROM json_to_recordset(%s::json) AS given({declared})"
    )


@lru_cache(maxsize=1000)
def _update_sql(dialect: Dialect, table: Table, matched: tuple[str, ...], set_: tuple[str, ...]) -> str:
    given = [(name, f"old_{name}") for name in matched] + [(name, f"new_{name}") for name in set_]
    declared = ", ".join(_declared(dialect, table, name, as_) for name, as_ in given)
    quote = dialect.identifier_preparer.quote
    changes = ", ".join(f"{quote(name)} = given.new_{name}" for name in set_)
    same = " AND ".join(f"{table.name}.{quote(name)} = given.old_{name}" for name in matched)
    # The names are those of our own tables.
    return (
        f"UPDATE {table.name} SET {changes} "  # noqa: S608
        f"FROM json_to_recordset(%s::json) AS given({declared}) WHERE {same}"
    )
