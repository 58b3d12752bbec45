"""Kinds of values that settings and campaign files share, each checked where it is read."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, BeforeValidator

from billing.currency import TOO_LARGE, exponent, is_too_large
from billing.errors import CurrencyError
from campaigns.calendars import check_calendar
from campaigns.errors import BadSchedule
from campaigns.numbers import InvalidNumber, caller_id


def _known_zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise ValueError(f"unknown time zone {name!r}; use an IANA name such as Asia/Ho_Chi_Minh") from error
    return name


def _norway(value: object) -> object:
    # What YAML makes of the country NO.
    return "NO" if value is False else value


def _known_calendar(code: str) -> str:
    try:
        check_calendar(code)
    except BadSchedule as error:
        raise ValueError(str(error).removeprefix("holidays: ")) from error
    return code


def _known_currency(code: str) -> str:
    try:
        exponent(code)
    except CurrencyError as error:
        raise ValueError(str(error)) from error
    return code


def _shown_number(text: str) -> str:
    plain = caller_id(text)
    if isinstance(plain, InvalidNumber):
        raise ValueError(plain.reason)  # noqa: TRY004 - pydantic collects ValueError
    return plain


def _exact(value: object) -> object:
    if isinstance(value, float):
        raise ValueError(f'{value!r} is a float, which is not exact; write it in quotes: "{value!r}"')  # noqa: TRY004 - pydantic collects ValueError
    return value


def _bounded(amount: Decimal) -> Decimal:
    if is_too_large(amount):
        raise ValueError(f"{amount} is too large; write an amount of less than {TOO_LARGE}")
    return amount


#: An amount of money: a whole number, or a decimal in quotes.
Amount = Annotated[Decimal, BeforeValidator(_exact), AfterValidator(_bounded)]
#: A telephone number as a customer's telephone shows it.
CallerId = Annotated[str, AfterValidator(_shown_number)]
#: An IANA time zone.
Zone = Annotated[str, AfterValidator(_known_zone)]
#: A country whose public holidays are known, or a part of one.
Calendar = Annotated[str, BeforeValidator(_norway), AfterValidator(_known_calendar)]
#: An ISO 4217 currency that tariffs may use.
Currency = Annotated[str, AfterValidator(_known_currency)]
