"""Days and times in English: "Friday the 27th", "in two weeks", "November twenty-seventh, twenty twenty-six"."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date, timedelta

from bot.understanding import times_en
from bot.understanding.days import Spot, day_in, day_of_month, month_end, month_later, named_days, numeric
from bot.understanding.entities import SpokenTime, day_of
from bot.understanding.lexicon_en import ENGLISH
from bot.understanding.numerals import plain, tokenise
from bot.understanding.numerals_en import SMALL, TENS, EnglishNumbers
from bot.understanding.text import normalise

_UNITS = [word for word, value in SMALL.items() if 0 < value < 10]
_CARDINALS = {word: value for word, value in SMALL.items() if value} | {
    **{f"twenty {word}": 20 + SMALL[word] for word in _UNITS},
    **{"twenty": 20, "thirty": 30, "thirty one": 31},
}
_IRREGULAR = {
    **{"one": "first", "two": "second", "three": "third", "five": "fifth", "eight": "eighth", "nine": "ninth"},
    **{"twelve": "twelfth", "twenty": "twentieth", "thirty": "thirtieth"},
}


def _ordinal(words: str) -> str:
    head, _, last = words.rpartition(" ")
    return f"{head} {_IRREGULAR.get(last, f'{last}th')}".strip()


_ORDINALS = {_ordinal(words): value for words, value in _CARDINALS.items()}
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")


def _any(words: dict[str, int]) -> str:
    return "|".join(sorted(words, key=len, reverse=True))


_MONTH = (
    r"(january|february|march|april|may|june|july|august|september|october|november|december"
    r"|jan|feb|apr|aug|sept|sep|oct|nov|dec)\b\.?"
)
_ORDINAL = rf"(?:\d{{1,2}}(?:st|nd|rd|th)|{_any(_ORDINALS)})"
_NUMBER = rf"(?:{_ORDINAL}|\d{{1,2}}|{_any(_CARDINALS)})"
_TEN_WORDS = "|".join(TENS)
_YEAR = (
    rf"(?:,? (?:in |of )?((?:19|20)\d\d\b|(?:nineteen|twenty) (?:{_TEN_WORDS}|oh)(?: (?:{'|'.join(_UNITS)}))?\b"
    r"|twenty (?:ten|eleven|twelve|\w+teen)\b"
    rf"|two thousand(?: and)?(?: (?:{_TEN_WORDS}))?(?: (?:{'|'.join(SMALL)}))?\b))?"
)
_ISO = re.compile(r"\b(\d{4})-(\d{1,2})-(\d{1,2})\b")
_SLASHED = re.compile(r"(?<![\d/.])(\d{1,2})(?:/(\d{1,2})(?:/(\d{4}|\d{2}))?|[.-](\d{1,2})[.-](\d{4}))(?![\d/])")
_DAY_MONTH = re.compile(rf"\b(?:the )?({_NUMBER})(?: day)?(?: of)? {_MONTH}{_YEAR}")
_MONTH_DAY = re.compile(rf"\b{_MONTH} (?:the )?({_NUMBER})\b(?![/:]){_YEAR}")
_NO_DAY = r"(?! (?:one|ones|time|times|thing|option|choice|of all|person|call|payment|part|place|half|quarter|class)\b)"
_OF_MONTH = r"(?: (?:of|in) (next|this|the) month)?"
_IN_MONTH = (
    re.compile(rf"\bthe ({_ORDINAL})\b{_NO_DAY}{_OF_MONTH}"),
    re.compile(rf"\b(\d{{1,2}}(?:st|nd|rd|th))\b{_NO_DAY}{_OF_MONTH}"),
    re.compile(r"\bthe (\d{1,2})\b(?=\s*(?:$|[.,!?]))()"),
    re.compile(rf"\b({_ORDINAL}) of (next|this|the) month"),
)
_ALONE = re.compile(rf"(?:(?:yes|okay|well|um|uh|maybe|perhaps|on|by|the)[ ,]+)*({_NUMBER})(?:[ ,]+please)?[ .!?]*")
_DAY_NAMES = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_WEEKDAY = re.compile(
    r"\b(?:(next week|next|this coming|this|coming|last) )?(?:on )?"
    rf"({'|'.join(_DAY_NAMES)}|tues|thurs|thur|fri)\b(?: (next week|this week|last week))?"
)
_COUNT = rf"(\d{{1,3}}|an?|a couple(?: of)?|{_any(_CARDINALS)})"
_SPAN = rf"{_COUNT} (day|week|fortnight|month)s?"
_AHEAD = re.compile(
    rf"\b(?:in|within) {_SPAN}\b(?! ago)|\b{_SPAN} (?:from (?:now|today)|later|time)\b|\b{_SPAN} (ago|from tomorrow)\b"
)
_NAMED = (
    (re.compile(r"\b(?:the )?day after tomorrow\b"), 2),
    (re.compile(r"\b(?:the )?day before yesterday\b"), -2),
    (re.compile(r"\btomorrow\b"), 1),
    (re.compile(r"\byesterday\b"), -1),
    (re.compile(r"\b(?:today|tonight|this (?:morning|afternoon|evening))\b"), 0),
)
_MONTH_END = re.compile(r"\b(?:end|last day) of (the|this|next) month\b")


class EnglishDays:
    """See `Days`."""

    correction = re.compile(r"\b(?:no|sorry|actually|rather|mean|wait)\b")
    denial = re.compile(
        r"\b(?:not|never)\b(?!(?: \w+)* (?:until|till|before|later than|after) *(?:the )?$)(?: [\w']+){0,3} *$"
    )
    clock = re.compile(
        rf"\b(?:at |by |around )?(?:\d{{1,2}}(?::\d\d)?|{_any(_CARDINALS)})(?: (?:{_any(_CARDINALS)}))? ?"
        r"(?:am\b|pm\b|o'clock\b)"
    )
    either = re.compile(r"\bor\b(?! so\b)|\bbetween\b")

    def normal(self, text: str) -> str:
        """See `Days`."""
        return normalise(plain(text), ENGLISH)

    def spots(self, normal: str, today: date, *, month_first: bool | None) -> Iterator[Spot]:
        """See `Days`."""
        yield from self._dates(normal, today, month_first)
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
        return times_en.find(normal)

    def _dates(self, normal: str, today: date, month_first: bool | None) -> Iterator[Spot]:
        for match in _ISO.finditer(normal):
            yield Spot(*match.span(), day_in(int(match[2]), int(match[3]), int(match[1]), today))
        for match in _SLASHED.finditer(normal):
            year = match[3] or match[5]
            other, read = int(match[2] or match[4]), None if year is None else int(year)
            yield Spot(*match.span(), numeric(int(match[1]), other, read, today, month_first=month_first))
        for match in _DAY_MONTH.finditer(normal):
            yield Spot(*match.span(), day_in(_month(match[2]), _number(match[1]), _year(match[3]), today))
        for match in _MONTH_DAY.finditer(normal):
            yield Spot(*match.span(), day_in(_month(match[1]), _number(match[2]), _year(match[3]), today))

    def _within_month(self, normal: str, today: date) -> Iterator[Spot]:
        for pattern in _IN_MONTH:
            for match in pattern.finditer(normal):
                ahead = {"next": 1, "this": 0}.get(match[2] or "")
                yield Spot(*match.span(), day_of_month(_number(match[1]), ahead, today))
        for match in _MONTH_END.finditer(normal):
            yield Spot(*match.span(), month_end(today, int(match[1] == "next")))

    def _weekdays(self, normal: str, today: date) -> Iterator[Spot]:
        for match in _WEEKDAY.finditer(normal):
            weekday = next(place for place, name in enumerate(_DAY_NAMES) if name.startswith(match[2]))
            week = {"next": 1, "next week": 1, "last": -1, "last week": -1, "this week": 0}
            shift = week.get(match[1] or "", week.get(match[3] or ""))
            loose = match[1] is None and match[3] is None
            yield Spot(*match.span(), weekday_in(weekday, shift, today), weekday_only=loose)


def weekday_in(weekday: int, week: int | None, today: date) -> date:
    """That weekday so many calendar weeks ahead; the next one after today when None."""
    if week is None:
        return day_of(SpokenTime(weekday=weekday), today) or today
    return today + timedelta(days=7 * week + weekday - today.weekday())


def _month(name: str) -> int:
    return _MONTHS.index(name[:3]) + 1


def _number(words: str) -> int:
    figures = re.match(r"\d+", words)
    return int(figures[0]) if figures else _ORDINALS.get(words) or _CARDINALS[words]


def _year(words: str | None) -> int | None:
    if not words:
        return None
    found = EnglishNumbers().read(tokenise(words, "en"), 0)
    return None if found is None else int(found.value)


def _ahead(match: re.Match[str], today: date) -> date:
    groups = [group for group in match.groups() if group]
    count = 1 if groups[0] in ("a", "an") else 2 if groups[0].startswith("a couple") else _number(groups[0])
    sign, shift = (-1 if "ago" in groups else 1), int("from tomorrow" in groups)
    if groups[1] == "month":
        return month_later(today, sign * count)
    return today + timedelta(days=sign * count * {"day": 1, "week": 7, "fortnight": 14}[groups[1]] + shift)
