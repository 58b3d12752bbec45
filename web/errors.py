"""What can go wrong with the dashboard."""


class WebError(Exception):
    """The dashboard cannot serve as asked."""
