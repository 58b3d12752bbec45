"""From a script's text and the values of its variables to the lines that are spoken, or to text that is written."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Final

from bot.reading import speak
from bot.script.figures import figures
from bot.script.placeholders import Placeholder, Reading, fill, names_in, pieces, plural_of, wrong_part
from bot.understanding.forms import ValueForm, ValueKind

#: Known only during the call: the time of the agreed call-back, as it is said.
CALL_BACK_AT: Final = "call_back_at"
LANGUAGE: Final = "language"
TODAY: Final = "today"
HEARD: Final = "heard"
#: Variables that the system sets; `language` alone is the same in every call.
RUNTIME_VARIABLES: Final = frozenset({CALL_BACK_AT, LANGUAGE, TODAY, HEARD})
TODAY_FORM: Final = ValueForm(ValueKind.DATE)
NO_FORMS: Final[Mapping[str, ValueForm]] = {}

_GROUPED: Final = re.compile(r"-?[0-9]{1,3}(,[0-9]{3})+(\.[0-9]+)?")
_AS_LISTED: Final[Mapping[Reading, re.Pattern[str]]] = {
    Reading.NUMBER: _GROUPED,
    Reading.MONEY: _GROUPED,
    Reading.DATE: re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}[ T]00:00(:00(\.0+)?)?"),
}
_DATE_CHARS: Final = 10
#: How the values of a kind are read out without being told; the others stand as they are.
_READINGS: Final[Mapping[ValueKind, Reading]] = {
    ValueKind.NUMBER: Reading.NUMBER,
    ValueKind.MONEY: Reading.MONEY,
    ValueKind.DATE: Reading.DATE,
    ValueKind.TIME: Reading.TIME,
    ValueKind.PHONE: Reading.PHONE,
    ValueKind.EMAIL: Reading.EMAIL,
}


def placeholders(text: str) -> tuple[str, ...]:
    """Names of the variables in `text`, in order; `{{` and `}}` stand for braces."""
    return names_in(text)


def malformed(text: str) -> str | None:
    """The first brace or placeholder that means nothing, or None."""
    wrong = wrong_part(text)
    return None if wrong is None else wrong[0]


def render(text: str, variables: Mapping[str, str], language: str = "en", currency: str | None = None) -> str:
    """`text` as one written line: values stand as they are kept, or as their place asks for, and are never read
    as placeholders.

    Raises KeyError for a variable without value.
    """
    return clean(write(text, variables, language, currency))


def write(text: str, variables: Mapping[str, str], language: str = "en", currency: str | None = None) -> str:
    """`render` for a text of several lines: it keeps its own, and each value becomes one."""
    return fill(text, lambda place: written(place, variables, language, currency))


def written(place: Placeholder, variables: Mapping[str, str], language: str, currency: str | None = None) -> str:
    """One value as it is kept, as it is written in the form asked for, or the word that goes with it."""
    value = clean(variables[place.name])
    if place.plural:
        return plural_of(value, place.plural, language)
    return value if place.reading is None else figures(value, place.reading, language, currency)


@dataclass(frozen=True)
class Speech:
    """How values are said: in a language, money in a currency where its form has none, dates seen from `today`."""

    language: str = "en"
    currency: str | None = None
    today: date | None = None


def spoken(
    text: str,
    variables: Mapping[str, str],
    forms: Mapping[str, ValueForm] = NO_FORMS,
    speech: Speech = Speech(),
) -> tuple[str, ...]:
    """The sentences of `text` with their variables filled in, each a line that is synthesised and cached.

    A value is read out in the form that its place asks for, else as its kind in `forms` is. The text is cut
    before it is filled in: a value never makes or unmakes a sentence. A sentence without any word, as an empty
    value may leave one, is left out. Raises KeyError for a variable without value.
    """

    def value(place: Placeholder) -> str:
        return _read(place, clean(variables[place.name]), forms.get(place.name), speech)

    rendered = (clean(fill(piece, value)) for piece in pieces(text))
    return tuple(line for line in rendered if any(c.isalnum() for c in line))


def _read(place: Placeholder, value: str, form: ValueForm | None, speech: Speech) -> str:
    if place.plural:
        return plural_of(value, place.plural, speech.language)
    reading = place.reading or (None if form is None else _READINGS.get(form.kind))
    if reading is None or not value:
        return value
    currency = speech.currency if form is None or form.currency is None else form.currency
    return clean(speak(_canonical(value, reading), reading, speech.language, currency=currency, today=speech.today))


def _canonical(value: str, reading: Reading) -> str:
    """What spreadsheets make of values, as they are kept: 1,250.50 and 2026-11-27 00:00:00."""
    pattern = _AS_LISTED.get(reading)
    if pattern is None or not pattern.fullmatch(value):
        return value
    return value[:_DATE_CHARS] if reading is Reading.DATE else value.replace(",", "")


def clean(text: str) -> str:
    """One line of printable text: control characters and runs of white space become one space."""
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())
