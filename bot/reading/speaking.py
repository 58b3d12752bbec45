"""Canonical values (`bot.understanding.forms.ValueKind`) as people say them."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import date, time
from decimal import Decimal, InvalidOperation
from typing import Final

import phonenumbers

from bot.reading.english import English
from bot.reading.tongue import Tongue
from bot.reading.vietnamese import Vietnamese
from bot.understanding.emails import speaks_otherwise
from bot.understanding.numerals import figure

_TONGUES: Final[dict[str, Tongue]] = {"en": English(), "vi": Vietnamese()}
#: Beyond this many days from today a date is said with its year.
_NEAR_DAYS: Final = 300
_GROUP: Final = 3


def tongue_for(language: str) -> Tongue | None:
    """The tongue of a language tag; None for a language whose voice reads figures itself."""
    return _TONGUES.get(language.partition("-")[0].casefold())


def speak(value: str, form: str, language: str, *, currency: str | None = None, today: date | None = None) -> str:
    """`value` as people say it, in words. Never raises: what is no value of its form is said as it stands.

    `form` is number, ordinal, money, date, time, digits, phone, email or spell, and may be any `ValueKind`.
    `currency` (ISO 4217) is that of money. A date has its year only where it is more than 300 days from `today`.
    In a language without words here `value` comes back unchanged, for the voice to read.
    """
    tongue = tongue_for(language)
    if tongue is None or not value.strip():
        return value
    try:
        match form:
            case "money":
                return tongue.money(_amount(value, tongue, currency), currency)
            case "date":
                return _day(value.strip(), tongue, today)
            case _:
                return _FORMS[form](value.strip(), tongue) if form in _FORMS else value
    except (ValueError, InvalidOperation, OverflowError):
        return value


def _amount(value: str, tongue: Tongue, currency: str | None) -> Decimal:
    """A canonical amount, or one written with separators: đồng has no coins, so 2.500 of it are thousands."""
    grouped_by_points = currency == "VND" and re.fullmatch(r"\d{1,3}(?:\.\d{3})+", value)
    try:
        return Decimal(value.replace(".", "") if grouped_by_points else value)
    except InvalidOperation:
        written = figure(value, tongue.language)
        if written is None:
            raise
        return written


def _day(value: str, tongue: Tongue, today: date | None) -> str:
    day = date.fromisoformat(value)
    return tongue.day(day, with_year=today is not None and abs((day - today).days) > _NEAR_DAYS)


def _signs(value: str, tongue: Tongue) -> str:
    return grouped(value, tongue) if value.isdecimal() else spelt(value, tongue)


def spelt(text: str, tongue: Tongue) -> str:
    """Letter by letter and digit by digit; anything else is left out."""
    return " ".join(_named(character, tongue) for character in text if character.isalnum())


def _named(character: str, tongue: Tongue) -> str:
    return tongue.digit(character) if character in "0123456789" else tongue.letter(character)


def grouped(digits: str, tongue: Tongue) -> str:
    """In threes, the last of four if one would be left over; a voice pauses at each comma."""
    groups = [digits] if len(digits) <= _GROUP + 1 else list(_threes(digits))
    return ", ".join(spelt(group, tongue) for group in groups)


def _threes(digits: str) -> list[str]:
    cuts = list(range(0, len(digits), _GROUP))
    if len(digits) % _GROUP == 1:
        cuts.pop()
    return [digits[start:end] for start, end in zip(cuts, [*cuts[1:], len(digits)], strict=True)]


def phone(value: str, tongue: Tongue) -> str:
    """Digit by digit in the groups of its country, with the country code where it is not the language's own."""
    try:
        number = phonenumbers.parse(value, phonenumbers.region_code_for_country_code(tongue.home))
    except phonenumbers.NumberParseException:
        return grouped("".join(filter(str.isdecimal, value)), tongue)
    at_home = number.country_code == tongue.home
    style = phonenumbers.PhoneNumberFormat.NATIONAL if at_home else phonenumbers.PhoneNumberFormat.INTERNATIONAL
    groups = re.findall(r"\d+", phonenumbers.format_number(number, style))
    said = ", ".join(grouped(group, tongue) for group in groups)
    return said if at_home else f"{tongue.plus} {said}"


def address(value: str, tongue: Tongue) -> str:
    """An e-mail address or a domain: its words as words, its digits and marks by name."""
    pieces = re.findall(r"[^\W\d_]+|\d|[^\w\s]|_", value)
    return " ".join(_piece(piece, tongue) for piece in pieces)


def _piece(piece: str, tongue: Tongue) -> str:
    if speaks_otherwise(piece.lower(), tongue.language):
        return " ".join(tongue.letter(letter) for letter in piece)
    if piece in "0123456789":
        return tongue.digit(piece)
    return tongue.marks.get(piece, piece)


#: Forms that the value and the language alone decide.
_FORMS: Final[Mapping[str, Callable[[str, Tongue], str]]] = {
    "number": lambda value, tongue: tongue.number(_amount(value, tongue, None)),
    "ordinal": lambda value, tongue: tongue.ordinal(int(value)),
    "time": lambda value, tongue: tongue.clock(time.fromisoformat(value)),
    "digits": _signs,
    "spell": _signs,
    "phone": phone,
    "email": address,
    "yes_no": lambda value, tongue: tongue.answers.get(value, value),
}
