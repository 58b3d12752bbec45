"""Telephone numbers as customers say them: digit by digit, in pairs, with "double five" and "oh"."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence

import phonenumbers
from babel.core import get_global

from bot.understanding import numerals_en, numerals_vi
from bot.understanding.numerals import is_vietnamese, plain

_TOKEN = re.compile(r"\+|\d+|[^\W\d_]+")
_PLUS = "+"
_TIMES = {"double": 2, "triple": 3, "treble": 3}
_ENGLISH = {
    **{word: str(value) for word, value in numerals_en.SMALL.items()},
    **numerals_en.DIGITS,
    **{"hundred": "00", "plus": _PLUS, "and": "", "dash": "", "then": ""},
}
_VIETNAMESE_UNITS = {word: str(value) for word, value in (numerals_vi.DIGITS | numerals_vi.ENDINGS).items()}
_NOUGHT = {"linh": "0", "lẻ": "0"}
_VIETNAMESE = {**_VIETNAMESE_UNITS, **_NOUGHT, "cộng": _PLUS, "rồi": "", "gạch": "", "chấm": ""}
#: After tens and hundreds: alone, and before the digit that takes their place.
_PLACES = {"mươi": ("0", ""), "mười": ("10", "1"), "trăm": ("00", "")}
#: Fewer digits than any telephone number has.
_SHORTEST = 7


def find_phone(text: str, time_zone: str, language: str) -> str | None:
    """The telephone number in `text` as E.164; None unless it is one that a network may give out."""
    digits = _vietnamese if is_vietnamese(language) else _english
    valid = {
        number
        for run in _runs(_TOKEN.findall(plain(text)), digits)
        if len(run) >= _SHORTEST and (number := _valid(run, time_zone, language))
    }
    return valid.pop() if len(valid) == 1 else None


def regions(time_zone: str, language: str) -> list[str]:
    """Countries that the language tag and the time zone name, as ISO 3166 codes; none for "en" and "UTC"."""
    zones: Mapping[str, str] = get_global("zone_territories")
    named = (language.partition("-")[2].upper(), zones.get(time_zone))
    return list(dict.fromkeys(region for region in named if region in phonenumbers.SUPPORTED_REGIONS))


def _valid(digits: str, time_zone: str, language: str) -> str | None:
    for region in (*regions(time_zone, language), "VN" if is_vietnamese(language) else "US"):
        try:
            number = phonenumbers.parse(digits, region)
        except phonenumbers.NumberParseException:
            continue
        if phonenumbers.is_valid_number(number):
            return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
    return None


def _runs(words: Sequence[str], digits: Callable[[str, str], str | None]) -> Iterator[str]:
    """Every run of digits; a plus begins one."""
    run, times = "", 1
    for word, following in zip(words, [*words[1:], ""], strict=False):
        if word in _TIMES:
            times = _TIMES[word]
            continue
        added = word if word.isdecimal() or word == _PLUS else digits(word, following)
        if added is None or added == _PLUS:
            yield run
            run = added or ""
        else:
            run += added * times
        times = 1
    yield run


def _english(word: str, following: str) -> str | None:
    """The digits that a word adds; "twenty" is 2 before a unit and 20 without."""
    if word in numerals_en.TENS:
        unit = 0 < numerals_en.SMALL.get(following, 0) < 10
        return str(numerals_en.TENS[word] // (10 if unit else 1))
    return _ENGLISH.get(word)


def _vietnamese(word: str, following: str) -> str | None:
    if word in _PLACES:
        alone, before_digit = _PLACES[word]
        return before_digit if following in _VIETNAMESE_UNITS or following in _NOUGHT else alone
    return _VIETNAMESE.get(word)
