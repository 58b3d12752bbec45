"""What an account's calls keep to besides each campaign's own settings; the same for every node."""

from __future__ import annotations

from dataclasses import dataclass, field

from campaigns.frequency import NO_CAPS, Caps
from campaigns.legal import LegalHours, preset


@dataclass(frozen=True)
class CallingRules:
    """Rules of the account that are no campaign's own."""

    legal: LegalHours = field(default_factory=preset)
    #: How often one number is called, over all campaigns.
    caps: Caps = NO_CAPS


#: An account without rules of its own.
NO_RULES = CallingRules()
