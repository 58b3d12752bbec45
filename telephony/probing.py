"""An optional port of a dialer: asking its trunk cheaply whether calls can be placed again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, runtime_checkable


@dataclass(frozen=True)
class Probe:
    """What a probe found. `ok` means that a call is worth trying, not that it will succeed."""

    ok: bool
    #: For people: `answers 200 OK`.
    text: str


@runtime_checkable
class CanProbe(Protocol):
    """A dialer that can ask its trunk without placing a call; one that cannot is tried with a call."""

    async def probe(self) -> Probe:
        """Ask once, within about ten seconds. Never raises for what the network does."""
        ...
