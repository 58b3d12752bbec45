"""A whole campaign through a real Asterisk whose manager connection is cut, and which dies, in the middle of it."""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from pathlib import Path

import pytest

from bot.outcome import ConversationResult, EndedBy, Job
from campaigns.claiming import Claim
from campaigns.runner import Runner, RunnerSettings
from campaigns.states import CampaignState
from storage.clock import SystemClock
from storage.database import Database
from storage.tables import attempts
from telephony.ami import dialer as dialer_module
from telephony.ami.client import AmiState
from telephony.ami.dialer import AsteriskDialer
from telephony.call import Call
from telephony.errors import MediaClosed
from telephony.simulator.network import SimulatedNetwork
from telephony.simulator.persona import Answer, Echo, Persona, Reject
from tests.support_asterisk import Asterisk
from tests.support_campaigns import House
from tests.support_dialer_asterisk import TIMES, no_channels, through
from tests.support_relay import Relay

PEOPLE = 40
_FRAMES = 30


class Chat:
    """A conversation of a fixed length, in audio that was really heard."""

    async def run(self, call: Call, job: Job) -> ConversationResult:
        with contextlib.suppress(MediaClosed):
            for _ in range(_FRAMES):
                await call.media.write(await call.media.read())
        await call.hangup()
        return ConversationResult(EndedBy.BOT, code="YES", messages=1, customer_spoke=True)

    async def __call__(self, _claim: Claim) -> Chat:
        return self


@pytest.mark.parametrize("migrated_url", ["sqlite"], indirect=True)
async def test_a_campaign_through_cuts_and_a_crash(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dialer_module, "_RECONNECT_S", 60.0)
    personas = (
        Persona(("+99900001xxx",), "echo", Answer(200), (Echo(),)),
        Persona(("+99900001xx5",), "busy", Reject(486, 100)),
    )
    async with (
        SimulatedNetwork(personas) as network,
        Asterisk.start(tmp_path / "asterisk", network.port) as pbx,
        Relay.to(pbx.ami_port) as relay,
        AsteriskDialer(through(pbx, "PJSIP/{number}@trunk", port=relay.port), times=TIMES) as dialer,
    ):
        house = await House(database, clock=SystemClock()).build(cps=15.0)  # type: ignore[arg-type]
        campaign_id = await house.campaign(people=PEOPLE)
        settings = RunnerSettings(calls=50)
        runner = Runner(database, house.ledger(lease_s=30.0), {"line": dialer}, Chat(), house.clock, settings=settings)
        running = asyncio.create_task(runner.run_until_complete(campaign_id))
        for called in (5, 12):
            await _invites(network, called)
            async with relay.broken():
                await _lost(dialer)
        await _invites(network, 20)
        await pbx.kill()
        await _lost(dialer)
        await pbx.boot()
        async with asyncio.timeout(120):
            assert await running is CampaignState.COMPLETED
        assert dialer.live_calls == 0
        await no_channels(pbx)
    rows = await house.rows(attempts)
    assert len({row["contact_id"] for row in rows}) == PEOPLE
    # Where five calls fell into the crash, the trunk was paused, and a call that it cost its contact is not counted.
    assert sum(row["counted"] for row in rows) == PEOPLE
    assert all(row["action_code"] for row in rows)
    assert max(Counter(invite.number for invite in network.invites).values()) == 1, "nobody was called twice"
    codes = Counter(row["action_code"] for row in rows)
    assert codes["YES"] >= PEOPLE // 4, codes
    assert await house.live() == 0


async def _invites(network: SimulatedNetwork, count: int) -> None:
    async with asyncio.timeout(60):
        while len(network.invites) < count:  # noqa: ASYNC110 - another program calls
            await asyncio.sleep(0.01)


async def _lost(dialer: AsteriskDialer) -> None:
    async with asyncio.timeout(60):
        while dialer.client.state is AmiState.CONNECTED:  # noqa: ASYNC110 - the other side does it
            await asyncio.sleep(0.005)
