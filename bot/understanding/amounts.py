"""Numbers and money as customers say them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from decimal import Decimal

from bot.understanding.forms import ValueForm, ValueKind
from bot.understanding.numerals import Numeral, Token, Words, is_vietnamese, numerals, plain, tokenise
from bot.understanding.numerals_en import EnglishNumbers
from bot.understanding.numerals_vi import VietnameseNumbers

_NUMBERS: tuple[Words, Words] = (EnglishNumbers(), VietnameseNumbers())
_SYMBOLS = {"$": "USD", "€": "EUR", "£": "GBP", "₫": "VND", "đ": "VND"}
_UNITS = {
    **dict.fromkeys(("dollar", "dollars", "buck", "bucks", "usd", "đô"), "USD"),
    **dict.fromkeys(("euro", "euros", "eur"), "EUR"),
    **dict.fromkeys(("pound", "pounds", "quid", "gbp", "bảng"), "GBP"),
    **dict.fromkeys(("dong", "đồng", "vnd", "vnđ", "đ"), "VND"),
}
_TWO_WORDS = {
    **{("đô", "la"): "USD", ("đô", "mỹ"): "USD", ("us", "dollars"): "USD", ("us", "dollar"): "USD"},
    **{("ơ", "rô"): "EUR", ("bảng", "anh"): "GBP", ("việt", "nam"): "VND"},
}
_CENTS = frozenset({"cent", "cents", "pence", "penny", "p", "xu"})
#: After one of these, what was said before is taken back.
_CORRECTIONS = frozenset({"no", "sorry", "actually", "rather", "mean", "nhầm", "quên", "lộn"})
_NOT = frozenset({"not", "isn't", "don't", "can't", "won't", "không", "chưa", "chẳng"})
#: "nine out of ten", "chín trên mười": the scale, not the answer.
_OUT_OF = (("out", "of"), ("trên",), ("/",), ("trong",))
#: Amounts of đồng below this are said without their thousand.
_DONG_THOUSAND = 1000


@dataclass(frozen=True)
class _Amount:
    """A number that may be meant: its possible values, tokens `first` to `after`, and its currency if named."""

    values: tuple[Decimal, ...]
    first: int
    after: int
    currency: str | None = None
    scaled: bool = False


@dataclass(frozen=True)
class _Said:
    """The tokens of what was said and the numbers among them."""

    tokens: list[Token]
    found: list[Numeral]
    words: list[str] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "words", [token.text for token in self.tokens])

    def word(self, at: int) -> str:
        return self.words[at] if 0 <= at < len(self.words) else ""


def _read(text: str, language: str) -> _Said:
    tokens = tokenise(plain(text), language)
    return _Said(tokens, [_signed(each, tokens) for each in numerals(tokens, _NUMBERS[is_vietnamese(language)])])


def _signed(number: Numeral, tokens: Sequence[Token]) -> Numeral:
    """With the minus sign that stands before a figure."""
    sign = tokens[number.first - 1] if number.first else None
    if number.spelt or sign is None or sign.text not in "-−" or sign.end != tokens[number.first].start:
        return number
    if number.first > 1 and tokens[number.first - 2].end == sign.start:
        return number
    return Numeral(-number.value, number.first - 1, number.after, None, number.scaled, spelt=False)


def find_number(text: str, form: ValueForm, language: str) -> str | None:
    """The number that `text` names, "12" or "2.5"."""
    said = _read(text, language)
    amounts = [_Amount((number.value,), number.first, number.after) for number in _answers(said, language)]
    return _chosen(said, amounts, form)


def find_money(text: str, form: ValueForm, language: str) -> str | None:
    """The amount of money that `text` names, in the unit of the currency: "1500000", "19.99"."""
    said = _read(text, language)
    currency = form.currency or ("VND" if is_vietnamese(language) else "USD")
    amounts = list(_priced(said, _answers(said, language), currency))
    if any(amount.currency for amount in amounts):
        amounts = [amount for amount in amounts if amount.currency]
    elif any(amount.scaled for amount in amounts):
        amounts = [amount for amount in amounts if amount.scaled]
    if any(amount.currency not in (None, currency) for amount in amounts):
        return None
    return _chosen(said, amounts, form)


def canonical(value: Decimal) -> str:
    """A number as it is kept: no exponent, no trailing noughts."""
    return f"{value.normalize():f}" if value else "0"


def canonical_money(value: Decimal) -> str:
    """An amount as it is kept: whole, or with two decimals, or with all that it has."""
    short = canonical(value)
    decimals = len(short.partition(".")[2])
    return short + "0" if decimals == 1 else short


def _answers(said: _Said, language: str) -> Iterator[Numeral]:
    """The numbers that answer: not those denied, nor the scale of "nine out of ten"."""
    for number in _without_runs(said.found, said):
        if not _is_denied(said, number) and not _is_scale(said, number):
            yield number


def _without_runs(found: Sequence[Numeral], said: _Said) -> Iterator[Numeral]:
    """Without numbers that stand side by side, "one two three": they are digits, not a number.

    The same one twice is one: recognition repeats a short answer, "6 6".
    """
    for place, number in enumerate(found):
        before = found[place - 1] if place else None
        after = found[place + 1] if place + 1 < len(found) else None
        if before is not None and before.after == number.first and before.value != number.value:
            continue
        years = after is not None and said.word(after.first) == "năm"
        if after is not None and after.first == number.after and after.value != number.value and not years:
            continue
        yield number


def _is_denied(said: _Said, number: Numeral) -> bool:
    return said.word(number.first - 1) in _NOT


def _is_scale(said: _Said, number: Numeral) -> bool:
    before = tuple(said.words[: number.first])
    if "scale" in before[-2:] or ("scale" in before and before[-1] == "to"):
        return True
    ends = [each.after for each in said.found]
    return any(before[-len(phrase) :] == phrase and len(before) - len(phrase) in ends for phrase in _OUT_OF)


def _priced(said: _Said, found: Iterable[Numeral], currency: str) -> Iterator[_Amount]:
    """Each number as an amount of money; cents after their unit belong to it."""
    taken = -1
    numbers = list(found)
    for place, number in enumerate(numbers):
        if number.first < taken:
            continue
        named, after = _currency(said, number)
        following = numbers[place + 1] if place + 1 < len(numbers) else None
        if said.word(number.after) in _CENTS:
            yield _Amount((number.value / 100,), number.first, number.after + 1, named or currency)
            continue
        cents = _cents(said, after, following) if named and not number.parts else None
        if cents is not None and following is not None:
            taken = following.after
            yield _Amount((number.value + cents,), number.first, taken, named)
            continue
        yield _Amount(_possible(number, named, currency), number.first, after, named, number.scaled)


def _currency(said: _Said, number: Numeral) -> tuple[str | None, int]:
    """The currency named at a number, and the token after both."""
    before, after = said.word(number.first - 1), said.word(number.after)
    if before in _SYMBOLS or before in ("usd", "vnd", "eur", "gbp"):
        return _SYMBOLS.get(before, before.upper()), number.after
    pair = (after, said.word(number.after + 1))
    if pair in _TWO_WORDS:
        return _TWO_WORDS[pair], number.after + 2
    named = _UNITS.get(after) or _SYMBOLS.get(after)
    return named, number.after + (named is not None)


def _cents(said: _Said, after: int, following: Numeral | None) -> Decimal | None:
    """The cents after "nineteen dollars (and) ninety-nine (cents)"."""
    if following is None or following.first != after + (said.word(after) in ("and", "và")):
        return None
    whole = 0 < following.value < 100 and following.value == int(following.value)
    return following.value / 100 if whole and said.word(following.after) not in _UNITS else None


def _possible(number: Numeral, named: str | None, currency: str) -> tuple[Decimal, ...]:
    """The amounts that a number may mean: "two fifty" is 2.50 and 250 alike."""
    if currency == "VND":
        if named is None and not number.scaled and abs(number.value) < _DONG_THOUSAND:
            return (number.value * _DONG_THOUSAND,) if number.value >= 10 else ()
        return (number.value,)
    if number.parts is None or named is not None:
        return (number.value,)
    units, cents = number.parts
    split = units + Decimal(cents) / 100
    return (number.value, split) if units < 10 else (split,)


def _chosen(said: _Said, amounts: Sequence[_Amount], form: ValueForm) -> str | None:
    """The one amount within the form's limits; of several, the last if it corrects the others."""
    within = [(amount, value) for amount in amounts for value in amount.values if _within(value, form)]
    values = {value for _, value in within}
    if len(values) > 1:
        last = within[-1][0]
        between = said.words[within[-2][0].after : last.first] if within[-2][0] is not last else []
        values = {value for amount, value in within if amount is last} if _CORRECTIONS.intersection(between) else set()
    return None if len(values) != 1 else _written(values.pop(), form)


def _within(value: Decimal, form: ValueForm) -> bool:
    return not (form.lowest is not None and value < form.lowest) and not (
        form.highest is not None and value > form.highest
    )


def _written(value: Decimal, form: ValueForm) -> str:
    return canonical_money(value) if form.kind is ValueKind.MONEY else canonical(value)
