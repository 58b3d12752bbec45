"""The callee's side of one SIP call, from INVITE to BYE (RFC 3261 sections 12 to 15 and 17.2). No I/O."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterable
from enum import Enum

import structlog

from telephony.simulator import sdp
from telephony.simulator.dialog import Address, Dialog, Send
from telephony.simulator.errors import SdpError
from telephony.simulator.retransmission import Retransmission
from telephony.simulator.sip import (
    Headers,
    Request,
    Response,
    address_uri,
    parameter,
    parse_uri,
    sent_by,
    with_parameter,
)

ALLOW = "INVITE, ACK, BYE, CANCEL, OPTIONS, INFO, REFER"
REASONS = {
    100: "Trying",
    180: "Ringing",
    200: "OK",
    202: "Accepted",
    400: "Bad Request",
    403: "Forbidden",
    404: "Not Found",
    405: "Method Not Allowed",
    408: "Request Timeout",
    410: "Gone",
    420: "Bad Extension",
    480: "Temporarily Unavailable",
    481: "Call/Transaction Does Not Exist",
    484: "Address Incomplete",
    486: "Busy Here",
    487: "Request Terminated",
    488: "Not Acceptable Here",
    491: "Request Pending",
    500: "Server Internal Error",
    502: "Bad Gateway",
    503: "Service Unavailable",
    504: "Server Time-out",
    600: "Busy Everywhere",
    603: "Decline",
    604: "Does Not Exist Anywhere",
    606: "Not Acceptable",
    607: "Unwanted",
    608: "Rejected",
}
_log = structlog.get_logger(__name__)


class LegState(Enum):
    """Where a leg stands; `ACCEPTED` and `REFUSED` wait for the ACK, `CLOSING` for the answer to our BYE."""

    INVITED = "invited"
    ACCEPTED = "accepted"
    CONFIRMED = "confirmed"
    REFUSED = "refused"
    CLOSING = "closing"
    ENDED = "ended"


class EndedBy(Enum):
    """Who ended a call: the caller (CANCEL or BYE), the callee, or nobody (signalling timed out)."""

    CALLER = "caller"
    CALLEE = "callee"
    NETWORK = "network"


_MOVES = {
    LegState.INVITED: {LegState.ACCEPTED, LegState.REFUSED, LegState.ENDED},
    LegState.ACCEPTED: {LegState.CONFIRMED, LegState.CLOSING, LegState.ENDED},
    LegState.CONFIRMED: {LegState.CLOSING, LegState.ENDED},
    LegState.REFUSED: {LegState.ENDED},
    LegState.CLOSING: {LegState.ENDED},
    LegState.ENDED: set(),
}


def reply_address(request: Request, source: Address) -> Address:
    """Where responses go: to the source port if `rport` asks so, else to the Via's port (RFC 3261 18.2.2, RFC 3581)."""
    via = request.headers["via"]
    if parameter(via, "rport") is not None:
        return source
    _, _, port = sent_by(via).rpartition(":")
    return source[0], int(port) if port.isascii() and port.isdigit() and 0 < int(port[:6]) < 65_536 else 5060


def respond(
    request: Request,
    status: int,
    source: Address,
    *,
    tag: str | None = None,
    fields: Iterable[tuple[str, str]] = (),
    body: bytes = b"",
) -> Response:
    """A response to a request: Via, From, Call-ID and CSeq echoed, To with our tag (RFC 3261 8.2.6)."""
    top, *others = request.headers.all("via")
    top = with_parameter(top, "received", source[0])
    if parameter(top, "rport") is not None:
        top = with_parameter(top, "rport", str(source[1]))
    to = request.headers["to"]
    if tag and parameter(to, "tag") is None:
        to = with_parameter(to, "tag", tag)
    headers = [("via", via) for via in (top, *others)]
    headers += [("from", request.headers["from"]), ("to", to)]
    headers += [("call-id", request.call_id), ("cseq", request.headers["cseq"]), *fields]
    return Response(Headers(headers), body, status=status, reason=REASONS.get(status, "Refused"))


