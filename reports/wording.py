"""Plain words for the stored states, codes and statuses, as pages and mails show them."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

CAMPAIGN_STATES: Final = {
    "draft": "Draft",
    "scheduled": "Scheduled",
    "running": "Running",
    "paused": "Paused",
    "completed": "Completed",
    "stopped": "Stopped",
    "expired": "Expired",
    "archived": "Archived",
}
CONTACT_STATES: Final = {
    "held": "Held",
    "pending": "To be called",
    "in_progress": "In a call",
    "retry_wait": "To be called again",
    "callback": "Call-back agreed",
    "done": "Done",
    "exhausted": "Not reached",
    "opted_out": "Opted out",
    "dnc_blocked": "On the do-not-call list",
    "invalid": "Invalid number",
    "duplicate": "Duplicate",
    "expired": "Expired",
    "error": "Error",
    "cancelled": "Cancelled",
}
TRUNK_HEALTH: Final = {
    "healthy": "Healthy",
    "suspect": "Suspect",
    "paused": "Paused",
    "trying": "On trial",
}
#: Contacts in these are still to be called, or are being called.
OPEN_CONTACT_STATES: Final = frozenset({"held", "pending", "in_progress", "retry_wait", "callback"})
PHASES: Final = {
    "created": "About to dial",
    "originating": "Dialling",
    "ringing": "Ringing",
    "answered": "Answered",
    "talking": "Talking",
    "transferring": "Being transferred",
    "wrapup": "Wrap-up",
    "ended": "Ended",
}
CALL_STATUSES: Final = {
    "USER_HANGUP": "Customer hung up",
    "BOT_HANGUP": "Bot ended the call",
    "SHORT_CALL": "Short call",
    "VOICEMAIL": "Voicemail",
    "TRANSFERRED": "Transferred",
    "AGENT_NOT_PICK_UP": "Agent did not pick up",
    "DIAL_HANGUP": "Agent hung up",
    "MAX_DURATION": "Maximum length reached",
    "SILENT": "Customer silent",
    "BOT_ERROR": "Bot error",
    "BUSY": "Busy",
    "NOANSWER": "No answer",
    "REJECTED": "Rejected",
    "OUT_OF_SERVICE": "Out of service",
    "INVALID_NUMBER": "Invalid number",
    "CONGESTION": "Network congested",
    "CHANUNAVAIL": "Trunk unavailable",
    "CANCELLED": "Cancelled",
}
CLASSES: Final = {
    "success": "Successful",
    "unsuccessful": "Unsuccessful",
    "error": "Error",
    "not_counted": "Not counted",
}
HANGUP_BY: Final = {"customer": "the customer", "bot": "the bot", "network": "the network", "agent": "the agent"}
#: Parts of what a turn took (docs/reference/database.md, turns.latency).
LATENCY_PARTS: Final = {
    "endpointing_ms": "End of turn",
    "stt_wait_ms": "Recognition, waiting",
    "stt_work_ms": "Recognition, at work",
    "stt_late_ms": "Recognition, waited for",
    "understanding_ms": "Understanding",
    "llm_first_sentence_ms": "Model's first sentence",
    "tts_first_byte_ms": "Voice's first sound",
}
TRANSFER_BY: Final = {"second_leg": "called by us", "hand_over": "joined by the network"}
#: `Reason` of Asterisk's OriginateResponse (docs/reference/call-outcomes.md).
AMI_REASONS: Final = {
    0: "Failed",
    1: "The dialling side hung up",
    3: "Rang out",
    4: "Answered",
    5: "Busy",
    8: "Congestion",
}
#: Default action codes (VOCABULARY: Default action codes).
CODES: Final = {
    "HUP": "Customer hung up",
    "BHU": "Bot ended the call",
    "BS": "Busy",
    "NA": "No answer",
    "CU": "Trunk unavailable",
    "CG": "Network congested",
    "RJ": "Rejected",
    "OS": "Out of service",
    "IN": "Invalid number",
    "SC": "Short call",
    "VM": "Voicemail",
    "SL": "Customer silent",
    "CB": "Call-back asked",
    "DNC": "Opted out",
    "TR": "Transferred",
    "ANP": "Agent did not pick up",
    "AHU": "Agent hung up",
    "TO": "Maximum length reached",
    "ER": "Bot error",
    "XC": "Cancelled",
}
SCRIPT_CODE: Final = "Set by the script"


def describe_code(code: str, overrides: Mapping[str, str], titles: Mapping[str, str] = MappingProxyType({})) -> str:
    """What a code means; `overrides` maps default codes to the campaign's own strings, `titles` names the script's."""
    default = {shown: name for name, shown in overrides.items()}.get(code, code)
    return CODES.get(default) or titles.get(code, SCRIPT_CODE)
