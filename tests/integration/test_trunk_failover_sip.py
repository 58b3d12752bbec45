"""A campaign over two real SIP trunks, the first of which stops taking calls half-way."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import update
from structlog.testing import capture_logs

from campaigns.states import CampaignState
from storage.clock import SystemClock
from storage.database import open_database
from storage.tables import attempts, contacts
from telephony.simulator.network import SimulatedNetwork
from telephony.simulator.persona import Answer, Echo, Persona
from telephony.trunk import TrunkConfig
from tests.support_campaigns import House, number
from tests.support_sip_campaign import dialling, until_fact
from tests.support_sipp import HOST, free_port, refusal, sipp

ANYBODY = Persona(("*",), "answers", Answer(0), (Echo(),))
EARLY, LATE = 3, 9


@pytest.fixture(autouse=True)
def _patient(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Short waits between probes of the trunk that is away."""
    monkeypatch.setattr("campaigns.trunk_health.BACK_OFF", (timedelta(seconds=0.2),) * 50)
    with capture_logs():
        yield


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    async with open_database(f"sqlite:///{tmp_path / 'campana.db'}") as database:
        house = await House(database, clock=SystemClock()).build()  # type: ignore[arg-type]
        for name in ("main", "backup"):
            await house.trunk(name, cps=50.0)
        yield house


async def test_the_second_trunk_reaches_whom_the_first_no_longer_takes(house: House, tmp_path: Path) -> None:
    campaign_id = await house.campaign(
        people=EARLY, start=False, concurrency=2, max_attempts=1, trunk="main", backup_trunks=["backup"]
    )
    for place in range(LATE):
        await house.contact(campaign_id, number(place), state="held")
    await house.campaigns.start(campaign_id)

    async def first_are_done() -> bool:
        return (await house.contact_states(campaign_id)).get("done", 0) == EARLY

    async def completed() -> bool:
        return (await house.campaigns.status(campaign_id)).state is CampaignState.COMPLETED

    main = free_port()
    async with SimulatedNetwork((ANYBODY,), keep_heard=False) as network:
        async with dialling(house, TrunkConfig("main", HOST, main), TrunkConfig("backup", HOST, network.port)):
            async with SimulatedNetwork((ANYBODY,), port=main, keep_heard=False) as first:
                await until_fact(first_are_done)
                assert (len(first.invites), len(network.invites)) == (EARLY, 0)
            async with sipp(refusal("503 Service Unavailable"), tmp_path, port=main):
                async with house.database.write() as conn:
                    await conn.execute(update(contacts).where(contacts.c.state == "held").values(state="pending"))
                await until_fact(completed)
        assert len(network.invites) == LATE
    assert await house.contact_states(campaign_id) == {"done": EARLY + LATE}
    rows = await house.rows(attempts)
    answered = [row for row in rows if row["answered_at"] is not None]
    assert Counter(row["trunk"] for row in answered) == {"main": EARLY, "backup": LATE}
    assert max(Counter(row["contact_id"] for row in answered).values()) == 1
    lost = [row for row in rows if row["sip_code"] == 503]
    assert lost
    assert {(row["trunk"], row["counted"]) for row in lost} == {("main", False)}
    assert {row["attempts"] for row in await house.rows(contacts)} == {1}
