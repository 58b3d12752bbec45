"""From talk time to billable seconds and blocks (VOCABULARY: Billing). Whole numbers only."""

from __future__ import annotations

import re
from dataclasses import dataclass

_WRITTEN = re.compile(r"\s*(\d{1,4})\s*\+\s*(\d{1,4})\s*\Z")


@dataclass(frozen=True)
class Increment:
    """`I+N`: the first I seconds count whole, then every N begun; 60+60 is by the minute, 1+1 by the second."""

    initial_s: int
    increment_s: int

    def __post_init__(self) -> None:
        if self.initial_s < 1 or self.increment_s < 1:
            raise ValueError(f"both parts of {self} must be at least one second; by the second is written 1+1")

    def __str__(self) -> str:
        return f"{self.initial_s}+{self.increment_s}"

    @classmethod
    def parse(cls, text: str) -> Increment:
        """From `6+1`; raises ValueError with the remedy."""
        match = _WRITTEN.match(text)
        if match is None:
            raise ValueError(f"{text!r} is no increment; write initial+increment in seconds, such as 6+1 or 60+60")
        return cls(int(match[1]), int(match[2]))


def whole_seconds(talk_ms: int) -> int:
    """Milliseconds rounded up to whole seconds; raises ValueError below nought."""
    if talk_ms < 0:
        raise ValueError(f"talk time cannot be negative: {talk_ms} ms")
    return -(-talk_ms // 1000)


def billable_seconds(talk_ms: int | None, increment: Increment, *, free_s: int = 0) -> int:
    """Seconds that the carrier's increment makes of a talk time; `None` is an unanswered call."""
    if talk_ms is None:
        return 0
    seconds = whole_seconds(talk_ms)
    if seconds <= free_s:
        return 0
    beyond = max(0, seconds - increment.initial_s)
    return increment.initial_s + -(-beyond // increment.increment_s) * increment.increment_s


def blocks(talk_ms: int | None, block_s: int, *, min_blocks_on_answer: int = 1) -> int:
    """Blocks of `block_s` seconds that a talk time uses; `None` is an unanswered call and uses none."""
    if talk_ms is None:
        return 0
    return max(min_blocks_on_answer, -(-whole_seconds(talk_ms) // block_s))
