"""What the network's answers mean: the only table from signalling to dial status."""

from __future__ import annotations

from enum import StrEnum


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
