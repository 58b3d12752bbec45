"""Offer and answer."""

from __future__ import annotations

import pytest

from telephony.simulator import sdp
from telephony.simulator.errors import SdpError
from telephony.simulator.g711 import PCMA, PCMU
from tests.support_simulator import offer


def _answer(body: bytes) -> str:
    streams = sdp.parse(body)
    return sdp.answer(streams, sdp.agree(streams), "127.0.0.1", 41_000, 1).decode()


@pytest.mark.parametrize(("formats", "law"), [("0 8 101", PCMU), ("8 0 101", PCMA), ("18 8", PCMA), ("0", PCMU)])
def test_the_callers_first_law_that_we_speak_is_taken(formats: str, law: object) -> None:
    assert sdp.agree(sdp.parse(offer(formats=formats))).law is law


def test_a_dynamic_payload_type_is_known_by_its_map() -> None:
    agreed = sdp.agree(sdp.parse(offer(40_000, "96 101", "a=rtpmap:96 pcma/8000/1")))
    assert (agreed.law, agreed.payload_type, agreed.event_type) == (PCMA, 96, 101)


def test_a_law_at_another_rate_is_not_ours() -> None:
    with pytest.raises(SdpError, match="8000"):
        sdp.agree(sdp.parse(offer(40_000, "96", "a=rtpmap:96 PCMU/16000")))


def test_keys_are_agreed_on_only_if_offered() -> None:
    assert sdp.agree(sdp.parse(offer(formats="0 101"))).event_type == 101
    assert sdp.agree(sdp.parse(offer(formats="0"))).event_type is None
    assert "telephone-event" not in _answer(offer(formats="0"))


def test_the_answer_names_one_law_the_keys_and_our_port() -> None:
    answer = _answer(offer(formats="8 0 101"))
    assert "m=audio 41000 RTP/AVP 8 101\r\n" in answer
    assert "a=rtpmap:101 telephone-event/8000\r\n" in answer
    assert answer.startswith("v=0\r\n")
    assert "a=sendrecv" in answer


def test_other_sections_are_refused_in_their_place() -> None:
    body = offer().replace(b"m=audio", b"m=video 5000 RTP/AVP 31\r\nm=audio") + b"m=audio 6000 RTP/SAVP 0\r\n"
    sections = [line for line in _answer(body).splitlines() if line.startswith("m=")]
    assert sections == ["m=video 0 RTP/AVP 31", "m=audio 41000 RTP/AVP 0 101", "m=audio 0 RTP/SAVP 0"]


@pytest.mark.parametrize(
    ("said", "answered"), [("sendonly", "recvonly"), ("recvonly", "sendonly"), ("inactive", "inactive")]
)
def test_directions_are_mirrored(said: str, answered: str) -> None:
    assert f"a={answered}\r\n" in _answer(offer(40_000, "0", f"a={said}"))


def test_a_sections_own_connection_goes_before_the_sessions() -> None:
    agreed = sdp.agree(sdp.parse(offer(40_000, "0", "c=IN IP4 127.0.0.9")))
    assert (agreed.host, agreed.port) == ("127.0.0.9", 40_000)


def test_a_host_name_is_left_to_the_packets_that_come() -> None:
    assert sdp.agree(sdp.parse(offer().replace(b"IN IP4 127.0.0.1\r\nt", b"IN IP4 phone.example\r\nt"))).host is None


@pytest.mark.parametrize(
    "body", [b"", b"hello", b"v=0\r\nm=audio x RTP/AVP 0\r\n", b"v=0\r\nm=audio 70000 RTP/AVP 0\r\n"]
)
def test_malformed_descriptions_are_refused(body: bytes) -> None:
    with pytest.raises(SdpError):
        sdp.parse(body)


@pytest.mark.parametrize("body", [b"v=0\r\n", offer(0), offer(formats="18 101")])
def test_descriptions_without_a_law_of_ours_are_refused(body: bytes) -> None:
    with pytest.raises(SdpError):
        sdp.agree(sdp.parse(body))


def test_our_own_offer_can_be_agreed_on() -> None:
    agreed = sdp.agree(sdp.parse(sdp.offer("127.0.0.1", 41_000, 1)))
    assert (agreed.law, agreed.event_type, agreed.port) == (PCMU, 101, 41_000)
