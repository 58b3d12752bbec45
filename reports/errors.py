"""What can go wrong with reports."""


class ReportError(Exception):
    """A report cannot be made or sent."""

    #: Whether the same request may succeed later without anybody repairing anything.
    retryable = False


class NoSuchCampaign(ReportError):
    """The campaign that a report was asked for does not exist."""


class NoSuchAttempt(ReportError):
    """The attempt that was asked for does not exist."""


class BadFilter(ReportError):
    """A filter, sort key or page mark cannot be understood."""


class MixedCurrencies(ReportError):
    """Amounts of several currencies stand in one scope, and amounts of different currencies are never added."""


class MailNotAccepted(ReportError):
    """The mail server refused the report for good; the message names its answer."""


class MailServerUnavailable(ReportError):
    """The mail server did not take the report this time."""

    retryable = True
