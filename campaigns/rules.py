"""What an account's calls keep to besides each campaign's own settings; the same for every node."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class CallingRules:
    """Rules of the account that are no campaign's own."""


#: An account without rules of its own.
NO_RULES = CallingRules()
