"""E-mail addresses as customers say and spell them: "mary dot smith at example dot com", "a còng", "M as in Mike"."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence
from typing import Final

from bot.understanding import numerals_en, numerals_vi
from bot.understanding.numerals import is_vietnamese
from bot.understanding.text import without_marks

_WRITTEN: Final = re.compile(r"[a-z0-9][a-z0-9._%+-]{0,63}@[a-z0-9-]+(?:\.[a-z0-9-]+)*\.[a-z]{2,24}")
_TOKEN: Final = re.compile(r"\d+|[^\W\d_]+(?:'[^\W\d_]+)?|[@._+-]|[^\w\s]")
_TIMES: Final = {"double": 2, "triple": 3}
#: A piece that begins so belongs to no address; what follows it may still name a domain.
_END: Final = "|"
_STOPS: Final = (_END, "@")

_ENGLISH_MARKS: Final = {
    **{"dot": ".", "point": ".", "period": ".", "at": "@", "dash": "-", "hyphen": "-", "minus": "-"},
    **{"underscore": "_", "plus": "+"},
}
_VIETNAMESE_MARKS: Final = {
    **{"chấm": ".", "dot": ".", "at": "@", "cộng": "+", "a còng": "@", "a móc": "@", "a vòng": "@", "a cồng": "@"},
    **{"gạch ngang": "-", "gạch nối": "-", "gạch giữa": "-", "gạch dưới": "_", "gạch chân": "_", "a còn": "@"},
}
_VIETNAMESE_LETTERS: Final = {
    **{"bê": "b", "bờ": "b", "xê": "c", "cê": "c", "cờ": "c", "đê": "d", "dê": "d", "dờ": "d", "ép": "f", "giê": "g"},
    **{"gờ": "g", "hát": "h", "hờ": "h", "ca": "k", "lờ": "l", "mờ": "m", "nờ": "n", "pê": "p", "quy": "q"},
    **{"rờ": "r", "ét": "s", "tê": "t", "vê": "v", "vê kép": "w", "ích": "x", "dét": "z", "gi": "j", "ô": "o"},
    **{"ét sì": "s", "ích xì": "x", "em mờ": "m", "en nờ": "n", "e lờ": "l", "e rờ": "r", "ép phờ": "f", "vê đúp": "w"},
    **{"i ngắn": "i", "i dài": "y", "g mail": "gmail", "gờ mail": "gmail", "gờ meo": "gmail", "gi meo": "gmail"},
}
#: Words after which an address begins; they belong to none, unless to a domain's name.
_ENGLISH_STOPS: Final = frozenset(
    {
        *("is", "it's", "its", "it", "that", "that's", "be", "to", "email", "mail", "address", "my", "the", "um", "uh"),
        *("so", "yes", "okay", "sure", "well", "and", "on", "use", "try", "no", "sorry", "write", "send", "me", "you"),
        *("can", "reach", "contact", "think"),
    }
)
_VIETNAMESE_STOPS: Final = frozenset({"là", "email", "mail", "dạ", "vâng", "thì", "qua", "vào", "cho", "ạ", "nhé"})
_OWNERS: Final = frozenset({"tôi", "em", "anh", "chị", "mình", "cháu", "con"})
_DROPPED: Final = frozenset({",", "capital", "lowercase", "lower", "case", "letter", "all", "small", "hoa", "thường"})


def find_email(text: str, language: str) -> str | None:
    """The e-mail address that `text` writes, says or spells, in small letters without marks."""
    plain = " ".join(unicodedata.normalize("NFC", text).casefold().replace("’", "'").split())
    written = set(_WRITTEN.findall(plain))
    found = written or set(_said(_pieces(_words(plain), is_vietnamese(language))))
    return found.pop() if len(found) == 1 else None


def speaks_otherwise(word: str, language: str) -> bool:
    """Whether a word within an address would be heard as a mark, a digit, a letter or the beginning."""
    vietnamese = is_vietnamese(language)
    known = _vocabulary(vietnamese) | (_VIETNAMESE_STOPS if vietnamese else _ENGLISH_STOPS) | _DROPPED
    return word in known or any(word in phrase.split() for phrase in known)


def _vocabulary(vietnamese: bool) -> set[str]:
    if vietnamese:
        digits = numerals_vi.DIGITS | numerals_vi.ENDINGS
        return {*digits, "mươi", "mười", *_VIETNAMESE_MARKS, *_VIETNAMESE_LETTERS}
    return {*numerals_en.SMALL, *numerals_en.TENS, *numerals_en.DIGITS, *_TIMES, *_ENGLISH_MARKS, "for", "as", "in"}


def _words(plain: str) -> list[str]:
    """Words and marks; a full stop before a space ends a sentence."""
    return [_END if m[0] == "." and plain[m.end() : m.end() + 1] in (" ", "") else m[0] for m in _TOKEN.finditer(plain)]


def _pieces(words: Sequence[str], vietnamese: bool) -> list[str]:
    """What each word writes: letters, digits, one mark, or a stop."""
    found: list[str] = []
    at = 0
    while at < len(words):
        piece, size = (_vietnamese if vietnamese else _english)(words, at)
        if piece:
            found.append(piece)
        at += size
    return found


def _english(words: Sequence[str], at: int) -> tuple[str, int]:
    word, following = words[at], words[at + 1] if at + 1 < len(words) else ""
    if word in _TIMES and len(following) == 1 and following.isalnum():
        return following * _TIMES[word], 2
    if word in _TIMES and following in numerals_en.DIGITS:
        return numerals_en.DIGITS[following] * _TIMES[word], 2
    if len(word) == 1 and word.isalpha() and following in ("for", "as"):
        return word, 3 + (following == "as")
    if word in numerals_en.TENS:
        unit = numerals_en.SMALL.get(following, 0)
        return (str(numerals_en.TENS[word] + unit), 2) if 0 < unit < 10 else (str(numerals_en.TENS[word]), 1)
    if word in _ENGLISH_STOPS:
        return _END + word.replace("'", ""), 1
    digits = {**{name: str(value) for name, value in numerals_en.SMALL.items()}, "oh": "0"}
    return _ENGLISH_MARKS.get(word) or digits.get(word) or _kept(word), 1


def _vietnamese(words: Sequence[str], at: int) -> tuple[str, int]:
    word, following = words[at], words[at + 1] if at + 1 < len(words) else ""
    pair = f"{word} {following}"
    named = _VIETNAMESE_MARKS.get(pair) or _VIETNAMESE_LETTERS.get(pair)
    if named or (word == "của" and following in _OWNERS):
        return named or _END, 2
    digits = numerals_vi.DIGITS | numerals_vi.ENDINGS
    begins_with_no = word == "không" and words[:at] in ([], ["dạ"]) and following not in digits
    if begins_with_no or word in _VIETNAMESE_STOPS:
        return _END + without_marks(word), 1
    if word in digits:
        return str(digits[word]), 1
    if word in ("mươi", "mười"):
        alone, before_digit = ("10", "1") if word == "mười" else ("0", "")
        return before_digit if following in digits else alone, 1
    return _VIETNAMESE_MARKS.get(word) or _VIETNAMESE_LETTERS.get(word) or _kept(word), 1


def _kept(word: str) -> str:
    if word in _DROPPED:
        return ""
    if word in ("@", ".", "-", "_", "+") or word.isdecimal():
        return word
    letters = without_marks(word).replace("'", "")
    return letters if letters.isascii() and letters.isalpha() else _END


def _said(pieces: Sequence[str]) -> Iterator[str]:
    """The address around each at-sign."""
    for at, piece in enumerate(pieces):
        if piece == "@":
            address = f"{_local(pieces[:at])}@{_domain(pieces[at + 1 :])}"
            if _WRITTEN.fullmatch(address):
                yield address


def _local(pieces: Sequence[str]) -> str:
    start = len(pieces)
    while start and pieces[start - 1][0] not in _STOPS:
        start -= 1
    return "".join(pieces[start:])


def _domain(pieces: Sequence[str]) -> str:
    """Up to the word after the last dot; letters spelt there belong to it."""
    said, dotted = "", False
    for at, piece in enumerate(pieces):
        if piece[0] in _STOPS and (dotted or len(piece) == 1):
            break
        label = said.rpartition(".")[2]
        if dotted and label and piece != "." and not (len(piece) == 1 and len(label) == _spelt(pieces, at)):
            break
        dotted = dotted or piece == "."
        said += piece.removeprefix(_END)
    return said


def _spelt(pieces: Sequence[str], at: int) -> int:
    """How many single letters stand right before place `at`."""
    count = 0
    while count < at and len(pieces[at - count - 1]) == 1 and pieces[at - count - 1] != ".":
        count += 1
    return count
