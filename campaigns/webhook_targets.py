"""Where webhooks may be sent: public web addresses, so that nobody can make Campana speak to the network behind it.

A name is looked up for each delivery, judged by the addresses that it stands for, and the connection goes to the
address that was judged: a name that changes its address in between (DNS rebinding) reaches nothing else.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from campaigns.errors import CampaignError

_LONGEST = 2000


class BadWebhook(CampaignError):
    """What was asked of a webhook cannot be done as it stands."""


class BadTarget(BadWebhook):
    """An address or an event is none that a webhook can have."""


class TargetRefused(CampaignError):
    """A webhook's host is on a private network, or is none."""


@dataclass(frozen=True)
class Target:
    """A web address in its parts."""

    scheme: str
    host: str
    port: int


def read_url(url: str) -> Target:
    """The address of a webhook; raises `BadTarget` with the remedy."""
    if len(url) > _LONGEST or not url.isascii() or not url.isprintable() or " " in url:
        raise BadTarget("url: write an address of at most 2000 ASCII characters, such as https://example.com/hook")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise BadTarget(f"url: this is no web address ({error}); write one such as https://example.com/hook") from error
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise BadTarget("url: only http and https addresses are told; write one such as https://example.com/hook")
    if parts.username is not None or parts.password is not None:
        raise BadTarget("url: leave out user and password; the signature tells the receiver who sends")
    if port == 0:
        raise BadTarget("url: there is no port 0; leave it out, or write the receiver's")
    return Target(parts.scheme, parts.hostname, port or (443 if parts.scheme == "https" else 80))


async def addresses_of(target: Target, *, private: bool) -> Sequence[str]:
    """The addresses of the target's host, all of them allowed; raises `TargetRefused`.

    `private` allows those that only this machine or its network reaches.
    """
    loop = asyncio.get_running_loop()
    try:
        found = await loop.getaddrinfo(target.host, target.port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise TargetRefused(f"the host {target.host} has no address ({error})") from error
    addresses = list(dict.fromkeys(str(entry[4][0]) for entry in found))
    if not private:
        for address in addresses:
            if not is_public(address):
                raise TargetRefused(
                    f"the host {target.host} is {address}, on a private network; the setting webhooks.private_targets "
                    "allows such receivers"
                )
    return addresses


def is_public(address: str) -> bool:
    """Whether an IP address belongs to the public Internet."""
    parsed = ipaddress.ip_address(address.partition("%")[0])
    if any(parsed in network for network in _NEVER_PUBLIC):
        return False
    if isinstance(parsed, ipaddress.IPv6Address):
        # An IPv4 address in IPv6's clothes leads to the IPv4 one.
        inner = parsed.ipv4_mapped or parsed.sixtofour or (parsed.teredo[1] if parsed.teredo else None)
        if inner is not None:
            return is_public(str(inner))
        if parsed in _NAT64:
            return is_public(str(ipaddress.IPv4Address(int(parsed) & 0xFFFFFFFF)))
    return parsed.is_global and not parsed.is_multicast


_NAT64 = ipaddress.ip_network("64:ff9b::/96")
# `is_global` of the standard library lets these through, in whole or in part, depending on its version.
_NEVER_PUBLIC = tuple(
    ipaddress.ip_network(text)
    for text in (
        "192.0.0.0/24",  # IETF protocol assignments (RFC 6890)
        "::/96",  # IPv4-compatible, deprecated (RFC 4291, 2.5.5.1)
        "64:ff9b:1::/48",  # translation within one's own network (RFC 8215)
        "fec0::/10",  # site-local, deprecated (RFC 3879)
    )
)
