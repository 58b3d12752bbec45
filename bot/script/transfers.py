"""Reads `transfers:` of a script: the people to whom a customer can be put through."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from bot.script.language import Person
from bot.script.nodes import Node, Reader, key_line, line_of, optional
from telephony.transfer import Target, TransferBy

KEYS: Final = ("number", "by", "ring_s", "whisper")
SHORTEST_RING_S: Final = 5
LONGEST_RING_S: Final = 120
_NAME = re.compile(r"[\w-]{1,64}")
_NUMBER = re.compile(r"\+[1-9][0-9]{6,14}|[0-9*#]{1,15}")
#: `extension@context` of Asterisk, or a SIP URI without anything that could end a header or begin another channel.
_PLACE = re.compile(r"[\w.*#+-]{1,64}@[\w.-]{1,80}|sips?:[\w.*#+%~-]{1,64}@[A-Za-z0-9.:\[\]-]{1,120}(;[\w.=-]{1,60})*")


def read_transfers(reader: Reader, node: Node | None) -> Mapping[str, Person]:
    """Everybody whom the section names."""
    if node is None:
        return {}
    return {name: _person(reader, name, body) for name, body in reader.mapping(node, "transfers").items()}


def _person(reader: Reader, name: str, node: Node) -> Person:
    what = f"transfer `{name}`"
    if not _NAME.fullmatch(name):
        reader.wrong(key_line(name, node), f"{what} cannot be named so", "Use up to 64 letters, digits, `_` and `-`")
    entries = reader.mapping(node, what, KEYS)
    by, ring, whisper = (optional(entries, key) for key in ("by", "ring_s", "whisper"))
    way = TransferBy.SECOND_LEG
    if by is not None:
        way = TransferBy(reader.choice(by, f"by of {what}", TransferBy, way))
    if whisper is not None and way is TransferBy.HAND_OVER:
        reader.wrong(
            whisper,
            f"{what} is by hand_over and has a whisper, which nobody would hear",
            "Remove `whisper:`, or write `by: second_leg`",
        )
    target = Target(
        name=str(name),
        number=_number(reader, name, node, entries, way),
        by=way,
        ring_s=Target.ring_s if ring is None else _ring_s(reader, ring, what),
    )
    text = None if whisper is None else reader.text(whisper, f"whisper of {what}") or None
    return Person(target, text, line_of(node) if whisper is None else line_of(whisper))


def _ring_s(reader: Reader, node: Node, what: str) -> float:
    return reader.number(node, f"ring_s of {what}", SHORTEST_RING_S, LONGEST_RING_S)


def _number(reader: Reader, name: str, node: Node, entries: Mapping[str, Node], way: TransferBy) -> str:
    """The number as it stands in the file: nothing is ever filled in (DESIGN invariant 8)."""
    what, given = f"transfer `{name}`", entries.get("number")
    if given is None:
        reader.wrong(key_line(name, node), f"{what} has no number", "Add `number:`, such as +842873001234")
        return ""
    number = reader.text(given, f"number of {what}")
    handed = way is TransferBy.HAND_OVER
    if number and not (_NUMBER.fullmatch(number) or (handed and _PLACE.fullmatch(number))):
        also = ", for hand_over also extension@context or a SIP URI" if handed else ""
        remedy = f"Write a fixed number: + and 7 to 15 digits, or an extension of up to 15 digits{also}"
        reader.wrong(given, f"number of {what} is `{number}`", remedy)
    return number
