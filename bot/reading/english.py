"""Values in English words."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, time
from decimal import Decimal
from typing import ClassVar, Final

from babel.numbers import get_currency_name, get_currency_precision

from bot.reading.words_en import DIGITS, cardinal, ordinal, year

_WEEKDAYS: Final = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
MONTHS: Final = (
    *("January", "February", "March", "April", "May", "June", "July"),
    *("August", "September", "October", "November", "December"),
)
#: What people call a unit and its hundredth: one, several.
_UNITS: Final = {
    "USD": ("dollar", "dollars", "cent", "cents"),
    "EUR": ("euro", "euros", "cent", "cents"),
    "GBP": ("pound", "pounds", "penny", "pence"),
    "VND": ("dong", "dong", "", ""),
}


class English:
    """See `Tongue`."""

    language: ClassVar[str] = "en"
    marks: ClassVar[Mapping[str, str]] = {
        ".": "dot",
        "@": "at",
        "-": "dash",
        "_": "underscore",
        "+": "plus",
        "/": "slash",
        ":": "colon",
    }
    plus: ClassVar[str] = "plus"
    percent: ClassVar[str] = "percent"
    ampersand: ClassVar[str] = "and"
    until: ClassVar[str] = "to"
    answers: ClassVar[Mapping[str, str]] = {}
    home: ClassVar[int] = 1

    def number(self, value: Decimal) -> str:
        """See `Tongue`."""
        sign = "minus " if value < 0 else ""
        whole, _, decimals = f"{abs(value):f}".partition(".")
        said = cardinal(int(whole))
        return f"{sign}{said}" + (f" point {' '.join(map(self.digit, decimals))}" if decimals else "")

    def ordinal(self, value: int) -> str:
        """See `Tongue`."""
        return ordinal(value)

    def money(self, amount: Decimal, currency: str | None) -> str:
        """See `Tongue`."""
        if currency is None:
            return self.number(amount)
        one, several, hundredth, hundredths = _UNITS.get(currency) or _babel_names(currency)
        cents = abs(amount) * 100 % 100
        if not hundredth or cents != int(cents):
            return f"{self.number(amount)} {one if amount == 1 else several}"
        whole = int(abs(amount))
        parts = [f"{cardinal(whole)} {one if whole == 1 else several}"] if whole or not cents else []
        parts += [f"{cardinal(int(cents))} {hundredth if cents == 1 else hundredths}"] if cents else []
        return ("minus " if amount < 0 else "") + " and ".join(parts)

    def day(self, day: date, *, with_year: bool) -> str:
        """See `Tongue`."""
        said = f"{_WEEKDAYS[day.weekday()]}, {MONTHS[day.month - 1]} {self.ordinal(day.day)}"
        return f"{said}, {self.year(day.year)}" if with_year else said

    def clock(self, moment: time) -> str:
        """See `Tongue`."""
        if (moment.hour, moment.minute) == (12, 0):
            return "noon"
        minute = f" {'oh ' if moment.minute < 10 else ''}{cardinal(moment.minute)}" if moment.minute else ""
        return f"{cardinal((moment.hour - 1) % 12 + 1)}{minute} {'AM' if moment.hour < 12 else 'PM'}"

    def year(self, value: int) -> str:
        """See `Tongue`."""
        return year(value)

    def digit(self, figure: str) -> str:
        """See `Tongue`."""
        return DIGITS[int(figure)]

    def letter(self, letter: str) -> str:
        """See `Tongue`."""
        return letter.upper()


def _babel_names(currency: str) -> tuple[str, str, str, str]:
    one, several = (get_currency_name(currency, count=count, locale="en") for count in (1, 2))
    return one, several, *(("cent", "cents") if get_currency_precision(currency) == 2 else ("", ""))
