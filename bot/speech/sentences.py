"""Text cut into the pieces that are spoken, and cached, one by one."""

from __future__ import annotations

import re
from typing import Final

#: Synthesis time grows with length: a longer piece would keep the customer waiting and a thread busy.
MAX_CHARS: Final = 240

_ABBREVIATIONS: Final = frozenset(
    {
        "mr",
        "mrs",
        "ms",
        "dr",
        "prof",
        "st",
        "sr",
        "jr",
        "no",
        "vs",
        "etc",
        "inc",
        "ltd",
        "co",
        "e.g",
        "i.e",
        "a.m",
        "p.m",
    }
    | {"tp", "ths", "ts", "gs", "bs"}
)
_END: Final = re.compile(r"[.!?…]+[\"'”’)\]]*\s+|\n+")
_BREAKS: Final = (", ", "; ", ": ", " – ", " ")


def tidy(text: str) -> str:
    """Text as it is spoken and cached: one space between words, no phoneme escapes of the voice engine."""
    return " ".join(re.sub(r"\[\[+|\]\]+", " ", text).split())


def sentences(text: str) -> list[str]:
    """The sentences of `text`, tidied, none longer than `MAX_CHARS`; empty for text without a letter or digit."""
    found: list[str] = []
    start = 0
    for end in _END.finditer(text):
        if "\n" in end.group() or not _is_abbreviation(text[start : end.start()]):
            found.append(text[start : end.end()])
            start = end.end()
    found.append(text[start:])
    whole = (tidy(sentence) for sentence in found)
    return [part for sentence in whole for part in _short(sentence) if any(map(str.isalnum, part))]


def _is_abbreviation(before: str) -> bool:
    words = before.split()
    if not words:
        return False
    word = words[-1].lstrip("(\"'“‘").lower()
    return word in _ABBREVIATIONS or (len(word) == 1 and word.isalpha() and word != "i" and not word.isdigit())


def _short(sentence: str) -> list[str]:
    parts: list[str] = []
    while len(sentence) > MAX_CHARS:
        cut = next((at + len(mark) for mark in _BREAKS if (at := sentence.rfind(mark, 1, MAX_CHARS)) > 0), MAX_CHARS)
        parts.append(sentence[:cut].strip())
        sentence = sentence[cut:].strip()
    return [*parts, sentence]
