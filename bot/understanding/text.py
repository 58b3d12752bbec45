"""Text as recognition writes it, made comparable: words, clauses and what a negation covers."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

from bot.understanding.lexicon import Lexicon

#: Put before each word that a negation covers, so that "pay" and "not pay" share no feature.
NEGATED = "¬"
_NEGATION_REACH = 7

_WORD = re.compile(r"[^\W_]+(?:'[^\W_]+)*")
_QUOTES = str.maketrans({"’": "'", "‘": "'", "ʼ": "'", "`": "'", "´": "'", "“": " ", "”": " ", '"': " "})
_CLAUSE_END = re.compile(r"(?<!\d)[.,:](?!\d)|(?<=\d)[.,](?=\s|$)|[;!?…\n]|\s[-–—]\s|—")


def normalise(text: str, lexicon: Lexicon) -> str:
    """Lower case, one form for each letter and quote, contractions written out; punctuation stays."""
    plain = unicodedata.normalize("NFC", text).translate(_QUOTES).casefold()
    for pattern, replacement in lexicon.rewrites:
        plain = pattern.sub(replacement, plain)
    return " ".join(plain.split())


def words(normal: str) -> list[str]:
    """The words of normalised text; numbers count as words."""
    return _WORD.findall(normal)


def clauses(normal: str, lexicon: Lexicon) -> list[list[str]]:
    """The words of each clause: cut at punctuation and at words such as "but"."""
    found: list[list[str]] = []
    for piece in _CLAUSE_END.split(normal):
        current: list[str] = []
        for word in words(piece):
            if word in lexicon.breaks:
                found.append(current)
                current = []
            else:
                current.append(word)
        found.append(current)
    return [clause for clause in found if clause]


def split_particles(clause: Sequence[str], lexicon: Lexicon) -> tuple[list[str], list[str]]:
    """The yes, no and filler words that a clause begins with, and the rest."""
    size = 0
    particles = lexicon.yes | lexicon.no | lexicon.fillers
    while size < len(clause) and clause[size] in particles:
        size += 1
    return list(clause[:size]), list(clause[size:])


def mark_negation(clause: Sequence[str], lexicon: Lexicon) -> list[str]:
    """`clause` with `NEGATED` before each word within reach of a negation word."""
    marked: list[str] = []
    left = 0
    last = len(clause) - 1
    for place, word in enumerate(clause):
        if word in lexicon.negations and not (place == last and place > 0 and word in lexicon.question_tags):
            left = _NEGATION_REACH
            marked.append(word)
        else:
            marked.append(f"{NEGATED}{word}" if left > 0 else word)
            left -= 1
    return marked


def without_marks(text: str) -> str:
    """`text` without diacritics, as it is typed on a plain keyboard (đ becomes d)."""
    plain = unicodedata.normalize("NFD", text.replace("đ", "d").replace("Đ", "D"))
    return "".join(c for c in plain if not unicodedata.combining(c))
