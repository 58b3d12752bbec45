"""The ports of this package: `Dialer` places a call, `Call` is an answered one, `Media` its audio.

Every way to the network (SIP trunk, and later Asterisk legs) implements these three and passes the one
contract suite in tests/contract.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Protocol, runtime_checkable

from telephony.outcomes import DialStatus, HangupBy

FRAME_MS = 20
SAMPLE_BYTES = 2


def frame_bytes(rate_hz: int) -> int:
    """Bytes of one 20 ms frame of mono 16-bit PCM."""
    return rate_hz * FRAME_MS // 1000 * SAMPLE_BYTES


class Media(Protocol):
    """Audio both ways: mono, signed 16-bit little-endian PCM, in frames of 20 ms."""

    @property
    def rate_hz(self) -> int:
        """Sample rate of every frame read and written (8000 or 16000)."""
        ...

    @property
    def ahead_ms(self) -> int:
        """Audio written and not yet played to the customer, in ms."""
        ...

    async def read(self) -> bytes:
        """The next 20 ms from the customer, silence included; raises `MediaClosed` when the call is over."""
        ...

    async def write(self, pcm: bytes) -> None:
        """Queue audio (any whole number of samples) for the customer.

        Returns once no more than 100 ms is ahead, so that the caller is paced by real playing time.
        Raises `MediaClosed` when the call is over.
        """
        ...

    def flush(self) -> int:
        """Discard what is queued and not yet played; the ms discarded."""
        ...

    async def send_dtmf(self, digits: str) -> None:
        """Send keys (0-9, *, #, A-D) to the far end (RFC 4733)."""
        ...


@dataclass(frozen=True)
class CallEnd:
    """How an answered call ended on the network."""

    hangup_by: HangupBy
    ended_at: datetime
    sip_code: int | None = None
    q850: int | None = None
    text: str | None = None


class Call(Protocol):
    """An answered call."""

    @property
    def attempt_id(self) -> str: ...

    @property
    def answered_at(self) -> datetime: ...

    @property
    def media(self) -> Media: ...

    def on_dtmf(self, listener: Callable[[str], None]) -> None:
        """Call `listener` in the event loop with each key the customer presses."""
        ...

    async def hangup(self) -> None:
        """End the call; does nothing when it has ended already."""
        ...

    async def ended(self) -> CallEnd:
        """Wait until the call is over, whoever ended it. May be awaited by several tasks."""
        ...


@runtime_checkable
class HasAmd(Protocol):
    """A `Call` whose telephone system may have listened for an answering machine before it brought the audio."""

    @property
    def amd(self) -> tuple[str, str] | None:
        """AMDSTATUS and AMDCAUSE of Asterisk's AMD(), such as ("MACHINE", "LONGGREETING-1500-1500").

        The status is HUMAN, MACHINE, NOTSURE or HANGUP, the cause may be empty. None where nobody listened. Known
        when the call is handed out by `Dialer.dial`, and the same from then on.
        """
        ...


class CallPhase(StrEnum):
    """Signalling phases that a dialer reports, in order; `ENDED` is in the result instead."""

    ORIGINATING = "originating"
    RINGING = "ringing"
    ANSWERED = "answered"


@dataclass(frozen=True)
class DialRequest:
    """One call to place."""

    attempt_id: str
    #: As the trunk wants it (already formatted), digits and an optional plus sign.
    number: str
    caller_id: str | None = None
    ring_timeout_s: float = 45.0
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class NotAnswered:
    """A call that ended before any answer."""

    dial_status: DialStatus
    ended_at: datetime
    rang: bool = False
    sip_code: int | None = None
    q850: int | None = None
    text: str | None = None
    #: `Reason` of Asterisk's OriginateResponse; None on other ways to the network.
    reason: int | None = None
    #: The customer picked up, and no audio came to us: who is called next would hear nothing either.
    no_audio: bool = False


#: Told of each phase the moment it is reached; must not block.
PhaseListener = Callable[[CallPhase, datetime], None]


class Dialer(Protocol):
    """A way out to the telephone network."""

    async def dial(self, request: DialRequest, on_phase: PhaseListener) -> Call | NotAnswered:
        """Place one call and wait for its answer or its failure.

        Never raises for what the network does: a refused, unanswered or unplaceable call is `NotAnswered`.
        Cancelling the task cancels the call on the network too.
        """
        ...

    async def hangup_stray(self, attempt_id: str) -> bool:
        """End a call that an earlier process left behind; whether one was found."""
        ...

    async def aclose(self) -> None:
        """Hang up what is live, wait for it to end, release the network. Idempotent."""
        ...
