"""What can go wrong with reports."""


class ReportError(Exception):
    """A report, export or mail cannot be made as asked."""

    retryable = False
