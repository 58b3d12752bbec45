"""Who may speak to the dashboard."""

from __future__ import annotations

import pytest
from starlette.datastructures import Headers

from web.access import is_loopback, refusal, require_loopback
from web.errors import NotLoopback

HERE = ("127.0.0.1", 8080)


def _refusal(method: str = "GET", server: tuple[str, int | None] | None = HERE, **headers: str) -> str | None:
    named = {name.replace("_", "-"): value for name, value in ({"host": "127.0.0.1:8080"} | headers).items()}
    return refusal(method, Headers(named), server)


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.8.8", "localhost", "LOCALHOST", "::1", "[::1]"])
def test_loopback_is_served(host: str) -> None:
    assert require_loopback(host) == host


@pytest.mark.parametrize(
    "host", ["0.0.0.0", "::", "", "192.168.1.4", "example.com", "localhost.example.com", "127.0.0.1.nip.io"]
)
def test_anything_else_is_refused_with_the_remedy(host: str) -> None:
    assert not is_loopback(host)
    with pytest.raises(NotLoopback, match="SSH tunnel"):
        require_loopback(host)


@pytest.mark.parametrize("host", ["127.0.0.1:8080", "localhost:8080", "[::1]:8080"])
def test_the_host_header_may_name_loopback_and_the_port(host: str) -> None:
    assert _refusal(host=host) is None


@pytest.mark.parametrize(
    "host",
    [
        "",
        "evil.example:8080",
        "127.0.0.1",
        "127.0.0.1:80",
        "localhost:99999",
        "localhost:x",
        "evil.example#@127.0.0.1:8080",
    ],
)
def test_a_rebound_name_or_another_port_is_refused(host: str) -> None:
    assert "Host header" in (_refusal(host=host) or "")


@pytest.mark.parametrize("server", [None, ("0.0.0.0", 8080), ("192.168.1.4", 8080)])
def test_a_request_that_came_in_from_outside_is_refused(server: tuple[str, int | None] | None) -> None:
    assert "this machine" in (_refusal(server=server) or "")


@pytest.mark.parametrize(
    ("headers", "is_allowed"),
    [
        ({"sec_fetch_site": "same-origin"}, True),
        ({"sec_fetch_site": "same-origin", "origin": "http://127.0.0.1:8080"}, True),
        ({"origin": "http://127.0.0.1:8080"}, True),
        ({}, False),
        ({"sec_fetch_site": "cross-site"}, False),
        ({"sec_fetch_site": "same-site"}, False),
        ({"sec_fetch_site": "none"}, False),
        ({"origin": "null"}, False),
        ({"origin": "https://evil.example"}, False),
        ({"sec_fetch_site": "same-origin", "origin": "http://127.0.0.1:9999"}, False),
    ],
)
def test_changes_come_from_our_own_pages_only(headers: dict[str, str], is_allowed: bool) -> None:
    assert (_refusal("POST", **headers) is None) is is_allowed
    assert _refusal("GET", **headers) is None
