"""A small SIP codec: bytes in, messages out, and back (RFC 3261 sections 7, 20 and 25). No I/O."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from urllib.parse import unquote

from telephony.simulator.errors import SipSyntaxError

VERSION = "SIP/2.0"
MAX_DATAGRAM = 65_535

_COMPACT = {
    "v": "via",
    "f": "from",
    "t": "to",
    "i": "call-id",
    "m": "contact",
    "c": "content-type",
    "l": "content-length",
    "s": "subject",
    "k": "supported",
    "e": "content-encoding",
    "r": "refer-to",
    "b": "referred-by",
    "o": "event",
}
_SPELLED = {"call-id": "Call-ID", "cseq": "CSeq"}
_LISTS = frozenset({"via", "record-route", "route", "contact", "require", "allow", "supported"})
_REQUIRED = ("via", "from", "to", "call-id", "cseq")
_TOKEN = re.compile(r"[A-Za-z0-9\-.!%*_+`'~]{1,64}")
_REQUEST_LINE = re.compile(r"([A-Za-z0-9\-.!%*_+`'~]{1,64}) (\S+) SIP/2\.0")
_STATUS_LINE = re.compile(r"SIP/2\.0 ([1-6][0-9]{2})(?: (.*))?")
_CSEQ = re.compile(r"([0-9]{1,10})\s+(\S+)")
_URI = re.compile(r"sips?:(?:([^@]*)@)?(\[[^\]]*\]|[^:;?\[\]@]*)(?::([0-9]{1,5}))?(?:[;?].*)?", re.IGNORECASE)


class Headers:
    """Header fields in order; names are matched without regard to case, compact forms are known."""

    def __init__(self, fields: Iterable[tuple[str, str]] = ()) -> None:
        self._fields = tuple((_name(name), value) for name, value in fields)

    def __iter__(self) -> Iterator[tuple[str, str]]:
        return iter(self._fields)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Headers) and self._fields == other._fields

    __hash__ = None  # type: ignore[assignment]

    def get(self, name: str) -> str | None:
        """The first value of a header, None when it is absent."""
        return next(iter(self.all(name)), None)

    def all(self, name: str) -> list[str]:
        """Every value of a header, top first."""
        wanted = _name(name)
        return [value for present, value in self._fields if present == wanted]

    def __getitem__(self, name: str) -> str:
        value = self.get(name)
        if value is None:
            raise SipSyntaxError(f"the {name} header is missing")
        return value


@dataclass(frozen=True)
class Message:
    """What requests and responses share."""

    headers: Headers
    body: bytes = b""

    @property
    def start_line(self) -> str:
        raise NotImplementedError

    @property
    def cseq(self) -> tuple[int, str]:
        """The sequence number and the method of the CSeq header."""
        found = _CSEQ.fullmatch(self.headers["cseq"].strip())
        if found is None:
            raise SipSyntaxError("the CSeq header is not a number and a method")
        return int(found[1]), found[2]

    @property
    def call_id(self) -> str:
        return self.headers["call-id"]

    def encode(self) -> bytes:
        """The message on the wire; Content-Length is always written from the body."""
        lines = [self.start_line]
        lines += [f"{_spelled(name)}: {value}" for name, value in self.headers if name != "content-length"]
        lines.append(f"Content-Length: {len(self.body)}")
        if any("\r" in line or "\n" in line for line in lines):
            raise SipSyntaxError("a header value holds a line break")
        return ("\r\n".join(lines) + "\r\n\r\n").encode("utf-8", "surrogateescape") + self.body


@dataclass(frozen=True)
class Request(Message):
    """A request; `uri` is the request-URI as sent."""

    method: str = field(kw_only=True)
    uri: str = field(kw_only=True)

    @property
    def start_line(self) -> str:
        return f"{self.method} {self.uri} {VERSION}"

    @property
    def branch(self) -> str:
        """What names the transaction: the top Via's branch and sent-by (RFC 3261 17.2.3)."""
        via = self.headers["via"]
        return f"{parameter(via, 'branch') or self.headers['cseq'] + self.call_id} {sent_by(via)}"


@dataclass(frozen=True)
class Response(Message):
    """A response."""

    status: int = field(kw_only=True)
    reason: str = field(kw_only=True, default="")

    @property
    def start_line(self) -> str:
        return f"{VERSION} {self.status} {self.reason}"


def parse(datagram: bytes) -> Request | Response:
    """Read one datagram; raises `SipSyntaxError`, and nothing else, for whatever it cannot read."""
    if len(datagram) > MAX_DATAGRAM:
        raise SipSyntaxError("longer than a datagram can be")
    head, separator, rest = datagram.lstrip(b"\r\n").partition(b"\r\n\r\n")
    if not separator:
        raise SipSyntaxError("no empty line ends the headers")
    start, *lines = head.decode("utf-8", "surrogateescape").split("\r\n")
    headers = Headers(_read_headers(lines))
    message = _message(start, headers, _cut_body(headers, rest))
    _check(message)
    return message


