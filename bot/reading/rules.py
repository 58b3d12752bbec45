"""One way of writing figures, and the words for it."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from bot.understanding.numerals import figure

#: A number with the separators of either language.
NUMBER: Final = r"\d+(?:[.,]\d+)*"


@dataclass(frozen=True)
class Rule:
    """What `pattern` matches is replaced by what `words` makes of it; None leaves it for the rules after it."""

    pattern: re.Pattern[str]
    words: Callable[[re.Match[str]], str | None]

    def apply(self, text: str) -> str:
        """`text` with every match in words."""

        def replaced(match: re.Match[str]) -> str:
            said = self.words(match)
            return match[0] if said is None else said

        return self.pattern.sub(replaced, text)


def value_of(written: str, language: str) -> Decimal:
    """The value of `NUMBER`; what cannot be one number is read as its digits."""
    value = figure(written, language)
    return Decimal("".join(filter(str.isdecimal, written))[:18]) if value is None else value
