"""Both engines keep the same promises: transactions, snapshots, schema, refusals."""

from __future__ import annotations

import asyncio
import uuid
from datetime import UTC, datetime
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import func, insert, select, text, update
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from storage.database import BUSY_TIMEOUT_MS, Database, open_database, parse_url, upgrade
from storage.errors import BadDatabaseUrl, DatabaseUnreachable, SchemaMissing, SchemaTooNew
from storage.tables import accounts, metadata, tariffs, trunks

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)


async def _count(database: Database) -> int:
    async with database.read() as connection:
        return int((await connection.execute(select(func.count()).select_from(trunks))).scalar_one())


async def test_the_migrations_make_exactly_the_tables(database: Database) -> None:
    async with database.write() as connection:
        differences = await connection.run_sync(
            lambda sync: compare_metadata(MigrationContext.configure(sync, opts={"compare_type": True}), metadata)
        )
    assert differences == []


async def test_a_second_opening_finds_the_schema_done(database_url: str) -> None:
    await upgrade(database_url)
    async with open_database(database_url, migrate=False) as database:
        assert await _count(database) == 0


async def test_two_nodes_may_start_on_an_empty_database_at_once(database_url: str) -> None:
    await asyncio.gather(upgrade(database_url), upgrade(database_url))
    async with open_database(database_url, migrate=False) as database:
        assert await _count(database) == 0


async def test_an_empty_database_is_refused_when_it_may_not_be_migrated(database_url: str) -> None:
    with pytest.raises(SchemaMissing, match="none"):
        async with open_database(database_url, migrate=False):
            pass


async def test_a_database_of_a_later_version_is_refused_and_left_alone(database_url: str) -> None:
    async with open_database(database_url) as database, database.write() as connection:
        await connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(SchemaTooNew, match=r"9999.*later version"):
        await upgrade(database_url)


async def test_an_exception_rolls_the_whole_transaction_back(database: Database) -> None:
    async def work(connection: AsyncConnection) -> None:
        await connection.execute(insert(trunks).values(name="a", channels=1, cps=1.0))
        raise RuntimeError

    with pytest.raises(RuntimeError):
        await database.transact(work)
    assert await _count(database) == 0


async def test_a_cancelled_writer_leaves_nothing_and_the_next_one_may_write(database: Database) -> None:
    inside = asyncio.Event()

    async def write() -> None:
        async with database.write() as connection:
            await connection.execute(insert(trunks).values(name="a", channels=1, cps=1.0))
            inside.set()
            await asyncio.Event().wait()

    task = asyncio.create_task(write())
    await inside.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    async with database.write() as connection:
        await connection.execute(insert(trunks).values(name="b", channels=1, cps=1.0))
    assert await _count(database) == 1


async def test_many_writers_at_once_lose_no_update(database: Database) -> None:
    async with database.write() as connection:
        await connection.execute(insert(trunks).values(name="a", channels=0, cps=1.0))

    async def add() -> None:
        async with database.write() as connection:
            row = (await connection.execute(select(trunks.c.channels).with_for_update())).scalar_one()
            await connection.execute(update(trunks).values(channels=row + 1))

    await asyncio.gather(*(add() for _ in range(25)))
    async with database.read() as connection:
        assert (await connection.execute(select(trunks.c.channels))).scalar_one() == 25


async def test_a_reader_sees_one_snapshot_while_others_write(database: Database) -> None:
    async with database.read() as reader:
        before = (await reader.execute(select(func.count()).select_from(trunks))).scalar_one()
        async with database.write() as writer:
            await writer.execute(insert(trunks).values(name="a", channels=1, cps=1.0))
        after = (await reader.execute(select(func.count()).select_from(trunks))).scalar_one()
    assert (before, after) == (0, 0)
    assert await _count(database) == 1


async def test_a_reader_cannot_write(database: Database) -> None:
    with pytest.raises(DBAPIError):
        async with database.read() as connection:
            await connection.execute(insert(trunks).values(name="a", channels=1, cps=1.0))


async def test_foreign_keys_are_enforced(database: Database) -> None:
    tariff = {"account_id": 7, "name": "t", "currency": "USD", "definition": {}, "valid_from": NOW}
    with pytest.raises(IntegrityError):
        async with database.write() as connection:
            await connection.execute(insert(tariffs).values(**tariff))


async def test_the_victim_of_a_deadlock_tries_again(database: Database) -> None:
    async with database.write() as connection:
        await connection.execute(insert(trunks), [{"name": n, "channels": 0, "cps": 1.0} for n in ("a", "b")])
    first_locks = {"a": asyncio.Event(), "b": asyncio.Event()}

    async def add(first: str, second: str) -> None:
        async def work(connection: AsyncConnection) -> None:
            for name in (first, second):
                await connection.execute(
                    update(trunks).where(trunks.c.name == name).values(channels=trunks.c.channels + 1)
                )
                first_locks[first].set()
                if not database.is_sqlite:
                    await first_locks[second].wait()

        await database.transact(work)

    await asyncio.gather(add("a", "b"), add("b", "a"))
    async with database.read() as connection:
        assert (await connection.execute(select(trunks.c.channels))).scalars().all() == [2, 2]


