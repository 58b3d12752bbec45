"""A call that was given to the PBX's dialplan: who joined it and who left, told by manager events. No I/O."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Collection
from dataclasses import dataclass
from typing import Final

from telephony.ami.protocol import Event
from telephony.trunk import is_context

#: What Asterisk's dialplan has as names; neither syntax of the manager interface nor of a dialplan expression.
_EXTENSION: Final = re.compile(r"[A-Za-z0-9*#+][A-Za-z0-9*#+._-]{0,78}")
#: Halves of a channel within Asterisk, which are hung up by Asterisk and by nobody else.
_NOBODY: Final = ("Local/", "AudioSocket/", "WebSocket/")
_SAID: Final = {
    "BUSY": "is busy",
    "NOANSWER": "was not picked up",
    "CANCEL": "was not picked up",
    "CHANUNAVAIL": "cannot be reached",
    "CONGESTION": "cannot be reached",
    "ANSWER": "was picked up and not joined with the customer",
}


@dataclass(frozen=True)
class Destination:
    """A place in the dialplan."""

    extension: str
    context: str

    def __str__(self) -> str:
        return f"{self.extension}@{self.context}"


def destination(number: str, context: str) -> Destination | None:
    """Read `extension` or `extension@context`; None for what would be read as something else by Asterisk."""
    extension, at, named = number.partition("@")
    place = Destination(extension, named if at else context)
    if _EXTENSION.fullmatch(place.extension) and is_context(place.context):
        return place
    return None


class Handover:
    """What becomes of the customer after a Redirect, or after `agent_id` was called to be bridged with the customer.

    `customers` are the unique ids of the live channels that lead to the customer: those that were there before. More
    than one stands behind a Local channel, of which Asterisk may take the middle ones out later. What comes new is the
    agent's side. `decided` is set when agent and customer are joined, and by whoever sees the call's end.
    """

    def __init__(self, own_id: str, customers: Collection[str], agent_id: str | None = None) -> None:
        self.customers = {own_id, *customers}
        self.decided = asyncio.Event()
        self.joined = False
        self.agent_hung_up = False
        self._own_id, self._agent_id = own_id, agent_id
        self._bridge: str | None = None
        self._rang = False
        self._dial_status = ""

    @property
    def text(self) -> str:
        """Why nobody picked up, as far as Asterisk has told."""
        said = _SAID.get(self._dial_status)
        if said is not None:
            return f"the agent's telephone {said} ({self._dial_status})"
        return "the agent's telephone was not picked up" if self._rang else "no telephone rang"

    def is_customers(self, event: Event) -> bool:
        """Whether an event is of a channel that leads to the customer."""
        return event.get("Uniqueid") in self.customers

    def event(self, event: Event) -> None:
        """Take an event of the call, before the call itself takes it."""
        match event.name:
            case "DialBegin":
                self._rang = True
            case "DialEnd" if self.is_customers(event):
                self._dial_status = event.get("DialStatus")
            case "BridgeEnter":
                self._entered(event)
            case "HangupRequest" if not self.is_customers(event):
                self._agent_left(event)
            case "Hangup":
                self.customers.discard(event.get("Uniqueid"))
            case _:
                pass

    def listed(self, statuses: Collection[Event]) -> None:
        """What Asterisk has of the call, after events were missed."""
        ids = {event.get("Uniqueid") for event in statuses}
        self.customers &= ids
        sought = self._agent_id or self._own_id
        found = next((event for event in statuses if event.get("Uniqueid") == sought), None)
        # A Local channel is taken out only when both its halves talk with somebody.
        taken_out = found is None and self._agent_id is None
        if self.customers and (taken_out or (found is not None and found.get("BridgeID"))):
            self._join()

    def _entered(self, event: Event) -> None:
        if event.get("BridgeTechnology") == "holding_bridge":
            return
        if self._agent_id is not None:
            # It executes nothing but Bridge; the customer was in a bridge with the audio before.
            if event.get("Uniqueid") == self._agent_id:
                self._join()
            return
        bridge = event.get("BridgeUniqueid")
        if event.get("Uniqueid") == self._own_id:
            self._bridge = bridge
            if event.get("BridgeNumChannels") not in ("", "0", "1"):
                self._join()
        elif bridge == self._bridge:
            self._join()

    def _agent_left(self, event: Event) -> None:
        # One whose telephone is busy hangs up too.
        if self.joined and not event.get("Channel").startswith(_NOBODY):
            self.agent_hung_up = True

    def _join(self) -> None:
        self.joined = True
        self.decided.set()
