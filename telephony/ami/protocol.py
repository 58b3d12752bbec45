"""The manager protocol without I/O: bytes in, messages out; actions in, bytes out (Asterisk main/manager.c).

A message is lines of `Key: Value` that end with CR LF, and an empty line. A key may come several times. The first
line of a connection is a greeting without key.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from telephony.ami.errors import AmiProtocolError, InvalidAction

MAX_LINE_BYTES: Final = 65_536
MAX_MESSAGE_BYTES: Final = 1_048_576
#: Asterisk reads lines of at most 1024 bytes, and at most 128 of them an action (manager.c, inbuf; AST_MAX_MANHEADERS).
MAX_ACTION_LINE_BYTES: Final = 1_022
MAX_ACTION_LINES: Final = 127

_KEY = re.compile(r"[A-Za-z][A-Za-z0-9_-]*")
_FORBIDDEN = re.compile(r"[\r\n\0]")
#: What Asterisk's argument parser reads as syntax (app.c, __ast_app_separate_args).
_ARGUMENT_SYNTAX = re.compile(r'[\\",()\[\]]')
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*(\([A-Za-z0-9_,.!%*+`'~-]*\))?")
_GREETING = re.compile(r"Asterisk Call Manager|.*Call Manager/", re.IGNORECASE)

Fields = tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Greeting:
    """The first line of a connection, such as `Asterisk Call Manager/11.0.0`."""

    text: str


@dataclass(frozen=True)
class Message:
    """Fields in the order received. Keys are compared without regard to case."""

    fields: Fields

    def get(self, key: str, default: str = "") -> str:
        """The first value of a key."""
        wanted = key.lower()
        return next((value for name, value in self.fields if name.lower() == wanted), default)

    def all(self, key: str) -> list[str]:
        """Every value of a key, such as the `Output` lines of a Command."""
        wanted = key.lower()
        return [value for name, value in self.fields if name.lower() == wanted]

    @property
    def action_id(self) -> str:
        return self.get("ActionID")


@dataclass(frozen=True)
class Event(Message):
    """Something happened. OriginateResponse is one too, though it carries a `Response` field."""

    @property
    def name(self) -> str:
        return self.get("Event")


@dataclass(frozen=True)
class Response(Message):
    """The answer to an action."""

    @property
    def success(self) -> bool:
        return self.get("Response") in ("Success", "Goodbye", "Follows")

    @property
    def text(self) -> str:
        return self.get("Message")


Received = Greeting | Event | Response


class Decoder:
    """Turns what a connection brings into messages, however it is cut into pieces."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._fields: list[tuple[str, str]] = []
        self._size = 0
        self._greeted = False

    def feed(self, data: bytes) -> Iterator[Received]:
        """The messages that `data` completes; must be iterated to its end.

        Raises `AmiProtocolError` after the messages that came before the fault; the decoder is of no use then.
        """
        scanned = len(self._buffer)
        self._buffer += data
        start = 0
        while (end := self._buffer.find(b"\n", max(start, scanned))) >= 0:
            line = bytes(self._buffer[start:end])
            start = end + 1
            yield from self._line(line)
        del self._buffer[:start]
        if len(self._buffer) > MAX_LINE_BYTES:
            raise AmiProtocolError(f"a line of more than {MAX_LINE_BYTES} bytes")

    def _line(self, raw: bytes) -> Iterator[Received]:
        if len(raw) > MAX_LINE_BYTES:
            raise AmiProtocolError(f"a line of more than {MAX_LINE_BYTES} bytes")
        line = raw.removesuffix(b"\r").decode("utf-8", "replace")
        if not self._greeted:
            yield self._greeting(line)
        elif line:
            self._add(line, len(raw))
        elif self._fields:
            yield self._message()

    def _greeting(self, line: str) -> Greeting:
        if not _GREETING.match(line):
            raise AmiProtocolError(f"the greeting is {line[:80]!r}, not that of an Asterisk manager interface")
        self._greeted = True
        return Greeting(line)

    def _add(self, line: str, size: int) -> None:
        self._size += size
        if self._size > MAX_MESSAGE_BYTES:
            raise AmiProtocolError(f"a message of more than {MAX_MESSAGE_BYTES} bytes")
        key, colon, value = line.partition(":")
        self._fields.append((key, value.removeprefix(" ")) if colon else ("", line))

    def _message(self) -> Received:
        fields = tuple(self._fields)
        self._fields.clear()
        self._size = 0
        message = Event(fields)
        return message if message.name else Response(fields)


def encode_action(name: str, fields: Iterable[tuple[str, str]] = (), *, action_id: str) -> bytes:
    """One action as it goes over the wire; raises `InvalidAction` for what Asterisk would read as something else."""
    lines = [_encode_line(*field) for field in (("Action", name), ("ActionID", action_id), *fields)]
    if len(lines) > MAX_ACTION_LINES:
        raise InvalidAction(f"action {name}: {len(lines)} lines; Asterisk reads at most {MAX_ACTION_LINES}")
    return b"".join(lines) + b"\r\n"


def _encode_line(key: str, value: str) -> bytes:
    if not _KEY.fullmatch(key):
        raise InvalidAction(f"key {key[:40]!r}: letters, digits, - and _ only")
    if _FORBIDDEN.search(value):
        raise InvalidAction(f"{key}: a value is one line; it may not hold CR, LF or NUL")
    try:
        line = f"{key}: {value}".encode()
    except UnicodeEncodeError as exc:
        raise InvalidAction(f"{key}: a value is text; it holds half a character") from exc
    if len(line) > MAX_ACTION_LINE_BYTES:
        raise InvalidAction(f"{key}: {len(line)} bytes; Asterisk reads at most {MAX_ACTION_LINE_BYTES} a line")
    return line + b"\r\n"


def variable(name: str, value: str) -> tuple[str, str]:
    """The field that sets one channel variable or function, such as `PJSIP_HEADER(add,X-Campaign)`.

    Asterisk splits the value at commas and drops quotes and backslashes, so those are escaped. Raises
    `InvalidAction` for a name that is none.
    """
    if not _VARIABLE.fullmatch(name):
        raise InvalidAction(f"variable {name[:40]!r}: a name is letters, digits and _, or FUNCTION(arguments)")
    return "Variable", f"{name}={_ARGUMENT_SYNTAX.sub(lambda found: chr(92) + found[0], value)}"