async def test_a_mistake_of_ours_is_not_tried_again(database: Database) -> None:
    tries = []

    async def work(connection: AsyncConnection) -> None:
        tries.append(1)
        await connection.execute(text("SELECT nothing FROM nowhere"))

    with pytest.raises(DBAPIError):
        await database.transact(work)
    assert len(tries) == 1


async def test_closing_twice_is_closing_once(database_url: str) -> None:
    async with open_database(database_url) as database:
        await database.aclose()
        await database.aclose()


async def test_instants_and_keys_come_back_as_they_went_in(database: Database) -> None:
    row = {"name": "Acme", "currency": "USD", "time_zone": "UTC", "region": "US", "created_at": NOW}
    async with database.write() as connection:
        key = (await connection.execute(insert(accounts).values(**row))).inserted_primary_key
    async with database.read() as connection:
        found = (await connection.execute(select(accounts))).mappings().one()
    assert key is not None
    assert dict(found).items() >= {"id": key[0], **row}.items()


@pytest.mark.parametrize(
    ("url", "remedy"),
    [
        ("nonsense", "sqlite:///FILE"),
        ("mysql://host/name", "not supported"),
        ("postgresql://host:notaport/name", "port that is no number; write postgresql://"),
        ("sqlite://", "needs a file"),
        ("sqlite:///:memory:", "needs a file"),
    ],
)
def test_an_address_that_cannot_be_opened_names_the_remedy(url: str, remedy: str) -> None:
    with pytest.raises(BadDatabaseUrl, match=remedy):
        parse_url(url)


@pytest.mark.parametrize("url", ["postgresql//u:hunter2@h", "://u:hunter2@h/n", "postgresql://u:hunter2@h:port/n"])
def test_an_address_that_cannot_be_opened_is_told_without_its_password(url: str) -> None:
    with pytest.raises(BadDatabaseUrl) as caught:
        parse_url(url)
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    ("url", "driver"),
    [
        ("sqlite:///a.db", "sqlite+aiosqlite"),
        ("postgres://h/n", "postgresql+psycopg"),
        ("postgresql://h/n", "postgresql+psycopg"),
    ],
)
def test_plain_addresses_get_their_driver(url: str, driver: str) -> None:
    assert parse_url(url).drivername == driver


async def test_a_server_that_does_not_answer_is_named_without_its_password() -> None:
    with pytest.raises(DatabaseUnreachable, match="check that the server runs") as caught:
        async with open_database("postgresql://someone:secret@127.0.0.1:1/none"):
            pass
    assert "secret" not in str(caught.value)
    assert caught.value.retryable


async def test_a_file_that_cannot_be_opened_names_the_remedy(tmp_path: Path) -> None:
    (tmp_path / "taken.db").mkdir()
    with pytest.raises(DatabaseUnreachable, match="folder and permissions"):
        async with open_database(f"sqlite:///{tmp_path / 'taken.db'}"):
            pass


async def test_a_file_that_is_no_database_names_the_remedy(tmp_path: Path) -> None:
    (tmp_path / "letter.db").write_text("Dear Sir or Madam, " * 400)
    with pytest.raises(DatabaseUnreachable, match="not a database"):
        async with open_database(f"sqlite:///{tmp_path / 'letter.db'}"):
            pass


async def test_an_error_never_shows_what_was_to_be_stored(database: Database) -> None:
    with pytest.raises(DBAPIError) as caught:
        async with database.write() as conn:
            await conn.execute(text("INSERT INTO nowhere VALUES (:secret)"), {"secret": "never call me again"})
    assert "never call me again" not in str(caught.value)


async def test_a_transaction_cancelled_at_any_moment_leaves_nothing_and_locks_nothing(database: Database) -> None:
    async def work(connection: AsyncConnection) -> None:
        for _ in range(3):
            await connection.execute(insert(trunks).values(name=f"t{uuid.uuid4()}", channels=1, cps=1.0))
            await connection.execute(select(trunks.c.name))

    done = 0
    for steps in range(60):
        task = asyncio.create_task(database.transact(work))
        for _ in range(steps):
            await asyncio.sleep(0)
        await asyncio.sleep(steps % 7 / 2000)
        task.cancel()
        # The traceback is kept, as a logger or a task keeps it: what it holds must hold no lock.
        (left,) = await asyncio.gather(task, return_exceptions=True)
        # Far less than the wait for another's lock, after which it would be refused.
        async with asyncio.timeout(BUSY_TIMEOUT_MS / 2000):
            await database.transact(work)
        done += 3
        found = await _count(database)
        # Cancelled while it was committed, it may have been written: whole, never in part.
        assert found in {done, done + 3}, left
        done = found
