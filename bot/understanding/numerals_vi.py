"""Vietnamese number words: "hai trăm rưỡi", "hai triệu năm", "một nghìn không trăm linh năm", "hăm lăm"."""

from __future__ import annotations

from dataclasses import dataclass, replace
from decimal import Decimal

from bot.understanding.numerals import Numeral, Token

DIGITS = {
    "không": 0, "một": 1, "hai": 2, "ba": 3, "bốn": 4, "năm": 5, "sáu": 6, "bảy": 7, "bẩy": 7, "tám": 8, "chín": 9,
}  # fmt: skip
#: Forms that a digit takes only after tens.
ENDINGS = {"mốt": 1, "tư": 4, "lăm": 5, "nhăm": 5}
_UNITS = DIGITS | ENDINGS
_SCALES = {
    **{"nghìn": 10**3, "ngàn": 10**3, "ngìn": 10**3, "k": 10**3, "triệu": 10**6, "tr": 10**6, "củ": 10**6},
    **{"tỷ": 10**9, "tỉ": 10**9},
}
_NOUGHT = ("linh", "lẻ")
_VAGUE = frozenset({"vài", "mấy", "dăm"})
_HALF = Decimal("0.5")


@dataclass(frozen=True)
class _Piece:
    """A number below a thousand, or a figure, up to token `after`.

    `bare` if it is a single digit: "hai triệu năm". `full` if it names its empty places: "không trăm linh năm".
    """

    value: Decimal
    after: int
    bare: bool = False
    full: bool = False
    spelt: bool = True


class VietnameseNumbers:
    """See `Words`."""

    def read(self, tokens: list[Token], at: int) -> Numeral | None:
        """See `Words`."""
        words = [token.text for token in tokens]
        if words[at] == "âm":
            found = self._unsigned(tokens, words, at + 1)
            return None if found is None else replace(found, value=-found.value, first=at)
        return self._unsigned(tokens, words, at)

    def _unsigned(self, tokens: list[Token], words: list[str], at: int) -> Numeral | None:
        if _word(words, at - 1) in _VAGUE or _word(words, at) in _VAGUE:
            return None
        if _word(words, at) == "nửa" and (size := _SCALES.get(_word(words, at + 1), 0)):
            return Numeral(size * _HALF, at, at + 2, scaled=True)
        head = _unsaid_one(words, at) or _piece(tokens, words, at)
        if head is None or _is_word_for_no(words, at, head):
            return None
        value, after = _fraction(words, head)
        found = _scaled(tokens, words, replace(head, value=value, after=after), at)
        return None if _word(words, found.after) in _VAGUE else found


def _word(words: list[str], at: int) -> str:
    return words[at] if 0 <= at < len(words) else ""


def _unsaid_one(words: list[str], at: int) -> _Piece | None:
    """The one that "triệu rưỡi" and "trăm hai" leave out."""
    following = _word(words, at + 1)
    if following != "rưỡi" and following not in _UNITS:
        return None
    if words[at] == "trăm":
        return _after_hundreds(words, _Piece(Decimal(1), at))
    return _Piece(Decimal(1), at) if words[at] in _SCALES else None


def _is_word_for_no(words: list[str], at: int, piece: _Piece) -> bool:
    """A bare "không" means no, unless it is called a number or counts something."""
    if words[at] != "không" or piece.after != at + 1:
        return False
    counted = ("điểm", "đồng", "giờ", "phần", "phẩy", "sao", *_SCALES)
    return _word(words, at - 1) not in ("số", "điểm") and _word(words, at + 1) not in counted


def _piece(tokens: list[Token], words: list[str], at: int) -> _Piece | None:
    """What may stand before a scale word."""
    if 0 <= at < len(tokens) and (value := tokens[at].value) is not None:
        figure = _Piece(value, at + 1, bare=value < 10 and value == int(value), spelt=False)
        return _hundreds(words, figure)
    head = _below_hundred(words, at)
    return None if head is None else _hundreds(words, head)


def _below_hundred(words: list[str], at: int) -> _Piece | None:
    word, following = _word(words, at), _word(words, at + 1)
    if word in ("mười", "hăm"):
        unit = _UNITS.get(following, 0) if _is_unit(words, at + 1) else 0
        return _Piece(Decimal((10 if word == "mười" else 20) + unit), at + 1 + (unit > 0))
    if word not in DIGITS:
        return None
    if following in ("mươi", "chục"):
        unit = _UNITS.get(_word(words, at + 2), 0) if _is_unit(words, at + 2) else 0
        return _Piece(Decimal(DIGITS[word] * 10 + unit), at + 2 + (unit > 0))
    if following in ENDINGS and DIGITS[word] > 1:
        return _Piece(Decimal(DIGITS[word] * 10 + ENDINGS[following]), at + 2)
    return _Piece(Decimal(DIGITS[word]), at + 1, bare=True)


