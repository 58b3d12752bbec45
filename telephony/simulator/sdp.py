"""Session descriptions as far as a telephone needs them (RFC 4566, RFC 3264, RFC 4733). No I/O."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from telephony.simulator.errors import SdpError
from telephony.simulator.g711 import PCMA, PCMU, Law

EVENT_PAYLOAD_TYPE = 101

_MEDIA = re.compile(r"([a-z]+) ([0-9]{1,5})(?:/[0-9]+)? (\S+)((?: \S+)*)")
_RTPMAP = re.compile(r"rtpmap:([0-9]{1,3}) ([^/\s]+)/([0-9]{1,6})(?:/.*)?")
_MIRRORED = {"sendonly": "recvonly", "recvonly": "sendonly", "inactive": "inactive", "sendrecv": "sendrecv"}


@dataclass(frozen=True)
class Stream:
    """One `m=` section. `host` is None when the connection is not a literal address."""

    kind: str
    host: str | None
    port: int
    protocol: str
    formats: tuple[str, ...]
    attributes: tuple[str, ...]

    @property
    def direction(self) -> str:
        return next((word for word in self.attributes if word in _MIRRORED), "sendrecv")

    def encodings(self) -> Iterator[tuple[int, str]]:
        """Payload type and upper-case encoding name at 8 kHz, in the order of preference."""
        names = {PCMU.payload_type: "PCMU", PCMA.payload_type: "PCMA"}
        for attribute in self.attributes:
            if found := _RTPMAP.fullmatch(attribute):
                names[int(found[1])] = found[2].upper() if found[3] == "8000" else ""
        for fmt in self.formats:
            if re.fullmatch(r"[0-9]{1,3}", fmt) and names.get(int(fmt)):
                yield int(fmt), names[int(fmt)]


@dataclass(frozen=True)
class Agreed:
    """What both sides settled on: the law, its payload type, that of keys (None: no keys), the far address."""

    law: Law
    payload_type: int
    event_type: int | None
    host: str | None
    port: int
    direction: str = "sendrecv"


def parse(text: bytes) -> tuple[Stream, ...]:
    """The media sections of a session description; raises `SdpError`, and nothing else."""
    lines = text.decode("utf-8", "replace").replace("\r\n", "\n").split("\n")
    if lines[0].strip() != "v=0":
        raise SdpError("a session description begins with v=0")
    sections: list[list[str]] = [[]]
    for line in lines:
        if line.startswith("m="):
            sections.append([])
        sections[-1].append(line.strip())
    session_host = _connection(sections[0])
    return tuple(_stream(section, session_host) for section in sections[1:])


def _stream(section: list[str], session_host: str | None) -> Stream:
    found = _MEDIA.fullmatch(section[0][2:])
    if found is None or int(found[2]) > 65_535:
        raise SdpError("an m= line is malformed")
    attributes = tuple(line[2:] for line in section if line.startswith("a="))
    host = _connection(section) or session_host
    return Stream(found[1], host, int(found[2]), found[3], tuple(found[4].split()), attributes)


def _connection(section: Iterable[str]) -> str | None:
    for line in section:
        if line.startswith("c="):
            words = line[2:].split()
            try:
                return str(ipaddress.ip_address(words[-1].partition("/")[0])) if len(words) == 3 else None
            except ValueError:
                return None
    return None


def agree(streams: Iterable[Stream]) -> Agreed:
    """Choose the first G.711 law of the first live audio section; raises `SdpError` when there is none."""
    for stream in streams:
        if stream.kind == "audio" and stream.port and stream.protocol in ("RTP/AVP", "RTP/AVPF"):
            laws = {PCMU.name: PCMU, PCMA.name: PCMA}
            encodings = list(stream.encodings())
            events = next((number for number, name in encodings if name == "TELEPHONE-EVENT"), None)
            for number, name in encodings:
                if law := laws.get(name):
                    return Agreed(law, number, events, stream.host, stream.port, _MIRRORED[stream.direction])
    raise SdpError("no PCMU or PCMA at 8000 Hz over RTP/AVP is offered")


def describe(host: str, port: int, session: int, media: Iterable[str]) -> bytes:
    """A whole session description around ready media sections."""
    lines = ["v=0", f"o=simulator {session} {session} IN IP4 {host}", "s=-", f"c=IN IP4 {host}", "t=0 0"]
    return ("\r\n".join([*lines, *media]) + "\r\n").encode()


def answer(offered: Iterable[Stream], agreed: Agreed, host: str, port: int, session: int) -> bytes:
    """The answer to an offer: one section for each offered, all but the agreed one refused with port 0."""
    media: list[str] = []
    taken = False
    for stream in offered:
        if not taken and stream.kind == "audio" and stream.port == agreed.port:
            taken = True
            media += _audio(port, agreed.law, agreed.payload_type, agreed.event_type, agreed.direction)
        else:
            media.append(f"m={stream.kind} 0 {stream.protocol} {' '.join(stream.formats) or '0'}")
    return describe(host, port, session, media)


def offer(host: str, port: int, session: int) -> bytes:
    """Our own offer, for an INVITE that came without one."""
    both = _audio(port, PCMU, PCMU.payload_type, EVENT_PAYLOAD_TYPE, "sendrecv")
    both[0] = f"m=audio {port} RTP/AVP 0 8 {EVENT_PAYLOAD_TYPE}"
    return describe(host, port, session, [*both, f"a=rtpmap:8 {PCMA.name}/8000"])


def _audio(port: int, law: Law, payload_type: int, event_type: int | None, direction: str) -> list[str]:
    types = f"{payload_type}" if event_type is None else f"{payload_type} {event_type}"
    lines = [f"m=audio {port} RTP/AVP {types}", f"a=rtpmap:{payload_type} {law.name}/8000"]
    if event_type is not None:
        lines += [f"a=rtpmap:{event_type} telephone-event/8000", f"a=fmtp:{event_type} 0-15"]
    return [*lines, "a=ptime:20", f"a={direction}"]
