"""The do-not-call list on both engines."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import insert

from campaigns import suppression
from campaigns.suppression import Against, Source, Standing, Suppressed
from storage.database import Database
from storage.tables import accounts
from tests.support_campaigns import MINUTE, NOW, House

LAN, BO = "+84901234567", "+84912345678"


@pytest.fixture
async def house(database: Database) -> House:
    return await House(database).build()


async def test_a_number_is_put_on_once_and_its_first_entry_stays(house: House) -> None:
    async with house.database.write() as conn:
        account = house.account_id
        assert await suppression.add(conn, account, LAN, Source.OPT_OUT, now=NOW, evidence="do not call me again")
        assert not await suppression.add(conn, account, LAN, Source.MANUAL, now=NOW + timedelta(days=1))
        assert await suppression.add(conn, account, BO, Source.IMPORT, now=NOW)
        found = [entry async for entry in suppression.entries(conn, account)]
        assert found == [
            Suppressed(LAN, Source.OPT_OUT, "do not call me again", None, NOW),
            Suppressed(BO, Source.IMPORT, None, None, NOW),
        ]
        # What a customer asks for takes the place of what was entered for another reason; it is no further entry.
        for evidence in ("stop", "again: stop"):
            assert not await suppression.add(conn, account, BO, Source.OPT_OUT, now=NOW + MINUTE, evidence=evidence)
        *_, last = [entry async for entry in suppression.entries(conn, account)]
    assert last == Suppressed(BO, Source.OPT_OUT, "stop", None, NOW + MINUTE)


async def test_who_is_listed(house: House) -> None:
    async with house.database.write() as conn:
        await suppression.add(conn, house.account_id, LAN, Source.MANUAL, now=NOW)
        whole = suppression.whole_account(house.account_id)
        on_list = Standing(Against.DO_NOT_CALL, "", "on the do-not-call list")
        assert await suppression.listed(conn, whole, [LAN, BO]) == {LAN: on_list}
        assert await suppression.listed(conn, whole, []) == {}


async def test_accounts_do_not_share_their_lists(house: House) -> None:
    async with house.database.write() as conn:
        values = {"name": "Other", "currency": "VND", "time_zone": "UTC", "region": "VN", "created_at": NOW}
        other = (await conn.execute(insert(accounts).values(values).returning(accounts.c.id))).scalar_one()
        await suppression.add(conn, house.account_id, LAN, Source.MANUAL, now=NOW)
        assert await suppression.listed(conn, suppression.whole_account(other), [LAN]) == {}
        assert await suppression.add(conn, other, LAN, Source.MANUAL, now=NOW)


async def test_only_numbers_in_e164_can_be_listed(house: House) -> None:
    with pytest.raises(Exception, match=r"not an E\.164 number"):
        async with house.database.write() as conn:
            await suppression.add(conn, house.account_id, "0901234567", Source.MANUAL, now=NOW)
