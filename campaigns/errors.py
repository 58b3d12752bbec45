"""What can go wrong with campaigns, lists, contacts and attempts."""

from __future__ import annotations

from collections.abc import Mapping


class CampaignError(Exception):
    """A campaign cannot do what was asked of it."""

    #: Whether the same request may succeed later without anybody repairing anything.
    retryable = False


class UnknownCampaign(CampaignError):
    """No campaign has this code or id."""


class UnknownContact(CampaignError):
    """The campaign has no such contact."""


class BadContact(CampaignError):
    """A contact cannot be taken as it is given; the message names the field and the remedy."""

    def __init__(self, field: str, problem: str) -> None:
        super().__init__(f"{field}: {problem}")
        #: A column of a contact list, or a variable.
        self.field = field
        self.problem = problem


class ContactTaken(CampaignError):
    """The campaign has a contact with this number or external key already."""

    def __init__(self, message: str, contact_id: int) -> None:
        super().__init__(message)
        #: The one that has it.
        self.contact_id = contact_id


class ContactBusy(CampaignError):
    """A call to the contact is on, or its state does not allow what was asked."""


class BadVisit(CampaignError):
    """An outcome cannot be entered as it is given."""


class MissingVariables(CampaignError):
    """Contacts that wait to be called lack what the script says."""

    def __init__(self, message: str, lacking: Mapping[str, int]) -> None:
        super().__init__(message)
        #: Variable → contacts that lack it.
        self.lacking = dict(lacking)


class IllegalMove(CampaignError):
    """A state was asked to change to one that it cannot reach."""


class StaleFence(CampaignError):
    """Another node has taken this attempt over, or it has been settled: its former holder must let go of it."""


class BadSchedule(CampaignError):
    """A calling window, weekday, time zone or date cannot be understood."""


class BadLegalHours(CampaignError):
    """A table of legal hours cannot be understood."""


class BadRetryRule(CampaignError):
    """A call-back rule cannot be understood."""


class BadPattern(CampaignError):
    """A pattern of numbers cannot be understood, or would stop nearly every call."""


class NotSuppressed(CampaignError):
    """There is no such list, number on it, or pattern."""


class OptOutKept(CampaignError):
    """A customer's own wish not to be called is only taken off with a reason and by force."""


class BadCap(CampaignError):
    """A cap on how often a number is called cannot be understood."""


class BadFollowUp(CampaignError):
    """A post-condition, or the retargeting of a campaign, cannot be understood."""


class UnknownTrunk(CampaignError):
    """There is no such trunk."""


class UnknownNode(CampaignError):
    """There is no such node, or it lives no more."""
