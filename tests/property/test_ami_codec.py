"""The manager codec on anything: any chunking gives the same, and no bytes break it."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Iterable

from hypothesis import given, settings
from hypothesis import strategies as st

from telephony.ami.errors import AmiProtocolError, InvalidAction
from telephony.ami.protocol import Decoder, Event, Greeting, Received, Response, encode_action, variable

GREETING = b"Asterisk Call Manager/11.0.0\r\n"
keys = st.from_regex(r"[A-Za-z][A-Za-z0-9_-]{0,20}", fullmatch=True)
values = st.text(st.characters(exclude_characters="\r\n\0", exclude_categories=["Cs"]), max_size=60)
messages = st.lists(st.lists(st.tuples(keys, values), min_size=1, max_size=8), max_size=8)


def write(message: Iterable[tuple[str, str]]) -> bytes:
    return "".join(f"{key}: {value}\r\n" for key, value in message).encode() + b"\r\n"


def pieces(data: bytes, cuts: list[int]) -> list[bytes]:
    ends = sorted({cut % (len(data) + 1) for cut in cuts} | {0, len(data)})
    return [data[start:end] for start, end in itertools.pairwise(ends)]


def decode(parts: Iterable[bytes]) -> tuple[list[Received], bool]:
    """What came, and whether a fault ended it."""
    decoder, got = Decoder(), list[Received]()
    try:
        for part in parts:
            for message in decoder.feed(part):
                got.append(message)
    except AmiProtocolError:
        return got, True
    return got, False


@given(messages, st.lists(st.integers(0, 100_000), max_size=20))
def test_any_chunking_gives_the_same_messages(sent: list[list[tuple[str, str]]], cuts: list[int]) -> None:
    got, broken = decode(pieces(GREETING + b"".join(write(message) for message in sent), cuts))
    assert not broken
    assert isinstance(got[0], Greeting)
    assert [list(message.fields) for message in got[1:] if isinstance(message, Event | Response)] == sent


@given(st.binary(max_size=400), st.lists(st.integers(0, 1000), max_size=20), st.booleans())
@settings(max_examples=500)
def test_no_bytes_break_it_and_their_cutting_changes_nothing(data: bytes, cuts: list[int], greeted: bool) -> None:
    stream = (GREETING if greeted else b"") + data
    assert decode([stream]) == decode(pieces(stream, cuts)) == decode([bytes([byte]) for byte in stream])


@given(st.text(max_size=20), st.text(max_size=60))
def test_an_action_never_becomes_two(key: str, value: str) -> None:
    with contextlib.suppress(InvalidAction):
        data = encode_action("Originate", [(key, value), variable("NAME", value)], action_id="1")
        assert data.endswith(b"\r\n\r\n")
        assert data.count(b"\n") == 5
        assert data.count(b"\r") == 5
        (_, message), broken = decode([GREETING + data])
        assert not broken
        assert isinstance(message, Response)
        assert message.fields[:2] == (("Action", "Originate"), ("ActionID", "1"))
        assert message.fields[2] == (key, value)


def as_asterisk_reads(text: str) -> list[str]:
    """The arguments of a string as app.c (__ast_app_separate_args) separates them at commas."""
    found, part, depth, quoted = list[str](), "", {"(": 0, "[": 0}, False
    at = 0
    while at < len(text):
        char = text[at]
        if char == "\\":
            at += 1
            part += text[at : at + 1]
        elif char == '"':
            quoted = not quoted
        elif char == "," and not quoted and not any(depth.values()):
            found.append(part)
            part = ""
        else:
            if char in "([":
                depth[char] += 1
            elif char in ")]":
                opening = "(" if char == ")" else "["
                depth[opening] = max(0, depth[opening] - 1)
            part += char
        at += 1
    return [*found, part]


@given(values)
def test_a_variable_reaches_the_channel_whole(value: str) -> None:
    _, line = variable("PJSIP_HEADER(add,X-Note)", value)
    assert as_asterisk_reads(line) == [f"PJSIP_HEADER(add,X-Note)={value}"]
