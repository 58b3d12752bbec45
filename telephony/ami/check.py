"""What an Asterisk trunk needs, asked without ringing any telephone."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import re
from collections.abc import AsyncIterator, Awaitable
from dataclasses import dataclass
from enum import Enum
from typing import Final
from uuid import uuid4

from telephony.ami.account import AmiTimes, account_of
from telephony.ami.bringing import Brought, bring_audio, open_media_server, tells_of
from telephony.ami.client import AmiClient
from telephony.ami.errors import ActionRefused, AmiError, AmiUnreachable
from telephony.errors import MediaServerError
from telephony.media.server import MediaServer
from telephony.media.websocket_connection import PATH
from telephony.trunk import AsteriskTrunk

_EVENT_S: Final = 3.0
#: A channel driver that nobody has: Asterisk refuses it, and tells of it by an event as of any call.
_NO_CHANNEL: Final = "CampanaCheck/0"
_ENDPOINT: Final = re.compile(
    r"PJSIP/(?:[^@/]*@(?P<at>[^/]+)|(?P<first>[^@/{}]+)/.*|(?P<only>[^@/{}]+))", re.IGNORECASE
)


class Verdict(Enum):
    """How a check came out. `UNSURE` may keep calls from working, and cannot be told from here."""

    GOOD = "good"
    UNSURE = "unsure"
    BAD = "bad"


@dataclass(frozen=True)
class Checked:
    """One check: what was looked at, what was found, and the remedy when something is wrong."""

    what: str
    verdict: Verdict
    found: str
    remedy: str = ""


async def check(trunk: AsteriskTrunk, times: AmiTimes | None = None) -> AsyncIterator[Checked]:
    """Every check that makes sense after what the ones before found. Never raises for what it finds."""
    client = AmiClient(account_of(trunk), times)
    try:
        await client.open()
    except AmiError as exc:
        remedy = "check user and password of the trunk"
        if isinstance(exc, AmiUnreachable):
            remedy = "check host and port of the trunk; in manager.conf enabled = yes and bindaddr; and the firewall"
        yield Checked("login", Verdict.BAD, str(exc), remedy)
        return
    try:
        yield Checked("login", Verdict.GOOD, f"{trunk.user} at {client.account.address}, {client.version}")
        steps = {"permissions": _permissions, "events": _events, "dial string": _destination, "audio": _media}
        for what, step in steps.items():
            yield await _without_raising(step(client, trunk), what)
    finally:
        await client.aclose()


async def has_events(client: AmiClient) -> bool:
    """Whether call events reach us (read=call). Raises `AmiError`, such as `PermissionDenied` without originate."""
    number = f"check-{uuid4().hex}"
    events = client.subscribe()
    try:
        fields = [("Channel", _NO_CHANNEL), ("Application", "Wait"), ("Data", "1"), ("Async", "true")]
        await client.action("Originate", fields, action_id=number)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_EVENT_S):
                async for event in events:
                    if tells_of(event, number):
                        return True
        return False
    finally:
        events.close()


async def reachable_contacts(client: AmiClient, trunk: AsteriskTrunk) -> tuple[str, str, bool] | None:
    """The PJSIP endpoint of the dial string, its contacts that qualify has not found dead, and whether it exists.

    None where the dial string names no endpoint. Raises `AmiError`.
    """
    found = _ENDPOINT.fullmatch(trunk.dial_string)
    if found is None:
        return None
    endpoint = found["at"] or found["first"] or found["only"]
    contacts = await _value(client, f"PJSIP_DIAL_CONTACTS({endpoint})")
    known = bool(contacts) or bool(await _value(client, f"PJSIP_ENDPOINT({endpoint},context)"))
    return endpoint, contacts, known


async def _permissions(client: AmiClient, trunk: AsteriskTrunk) -> Checked:
    allowed = {key for key, _ in (await client.action("ListCommands")).fields}
    missing = [needed for action, needed in (("Originate", "originate"), ("Hangup", "call")) if action not in allowed]
    if not missing:
        return Checked("permissions", Verdict.GOOD, "may originate and hang up")
    found = f"manager user {trunk.user!r} lacks {' and '.join(missing)}"
    remedy = f"add {','.join(missing)} to write= of [{trunk.user}] in manager.conf, then: manager reload"
    return Checked("permissions", Verdict.BAD, found, remedy)


async def _events(client: AmiClient, trunk: AsteriskTrunk) -> Checked:
    if await has_events(client):
        return Checked("events", Verdict.GOOD, "events of calls arrive")
    remedy = f"add call to read= of [{trunk.user}] in manager.conf, then: manager reload"
    return Checked("events", Verdict.BAD, "no event of a call arrives", remedy)


async def _destination(client: AmiClient, trunk: AsteriskTrunk) -> Checked:
    what = "dial string"
    asked = await reachable_contacts(client, trunk)
    if asked is None:
        remedy = "only for PJSIP endpoints can Asterisk be asked; try it: campana call"
        return Checked(what, Verdict.GOOD, f"{trunk.dial_string} ({remedy})")
    endpoint, contacts, known = asked
    if contacts or (known and "sip:" in trunk.dial_string.lower()):
        return Checked(what, Verdict.GOOD, f"{trunk.dial_string}: {contacts or 'endpoint ' + endpoint + ' is known'}")
    if known:
        found = f"{trunk.dial_string}: endpoint {endpoint!r} has no contact that answers"
        remedy = f"see pjsip show endpoint {endpoint}: registration, contact= and qualify of its aor; calls end as CU"
        return Checked(what, Verdict.BAD, found, remedy)
    found = f"{trunk.dial_string}: Asterisk does not tell of an endpoint {endpoint!r}"
    remedy = "see pjsip show endpoints for its name (known or not is told by the module func_pjsip_endpoint)"
    return Checked(what, Verdict.BAD, found, remedy)


async def _media(client: AmiClient, trunk: AsteriskTrunk) -> Checked:
    """Have Asterisk itself connect an audio channel to us; no telephone is part of it."""
    bind = trunk.media_bind or client.local_host
    try:
        server = await open_media_server(trunk, bind)
    except MediaServerError as exc:
        return Checked("audio", Verdict.BAD, str(exc), "a node that dials may hold the port; else set media_bind")
    try:
        address = server.host_port
        if _is_loopback(trunk.media_advertise or bind) and not _is_loopback(trunk.host):
            remedy = "set media_bind or media_advertise to an address of this machine that Asterisk reaches"
            return Checked("audio", Verdict.BAD, f"{address} is this machine's loopback, not the PBX's", remedy)
        return await check_audio(client, trunk, server, address)
    finally:
        await server.aclose()


async def check_audio(client: AmiClient, trunk: AsteriskTrunk, server: MediaServer, address: str) -> Checked:
    """Whether Asterisk connects an audio channel to the server at `address`. Raises `AmiError`, `MediaServerError`."""
    brought = await bring_audio(client, trunk, server, address)
    if brought is Brought.CONNECTED:
        return Checked("audio", Verdict.GOOD, f"Asterisk connects to {address}")
    if trunk.media == "websocket":
        return _no_websocket(brought, trunk.websocket_client, address)
    remedy = (
        "open that port from the PBX to this machine, or set media_advertise to an address that it reaches "
        "(chan_audiosocket.so and app_audiosocket.so must be loaded there)"
    )
    return Checked("audio", Verdict.UNSURE, f"Asterisk did not connect to {address}", remedy)


def _no_websocket(brought: Brought, section: str, address: str) -> Checked:
    uri = f"ws://{address}{PATH}"
    if brought is Brought.NO_DRIVER:
        remedy = "load chan_websocket.so (Asterisk 22.8, 20.18, 23.2 or later), or set media = audiosocket"
        return Checked("audio", Verdict.BAD, "Asterisk has no channel driver WebSocket", remedy)
    if brought is Brought.NO_SECTION:
        remedy = (
            f"add [{section}] with type = websocket_client, uri = {uri}, protocols = media, connection_type = "
            "per_call_config, tls_enabled = no; then: module reload res_websocket_client.so"
        )
        return Checked("audio", Verdict.BAD, f"websocket_client.conf of Asterisk has no section [{section}]", remedy)
    remedy = (
        f"the uri of [{section}] in websocket_client.conf must be {uri}; else open that port from the PBX to this "
        "machine, or set media_advertise to an address that it reaches"
    )
    return Checked("audio", Verdict.UNSURE, f"Asterisk did not connect to {address}", remedy)


async def _without_raising(step: Awaitable[Checked], what: str) -> Checked:
    try:
        return await step
    except AmiError as exc:
        return Checked(what, Verdict.BAD, str(exc), "the manager interface must answer and permit this")


async def _value(client: AmiClient, expression: str) -> str:
    try:
        return (await client.action("Getvar", [("Variable", expression)])).get("Value")
    except ActionRefused:
        return ""


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
