"""Every final answer of a foreign SIP peer (SIPp), and what the dialer makes of it."""

from __future__ import annotations

import asyncio
from datetime import datetime
from pathlib import Path

import pytest

from telephony.call import CallPhase, DialRequest, NotAnswered
from telephony.outcomes import DialStatus, HangupBy
from telephony.sip.dialer import SipDialer
from telephony.sip.settings import SipSettings
from telephony.trunk import TrunkConfig
from tests.support_sipp import HOST, Sipp, answer, challenge, free_port, refusal, ring_out, sipp

pytestmark = pytest.mark.sipp
D = DialStatus
NUMBER = "+84912345678"


def dialer(port: int, **changes: object) -> SipDialer:
    settings = SipSettings(bind=HOST, no_response_s=2.0)
    return SipDialer(TrunkConfig("sipp", HOST, port, **changes), settings)  # type: ignore[arg-type]


class Phases(list[CallPhase]):
    def __call__(self, phase: CallPhase, _at: datetime) -> None:
        self.append(phase)


async def refused(peer: Sipp, ring_timeout_s: float = 10.0) -> tuple[NotAnswered, Phases]:
    phases = Phases()
    async with dialer(peer.port) as trunk:
        result = await trunk.dial(DialRequest("attempt-1", NUMBER, ring_timeout_s=ring_timeout_s), phases)
    assert isinstance(result, NotAnswered)
    return result, phases


@pytest.mark.parametrize(
    ("status", "ring_ms", "dial_status", "q850"),
    [
        ("486 Busy Here", 100, D.BUSY, 17),
        ("486 Busy Here", None, D.BUSY, 17),
        ("600 Busy Everywhere", None, D.BUSY, 17),
        ("480 Temporarily Unavailable", 100, D.NOANSWER, 19),
        ("404 Not Found", None, D.INVALID, 1),
        ("484 Address Incomplete", None, D.INVALID, 28),
        ("604 Does Not Exist Anywhere", None, D.INVALID, 1),
        ("410 Gone", None, D.OUT_OF_SERVICE, 22),
        ("502 Bad Gateway", None, D.OUT_OF_SERVICE, 27),
        ("603 Decline", 100, D.REJECTED, 21),
        ("607 Unwanted", None, D.REJECTED, 127),
        ("403 Forbidden", 100, D.REJECTED, 21),
        ("403 Forbidden", None, D.CHANUNAVAIL, 21),
        ("408 Request Timeout", 100, D.NOANSWER, 18),
        ("408 Request Timeout", None, D.CHANUNAVAIL, 18),
        ("402 Payment Required", None, D.CHANUNAVAIL, 127),
        ("488 Not Acceptable Here", None, D.CHANUNAVAIL, 58),
        ("500 Server Internal Error", None, D.CHANUNAVAIL, 38),
        ("503 Service Unavailable", None, D.CONGESTION, 34),
        ("487 Request Terminated", 100, D.NOANSWER, 127),
        ("302 Moved Temporarily", None, D.CHANUNAVAIL, 127),
    ],
)
async def test_a_refusal(status: str, ring_ms: int | None, dial_status: DialStatus, q850: int, tmp_path: Path) -> None:
    async with sipp(refusal(status, ring_ms=ring_ms), tmp_path) as peer:
        result, phases = await refused(peer)
    assert (result.dial_status, result.sip_code, result.q850) == (dial_status, int(status[:3]), q850)
    assert result.rang is (ring_ms is not None)
    rang = [CallPhase.RINGING] if result.rang else []
    assert phases == [CallPhase.ORIGINATING, *rang]


@pytest.mark.parametrize("status", ["401 Unauthorized", "407 Proxy Authentication Required"])
async def test_a_challenge_that_we_cannot_meet(status: str, tmp_path: Path) -> None:
    name = "WWW" if status.startswith("401") else "Proxy"
    header = f'{name}-Authenticate: Digest realm="trunk", nonce="1", algorithm=MD5'
    async with sipp(challenge(status, header), tmp_path) as peer:
        result, _ = await refused(peer)
    assert (result.dial_status, result.sip_code) == (D.CHANUNAVAIL, int(status[:3]))


