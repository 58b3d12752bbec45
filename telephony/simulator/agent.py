"""A SIP user agent server without I/O: datagrams and the time in, datagrams and calls out (RFC 3261 section 8.2)."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass

import structlog

from telephony.simulator.dialog import Address, Send
from telephony.simulator.errors import SipSyntaxError
from telephony.simulator.leg import ALLOW, Leg, LegState, reply_address, respond
from telephony.simulator.retransmission import GIVE_UP_S
from telephony.simulator.sip import Request, Response, parameter, parse

_KNOWN = frozenset({"INVITE", "ACK", "BYE", "CANCEL", "OPTIONS", "INFO", "REFER"})
_log = structlog.get_logger(__name__)


@dataclass
class _Remembered:
    """An answer kept for the repetitions of its request (Timer J)."""

    datagram: bytes
    target: Address
    until: float


class UserAgentServer:
    """Keeps the legs and hands each datagram to the one it belongs to.

    `on_invite` is called once for each new INVITE, before anything is answered; it returns whether the callee
    reacts at all (False: a dead line, on which every repetition of this INVITE is passed over too).
    `receive` never raises, whatever comes.
    """

    def __init__(self, contact: Address, send: Send, on_invite: Callable[[Leg], bool]) -> None:
        self._contact = contact
        self._send = send
        self._on_invite = on_invite
        self._by_branch: dict[str, Leg] = {}
        self._by_dialog: dict[tuple[str, str], Leg] = {}
        self._remembered: dict[str, _Remembered] = {}
        self._live: set[Leg] = set()
        self._ended: dict[Leg, float] = {}

    @property
    def live(self) -> bool:
        """Whether any leg still owes or awaits something."""
        return bool(self._live)

    def receive(self, datagram: bytes, source: Address, now: float) -> None:
        """Take one datagram; what cannot be read is dropped."""
        if not datagram.strip(b"\r\n\0 "):
            return
        try:
            message = parse(datagram)
            if isinstance(message, Response):
                self._response(message, now)
            else:
                self._request(message, source, now)
        except SipSyntaxError as error:
            _log.debug("datagram_dropped", reason=str(error))

    def poll(self, now: float) -> None:
        """Let every leg repeat what is due; forget what ended more than 32 s ago."""
        for leg in tuple(self._live):
            leg.poll(now)
            if leg.state is LegState.ENDED:
                self._live.discard(leg)
                self._ended[leg] = now + GIVE_UP_S
        self._forget(now)

    def _request(self, request: Request, source: Address, now: float) -> None:
        remembered = self._remembered.get(_key(request))
        if remembered is not None:
            self._send(remembered.datagram, remembered.target)
            return
        leg = self._find(request)
        if request.method == "CANCEL":
            self._cancel(request, source, now)
        elif leg is not None and request.method in ("INVITE", "ACK"):
            leg.receive_request(request, source, now)
        elif leg is not None:
            self._answer(request, leg.reply(request, source), source, now)
        elif request.method == "INVITE" and parameter(request.headers["to"], "tag") is None:
            self._invite(request, source)
        elif request.method != "ACK":
            self._reply(request, self._stray_status(request), source, now)

    def _find(self, request: Request) -> Leg | None:
        tag = parameter(request.headers["to"], "tag")
        dialog = self._by_dialog.get((request.call_id, tag)) if tag else None
        return dialog or (self._by_branch.get(request.branch) if request.method in ("INVITE", "ACK") else None)

    def _invite(self, request: Request, source: Address) -> None:
        required = request.headers.all("require")
        if required:
            fields = [("unsupported", ", ".join(required))]
            refusal = respond(request, 420, source, tag=secrets.token_hex(6), fields=fields)
            self._send(refusal.encode(), reply_address(request, source))
            return
        leg = Leg(request, source, self._contact, self._send)
        self._by_branch[request.branch] = leg
        self._by_dialog[request.call_id, leg.tag] = leg
        self._live.add(leg)
        if self._on_invite(leg):
            leg.trying()
        else:
            leg.abandon()

    def _cancel(self, request: Request, source: Address, now: float) -> None:
        leg = self._by_branch.get(request.branch)
        if leg is not None and leg.mute:
            return
        self._reply(request, 481 if leg is None else 200, source, now)
        if leg is not None:
            leg.receive_cancel(now)

    def _stray_status(self, request: Request) -> int:
        if parameter(request.headers["to"], "tag") is not None:
            return 481
        if request.method == "OPTIONS":
            return 200
        return 481 if request.method in _KNOWN else 405

    def _reply(self, request: Request, status: int, source: Address, now: float) -> None:
        leg = self._by_branch.get(request.branch)
        tag = leg.tag if leg else secrets.token_hex(6)
        response = respond(request, status, source, tag=tag, fields=[("allow", ALLOW), ("accept", "application/sdp")])
        self._answer(request, response, source, now)

    def _answer(self, request: Request, response: Response, source: Address, now: float) -> None:
        kept = _Remembered(response.encode(), reply_address(request, source), now + GIVE_UP_S)
        self._remembered[_key(request)] = kept
        self._send(kept.datagram, kept.target)

    def _response(self, response: Response, now: float) -> None:
        tag = parameter(response.headers["from"], "tag")
        leg = self._by_dialog.get((response.call_id, tag)) if tag else None
        if leg is not None:
            leg.receive_response(response, now)

    def _forget(self, now: float) -> None:
        for leg, until in tuple(self._ended.items()):
            if now < until:
                break
            del self._ended[leg]
            self._by_branch.pop(leg.invite.branch, None)
            self._by_dialog.pop((leg.call_id, leg.tag), None)
        for key, kept in tuple(self._remembered.items()):
            if now < kept.until:
                break
            del self._remembered[key]


def _key(request: Request) -> str:
    return f"{request.method} {request.branch}"
