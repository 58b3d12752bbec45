"""What can go wrong with prices and postings; one root for the package."""

from __future__ import annotations


class BillingError(Exception):
    """A tariff, a price or a posting cannot be used."""


class CurrencyError(BillingError):
    """A currency whose smallest unit is not known."""


class TariffError(BillingError):
    """A tariff cannot be used as it is; the message names source, field and remedy."""


class LedgerError(BillingError):
    """A posting would break the books: repeated, not balanced, or of the wrong currency."""
