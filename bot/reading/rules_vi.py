"""How dates and times are written in Vietnamese texts."""

from __future__ import annotations

import re
from datetime import date
from typing import Final

from bot.reading.rules import Rule
from bot.reading.words_vi import cardinal, ordinal

_BEFORE_DATE: Final = r"(?P<lead>\b(?:ngày|mùng|hôm|sáng|trưa|chiều|tối|từ|đến|trước|sau|vào|hạn|nhật|thứ \w+),? )"


def _day_first(match: re.Match[str]) -> str | None:
    named = match.groupdict()
    written = None if named.get("year") is None else int(match["year"])
    year = None if written is None else written + 2000 if written < 100 else written
    try:
        date(year or 2000, int(match["month"]), int(match["day"]))
    except ValueError:
        return None
    lead = named.get("lead") or ""
    said = f"{cardinal(int(match['day']))} tháng {_month(int(match['month']))}"
    word = "" if lead.strip() in ("ngày", "mùng") else "ngày "
    return f"{lead}{word}{said}" + ("" if year is None else f" năm {cardinal(year)}")


def _month(number: int) -> str:
    return "tư" if number == 4 else cardinal(number)


def _clock(match: re.Match[str]) -> str | None:
    hour, minute = int(match[1]), int(match[2] or 0)
    if hour > 24 or minute > 59:
        return None
    return f"{cardinal(hour)} giờ" + (f" {cardinal(minute)} phút" if minute else "")


def _ratio(match: re.Match[str]) -> str:
    return f"{cardinal(int(match[1]))} trên {cardinal(int(match[2]))}"


RULES_VI: Final = (
    Rule(
        re.compile(
            r"(?i)(?P<lead>\bngày )?(?<![\d/])(?P<day>\d{1,2})/(?P<month>\d{1,2})/(?P<year>\d{4}|\d\d)(?![\d/])"
        ),
        _day_first,
    ),
    Rule(re.compile(rf"(?i){_BEFORE_DATE}(?P<day>\d{{1,2}})/(?P<month>\d{{1,2}})(?![\d/])"), _day_first),
    Rule(re.compile(r"(?<![\d/.,])(\d{1,3})/(\d{1,3})(?![\d/])"), _ratio),
    Rule(re.compile(r"(?i)(?<![\d.,])(\d{1,2})(?:h|:)(\d\d)?(?:p\b|(?![\w\d]))"), _clock),
    Rule(re.compile(r"(?i)\b(tháng )0?(\d{1,2})\b"), lambda match: match[1] + _month(int(match[2]))),
    Rule(re.compile(r"(?i)\b(thứ )(\d{1,3})\b"), lambda match: match[1] + ordinal(int(match[2])).removeprefix("thứ ")),
)
