"""Lists whose columns are named by hand, held back on import, and looked at before: on both engines."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

import pytest

from campaigns.columns import parse_mapping
from campaigns.errors import UnknownCampaign
from campaigns.lists import ImportSummary, import_list
from campaigns.previewing import Reading, preview_for
from campaigns.rows import RowStatus
from storage.database import Database
from storage.tables import contacts, list_imports
from tests.support_campaigns import House

LIST = "Khách;Số máy;Nợ;Ghi chú\nLan;0901234567;5;x\nBo;0912345678;;y\n"
MAPPING = parse_mapping(["Khách=name", "Số máy=phone", "nợ=amount", "Ghi chú="])


async def _import(
    house: House, campaign_id: int, path: Path, *, hold: bool = False, more: Mapping[str, str] = MappingProxyType({})
) -> ImportSummary:
    mapping = MAPPING | dict(more)
    return await import_list(
        house.database, campaign_id, path, clock=house.clock, mapping=mapping, hold=hold, required_variables=["amount"]
    )


async def test_columns_named_by_hand_are_part_of_what_an_import_is(database: Database, tmp_path: Path) -> None:
    house = await House(database).build()
    campaign_id, path = await house.campaign(), tmp_path / "list.csv"
    path.write_text(LIST)
    first = await _import(house, campaign_id, path)
    assert {status: count for status, count in first.counts.items() if count} == {
        RowStatus.ACCEPTED: 1,
        RowStatus.MISSING_VARIABLE: 1,
    }
    lan, bo = await house.rows(contacts)
    assert (lan["name"], lan["number"], lan["entered_at"]) == ("Lan", "+84901234567", house.clock.now())
    assert lan["variables"] == {"name": "Lan", "phone": "+84901234567", "amount": "5"}
    assert (bo["state"], bo["detail"]) == ("invalid", "missing_variable: amount")
    assert (await _import(house, campaign_id, path)).added == 0
    # Read in another way, it is another list: the row that lacked its amount comes in now.
    again = await _import(house, campaign_id, path, more={"Nợ": "", "nợ": "", "Ghi chú": "amount"})
    assert (again.added, again.counts[RowStatus.ACCEPTED], again.counts[RowStatus.DUPLICATE]) == (2, 1, 1)
    readings = [row["reading"] for row in await house.rows(list_imports)]
    assert readings[0] == '{"map": {"Ghi chú": "", "Khách": "name", "Số máy": "phone", "nợ": "amount"}}'
    assert len(set(readings)) == 2


async def test_held_contacts_wait_and_keep_the_campaign_open(database: Database, tmp_path: Path) -> None:
    house = await House(database).build()
    campaign_id, path = await house.campaign(contact_expires_days=2), tmp_path / "list.csv"
    path.write_text(LIST)
    await _import(house, campaign_id, path, hold=True)
    assert await house.contact_states(campaign_id) == {"held": 1, "invalid": 1}
    held, refused = await house.rows(contacts)
    assert ((held["expires_at"] - house.clock.now()).days, refused["expires_at"]) == (2, None)
    await house.campaigns.start(campaign_id)
    assert (await house.ledger().claim(["line"], 5)).claims == ()
    status = await house.campaigns.status(campaign_id)
    assert (status.state, status.contacts_left) == ("running", 1)


async def test_a_preview_judges_the_first_rows_as_the_campaign_would(database: Database, tmp_path: Path) -> None:
    house = await House(database).build()
    campaign_id, path = await house.campaign(), tmp_path / "list.csv"
    path.write_text(LIST + "Ca;12;7;z\n")
    reading = Reading(mapping=MAPPING)
    found = await preview_for(database, campaign_id, path, reading, required_variables=["amount", "due"], rows=2)
    assert (found.columns.reserved, found.columns.variables) == ({0: "name", 1: "phone"}, {2: "amount"})
    assert (len(found.rows), found.missing_columns) == (2, ("due",))
    assert [(row.line, row.number, row.status, row.detail) for row in found.checked] == [
        (2, "+84901234567", RowStatus.MISSING_VARIABLE, "due"),
        (3, "+84912345678", RowStatus.MISSING_VARIABLE, "amount, due"),
    ]
    assert await house.rows(contacts) == await house.rows(list_imports) == []
    with pytest.raises(UnknownCampaign):
        await preview_for(database, 99, path, reading)