def _ending(words: list[str], at: int) -> _Piece | None:
    """The last digit of "hai triệu tư" and "trăm mốt"."""
    return _Piece(Decimal(ENDINGS[words[at]]), at + 1, bare=True) if _word(words, at) in ENDINGS else None


def _is_unit(words: list[str], at: int) -> bool:
    """Whether a digit that follows tens belongs to them: "mười năm" is ten years, "mười lăm" fifteen."""
    return _word(words, at) in _UNITS and _word(words, at) not in ("không", "năm") and _word(words, at + 1) != "trăm"


def _hundreds(words: list[str], head: _Piece) -> _Piece:
    return _after_hundreds(words, head) if _word(words, head.after) == "trăm" else head


def _after_hundreds(words: list[str], head: _Piece) -> _Piece:
    after, value = head.after + 1, head.value * 100
    full = head.value == 0
    if _word(words, after) == "rưỡi":
        return _Piece(value + 50, after + 1, spelt=head.spelt)
    if _word(words, after) in _NOUGHT and (unit := DIGITS.get(_word(words, after + 1), 0)):
        return _Piece(value + unit, after + 2, full=full)
    rest = _below_hundred(words, after) or _ending(words, after)
    if rest is None or _word(words, rest.after) == "trăm" or rest.value == 0:
        return _Piece(value, after, full=full, spelt=head.spelt)
    if rest.bare:
        return _Piece(value + rest.value * 10, rest.after)
    return _Piece(value + rest.value, rest.after, full=full)


def _fraction(words: list[str], head: _Piece) -> tuple[Decimal, int]:
    """ "phẩy hai lăm" and "rưỡi" after a number."""
    at = head.after
    if _word(words, at) == "rưỡi" and head.value < 100:
        return head.value + _HALF, at + 1
    if _word(words, at) != "phẩy":
        return head.value, at
    digits, after = "", at + 1
    while (word := _word(words, after)).isdecimal() or (piece := _below_hundred(words, after)):
        if word.isdecimal():
            digits, after = digits + word, after + 1
        elif piece is not None:
            digits, after = digits + str(piece.value), piece.after
    return (head.value + Decimal(f"0.{digits[:9]}"), after) if digits else (head.value, at)


def _scaled(tokens: list[Token], words: list[str], head: _Piece, at: int) -> Numeral:
    """The scale words after the first piece, each smaller than the one before, and what follows them."""
    total, piece, scale = Decimal(0), head, 0
    while (size := _SCALES.get(_word(words, piece.after), 0)) and (not scale or size < scale):
        after = piece.after + 1
        while _SCALES.get(_word(words, after), 0) > size:
            size, after = size * _SCALES[_word(words, after)], after + 1
        total, scale = total + piece.value * size, size
        if _word(words, after) == "rưỡi":
            return Numeral(total + size * _HALF, at, after + 1, scaled=True, spelt=head.spelt)
        nought = _word(words, after) in _NOUGHT
        following = _piece(tokens, words, after + nought) or _ending(words, after)
        if following is None or not _belongs(words, following, scale):
            total, after = _fraction(words, _Piece(total, after))
            return Numeral(total, at, after, scaled=True, spelt=head.spelt)
        piece = replace(following, full=following.full or nought)
    if not scale:
        return Numeral(head.value, at, head.after, spelt=head.spelt)
    total, after = _fraction(words, _Piece(total + piece.value * _share(piece, scale), piece.after))
    return Numeral(total, at, after, scaled=True, spelt=head.spelt)


def _share(piece: _Piece, scale: int) -> Decimal:
    """What the last piece counts, its scale word left out: "hai triệu năm" is 2,5 million, as "năm trăm" would be."""
    if piece.full:
        return Decimal(1)
    return Decimal(scale) / (10 if piece.bare else 1000)


def _belongs(words: list[str], piece: _Piece, scale: int) -> bool:
    size = _SCALES.get(_word(words, piece.after), 1)
    return piece.value * size < scale and not (piece.bare and piece.value == 0 and size == 1)
