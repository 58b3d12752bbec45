"""Values in what a customer said: the canonical text of a `ValueForm`, or nothing where more than one may be meant."""

from __future__ import annotations

from datetime import datetime
from typing import assert_never

from bot.understanding.amounts import find_money, find_number
from bot.understanding.choices import find_choice, find_yes_no
from bot.understanding.days import Days, find_date, find_time, without_dates
from bot.understanding.days_en import EnglishDays
from bot.understanding.days_vi import VietnameseDays
from bot.understanding.emails import find_email
from bot.understanding.forms import ValueForm, ValueKind
from bot.understanding.numerals import is_vietnamese
from bot.understanding.phones import find_phone, regions

_DAYS: tuple[Days, Days] = (EnglishDays(), VietnameseDays())


def find_value(text: str, form: ValueForm, *, now: datetime, time_zone: str, language: str) -> str | None:  # noqa: PLR0911 - one return a kind
    """The value of `form` that `text` names, in the form that `ValueKind` says.

    None when it names none, several, or one outside the form's limits: a customer is asked again rather than
    misunderstood. Dates and times are read where the contact lives; `now` is aware. English and Vietnamese; another
    language is read as English. Raises ValueError for a naive `now`, ZoneInfoNotFoundError for an unknown zone.
    """
    if now.tzinfo is None:
        raise ValueError("now must be aware")
    match form.kind:
        case ValueKind.NUMBER:
            return find_number(text, form, language)
        case ValueKind.MONEY:
            return find_money(without_dates(text, _days(language)), form, language)
        case ValueKind.DATE:
            return find_date(text, now, time_zone, _days(language), month_first=_month_first(time_zone, language))
        case ValueKind.TIME:
            return find_time(text, now, time_zone, _days(language))
        case ValueKind.PHONE:
            return find_phone(text, time_zone, language)
        case ValueKind.EMAIL:
            return find_email(text, language)
        case ValueKind.YES_NO:
            return find_yes_no(text, language)
        case ValueKind.CHOICE:
            return find_choice(text, form.choices, language)
        case ValueKind.TEXT:
            return " ".join(text.split()) or None
        case _:
            assert_never(form.kind)


def _days(language: str) -> Days:
    return _DAYS[is_vietnamese(language)]


def _month_first(time_zone: str, language: str) -> bool | None:
    """Whether 5/12 is the 12th of May: in the United States; unknown where the zone names no country."""
    named = regions(time_zone, language)
    return None if not named else named[0] == "US"
