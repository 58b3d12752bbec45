"""What the API asks of the program around it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from pydantic import BaseModel

from campaigns.rules import NO_RULES, CallingRules


class Enrolment(Protocol):
    """Makes campaigns of what was sent."""

    @property
    def model(self) -> type[BaseModel]:
        """The body of a new campaign: the fields of the campaign file."""
        ...

    async def create(self, account_id: int, body: Any) -> int:
        """Store a campaign as a draft; its id. Raises `BadFields`, or `CampaignError` for a taken code."""
        ...

    async def required_variables(self, campaign_id: int) -> Sequence[str]:
        """The variables that every contact of the campaign must bring."""
        ...


@dataclass(frozen=True)
class ApiPorts:
    """What the API is given."""

    enrolment: Enrolment
    #: Whom the dashboard's own forms act for; a request of the API acts for its token's account.
    account_id: int
    #: What every call of the account keeps to.
    rules: CallingRules = NO_RULES
