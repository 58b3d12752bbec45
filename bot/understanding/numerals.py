"""Numbers in what was said or written: figures as the language's people write them, and number words."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Protocol

_TOKEN = re.compile(r"\d+(?:[.,]\d+)*|[^\W\d_]+(?:'[^\W\d_]+)*|[^\s\w]")
_HYPHEN = re.compile(r"(?<=[^\W\d_])[-‐‑](?=[^\W\d_])")
_GROUPS = re.compile(r"[1-9]\d{0,2}([.,])\d{3}(?:\1\d{3})*")
_BOTH_MARKS = re.compile(r"(\d{1,3}(?:,\d{3})+)\.(\d+)|(\d{1,3}(?:\.\d{3})+),(\d+)")
_MAX_DIGITS = 18


@dataclass(frozen=True)
class Token:
    """A word, a figure or a mark of the text between offsets `start` and `end`; `value` of a figure that is one."""

    text: str
    start: int
    end: int
    value: Decimal | None = None


@dataclass(frozen=True)
class Numeral:
    """A number that stands in a text from token `first` up to, not including, token `after`.

    `parts` are the two halves of what was said as two numbers: "nineteen ninety-nine", 19 and 99.
    `scaled` if a word such as thousand or million belongs to it; `spelt` if it is words, not figures.
    """

    value: Decimal
    first: int
    after: int
    parts: tuple[int, int] | None = None
    scaled: bool = False
    spelt: bool = True


class Words(Protocol):
    """The number words of a language."""

    def read(self, tokens: list[Token], at: int) -> Numeral | None:
        """The longest number that begins at token `at`."""
        ...


def plain(text: str) -> str:
    """Lower case, one form for each letter, hyphens within words as spaces."""
    return _HYPHEN.sub(" ", unicodedata.normalize("NFC", text).casefold().replace("’", "'"))


def tokenise(text: str, language: str) -> list[Token]:
    """The tokens of `plain` text, with the values of its figures."""
    found = [Token(m[0], m.start(), m.end(), figure(m[0], language)) for m in _TOKEN.finditer(text)]
    return list(_joined(found))


def numerals(tokens: list[Token], words: Words) -> Iterator[Numeral]:
    """Every number, from left to right."""
    at = 0
    while at < len(tokens):
        found = words.read(tokens, at)
        if found is not None:
            yield found
        at = at + 1 if found is None else found.after


def figure(text: str, language: str) -> Decimal | None:
    """The value of digits with points and commas; None where their places make no number.

    English writes 1,500.25 and Vietnamese 1.500,25; either is understood where it can mean one thing only.
    """
    if not text[:1].isdecimal() or sum(map(str.isdecimal, text)) > _MAX_DIGITS:
        return None
    both = _BOTH_MARKS.fullmatch(text)
    if both:
        return Decimal(f"{re.sub('[.,]', '', both[1] or both[3])}.{both[2] or both[4]}")
    groups = _GROUPS.fullmatch(text)
    if groups and _separates_thousands(text, groups[1], language):
        return Decimal(text.replace(groups[1], ""))
    if text.count(".") + text.count(",") <= 1:
        return Decimal(text.replace(",", "."))
    return None


def _separates_thousands(text: str, mark: str, language: str) -> bool:
    if text.count(mark) > 1 or mark == ("." if is_vietnamese(language) else ","):
        return True
    # Nobody says a decimal that ends in nought, and recognition writes 1,500 in Vietnamese as well.
    return is_vietnamese(language) and text.endswith("0")


def is_vietnamese(language: str) -> bool:
    """Whether the tag is of Vietnamese."""
    return language.partition("-")[0].casefold() == "vi"


def _joined(tokens: list[Token]) -> Iterator[Token]:
    """Figures grouped by spaces, "1 500 000", as one."""
    at = 0
    while at < len(tokens):
        head, size = tokens[at], 1
        if head.text.isdecimal() and len(head.text) <= 3 and head.text[0] != "0":
            while at + size < len(tokens) and re.fullmatch(r"\d{3}", tokens[at + size].text):
                size += 1
        if size > 1:
            text = "".join(token.text for token in tokens[at : at + size])
            head = Token(text, head.start, tokens[at + size - 1].end, Decimal(text))
        yield head
        at += size
