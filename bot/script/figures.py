"""Canonical values as they are written for people: in e-mails, not in speech."""

from __future__ import annotations

from datetime import date, time
from decimal import Decimal, InvalidOperation
from typing import Final

from babel.dates import format_date, format_time
from babel.numbers import format_currency, format_decimal

from bot.script.placeholders import Reading, locale_of

_LARGEST: Final = Decimal(10) ** 18


def figures(value: str, reading: Reading, language: str, currency: str | None = None) -> str:
    """`value` as the language writes it; as it stands where it is no value of the form, or needs no other writing."""
    locale = locale_of(language)
    try:
        match reading:
            case Reading.MONEY if currency is not None:
                return format_currency(_amount(value), currency, locale=locale)
            case Reading.NUMBER | Reading.MONEY:
                return format_decimal(_amount(value), locale=locale)
            case Reading.DATE:
                return format_date(date.fromisoformat(value), "full", locale=locale)
            case Reading.TIME:
                return " ".join(format_time(time.fromisoformat(value), "short", locale=locale).split())
            case _:
                return value
    except (ValueError, InvalidOperation):
        return value


def _amount(value: str) -> Decimal:
    amount = Decimal(value)
    if not amount.is_finite() or abs(amount) > _LARGEST:
        raise ValueError("no amount that is written out")
    return amount
