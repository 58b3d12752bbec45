"""The local addresses at which a browser may reach us: ICE host candidates (RFC 8445 §5.1.1.1)."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from aioice import ice

LOOPBACK = "127.0.0.1"

_every_address: Callable[[bool, bool], list[str]] = ice.get_host_addresses


def offer_addresses(chosen: Sequence[str] = ()) -> None:
    """From now on offer the chosen addresses, or without any those of every interface and loopback.

    aioice leaves loopback out and can be told neither; a browser on a machine without a network has nothing else.
    """

    def addresses(use_ipv4: bool, use_ipv6: bool) -> list[str]:
        found = list(chosen) or [LOOPBACK, *_every_address(use_ipv4, use_ipv6)]
        return [address for address in found if (use_ipv6 if ":" in address else use_ipv4)]

    ice.get_host_addresses = addresses
