"""The trunks that the settings name, noted while other nodes dial over them."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from campaigns.trunks import Trunks
from campana.application import open_app
from campana.settings import Settings, TrunkSettings
from storage.database import Database, open_database
from storage.tables import trunks
from tests.support_postgres import fresh_postgres


async def test_a_trunk_follows_the_settings_and_keeps_its_health(migrated_url: str, tmp_path: Path) -> None:
    def settings(**changes: Any) -> Settings:
        line = TrunkSettings(name="a", host="127.0.0.1", **changes)
        return Settings(data_folder=tmp_path, database_url=migrated_url, trunks=(line,))

    async with open_app(settings()) as app:
        assert (await Trunks(app.database, app.clock).status("a")).breaker.failures_allowed == 5
        await Trunks(app.database, app.clock).pause("a", "maintenance")
    async with open_app(settings(failures_allowed=2, probe_after_s=(10, 20), channels=3)) as app:
        status = await Trunks(app.database, app.clock).status("a")
    assert (status.channels, status.breaker.failures_allowed, status.breaker.probe_after_s) == (3, 2, (10, 20))
    assert status.breaker.pause_reason == "maintenance"


@pytest.mark.parametrize(
    "changes", [{"failures_allowed": 0}, {"probe_after_s": ()}, {"probe_after_s": (0,)}, {"probe_after_s": (100_000,)}]
)
def test_limits_that_cannot_be_meant_are_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(changes))):
        TrunkSettings(name="a", host="127.0.0.1", **changes)


async def _lock(conn: AsyncConnection, name: str) -> None:
    await conn.execute(select(trunks).where(trunks.c.name == name).with_for_update(key_share=True))


async def _somebody_waits(database: Database) -> None:
    waiting = text("SELECT count(*) FROM pg_locks WHERE NOT granted")
    async with asyncio.timeout(60):
        while True:
            async with database.read() as conn:
                if (await conn.execute(waiting)).scalar_one():
                    return
            await asyncio.sleep(0.05)


@pytest.mark.postgres
async def test_opening_takes_no_trunk_that_a_claim_waits_for(
    postgres_server: str, postgres_template: str, tmp_path: Path
) -> None:
    lines = tuple(TrunkSettings(name=name, host="127.0.0.1") for name in ("z", "a"))
    with fresh_postgres(postgres_server, postgres_template) as url:
        settings = Settings(data_folder=tmp_path, database_url=url, trunks=lines)

        async def open_again() -> None:
            async with open_app(settings):
                pass

        await open_again()
        async with open_database(url) as database:
            async with database.write() as claim:
                await _lock(claim, "a")
                opening = asyncio.create_task(open_again())
                await _somebody_waits(database)
                await claim.execute(text("SET LOCAL lock_timeout = '1ms'"))
                await _lock(claim, "z")
            await opening
