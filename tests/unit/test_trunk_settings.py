"""Trunks: their settings, their mistakes, and how each wants a number written."""

from __future__ import annotations

from typing import Any

import pytest

from telephony.errors import InvalidNumber, InvalidTrunk
from telephony.trunk import AsteriskTrunk, NumberFormat, TrunkConfig, format_number, is_diallable


def trunk(**changes: Any) -> TrunkConfig:
    return TrunkConfig(**{"name": "main", "host": "sip.example.com", **changes})


def pbx(**changes: Any) -> AsteriskTrunk:
    known = {"name": "pbx", "host": "192.0.2.20", "user": "bot", "password": "s3cret"}
    return AsteriskTrunk(**{**known, "dial_string": "PJSIP/{number}@carrier", **changes})


@pytest.mark.parametrize(
    ("e164", "fmt", "region", "written"),
    [
        ("+84912345678", NumberFormat.DEFAULT, "VN", "+84912345678"),
        ("+84912345678", NumberFormat.E164, "VN", "+84912345678"),
        ("+84912345678", NumberFormat.PLAIN, "VN", "84912345678"),
        ("+84912345678", NumberFormat.NATIONAL, "VN", "0912345678"),
        ("+842873000000", NumberFormat.NATIONAL, "VN", "02873000000"),
        ("+14155552671", NumberFormat.NATIONAL, "US", "4155552671"),
        ("+442071838750", NumberFormat.NATIONAL, "GB", "02071838750"),
        ("+390612345678", NumberFormat.NATIONAL, "IT", "0612345678"),
    ],
)
def test_numbers_are_written_as_the_trunk_wants(e164: str, fmt: NumberFormat, region: str, written: str) -> None:
    assert format_number(e164, fmt, region) == written


@pytest.mark.parametrize("region", ["VN", None])
def test_a_foreign_number_is_never_written_nationally(region: str | None) -> None:
    assert format_number("+442071838750", NumberFormat.NATIONAL, region) == "+442071838750"


@pytest.mark.parametrize("wrong", ["0912345678", "84912345678", "+0912345678", "+84 912 345 678", "", "+84912x45678"])
def test_what_is_not_e164_is_refused(wrong: str) -> None:
    with pytest.raises(InvalidNumber, match=r"E\.164"):
        format_number(wrong, NumberFormat.PLAIN, "VN")


def test_a_country_code_that_does_not_exist_is_refused() -> None:
    with pytest.raises(InvalidNumber):
        format_number("+999123456789", NumberFormat.PLAIN)


def test_default_leaves_even_an_extension_alone() -> None:
    assert format_number("1001", NumberFormat.DEFAULT) == "1001"


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"name": ""}, "name is empty"),
        ({"kind": "isdn"}, "only sip"),
        ({"host": "sip:example.com"}, "host name"),
        ({"host": "two hosts"}, "host name"),
        ({"host": "example.com\r\nX: y"}, "host name"),
        ({"port": 0}, "1 to 65535"),
        ({"transport": "sctp"}, "udp, tcp or tls"),
        ({"register": True}, "needs a user"),
        ({"user": "a b"}, "printable"),
        ({"user": ""}, "not empty"),
        ({"auth_user": "a;b"}, "without any of"),
        ({"outbound_proxy": 'p"q'}, "without any of"),
        ({"password": 'quo"te'}, "cannot carry"),
        ({"password": "line\nend"}, "cannot carry"),
        ({"caller_id": "CAMPANA"}, "give digits"),
        ({"channels": 0}, "at least 1"),
        ({"cps": 0}, "more than 0"),
        ({"codecs": ()}, "at least one"),
        ({"codecs": ("speex",)}, "choose among"),
        ({"number_format": "roman"}, "choose default, e164"),
    ],
)
def test_every_mistake_names_the_trunk_and_the_remedy(changes: dict[str, Any], told: str) -> None:
    with pytest.raises(InvalidTrunk, match=told) as refused:
        trunk(**changes)
    assert str(refused.value).startswith("trunk")


def test_a_password_shows_nowhere() -> None:
    config = trunk(user="u", password="s3cret")
    assert "s3cret" not in repr(config)
    with pytest.raises(InvalidTrunk) as refused:
        trunk(password='s3cret"')
    assert "s3cret" not in str(refused.value)


def test_addresses_stand_in_a_uri_as_they_must() -> None:
    assert trunk(port=5080).address == "sip.example.com:5080"
    assert trunk(host="2001:db8::1").address == "[2001:db8::1]:5060"


def test_a_number_format_may_come_as_text() -> None:
    assert trunk(number_format="plain").number_format is NumberFormat.PLAIN


