"""What a browser may offer, and where it may reach us."""

from __future__ import annotations

import re

import pytest
from aioice import ice

from telephony.errors import BadOffer, MediaServerError
from telephony.webrtc.addresses import offer_addresses
from telephony.webrtc.peer import LONGEST_OFFER, check_offer
from telephony.webrtc.server import WebRtcServer
from tests.support_webrtc import QUIET, Browser

SESSION = "v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\n"
AUDIO = "m=audio 9 UDP/TLS/RTP/SAVPF 111\r\nc=IN IP4 0.0.0.0\r\na=rtpmap:111 opus/48000/2\r\n"
VIDEO = "m=video 9 UDP/TLS/RTP/SAVPF 96\r\nc=IN IP4 0.0.0.0\r\na=rtpmap:96 VP8/90000\r\n"
DATA = "m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\nc=IN IP4 0.0.0.0\r\na=sctp-port:5000\r\n"


def test_one_audio_stream_and_a_data_channel_are_taken() -> None:
    check_offer(SESSION + AUDIO + DATA)


@pytest.mark.parametrize(
    ("offer", "why"),
    [
        ("", "nothing|no session description"),
        ("hello", "nothing|no session description"),
        (SESSION, "offers nothing"),
        (SESSION + AUDIO, "offers audio; offer one audio stream and a data channel"),
        (SESSION + AUDIO + AUDIO + DATA, "offers application, audio, audio"),
        (SESSION + AUDIO + VIDEO + DATA, "offers application, audio, video"),
        (SESSION + "a" * LONGEST_OFFER, "at most 50000 are read"),
    ],
)
def test_anything_else_is_refused_with_the_reason(offer: str, why: str) -> None:
    with pytest.raises(BadOffer, match=why):
        check_offer(offer)


def test_loopback_is_offered_beside_the_addresses_of_every_interface() -> None:
    offer_addresses()
    offered = ice.get_host_addresses(use_ipv4=True, use_ipv6=False)
    assert offered[0] == "127.0.0.1"
    assert all(re.fullmatch(r"\d+(\.\d+){3}", address) for address in offered)


def test_chosen_addresses_are_offered_alone() -> None:
    offer_addresses(["192.0.2.7", "2001:db8::7"])
    assert ice.get_host_addresses(use_ipv4=True, use_ipv6=True) == ["192.0.2.7", "2001:db8::7"]
    assert ice.get_host_addresses(use_ipv4=True, use_ipv6=False) == ["192.0.2.7"]
    offer_addresses()


async def test_the_answer_names_only_addresses_of_this_machine_and_asks_no_server() -> None:
    async with WebRtcServer(addresses=["127.0.0.1"]) as server:
        browser = Browser(QUIET, 8000)
        leg, answer = await server.answer(await browser.offer())
        candidates = re.findall(r"a=candidate:.*", answer)
        await browser.close()
        leg.abandon()
    assert candidates
    assert all(" 127.0.0.1 " in line and " typ host" in line for line in candidates)


async def test_a_bad_offer_leaves_nothing_behind() -> None:
    async with WebRtcServer(addresses=["127.0.0.1"]) as server:
        with pytest.raises(BadOffer):
            await server.answer("hello")
        with pytest.raises(ValueError, match="8000 or 16000"):
            await server.answer(SESSION + AUDIO + DATA, 44100)
        assert server.live_legs == 0


async def test_a_closed_server_answers_nobody() -> None:
    server = WebRtcServer(addresses=["127.0.0.1"])
    await server.aclose()
    await server.aclose()
    with pytest.raises(MediaServerError, match="closed"):
        await server.answer(SESSION + AUDIO + DATA)
