"""The open application: settings, database, models. `open_app` is the only way to one."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass

from sqlalchemy import insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from campaigns.campaigns import Campaigns
from campaigns.contacts import Contacts
from campaigns.limits import set_credit_limit
from campana.errors import SettingsError
from campana.settings import AnyTrunkSettings, Settings
from models.store import ModelStore
from storage.clock import Clock, SystemClock
from storage.database import Database, open_database
from storage.server_clock import server_clock
from storage.tables import accounts, trunks


@dataclass(frozen=True)
class App:
    """What every command works with."""

    settings: Settings
    database: Database
    clock: Clock
    models: ModelStore
    account_id: int

    @property
    def campaigns(self) -> Campaigns:
        from campana.enrolment import required_variables

        return Campaigns(
            self.database, self.clock, required_variables=lambda campaign_id: required_variables(self, campaign_id)
        )

    @property
    def contacts(self) -> Contacts:
        return Contacts(self.database, self.clock)


@contextlib.asynccontextmanager
async def open_app(settings: Settings, *, clock: Clock | None = None) -> AsyncIterator[App]:
    """Open the database, bring its schema up, and note account and trunks as the settings have them.

    Raises the storage package's errors when the database cannot be opened, and `SettingsError` when the account
    keeps its books in another currency than the settings say.
    """
    async with contextlib.AsyncExitStack() as stack:
        database = await stack.enter_async_context(open_database(settings.url))
        told = clock or await _clock_of(stack, database)

        async def note(conn: AsyncConnection) -> int:
            # Trunks are locked in the order of their names everywhere, so that nodes do not deadlock.
            for trunk in sorted(settings.trunks, key=lambda trunk: trunk.name):
                await _note_trunk(conn, trunk)
            return await _note_account(conn, settings, told)

        account_id = await database.transact(note)
        yield App(settings, database, told, ModelStore(settings.models.folder), account_id)


async def _clock_of(stack: contextlib.AsyncExitStack, database: Database) -> Clock:
    """Nodes that share a server compare times with one another, so they tell it by one clock."""
    return SystemClock() if database.is_sqlite else await stack.enter_async_context(server_clock(database))


async def _note_account(conn: AsyncConnection, settings: Settings, clock: Clock) -> int:
    account = settings.account
    of_name = select(accounts.c.id, accounts.c.currency).where(accounts.c.name == account.name)
    found = (await conn.execute(of_name)).first()
    values = {"time_zone": account.time_zone, "region": account.region, "concurrency": account.calls}
    if found is not None:
        if found.currency != account.currency:
            raise SettingsError(
                f"account.currency: {account.currency}, but the account {account.name!r} keeps its books in "
                f"{found.currency}, and amounts of two currencies are never mixed; set it back to {found.currency}, "
                "or name another account under account.name"
            )
        await conn.execute(update(accounts).where(accounts.c.id == found.id).values(**values))
        await set_credit_limit(conn, found.id, account.credit_limit, clock.now())
        return int(found.id)
    row = insert(accounts).values(name=account.name, currency=account.currency, created_at=clock.now(), **values)
    key = (await conn.execute(row)).inserted_primary_key
    assert key is not None
    await set_credit_limit(conn, key[0], account.credit_limit, clock.now())
    return int(key[0])


async def _note_trunk(conn: AsyncConnection, trunk: AnyTrunkSettings) -> None:
    """Its limits follow the settings; the row's pacing and health stay."""
    values = {
        "channels": trunk.channels,
        "cps": trunk.cps,
        "failures_allowed": trunk.failures_allowed,
        "probe_after_s": list(trunk.probe_after_s),
    }
    known = (await conn.execute(select(trunks.c.name).where(trunks.c.name == trunk.name))).first()
    if known is None:
        await conn.execute(insert(trunks).values(name=trunk.name, **values))
    else:
        await conn.execute(update(trunks).where(trunks.c.name == trunk.name).values(**values))
