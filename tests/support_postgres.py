"""A private PostgreSQL server for the test session, and databases on both engines for the tests that want them.

`CAMPANA_TEST_POSTGRES_URL` names a server to use instead (its user must be allowed to create databases). Without
one, and without PostgreSQL's programs on the machine, the tests marked `postgres` are skipped.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import uuid
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import psycopg
import pytest

from storage.database import Database, open_database, upgrade


def _programs() -> Path | None:
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    if found:
        return found[-1].parent
    here = shutil.which("initdb")
    return Path(here).parent if here else None


def _as_user() -> list[str]:
    """PostgreSQL refuses to run as root."""
    if os.geteuid() != 0:
        return []
    names = {entry.pw_name for entry in pwd.getpwall()}
    return ["runuser", "-u", "postgres" if "postgres" in names else "nobody", "--"]


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextlib.contextmanager
def _server(programs: Path) -> Iterator[str]:
    folder = Path(tempfile.mkdtemp(prefix="campana-pg-"))
    folder.chmod(0o777)
    data, port, run = folder / "data", _free_port(), _as_user()
    initdb = [*run, programs / "initdb", "-D", data, "-U", "campana", "-A", "trust", "-E", "UTF8", "--locale=C"]
    subprocess.run(initdb, check=True, capture_output=True, cwd=folder)
    options = f"-h 127.0.0.1 -p {port} -k {folder} -c max_connections=200 -c fsync=off"
    control = [*run, programs / "pg_ctl", "-D", data, "-w", "-o", options, "-l", folder / "log"]
    subprocess.run([*control, "start"], check=True, capture_output=True, cwd=folder)
    try:
        yield f"postgresql+psycopg://campana@127.0.0.1:{port}/postgres"
    finally:
        subprocess.run([*control, "-m", "immediate", "stop"], check=True, capture_output=True, cwd=folder)
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    """The address of a server on which databases may be created."""
    given = os.environ.get("CAMPANA_TEST_POSTGRES_URL")
    if given:
        yield given
        return
    programs = _programs()
    if programs is None:
        pytest.skip("PostgreSQL is not installed: Debian package postgresql, or set CAMPANA_TEST_POSTGRES_URL")
    with _server(programs) as url:
        yield url


@contextlib.contextmanager
def fresh_postgres(server: str, template: str = "template1") -> Iterator[str]:
    """A database on `server`, a copy of `template`, dropped afterwards."""
    name = f"campana_{uuid.uuid4().hex[:12]}"
    admin = server.replace("+psycopg", "")
    with psycopg.connect(admin, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name} TEMPLATE {template}")
    try:
        yield f"{server.rsplit('/', 1)[0]}/{name}"
    finally:
        with psycopg.connect(admin, autocommit=True) as connection:
            connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The address of an empty database, once on each engine."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'campana.db'}"
        return
    with fresh_postgres(request.getfixturevalue("postgres_server")) as url:
        yield url


@pytest.fixture(scope="session")
def postgres_template(postgres_server: str) -> Iterator[str]:
    """Name of a database that has the schema and no rows: copying it is quicker than migrating."""
    with fresh_postgres(postgres_server) as url:
        asyncio.run(upgrade(url))
        yield url.rsplit("/", 1)[1]


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file that has the schema and no rows."""
    path = tmp_path_factory.mktemp("template") / "empty.db"
    asyncio.run(upgrade(f"sqlite:///{path}"))
    return path


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def migrated_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The address of a database with the schema and no rows, once on each engine."""
    if request.param == "sqlite":
        shutil.copy(request.getfixturevalue("sqlite_template"), tmp_path / "campana.db")
        yield f"sqlite:///{tmp_path / 'campana.db'}"
        return
    server, template = (request.getfixturevalue(name) for name in ("postgres_server", "postgres_template"))
    with fresh_postgres(server, template) as url:
        yield url


@pytest.fixture
async def database(migrated_url: str) -> AsyncIterator[Database]:
    """An open, empty database with this version's schema, once on each engine."""
    async with open_database(migrated_url) as opened:
        yield opened
