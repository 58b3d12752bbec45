"""What can go wrong with the dashboard."""


class WebError(Exception):
    """The dashboard cannot do what was asked of it."""


class NotLoopback(WebError):
    """The dashboard was to listen where others could reach it, though it has no log-in."""


class PortTaken(WebError):
    """Nothing can listen at the wanted address and port."""


class ControlRefused(WebError):
    """A campaign cannot be started, paused or stopped as it stands; the message says why."""
