"""SIPp as a foreign far end: scenarios from templates, one process for each, ended by its own id."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import socket
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.conftest import tool

HOST = "127.0.0.1"

_PAGE = '<?xml version="1.0" encoding="UTF-8" ?>\n<scenario name="{name}">\n{body}\n</scenario>\n'
_INVITE = """<recv request="INVITE" crlf="true"><action>
<ereg regexp=".*" search_in="hdr" header="CSeq:" assign_to="1"/>
<ereg regexp=".*" search_in="hdr" header="From:" assign_to="2"/>
</action></recv>
<Reference variables="1,2"/>"""
_ANY_ACK = '<recv request="ACK" optional="false" timeout="4000"/>'
_SDP = """v=0
o=- 1 1 IN IP4 [local_ip]
s=-
c=IN IP4 [media_ip]
t=0 0
m=audio [media_port] RTP/AVP {payload} 101
a=rtpmap:{payload} {encoding}
a=rtpmap:101 telephone-event/8000
a=fmtp:101 0-15"""
_CODECS = {"PCMU": (0, "PCMU/8000"), "PCMA": (8, "PCMA/8000"), "G722": (9, "G722/8000"), "opus": (96, "opus/48000/2")}


def respond(status: str, *, tag: bool = True, cseq: str = "[last_CSeq:]", headers: Sequence[str] = ()) -> str:
    """A response without body to the last request."""
    to_tag = ";tag=sipp[call_number]" if tag else ""
    retransmit = ' retrans="500"' if int(status[:3]) >= 200 and "CSeq:" in cseq else ""
    lines = [
        f"SIP/2.0 {status}",
        "[last_Via:]",
        "[last_From:]",
        f"[last_To:]{to_tag}",
        "[last_Call-ID:]",
        cseq,
        f"Contact: <sip:{HOST}:[local_port]>",
        *headers,
        "Content-Length: 0",
    ]
    return f"<send{retransmit}><![CDATA[\n" + "\n".join(lines) + "\n\n]]></send>"


def pause(ms: int) -> str:
    return f'<pause milliseconds="{ms}"/>'


def refusal(status: str, *, ring_ms: int | None = None, headers: Sequence[str] = ()) -> str:
    """Refuse with a final status, after ringing for `ring_ms` or at once."""
    steps = [_INVITE, respond("100 Trying", tag=False)]
    if ring_ms is not None:
        steps += [respond("180 Ringing"), pause(ring_ms)]
    return "\n".join([*steps, respond(status, headers=headers), _ANY_ACK])


def challenge(status: str, header: str) -> str:
    """Challenge an INVITE, and its repetition with credentials too."""
    answer_once = [respond(status, headers=[header]), _ANY_ACK]
    return "\n".join([_INVITE, *answer_once, '<recv request="INVITE"/>', *answer_once])


def registrar(refusal_status: str | None = None) -> str:
    """Challenge a registration; then accept it and its withdrawal, or refuse it."""
    challenge_once = respond(
        "401 Unauthorized", headers=['WWW-Authenticate: Digest realm="trunk", nonce="a1b2", algorithm=MD5']
    )
    register = '<recv request="REGISTER"/>'
    if refusal_status is not None:
        return "\n".join([register, challenge_once, register, respond(refusal_status)]).replace(' retrans="500"', "")
    accepted = respond("200 OK", headers=["Expires: 300"])
    return "\n".join([register, challenge_once, register, accepted, register, accepted]).replace(' retrans="500"', "")


def ring_out(first: str = "180 Ringing", *, silent_ms: int = 0) -> str:
    """Ring (or only say Trying) until a CANCEL comes; before that, leave the INVITE unanswered for a while."""
    return "\n".join(
        [
            _INVITE,
            *([pause(silent_ms)] if silent_ms else []),
            respond(first, tag=not first.startswith("100")),
            '<recv request="CANCEL" timeout="20000"/>',
            respond("200 OK").replace(' retrans="500"', ""),
            respond("487 Request Terminated", cseq="CSeq:[$1]"),
            _ANY_ACK,
        ]
    )


def _accept(codec: str) -> str:
    payload, encoding = _CODECS[codec]
    sdp = _SDP.format(payload=payload, encoding=encoding)
    return f"""<send retrans="500"><![CDATA[
SIP/2.0 200 OK
[last_Via:]
[last_From:]
[last_To:];tag=sipp[call_number]
[last_Call-ID:]
[last_CSeq:]
Contact: <sip:{HOST}:[local_port]>
Content-Type: application/sdp
Content-Length: [len]

{sdp}
]]></send>
<recv request="ACK"/>"""


def answer(*, bye_after_ms: int | None = None, codec: str = "PCMA") -> str:
    """Answer at once; hang up after a while, or wait for the far end to do so."""
    steps = [_INVITE, respond("180 Ringing"), _accept(codec)]
    if bye_after_ms is None:
        return "\n".join([*steps, '<recv request="BYE"/>', respond("200 OK").replace(' retrans="500"', "")])
    bye = f"""<send retrans="500"><![CDATA[
BYE sip:caller@{HOST} SIP/2.0
Via: SIP/2.0/UDP {HOST}:[local_port];branch=[branch]
From: <sip:callee@{HOST}>;tag=sipp[call_number]
To:[$2]
Call-ID: [call_id]
CSeq: 1 BYE
Max-Forwards: 70
Content-Length: 0

]]></send>
<recv response="200"/>"""
    return "\n".join([*steps, pause(bye_after_ms), bye])


def request(method: str, cseq: int, body: str = "", *, headers: Sequence[str] = (), answered: str = "200") -> str:
    """A request within the dialog, and the status that it must be answered with."""
    lines = [
        f"{method} sip:caller@{HOST} SIP/2.0",
        f"Via: SIP/2.0/UDP {HOST}:[local_port];branch=[branch]",
        f"From: <sip:callee@{HOST}>;tag=sipp[call_number]",
        "To:[$2]",
        "Call-ID: [call_id]",
        f"CSeq: {cseq} {method}",
        "Max-Forwards: 70",
        f"Contact: <sip:{HOST}:[local_port]>",
        *headers,
        "Content-Length: [len]",
    ]
    text = "\n".join(lines) + f"\n\n{body}\n"
    return f'<send retrans="500"><![CDATA[\n{text}]]></send>\n<recv response="{answered}"/>'


def notify(status: str, cseq: int, *, last: bool = False) -> str:
    """Tell what became of the call that REFER asked for (RFC 3515 section 2.4.5)."""
    state = "terminated;reason=noresource" if last else "active;expires=60"
    headers = ["Event: refer", f"Subscription-State: {state}", "Content-Type: message/sipfrag;version=2.0"]
    return request("NOTIFY", cseq, f"SIP/2.0 {status}", headers=headers)


def talk(*steps: str, codec: str = "PCMA", ended_by_us: bool = False) -> str:
    """Answer at once, go through some steps, then wait for the far end's BYE unless one of them was our own."""
    ending = [] if ended_by_us else ['<recv request="BYE"/>', _once(respond("200 OK"))]
    return "\n".join([_INVITE, respond("180 Ringing"), _accept(codec), *steps, *ending])


