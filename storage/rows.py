"""The few statements in which the two engines differ, or that many tables share."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any

from sqlalchemy import (
    ARRAY,
    ColumnElement,
    String,
    Table,
    Update,
    and_,
    any_,
    bindparam,
    func,
    literal,
    select,
    type_coerce,
    update,
)
from sqlalchemy.dialects import sqlite
from sqlalchemy.ext.asyncio import AsyncConnection

from storage.many import insert_new_many, update_many


async def insert_new(conn: AsyncConnection, table: Table, rows: Sequence[Mapping[str, Any]], key: str) -> set[Any]:
    """Insert the rows that break no unique constraint; the values of the column `key` of those inserted.

    A row that another transaction is just inserting is waited for, so that exactly one of the two gets in.
    """
    if not rows:
        return set()
    if conn.dialect.name == "postgresql":
        return await insert_new_many(conn, table, rows, key)
    statement = sqlite.insert(table).on_conflict_do_nothing().returning(table.c[key])
    return set((await conn.execute(statement, [dict(row) for row in rows])).scalars())


async def insert_plain(
    conn: AsyncConnection, table: Table, names: Sequence[str], rows: Sequence[tuple[Any, ...]]
) -> None:
    """Insert rows whose values are already as the database keeps them, without a look at each: for very many.

    Columns that are not named get the database's default, not the table's.
    """
    mark = "?" if conn.dialect.name == "sqlite" else "%s"
    marks = ", ".join([mark] * len(names))
    statement = f"INSERT INTO {table.name} ({', '.join(names)}) VALUES ({marks})"  # noqa: S608 - names of our tables
    if rows:
        await conn.exec_driver_sql(statement, list(rows))


async def insert_plain_one(conn: AsyncConnection, table: Table, names: Sequence[str], row: tuple[Any, ...]) -> Any:
    """`insert_plain` of one row; its id."""
    mark = "?" if conn.dialect.name == "sqlite" else "%s"
    marks = ", ".join([mark] * len(names))
    statement = f"INSERT INTO {table.name} ({', '.join(names)}) VALUES ({marks}) RETURNING id"  # noqa: S608 - as above
    return (await conn.exec_driver_sql(statement, row)).scalar_one()


async def update_each(
    conn: AsyncConnection, table: Table, rows: Iterable[tuple[Mapping[str, Any], Mapping[str, Any]]]
) -> int:
    """`UPDATE table SET values WHERE match` for each (match, values), no row of the table twice; how many rows changed.

    Those that set the same columns go in one round trip.
    """
    groups: dict[tuple[tuple[str, ...], tuple[str, ...]], list[tuple[Mapping[str, Any], Mapping[str, Any]]]]
    groups = defaultdict(list)
    for match, values in rows:
        groups[tuple(match), tuple(values)].append((match, values))
    changed = 0
    for (matched, set_), same in groups.items():
        if conn.dialect.name == "postgresql":
            changed += await update_many(conn, table, same)
        else:
            parameters = [_prefixed("old_", match) | _prefixed("new_", values) for match, values in same]
            changed += (await conn.execute(_update(table, matched, set_), parameters)).rowcount
    return changed


def _prefixed(prefix: str, values: Mapping[str, Any]) -> dict[str, Any]:
    return {f"{prefix}{name}": value for name, value in values.items()}


@lru_cache(maxsize=1000)
def _update(table: Table, matched: tuple[str, ...], set_: tuple[str, ...]) -> Update:
    """Kept, for to put a statement together costs more than to run it."""
    return (
        update(table)
        .where(and_(*(table.c[name] == bindparam(f"old_{name}") for name in matched)))
        .values({name: bindparam(f"new_{name}") for name in set_})
    )


def among(column: ColumnElement[Any], values: Collection[str], dialect: str) -> ColumnElement[bool]:
    """Whether the text is one of the values, however many: they go to the database as one, not each as its own."""
    if dialect == "sqlite":
        # The column's type would check and bind each of them.
        each = func.json_each(json.dumps(list(values))).table_valued("value")
        return type_coerce(column, String).in_(select(each.c.value))
    return type_coerce(column, String) == any_(literal(list(values), ARRAY(String)))


def words(values: Iterable[str]) -> list[ColumnElement[str]]:
    """Constants written into the statement's text: a bound value would hide a partial index from the planner."""
    return [literal(str(value), literal_execute=True) for value in values]
