"""Times as they are said in Vietnamese: "mười giờ sáng mai", "hai tiếng nữa", "thứ hai tuần sau"."""

from __future__ import annotations

import re
from dataclasses import replace

from bot.understanding.entities import Bound, DayPart, SpokenTime
from bot.understanding.lexicon_vi import VIETNAMESE
from bot.understanding.text import normalise

_UNITS = {
    "một": 1, "mốt": 1, "hai": 2, "ba": 3, "bốn": 4, "tư": 4, "năm": 5, "lăm": 5, "sáu": 6, "bảy": 7, "bẩy": 7,
    "tám": 8, "chín": 9,
}  # fmt: skip
_UNIT = "|".join(_UNITS)
_TENS_WORDS = re.compile(rf"\b({_UNIT}) mươi(?: ({_UNIT}))?\b")
_TEENS = re.compile(rf"\bmười(?: ({_UNIT}))?\b")
_MIDNIGHT = re.compile(r"\bkhông giờ\b|\bnửa đêm\b")
_SINGLE = re.compile(rf"\b({_UNIT})(?= (?:giờ|tiếng|phút|ngày|rưỡi|h)\b)|(?<=giờ )({_UNIT})\b")

_WEEKDAY = re.compile(r"\bthứ (hai|ba|tư|bốn|năm|sáu|bảy|[2-7])\b|\b(chủ nhật)\b")
_WEEKDAYS = {"hai": 0, "ba": 1, "tư": 2, "bốn": 2, "năm": 3, "sáu": 4, "bảy": 5, "bẩy": 5}
_RELATIVE = re.compile(
    r"\b(?:(?:trong|sau|khoảng) )*(nửa|\d+) (phút|tiếng|giờ|ngày|tuần)( rưỡi)?(?: đồng hồ)?(?: nữa| sau)\b"
    r"|\bsau (nửa|\d+) (phút|tiếng|ngày|tuần)( rưỡi)?\b"
)
_UNIT_MIN = {"phút": 1, "tiếng": 60, "giờ": 60, "ngày": 1440, "tuần": 10080}
_CLOCK = re.compile(r"\b(\d{1,2})(?: ?(?:giờ|h) ?|:)(?:(\d{1,2})\b|(rưỡi)|kém (\d{1,2}))?")
_PARTS = (
    (re.compile(r"\bsáng\b"), DayPart.MORNING),
    (re.compile(r"\btrưa\b"), DayPart.NOON),
    (re.compile(r"\bchiều\b"), DayPart.AFTERNOON),
    (re.compile(r"\btối\b|\bđêm\b"), DayPart.EVENING),
)
_NEXT_WEEK = re.compile(r"\btuần (?:sau|tới)\b")
_REFUSED = re.compile(r"\b(?:đừng|không|bận)\b[^,.;!?]*?\b(?:bây giờ|hôm nay|(?:sáng|trưa|chiều|tối) nay)\b")


def find(text: str) -> SpokenTime:
    """What `text` says of a time."""
    normal = _digits(_REFUSED.sub(" ", normalise(text, VIETNAMESE)))
    relative = _RELATIVE.search(normal)
    if relative:
        return _relative(relative)
    spoken = _clock(normal, _day(normal))
    part = next((part for pattern, part in _PARTS if pattern.search(normal)), None)
    spoken = replace(spoken, part=part)
    if spoken.hour is None:
        return spoken
    bound = Bound.AFTER if re.search(r"\bsau \d", normal) else Bound.BEFORE if "trước" in normal else None
    return replace(spoken, bound=bound)


def _digits(normal: str) -> str:
    midnight = _MIDNIGHT.sub("0 giờ", normal)
    tens = _TENS_WORDS.sub(lambda m: str(_UNITS[m[1]] * 10 + _UNITS.get(m[2] or "", 0)), midnight)
    teens = _TEENS.sub(lambda m: str(10 + _UNITS.get(m[1] or "", 0)), tens)
    protected = _WEEKDAY.sub(lambda m: m[0].replace(" ", "_"), teens)
    return _SINGLE.sub(lambda m: str(_UNITS[m[1] or m[2]]), protected).replace("thứ_", "thứ ").replace("_", " ")


def _relative(match: re.Match[str]) -> SpokenTime:
    amount, unit, half = (match[1], match[2], match[3]) if match[1] else (match[4], match[5], match[6])
    count = 0.5 if amount == "nửa" else float(amount) + (0.5 if half else 0.0)
    if unit in ("ngày", "tuần") and count == int(count):
        return SpokenTime(days=min(int(count) * (7 if unit == "tuần" else 1), 365))
    return SpokenTime(after_min=min(round(count * _UNIT_MIN[unit]), 525_600))


def _day(normal: str) -> SpokenTime:
    next_week = bool(_NEXT_WEEK.search(normal))
    weekday = _WEEKDAY.search(normal)
    if weekday:
        number = 6 if weekday[2] else weekday_number(weekday[1])
        return SpokenTime(weekday=number, next_week=next_week)
    if next_week:
        return SpokenTime(next_week=True)
    if re.search(r"\b(?:ngày kia|ngày mốt|mốt)\b", normal):
        return SpokenTime(days=2)
    if re.search(r"\bmai\b", normal):
        return SpokenTime(days=1)
    if re.search(r"\bhôm nay\b|\b(?:sáng|trưa|chiều|tối|đêm) nay\b", normal):
        return SpokenTime(days=0)
    return SpokenTime()


def weekday_number(word: str) -> int:
    """0 for "hai" or "2", Monday."""
    return int(word) - 2 if word.isdigit() else _WEEKDAYS[word]


def _clock(normal: str, spoken: SpokenTime) -> SpokenTime:
    match = _CLOCK.search(normal)
    if match is None or int(match[1]) > 24:
        return spoken
    hour, minute = int(match[1]), 30 if match[3] else int(match[2] or 0)
    if match[4]:
        hour, minute = hour - 1, 60 - int(match[4])
    return replace(spoken, hour=hour % 24, minute=minute) if 0 <= minute < 60 else spoken
