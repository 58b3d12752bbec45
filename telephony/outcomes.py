"""What the network's answers mean: the only table from signalling to dial status.

Pure: codes and facts in, an `Outcome` out. The rows are those of docs/reference/call-outcomes.md, which were
measured against Asterisk 22 and read in its sources (res/res_pjsip.c for SIP to Q.850, main/dial.c for AMI).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import assert_never

from telephony.texts import describe_ami_reason, describe_q850, describe_sip

__all__ = [
    "CallStatus",
    "DialStatus",
    "HangupBy",
    "Outcome",
    "RetryAdvice",
    "classify_asterisk",
    "classify_cause",
    "classify_sip",
    "describe_ami_reason",
    "describe_call_status",
    "describe_dial_status",
    "describe_hangup_by",
    "describe_q850",
    "describe_sip",
    "unanswered_status",
]


class DialStatus(StrEnum):
    """What the network said, before any conversation (VOCABULARY: Dial status)."""

    ANSWER = "ANSWER"
    NOANSWER = "NOANSWER"
    BUSY = "BUSY"
    REJECTED = "REJECTED"
    CONGESTION = "CONGESTION"
    CHANUNAVAIL = "CHANUNAVAIL"
    INVALID = "INVALID"
    OUT_OF_SERVICE = "OUT_OF_SERVICE"
    CANCEL = "CANCEL"
    ERROR = "ERROR"


class CallStatus(StrEnum):
    """How an attempt ended (VOCABULARY: Call status)."""

    USER_HANGUP = "USER_HANGUP"
    BOT_HANGUP = "BOT_HANGUP"
    SHORT_CALL = "SHORT_CALL"
    VOICEMAIL = "VOICEMAIL"
    TRANSFERRED = "TRANSFERRED"
    AGENT_NOT_PICK_UP = "AGENT_NOT_PICK_UP"
    DIAL_HANGUP = "DIAL_HANGUP"
    MAX_DURATION = "MAX_DURATION"
    SILENT = "SILENT"
    BOT_ERROR = "BOT_ERROR"
    BUSY = "BUSY"
    NOANSWER = "NOANSWER"
    REJECTED = "REJECTED"
    OUT_OF_SERVICE = "OUT_OF_SERVICE"
    INVALID_NUMBER = "INVALID_NUMBER"
    CONGESTION = "CONGESTION"
    CHANUNAVAIL = "CHANUNAVAIL"
    CANCELLED = "CANCELLED"


class HangupBy(StrEnum):
    """Who ended the call."""

    CUSTOMER = "customer"
    BOT = "bot"
    NETWORK = "network"
    AGENT = "agent"


class RetryAdvice(StrEnum):
    """Whether calling again can help; the campaign's own rules decide."""

    YES = "yes"
    NO = "no"
    ONCE = "once"
    LATE = "late"
    BACK_OFF = "back-off"
    AFTER_REPAIR = "after repair"
    BY_A_PERSON = "by a person"


@dataclass(frozen=True)
class Outcome:
    """One reading of the network's answer."""

    dial_status: DialStatus
    retry: RetryAdvice
    text: str
    sip_code: int | None = None
    q850: int | None = None

    @property
    def call_status(self) -> CallStatus:
        """The call status of an unanswered call; `ValueError` for ANSWER."""
        return unanswered_status(self.dial_status)

    @property
    def pause_trunk(self) -> bool:
        """Whether every further call over this trunk will fail until somebody repairs it."""
        return self.retry is RetryAdvice.AFTER_REPAIR


_Row = tuple[int, DialStatus, RetryAdvice]

_SIP: dict[int, _Row] = {
    401: (21, DialStatus.CHANUNAVAIL, RetryAdvice.AFTER_REPAIR),
    402: (127, DialStatus.CHANUNAVAIL, RetryAdvice.AFTER_REPAIR),
    404: (1, DialStatus.INVALID, RetryAdvice.NO),
    407: (21, DialStatus.CHANUNAVAIL, RetryAdvice.AFTER_REPAIR),
    410: (22, DialStatus.OUT_OF_SERVICE, RetryAdvice.NO),
    420: (3, DialStatus.CHANUNAVAIL, RetryAdvice.NO),
    480: (19, DialStatus.NOANSWER, RetryAdvice.YES),
    483: (19, DialStatus.CHANUNAVAIL, RetryAdvice.ONCE),
    484: (28, DialStatus.INVALID, RetryAdvice.NO),
    485: (1, DialStatus.INVALID, RetryAdvice.NO),
    486: (17, DialStatus.BUSY, RetryAdvice.YES),
    488: (58, DialStatus.CHANUNAVAIL, RetryAdvice.NO),
    500: (38, DialStatus.CHANUNAVAIL, RetryAdvice.YES),
    501: (29, DialStatus.CHANUNAVAIL, RetryAdvice.NO),
    502: (27, DialStatus.OUT_OF_SERVICE, RetryAdvice.YES),
    504: (102, DialStatus.CHANUNAVAIL, RetryAdvice.YES),
    600: (17, DialStatus.BUSY, RetryAdvice.YES),
    603: (21, DialStatus.REJECTED, RetryAdvice.NO),
    604: (1, DialStatus.INVALID, RetryAdvice.NO),
    606: (58, DialStatus.CHANUNAVAIL, RetryAdvice.NO),
    607: (127, DialStatus.REJECTED, RetryAdvice.NO),
    608: (127, DialStatus.REJECTED, RetryAdvice.NO),
}
_OTHER_5XX: _Row = (34, DialStatus.CONGESTION, RetryAdvice.BACK_OFF)
_OTHER: _Row = (127, DialStatus.CHANUNAVAIL, RetryAdvice.ONCE)