async def test_the_cause_that_the_far_end_sends_is_kept(tmp_path: Path) -> None:
    headers = ['Reason: Q.850;cause=20;text="Subscriber absent"']
    async with sipp(refusal("480 Temporarily Unavailable", headers=headers), tmp_path) as peer:
        result, _ = await refused(peer)
    assert (result.sip_code, result.q850) == (480, 20)


async def test_ringing_out_sends_cancel(tmp_path: Path) -> None:
    async with sipp(ring_out(), tmp_path) as peer:
        result, phases = await refused(peer, ring_timeout_s=0.5)
        assert await peer.until_received("CANCEL")
        assert await peer.until_received("ACK")
    assert (result.dial_status, result.rang, result.q850) == (D.NOANSWER, True, 19)
    assert phases == [CallPhase.ORIGINATING, CallPhase.RINGING]


async def test_a_trunk_that_only_says_trying_is_waited_for_and_then_cancelled(tmp_path: Path) -> None:
    async with sipp(ring_out("100 Trying"), tmp_path) as peer:
        loop = asyncio.get_running_loop()
        start_s = loop.time()
        result, _ = await refused(peer, ring_timeout_s=3.0)
        assert loop.time() - start_s >= 2.9, "longer than for a trunk that says nothing"
        assert await peer.until_received("CANCEL")
    assert (result.dial_status, result.rang) == (D.CHANUNAVAIL, False)


async def test_cancelling_the_task_cancels_the_call(tmp_path: Path) -> None:
    async with sipp(ring_out(), tmp_path) as peer, dialer(peer.port) as trunk:
        dialling = asyncio.create_task(trunk.dial(DialRequest("attempt-1", NUMBER), Phases()))
        await peer.until_received("INVITE")
        dialling.cancel()
        with pytest.raises(asyncio.CancelledError):
            await dialling
        assert await peer.until_received("CANCEL")


async def test_closing_the_dialer_cancels_what_rings(tmp_path: Path) -> None:
    async with sipp(ring_out(), tmp_path) as peer:
        trunk = await SipDialer.open(TrunkConfig("sipp", HOST, peer.port), SipSettings(bind=HOST))
        dialling = asyncio.create_task(trunk.dial(DialRequest("attempt-1", NUMBER), Phases()))
        await peer.until_received("INVITE")
        await trunk.aclose()
        result = await dialling
        assert await peer.until_received("CANCEL")
    assert isinstance(result, NotAnswered)
    assert result.dial_status is D.CANCEL


async def test_a_dead_trunk_is_told_in_bounded_time() -> None:
    async with dialer(free_port()) as trunk, asyncio.timeout(10):
        result = await trunk.dial(DialRequest("attempt-1", NUMBER, ring_timeout_s=45.0), Phases())
    assert isinstance(result, NotAnswered)
    assert (result.dial_status, result.rang, result.sip_code) == (D.CHANUNAVAIL, False, None)


async def test_a_dead_trunk_over_tcp_is_told_at_once() -> None:
    async with dialer(free_port(), transport="tcp") as trunk, asyncio.timeout(10):
        result = await trunk.dial(DialRequest("attempt-1", NUMBER), Phases())
    assert isinstance(result, NotAnswered)
    assert result.dial_status is D.CHANUNAVAIL


async def test_a_host_that_does_not_exist_is_told_in_bounded_time() -> None:
    trunk = TrunkConfig("nowhere", "trunk.invalid")
    async with SipDialer(trunk, SipSettings(bind=HOST, no_response_s=2.0)) as lost, asyncio.timeout(10):
        result = await lost.dial(DialRequest("attempt-1", NUMBER), Phases())
    assert isinstance(result, NotAnswered)
    assert result.dial_status is D.CHANUNAVAIL


