"""Values in Vietnamese words."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, time
from decimal import Decimal
from typing import ClassVar, Final

from babel.numbers import get_currency_name

from bot.reading.words_vi import DIGITS, cardinal, ordinal

_WEEKDAYS: Final = ("thứ hai", "thứ ba", "thứ tư", "thứ năm", "thứ sáu", "thứ bảy", "chủ nhật")
_UNITS: Final = {"VND": ("đồng", ""), "USD": ("đô la", "xu"), "EUR": ("ơ rô", "xu"), "GBP": ("bảng", "xu")}
_LETTERS: Final = {
    **{"a": "a", "b": "bê", "c": "xê", "d": "đê", "e": "e", "f": "ép", "g": "gờ", "h": "hát", "i": "i", "j": "gi"},
    **{"k": "ca", "l": "lờ", "m": "mờ", "n": "nờ", "o": "ô", "p": "pê", "q": "quy", "r": "rờ", "s": "ét"},
    **{"t": "tê", "u": "u", "v": "vê", "w": "vê kép", "x": "ích", "y": "y", "z": "dét"},
}


class Vietnamese:
    """See `Tongue`."""

    language: ClassVar[str] = "vi"
    marks: ClassVar[Mapping[str, str]] = {
        **{".": "chấm", "@": "a còng", "-": "gạch ngang", "_": "gạch dưới", "+": "cộng", "/": "xuyệt"},
        ":": "hai chấm",
    }
    plus: ClassVar[str] = "cộng"
    percent: ClassVar[str] = "phần trăm"
    ampersand: ClassVar[str] = "và"
    until: ClassVar[str] = "đến"
    answers: ClassVar[Mapping[str, str]] = {"yes": "có", "no": "không"}
    home: ClassVar[int] = 84

    def number(self, value: Decimal) -> str:
        """See `Tongue`."""
        sign = "âm " if value < 0 else ""
        whole, _, decimals = f"{abs(value):f}".partition(".")
        said = cardinal(int(whole))
        if not decimals:
            return sign + said
        fraction = cardinal(int(decimals)) if len(decimals) <= 2 and decimals[0] != "0" else self._each(decimals)
        return f"{sign}{said} phẩy {fraction}"

    def ordinal(self, value: int) -> str:
        """See `Tongue`."""
        return ordinal(value)

    def money(self, amount: Decimal, currency: str | None) -> str:
        """See `Tongue`."""
        code = currency or "VND"
        unit, hundredth = _UNITS.get(code) or (get_currency_name(code, locale="vi"), "")
        cents = abs(amount) * 100 % 100
        if not hundredth or not cents or cents != int(cents):
            return f"{self.number(amount)} {unit}"
        whole = int(abs(amount))
        said = f"{cardinal(whole)} {unit} " if whole else ""
        return f"{'âm ' if amount < 0 else ''}{said}{cardinal(int(cents))} {hundredth}"

    def day(self, day: date, *, with_year: bool) -> str:
        """See `Tongue`."""
        number = f"mùng {cardinal(day.day)}" if day.day <= 10 else cardinal(day.day)
        month = "tư" if day.month == 4 else cardinal(day.month)
        said = f"{_WEEKDAYS[day.weekday()]}, ngày {number} tháng {month}"
        return f"{said} năm {self.year(day.year)}" if with_year else said

    def clock(self, moment: time) -> str:
        """See `Tongue`."""
        minute = f" {cardinal(moment.minute)} phút" if moment.minute else ""
        return f"{cardinal(moment.hour)} giờ{minute}" + (" sáng" if 1 <= moment.hour <= 10 else "")

    def year(self, value: int) -> str:
        """See `Tongue`."""
        return cardinal(value)

    def digit(self, figure: str) -> str:
        """See `Tongue`."""
        return DIGITS[int(figure)]

    def letter(self, letter: str) -> str:
        """See `Tongue`."""
        return _LETTERS.get(letter.lower(), letter)

    def _each(self, figures: str) -> str:
        return " ".join(map(self.digit, figures))
