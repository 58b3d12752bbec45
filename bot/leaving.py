"""A message for an answering machine, while its beep is waited for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bot.script.replies import Line


@dataclass(frozen=True)
class LeftMessage:
    """`lines` are said after the beep; `since` is when the machine was known, in seconds of the loop's clock."""

    lines: Sequence[Line]
    since: float
    #: A machine that says nothing for so long and does not beep records already.
    no_beep_ms: int = 2500
    #: The longest greeting that is waited out.
    longest_s: float = 60.0

    def overdue(self, now: float) -> bool:
        """Whether the machine has talked for too long."""
        return now - self.since > self.longest_s
