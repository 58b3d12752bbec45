"""A caller for tests of the simulator: message builders for its state machines, and one on real sockets."""

from __future__ import annotations

import asyncio
import itertools
import math
import struct
from dataclasses import dataclass, field

from telephony.simulator.agent import UserAgentServer
from telephony.simulator.dialog import Address
from telephony.simulator.leg import Leg
from telephony.simulator.sip import Headers, Request, Response, parameter, parse

CALLER: Address = ("127.0.0.1", 5070)
CALLEE: Address = ("127.0.0.1", 5080)

_branches = itertools.count(1)


def offer(port: int = 40_000, formats: str = "0 8 101", *extra: str) -> bytes:
    lines = [
        "v=0",
        "o=- 1 1 IN IP4 127.0.0.1",
        "s=-",
        "c=IN IP4 127.0.0.1",
        "t=0 0",
        f"m=audio {port} RTP/AVP {formats}",
        "a=rtpmap:101 telephone-event/8000",
        *extra,
    ]
    return ("\r\n".join(lines) + "\r\n").encode()


def invite(
    number: str = "+84901000001",
    *,
    call_id: str = "call-1",
    cseq: int = 1,
    body: bytes | None = None,
    caller: Address = CALLER,
    callee: Address = CALLEE,
    to_tag: str | None = None,
    fields: tuple[tuple[str, str], ...] = (),
) -> Request:
    to = f"<sip:{number}@{callee[0]}:{callee[1]}>"
    headers = [
        ("via", f"SIP/2.0/UDP {caller[0]}:{caller[1]};rport;branch=z9hG4bK-{next(_branches)}"),
        ("max-forwards", "70"),
        ("from", f'"Bot, the" <sip:+842873000000@{caller[0]}>;tag=caller'),
        ("to", f"{to};tag={to_tag}" if to_tag else to),
        ("call-id", call_id),
        ("cseq", f"{cseq} INVITE"),
        ("contact", f"<sip:bot@{caller[0]}:{caller[1]}>"),
        *fields,
    ]
    return Request(
        Headers(headers),
        offer() if body is None else body,
        method="INVITE",
        uri=f"sip:{number}@{callee[0]}:{callee[1]}",
    )


def follow(first: Request, method: str, to: str, *, cseq: int | None = None, same_branch: bool = False) -> Request:
    """A further request of the caller's: ACK, BYE, CANCEL …"""
    via = first.headers["via"] if same_branch else first.headers["via"].rpartition("-")[0] + f"-{next(_branches)}"
    number = first.cseq[0] if cseq is None else cseq
    headers = [
        ("via", via),
        ("from", first.headers["from"]),
        ("to", to),
        ("call-id", first.call_id),
        ("cseq", f"{number} {method}"),
    ]
    return Request(Headers(headers), method=method, uri=first.uri)


def ok_for(request: Request) -> Response:
    names = ("via", "from", "to", "call-id", "cseq")
    return Response(Headers([(name, request.headers[name]) for name in names]), status=200, reason="OK")


