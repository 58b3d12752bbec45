"""The SIP codec: what it reads, what it writes, what it refuses."""

from __future__ import annotations

import pytest

from telephony.simulator.errors import SipSyntaxError
from telephony.simulator.sip import (
    Headers,
    Request,
    Response,
    Uri,
    address_uri,
    parameter,
    parse,
    parse_uri,
    sent_by,
    split_list,
    with_parameter,
)
from tests.support_simulator import invite

MINIMAL = (
    b"INVITE sip:+84901000001@127.0.0.1:5080 SIP/2.0\r\n"
    b"v: SIP/2.0/UDP 127.0.0.1:5070;branch=z9hG4bK1, SIP/2.0/UDP 10.0.0.1;branch=z9hG4bK0\r\n"
    b"f: <sip:a@b>;tag=1\r\n"
    b"t: <sip:c@d>\r\n"
    b"i: x@y\r\n"
    b"CSEQ: 7 INVITE\r\n"
    b"Subject: folded\r\n"
    b"\t over lines\r\n"
    b"l: 4\r\n"
    b"\r\n"
    b"bodyrest"
)


def test_compact_names_folding_lists_and_content_length_are_read() -> None:
    message = parse(MINIMAL)
    assert isinstance(message, Request)
    assert message.method == "INVITE"
    assert message.uri == "sip:+84901000001@127.0.0.1:5080"
    assert len(message.headers.all("Via")) == 2
    assert message.headers["Subject"] == "folded over lines"
    assert message.cseq == (7, "INVITE")
    assert message.call_id == "x@y"
    assert message.body == b"body"


def test_without_content_length_the_body_is_the_rest_of_the_datagram() -> None:
    message = parse(MINIMAL.replace(b"l: 4\r\n", b""))
    assert message.body == b"bodyrest"


def test_leading_empty_lines_are_passed_over() -> None:
    assert parse(b"\r\n\r\n" + MINIMAL) == parse(MINIMAL)


def test_a_request_survives_writing_and_reading() -> None:
    first = invite(fields=(("record-route", "<sip:10.0.0.1;lr>"), ("x-campana-attempt", "a1")))
    again = parse(first.encode())
    assert isinstance(again, Request)
    assert again.headers.get("X-Campana-Attempt") == "a1"
    assert again.encode() == first.encode()


def test_a_response_survives_writing_and_reading() -> None:
    headers = [(name, invite().headers[name]) for name in ("via", "from", "to", "call-id", "cseq")]
    first = Response(Headers(headers), b"x", status=486, reason="Busy Here")
    again = parse(first.encode())
    assert isinstance(again, Response)
    assert (again.status, again.reason, again.body) == (486, "Busy Here", b"x")


def test_bytes_that_are_no_utf8_come_out_as_they_went_in() -> None:
    datagram = MINIMAL.replace(b"folded", b"caf\xe9")
    assert b"caf\xe9" in parse(datagram).encode()


@pytest.mark.parametrize(
    ("find", "put"),
    [
        (b"SIP/2.0\r\nv", b"SIP/3.0\r\nv"),
        (b"t: <sip:c@d>\r\n", b""),
        (b"i: x@y\r\n", b""),
        (b"7 INVITE", b"7 BYE"),
        (b"7 INVITE", b"seven INVITE"),
        (b"7 INVITE", b"99999999999999999999 INVITE"),
        (b"l: 4", b"l: 400"),
        (b"l: 4", b"l: four"),
        (b"Subject: folded", b"Subject folded"),
        (b"v: SIP/2.0/UDP", b"v: HTTP/1.1"),
        (b"\r\n\r\n", b"\r\n"),
        (b"INVITE sip", b" continued\r\nINVITE sip"),
    ],
)
def test_what_is_no_sip_is_refused(find: bytes, put: bytes) -> None:
    damaged = MINIMAL.replace(find, put, 1)
    assert damaged != MINIMAL
    with pytest.raises(SipSyntaxError):
        parse(damaged)


def test_a_line_break_cannot_be_smuggled_into_a_header() -> None:
    with pytest.raises(SipSyntaxError, match="line break"):
        invite(fields=(("subject", "a\r\nX-Evil: 1"),)).encode()


def test_commas_in_quotes_and_brackets_do_not_split() -> None:
    assert split_list('"a, \\", b" <sip:x,y@z>;p=1, <sip:q@r>') == ['"a, \\", b" <sip:x,y@z>;p=1', "<sip:q@r>"]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("<sip:a@b>;tag=abc", "abc"),
        ("<sip:a@b;tag=inner>", None),
        ('"x;tag=quoted" <sip:a@b>;Tag=abc;q=1', "abc"),
        ("sip:a@b;tag=abc", "abc"),
        ("<sip:a@b>;tag", ""),
        ("<sip:a@b>", None),
    ],
)
def test_parameters_are_those_of_the_header_not_of_the_address(value: str, expected: str | None) -> None:
    assert parameter(value, "tag") == expected


def test_setting_a_parameter_replaces_it_and_leaves_the_address_alone() -> None:
    assert with_parameter("<sip:a@b;tag=in>;tag=old;q=1", "tag", "new") == "<sip:a@b;tag=in>;q=1;tag=new"
    assert with_parameter("SIP/2.0/UDP h:1;rport;branch=z", "rport", "9") == "SIP/2.0/UDP h:1;branch=z;rport=9"


@pytest.mark.parametrize(
    ("uri", "expected"),
    [
        ("sip:+84901000001@127.0.0.1:5080", Uri("+84901000001", "127.0.0.1", 5080)),
        ("sip:0901;phone-context=+84@host;user=phone", Uri("0901", "host", None)),
        ("sips:a%2Bb:secret@[::1]:5061;transport=tls?x=y", Uri("a+b", "::1", 5061)),
        ("sip:host", Uri("", "host", None)),
    ],
)
def test_sip_uris(uri: str, expected: Uri) -> None:
    assert parse_uri(uri) == expected


@pytest.mark.parametrize("uri", ["tel:+84901", "sip:a@h:0", "sip:a@h:99999", "http://x", ""])
def test_other_uris_are_refused(uri: str) -> None:
    with pytest.raises(SipSyntaxError):
        parse_uri(uri)


def test_the_address_inside_a_header() -> None:
    assert address_uri('"A <b>" <sip:a@b;lr>;tag=1') == "sip:a@b;lr"
    assert address_uri("sip:a@b;tag=1") == "sip:a@b"
    assert sent_by("SIP/2.0/UDP 10.0.0.1:5070;branch=z") == "10.0.0.1:5070"
    assert sent_by("SIP/2.0/UDP") == ""