def refer(status: str = "202 Accepted", *, headers: Sequence[str] = ()) -> str:
    """Wait for a REFER and answer it."""
    return '<recv request="REFER"/>\n' + _once(respond(status, headers=headers))


def _once(response: str) -> str:
    return response.replace(' retrans="500"', "")


def own_bye(cseq: int = 1) -> str:
    """Hang up."""
    return request("BYE", cseq)


@dataclass(frozen=True)
class Sipp:
    """A running SIPp."""

    port: int
    messages: Path

    def received(self, start: str) -> list[str]:
        """The messages received so far whose first line begins with `start`."""
        text = self.messages.read_text(errors="replace") if self.messages.exists() else ""
        parts = text.split("-----------------------------------------------")
        bodies = [part.partition("received")[2].partition("\n\n")[2] for part in parts if " received " in part[:200]]
        return [body for body in bodies if body.startswith(start)]

    async def until_received(self, start: str, count: int = 1, timeout_s: float = 15.0) -> list[str]:
        async with asyncio.timeout(timeout_s):
            while len(found := self.received(start)) < count:  # noqa: ASYNC110 - another process writes the file
                await asyncio.sleep(0.05)
        return found


def free_port(kind: socket.SocketKind = socket.SOCK_DGRAM) -> int:
    """A port that was free a moment ago."""
    with socket.socket(socket.AF_INET, kind) as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


def _bound(port: int) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.bind((HOST, port))
        except OSError as exc:
            return exc.errno == errno.EADDRINUSE
    return False


@contextlib.asynccontextmanager
async def sipp(scenario: str, folder: Path, *, echo: bool = False, port: int | None = None) -> AsyncIterator[Sipp]:
    """SIPp playing a scenario to every call until the block ends."""
    program = tool("sipp", "sip-tester")
    port = port or free_port()
    file, messages = folder / f"{port}.xml", folder / f"{port}.messages"
    file.write_text(_PAGE.format(name="campana", body=scenario))
    media = free_port() & ~1
    process = await asyncio.create_subprocess_exec(
        program,
        *("-sf", str(file), "-i", HOST, "-p", str(port), "-mi", HOST, "-mp", str(media)),
        *("-ci", HOST, "-cp", str(free_port()), "-nostdin", "-trace_msg", "-message_file", str(messages)),
        *("-default_behaviors", "all,-abortunexp"),
        *(("-rtp_echo",) if echo else ()),
        cwd=folder,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        async with asyncio.timeout(10):
            while not _bound(port):
                assert process.returncode is None, f"SIPp ended with {process.returncode}"
                await asyncio.sleep(0.02)
        yield Sipp(port, messages)
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()
