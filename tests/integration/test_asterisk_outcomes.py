"""Every final answer of a foreign far end (SIPp) through a real Asterisk, and what the dialer makes of it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from telephony.call import Call, CallPhase, DialRequest
from telephony.errors import MediaClosed
from telephony.outcomes import DialStatus, HangupBy
from tests.support_asterisk import Asterisk
from tests.support_asterisk_config import HOST, Trunk
from tests.support_dialer_asterisk import Phases, answered, dial, dialer, no_channels, shared_asterisk, unanswered
from tests.support_sipp import answer, challenge, free_port, refusal, ring_out, sipp

pytestmark = pytest.mark.sipp
D = DialStatus


@pytest.fixture(scope="module")
def pbx(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Asterisk]:
    with shared_asterisk(tmp_path_factory.mktemp("asterisk")) as running:
        yield running


@pytest.mark.parametrize(
    ("status", "ring_ms", "dial_status", "q850"),
    [
        ("486 Busy Here", 100, D.BUSY, 17),
        ("486 Busy Here", None, D.BUSY, 17),
        ("600 Busy Everywhere", None, D.BUSY, 17),
        ("480 Temporarily Unavailable", 100, D.NOANSWER, 19),
        ("404 Not Found", None, D.INVALID, 1),
        ("485 Ambiguous", None, D.INVALID, 1),
        ("604 Does Not Exist Anywhere", None, D.INVALID, 1),
        ("484 Address Incomplete", None, D.INVALID, 28),
        ("410 Gone", None, D.OUT_OF_SERVICE, 22),
        ("502 Bad Gateway", None, D.OUT_OF_SERVICE, 27),
        ("603 Decline", 100, D.REJECTED, 21),
        ("607 Unwanted", None, D.REJECTED, 127),
        ("608 Rejected", None, D.REJECTED, 127),
        ("403 Forbidden", 100, D.REJECTED, 21),
        ("403 Forbidden", None, D.CHANUNAVAIL, 21),
        ("408 Request Timeout", 100, D.NOANSWER, 18),
        ("408 Request Timeout", None, D.CHANUNAVAIL, 18),
        ("402 Payment Required", None, D.CHANUNAVAIL, 127),
        ("420 Bad Extension", None, D.CHANUNAVAIL, 3),
        ("483 Too Many Hops", None, D.CHANUNAVAIL, 19),
        ("488 Not Acceptable Here", None, D.CHANUNAVAIL, 58),
        ("606 Not Acceptable", None, D.CHANUNAVAIL, 58),
        ("500 Server Internal Error", None, D.CHANUNAVAIL, 38),
        ("501 Not Implemented", None, D.CHANUNAVAIL, 29),
        ("504 Server Time-out", None, D.CHANUNAVAIL, 102),
        ("503 Service Unavailable", None, D.CONGESTION, 34),
        ("505 Version Not Supported", None, D.CONGESTION, 127),
        ("487 Request Terminated", 100, D.NOANSWER, 127),
        ("400 Bad Request", None, D.CHANUNAVAIL, 127),
        ("699 Whatever", None, D.CHANUNAVAIL, 127),
    ],
)
async def test_a_refusal(
    pbx: Asterisk, status: str, ring_ms: int | None, dial_status: DialStatus, q850: int, tmp_path: Path
) -> None:
    async with sipp(refusal(status, ring_ms=ring_ms), tmp_path) as peer, dialer(pbx, peer.port) as trunk:
        result, phases = await unanswered(trunk)
    assert (result.dial_status, result.sip_code, result.q850) == (dial_status, int(status[:3]), q850)
    assert (result.reason, result.rang) == (0, ring_ms is not None)
    assert phases == [CallPhase.ORIGINATING, *([CallPhase.RINGING] if result.rang else [])]
    assert result.text


@pytest.mark.parametrize("status", ["401 Unauthorized", "407 Proxy Authentication Required"])
async def test_a_challenge_that_asterisk_cannot_meet(pbx: Asterisk, status: str, tmp_path: Path) -> None:
    name = "WWW" if status.startswith("401") else "Proxy"
    header = f'{name}-Authenticate: Digest realm="trunk", nonce="1", algorithm=MD5'
    async with sipp(challenge(status, header), tmp_path) as peer, dialer(pbx, peer.port) as trunk:
        result, _ = await unanswered(trunk)
    assert (result.dial_status, result.sip_code, result.q850) == (D.CHANUNAVAIL, int(status[:3]), 21)


async def test_ringing_out_sends_cancel(pbx: Asterisk, tmp_path: Path) -> None:
    async with sipp(ring_out(), tmp_path) as peer, dialer(pbx, peer.port) as trunk:
        result, phases = await unanswered(trunk, ring_timeout_s=1.0)
        assert await peer.until_received("CANCEL")
    assert (result.dial_status, result.rang, result.q850, result.reason) == (D.NOANSWER, True, 19, 3)
    assert result.sip_code is None, "what Asterisk makes of its own CANCEL is no answer of the network"
    assert phases == [CallPhase.ORIGINATING, CallPhase.RINGING]


async def test_a_trunk_that_only_says_trying_never_rang(pbx: Asterisk, tmp_path: Path) -> None:
    async with sipp(ring_out("100 Trying"), tmp_path) as peer, dialer(pbx, peer.port) as trunk:
        result, _ = await unanswered(trunk, ring_timeout_s=1.0)
    assert (result.dial_status, result.rang, result.reason) == (D.CHANUNAVAIL, False, 3)


async def test_a_dead_trunk_that_nobody_asks_after_takes_the_ring_time(pbx: Asterisk) -> None:
    async with dialer(pbx, free_port()) as trunk:
        result, phases = await unanswered(trunk, ring_timeout_s=1.0)
    assert (result.dial_status, result.rang, result.q850, result.reason) == (D.CHANUNAVAIL, False, 19, 3)
    assert phases == [CallPhase.ORIGINATING]


async def test_a_dead_trunk_with_qualify_is_told_at_once(tmp_path: Path) -> None:
    dead = Trunk(free_port(), qualify_s=1, qualify_timeout_s=0.5)
    async with Asterisk.start(tmp_path, trunks={"dead": dead}) as pbx:
        await pbx.until_cli("pjsip show contacts", "Unavail")
        async with dialer(pbx, "PJSIP/{number}@dead") as trunk:
            result, _ = await unanswered(trunk, ring_timeout_s=600.0)
    assert (result.dial_status, result.rang, result.q850, result.reason) == (D.CHANUNAVAIL, False, None, 0)


@pytest.mark.parametrize("dial_string", ["PJSIP/{number}@nobody", "Carrier/{number}", "SIP/carrier/{number}"])
async def test_what_asterisk_does_not_know_makes_no_channel(pbx: Asterisk, dial_string: str) -> None:
    async with dialer(pbx, dial_string) as trunk:
        result, _ = await unanswered(trunk, ring_timeout_s=600.0)
    assert (result.dial_status, result.rang, result.reason) == (D.CHANUNAVAIL, False, 0)
    assert result.text == "Asterisk has no way to this trunk"


async def test_a_context_without_that_number(pbx: Asterisk) -> None:
    async with dialer(pbx, "Local/{number}@nowhere") as trunk:
        result, _ = await unanswered(trunk, ring_timeout_s=600.0)
    assert result.dial_status is D.CHANUNAVAIL


async def test_what_lies_behind_a_local_channel_is_heard(tmp_path: Path) -> None:
    async with (
        sipp(refusal("486 Busy Here", ring_ms=100), tmp_path) as peer,
        Asterisk.start(tmp_path / "asterisk", peer.port) as pbx,
        dialer(pbx, "Local/{number}@callback") as trunk,
    ):
        result, phases = await unanswered(trunk)
    assert (result.dial_status, result.sip_code, result.q850) == (D.BUSY, 486, 17)
    assert phases == [CallPhase.ORIGINATING, CallPhase.RINGING]


async def test_an_answer_that_the_media_server_never_hears(pbx: Asterisk, tmp_path: Path) -> None:
    async with sipp(answer(), tmp_path) as peer:
        async with dialer(pbx, peer.port, media_bind=HOST, media_advertise="127.0.0.2") as trunk:
            assert (await trunk.probe()).ok
            result, phases = await unanswered(trunk)
            probe = await trunk.probe()
        assert await peer.until_received("BYE")
    assert (result.dial_status, result.no_audio) == (D.ERROR, True)
    # From now on it asks Asterisk to bring audio before it calls anybody else.
    assert not probe.ok
    assert "media_advertise" in probe.text
    assert "media_advertise" in (result.text or "")
    assert CallPhase.ANSWERED not in phases
    await no_channels(pbx)


async def test_a_far_end_bye_is_the_customer(pbx: Asterisk, tmp_path: Path) -> None:
    async with sipp(answer(bye_after_ms=300), tmp_path) as peer, dialer(pbx, peer.port) as trunk:
        call = await answered(trunk)
        async with asyncio.timeout(20):
            end = await call.ended()
        assert trunk.live_calls == 0
    assert end.hangup_by is HangupBy.CUSTOMER
    assert end.ended_at > call.answered_at


async def test_hanging_up_after_the_customer_did_changes_nothing(pbx: Asterisk, tmp_path: Path) -> None:
    async with sipp(answer(bye_after_ms=100), tmp_path) as peer, dialer(pbx, peer.port) as trunk:
        assert {await _ended_by(await answered(trunk)) for _ in range(8)} == {HangupBy.CUSTOMER}


async def _ended_by(call: Call) -> HangupBy:
    """Who ended a call on which we hang up the moment that its audio is over, as every conversation does."""
    async with asyncio.timeout(20):
        with contextlib.suppress(MediaClosed):
            while True:
                await call.media.read()
        await call.hangup()
        return (await call.ended()).hangup_by


async def test_our_hangup_sends_bye(pbx: Asterisk, tmp_path: Path) -> None:
    async with sipp(answer(), tmp_path) as peer, dialer(pbx, peer.port) as trunk:
        call = await answered(trunk)
        await call.hangup()
        assert await peer.until_received("BYE")
        assert (await call.ended()).hangup_by is HangupBy.BOT
        await call.hangup()
        assert trunk.live_calls == 0


async def test_cancelling_the_task_cancels_the_call(pbx: Asterisk, tmp_path: Path) -> None:
    async with sipp(ring_out(), tmp_path) as peer, dialer(pbx, peer.port) as trunk:
        dialling = asyncio.create_task(trunk.dial(DialRequest("cancelled-1", "100"), Phases()))
        await peer.until_received("INVITE")
        dialling.cancel()
        with pytest.raises(asyncio.CancelledError):
            await dialling
        assert await peer.until_received("CANCEL")


async def test_cancelling_at_once_leaves_no_call(pbx: Asterisk, tmp_path: Path) -> None:
    async with sipp(ring_out(), tmp_path) as peer, dialer(pbx, peer.port) as trunk:
        dialling = asyncio.create_task(trunk.dial(DialRequest("cancelled-2", "100"), Phases()))
        while not trunk.live_calls:  # noqa: ASYNC110 - cancelled in the middle of the first action
            await asyncio.sleep(0)
        dialling.cancel()
        await asyncio.wait([dialling])
        async with asyncio.timeout(20):
            while trunk.live_calls:  # noqa: ASYNC110 - events come from Asterisk
                await asyncio.sleep(0.02)
        await no_channels(pbx)


async def test_closing_the_dialer_cancels_what_rings(pbx: Asterisk, tmp_path: Path) -> None:
    async with sipp(ring_out(), tmp_path) as peer:
        async with dialer(pbx, peer.port) as trunk:
            dialling = asyncio.create_task(dial(trunk))
            await peer.until_received("INVITE")
            await trunk.aclose()
            result, _ = await dialling
        assert await peer.until_received("CANCEL")
    assert getattr(result, "dial_status", None) is D.CANCEL
    await no_channels(pbx)


async def test_an_attempt_is_not_dialled_twice_at_once(pbx: Asterisk, tmp_path: Path) -> None:
    async with sipp(ring_out(), tmp_path) as peer:
        async with dialer(pbx, peer.port) as one, dialer(pbx, peer.port) as other:
            first = asyncio.create_task(dial(one, attempt_id="twice"))
            await peer.until_received("INVITE")
            second, _ = await dial(one, attempt_id="twice")
            third, _ = await dial(other, attempt_id="twice")
            await one.aclose()
            await first
        assert len(peer.received("INVITE")) == 1
    assert getattr(second, "dial_status", None) is D.ERROR
    assert getattr(third, "dial_status", None) is D.CHANUNAVAIL, "Asterisk itself refuses a live channel id"


async def test_a_stray_call_of_another_process_is_hung_up(pbx: Asterisk, tmp_path: Path) -> None:
    async with sipp(ring_out(), tmp_path) as peer, dialer(pbx, peer.port) as dead, dialer(pbx, peer.port) as reaper:
        dialling = asyncio.create_task(dial(dead, attempt_id="stray"))
        await peer.until_received("INVITE")
        assert await reaper.hangup_stray("stray")
        assert await peer.until_received("CANCEL")
        await dialling
        assert not await reaper.hangup_stray("stray")


async def test_the_invite_carries_caller_and_headers(pbx: Asterisk, tmp_path: Path) -> None:
    note = 'Mùa hè, "sale" (2); x=y'
    pool = {"caller_id": "842873000000", "caller_ids": ("842873000001", "842873000002")}
    async with sipp(refusal("486 Busy Here"), tmp_path) as peer, dialer(pbx, peer.port, **pool) as trunk:
        await unanswered(trunk, caller_id="+842899990000", headers={"X-Campaign": note, "X-Other": "1"})
        await unanswered(trunk, attempt_id="attempt-7")
        first, second = await peer.until_received("INVITE", 2)
    assert first.startswith(f"INVITE sip:+84912345678@{HOST}:{peer.port}")
    assert "From: <sip:+842899990000@" in first
    assert f"X-Campaign: {note}" in first
    assert "X-Other: 1" in first
    assert f"From: <sip:{trunk.trunk.caller_for('attempt-7')}@" in second


async def test_a_hundred_immediate_refusals_and_none_is_lost(pbx: Asterisk, tmp_path: Path) -> None:
    async with sipp(refusal("404 Not Found"), tmp_path) as peer, dialer(pbx, peer.port) as trunk:
        results = await asyncio.gather(*(dial(trunk) for _ in range(100)))
        assert trunk.live_calls == 0
    assert [getattr(result, "sip_code", None) for result, _ in results] == [404] * 100
    await no_channels(pbx)
