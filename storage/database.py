"""Opening, reading and writing the database: SQLite or PostgreSQL behind the same two context managers."""

from __future__ import annotations

import asyncio
import contextlib
import re
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import URL, event, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from storage.errors import BadDatabaseUrl, DatabaseUnreachable
from storage.sqlite_driver import DRIVERNAME

T = TypeVar("T")

_DRIVERS = {
    "sqlite": "sqlite+aiosqlite",
    "sqlite+aiosqlite": "sqlite+aiosqlite",
    "postgres": "postgresql+psycopg",
    "postgresql": "postgresql+psycopg",
    "postgresql+psycopg": "postgresql+psycopg",
}
#: User and password, which no message may show.
_CREDENTIALS = re.compile(r"//.*@", re.DOTALL)
#: How long a transaction waits for another process's write lock (SQLite).
BUSY_TIMEOUT_MS = 15_000
# PostgreSQL: serialization_failure and deadlock_detected (Appendix A of its manual); the loser may try again.
_RETRY_STATES = {"40001", "40P01"}
_RETRIES = 5
#: Key of a connection's `info`: what its transaction tells of when it commits (storage/notify.py; SQLite).
TOLD = "campana_told"


def parse_url(url: str) -> URL:
    """The address with its asyncio driver; raises `BadDatabaseUrl` with the remedy."""
    try:
        parsed = make_url(url)
    except ArgumentError as exc:
        shown = _CREDENTIALS.sub("//***@", url)
        raise BadDatabaseUrl(
            f"{shown!r} is no database address; write sqlite:///FILE or postgresql://HOST/NAME"
        ) from exc
    except ValueError as exc:
        raise BadDatabaseUrl(
            "the database address has a port that is no number; write postgresql://USER@HOST:5432/NAME"
        ) from exc
    if parsed.drivername not in _DRIVERS:
        raise BadDatabaseUrl(
            f"{parsed.drivername!r} is not supported; write sqlite:///FILE or postgresql://USER@HOST/NAME"
        )
    if parsed.drivername.startswith("sqlite") and parsed.database in (None, "", ":memory:"):
        raise BadDatabaseUrl("SQLite needs a file, so that a crash loses nothing; write sqlite:///FILE")
    return parsed.set(drivername=_DRIVERS[parsed.drivername])


class RunAgain(Exception):
    """Raised by the work of a transaction when a row that it read has moved before it was locked."""


class _RollsBack(sqlite3.Connection):
    """Rolls back before it closes.

    A task that is cancelled in mid-statement leaves its cursor open in the traceback, and SQLite keeps a connection
    with an open statement, and its write lock, until that is collected (sqlite.org/c3ref/close.html).
    """

    def close(self) -> None:
        if self.in_transaction:
            self.rollback()
        super().close()


def _prepare_sqlite(engine: AsyncEngine, *, begin: str, query_only: bool) -> None:
    @event.listens_for(engine.sync_engine, "connect")
    def connect(connection: Any, _record: Any) -> None:
        # The driver's own implicit BEGIN would be deferred: two such transactions that both write deadlock.
        connection.isolation_level = None
        cursor = connection.cursor()
        for pragma in (
            f"busy_timeout={BUSY_TIMEOUT_MS}",
            "journal_mode=WAL",
            "synchronous=FULL",
            "foreign_keys=ON",
            f"query_only={int(query_only)}",
        ):
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()

    @event.listens_for(engine.sync_engine, "begin")
    def start(connection: Any) -> None:
        connection.exec_driver_sql(begin)


def _sqlite_engines(url: URL) -> tuple[AsyncEngine, AsyncEngine]:
    folder = Path(str(url.database)).absolute().parent
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as exc:
        raise DatabaseUnreachable(
            f"cannot make the database's folder {folder}: {exc.strerror}; name another one, or make it writable"
        ) from exc
    how = {"connect_args": {"factory": _RollsBack}, "hide_parameters": True}
    url = url.set(drivername=DRIVERNAME)
    writer = create_async_engine(url, pool_size=1, max_overflow=0, **how)
    reader = create_async_engine(url, pool_size=4, max_overflow=4, **how)
    _prepare_sqlite(writer, begin="BEGIN IMMEDIATE", query_only=False)
    _prepare_sqlite(reader, begin="BEGIN DEFERRED", query_only=True)
    return writer, reader


