"""How dates, times and years are written in English texts."""

from __future__ import annotations

import re
from datetime import date
from typing import Final

from bot.reading.english import MONTHS
from bot.reading.rules import Rule
from bot.reading.words_en import cardinal, ordinal, year

_SHORT: Final = {month[:3]: month for month in MONTHS} | {"Sept": "September"}
_MONTH: Final = rf"(?P<month>{'|'.join(MONTHS)}|(?:{'|'.join(sorted(_SHORT, key=len, reverse=True))})\b\.?)"
_YEAR: Final = r"(?:,? (?P<year>(?:19|20)\d\d)\b)?"
_BEFORE_DATE: Final = r"(?P<lead>\b(?:on|by|until|till|before|after|from|since|due|\w+day,?) )"
_BEFORE_YEAR: Final = rf"\b(?:in|since|by|of|until|before|after|year|from|to|{'|'.join(MONTHS)})"
#: Denominators of ratings: 9/10 is nine out of ten.
_SCALES: Final = (5, 10, 20, 100)


def _month_first(match: re.Match[str]) -> str | None:
    """A day as people of the United States write it, unless only the other order is one."""
    named = match.groupdict()
    first, second, lead = int(match["one"]), int(match["other"]), named.get("lead") or ""
    written = None if named.get("year") is None else int(match["year"])
    whole = None if written is None else written + 2000 if written < 100 else written
    for month, day in ((first, second), (second, first)):
        if _is_day(whole or 2000, month, day):
            said = f"{lead}{MONTHS[month - 1]} {ordinal(day)}"
            return said if whole is None else f"{said}, {year(whole)}"
    return None


def _is_day(year: int, month: int, day: int) -> bool:
    try:
        date(year, month, day)
    except ValueError:
        return False
    return True


def _ratio(match: re.Match[str]) -> str:
    if match[0] == "24/7":
        return "twenty-four seven"
    joined = "out of" if int(match[2]) in _SCALES else "over"
    return f"{cardinal(int(match[1]))} {joined} {cardinal(int(match[2]))}"


def _clock(match: re.Match[str]) -> str | None:
    hour, minute = int(match[1]), int(match[2] or 0)
    if hour > 24 or minute > 59:
        return None
    half = f"{match[3].upper()}M" if match[3] else "" if 1 <= hour <= 12 else "PM" if 12 < hour < 24 else "AM"
    minutes = f" {'oh ' if minute < 10 else ''}{cardinal(minute)}" if minute else "" if half else " o'clock"
    return f"{cardinal((hour - 1) % 12 + 1)}{minutes} {half}".strip()


def _month_day(match: re.Match[str]) -> str:
    said = f"{_month(match)} {ordinal(int(match['day']))}"
    return f"{said}, {year(int(match['year']))}" if match["year"] else said


def _day_month(match: re.Match[str]) -> str:
    said = f"the {ordinal(int(match['day']))} of {_month(match)}"
    return f"{said}, {year(int(match['year']))}" if match["year"] else said


def _month(match: re.Match[str]) -> str:
    return _SHORT.get(match["month"].rstrip("."), match["month"])


RULES_EN: Final = (
    Rule(re.compile(r"(?<![\d/])(?P<one>\d{1,2})/(?P<other>\d{1,2})/(?P<year>\d{4}|\d\d)(?![\d/])"), _month_first),
    Rule(re.compile(rf"(?i){_BEFORE_DATE}(?P<one>\d{{1,2}})/(?P<other>\d{{1,2}})(?![\d/])"), _month_first),
    Rule(re.compile(r"(?<![\d/.,])(\d{1,3})/(\d{1,3})(?![\d/])"), _ratio),
    Rule(re.compile(r"(?i)\b(\d{1,2}):(\d\d)(?: ?([ap])\.?m\b)?"), _clock),
    Rule(re.compile(r"(?i)(?<![\d.,])(\d{1,2})() ?([ap])\.?m\b"), _clock),
    Rule(re.compile(rf"\b{_MONTH} (?P<day>\d{{1,2}})(?:st|nd|rd|th)?\b(?![:%]){_YEAR}"), _month_day),
    Rule(re.compile(rf"(?:\bthe )?\b(?P<day>\d{{1,2}})(?:st|nd|rd|th)? (?:of )?{_MONTH}{_YEAR}"), _day_month),
    Rule(re.compile(r"\b(\d{1,3})(?:st|nd|rd|th)\b"), lambda match: ordinal(int(match[1]))),
    Rule(
        re.compile(rf"(?i)({_BEFORE_YEAR} )((?:19|20)\d\d)\b(?=\s*(?:[.,;:!?)]|$))"),
        lambda match: match[1] + year(int(match[2])),
    ),
)
