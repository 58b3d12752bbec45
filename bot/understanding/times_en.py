"""Times as they are said in English: "tomorrow at half past ten", "in two hours", "after five pm"."""

from __future__ import annotations

import re
from dataclasses import replace

from bot.understanding.entities import Bound, DayPart, SpokenTime
from bot.understanding.lexicon_en import ENGLISH
from bot.understanding.text import normalise

_UNITS = [
    *("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"),
    *("thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen"),
]
_TENS = {"twenty": 20, "thirty": 30, "forty": 40, "fifty": 50, "sixty": 60, "ninety": 90}
_NUMBERS = {**{word: value for value, word in enumerate(_UNITS)}, **_TENS}
_TENS_AND_UNITS = re.compile(rf"\b({'|'.join(_TENS)})[ -]({'|'.join(_UNITS[1:10])})\b")
_NUMBER_WORD = re.compile(rf"\b({'|'.join(_NUMBERS)})\b")

_NOUGHT = re.compile(r"\b(\d{1,2}) (?:oh|o) (\d)\b")

_WEEKDAY = re.compile(
    r"\b(?:(next|this|coming) )?(?:week )?(?:on )?"
    r"(mon|tues?|wednes|wed|thurs?|fri|satur|sat|sun)(?:day)?s?\b(?: (next week))?"
)
_WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_RELATIVE = re.compile(
    r"\b(?:in|within|after|give me) (?:about |around |like |another |maybe )*(half an?|an?|a couple(?: of)?|a few|\d+)"
    r"(?: (?:more )?)(minute|min|hour|day|week)s?(?: and (a half|an? (?:half|quarter)))?\b"
)
_FROM_NOW = re.compile(r"\b(half an?|an?|\d+)(?: more)? (minute|min|hour|day|week)s?(?: (?:from now|later))\b")
_AMOUNTS = {"a": 1.0, "an": 1.0, "half a": 0.5, "half an": 0.5, "a couple": 2.0, "a couple of": 2.0, "a few": 3.0}
_UNIT_MIN = {"min": 1, "minute": 1, "hour": 60, "day": 1440, "week": 10080}

_MERIDIEM = r"(?: ?(am|pm)\b)?"
_AT = r"(?:at|after|before|by|around|about|from|until|till|past|since|like|say|between)"
_PAST_TO = re.compile(rf"\b(half|quarter|a quarter|\d{{1,2}})(?: minutes?)? (past|to) (\d{{1,2}})\b{_MERIDIEM}")
_CLOCKS = (
    re.compile(rf"\b(\d{{1,2}})[:.h ](\d{{2}})\b{_MERIDIEM}"),
    re.compile(r"\b(\d{1,2})() (am|pm)\b"),
    re.compile(rf"\b(\d{{1,2}})() o'clock\b{_MERIDIEM}"),
    re.compile(rf"\b{_AT} (\d{{1,2}})()()\b(?! ?(?:%|days?|hours?|minutes?|weeks?|dollars))"),
)
_BARE = re.compile(
    r"(?:^|\b(?:today|tomorrow|day|morning|afternoon|evening|tonight),? )(?:maybe |okay )?"
    r"(\d{1,2})()()\.?(?:$|\b(?= ))(?! ?(?:days?|hours?|minutes?|weeks?))"
)
_PARTS = (
    (re.compile(r"\bmorning\b"), DayPart.MORNING),
    (re.compile(r"\b(?:lunch|lunchtime|lunch time|lunch break)\b"), DayPart.NOON),
    (re.compile(r"\bafternoon\b"), DayPart.AFTERNOON),
    (re.compile(r"\bevening\b|\bafter work\b"), DayPart.EVENING),
    (re.compile(r"\bnight\b|\btonight\b"), DayPart.NIGHT),
)
_BOUNDS = (
    (
        re.compile(r"\bnot (?:be )?(?:\w+ ){0,4}?(?:before|until|till)\b|\b(?:after|until|till|past|from)\b"),
        Bound.AFTER,
    ),
    (re.compile(r"\bbefore\b|\bby\b"), Bound.BEFORE),
)
_CALL = re.compile(r"(?<!not )\b(?:call|ring|phone|try|reach|talk|speak)\b")
_NEGATED_DAY = re.compile(
    r"\b(?:not|no|busy|unavailable|meeting|driving|working)\b[^,.;!?]*?\b(?:now|notnow|today|tonight|tomorrow|"
    r"this (?:morning|afternoon|evening|week)|(?:on )?\w+day)\b"
)


