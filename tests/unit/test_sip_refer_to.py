"""Whom the network is asked to call: numbers in the trunk's form, URIs as they are, nothing that forges a header."""

from __future__ import annotations

import pytest

from telephony.sip.refer import InvalidTarget, refer_to
from telephony.trunk import NumberFormat, TrunkConfig

AGENT = "+842838000000"


@pytest.mark.parametrize(
    ("number", "trunk", "uri"),
    [
        (AGENT, TrunkConfig("t", "sip.example.net"), "sip:+842838000000@sip.example.net:5060"),
        (AGENT, TrunkConfig("t", "1.2.3.4", number_format=NumberFormat.NATIONAL), "sip:02838000000@1.2.3.4:5060"),
        (AGENT, TrunkConfig("t", "1.2.3.4", number_format=NumberFormat.PLAIN), "sip:842838000000@1.2.3.4:5060"),
        (AGENT, TrunkConfig("t", "1.2.3.4", 5061, transport="tls"), "sip:+842838000000@1.2.3.4:5061;transport=tls"),
        ("101", TrunkConfig("t", "1.2.3.4", number_format=NumberFormat.NATIONAL), "sip:101@1.2.3.4:5060"),
        ("*72#", TrunkConfig("t", "::1"), "sip:*72%23@[::1]:5060"),
        ("sip:sales@example.net;transport=tcp", TrunkConfig("t", "::1"), "sip:sales@example.net;transport=tcp"),
        ("SIPS:sales@example.net", TrunkConfig("t", "::1"), "SIPS:sales@example.net"),
    ],
)
def test_the_target_as_the_network_reads_it(number: str, trunk: TrunkConfig, uri: str) -> None:
    assert refer_to(number, trunk, "VN") == uri


@pytest.mark.parametrize(
    "number",
    [
        "",
        "12;34",
        "a@b",
        "tel:+8428",
        "+1",
        "sip:",
        "sip:a b@example.net",
        "sip:a@example.net>\r\nX: y",
        "sip:a@example.net?Replaces=1",
        "sip:a@example.net,sip:b@example.net",
        "sip:a\x00@example.net",
        "sip:" + "a" * 300,
    ],
)
def test_what_could_forge_a_request_is_refused_with_a_reason(number: str) -> None:
    with pytest.raises(InvalidTarget) as refused:
        refer_to(number, TrunkConfig("t", "1.2.3.4"), "VN")
    assert str(refused.value)
