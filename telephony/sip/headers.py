"""What may travel in a SIP request that we build."""

from __future__ import annotations

import re
from collections.abc import Mapping

from telephony.errors import InvalidHeader

ATTEMPT_HEADER = "X-Campana-Attempt"
_TOKEN = re.compile(r"[A-Za-z0-9!%*_+`'~.-]+")
_MAX_VALUE = 256
_ROUTING = frozenset({"via", "from", "to", "call-id", "cseq", "contact", "max-forwards", "route", "record-route"})
_CAPABILITIES = frozenset({"require", "supported", "allow", "authorization", "proxy-authorization"})
_BODY = frozenset({"content-length", "content-type", "content-encoding"})
_COMPACT_FORMS = frozenset("viftmlcek")
_OURS = _ROUTING | _CAPABILITIES | _BODY | _COMPACT_FORMS | {ATTEMPT_HEADER.lower()}


def check_headers(headers: Mapping[str, str]) -> None:
    """Raise `InvalidHeader` for a header that would break the request or replace one that the stack writes."""
    for name, value in headers.items():
        if not _TOKEN.fullmatch(name):
            raise InvalidHeader(f"SIP header {name!r}: a name is letters, digits and hyphens, without spaces")
        if name.lower() in _OURS:
            raise InvalidHeader(f"SIP header {name!r} is written by the SIP stack itself; choose an X- name")
        if len(value) > _MAX_VALUE or not value.isprintable():
            raise InvalidHeader(
                f"SIP header {name!r}: a value is one line of at most {_MAX_VALUE} printable characters"
            )
