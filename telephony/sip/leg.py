"""One INVITE and what becomes of it: a state machine without I/O, told by the stack's events."""

from __future__ import annotations

import asyncio
import errno
import re
from collections.abc import Callable
from datetime import datetime
from enum import Enum
from typing import assert_never

import structlog
from baresip.call import Call as StackCall
from baresip.errors import split_status
from baresip.events import Event, StackEvent

from storage.clock import Clock
from telephony.call import CallEnd, CallPhase, PhaseListener
from telephony.outcomes import HangupBy
from telephony.sip.trace import Response

_log = structlog.get_logger(__name__)
_CAUSE = re.compile(r"Q\.850\s*;\s*cause\s*=\s*(\d{1,3})", re.IGNORECASE)
_ERRNO = re.compile(r"\[(\d+)\]$")
#: The stack's own words, spelt as it spells them, for a call that it ended because NOTIFY told of an answer.
_HANDED_OVER = "Call transfered"


class LegState(Enum):
    """Where an INVITE is. Moves forward only."""

    CALLING = 1
    RINGING = 2
    ESTABLISHED = 3
    CLOSED = 4


class Leg:
    """The signalling of one call, from INVITE to its end.

    `heard` is set by any response at all, `settled` by an answer or an end, `closed` by the end, and `parted` once
    the far end knows of it too: our BYE or CANCEL is confirmed, or it was the far end that ended the call.
    """

    def __init__(self, attempt_id: str, clock: Clock, on_phase: PhaseListener) -> None:
        self.attempt_id = attempt_id
        self.state = LegState.CALLING
        self.heard, self.settled = asyncio.Event(), asyncio.Event()
        self.closed, self.parted = asyncio.Event(), asyncio.Event()
        self.call: StackCall | None = None
        self.sip_call_id: str | None = None
        self.responded = False
        self.rang = False
        self.answered_at: datetime | None = None
        self.ended_at: datetime | None = None
        self.sip_code: int | None = None
        self.q850: int | None = None
        self.text: str | None = None
        self.hanging_up = False
        self.handed_over = False
        self._when_key: list[Callable[[str], None]] = []
        self._when_closed: list[Callable[[], None]] = []
        self._clock = clock
        self._on_phase = on_phase

    def when_closed(self, listener: Callable[[], None]) -> None:
        """Call `listener` at the end; now, if that has come."""
        if self.closed.is_set():
            listener()
        else:
            self._when_closed.append(listener)

    def when_key(self, listener: Callable[[str], None]) -> None:
        """Call `listener` with each key that the far end presses."""
        self._when_key.append(listener)

    def now(self) -> datetime:
        """The time, by the clock of this leg."""
        return self._clock.now()

    def originating(self) -> None:
        """The INVITE is about to leave."""
        self._report(CallPhase.ORIGINATING, self._clock.now())

    def event(self, event: StackEvent) -> None:
        """Take one event of the stack that concerns this call."""
        if event.event is Event.CALL_OUTGOING:
            self.sip_call_id = event.call_id
        elif event.event in (Event.CALL_RINGING, Event.CALL_PROGRESS):
            self._move(LegState.RINGING)
        elif event.event is Event.CALL_ESTABLISHED:
            self._move(LegState.ESTABLISHED)
        elif event.event is Event.CALL_CLOSED and not self.closed.is_set():
            self._closed(event.text or "")
        elif event.event is Event.CALL_DTMF_START and event.text:
            # Not at its end: that of SIP INFO is lost where the next key comes within the duration of this one.
            self.key(event.text)

    def key(self, digit: str) -> None:
        """The far end pressed a key."""
        for listener in self._when_key:
            listener(digit)

    def response(self, response: Response) -> None:
        """Take one response to our requests, as the trace tells it."""
        if response.method == "INVITE":
            self.responded = True
            self.heard.set()
        if (self.hanging_up or self.handed_over) and response.status >= 200 and response.method in ("INVITE", "BYE"):
            self.parted.set()

    def give_up(self, text: str) -> None:
        """Count the call as ended though the stack has not said so."""
        self.text = text
        self.parted.set()
        self._move(LegState.CLOSED)

    def end(self) -> CallEnd:
        """How an answered call ended; only for a closed leg."""
        assert self.ended_at is not None
        hangup_by = self._hangup_by()
        # The stack's words for an ordinary hang-up tell nothing; for a broken call they are all there is.
        text = self.text if hangup_by is HangupBy.NETWORK else None
        if self.handed_over:
            text = "handed over to an agent; who hung up later is not told to us"
        return CallEnd(hangup_by, self.ended_at, sip_code=self.sip_code, q850=self.q850, text=text)

    def _hangup_by(self) -> HangupBy:
        if self.hanging_up:
            return HangupBy.BOT
        # The stack reports a far-end BYE as a reset by the peer, and everything else by its own words.
        number = _ERRNO.search(self.text or "")
        if number is not None and int(number.group(1)) == errno.ECONNRESET:
            return HangupBy.CUSTOMER
        return HangupBy.NETWORK

    def _closed(self, text: str) -> None:
        self.handed_over = text == _HANDED_OVER and not self.hanging_up
        self._read_reason(text)
        if not self.hanging_up and not self.handed_over:
            self.parted.set()
        self._move(LegState.CLOSED)

    def _read_reason(self, text: str) -> None:
        cause = _CAUSE.search(text)
        self.q850 = int(cause.group(1)) if cause else None
        self.sip_code, _ = split_status(text)
        self.text = text or None

    def _move(self, state: LegState) -> None:
        if state.value <= self.state.value:
            return
        _log.debug("sip.leg", attempt_id=self.attempt_id, moved=f"{self.state.name} -> {state.name}")
        self.state = state
        now = self._clock.now()
        match state:
            case LegState.CALLING:
                raise AssertionError("a leg begins as calling")
            case LegState.RINGING:
                self.rang = True
                self.heard.set()
                self._report(CallPhase.RINGING, now)
            case LegState.ESTABLISHED:
                self.answered_at = now
                self.heard.set()
                self._report(CallPhase.ANSWERED, now)
                self.settled.set()
            case LegState.CLOSED:
                self.ended_at = now
                for event in (self.heard, self.settled, self.closed):
                    event.set()
                for listener in self._when_closed:
                    listener()
            case _:
                assert_never(state)

    def _report(self, phase: CallPhase, at: datetime) -> None:
        try:
            self._on_phase(phase, at)
        except Exception:  # a listener's fault must not lose the call's end
            _log.exception("sip.phase_listener_failed", attempt_id=self.attempt_id, phase=phase.value)