async def test_a_telephone_that_rings_after_we_gave_up_is_cancelled(tmp_path: Path) -> None:
    async with sipp(ring_out(silent_ms=3000), tmp_path) as peer, dialer(peer.port) as trunk:
        result = await trunk.dial(DialRequest("attempt-1", NUMBER), Phases())
        assert isinstance(result, NotAnswered)
        assert result.dial_status is D.CHANUNAVAIL
        assert trunk.live_calls == 1, "the INVITE is still watched"
        assert await peer.until_received("CANCEL")
        async with asyncio.timeout(5):
            while trunk.live_calls:  # noqa: ASYNC110
                await asyncio.sleep(0.02)


async def test_a_far_end_bye_is_the_customer(tmp_path: Path) -> None:
    async with sipp(answer(bye_after_ms=300), tmp_path) as peer, dialer(peer.port) as trunk:
        phases = Phases()
        call = await trunk.dial(DialRequest("attempt-1", NUMBER), phases)
        assert not isinstance(call, NotAnswered)
        async with asyncio.timeout(10):
            end = await call.ended()
    assert end.hangup_by is HangupBy.CUSTOMER
    assert end.ended_at > call.answered_at
    assert phases == [CallPhase.ORIGINATING, CallPhase.RINGING, CallPhase.ANSWERED]


async def test_our_hangup_sends_bye(tmp_path: Path) -> None:
    async with sipp(answer(), tmp_path) as peer, dialer(peer.port) as trunk:
        call = await trunk.dial(DialRequest("attempt-1", NUMBER), Phases())
        assert not isinstance(call, NotAnswered)
        await call.hangup()
        assert await peer.until_received("BYE")
        assert (await call.ended()).hangup_by is HangupBy.BOT


async def test_the_invite_carries_attempt_caller_and_headers(tmp_path: Path) -> None:
    async with sipp(refusal("486 Busy Here"), tmp_path) as peer, dialer(peer.port, caller_id="842873000000") as trunk:
        await trunk.dial(DialRequest("attempt-1", NUMBER, headers={"X-Campaign": "Mùa hè"}), Phases())
        await trunk.dial(DialRequest("attempt-2", NUMBER, caller_id="+842899990000"), Phases())
        first, second = await peer.until_received("INVITE", 2)
    assert first.startswith(f"INVITE sip:{NUMBER}@{HOST}:{peer.port}")
    assert "X-Campana-Attempt: attempt-1" in first
    assert "X-Campaign: Mùa hè" in first
    assert "From: <sip:842873000000@" in first
    assert "From: <sip:+842899990000@" in second


async def test_a_pool_of_caller_ids_is_used_in_turn(tmp_path: Path) -> None:
    pool = ("842873000001", "842873000002")
    async with sipp(refusal("486 Busy Here"), tmp_path) as peer, dialer(peer.port, caller_ids=pool) as trunk:
        shown = [trunk.trunk.caller_for(f"attempt-{number}") for number in range(6)]
        for number in range(6):
            await trunk.dial(DialRequest(f"attempt-{number}", NUMBER), Phases())
        invites = await peer.until_received("INVITE", 6)
    assert set(shown) == set(pool)
    assert all(f"From: <sip:{caller}@" in invite for caller, invite in zip(shown, invites, strict=True))


async def test_the_caller_id_may_be_asserted_instead(tmp_path: Path) -> None:
    identity = {"user": "account", "caller_id": "842873000000", "caller_id_in": "p-asserted-identity"}
    async with sipp(refusal("486 Busy Here"), tmp_path) as peer, dialer(peer.port, **identity) as trunk:
        await trunk.dial(DialRequest("attempt-1", NUMBER), Phases())
        (invite,) = await peer.until_received("INVITE")
    assert "From: <sip:account@" in invite
    assert f"P-Asserted-Identity: <sip:842873000000@{HOST}>" in invite


async def test_a_hundred_immediate_refusals_and_none_is_lost(tmp_path: Path) -> None:
    async with sipp(refusal("404 Not Found"), tmp_path) as peer, dialer(peer.port) as trunk:
        async with asyncio.timeout(60):
            requests = (DialRequest(f"attempt-{n}", NUMBER) for n in range(100))
            results = await asyncio.gather(*(trunk.dial(request, Phases()) for request in requests))
        assert trunk.live_calls == 0
    assert [getattr(result, "sip_code", None) for result in results] == [404] * 100
