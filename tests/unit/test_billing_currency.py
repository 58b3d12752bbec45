"""Currencies: exponents and rounding."""

from __future__ import annotations

from decimal import Decimal

import pytest

from billing.currency import EXPONENTS, exponent, round_money
from billing.errors import BillingError, CurrencyError


def test_the_exponents_of_iso_4217() -> None:
    assert (exponent("VND"), exponent("USD"), exponent("JPY")) == (0, 2, 0)
    assert set(EXPONENTS.values()) <= {0, 2}


def test_an_unknown_currency_names_the_known_ones() -> None:
    with pytest.raises(CurrencyError, match=r"unknown currency 'XTS'; known are AUD.*VND") as caught:
        exponent("XTS")
    assert isinstance(caught.value, BillingError)


@pytest.mark.parametrize(
    ("amount", "currency", "rounded"),
    [
        ("0.5", "VND", "1"),
        ("1.5", "VND", "2"),
        ("2.5", "VND", "3"),
        ("-2.5", "VND", "-3"),
        ("0.49999", "VND", "0"),
        ("0.005", "USD", "0.01"),
        ("0.0049", "USD", "0.00"),
        ("12", "USD", "12.00"),
        ("0.125", "XXX", "0.125"),
    ],
)
def test_a_half_rounds_away_from_nought(amount: str, currency: str, rounded: str) -> None:
    assert str(round_money(Decimal(amount), currency)) == rounded