def classify_sip(code: int | None, *, rang: bool, we_cancelled: bool = False, timed_out: bool = False) -> Outcome:
    """Read the final SIP status (300-699) of an INVITE that was not answered.

    `code` is None when no final answer came at all. `rang` says whether 180 or 183 was heard before;
    `timed_out` that our own ring time ran out; `we_cancelled` that a person or a stopped campaign took the call
    back. A code that crossed our CANCEL counts for itself: only 487 and silence are read by what we did.
    """
    if code is not None and not 300 <= code <= 699:
        raise ValueError(f"SIP status {code} is no final failure; expected 300 to 699")
    q850, dial_status, retry = _sip_row(code, rang=rang, we_cancelled=we_cancelled, timed_out=timed_out)
    if code is None:
        text = "Cancelled by us" if dial_status is DialStatus.CANCEL else _silence_text(rang)
    else:
        text = describe_sip(code)
    return Outcome(dial_status, retry, text, sip_code=code, q850=q850)


def _silence_text(rang: bool) -> str:
    return "Rang without an answer" if rang else "The trunk did not answer"


def _sip_row(code: int | None, *, rang: bool, we_cancelled: bool, timed_out: bool) -> _Row:
    ring_out = DialStatus.NOANSWER if rang else DialStatus.CHANUNAVAIL
    if code in (None, 487) and we_cancelled:
        return 127, DialStatus.CANCEL, RetryAdvice.BY_A_PERSON
    if code in (None, 487) and timed_out:
        return 19, ring_out, RetryAdvice.YES
    if code is None or code == 408:
        return 18, ring_out, RetryAdvice.YES
    if code == 487:
        return 127, DialStatus.NOANSWER, RetryAdvice.YES
    if code == 403:
        return (21, DialStatus.REJECTED, RetryAdvice.NO) if rang else (21, DialStatus.CHANUNAVAIL, RetryAdvice.YES)
    return _SIP.get(code, _OTHER_5XX if 500 <= code <= 599 else _OTHER)


_CAUSES: dict[DialStatus, dict[RetryAdvice, frozenset[int]]] = {
    DialStatus.INVALID: {RetryAdvice.NO: frozenset({1, 5, 28})},
    DialStatus.OUT_OF_SERVICE: {
        RetryAdvice.ONCE: frozenset({14}),
        RetryAdvice.LATE: frozenset({20}),
        RetryAdvice.NO: frozenset({22}),
        RetryAdvice.YES: frozenset({27}),
    },
    DialStatus.BUSY: {RetryAdvice.YES: frozenset({17})},
    DialStatus.NOANSWER: {RetryAdvice.YES: frozenset({18, 19, 26, 31})},
    DialStatus.REJECTED: {RetryAdvice.NO: frozenset({21})},
    DialStatus.CONGESTION: {RetryAdvice.BACK_OFF: frozenset({34, 42})},
    DialStatus.CHANUNAVAIL: {
        RetryAdvice.YES: frozenset({0, 2, 3, 6, 8, 23, 38, 41, 43, 44, 102, 127}),
        RetryAdvice.NO: frozenset({29, 50, 52, 54, 57, 58, 65, 66, 69, 88}),
    },
    DialStatus.ERROR: {RetryAdvice.ONCE: frozenset({81, *range(95, 102), 111})},
}
_BY_CAUSE = {
    cause: (status, retry)
    for status, by_retry in _CAUSES.items()
    for retry, causes in by_retry.items()
    for cause in causes
}
_NORMAL_CLEARING = 16


def classify_cause(cause: int, *, rang: bool, answered: bool = False, we_cancelled: bool = False) -> Outcome:
    """Read a Q.850 cause (0-127) when there is no SIP status.

    An answered call is ANSWER whatever the cause: who hung up is told by other means.
    """
    if not 0 <= cause <= 127:
        raise ValueError(f"Q.850 cause {cause} does not exist; expected 0 to 127")
    status, retry = _cause_row(cause, rang=rang, answered=answered, we_cancelled=we_cancelled)
    return Outcome(status, retry, describe_q850(cause), q850=cause)


def _cause_row(cause: int, *, rang: bool, answered: bool, we_cancelled: bool) -> tuple[DialStatus, RetryAdvice]:
    if answered:
        return DialStatus.ANSWER, RetryAdvice.NO
    if cause == _NORMAL_CLEARING:
        if we_cancelled:
            return DialStatus.CANCEL, RetryAdvice.BY_A_PERSON
        return DialStatus.NOANSWER, RetryAdvice.YES
    status, retry = _BY_CAUSE.get(cause, (DialStatus.CHANUNAVAIL, RetryAdvice.ONCE))
    if status is DialStatus.NOANSWER and not rang:
        return DialStatus.CHANUNAVAIL, retry
    return status, retry


