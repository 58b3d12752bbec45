"""Who may speak to the dashboard and the API: programs of this machine, and pages of its own.

Until users can log in, it listens on loopback alone. That keeps other machines out, but not other web pages in a
browser of this machine: against DNS rebinding the Host header must name loopback and the port (RFC 9110 §7.2),
and a request that changes something must come from one of our own pages (Fetch Metadata, Origin: RFC 6454).

The API asks every request for a token, which no foreign page can know or make a browser send: requests that change
something need no page of ours behind them, and the settings may name hosts by which others reach it.
"""

from __future__ import annotations

import ipaddress
import json
from collections.abc import Collection
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from web.errors import NotLoopback

_SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
_NAMES = frozenset({"localhost"})
API_PREFIX = "/api/"

SECURITY_HEADERS = {
    "content-security-policy": (
        "default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; object-src 'none'"
    ),
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=()",
}


def is_loopback(host: str) -> bool:
    """Whether the host (name or address, IPv6 with or without brackets) can be reached from this machine alone."""
    bare = host.removeprefix("[").removesuffix("]").lower()
    if bare in _NAMES:
        return True
    try:
        return ipaddress.ip_address(bare).is_loopback
    except ValueError:
        return False


def require_loopback(host: str) -> str:
    """The host, if it is loopback; else raises `NotLoopback` with the remedy."""
    if not is_loopback(host):
        raise NotLoopback(
            f"the dashboard has no log-in yet, so it listens on 127.0.0.1 only, not on {host}; "
            "leave out --host, and reach it from elsewhere through an SSH tunnel"
        )
    return host


def refusal(method: str, headers: Headers, server: tuple[str, int | None] | None) -> str | None:
    """Why a request may not be served, else None; `server` is the address at which it arrived."""
    why = _from_elsewhere(headers, server)
    if why is None and method not in _SAFE_METHODS and not _is_same_origin(headers):
        return "Changes are accepted from the dashboard's own pages only."
    return why


def api_refusal(headers: Headers, server: tuple[str, int | None] | None, hosts: Collection[str]) -> str | None:
    """The same for a request to the API, which may also name one of `hosts`."""
    try:
        name = urlsplit(f"//{headers.get('host', '')}").hostname or ""
    except ValueError:
        return "The Host header names no host."
    return None if name in hosts else _from_elsewhere(headers, server)


def _from_elsewhere(headers: Headers, server: tuple[str, int | None] | None) -> str | None:
    if server is None or not is_loopback(server[0]):
        return "The dashboard answers on this machine only."
    try:
        host = urlsplit(f"//{headers.get('host', '')}")
        port = host.port or 80
    except ValueError:
        return "The Host header names no port."
    if not is_loopback(host.hostname or "") or port != (server[1] or 80):
        return "The Host header must be localhost or 127.0.0.1 with the dashboard's port."
    return None


def _is_same_origin(headers: Headers) -> bool:
    site, origin = headers.get("sec-fetch-site"), headers.get("origin")
    if site is None and origin is None:
        return False
    if site is not None and site != "same-origin":
        return False
    return origin is None or origin == f"http://{headers.get('host')}"


class Guard:
    """ASGI middleware: refuses what `refusal` names, and puts the security headers on every answer."""

    def __init__(self, app: ASGIApp, api_hosts: Collection[str] = ()) -> None:
        self._app = app
        self._api_hosts = frozenset(host.lower() for host in api_hosts)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return

        async def send_guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in SECURITY_HEADERS.items():
                    headers.setdefault(name, value)
                # Pages and exports hold personal data, which must not stay in caches.
                headers.setdefault("cache-control", "no-store")
            await send(message)

        if scope["type"] != "http":
            return
        why = self._refusal(scope)
        if why is not None:
            refused = _problem(why) if _is_api(scope) else PlainTextResponse(f"{why}\n", status_code=403)
            await refused(scope, receive, send_guarded)
            return
        await self._app(scope, receive, send_guarded)

    def _refusal(self, scope: Scope) -> str | None:
        headers, server = Headers(scope=scope), scope.get("server")
        if _is_api(scope):
            return api_refusal(headers, server, self._api_hosts)
        return refusal(scope["method"], headers, server)


def _is_api(scope: Scope) -> bool:
    return str(scope["path"]).startswith(API_PREFIX)


def _problem(why: str) -> Response:
    detail = f"{why} The setting web.api_hosts names further hosts by which the API may be reached."
    told = {"type": "urn:campana:problem:forbidden", "title": "Not allowed", "status": 403, "detail": detail}
    return Response(json.dumps(told), 403, media_type="application/problem+json")