@dataclass
class Desk:
    """A user agent server whose wire and clock are in the test's hand."""

    answers: bool = True
    now: float = 100.0
    legs: list[Leg] = field(default_factory=list)
    sent: list[tuple[Request | Response, Address]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.agent = UserAgentServer(CALLEE, self._send, self._on_invite)

    def _send(self, datagram: bytes, target: Address) -> None:
        self.sent.append((parse(datagram), target))

    def _on_invite(self, leg: Leg) -> bool:
        self.legs.append(leg)
        return self.answers

    @property
    def leg(self) -> Leg:
        return self.legs[-1]

    def receive(self, message: Request | Response | bytes, source: Address = CALLER) -> None:
        datagram = message if isinstance(message, bytes) else message.encode()
        self.agent.receive(datagram, source, self.now)

    def pass_time(self, seconds: float) -> None:
        """Let time pass in beats of 20 ms."""
        for _ in range(round(seconds / 0.02)):
            self.now += 0.02
            self.agent.poll(self.now)

    def statuses(self) -> list[int]:
        return [message.status for message, _ in self.sent if isinstance(message, Response)]

    def requests(self) -> list[Request]:
        return [message for message, _ in self.sent if isinstance(message, Request)]

    def last(self) -> Response:
        return next(message for message, _ in reversed(self.sent) if isinstance(message, Response))

    def answered(self) -> Request:
        """Place a call, have it answered and acknowledged; its INVITE."""
        first = invite()
        self.receive(first)
        self.leg.answer("127.0.0.1", 41_000, self.now)
        self.receive(follow(first, "ACK", self.last().headers["to"]))
        return first


class Caller(asyncio.DatagramProtocol):
    """Places one call over real sockets, with audio both ways."""

    def __init__(self, port: int) -> None:
        self.callee: Address = ("127.0.0.1", port)
        self.inbox: asyncio.Queue[Request | Response] = asyncio.Queue()
        self.packets: list[tuple[float, bytes]] = []
        self.invite: Request | None = None
        self.to = ""
        self.bye_received = asyncio.Event()

    async def open(self) -> Caller:
        loop = asyncio.get_running_loop()
        self._signalling, _ = await loop.create_datagram_endpoint(lambda: self, local_addr=("127.0.0.1", 0))
        self._audio, _ = await loop.create_datagram_endpoint(lambda: _Audio(self), local_addr=("127.0.0.1", 0))
        self.address: Address = self._signalling.get_extra_info("sockname")
        self.audio_port: int = self._audio.get_extra_info("sockname")[1]
        return self

    async def __aenter__(self) -> Caller:
        return await self.open()

    async def __aexit__(self, *_: object) -> None:
        self._signalling.close()
        self._audio.close()
        await asyncio.sleep(0)

    def datagram_received(self, data: bytes, addr: Address) -> None:
        message = parse(data)
        if isinstance(message, Request) and message.method == "BYE":
            self.send(ok_for(message))
            self.bye_received.set()
        self.inbox.put_nowait(message)

    def send(self, message: Request | Response) -> None:
        self._signalling.sendto(message.encode(), self.callee)

    async def dial(self, number: str, *, formats: str = "0 8 101", call_id: str = "call-1", **rest: object) -> Response:
        """INVITE, wait for the final response, ACK it."""
        self.ring(number, formats=formats, call_id=call_id, **rest)
        return await self.final()

    def ring(self, number: str, *, formats: str = "0 8 101", call_id: str = "call-1", **rest: object) -> None:
        body = offer(self.audio_port, formats)
        self.invite = invite(number, call_id=call_id, caller=self.address, callee=self.callee, body=body, **rest)  # type: ignore[arg-type]
        self.send(self.invite)

    async def status(self) -> Response:
        """The next response to the INVITE."""
        while True:
            message = await asyncio.wait_for(self.inbox.get(), 10)
            if isinstance(message, Response) and message.cseq[1] == "INVITE":
                return message

    async def final(self) -> Response:
        assert self.invite is not None
        response = await self.status()
        while response.status < 200:
            response = await self.status()
        self.to = response.headers["to"]
        self.send(follow(self.invite, "ACK", self.to, same_branch=response.status >= 300))
        if response.status == 200:
            self.far = ("127.0.0.1", int(response.body.split(b"m=audio ")[1].split()[0]))
        return response

    def cancel(self) -> None:
        assert self.invite is not None
        self.send(follow(self.invite, "CANCEL", self.invite.headers["to"], same_branch=True))

    def hang_up(self) -> None:
        assert self.invite is not None
        self.send(follow(self.invite, "BYE", self.to, cseq=self.invite.cseq[0] + 1))

    async def talk(self, frames: list[bytes], payload_type: int = 0) -> None:
        """Send frames of 20 ms in real time."""
        loop = asyncio.get_running_loop()
        start = loop.time()
        for at, frame in enumerate(frames):
            header = struct.pack("!BBHII", 0x80, payload_type, at & 0xFFFF, at * 160, 7)
            self._audio.sendto(header + frame, self.far)
            await asyncio.sleep(max(0.0, start + (at + 1) * 0.02 - loop.time()))

    def send_packet(self, packet: bytes) -> None:
        self._audio.sendto(packet, self.far)

    def heard(self, payload_type: int = 0) -> list[bytes]:
        """Payloads heard, in order."""
        return [packet[12:] for _, packet in self.packets if packet[1] & 0x7F == payload_type]


class _Audio(asyncio.DatagramProtocol):
    def __init__(self, caller: Caller) -> None:
        self._caller = caller

    def datagram_received(self, data: bytes, addr: Address) -> None:
        self._caller.packets.append((asyncio.get_running_loop().time(), data))


def tag_of(value: str) -> str:
    found = parameter(value, "tag")
    assert found is not None
    return found


def tone_pcm(ms: int, hz: int = 440, peak: int = 8000) -> bytes:
    count = 8 * ms
    return struct.pack(f"<{count}h", *(round(peak * math.sin(2 * math.pi * hz * n / 8000)) for n in range(count)))
