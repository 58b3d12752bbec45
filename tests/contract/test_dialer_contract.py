"""What every dialer owes: phases in order, outcomes, an orderly end.

Each is run against the simulated network and against a foreign peer, so that both ends cannot share a mistake.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from telephony.call import CallPhase, NotAnswered
from telephony.outcomes import DialStatus, HangupBy
from tests.support_sip import ECHO, RING, FarEnd, Open, foreign, simulated

FAR_ENDS = [pytest.param(simulated, id="sip-simulator"), pytest.param(foreign, id="sip-sipp", marks=pytest.mark.sipp)]


@pytest.fixture(params=FAR_ENDS)
def opening(request: pytest.FixtureRequest) -> Open:
    opened: Open = request.param
    return opened


@pytest.fixture
async def echoing(opening: Open, tmp_path: Path) -> AsyncIterator[FarEnd]:
    async with opening(ECHO, tmp_path) as far_end:
        yield far_end


@pytest.fixture
async def network(tmp_path: Path) -> AsyncIterator[FarEnd]:
    """A far end that can be asked what it heard."""
    async with simulated(ECHO, tmp_path) as far_end:
        yield far_end


async def test_the_phases_come_in_order(echoing: FarEnd) -> None:
    call = await echoing.call()
    assert echoing.phases == [CallPhase.ORIGINATING, CallPhase.RINGING, CallPhase.ANSWERED]
    assert call.attempt_id == "attempt-1"
    assert call.answered_at.tzinfo is not None


async def test_ring_timeout_gives_no_answer(opening: Open, tmp_path: Path) -> None:
    async with opening(RING, tmp_path) as far_end:
        result = await far_end.dialer.dial(far_end.request(RING, ring_timeout_s=0.4), lambda _phase, _at: None)
    assert isinstance(result, NotAnswered)
    assert (result.dial_status, result.rang) == (DialStatus.NOANSWER, True)


async def test_a_stray_call_is_never_found(echoing: FarEnd) -> None:
    assert await echoing.dialer.hangup_stray("attempt-of-an-earlier-process") is False


async def test_a_closed_dialer_dials_no_more(network: FarEnd) -> None:
    await network.dialer.aclose()
    await network.dialer.aclose()
    result = await network.dialer.dial(network.request(ECHO), lambda _phase, _at: None)
    assert isinstance(result, NotAnswered)
    assert result.dial_status is DialStatus.CHANUNAVAIL


async def test_closing_ends_every_call(network: FarEnd) -> None:
    calls = await asyncio.gather(*(network.call() for _ in range(5)))
    await network.dialer.aclose()
    ends = await asyncio.gather(*(call.ended() for call in calls))
    assert {end.hangup_by for end in ends} == {HangupBy.BOT}
    assert network.network is not None
    records = await network.network.all_ended(5)
    assert {record.ended_by for record in records} == {"caller"}
