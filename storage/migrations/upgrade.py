"""Bringing a database to this version's schema, and refusing one from a later version."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text

from storage.database import Database
from storage.errors import SchemaMissing, SchemaTooNew

# Two nodes that start together must not both create the tables (PostgreSQL; SQLite's write lock does the same).
_ADVISORY_LOCK = 0x43414D50


def _config() -> Config:
    config = Config()
    # A per cent sign in a folder's name is not an interpolation.
    config.set_main_option("script_location", str(Path(__file__).parent).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    return config


def revisions(connection: Connection) -> tuple[str | None, str]:
    """The database's revision (None when it has no tables yet) and this version's."""
    head = ScriptDirectory.from_config(_config()).get_current_head()
    assert head is not None
    return MigrationContext.configure(connection).get_current_revision(), head


def _refuse_newer(connection: Connection) -> tuple[str | None, str]:
    current, head = revisions(connection)
    known = {script.revision for script in ScriptDirectory.from_config(_config()).walk_revisions()}
    if current is not None and current not in known:
        raise SchemaTooNew(
            f"the database is at schema {current}, this version of Campana knows up to {head}; "
            "install the later version that wrote it"
        )
    return current, head


def _upgrade(connection: Connection) -> None:
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _ADVISORY_LOCK})
    current, head = _refuse_newer(connection)
    if current == head:
        return
    config = _config()
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


def _require(connection: Connection) -> None:
    current, head = _refuse_newer(connection)
    if current != head:
        raise SchemaMissing(
            f"the database is at schema {current or 'none'}, {head} is needed; open it with migrate=True"
        )


async def bring_up(database: Database) -> None:
    """Run the migrations that the database lacks; raises `SchemaTooNew`."""
    async with database.write() as connection:
        await connection.run_sync(_upgrade)


async def require_current(database: Database) -> None:
    """Raise `SchemaMissing` or `SchemaTooNew` unless the schema is exactly this version's."""
    async with database.read() as connection:
        await connection.run_sync(_require)
