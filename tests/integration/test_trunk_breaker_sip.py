"""A real trunk that fails and comes back, over SIP: the runner pauses it, probes it, tries it, and goes on."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from campaigns.states import CampaignState
from storage.clock import SystemClock
from storage.database import open_database
from storage.tables import attempts, contacts
from telephony.simulator.network import SimulatedNetwork
from telephony.simulator.persona import Answer, Echo, Persona
from telephony.sip.dialer import SipDialer
from telephony.sip.settings import SipSettings
from telephony.trunk import TrunkConfig
from tests.support_campaigns import House
from tests.support_sip_campaign import dialling, until_fact
from tests.support_sipp import HOST, challenge, free_port, refusal, registrar, sipp

DIGEST = 'WWW-Authenticate: Digest realm="trunk", nonce="a1b2", algorithm=MD5'
ANYBODY = Persona(("*",), "answers", Answer(0), (Echo(),))


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Short waits between probes, so that many more calls are tried in vain, and none for tracebacks to be drawn."""
    monkeypatch.setattr("campaigns.trunk_health.BACK_OFF", (timedelta(seconds=0.2),) * 50)
    monkeypatch.setattr("campaigns.trunk_signs.SPARED_AT_MOST", 1000)
    with capture_logs():
        yield


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    async with open_database(f"sqlite:///{tmp_path / 'campana.db'}") as database:
        yield await House(database, clock=SystemClock()).build()  # type: ignore[arg-type]


async def _is(house: House, health: str) -> bool:
    return (await house.rows_of_trunk("line"))["health"] == health


async def _completed(house: House, campaign_id: int) -> bool:
    return (await house.campaigns.status(campaign_id)).state is CampaignState.COMPLETED


async def test_a_trunk_in_overload_is_left_alone_until_it_takes_calls_again(house: House, tmp_path: Path) -> None:
    rule = {"on": ["unreachable"], "times": 3, "after_min": 0}
    campaign_id = await house.campaign(people=8, concurrency=1, max_attempts=4, retry_rules=[rule])
    port = free_port()
    async with dialling(house, TrunkConfig("line", HOST, port)):
        async with sipp(refusal("503 Service Unavailable"), tmp_path, port=port) as peer:
            await until_fact(lambda: _is(house, "paused"))
            await peer.until_received("INVITE", 5)
            told = (await house.campaigns.status(campaign_id)).trunk_paused
            assert re.fullmatch(r"\d+ calls in a row failed, the last with: 503 Service unavailable", told or "")
            refused = [row for row in await house.rows(attempts) if row["sip_code"] == 503]
            assert len([row for row in refused if row["counted"]]) == 5, "what followed were trial calls"
        async with SimulatedNetwork((ANYBODY,), port=port, keep_heard=False) as network:
            await until_fact(lambda: _completed(house, campaign_id))
            assert len(network.invites) == 8
    assert await _is(house, "healthy")
    assert await house.contact_states(campaign_id) == {"done": 8}


async def test_refused_credentials_cost_no_contact_its_attempt(house: House, tmp_path: Path) -> None:
    campaign_id = await house.campaign(people=6, concurrency=1)
    port = free_port()
    async with dialling(house, TrunkConfig("line", HOST, port, user="bot", password="wrong")):
        async with sipp(challenge("401 Unauthorized", DIGEST), tmp_path, port=port):
            await until_fact(lambda: _is(house, "paused"))
            await until_fact(lambda: _tried_in_vain(house))
        async with SimulatedNetwork((ANYBODY,), port=port, keep_heard=False):
            await until_fact(lambda: _completed(house, campaign_id))
    spared = [row for row in await house.rows(attempts) if not row["counted"]]
    assert {row["action_code"] for row in spared} == {"CU"}
    assert await house.contact_states(campaign_id) == {"done": 6}
    assert {row["attempts"] for row in await house.rows(contacts)} == {1}


async def _tried_in_vain(house: House) -> bool:
    """Whether the far end has refused a trial call too, or the probe came to nothing."""
    return int((await house.rows_of_trunk("line"))["trials"]) > 0


async def test_a_registered_trunk_is_probed_by_registering(tmp_path: Path) -> None:
    account = {"user": "bot", "password": "secret", "register": True}
    async with sipp(registrar(), tmp_path) as peer:
        async with SipDialer(TrunkConfig("line", HOST, peer.port, **account), SipSettings(bind=HOST)) as dialer:
            found = await dialer.probe()
            assert (found.ok, found.text) == (True, "accepts our registration")
        await peer.until_received("REGISTER", 3)


@pytest.mark.parametrize(("transport", "ok"), [("udp", False), ("tcp", True)])
async def test_what_a_probe_can_tell_of_a_dead_trunk(transport: Any, ok: bool) -> None:
    trunk = TrunkConfig("line", HOST, free_port(), transport=transport)
    async with SipDialer(trunk, SipSettings(bind=HOST)) as dialer:
        assert (await dialer.probe()).ok is ok
    assert not (await dialer.probe()).ok, "closed"
