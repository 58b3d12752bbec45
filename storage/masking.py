"""Personal data as it may stand in logs and screens."""

from __future__ import annotations

_HIDDEN = "•••"


def mask(number: str) -> str:
    """A telephone number without its middle: three characters at least are hidden, nine at most shown.

    >>> mask("+84901230001")
    '+8490•••0001'
    """
    shown = max(0, len(number) - 3)
    head, tail = min(5, (shown + 1) // 2), min(4, shown // 2)
    return f"{number[:head]}{_HIDDEN}{number[len(number) - tail :]}"