class Leg:
    """One call as the callee sees it.

    Times are seconds of a steady clock. `agreed` holds the media once both descriptions are known; `ended_by`
    is set when the call is over for its people, `state` ENDED when nothing more is owed on the wire.
    """

    def __init__(self, invite: Request, source: Address, contact: Address, send: Send) -> None:
        self.invite = invite
        self.call_id = invite.call_id
        self.tag = secrets.token_hex(6)
        self.state = LegState.INVITED
        self.ended_by: EndedBy | None = None
        self.final_status: int | None = None
        self.agreed: sdp.Agreed | None = None
        self.rang = False
        self._source = source
        self._user = parse_uri(invite.uri).user
        self._contact = contact
        self._send = send
        self._last: bytes | None = None
        self._pending: Retransmission | None = None
        self._session = secrets.randbits(31)
        self._remote_cseq = invite.cseq[0]
        self._reinvite: Request | None = None
        self._local_description = b""
        self._hangup_wanted = False
        self._dialog = Dialog(invite, self.tag, source, contact, send)
        #: Answers a REFER: the URI that it names, and the status for it.
        self.on_refer: Callable[[str], int] = lambda _uri: 405

    @property
    def answered(self) -> bool:
        """Whether a 2xx went out."""
        return self.final_status == 200

    @property
    def mute(self) -> bool:
        """Whether nothing was ever sent."""
        return self._last is None

    @property
    def over(self) -> bool:
        """Whether the call is over for its people."""
        return self.ended_by is not None

    def trying(self) -> None:
        """Send 100, so that the caller stops repeating the INVITE."""
        self._transmit(respond(self.invite, 100, self._source))

    def ring(self) -> None:
        """Send 180."""
        self.rang = True
        self._transmit(self._response(180))

    def answer(self, host: str, port: int, now: float) -> None:
        """Send 200 with our description, again and again until the ACK.

        Refuses with 488 when the offer holds nothing we speak, with 400 when it is no description.
        """
        try:
            description = self._describe(host, port)
        except SdpError:
            _log.info("offer_refused", call_id=self.call_id, exc_info=True)
            self.reject(488, now)
            return
        self._local_description = description
        self._move(LegState.ACCEPTED)
        self._final(200, now, [("content-type", "application/sdp")], description)

    def reject(
        self, status: int, now: float, fields: Iterable[tuple[str, str]] = (), by: EndedBy = EndedBy.CALLEE
    ) -> None:
        """Send a final refusal, again and again until the ACK."""
        self._move(LegState.REFUSED)
        self.ended_by = by
        self._final(status, now, fields)

    def hangup(self, now: float, by: EndedBy = EndedBy.CALLEE) -> None:
        """Send BYE, after the ACK if that is still to come (RFC 3261 15); nothing unless answered and live."""
        unacknowledged = self.state is LegState.ACCEPTED
        if unacknowledged and by is not EndedBy.NETWORK:
            self._hangup_wanted = True
            return
        if not unacknowledged and self.state is not LegState.CONFIRMED:
            return
        self._move(LegState.CLOSING)
        self.ended_by = by
        self._dialog.stop()
        bye = self._dialog.build("BYE")
        self._pending = Retransmission.start(bye, now)
        self._send(bye, self._dialog.next_hop())

    def ask(self, method: str, fields: Iterable[tuple[str, str]], body: bytes, now: float) -> None:
        """Send a NOTIFY or an INFO after those before it; nothing unless the call is answered and live."""
        if self.state is LegState.CONFIRMED:
            contact = ("contact", f"<sip:{self._user}@{self._contact[0]}:{self._contact[1]}>")
            self._dialog.ask(method, [contact, *fields], body, now)

    def fail(self, now: float) -> None:
        """End the call because the callee broke down: 500 before the answer, BYE after it."""
        if self.state is LegState.INVITED:
            self.reject(500, now, by=EndedBy.NETWORK)
        else:
            self.hangup(now, EndedBy.NETWORK)

    def quit(self, now: float) -> None:
        """End the call with one word and wait for no answer, because the network closes."""
        if self.state is LegState.INVITED:
            self.reject(480, now, by=EndedBy.NETWORK)
        else:
            self.hangup(now)
        self.abandon()

    def poll(self, now: float) -> None:
        """Repeat what is unanswered, and give up after 64·T1."""
        self._dialog.poll(now)
        pending = self._pending
        if pending is None:
            return
        if pending.hopeless(now):
            self._pending = None
            self._give_up(now)
        elif pending.due(now):
            self._send(pending.message, self._dialog.next_hop() if self.state is LegState.CLOSING else self._reply_to)

    def abandon(self) -> None:
        """Forget the call without a word, as a line that goes dead."""
        self._pending = None
        self._dialog.stop()
        self.ended_by = self.ended_by or EndedBy.NETWORK
        if self.state is not LegState.ENDED:
            self._move(LegState.ENDED)

    def receive_request(self, request: Request, source: Address, now: float) -> None:
        """Take an INVITE or an ACK of this leg; INVITEs are repetitions, or change the dialog."""
        if request.method == "ACK":
            self._acknowledged(request, now)
        elif request.branch == self.invite.branch:
            self._repeat()
        else:
            self._renegotiate(request, source, now)

    def reply(self, request: Request, source: Address) -> Response:
        """The answer to any other request of the dialog, which is to be remembered for its repetitions."""
        number, method = request.cseq
        if number <= self._remote_cseq and method != "OPTIONS":
            return respond(request, 500, source, tag=self.tag)
        self._remote_cseq = max(number, self._remote_cseq)
        if method == "BYE":
            self._bye_received()
            return respond(request, 200, source, tag=self.tag)
        if method in ("OPTIONS", "INFO"):
            return respond(request, 200, source, tag=self.tag, fields=[("allow", ALLOW)])
        if method == "REFER":
            return self._refer(request, source)
        return respond(request, 405, source, tag=self.tag, fields=[("allow", ALLOW)])

    def _refer(self, request: Request, source: Address) -> Response:
        """Exactly one Refer-To, within an answered call (RFC 3515 2.4.2)."""
        named = request.headers.all("refer-to")
        if len(named) != 1:
            return respond(request, 400, source, tag=self.tag)
        status = self.on_refer(address_uri(named[0])) if self.state is LegState.CONFIRMED else 491
        contact = [("contact", f"<sip:{self._user}@{self._contact[0]}:{self._contact[1]}>")] if status < 300 else []
        return respond(request, status, source, tag=self.tag, fields=[*contact, ("allow", ALLOW)])

    def receive_cancel(self, now: float) -> None:
        """The caller gives up before the answer: 487 for the INVITE; too late after a final response."""
        if self.state is LegState.INVITED:
            self.reject(487, now, by=EndedBy.CALLER)

    def receive_response(self, response: Response, now: float) -> None:
        """The answer to a request of ours; any final one to our BYE ends the leg."""
        self._dialog.answered(response, now)
        if response.status >= 200 and self.state is LegState.CLOSING and response.cseq[1] == "BYE":
            self._pending = None
            self._move(LegState.ENDED)

    def _move(self, to: LegState) -> None:
        if to not in _MOVES[self.state]:
            raise RuntimeError(f"a leg cannot go from {self.state.value} to {to.value}")
        _log.debug("leg_state", call_id=self.call_id, change=f"{self.state.value} -> {to.value}")
        self.state = to

    @property
    def _reply_to(self) -> Address:
        return reply_address(self._reinvite or self.invite, self._source)

    def _response(self, status: int, fields: Iterable[tuple[str, str]] = (), body: bytes = b"") -> Response:
        invite = self._reinvite or self.invite
        routes = [("record-route", route) for route in invite.headers.all("record-route")] if status < 300 else []
        contact = [("contact", f"<sip:{self._user}@{self._contact[0]}:{self._contact[1]}>")] if status < 300 else []
        headers = [*routes, *contact, ("allow", ALLOW), *fields]
        return respond(invite, status, self._source, tag=self.tag, fields=headers, body=body)

    def _transmit(self, response: Response) -> bytes:
        self._last = response.encode()
        self._send(self._last, self._reply_to)
        return self._last

    def _final(self, status: int, now: float, fields: Iterable[tuple[str, str]] = (), body: bytes = b"") -> None:
        if self._reinvite is None:
            self.final_status = status
        self._pending = Retransmission.start(self._transmit(self._response(status, fields, body)), now)

    def _repeat(self) -> None:
        if self._last is not None and self.state is not LegState.CONFIRMED:
            self._send(self._last, self._reply_to)

    def _describe(self, host: str, port: int) -> bytes:
        offered = (self._reinvite or self.invite).body
        if not offered.strip():
            return sdp.offer(host, port, self._session)
        streams = sdp.parse(offered)
        self.agreed = sdp.agree(streams)
        return sdp.answer(streams, self.agreed, host, port, self._session)

    def _acknowledged(self, ack: Request, now: float) -> None:
        if ack.cseq[0] != (self._reinvite or self.invite).cseq[0]:
            return
        if self.state in (LegState.ACCEPTED, LegState.CONFIRMED, LegState.REFUSED):
            self._pending = None
        if self.state is LegState.REFUSED:
            self._move(LegState.ENDED)
        elif self.state is LegState.ACCEPTED:
            self._move(LegState.CONFIRMED)
            self._take_late_answer(ack)
            if self._hangup_wanted:
                self.hangup(now)

    def _take_late_answer(self, ack: Request) -> None:
        if self.agreed is None and ack.body.strip():
            try:
                self.agreed = sdp.agree(sdp.parse(ack.body))
            except SdpError:
                _log.info("late_answer_refused", call_id=self.call_id, exc_info=True)

    def _renegotiate(self, request: Request, source: Address, now: float) -> None:
        if self._reinvite is not None and request.branch == self._reinvite.branch:
            if self._last is not None:
                self._send(self._last, self._reply_to)
            return
        if self.state is not LegState.CONFIRMED or request.cseq[0] <= self._remote_cseq:
            refusal = respond(request, 500 if not self.over else 481, source, tag=self.tag)
            self._send(refusal.encode(), reply_address(request, source))
            return
        self._remote_cseq, self._reinvite, self._source = request.cseq[0], request, source
        self._dialog.target = request
        port = _own_port(self._local_description)
        try:
            description = self._describe(self._contact[0], port)
        except SdpError:
            self._final(488, now)
            return
        self._final(200, now, [("content-type", "application/sdp")], description)

    def _bye_received(self) -> None:
        self.ended_by = self.ended_by or EndedBy.CALLER
        self._pending = None
        self._dialog.stop()
        if self.state is not LegState.ENDED:
            self._move(LegState.ENDED)

    def _give_up(self, now: float) -> None:
        if self.state in (LegState.ACCEPTED, LegState.CONFIRMED):
            self.hangup(now, EndedBy.NETWORK)
        else:
            self.abandon()


def _own_port(description: bytes) -> int:
    return next((stream.port for stream in sdp.parse(description) if stream.port), 0)