def find(text: str) -> SpokenTime:
    """What `text` says of a time: first what follows the wish to be called, else anywhere in it."""
    normal = _digits(normalise(text, ENGLISH))
    asked = [match.end() for match in _CALL.finditer(normal)]
    regions = [normal[end:] for end in reversed(asked)]
    for region in (*regions, _NEGATED_DAY.sub(" ", normal) if asked else normal, normal):
        spoken = _find_in(region)
        if not spoken.empty:
            return spoken
    return SpokenTime()


def _digits(normal: str) -> str:
    """Number words as digits: "ten thirty" becomes "10 30", "forty five" 45."""
    joined = _TENS_AND_UNITS.sub(lambda m: str(_TENS[m[1]] + _NUMBERS[m[2]]), normal)
    return _NOUGHT.sub(r"\1 0\2", _NUMBER_WORD.sub(lambda m: str(_NUMBERS[m[1]]), joined))


def _find_in(region: str) -> SpokenTime:
    relative = _relative(region)
    if relative is not None:
        return relative
    spoken = _clock(region, _day(region))
    part = next((part for pattern, part in _PARTS if pattern.search(region)), None)
    spoken = replace(spoken, part=part)
    if spoken.empty or spoken.hour is None:
        return spoken
    bound = next((bound for pattern, bound in _BOUNDS if pattern.search(region)), None)
    return replace(spoken, bound=bound)


def _relative(region: str) -> SpokenTime | None:
    match = _RELATIVE.search(region) or _FROM_NOW.search(region)
    if match is None:
        return None
    amount = _AMOUNTS[match[1]] if match[1] in _AMOUNTS else float(match[1])
    if match.re is _RELATIVE and match[3]:
        amount += 0.25 if "quarter" in match[3] else 0.5
    if match[2] in ("day", "week") and amount == int(amount):
        return _clock(region[match.end() :], SpokenTime(days=min(int(amount) * (7 if match[2] == "week" else 1), 365)))
    return SpokenTime(after_min=min(round(amount * _UNIT_MIN[match[2]]), 525_600))


def _day(region: str) -> SpokenTime:
    weekday = _WEEKDAY.search(region)
    if weekday:
        number = next(place for place, name in enumerate(_WEEKDAYS) if weekday[2].startswith(name))
        return SpokenTime(weekday=number, next_week=weekday[1] == "next" or bool(weekday[3]) or "next week" in region)
    if "next week" in region:
        return SpokenTime(next_week=True)
    if "day after tomorrow" in region:
        return SpokenTime(days=2)
    if re.search(r"\btomorrow\b", region):
        return SpokenTime(days=1)
    if re.search(r"\btoday\b|\btonight\b|\bthis (?:morning|afternoon|evening)\b", region):
        return SpokenTime(days=0)
    return SpokenTime()


def _clock(region: str, spoken: SpokenTime) -> SpokenTime:
    around = _PAST_TO.search(region)
    if around:
        return _past_to(around, spoken)
    for pattern in (*_CLOCKS, _BARE):
        match = pattern.search(region)
        if match and int(match[1]) <= 24 and int(match[2] or 0) < 60:
            return replace(spoken, hour=int(match[1]) % 24, minute=int(match[2] or 0), meridiem=match[3] or None)
    if re.search(r"\b(?:noon|midday)\b", region):
        return replace(spoken, hour=12, meridiem="pm")
    if re.search(r"\bmidnight\b", region):
        return replace(spoken, hour=0, meridiem="am")
    return spoken


def _past_to(match: re.Match[str], spoken: SpokenTime) -> SpokenTime:
    minutes = {"half": 30, "quarter": 15, "a quarter": 15}.get(match[1])
    minutes = int(match[1]) if minutes is None else minutes
    hour = int(match[3])
    if not (0 < minutes < 60 and 1 <= hour <= 24):
        return spoken
    if match[2] == "to":
        hour, minutes = (hour - 2) % 12 + 1 if hour <= 12 else hour - 1, 60 - minutes
    return replace(spoken, hour=hour % 24, minute=minutes, meridiem=match[4] or None)