AMI_RANG_OUT = 3


def classify_asterisk(
    *,
    channel_seen: bool,
    rang: bool,
    reason: int | None = None,
    cause: int | None = None,
    sip_code: int | None = None,
    we_cancelled: bool = False,
    timed_out: bool = False,
) -> Outcome:
    """Read what Asterisk told of an Originate that was not answered.

    `channel_seen`: whether it made a channel at all; an unknown technology or endpoint, or a trunk whose qualify
    failed, has none. `reason` is OriginateResponse's, `cause` and `sip_code` are Hangup's (`Cause`, `TechCause`; the
    latter from 22.7 on). The cause that Asterisk gave is kept beside a SIP status that decides. `timed_out`: we ended
    it ourselves after its time; `we_cancelled`: a person or a stopped campaign took it back.
    """
    timed_out = timed_out or reason == AMI_RANG_OUT
    if sip_code is not None or we_cancelled or timed_out:
        found = classify_sip(sip_code, rang=rang, we_cancelled=we_cancelled, timed_out=timed_out)
        return replace(found, q850=cause) if cause else found
    if not channel_seen:
        return Outcome(DialStatus.CHANUNAVAIL, RetryAdvice.YES, "Asterisk has no way to this trunk")
    return classify_cause(cause or 0, rang=rang)


def unanswered_status(dial_status: DialStatus) -> CallStatus:  # noqa: PLR0911 - one return a member
    """The call status of a call that was not answered; `ValueError` for ANSWER, which the conversation decides."""
    match dial_status:
        case DialStatus.ANSWER:
            raise ValueError("an answered call gets its call status from its conversation")
        case DialStatus.NOANSWER:
            return CallStatus.NOANSWER
        case DialStatus.BUSY:
            return CallStatus.BUSY
        case DialStatus.REJECTED:
            return CallStatus.REJECTED
        case DialStatus.CONGESTION:
            return CallStatus.CONGESTION
        case DialStatus.CHANUNAVAIL | DialStatus.ERROR:
            return CallStatus.CHANUNAVAIL
        case DialStatus.INVALID:
            return CallStatus.INVALID_NUMBER
        case DialStatus.OUT_OF_SERVICE:
            return CallStatus.OUT_OF_SERVICE
        case DialStatus.CANCEL:
            return CallStatus.CANCELLED
        case _:
            assert_never(dial_status)


def describe_dial_status(status: DialStatus) -> str:  # noqa: PLR0911 - one return a member
    """Plain English for a dial status."""
    match status:
        case DialStatus.ANSWER:
            return "Answered"
        case DialStatus.NOANSWER:
            return "No answer"
        case DialStatus.BUSY:
            return "Busy"
        case DialStatus.REJECTED:
            return "Rejected"
        case DialStatus.CONGESTION:
            return "Network congested"
        case DialStatus.CHANUNAVAIL:
            return "Trunk unavailable"
        case DialStatus.INVALID:
            return "Invalid number"
        case DialStatus.OUT_OF_SERVICE:
            return "Out of service"
        case DialStatus.CANCEL:
            return "Cancelled"
        case DialStatus.ERROR:
            return "Protocol error"
        case _:
            assert_never(status)


_CALL_STATUS_TEXT = {
    CallStatus.USER_HANGUP: "The customer hung up",
    CallStatus.BOT_HANGUP: "The bot ended the call",
    CallStatus.SHORT_CALL: "The customer hung up at once",
    CallStatus.VOICEMAIL: "Voicemail",
    CallStatus.TRANSFERRED: "Transferred to an agent",
    CallStatus.AGENT_NOT_PICK_UP: "The agent did not pick up",
    CallStatus.DIAL_HANGUP: "The agent hung up",
    CallStatus.MAX_DURATION: "Ended at the maximum length",
    CallStatus.SILENT: "The customer said nothing",
    CallStatus.BOT_ERROR: "The bot failed",
    CallStatus.BUSY: "Busy",
    CallStatus.NOANSWER: "No answer",
    CallStatus.REJECTED: "Rejected",
    CallStatus.OUT_OF_SERVICE: "Out of service",
    CallStatus.INVALID_NUMBER: "Invalid number",
    CallStatus.CONGESTION: "Network congested",
    CallStatus.CHANUNAVAIL: "Trunk unavailable",
    CallStatus.CANCELLED: "Cancelled",
}


def describe_call_status(status: CallStatus) -> str:
    """Plain English for a call status."""
    return _CALL_STATUS_TEXT[status]


def describe_hangup_by(who: HangupBy) -> str:
    """Plain English for who ended the call."""
    match who:
        case HangupBy.CUSTOMER:
            return "the customer"
        case HangupBy.BOT:
            return "the bot"
        case HangupBy.NETWORK:
            return "the network"
        case HangupBy.AGENT:
            return "the agent"
        case _:
            assert_never(who)
