"""Days and times in Vietnamese: "thứ sáu tuần sau", "mùng năm tháng tư", "ba ngày nữa", "cuối tháng"."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date, timedelta

from bot.understanding import times_vi
from bot.understanding.days import Spot, day_in, day_of_month, month_end, month_later, named_days, numeric
from bot.understanding.days_en import weekday_in
from bot.understanding.entities import SpokenTime
from bot.understanding.lexicon_vi import VIETNAMESE
from bot.understanding.numerals import plain, tokenise
from bot.understanding.numerals_vi import DIGITS, ENDINGS, VietnameseNumbers
from bot.understanding.text import normalise

_UNITS = {word: value for word, value in DIGITS.items() if value}
_AFTER_TENS = {word: value for word, value in {**_UNITS, **ENDINGS}.items() if word != "năm"}
_NUMBERS = {
    **_UNITS,
    "mười": 10,
    **{f"mười {word}": 10 + value for word, value in _AFTER_TENS.items()},
    **{"hai mươi": 20, "hai chục": 20, "ba mươi": 30, "ba mươi mốt": 31, "ba mốt": 31, "ba chục": 30},
    **{f"{tens} {word}": 20 + value for tens in ("hai mươi", "hăm") for word, value in _AFTER_TENS.items()},
    **{f"hai {word}": 20 + value for word, value in ENDINGS.items()},
}
_MONTHS = {**_UNITS, "tư": 4, "mười": 10, "mười một": 11, "mười hai": 12}


def _any(words: dict[str, int]) -> str:
    return "|".join(sorted(words, key=len, reverse=True))


_NUMBER = rf"(?:\d{{1,3}}|(?:{_any(_NUMBERS)}))\b"
_MONTH = rf"(?:\d{{1,2}}|(?:{_any(_MONTHS)}))\b"
_DIGIT = "|".join(DIGITS)
_YEAR = (
    r"(?: (?:năm )?((?:19|20)\d\d\b)"
    rf"| năm ((?:hai|một) (?:nghìn|ngàn)(?: (?:trăm|linh|lẻ|mươi|mười|{_DIGIT}|{'|'.join(ENDINGS)})\b)*"
    rf"|(?:hai|một)(?: (?:{_DIGIT})\b){{3}})| (năm sau|năm tới|năm nay))?"
)
_ISO = re.compile(r"\b(\d{4})-(\d{1,2})-(\d{1,2})\b")
_SLASHED = re.compile(r"(?<![\d/.])(\d{1,2})(?:/(\d{1,2})(?:/(\d{4}|\d{2}))?|[.-](\d{1,2})[.-](\d{4}))(?![\d/])")
_PREFIX = r"(?:(?:ngày|hôm|mùng|mồng) )*"
_DAY_MONTH = re.compile(rf"\b{_PREFIX}({_NUMBER}) (?:tháng |/)({_MONTH}){_YEAR}")
_IN_MONTH = re.compile(
    rf"\b(?:(?<!mỗi )(?<!hàng )ngày(?: mùng| mồng)?|mùng|mồng) ({_NUMBER})"
    rf"(?! ngày| nữa| tháng (?:\d|{_any(_MONTHS)})\b)(?: (tháng này|tháng sau|tháng tới))?"
    rf"|\b({_NUMBER}) (tháng này|tháng sau|tháng tới)"
)
_ALONE = re.compile(rf"(?:(?:dạ|vâng|ừ|chắc|có lẽ|khoảng|vào)[ ,]+)*({_NUMBER})(?: (?:ạ|nhé|nha|em))*[ .!?]*")
_WEEK = {"tuần sau": 1, "tuần tới": 1, "tuần này": 0, "tuần trước": -1, "tuần rồi": -1, "sau": 1}
_WEEKDAY = re.compile(
    r"(?:\b(tuần (?:sau|tới|này|trước|rồi))(?: vào)? )?(?:(?<!lần )(?<!người )(?<!cái )(?<!số )\bthứ "
    r"(hai|ba|tư|bốn|năm|sáu|bảy|bẩy|[2-7])|\bchủ nhật)\b(?: (tuần (?:sau|tới|này|trước|rồi)|này|tới|sau))?"
)
_AHEAD = re.compile(
    rf"\b({_NUMBER}) (ngày|hôm|tuần|tháng) (nữa|tới|trước)"
    rf"|\b(?:sau|trong vòng|trong) ({_NUMBER}) (ngày|hôm|tuần|tháng)\b"
)
_NAMED = (
    (re.compile(r"\b(?:hôm nay|bữa nay|(?:sáng|trưa|chiều|tối|đêm) nay)\b"), 0),
    (re.compile(r"(?<!chị )(?<!cô )(?<!bà )(?<!tên )\b(?:(?:ngày|hôm|bữa|sáng|trưa|chiều|tối|đêm) )?mai\b"), 1),
    (
        re.compile(
            r"(?<!mươi )(?<!hai )(?<!ba )\b(?:(?:ngày|bữa|sáng|trưa|chiều|tối) )?mốt\b|\b(?:ngày|sáng|chiều|tối) kia\b"
        ),
        2,
    ),
    (re.compile(r"\b(?:hôm|bữa|tối|sáng|chiều|trưa) qua\b"), -1),
    (re.compile(r"\b(?:hôm kia|bữa kia)\b"), -2),
)
_MONTH_END = re.compile(r"\bcuối tháng(?: (này|sau|tới))?\b(?! (?:\d|" + _any(_MONTHS) + r")\b)")


class VietnameseDays:
    """See `Days`."""

    correction = re.compile(r"\b(?:à không|nhầm|quên|lộn|không phải|à)\b")
    denial = re.compile(r"\b(?:không|chưa|đừng|bận)(?!(?: \w+)* (?:trước|đến|tới|qua) *$)(?: \w+){0,3} *$")
    clock = re.compile(rf"\b({_NUMBER}) ?(?:giờ|h)\b(?: ?(?:{_NUMBER})(?: phút)?| rưỡi)?|\b\d{{1,2}}:\d\d\b")
    either = re.compile(r"\b(?:hoặc|hay)\b(?! không)")

    def normal(self, text: str) -> str:
        """See `Days`."""
        return normalise(plain(text), VIETNAMESE)

    def spots(self, normal: str, today: date, *, month_first: bool | None) -> Iterator[Spot]:
        """See `Days`; the day always stands before the month."""
        yield from self._dates(normal, today)
        yield from self._within_month(normal, today)
        yield from self._weekdays(normal, today)
        yield from named_days(_NAMED, normal, today)
        for match in _AHEAD.finditer(normal):
            yield Spot(*match.span(), _ahead(match, today))

    def alone(self, normal: str) -> list[int]:
        """See `Days`."""
        match = _ALONE.fullmatch(normal)
        return [_number(match[1])] if match else []

    def time(self, normal: str) -> SpokenTime:
        """See `Days`."""
        return times_vi.find(normal)

    def _dates(self, normal: str, today: date) -> Iterator[Spot]:
        for match in _ISO.finditer(normal):
            yield Spot(*match.span(), day_in(int(match[2]), int(match[3]), int(match[1]), today))
        for match in _SLASHED.finditer(normal):
            year = match[3] or match[5]
            other, read = int(match[2] or match[4]), None if year is None else int(year)
            yield Spot(*match.span(), numeric(int(match[1]), other, read, today, month_first=False))
        for match in _DAY_MONTH.finditer(normal):
            day, month = _number(match[1]), int(match[2]) if match[2].isdecimal() else _MONTHS[match[2]]
            yield Spot(*match.span(), day_in(month, day, _year(match, today), today))

    def _within_month(self, normal: str, today: date) -> Iterator[Spot]:
        for match in _IN_MONTH.finditer(normal):
            named = match[2] or match[4]
            ahead = None if named is None else int(named != "tháng này")
            yield Spot(*match.span(), day_of_month(_number(match[1] or match[3]), ahead, today))
        for match in _MONTH_END.finditer(normal):
            yield Spot(*match.span(), month_end(today, int(match[1] in ("sau", "tới"))))

    def _weekdays(self, normal: str, today: date) -> Iterator[Spot]:
        for match in _WEEKDAY.finditer(normal):
            weekday = times_vi.weekday_number(match[2]) if match[2] else 6
            week = _WEEK.get(match[1] or "", _WEEK.get(match[3] or ""))
            yield Spot(*match.span(), weekday_in(weekday, week, today), weekday_only=week is None)


def _number(words: str) -> int:
    return int(words) if words.isdecimal() else _NUMBERS[words]


def _year(match: re.Match[str], today: date) -> int | None:
    figures, words, relative = match[3], match[4], match[5]
    if figures:
        return int(figures)
    if relative:
        return today.year + (relative != "năm nay")
    if not words:
        return None
    if re.fullmatch(rf"(?:(?:{_DIGIT}) ?){{4}}", words):
        return int("".join(str(DIGITS[word]) for word in words.split()))
    found = VietnameseNumbers().read(tokenise(words, "vi"), 0)
    return None if found is None else int(found.value)


def _ahead(match: re.Match[str], today: date) -> date:
    count, unit = _number(match[1] or match[4]), match[2] or match[5]
    sign = -1 if match[3] == "trước" else 1
    if unit == "tháng":
        return month_later(today, sign * count)
    return today + timedelta(days=sign * count * (7 if unit == "tuần" else 1))
