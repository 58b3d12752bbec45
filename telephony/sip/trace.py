"""Reading the SIP stack's message trace: the only place where it tells of a 100 Trying.

The stack reports ringing, answer and end as events, but a provisional answer that only says "I am working on it"
changes nothing for it. For us it is what tells a slow carrier from a dead one.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable
from dataclasses import dataclass

TRACE_LOGGER = "baresip.native.sip"
_STATUS = re.compile(r"SIP/2\.0 (\d{3}) ")
_CALL_ID = re.compile(r"^(?:Call-ID|i)[ \t]*:[ \t]*(\S+)", re.IGNORECASE | re.MULTILINE)
_CSEQ_METHOD = re.compile(r"^CSeq[ \t]*:[ \t]*\d+[ \t]+(\S+)", re.IGNORECASE | re.MULTILINE)


@dataclass(frozen=True)
class Response:
    """A SIP response that came from the far end."""

    status: int
    method: str
    call_id: str


def read_response(traced: str) -> Response | None:
    """The response in one traced message; None if it was sent by us, is a request, or cannot be read."""
    head, _, message = traced.partition("\n")
    status = _STATUS.match(message)
    if not head.startswith("RX ") or status is None:
        return None
    call_id, method = _CALL_ID.search(message), _CSEQ_METHOD.search(message)
    if call_id is None or method is None:
        return None
    return Response(int(status.group(1)), method.group(1).upper(), call_id.group(1))


class TraceHandler(logging.Handler):
    """Hands each response in the trace to `deliver`, which is called in the stack's logging thread."""

    def __init__(self, deliver: Callable[[Response], None]) -> None:
        super().__init__(logging.DEBUG)
        self._deliver = deliver

    def emit(self, record: logging.LogRecord) -> None:
        response = read_response(record.getMessage())
        if response is not None:
            self._deliver(response)


class Trace:
    """Takes the trace while installed, and keeps it out of every log: it holds numbers and digests in clear."""

    def __init__(self, deliver: Callable[[Response], None]) -> None:
        self._handler = TraceHandler(deliver)
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
