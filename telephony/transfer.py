"""Ports of a transfer: the customer's call goes on with a person, the agent.

There are two ways. By a second leg the agent is called by the same `Dialer`, hears a whisper first, and both calls are
joined here: nothing is needed of the network. By handing over the network joins them (Redirect in Asterisk's manager
interface, REFER of RFC 3515 on a SIP trunk): the audio leaves us, and no whisper is possible.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol, runtime_checkable


class TransferBy(StrEnum):
    """How a customer comes to an agent."""

    SECOND_LEG = "second_leg"
    HAND_OVER = "hand_over"


@dataclass(frozen=True)
class Target:
    """Where an agent is reached; it comes from the script's author, never from the customer (DESIGN invariant 8).

    `number` is a telephone number (E.164) or an extension; for handing over in Asterisk also `extension@context`
    (without a context: the one that the trunk's settings name), for REFER also a SIP URI.
    """

    name: str
    number: str
    by: TransferBy = TransferBy.SECOND_LEG
    #: Seconds that the agent's telephone may ring.
    ring_s: float = 25.0


@dataclass(frozen=True)
class HandOver:
    """What became of a call that was handed over."""

    #: The agent picked up. The audio of the call has ended for us then; `Call.ended()` waits for the true end.
    answered: bool
    at: datetime
    #: Not answered, and the customer is still with us: the conversation can go on.
    kept: bool = False
    #: What the network said, for the log and the attempt page.
    text: str | None = None


@runtime_checkable
class HandsOver(Protocol):
    """A `Call` whose network can join the customer and an agent."""

    async def hand_over(self, target: Target) -> HandOver:
        """Give the customer to `target`; returns when the agent picked up, did not, or the customer hung up.

        After an answer `Call.ended()` tells who hung up: `HangupBy.AGENT` or `CUSTOMER` where the network says so,
        else `NETWORK`. `Call.hangup()` still ends the call where the network lets us. Never raises for what the
        network does; a call that cannot be handed over is `HandOver(answered=False, kept=True, text=why)`.
        """
        ...
