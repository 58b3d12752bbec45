"""English number words: "two hundred and fifty", "fifteen hundred", "two and a half million", "a couple"."""

from __future__ import annotations

from dataclasses import dataclass, replace
from decimal import Decimal

from bot.understanding.numerals import Numeral, Token

_SMALL_WORDS = [
    *("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"),
    *("thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen"),
]
SMALL = {word: value for value, word in enumerate(_SMALL_WORDS)}
TENS_WORDS = ("twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")
TENS = {**{word: 10 * place for place, word in enumerate(TENS_WORDS, 2)}, "fourty": 40, "ninty": 90}
DIGITS = {word: str(value) for word, value in SMALL.items() if value < 10} | {"oh": "0", "o": "0", "nought": "0"}
_SCALES = {
    **{"thousand": 10**3, "thousands": 10**3, "k": 10**3, "grand": 10**3},
    **{"million": 10**6, "millions": 10**6, "mil": 10**6, "billion": 10**9, "trillion": 10**12},
}
_SIZES = {"dozen": 12, "hundred": 100, **_SCALES}
_VAGUE = frozenset({"few", "several", "many", "some", "couple", "of"})
_ROUGHLY = frozenset({"something", "odd", "ish"})
_HALF = Decimal("0.5")


@dataclass(frozen=True)
class _Piece:
    """A number below a thousand, or a figure, up to token `after`; `bare` if it is one digit in one word."""

    value: Decimal
    after: int
    bare: bool = False
    parts: tuple[int, int] | None = None
    spelt: bool = True


class EnglishNumbers:
    """See `Words`."""

    def read(self, tokens: list[Token], at: int) -> Numeral | None:
        """See `Words`."""
        words = [token.text for token in tokens]
        if words[at] in ("minus", "negative"):
            found = self._unsigned(tokens, words, at + 1)
            return None if found is None else replace(found, value=-found.value, first=at, parts=None)
        return self._unsigned(tokens, words, at)

    def _unsigned(self, tokens: list[Token], words: list[str], at: int) -> Numeral | None:
        special = _special(words, at)
        if special is not None:
            return special
        head = _unsaid_one(words, at) or _piece(tokens, words, at)
        if head is None:
            return None
        value, after = _fraction(words, head)
        found = _scaled(tokens, words, replace(head, value=value, after=after), at)
        return None if _word(words, found.after) in _ROUGHLY else found


def _word(words: list[str], at: int) -> str:
    return words[at] if 0 <= at < len(words) else ""


def _unsaid_one(words: list[str], at: int) -> _Piece | None:
    """The one that "hundred and fifty" leaves out; "a few hundred" is no number."""
    if words[at] not in ("hundred", "thousand", "million") or _word(words, at - 1) in _VAGUE:
        return None
    return _hundreds(words, _Piece(Decimal(1), at))


def _special(words: list[str], at: int) -> Numeral | None:
    """ "a couple", "half a million", "a hundred" is left to the rest."""
    phrase = words[at : at + 3]
    if phrase[:2] == ["half", "a"] and _word(phrase, 2) in _SIZES:
        return Numeral(_SIZES[phrase[2]] * _HALF, at, at + 3, scaled=True)
    couple = 2 if phrase[:2] == ["a", "couple"] else 1 if phrase[:1] == ["couple"] else 0
    if couple:
        size = couple + (_word(words, at + couple) == "of")
        scale = _SIZES.get(_word(words, at + size), 1)
        return Numeral(Decimal(2 * scale), at, at + size + (scale > 1), scaled=scale > 12)
    return None


def _piece(tokens: list[Token], words: list[str], at: int) -> _Piece | None:
    """What may stand before a scale word."""
    word = _word(words, at)
    if at < len(tokens) and (value := tokens[at].value) is not None:
        return _hundreds(words, _Piece(value, at + 1, bare=False, spelt=False))
    if word in ("a", "an") and _word(words, at + 1) in _SIZES:
        return _hundreds(words, _Piece(Decimal(1), at + 1))
    head = _below_hundred(words, at)
    if head is None:
        return None
    pair = _pair(words, head)
    return pair or _hundreds(words, head)


