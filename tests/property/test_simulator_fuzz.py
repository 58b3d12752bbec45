"""Whatever comes over the wire, the simulator's codecs raise nothing but their own errors."""

from __future__ import annotations

import contextlib

from hypothesis import given, settings
from hypothesis import strategies as st

from telephony.simulator import rtp, sdp
from telephony.simulator.errors import SdpError, SipSyntaxError
from telephony.simulator.g711 import PCMA, PCMU
from telephony.simulator.numbers import Directory
from telephony.simulator.persona import Persona
from telephony.simulator.sip import Headers, Request, Response, parse, parse_uri, split_list
from tests.support_simulator import Desk, follow, invite, offer, ok_for

TEMPLATES = (
    invite().encode(),
    invite(fields=(("record-route", "<sip:a;lr>, <sip:b>"), ("require", "x"))).encode(),
    follow(invite(), "BYE", "<sip:x@y>;tag=1").encode(),
    ok_for(invite()).encode(),
)
#: Pieces that SIP gives a meaning to, so that damage lands where it may hurt.
PIECES = st.sampled_from(
    [b"\r\n", b"\r\n\r\n", b";tag=", b"<", b">", b'"', b",", b":", b"SIP/2.0", b"9" * 30, b"\xff", b"\0"]
)


@st.composite
def damaged(draw: st.DrawFn, texts: tuple[bytes, ...]) -> bytes:
    """A true message with a few places cut out and other things put in."""
    text = draw(st.sampled_from(texts))
    for _ in range(draw(st.integers(1, 6))):
        start = draw(st.integers(0, len(text)))
        end = draw(st.integers(start, min(len(text), start + 40)))
        text = text[:start] + draw(st.one_of(PIECES, st.binary(max_size=12))) + text[end:]
    return text


@given(st.one_of(st.binary(max_size=400), damaged(TEMPLATES)))
@settings(max_examples=600)
def test_the_sip_codec_reads_or_refuses(datagram: bytes) -> None:
    with contextlib.suppress(SipSyntaxError):
        message = parse(datagram)
        assert isinstance(message, Request | Response)
        assert parse(message.encode()).encode() == message.encode()


@given(st.lists(st.one_of(st.binary(max_size=200), damaged(TEMPLATES)), max_size=5), st.sampled_from([True, False]))
@settings(max_examples=300)
def test_the_agent_survives_everything(datagrams: list[bytes], answers: bool) -> None:
    desk = Desk(answers=answers)
    first = desk.answered() if answers else invite()
    for datagram in datagrams:
        desk.receive(datagram)
        desk.pass_time(0.1)
    desk.receive(follow(first, "OPTIONS", "<sip:x@y>"))
    assert desk.last().status == 200


@given(damaged((invite(body=b"").encode().partition(b"\r\n\r\n")[0],)), st.binary(max_size=200))
@settings(max_examples=200)
def test_an_answer_to_a_damaged_invite_never_raises(head: bytes, body: bytes) -> None:
    desk = Desk()
    desk.receive(head + b"\r\n\r\n" + body)
    for leg in desk.legs:
        leg.ring()
        leg.answer("127.0.0.1", 41_000, desk.now)
        leg.hangup(desk.now)
    desk.pass_time(33)


@given(st.one_of(st.binary(max_size=300), damaged((offer(), offer(40_000, "96", "a=rtpmap:96 PCMA/8000")))))
@settings(max_examples=400)
def test_descriptions_are_read_or_refused(text: bytes) -> None:
    with contextlib.suppress(SdpError):
        streams = sdp.parse(text)
        agreed = sdp.agree(streams)
        sdp.parse(sdp.answer(streams, agreed, "127.0.0.1", 41_000, 1))


@given(st.one_of(st.binary(max_size=60), st.binary(max_size=60).map(lambda tail: b"\x80" + tail)))
@settings(max_examples=400)
def test_media_packets_are_read_or_passed_over(datagram: bytes) -> None:
    packet = rtp.parse(datagram)
    if packet is not None:
        assert len(packet.payload) <= len(datagram) - 12
        rtp.parse_key(packet.payload)


@given(st.text(max_size=60))
def test_uris_and_lists_are_read_or_refused(text: str) -> None:
    assert all(split_list(text))
    with contextlib.suppress(SipSyntaxError):
        parse_uri(text)
    with contextlib.suppress(SipSyntaxError):
        parse_uri(f"sip:{text}@127.0.0.1")
    Directory([Persona(("+84901000001",), "A")]).find(text)


@given(st.binary(max_size=400))
def test_both_laws_take_any_sound(pcm: bytes) -> None:
    for law in (PCMU, PCMA):
        payload = law.encode(pcm)
        assert len(payload) == len(pcm) // 2
        assert law.decode(law.encode(law.decode(payload))) == law.decode(payload)


@given(st.text(alphabet=st.characters(blacklist_characters="\r\n", blacklist_categories=["Cs"]), max_size=40))
def test_header_values_come_back_trimmed(value: str) -> None:
    message = invite(fields=(("x-any", value.strip()),))
    again = parse(message.encode())
    assert Headers([("x-any", again.headers["x-any"])]) == Headers([("x-any", value.strip())])
