"""A single call is not placed to somebody whom a campaign is calling now."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import update

from campaigns.do_not_call import DoNotCall
from campana.application import open_app
from campana.settings import AccountSettings, Settings, TrunkSettings
from campana.single_call import CallRefused, SingleCall, place
from storage.database import Database
from storage.tables import attempts
from tests.support_campaigns import House

NUMBER = "+84901234567"


async def test_a_number_in_a_live_attempt_is_not_called(database: Database, migrated_url: str, tmp_path: Path) -> None:
    house = await House(database).build()
    campaign_id = await house.campaign()
    await house.contact(campaign_id, NUMBER)
    await house.campaigns.start(campaign_id)
    (claim,) = (await house.ledger().claim(["line"], 1)).claims
    settings = Settings(
        data_folder=tmp_path,
        database_url=migrated_url,
        account=AccountSettings(name="Acme", currency="USD"),
        trunks=(TrunkSettings(name="line", host="127.0.0.1"),),
    )
    wanted = SingleCall(NUMBER, tmp_path / "nowhere.yaml", {})
    async with open_app(settings) as app:
        with pytest.raises(CallRefused, match="is in a call of a campaign now; try again"):
            await place(app, wanted, lambda _phase: None)
        async with database.write() as conn:
            await conn.execute(update(attempts).where(attempts.c.id == claim.attempt_id).values(phase="ended"))
        await DoNotCall(database, app.clock, app.account_id).add_pattern("+8490*", region="VN", by="ann", reason="ours")
        with pytest.raises(CallRefused, match=r"may not be called: matches the pattern \+8490\*"):
            await place(app, wanted, lambda _phase: None)
        await DoNotCall(database, app.clock, app.account_id).remove_pattern("+8490*", region="VN", by="ann", reason="x")
        # The next thing that is looked at is the script, which is not there.
        with pytest.raises(Exception, match=r"nowhere\.yaml"):
            await place(app, wanted, lambda _phase: None)
