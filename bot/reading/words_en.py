"""English numbers in words, without commas: a voice would pause at them."""

from __future__ import annotations

from typing import Final

DIGITS: Final = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
_TEENS: Final = (
    *("ten", "eleven", "twelve", "thirteen", "fourteen"),
    *("fifteen", "sixteen", "seventeen", "eighteen", "nineteen"),
)
_TENS: Final = ("", "", "twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")
_SCALES: Final = ((10**12, "trillion"), (10**9, "billion"), (10**6, "million"), (10**3, "thousand"))
_ORDINALS: Final = {
    **{"one": "first", "two": "second", "three": "third", "five": "fifth", "eight": "eighth", "nine": "ninth"},
    "twelve": "twelfth",
}


def cardinal(number: int) -> str:
    """105 is "one hundred and five", 2000005 "two million and five": without "and" that would be 2.5 million."""
    if number < 0:
        return f"minus {cardinal(-number)}"
    for size, name in _SCALES:
        if number >= size:
            rest = number % size
            joined = "" if not rest else f" and {cardinal(rest)}" if rest < 100 else f" {cardinal(rest)}"
            return f"{cardinal(number // size)} {name}{joined}"
    return _below_thousand(number)


def _below_thousand(number: int) -> str:
    hundreds, rest = divmod(number, 100)
    if hundreds:
        return f"{DIGITS[hundreds]} hundred" + (f" and {_below_thousand(rest)}" if rest else "")
    if rest < 20:
        return (DIGITS + _TEENS)[rest]
    return _TENS[rest // 10] + (f"-{DIGITS[rest % 10]}" if rest % 10 else "")


def ordinal(number: int) -> str:
    """Twenty-seventh, one hundred and first."""
    said = cardinal(number)
    cut = max(said.rfind(" "), said.rfind("-")) + 1
    return said[:cut] + _ordinal_word(said[cut:])


def _ordinal_word(word: str) -> str:
    return f"{word[:-1]}ieth" if word.endswith("y") else _ORDINALS.get(word, f"{word}th")


def year(number: int) -> str:
    """Nineteen ninety-nine, nineteen oh five, two thousand and five, twenty twenty-six."""
    century, rest = divmod(number, 100)
    if not 11 <= century <= 99 or (century % 10 == 0 and rest < 10):
        return cardinal(number)
    said = f"oh {DIGITS[rest]}" if 0 < rest < 10 else cardinal(rest) if rest else "hundred"
    return f"{cardinal(century)} {said}"
