"""What can go wrong with the dashboard and the API."""

from __future__ import annotations

from collections.abc import Sequence


class WebError(Exception):
    """The dashboard cannot do what was asked of it."""


class NotLoopback(WebError):
    """The dashboard was to listen where others could reach it, though it has no log-in."""


class PortTaken(WebError):
    """Nothing can listen at the wanted address and port."""


class ControlRefused(WebError):
    """A campaign cannot be started, paused or stopped as it stands; the message says why."""


class BadFields(WebError):
    """What was sent cannot be used; `problems` are (field, problem) each."""

    def __init__(self, problems: Sequence[tuple[str, str]]) -> None:
        more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
        super().__init__(f"{problems[0][0]}: {problems[0][1]}{more}")
        self.problems = tuple(problems)
