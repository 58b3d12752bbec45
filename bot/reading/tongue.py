"""What a language must know to say values."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, time
from decimal import Decimal
from typing import ClassVar, Protocol


class Tongue(Protocol):
    """How one language says values. Everything comes back in words, without figures."""

    language: ClassVar[str]
    #: What each mark of an e-mail address or a domain is called.
    marks: ClassVar[Mapping[str, str]]
    #: Words for "+", "%", "&" and the "to" of "9 to 5".
    plus: ClassVar[str]
    percent: ClassVar[str]
    ampersand: ClassVar[str]
    until: ClassVar[str]
    #: How yes and no are said.
    answers: ClassVar[Mapping[str, str]]
    #: The country code whose numbers are said without it.
    home: ClassVar[int]

    def number(self, value: Decimal) -> str:
        """Two hundred and fifty; two point five."""
        ...

    def ordinal(self, value: int) -> str:
        """Twenty-seventh."""
        ...

    def money(self, amount: Decimal, currency: str | None) -> str:
        """Nineteen dollars and ninety-nine cents; the bare number where no currency is known."""
        ...

    def day(self, day: date, *, with_year: bool) -> str:
        """Friday, November twenty-seventh."""
        ...

    def clock(self, moment: time) -> str:
        """Two thirty PM."""
        ...

    def year(self, value: int) -> str:
        """Twenty twenty-six."""
        ...

    def digit(self, figure: str) -> str:
        """One figure, "0" to "9"."""
        ...

    def letter(self, letter: str) -> str:
        """The name of a letter as the voice says it."""
        ...
