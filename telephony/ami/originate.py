"""A dial request as the fields of an Originate action."""

from __future__ import annotations

import re
from collections.abc import Mapping
from uuid import NAMESPACE_OID, UUID, uuid5

from telephony.ami.bringing import audio_application
from telephony.ami.protocol import variable
from telephony.call import DialRequest
from telephony.errors import InvalidHeader
from telephony.outcomes import DialStatus
from telephony.sip.headers import check_headers
from telephony.trunk import AsteriskTrunk, is_diallable

_ATTEMPT_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")


def call_uuid(attempt_id: str) -> UUID:
    """The UUID that ties the audio to the call: the attempt's id where that is one, else derived from it."""
    try:
        return UUID(attempt_id)
    except ValueError:
        return uuid5(NAMESPACE_OID, attempt_id)


def fault(request: DialRequest) -> tuple[DialStatus, str] | None:
    """What makes a request impossible to place, before anything is sent."""
    if not is_diallable(request.number):
        return DialStatus.INVALID, "the number holds other characters than digits, *, # and a leading +"
    if request.caller_id is not None and not is_diallable(request.caller_id):
        return DialStatus.ERROR, "the caller ID holds other characters than digits, *, # and a leading +"
    if not _ATTEMPT_ID.fullmatch(request.attempt_id):
        return DialStatus.ERROR, "the attempt's id holds other characters than letters, digits, _ . and -"
    try:
        check_headers(request.headers)
    except InvalidHeader as exc:
        return DialStatus.ERROR, str(exc)
    return None


def fields(request: DialRequest, trunk: AsteriskTrunk, media: str) -> list[tuple[str, str]]:
    """The fields of Originate; `media` is the host:port at which Asterisk finds our media server."""
    application, data = audio_application(trunk, media, call_uuid(request.attempt_id))
    caller = request.caller_id or trunk.caller_for(request.attempt_id)
    return [
        ("Channel", trunk.channel(request.number)),
        ("ChannelId", request.attempt_id),
        ("Application", application),
        ("Data", data),
        ("Timeout", str(max(1, round(request.ring_timeout_s * 1000)))),
        ("Async", "true"),
        *([("CallerID", f"<{caller}>")] if caller else []),
        *_headers(request.headers, trunk.technology),
    ]


def _headers(headers: Mapping[str, str], technology: str) -> list[tuple[str, str]]:
    """SIP headers by the means of the channel driver; chan_sip's is inherited through a Local channel."""
    if technology.upper() == "PJSIP":
        return [variable(f"PJSIP_HEADER(add,{name})", value) for name, value in headers.items()]
    return [
        variable(f"__SIPADDHEADER{number:02d}", f"{name}: {value}")
        for number, (name, value) in enumerate(headers.items(), start=1)
    ]
