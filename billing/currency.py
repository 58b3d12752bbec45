"""Currencies: the smallest unit of each (ISO 4217 exponents), and rounding to it."""

from __future__ import annotations

from decimal import ROUND_HALF_UP, Decimal
from typing import Final

from billing.errors import CurrencyError

#: ISO 4217 minor-unit exponents of the currencies that a tariff may use.
EXPONENTS: Final[dict[str, int]] = {
    "AUD": 2,
    "CAD": 2,
    "CHF": 2,
    "CNY": 2,
    "CZK": 2,
    "DKK": 2,
    "EUR": 2,
    "GBP": 2,
    "HKD": 2,
    "IDR": 2,
    "INR": 2,
    "JPY": 0,
    "KRW": 0,
    "MYR": 2,
    "NOK": 2,
    "NZD": 2,
    "PHP": 2,
    "PLN": 2,
    "SEK": 2,
    "SGD": 2,
    "THB": 2,
    "TWD": 2,
    "USD": 2,
    "VND": 0,
}

#: Amounts of money that people name are less than this, whatever the currency; sums of many still fit their columns.
TOO_LARGE: Final = 10**12
#: Where nothing has cost anything yet (ISO 4217: no currency is involved).
NO_CURRENCY: Final = "XXX"


def exponent(currency: str) -> int:
    """Decimals of the currency's smallest unit; raises `CurrencyError` for an unknown one."""
    try:
        return EXPONENTS[currency]
    except KeyError:
        raise CurrencyError(f"unknown currency {currency!r}; known are {', '.join(EXPONENTS)}") from None


def is_too_large(amount: Decimal) -> bool:
    """Whether no amount of money that people name is so far from nought."""
    return not -TOO_LARGE < amount < TOO_LARGE


def round_money(amount: Decimal, currency: str) -> Decimal:
    """The amount in whole smallest units of the currency; a half is rounded away from nought.

    Of `NO_CURRENCY` it is the amount itself. Raises `CurrencyError` for an unknown one.
    """
    if currency == NO_CURRENCY:
        return amount
    return amount.quantize(Decimal(1).scaleb(-exponent(currency)), rounding=ROUND_HALF_UP)
