"""What the callee asks within a call: NOTIFY, INFO and BYE, one after the other (RFC 3261 12.2.1, 17.1.2). No I/O."""

from __future__ import annotations

import re
import secrets
from collections import deque
from collections.abc import Callable, Iterable

from telephony.simulator.errors import SipSyntaxError
from telephony.simulator.retransmission import Retransmission
from telephony.simulator.sip import Headers, Request, Response, address_uri, parse_uri, with_parameter

Address = tuple[str, int]
Send = Callable[[bytes, Address], None]
_Field = tuple[str, str]


class Dialog:
    """Writes our requests of one dialog, and repeats the one that is open until it is answered.

    `target` is the caller's last INVITE: its Contact is where the caller is now.
    """

    def __init__(self, invite: Request, tag: str, source: Address, contact: Address, send: Send) -> None:
        self._invite = self.target = invite
        self._tag, self._source, self._contact, self._send = tag, source, contact, send
        self._cseq = 0
        self._waiting: deque[tuple[str, tuple[_Field, ...], bytes]] = deque()
        self._open: tuple[int, Retransmission] | None = None

    def ask(self, method: str, fields: Iterable[_Field], body: bytes, now: float) -> None:
        """Send a request, after those before it have been answered: they must not overtake each other."""
        self._waiting.append((method, tuple(fields), body))
        self._next(now)

    def poll(self, now: float) -> None:
        """Repeat the open request; one that nobody answers is given up."""
        if self._open is None:
            return
        _, pending = self._open
        if pending.hopeless(now):
            self.stop()
        elif pending.due(now):
            self._send(pending.message, self.next_hop())

    def answered(self, response: Response, now: float) -> None:
        """Take a final response to one of our requests."""
        if self._open is not None and response.status >= 200 and response.cseq[0] == self._open[0]:
            self._open = None
            self._next(now)

    def stop(self) -> None:
        """Ask nothing more."""
        self._open = None
        self._waiting.clear()

    def build(self, method: str, fields: Iterable[_Field] = (), body: bytes = b"") -> bytes:
        """A request with the next sequence number."""
        self._cseq += 1
        to, me = self._invite.headers["from"], with_parameter(self._invite.headers["to"], "tag", self._tag)
        host, port = self._contact
        headers = [("via", f"SIP/2.0/UDP {host}:{port};rport;branch=z9hG4bK{secrets.token_hex(8)}")]
        headers += [("route", route) for route in self._invite.headers.all("record-route")]
        headers += [("max-forwards", "70"), ("from", me), ("to", to), ("call-id", self._invite.call_id)]
        headers += [("cseq", f"{self._cseq} {method}"), *fields]
        return Request(Headers(headers), body, method=method, uri=self._remote_target()).encode()

    def next_hop(self) -> Address:
        """Where a request goes: the first route, else the caller's Contact; the source of its INVITE where that is
        a name."""
        routes = self._invite.headers.all("record-route")
        uri = address_uri(routes[0]) if routes else self._remote_target()
        try:
            target = parse_uri(uri)
        except SipSyntaxError:
            return self._source
        literal = target.host.replace(".", "").isdigit()
        return (target.host, target.port or 5060) if literal else self._source

    def _next(self, now: float) -> None:
        if self._open is None and self._waiting:
            message = self.build(*self._waiting.popleft())
            self._open = self._cseq, Retransmission.start(message, now)
            self._send(message, self.next_hop())

    def _remote_target(self) -> str:
        contact = self.target.headers.get("contact") or self._invite.headers.get("contact")
        uri = address_uri(contact) if contact else ""
        return uri if re.fullmatch(r"sips?:\S+", uri) else f"sip:{self._source[0]}:{self._source[1]}"