def _postgres_engines(url: URL) -> tuple[AsyncEngine, AsyncEngine]:
    # READ COMMITTED where we lock rows first and must then see what the former holder wrote;
    # one snapshot for readers, so that the figures of one report agree with one another.
    # Parameters are numbers and what customers said: no error message may show them.
    writer = create_async_engine(url, pool_size=8, max_overflow=8, pool_pre_ping=True, hide_parameters=True)
    reader = writer.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
    return writer, reader


class Database:
    """An open database. Made by `open_database`, which also closes it."""

    def __init__(self, url: URL) -> None:
        self.url = url
        self.is_sqlite = url.get_backend_name() == "sqlite"
        self._writer, self._reader = (_sqlite_engines if self.is_sqlite else _postgres_engines)(url)
        # SQLite has one writer: queueing here is fair, queueing in its busy handler is not.
        self._turn: contextlib.AbstractAsyncContextManager[Any] = (
            asyncio.Lock() if self.is_sqlite else contextlib.nullcontext()
        )
        self._closed = False
        #: Called with each topic that a committed transaction of this process told (SQLite).
        self.on_told: list[Callable[[str], None]] = []

    @contextlib.asynccontextmanager
    async def write(self) -> AsyncIterator[AsyncConnection]:
        """A transaction that may write: committed at the end of the block, rolled back by an exception."""
        async with self._turn, self._writer.begin() as connection:
            # The dictionary belongs to the pooled connection: a transaction that was rolled back may have left some.
            connection.info.pop(TOLD, None)
            yield connection
            told: set[str] = connection.info.pop(TOLD, set())
        for topic in sorted(told):
            for hear in list(self.on_told):
                hear(topic)

    @contextlib.asynccontextmanager
    async def read(self) -> AsyncIterator[AsyncConnection]:
        """A transaction that sees one unchanging snapshot and cannot write."""
        async with self._reader.connect() as connection, connection.begin():
            yield connection

    async def transact(self, work: Callable[[AsyncConnection], Awaitable[T]]) -> T:
        """Run `work` in a write transaction, again if it was the victim of a deadlock (PostgreSQL), or asks for it."""
        for _ in range(_RETRIES):
            try:
                async with self.write() as connection:
                    return await work(connection)
            except RunAgain:
                continue
            except DBAPIError as exc:
                if getattr(exc.orig, "sqlstate", None) not in _RETRY_STATES:
                    raise
        async with self.write() as connection:
            return await work(connection)

    def connect_arguments(self) -> dict[str, Any]:
        """What psycopg connects with, for a connection beside the pool (PostgreSQL)."""
        _, arguments = self._writer.dialect.create_connect_args(self.url)
        return dict(arguments)

    async def check(self) -> None:
        """Connect once; raises `DatabaseUnreachable` with the remedy."""
        try:
            if self.is_sqlite:
                await asyncio.to_thread(self._open_once)
            async with self.write():
                pass
        except sqlite3.Error as exc:
            raise DatabaseUnreachable(self._unreachable(exc)) from exc
        except DBAPIError as exc:
            raise DatabaseUnreachable(self._unreachable(exc.orig)) from exc

    def _open_once(self) -> None:
        # Where a file cannot be opened the asyncio driver leaves a thread behind, which ends with a traceback when
        # the event loop has closed meanwhile.
        sqlite3.connect(str(self.url.database)).close()

    def _unreachable(self, exc: BaseException | None) -> str:
        where = self.url.render_as_string(hide_password=True)
        reason = str(exc).strip().splitlines()[0]
        remedy = (
            "check the file's folder and permissions" if self.is_sqlite else "check that the server runs and admits us"
        )
        return f"cannot open {where}: {reason}; {remedy}"

    async def aclose(self) -> None:
        """Close every connection. Idempotent."""
        if self._closed:
            return
        self._closed = True
        await self._reader.dispose()
        await self._writer.dispose()


@contextlib.asynccontextmanager
async def open_database(url: str, *, migrate: bool = True) -> AsyncIterator[Database]:
    """The database at `url`, with its schema brought up to date first when `migrate` is set.

    Raises `BadDatabaseUrl`, `DatabaseUnreachable`, `SchemaTooNew`, or, without `migrate`, `SchemaMissing`.
    """
    from storage.migrations.upgrade import bring_up, require_current

    database = Database(parse_url(url))
    try:
        await database.check()
        await (bring_up if migrate else require_current)(database)
        yield database
    finally:
        await database.aclose()


async def upgrade(url: str) -> None:
    """Bring the schema of the database at `url` up to this version's."""
    async with open_database(url, migrate=True):
        pass
