"""Values checked as they are kept: the canonical text of `ValueKind`, within the limits of a form."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import date, time
from decimal import Decimal, InvalidOperation
from typing import Final

import phonenumbers

from bot.script.rendering import clean
from bot.understanding.forms import ValueForm, ValueKind

_NUMBER: Final = re.compile(r"-?[0-9]{1,15}(\.[0-9]{1,6})?")
_DATE: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_TIME: Final = re.compile(r"[0-9]{2}:[0-9]{2}")
_PHONE: Final = re.compile(r"\+[1-9][0-9]{6,14}")
_EMAIL: Final = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@([A-Za-z0-9-]{1,63}\.)+[A-Za-z]{2,24}")
_MOST_CHARS: Final = 500


def canonical(text: str, form: ValueForm) -> str | None:
    """`text` if it is a canonical value of `form`, in the one way that it is kept; None otherwise."""
    return _CHECKS[form.kind](clean(text), form)


def _date(text: str, form: ValueForm) -> str | None:
    return text if _DATE.fullmatch(text) and _reads(date.fromisoformat, text) else None


def _time(text: str, form: ValueForm) -> str | None:
    return text if _TIME.fullmatch(text) and _reads(time.fromisoformat, text) else None


def _phone(text: str, form: ValueForm) -> str | None:
    return text if _PHONE.fullmatch(text) and _possible(text) else None


def _email(text: str, form: ValueForm) -> str | None:
    return text.lower() if _EMAIL.fullmatch(text) else None


def _yes_no(text: str, form: ValueForm) -> str | None:
    return text.lower() if text.lower() in ("yes", "no") else None


def _choice(text: str, form: ValueForm) -> str | None:
    return next((name for name in form.choices if name.casefold() == text.casefold()), None)


def _words(text: str, form: ValueForm) -> str | None:
    return text[:_MOST_CHARS] or None


def _number(text: str, form: ValueForm) -> str | None:
    if not _NUMBER.fullmatch(text):
        return None
    try:
        value = Decimal(text)
    except InvalidOperation:
        return None
    too_low = form.lowest is not None and value < form.lowest
    too_high = form.highest is not None and value > form.highest
    if too_low or too_high or (form.kind is ValueKind.MONEY and value < 0):
        return None
    whole = value.to_integral_value()
    return str(int(whole)) if value == whole else f"{value.normalize():f}"


def _reads(parse: Callable[[str], object], text: str) -> bool:
    try:
        parse(text)
    except ValueError:
        return False
    return True


def _possible(text: str) -> bool:
    try:
        return phonenumbers.is_possible_number(phonenumbers.parse(text))
    except phonenumbers.NumberParseException:
        return False


_CHECKS: Final[Mapping[ValueKind, Callable[[str, ValueForm], str | None]]] = {
    ValueKind.NUMBER: _number,
    ValueKind.MONEY: _number,
    ValueKind.DATE: _date,
    ValueKind.TIME: _time,
    ValueKind.PHONE: _phone,
    ValueKind.EMAIL: _email,
    ValueKind.YES_NO: _yes_no,
    ValueKind.CHOICE: _choice,
    ValueKind.TEXT: _words,
}
