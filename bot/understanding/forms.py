"""What kind of value a script asks for; values are kept as canonical text."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum


class ValueKind(StrEnum):
    """A type of value (VOCABULARY: parameter), and how it is kept as text whatever the language.

    Values are never spoken as they are kept; `bot.reading` says them as people do.
    """

    #: "12", "-3", "2.5"
    NUMBER = "number"
    #: "1500000", "19.99", in the unit of the currency
    MONEY = "money"
    #: "2026-11-27"
    DATE = "date"
    #: "14:30"
    TIME = "time"
    #: E.164, "+84901234567"
    PHONE = "phone"
    #: "mary@example.com"
    EMAIL = "email"
    #: "yes" or "no"
    YES_NO = "yes_no"
    #: one of the names that the script gives
    CHOICE = "choice"
    #: what was said
    TEXT = "text"


@dataclass(frozen=True)
class ValueForm:
    """A value of `kind`, and what limits it.

    `choices` maps the names of a choice to further ways of saying each. `lowest` and `highest` bound numbers
    and money. `currency` (ISO 4217) is that of money, None for the account's.
    """

    kind: ValueKind
    choices: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    lowest: Decimal | None = None
    highest: Decimal | None = None
    currency: str | None = None
