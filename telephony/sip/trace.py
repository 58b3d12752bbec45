"""Reading the SIP stack's message trace: the only place where it tells of a 100 Trying and of the keys it refuses.

The stack reports ringing, answer and end as events, but a provisional answer that only says "I am working on it"
changes nothing for it. For us it is what tells a slow carrier from a dead one. Of keys in SIP INFO it knows
application/dtmf-relay with a duration, and reports those as events; it refuses the others, which are read here.
"""

from __future__ import annotations

import logging
import re
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

TRACE_LOGGER = "baresip.native.sip"
_STATUS = re.compile(r"SIP/2\.0 (\d{3}) ")
_CALL_ID = re.compile(r"^(?:Call-ID|i)[ \t]*:[ \t]*(\S+)", re.IGNORECASE | re.MULTILINE)
_CSEQ = re.compile(r"^CSeq[ \t]*:[ \t]*(\d+)[ \t]+(\S+)", re.IGNORECASE | re.MULTILINE)
_KEY_TYPE = re.compile(
    r"^(?:Content-Type|c)[ \t]*:[ \t]*application/dtmf(?:-relay)?(?![\w-])", re.IGNORECASE | re.MULTILINE
)
_SIGNAL = re.compile(r"^Signal[ \t]*=[ \t]*(\S+)", re.IGNORECASE | re.MULTILINE)
_KEYS = "0123456789*#ABCD"
#: How the stack refuses a key: unknown type, or without a duration. Not 481: such a call is gone.
_REFUSALS = ("400", "415", "488")
#: Requests that wait for the stack's answer to them; far more than can be open at once.
_MOST_OPEN = 1000


@dataclass(frozen=True)
class Response:
    """A SIP response that came from the far end."""

    status: int
    method: str
    call_id: str


@dataclass(frozen=True)
class RefusedKey:
    """A key in a SIP INFO that the stack refused."""

    digit: str
    call_id: str


def read_response(traced: str) -> Response | None:
    """The response in one traced message; None if it was sent by us, is a request, or cannot be read."""
    head, _, message = traced.partition("\n")
    status = _STATUS.match(message)
    if not head.startswith("RX ") or status is None:
        return None
    call_id, cseq = _CALL_ID.search(message), _CSEQ.search(message)
    if call_id is None or cseq is None:
        return None
    return Response(int(status.group(1)), cseq.group(2).upper(), call_id.group(1))


def read_key(message: str) -> str | None:
    """The key in an INFO request: `Signal=5` (application/dtmf-relay) or the key alone (application/dtmf).

    A key may also be its event number of RFC 4733: 10 is `*`, 11 is `#`, 12 to 15 are A to D.
    """
    head, _, body = message.replace("\r", "").partition("\n\n")
    if _KEY_TYPE.search(head) is None:
        return None
    signal = _SIGNAL.search(body)
    key = (signal.group(1) if signal else body.strip()).upper()
    if key.isascii() and key.isdigit():
        return _KEYS[int(key)] if len(key) <= 2 and int(key) < len(_KEYS) else None
    return key if len(key) == 1 and key in _KEYS else None


class InfoKeys:
    """Joins each INFO with the stack's answer to it: a key that the stack took comes as an event of its own."""

    def __init__(self) -> None:
        #: By Call-ID and CSeq; None once answered, so that a repetition counts for nothing.
        self._open: OrderedDict[tuple[str, str], str | None] = OrderedDict()

    def take(self, traced: str) -> RefusedKey | None:
        """Read one traced message; the key that the stack refuses with it."""
        head, _, message = traced.partition("\n")
        call_id, cseq = _CALL_ID.search(message), _CSEQ.search(message)
        if call_id is None or cseq is None or cseq.group(2) != "INFO":
            return None
        request = call_id.group(1), cseq.group(1)
        if head.startswith("RX ") and message.startswith("INFO "):
            self._open.setdefault(request, read_key(message))
            if len(self._open) > _MOST_OPEN:
                self._open.popitem(last=False)
        elif head.startswith("TX ") and (status := _STATUS.match(message)) and self._open.get(request):
            digit, self._open[request] = self._open[request], None
            return RefusedKey(digit, request[0]) if digit and status.group(1) in _REFUSALS else None
        return None


class TraceHandler(logging.Handler):
    """Hands on what is read in the trace; both functions are called in the stack's logging thread."""

    def __init__(self, on_response: Callable[[Response], None], on_key: Callable[[RefusedKey], None]) -> None:
        super().__init__(logging.DEBUG)
        self._on_response, self._on_key = on_response, on_key
        self._keys = InfoKeys()

    def emit(self, record: logging.LogRecord) -> None:
        traced = record.getMessage()
        response = read_response(traced)
        if response is not None:
            self._on_response(response)
        elif (key := self._keys.take(traced)) is not None:
            self._on_key(key)


class Trace:
    """Takes the trace while installed, and keeps it out of every log: it holds numbers and digests in clear."""

    def __init__(self, on_response: Callable[[Response], None], on_key: Callable[[RefusedKey], None]) -> None:
        self._handler = TraceHandler(on_response, on_key)
        self._logger = logging.getLogger(TRACE_LOGGER)
        self._before = (self._logger.level, self._logger.propagate)

    def install(self) -> None:
        self._before = (self._logger.level, self._logger.propagate)
        self._logger.addHandler(self._handler)
        self._logger.setLevel(logging.DEBUG)
        self._logger.propagate = False

    def remove(self) -> None:
        self._logger.removeHandler(self._handler)
        level, self._logger.propagate = self._before
        self._logger.setLevel(level)
