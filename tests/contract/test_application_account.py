"""The account that the settings name, and the currency of its books."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import update

from campana.application import open_app
from campana.definition import DefinitionError, load_definition
from campana.enrolment import enrol
from campana.errors import SettingsError
from campana.settings import AccountSettings, Settings, TrunkSettings
from storage.tables import accounts
from tests.support_acceptance import DEMO


def _settings(url: str, folder: Path, **account: Any) -> Settings:
    trunk = TrunkSettings(name="demo", host="127.0.0.1")
    given = AccountSettings(**{"name": "Bell", "currency": "VND"} | account)
    return Settings(data_folder=folder, database_url=url, account=given, trunks=(trunk,))


async def test_an_account_never_changes_its_currency(migrated_url: str, tmp_path: Path) -> None:
    async with open_app(_settings(migrated_url, tmp_path)) as app:
        bell = app.account_id
    with pytest.raises(SettingsError, match=r"account\.currency: USD, but the account 'Bell' .* in VND.*account\.name"):
        async with open_app(_settings(migrated_url, tmp_path, currency="USD", region="US")):
            pytest.fail("an account of two currencies was opened")
    async with open_app(_settings(migrated_url, tmp_path, name="Bell America", currency="USD")) as app:
        assert app.account_id != bell
        async with app.database.read() as conn:
            rows = (await conn.execute(accounts.select().order_by(accounts.c.id))).all()
    assert [(row.name, row.currency, row.region) for row in rows] == [
        ("Bell", "VND", "VN"),
        ("Bell America", "USD", "VN"),
    ]


async def test_a_tariff_is_held_against_the_books_not_the_settings(migrated_url: str, tmp_path: Path) -> None:
    definition = load_definition(DEMO / "campaign.yaml")
    async with open_app(_settings(migrated_url, tmp_path)) as app:
        async with app.database.write() as conn:
            await conn.execute(update(accounts).values(currency="USD"))
        definition = definition.model_copy(update={"trunk": "demo"})
        with pytest.raises(DefinitionError, match="currency: VND, but the account keeps its books in USD"):
            await enrol(app, definition)