def _below_hundred(words: list[str], at: int) -> _Piece | None:
    word, following = _word(words, at), _word(words, at + 1)
    if word in TENS:
        unit = SMALL.get(following, 0)
        return _Piece(Decimal(TENS[word] + unit * (unit < 10)), at + 1 + (0 < unit < 10))
    if word in SMALL:
        return _Piece(Decimal(SMALL[word]), at + 1, bare=SMALL[word] < 10)
    return None


def _hundreds(words: list[str], head: _Piece) -> _Piece:
    after = head.after
    if _word(words, after) == "dozen":
        return replace(head, value=head.value * 12, after=after + 1, bare=False)
    if _word(words, after) not in ("hundred", "hundreds"):
        return head
    after += 1
    rest = _below_hundred(words, after + (_word(words, after) == "and"))
    value = head.value * 100
    if rest is None:
        return _Piece(value, after, spelt=head.spelt)
    pair = _below_hundred(words, rest.after)
    parts = None
    if pair is not None and pair.value >= 10:
        parts, rest = (int(value + rest.value), int(pair.value)), replace(rest, after=pair.after)
        return _Piece(Decimal(parts[0] * 100 + parts[1]), rest.after, parts=parts)
    return _Piece(value + rest.value, rest.after)


def _pair(words: list[str], head: _Piece) -> _Piece | None:
    """Two numbers in one breath: "nineteen ninety-nine", "two fifty", "nineteen oh five"."""
    if head.value == 0:
        return None
    at, nought = head.after, False
    if head.value >= 10 and _word(words, at) in ("oh", "o"):
        at, nought = at + 1, True
    second = _below_hundred(words, at)
    if second is None or nought != (second.value < 10) or _word(words, second.after) == "hundred":
        return None
    parts = (int(head.value), int(second.value))
    return _Piece(Decimal(parts[0] * 100 + parts[1]), second.after, parts=parts)


def _fraction(words: list[str], head: _Piece) -> tuple[Decimal, int]:
    """ "point two five" and "and a half" after a number."""
    at = head.after
    if words[at : at + 3] == ["and", "a", "half"]:
        return head.value + _HALF, at + 3
    if _word(words, at) != "point" or head.parts:
        return head.value, at
    digits, after = "", at + 1
    while (word := _word(words, after)) in DIGITS or word.isdecimal():
        digits, after = digits + DIGITS.get(word, word), after + 1
    if not digits:
        tens = _below_hundred(words, at + 1)
        return (head.value, at) if tens is None else (head.value + tens.value / 100, tens.after)
    return head.value + Decimal(f"0.{digits[:9]}"), after


def _scaled(tokens: list[Token], words: list[str], head: _Piece, at: int) -> Numeral:
    """The scale words after the first piece, each smaller than the one before, and what follows them."""
    total, piece, scale = Decimal(0), head, 0
    while (size := _SCALES.get(_word(words, piece.after), 0)) and (not scale or size < scale):
        total, scale, after = total + piece.value * size, size, piece.after + 1
        if words[after : after + 3] == ["and", "a", "half"]:
            return Numeral(total + size * _HALF, at, after + 3, scaled=True, spelt=head.spelt)
        joined = _word(words, after) in ("and", ",") and scale >= 1000
        following = _piece(tokens, words, after + joined)
        if following is None or not _belongs(words, following, scale, after + joined):
            total, after = _fraction(words, _Piece(total, after))
            return Numeral(total, at, after, scaled=True, spelt=head.spelt)
        piece = replace(following, bare=following.bare and not joined)
    if not scale:
        return Numeral(head.value, at, head.after, head.parts, spelt=head.spelt)
    share = Decimal(scale) / 10 if piece.bare and scale >= 10**6 else Decimal(1)
    total, after = _fraction(words, _Piece(total + piece.value * share, piece.after))
    return Numeral(total, at, after, scaled=True, spelt=head.spelt)


def _belongs(words: list[str], piece: _Piece, scale: int, at: int) -> bool:
    """Whether `piece` goes on with the number before it: smaller than its scale, and not set apart by a comma."""
    size = _SCALES.get(_word(words, piece.after), 1)
    if piece.value * size >= scale or piece.value == 0:
        return False
    return words[at - 1] != "," or size > 1 or piece.value >= 100
