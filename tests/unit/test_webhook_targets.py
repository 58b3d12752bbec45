"""Where webhooks may be sent, and how they are signed."""

from __future__ import annotations

import pytest

from campaigns.webhook_signing import new_secret, signature
from campaigns.webhook_targets import BadTarget, Target, TargetRefused, addresses_of, is_public, read_url
from web.access import Guard, api_refusal


@pytest.mark.parametrize("address", ["8.8.8.8", "2606:4700::1", "64:ff9b::808:808", "::ffff:8.8.8.8"])
def test_the_public_internet_is_told(address: str) -> None:
    assert is_public(address)


@pytest.mark.parametrize(
    "address",
    [
        *("127.0.0.1", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1", "0.0.0.0"),
        *("224.0.0.1", "255.255.255.255", "::1", "::", "fe80::1%eth0", "fc00::1", "ff02::1"),
        *("::ffff:127.0.0.1", "64:ff9b::7f00:1", "2002:7f00:1::"),
        *("64:ff9b:1::7f00:1", "fec0::1", "::127.0.0.1", "::8.8.8.8", "192.0.0.8", "192.0.0.9", "64:ff9b::c000:9"),
    ],
)
def test_nothing_behind_the_firewall_is_told_however_it_is_written(address: str) -> None:
    assert not is_public(address)


async def test_a_name_is_judged_by_what_it_stands_for() -> None:
    target = read_url("http://localhost:81/x")
    assert target == Target("http", "localhost", 81)
    with pytest.raises(TargetRefused, match=r"private network.*private_targets"):
        await addresses_of(target, private=False)
    assert set(await addresses_of(target, private=True)) <= {"127.0.0.1", "::1"}
    # Numbers in other clothes are resolved as the system does, and judged by that.
    for host in ("2130706433", "0x7f000001", "127.1"):
        with pytest.raises(TargetRefused):
            await addresses_of(read_url(f"http://{host}/"), private=False)


@pytest.mark.parametrize("url", ["gopher://a", "file:///etc/passwd", "http:///x", "https://a b", "http://a:0", "//a"])
def test_only_web_addresses_are_told(url: str) -> None:
    with pytest.raises(BadTarget, match="url"):
        read_url(url)


def test_the_signature_is_that_of_the_specification() -> None:
    # The example of the specification's own libraries.
    secret, at = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "1614265330"
    signed = signature(secret, "msg_p5jXN8AQM9LWM0D4loKWxJek", at, b'{"test": 2432232314}')
    assert signed == "g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
    assert len({new_secret() for _ in range(10)}) == 10


def test_the_api_is_reached_by_the_names_of_the_settings_and_nothing_else_is() -> None:
    from starlette.datastructures import Headers

    outside, here = ("10.0.0.5", 8081), ("127.0.0.1", 8080)
    named = Headers({"host": "api.example.net"})
    assert api_refusal(named, outside, {"api.example.net"}) is None
    assert api_refusal(named, here, {"api.example.net"}) is None
    assert api_refusal(named, here, set()) is not None
    assert api_refusal(Headers({"host": "other.example.net"}), outside, {"api.example.net"}) is not None
    assert api_refusal(Headers({"host": "127.0.0.1:8080"}), here, set()) is None
    assert api_refusal(Headers({"host": "["}), here, set()) is not None
    guard = Guard(lambda *_: None, api_hosts=["API.example.net"])  # type: ignore[arg-type, return-value]
    page = {"type": "http", "method": "GET", "path": "/campaigns", "server": here}
    host = [(b"host", b"api.example.net")]
    assert guard._refusal(page | {"headers": host}) is not None
    assert guard._refusal(page | {"headers": host, "path": "/api/v1/campaigns", "method": "POST"}) is None