def _message(start: str, headers: Headers, body: bytes) -> Request | Response:
    if status := _STATUS_LINE.fullmatch(start):
        return Response(headers, body, status=int(status[1]), reason=status[2] or "")
    if request := _REQUEST_LINE.fullmatch(start):
        return Request(headers, body, method=request[1], uri=request[2])
    raise SipSyntaxError("the first line is neither a request nor a status")


def _check(message: Request | Response) -> None:
    for name in _REQUIRED:
        message.headers[name]
    _, method = message.cseq
    if isinstance(message, Request) and method != message.method:
        raise SipSyntaxError("the CSeq header names another method than the request")
    if not message.headers["via"].upper().startswith("SIP/2.0/"):
        raise SipSyntaxError("the Via header is not SIP/2.0")


def _read_headers(lines: Iterable[str]) -> Iterator[tuple[str, str]]:
    for line in _unfold(lines):
        name, colon, value = line.partition(":")
        name = name.strip().lower()
        if not colon or not _TOKEN.fullmatch(name) or "\r" in value or "\n" in value:
            raise SipSyntaxError("a header line is not `name: value`")
        canonical = _name(name)
        values = split_list(value) if canonical in _LISTS else [value.strip()]
        yield from ((canonical, one) for one in values)


def _unfold(lines: Iterable[str]) -> Iterator[str]:
    pending: str | None = None
    for line in lines:
        if line[:1] in (" ", "\t"):
            if pending is None:
                raise SipSyntaxError("the first header line is a continuation")
            pending = f"{pending} {line.strip()}"
            continue
        if pending is not None:
            yield pending
        pending = line
    if pending is not None:
        yield pending


def _cut_body(headers: Headers, rest: bytes) -> bytes:
    length = headers.get("content-length")
    if length is None:
        return rest
    if not re.fullmatch(r"[0-9]{1,6}", length) or int(length) > len(rest):
        raise SipSyntaxError("Content-Length is no number, or more than came")
    return rest[: int(length)]


def _name(name: str) -> str:
    lower = name.lower()
    return _COMPACT.get(lower, lower)


def _spelled(name: str) -> str:
    return _SPELLED.get(name) or "-".join(part.capitalize() for part in name.split("-"))


def split_list(value: str) -> list[str]:
    """Split at commas that stand neither in quotes nor in angle brackets."""
    parts, start, quoted, depth, escaped = [], 0, False, 0, False
    for at, char in enumerate(value):
        if escaped:
            escaped = False
        elif quoted:
            escaped, quoted = char == "\\", char != '"'
        elif char == '"':
            quoted = True
        elif char in "<>":
            depth = 1 if char == "<" else 0
        elif char == "," and not depth:
            parts.append(value[start:at].strip())
            start = at + 1
    parts.append(value[start:].strip())
    return [part for part in parts if part]


def _outside_address(value: str) -> str:
    """What follows the address: the header's own parameters, not those of the URI in it."""
    bare = re.sub(r'"(?:[^"\\]|\\.)*"', "", value)
    return bare.rpartition(">")[2] if ">" in bare else bare


def parameter(value: str, name: str) -> str | None:
    """A parameter of a header value, "" when it stands there without a value, None when absent."""
    for part in _outside_address(value).split(";")[1:]:
        key, _, content = part.partition("=")
        if key.strip().lower() == name:
            return content.strip()
    return None


def with_parameter(value: str, name: str, content: str) -> str:
    """The header value with a parameter set, replacing one of that name that stands outside the address."""
    head, bracket, tail = value.rpartition(">")
    parts = tail.split(";")
    kept = [part for part in parts[1:] if part.partition("=")[0].strip().lower() != name]
    return head + bracket + ";".join([parts[0], *kept, f"{name}={content}"])


def sent_by(via: str) -> str:
    """Host and perhaps port that a Via header names."""
    words = via.partition(";")[0].split()
    return words[-1] if len(words) > 1 else ""


def address_uri(value: str) -> str:
    """The URI inside a From, To, Contact, Route or Record-Route value."""
    bare = re.sub(r'"(?:[^"\\]|\\.)*"', "", value)
    found = re.search(r"<([^>]*)>", bare)
    return (found[1] if found else bare.partition(";")[0]).strip()


@dataclass(frozen=True)
class Uri:
    """The parts of a SIP URI that route a call; `port` is None when the URI names none."""

    user: str
    host: str
    port: int | None


def parse_uri(uri: str) -> Uri:
    """Read a sip: or sips: URI; user parameters such as `;phone-context` are cut off."""
    found = _URI.fullmatch(uri.strip())
    if found is None:
        raise SipSyntaxError("not a sip: URI")
    port = int(found[3]) if found[3] else None
    if port is not None and not 0 < port < 65_536:
        raise SipSyntaxError("a SIP URI names an impossible port")
    user = unquote(found[1] or "").partition(";")[0].partition(":")[0]
    return Uri(user, found[2].strip("[]"), port)
