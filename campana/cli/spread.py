"""How figures of several runs are written."""

from __future__ import annotations

import statistics
from collections.abc import Sequence


def spread(values: Sequence[float | None]) -> str:
    """`12 (10-15)`: the median, the least and the most; runs without the figure are left out."""
    known = sorted(value for value in values if value is not None)
    if not known:
        return ""
    digits = 0 if all(float(value).is_integer() for value in known) else 2
    middle, least, most = (f"{value:.{digits}f}" for value in (statistics.median(known), known[0], known[-1]))
    return middle if least == most else f"{middle} ({least}-{most})"
