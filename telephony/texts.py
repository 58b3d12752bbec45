"""English texts of the numbers that the network sends: SIP statuses, Q.850 causes, AMI reasons."""

from __future__ import annotations

from types import MappingProxyType
from typing import Final

#: Registered SIP status phrases (RFC 3261 section 21 and the IANA registry of SIP response codes).
SIP_TEXTS: Final = MappingProxyType(
    {
        100: "Trying",
        180: "Ringing",
        181: "Call is being forwarded",
        182: "Queued",
        183: "Session progress",
        199: "Early dialog terminated",
        200: "OK",
        202: "Accepted",
        204: "No notification",
        300: "Multiple choices",
        301: "Moved permanently",
        302: "Moved temporarily",
        305: "Use proxy",
        380: "Alternative service",
        400: "Bad request",
        401: "Unauthorized",
        402: "Payment required",
        403: "Forbidden",
        404: "Not found",
        405: "Method not allowed",
        406: "Not acceptable",
        407: "Proxy authentication required",
        408: "Request timeout",
        410: "Gone",
        412: "Conditional request failed",
        413: "Request entity too large",
        414: "Request-URI too long",
        415: "Unsupported media type",
        416: "Unsupported URI scheme",
        417: "Unknown resource priority",
        420: "Bad extension",
        421: "Extension required",
        422: "Session interval too small",
        423: "Interval too brief",
        424: "Bad location information",
        425: "Bad alert message",
        428: "Use identity header",
        429: "Provide referrer identity",
        430: "Flow failed",
        433: "Anonymity disallowed",
        436: "Bad identity info",
        437: "Unsupported credential",
        438: "Invalid identity header",
        439: "First hop lacks outbound support",
        440: "Max-breadth exceeded",
        469: "Bad info package",
        470: "Consent needed",
        480: "Temporarily unavailable",
        481: "Call or transaction does not exist",
        482: "Loop detected",
        483: "Too many hops",
        484: "Address incomplete",
        485: "Ambiguous",
        486: "Busy here",
        487: "Request terminated",
        488: "Not acceptable here",
        489: "Bad event",
        491: "Request pending",
        493: "Undecipherable",
        494: "Security agreement required",
        500: "Server internal error",
        501: "Not implemented",
        502: "Bad gateway",
        503: "Service unavailable",
        504: "Server time-out",
        505: "Version not supported",
        513: "Message too large",
        555: "Push notification service not supported",
        580: "Precondition failure",
        600: "Busy everywhere",
        603: "Decline",
        604: "Does not exist anywhere",
        606: "Not acceptable",
        607: "Unwanted",
        608: "Rejected by analytics",
    }
)

#: ITU-T Q.850 (05/98) table 1, with the causes that Asterisk adds (0, 26, 52, 54).
Q850_TEXTS: Final = MappingProxyType(
    {
        0: "No cause given",
        1: "Unallocated number",
        2: "No route to the transit network",
        3: "No route to the destination",
        5: "Misdialled trunk prefix",
        6: "Channel unacceptable",
        7: "Call awarded in an established channel",
        8: "Pre-emption",
        14: "Number ported",
        16: "Normal call clearing",
        17: "User busy",
        18: "No user responding",
        19: "No answer from the user",
        20: "Subscriber absent",
        21: "Call rejected",
        22: "Number changed",
        23: "Redirected to a new destination",
        26: "Answered elsewhere",
        27: "Destination out of order",
        28: "Invalid number format",
        29: "Facility rejected",
        30: "Response to status enquiry",
        31: "Normal, unspecified",
        34: "No circuit available",
        38: "Network out of order",
        41: "Temporary failure",
        42: "Switching equipment congestion",
        43: "Access information discarded",
        44: "Requested channel not available",
        47: "Resource unavailable",
        50: "Facility not subscribed",
        52: "Outgoing calls barred",
        54: "Incoming calls barred",
        57: "Bearer capability not authorised",
        58: "Bearer capability not available",
        65: "Bearer capability not implemented",
        66: "Channel type not implemented",
        69: "Facility not implemented",
        79: "Service or option not implemented",
        81: "Invalid call reference",
        88: "Incompatible destination",
        95: "Invalid message",
        96: "Mandatory information element missing",
        97: "Message type non-existent",
        98: "Message not compatible with the call state",
        99: "Information element non-existent",
        100: "Invalid information element contents",
        101: "Message not compatible with the call state",
        102: "Recovery on timer expiry",
        103: "Parameter non-existent, passed on",
        111: "Protocol error",
        127: "Interworking, unspecified",
    }
)

#: AMI OriginateResponse `Reason`, by the control frames of Asterisk (include/asterisk/frame.h). The Issabel manual
#: prints another table, of which only 4 agrees with Asterisk.
AMI_REASON_TEXTS: Final = MappingProxyType(
    {
        0: "Failed",
        1: "The dialling side hung up",
        3: "Rang out",
        4: "Answered",
        5: "Busy",
        8: "Congestion",
    }
)

_SIP_CLASSES: Final = MappingProxyType(
    {
        1: "In progress",
        2: "Success",
        3: "Redirected",
        4: "Refused",
        5: "Server failure",
        6: "Refused everywhere",
    }
)


def describe_sip(code: int) -> str:
    """English for a SIP status (100-699); an unregistered one is described by its class, with the number."""
    if code in SIP_TEXTS:
        return SIP_TEXTS[code]
    if code // 100 not in _SIP_CLASSES:
        raise ValueError(f"SIP status {code} does not exist; expected 100 to 699")
    return f"{_SIP_CLASSES[code // 100]} ({code})"


def describe_q850(cause: int) -> str:
    """English for a Q.850 cause."""
    return Q850_TEXTS.get(cause, f"Unknown cause ({cause})")


def describe_ami_reason(reason: int) -> str:
    """English for the `Reason` of an AMI OriginateResponse event."""
    return AMI_REASON_TEXTS.get(reason, f"Unknown reason ({reason})")
