"""What `explain` finds of one clause of "may be dialled now", and how hours are put into words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from campaigns.clauses import Clause
from campaigns.windows import Schedule

_WEEKDAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


@dataclass(frozen=True)
class Finding:
    """Whether a clause lets the call be placed now, and why."""

    clause: Clause
    ok: bool
    #: For a person, in words.
    text: str
    #: When the passing of time alone lifts it; None when it holds, or when only somebody or an event can.
    opens_at: datetime | None = None

    def as_data(self) -> Mapping[str, Any]:
        """For programs."""
        opens_at = self.opens_at.isoformat() if self.opens_at else None
        return {"clause": self.clause.value, "ok": self.ok, "text": self.text, "opens_at": opens_at}


def hours(schedule: Schedule) -> str:
    """The hours of a schedule: `08:00-11:30, 13:30-17:00 on mon, tue, but for holidays of VN (Asia/Ho_Chi_Minh)`."""
    spans = ", ".join(f"{_clock(opens)}-{_clock(closes)}" for opens, closes in schedule.windows)
    parts = [spans or "the whole day"]
    if schedule.weekdays:
        parts.append("on " + ", ".join(_WEEKDAYS[day - 1] for day in sorted(schedule.weekdays)))
    closed = [f"holidays of {schedule.holidays}"] if schedule.holidays else []
    closed += [day.isoformat() for day in sorted(schedule.closed_dates)]
    if closed:
        parts.append("but for " + ", ".join(closed))
    return f"{' '.join(parts)} ({schedule.zone})"


def _clock(minute: int) -> str:
    return f"{minute // 60:02d}:{minute % 60:02d}"


def of_hours(clause: Clause, schedule: Schedule, now: datetime, told: str = "") -> Finding:
    """What a schedule lets happen now."""
    text = f"{hours(schedule)}{told}"
    if schedule.is_open(now):
        return Finding(clause, ok=True, text=text)
    return Finding(clause, ok=False, text=f"outside {text}", opens_at=schedule.next_opening(now))
