"""What can go wrong with campaigns, lists, contacts and attempts."""


class CampaignError(Exception):
    """A campaign cannot do what was asked of it."""

    #: Whether the same request may succeed later without anybody repairing anything.
    retryable = False


class UnknownCampaign(CampaignError):
    """No campaign has this code or id."""


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


class BadCap(CampaignError):
    """A cap on how often a number is called cannot be understood."""


class BadFollowUp(CampaignError):
    """A post-condition, or the retargeting of a campaign, cannot be understood."""


class UnknownTrunk(CampaignError):
    """There is no such trunk."""


class UnknownNode(CampaignError):
    """There is no such node, or it lives no more."""
