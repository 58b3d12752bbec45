"""One Originate and what becomes of it: a state machine without I/O, told by manager events."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from datetime import datetime
from enum import Enum
from typing import Final, assert_never

import structlog

from storage.clock import Clock
from telephony.ami.handover import Handover
from telephony.ami.protocol import Event
from telephony.call import CallEnd, CallPhase, NotAnswered, PhaseListener
from telephony.outcomes import AMI_RANG_OUT, DialStatus, HangupBy, classify_asterisk, describe_ami_reason

_log = structlog.get_logger(__name__)

#: Asterisk's channel states (include/asterisk/channelstate.h).
_RINGING, _UP = "5", "6"
_RANG = frozenset({"RINGING", "PROGRESS", "PROCEEDING"})
#: The other half of a call whose audio is a channel of its own.
_OUR_SIDE: Final = ("AudioSocket/", "WebSocket/")
_SIP_CODE: Final = re.compile(r"\b[3-6]\d\d\b")

#: OriginateResponse and Hangup come in no fixed order, and OriginateResponse may overtake Newchannel.
OTHER_HALF_S: Final = 3.0
NO_CHANNEL_S: Final = 1.0


class LegState(Enum):
    """Where a call is. Moves forward only."""

    DIALLING = 1
    RINGING = 2
    ANSWERED = 3
    CLOSED = 4


class Leg:
    """The signalling of one call, from Originate to its end.

    `decided` is set by an answer or an end, `closed` by the end. Of events, those of the channel itself count, and of
    channels linked to it (behind a Local channel) what they say about ringing, causes and who hung up.
    """

    def __init__(self, attempt_id: str, clock: Clock, on_phase: PhaseListener) -> None:
        self.attempt_id = attempt_id
        self.state = LegState.DIALLING
        self.decided, self.closed = asyncio.Event(), asyncio.Event()
        #: The connection, counted, over which it was placed.
        self.epoch = 0
        self.channel_seen = False
        self.channel: str | None = None
        self.rang = False
        self.answered_at: datetime | None = None
        self.ended_at: datetime | None = None
        self.reason: int | None = None
        self.hanging_up = False
        self.timed_out = False
        self.cancelled = False
        self.fault: tuple[DialStatus, str] | None = None
        self._text: str | None = None
        self._cause: int | None = None
        #: What the far end said, and what Asterisk makes of the end; of our own CANCEL too, then it is no answer.
        self._far_code: int | None = None
        self._end_code: int | None = None
        self.customer_hung_up = False
        #: Unique ids of its live channels, without that of the audio.
        self.channels: set[str] = set()
        self.handover: Handover | None = None
        #: Of an agent's call: the customer's, which it is to be bridged with.
        self.joins: Leg | None = None
        self._refused = False
        self._hung_up = False
        self._closing: asyncio.TimerHandle | None = None
        self._when_closed: list[Callable[[], None]] = []
        self._clock = clock
        self._on_phase = on_phase

    def when_closed(self, listener: Callable[[], None]) -> None:
        """Call `listener` at the end; now, if that has come."""
        if self.closed.is_set():
            listener()
        else:
            self._when_closed.append(listener)

    def report(self, phase: CallPhase, at: datetime | None = None) -> None:
        """Tell whoever dials of a phase."""
        try:
            self._on_phase(phase, at or self._clock.now())
        except Exception:  # a listener's fault must not lose the call's end
            _log.exception("ami.phase_listener_failed", attempt_id=self.attempt_id, phase=phase.value)

    def event(self, event: Event, *, own: bool) -> None:
        """Take one event of this call's channel (`own`) or of one linked to it."""
        if own and event.name in ("Newchannel", "Newstate", "DialBegin", "Hangup", "Status"):
            self.channel_seen = True
            self.channel = event.get("Channel") or self.channel
        self._count_channels(event)
        if self.handover is not None:
            self._handed_over(self.handover, event)
            return
        match event.name:
            case "Newstate" | "Status":
                self._channel_state(event.get("ChannelState"), own=own)
            case "DialState" if event.get("DialStatus") in _RANG:
                self._move(LegState.RINGING)
            case "OriginateResponse":
                self._originated(event)
            case "HangupRequest":
                self._cause = _cause(event) or self._cause
                self._far_code = _sip_code(event) or self._far_code
                if self.state is LegState.ANSWERED and not event.get("Channel").startswith(_OUR_SIDE):
                    self.customer_hung_up = True
            case "Hangup":
                # A later cause replaces an earlier one, but no cause at all replaces nothing.
                self._cause = _cause(event) or self._cause
                self._end_code = _sip_code(event) or self._end_code
                if own:
                    self._hangup()
            case _:
                pass

    def hand_over(self, agent_id: str | None = None) -> Handover:
        """From here on the call is not ours alone; what is there now leads to the customer."""
        self.handover = Handover(self.attempt_id, self.channels, agent_id)
        return self.handover

    def keep(self) -> None:
        """It was not handed over after all."""
        self.handover = None

    @property
    def hangup_ids(self) -> list[str]:
        """The channels whose end is the call's."""
        return sorted(self.handover.customers) if self.handover is not None else [self.attempt_id]

    def answered(self) -> None:
        """The call was answered: its channel is up, or its audio is there."""
        self._move(LegState.ANSWERED)

    def fail(self, status: DialStatus, text: str) -> None:
        """The call cannot be placed, or cannot be held."""
        self.fault = self.fault or (status, text)
        self._move(LegState.CLOSED)

    def gone(self, text: str | None = None, at: datetime | None = None) -> None:
        """The call is over though no event has said so: since `at`, or only now."""
        self._text = text
        if text is not None and self.answered_at is None and not self._explained:
            self.fault = self.fault or (DialStatus.ERROR, text)
        self._move(LegState.CLOSED, at)

    def end(self) -> CallEnd:
        """How an answered call ended; only for a closed leg."""
        assert self.ended_at is not None
        hangup_by = self._hangup_by()
        text = self._text if hangup_by is HangupBy.NETWORK else None
        return CallEnd(hangup_by, self.ended_at, sip_code=self._far_code, q850=self._cause or None, text=text)

    def not_answered(self) -> NotAnswered:
        """What became of a call that was not answered; it need not be closed."""
        outcome = classify_asterisk(
            channel_seen=self.channel_seen,
            rang=self.rang,
            reason=self.reason,
            cause=self._cause,
            sip_code=self._far_code or (None if self._given_up else self._end_code),
            we_cancelled=self.cancelled,
            timed_out=self.timed_out,
        )
        status, text = self.fault or (outcome.dial_status, outcome.text)
        return NotAnswered(
            status,
            self.ended_at or self._clock.now(),
            rang=self.rang,
            sip_code=outcome.sip_code,
            q850=outcome.q850,
            text=text,
            reason=self.reason,
        )

    @property
    def _explained(self) -> bool:
        """Whether the network or we ourselves have given the call's end a cause."""
        return bool(self._cause or self._far_code or self._end_code or self._given_up)

    @property
    def _given_up(self) -> bool:
        """Whether the end was ours and not the far end's."""
        return self.timed_out or self.cancelled or self.reason == AMI_RANG_OUT

    def _count_channels(self, event: Event) -> None:
        """The audio's own channel ends with the audio and leads to nobody."""
        number, name = event.get("Uniqueid"), event.get("Channel")
        if event.name == "Hangup":
            self.channels.discard(number)
        elif event.name in ("Newchannel", "Status") and number and not name.startswith(_OUR_SIDE):
            self.channels.add(number)

    def _handed_over(self, handover: Handover, event: Event) -> None:
        """The agent's side rings, is busy and hangs up for itself; what the customer's does counts."""
        customers = handover.is_customers(event)
        handover.event(event)
        if customers and event.name in ("HangupRequest", "Hangup"):
            self._cause = _cause(event) or self._cause
        if customers and event.name == "HangupRequest" and not event.get("Channel").startswith("Local/"):
            self._far_code = _sip_code(event) or self._far_code
            self.customer_hung_up = True
        if event.name == "Hangup" and not handover.customers:
            self._move(LegState.CLOSED)

    def _hangup_by(self) -> HangupBy:
        if self.handover is not None and self.handover.agent_hung_up and not (self.hanging_up or self.customer_hung_up):
            return HangupBy.AGENT
        if self.customer_hung_up and not self.hanging_up:
            return HangupBy.CUSTOMER
        return HangupBy.BOT if self.hanging_up else HangupBy.NETWORK

    def _channel_state(self, state: str, *, own: bool) -> None:
        if state == _RINGING:
            self._move(LegState.RINGING)
        elif state == _UP and own:
            self._move(LegState.ANSWERED)

    def _originated(self, event: Event) -> None:
        self.reason = _number(event.get("Reason"))
        if event.get("Response") == "Success":
            self.channel_seen = True
            self._move(LegState.ANSWERED)
            return
        _log.debug("ami.originate_failed", attempt_id=self.attempt_id, reason=describe_ami_reason(self.reason or 0))
        self._refused = True
        if self._hung_up:
            self._move(LegState.CLOSED)
        else:
            self._close_within(OTHER_HALF_S if self.channel_seen else NO_CHANNEL_S)

    def _hangup(self) -> None:
        self._hung_up = True
        if self.answered_at is not None or self._refused or self.hanging_up:
            self._move(LegState.CLOSED)
        else:
            self._close_within(OTHER_HALF_S)

    def _close_within(self, seconds: float) -> None:
        if self._closing is None:
            self._closing = asyncio.get_running_loop().call_later(seconds, self._move, LegState.CLOSED)

    def _move(self, state: LegState, at: datetime | None = None) -> None:
        if state.value <= self.state.value:
            return
        _log.debug("ami.leg", attempt_id=self.attempt_id, moved=f"{self.state.name} -> {state.name}")
        self.state = state
        now = at or self._clock.now()
        match state:
            case LegState.DIALLING:
                raise AssertionError("a leg begins as dialling")
            case LegState.RINGING:
                self.rang = True
                self.report(CallPhase.RINGING, now)
            case LegState.ANSWERED:
                self.answered_at = now
                self.decided.set()
            case LegState.CLOSED:
                self._close(now)
            case _:
                assert_never(state)

    def _close(self, now: datetime) -> None:
        self.ended_at = now
        if self._closing is not None:
            self._closing.cancel()
        self.decided.set()
        self.closed.set()
        if self.handover is not None:
            self.handover.decided.set()
        for listener in self._when_closed:
            listener()


def _number(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() else None


def _cause(event: Event) -> int | None:
    number = _number(event.get("Cause"))
    return number if number is not None and number <= 127 else None


def _sip_code(event: Event) -> int | None:
    code = _SIP_CODE.search(event.get("TechCause"))
    return int(code[0]) if code else None