@pytest.mark.parametrize(
    ("number", "dialled"),
    [("+84912345678", True), ("*21#", True), ("1001", True), ("", False), ("+", False), ("12 34", False)]
    + [(bad, False) for bad in ("1;x=y", "1@evil", "1\r\nX: y", "٣٤", "1" * 33)],
)
def test_only_digits_and_keys_reach_a_request_line(number: str, dialled: bool) -> None:
    assert is_diallable(number) is dialled


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"kind": "sip"}, "only asterisk"),
        ({"host": "two hosts"}, "host name"),
        ({"port": 0}, "1 to 65535"),
        ({"dial_string": "PJSIP/carrier"}, r"write \{number\}"),
        ({"dial_string": "PJSIP/{phone}@{number}"}, r"write \{number\}"),
        ({"dial_string": "{number}"}, "channel driver"),
        ({"dial_string": "PJSIP/{number}@a&PJSIP/1@b"}, "one destination"),
        ({"dial_string": "PJSIP/{number}@a,30"}, "one destination"),
        ({"dial_string": "PJSIP/{number}@a\r\nAction: Command"}, "one destination"),
        ({"user": ""}, "section of manager.conf"),
        ({"user": "a b"}, "section of manager.conf"),
        ({"password": ""}, "secret of the manager user"),
        ({"password": "s3cret\n"}, "secret of the manager user"),
        ({"tls_ca": "x.pem"}, "for tls = true"),
        ({"media_port": 65536}, "up to 65535"),
        ({"media_bind": "0.0.0.0:4573"}, "without port"),
        ({"media_advertise": "http://x"}, "without port"),
        ({"caller_id": "Bell"}, "give digits"),
        ({"caller_ids": ("1", "Bell")}, "give digits"),
        ({"number_format": "roman"}, "choose default"),
        ({"channels": 0}, "at least 1"),
        ({"cps": 0}, "more than 0"),
    ],
)
def test_every_mistake_of_an_asterisk_trunk_is_named(changes: dict[str, Any], told: str) -> None:
    with pytest.raises(InvalidTrunk, match=told) as refused:
        pbx(**changes)
    assert str(refused.value).startswith("trunk 'pbx'")
    assert "s3cret" not in f"{refused.value} {pbx()!r}"


@pytest.mark.parametrize(
    ("dial_string", "dialled", "technology"),
    [
        ("PJSIP/{number}@carrier", "PJSIP/+84912@carrier", "PJSIP"),
        ("PJSIP/carrier/sip:{number}@192.0.2.1:5080", "PJSIP/carrier/sip:+84912@192.0.2.1:5080", "PJSIP"),
        ("SIP/carrier/{number}", "SIP/carrier/+84912", "SIP"),
        ("Local/{number}@from-internal/n", "Local/+84912@from-internal/n", "Local"),
    ],
)
def test_the_number_goes_where_the_dial_string_says(dial_string: str, dialled: str, technology: str) -> None:
    trunk = pbx(dial_string=dial_string)
    assert (trunk.channel("+84912"), trunk.technology) == (dialled, technology)


@pytest.mark.parametrize("kind", [trunk, pbx])
def test_a_pool_of_caller_ids_is_spread_evenly_and_fixed_for_each_attempt(kind: Any) -> None:
    pool = ("84280001", "84280002", "84280003")
    asked = kind(caller_id="84289999", caller_ids=pool)
    shown = [asked.caller_for(f"attempt-{number}") for number in range(900)]
    assert shown == [kind(caller_ids=pool).caller_for(f"attempt-{number}") for number in range(900)]
    assert all(200 < shown.count(number) < 400 for number in pool)
    assert kind(caller_id="84289999").caller_for("a") == "84289999"
    assert kind().caller_for("a") is None


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"media": "webrtc"}, "choose audiosocket or websocket"),
        ({"media": "websocket"}, "media_port is 0: give the port that stands in"),
        ({"media": "websocket", "media_port": 9092, "websocket_client": "a/b"}, "section of websocket_client.conf"),
    ],
)
def test_audio_by_websocket_needs_what_asterisk_is_told(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(InvalidTrunk, match=said):
        pbx(**changes)
    assert pbx(media="websocket", media_port=9092).dials_media


@pytest.mark.parametrize(
    ("changes", "channel"),
    [
        ({}, "Local/100@from-internal"),
        ({"wideband": True}, "Local/100@from-internal/n"),
        ({"media": "websocket", "media_port": 9092}, "Local/100@from-internal/n"),
        ({"wideband": True, "dial_string": "Local/{number}@x/n"}, "Local/100@x/n"),
        ({"wideband": True, "dial_string": "PJSIP/{number}@x"}, "PJSIP/100@x"),
    ],
)
def test_a_local_channel_between_two_bridges_is_kept(changes: dict[str, Any], channel: str) -> None:
    assert pbx(**{"dial_string": "Local/{number}@from-internal", **changes}).channel("100") == channel
