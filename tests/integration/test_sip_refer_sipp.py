"""Handing a call over by REFER, with SIPp as the far end: what each answer and each NOTIFY becomes."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from telephony.call import Call, DialRequest, NotAnswered
from telephony.errors import MediaClosed
from telephony.outcomes import HangupBy
from telephony.sip.dialer import SipDialer
from telephony.sip.settings import SipSettings
from telephony.transfer import HandOver, HandsOver, Target, TransferBy
from telephony.trunk import TrunkConfig
from tests.support_sipp import HOST, Sipp, notify, own_bye, refer, sipp, talk

pytestmark = pytest.mark.sipp

AGENT = "+842838000000"


@contextlib.asynccontextmanager
async def _talking(scenario: str, folder: Path, **trunk: object) -> AsyncIterator[tuple[Call, Sipp]]:
    """A call to SIPp that plays the scenario and sends our audio back."""
    async with (
        sipp(scenario, folder, echo=True) as peer,
        SipDialer(TrunkConfig("carrier", HOST, peer.port, **trunk), SipSettings(bind=HOST), region="VN") as dialer,  # type: ignore[arg-type]
    ):
        call = await dialer.dial(DialRequest("handed", "+84900000001"), lambda *_: None)
        assert not isinstance(call, NotAnswered), call
        yield call, peer


async def _hand_over(call: Call, number: str = AGENT, ring_s: float = 60.0) -> HandOver:
    assert isinstance(call, HandsOver)
    async with asyncio.timeout(90):
        return await call.hand_over(Target("sales", number, TransferBy.HAND_OVER, ring_s))


async def _asked(peer: Sipp, count: int = 1) -> list[str]:
    """The REFERs that came, those sent again because an answer was late counted once."""
    async with asyncio.timeout(60):
        while True:
            found = {message.partition("CSeq: ")[2].split()[0]: message for message in peer.received("REFER")}
            if len(found) >= count:
                return list(found.values())
            await asyncio.sleep(0.05)


async def _still_talks(call: Call) -> None:
    async with asyncio.timeout(60):
        await call.media.write(bytes(320))
        assert await call.media.read()


async def test_an_agent_who_answers_takes_the_customer_and_we_hang_up(tmp_path: Path) -> None:
    told = [notify("100 Trying", 1), notify("180 Ringing", 2), notify("200 OK", 3, last=True)]
    async with _talking(talk(refer(), *told), tmp_path) as (call, peer):
        result = await _hand_over(call)
        (asked,) = await _asked(peer)
        await peer.until_received("BYE", 1, 60)
        end = await call.ended()
        with pytest.raises(MediaClosed):
            await call.media.write(bytes(320))
        await call.hangup()
    assert result.answered
    assert not result.kept
    assert result.at == end.ended_at
    assert end.hangup_by is HangupBy.NETWORK
    assert f"Refer-To: <sip:{AGENT}@{HOST}:{peer.port}>" in asked


@pytest.mark.parametrize("status", ["405 Method Not Allowed", "603 Decline"])
async def test_a_refused_refer_leaves_the_customer_with_us(status: str, tmp_path: Path) -> None:
    async with _talking(talk(refer(status)), tmp_path) as (call, peer):
        unsendable = await _hand_over(call, "sip:a@example.net>\r\nX: y")
        result = await _hand_over(call)
        await _still_talks(call)
        await call.hangup()
        end = await call.ended()
        (asked,) = await _asked(peer)
    assert (unsendable.answered, unsendable.kept) == (False, True)
    assert (result.answered, result.kept, result.text) == (False, True, status)
    assert f"Refer-To: <sip:{AGENT}@{HOST}:{peer.port}>" in asked
    assert end.hangup_by is HangupBy.BOT


async def test_an_agent_who_does_not_take_the_call_leaves_the_customer_and_a_second_can_answer(tmp_path: Path) -> None:
    busy = [refer(), notify("100 Trying", 1), notify("486 Busy Here", 2, last=True)]
    async with _talking(talk(*busy, refer(), notify("200 OK", 3, last=True)), tmp_path) as (call, peer):
        first = await _hand_over(call)
        await _still_talks(call)
        second = await _hand_over(call, "sip:sales@example.net;transport=tcp")
        _, asked = await _asked(peer, 2)
        await peer.until_received("BYE", 1, 60)
    assert (first.answered, first.kept, first.text) == (False, True, "486 Busy Here")
    assert second.answered
    assert "Refer-To: <sip:sales@example.net;transport=tcp>" in asked


async def test_a_network_that_never_tells_is_waited_for_as_long_as_the_agent_may_ring(tmp_path: Path) -> None:
    async with _talking(talk(refer(), notify("100 Trying", 1)), tmp_path) as (call, peer):
        result = await _hand_over(call, ring_s=0.5)
        await _asked(peer)
        await _still_talks(call)
        await call.hangup()
    assert (result.answered, result.kept) == (False, True)
    assert result.text is not None
    assert "no transfer outcome" in result.text


async def test_a_customer_who_hangs_up_meanwhile_is_gone(tmp_path: Path) -> None:
    scenario = talk(refer(), notify("100 Trying", 1), own_bye(2), ended_by_us=True)
    async with _talking(scenario, tmp_path) as (call, _):
        result = await _hand_over(call)
        end = await call.ended()
        again = await _hand_over(call)
    assert (result.answered, result.kept) == (False, False)
    assert (again.answered, again.kept) == (False, False)
    assert end.hangup_by is HangupBy.CUSTOMER


async def test_our_own_hangup_ends_the_wait(tmp_path: Path) -> None:
    async with _talking(talk(refer()), tmp_path) as (call, peer):
        waiting = asyncio.create_task(_hand_over(call))
        await _asked(peer)
        await call.hangup()
        result = await waiting
        end = await call.ended()
    assert (result.answered, result.kept) == (False, False)
    assert end.hangup_by is HangupBy.BOT


async def test_a_challenged_refer_is_repeated_with_digest(tmp_path: Path) -> None:
    challenge = 'Proxy-Authenticate: Digest realm="trunk", nonce="n1", algorithm=MD5'
    asked = refer("407 Proxy Authentication Required", headers=[challenge])
    scenario = talk(asked, refer(), notify("200 OK", 1, last=True))
    async with _talking(scenario, tmp_path, user="acct", password="s3cret") as (call, peer):
        result = await _hand_over(call)
        _, repeated = await _asked(peer, 2)
    assert result.answered
    assert "Proxy-Authorization: Digest" in repeated
