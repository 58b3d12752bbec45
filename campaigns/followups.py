"""Post-conditions: what changes on a contact, or ends it, after an attempt or after some time (REQUIREMENTS C7)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any
from zoneinfo import ZoneInfo

from campaigns.retries import Outcome
from campaigns.states import ContactState


class Since(StrEnum):
    """What a waiting time is counted from."""

    IMPORT = "import"
    FIRST_ATTEMPT = "first_attempt"


@dataclass(frozen=True)
class Situation:
    """A contact as the rules see it."""

    now: datetime
    entered_at: datetime | None
    #: Its first call that counts; None before it.
    first_called_at: datetime | None
    #: Attempts that count.
    attempts: int
    last: Outcome | None
    priority: int
    language: str | None
    bot_id: int
    variables: Mapping[str, str] = field(default_factory=dict)
    #: The zone in which `call_at` is read.
    time_zone: str = "UTC"

    def since(self, since: Since) -> datetime | None:
        return self.entered_at if since is Since.IMPORT else self.first_called_at


@dataclass(frozen=True)
class When:
    """The conditions of one rule; all of them must hold."""

    waiting: timedelta | None = None
    since: Since = Since.IMPORT
    attempts: int = 0
    attempts_at_most: int | None = None
    #: How the last attempt ended: call statuses or codes; empty is any way, or none yet.
    statuses: frozenset[str] = frozenset()
    codes: frozenset[str] = frozenset()
    priority_at_least: int | None = None
    priority_at_most: int | None = None
    languages: frozenset[str] = frozenset()
    #: Every version of the bot that is named.
    bot_ids: frozenset[int] | None = None

    def holds(self, situation: Situation) -> bool:
        return (
            self._waited(situation)
            and _within(situation.attempts, self.attempts, self.attempts_at_most)
            and self._ended_so(situation.last)
            and _within(situation.priority, self.priority_at_least, self.priority_at_most)
            and (not self.languages or situation.language in self.languages)
            and (self.bot_ids is None or situation.bot_id in self.bot_ids)
        )

    def _waited(self, situation: Situation) -> bool:
        if self.waiting is None:
            return True
        start = situation.since(self.since)
        return start is not None and situation.now - start >= self.waiting

    def _ended_so(self, last: Outcome | None) -> bool:
        if not self.statuses and not self.codes:
            return True
        return last is not None and (last.call_status in self.statuses or last.code in self.codes)


def _within(value: int, least: int | None, most: int | None) -> bool:
    return (least is None or value >= least) and (most is None or value <= most)


@dataclass(frozen=True)
class End:
    """The contact is not called again in this campaign."""

    state: ContactState
    reason: str


@dataclass(frozen=True)
class Then:
    """What one rule does."""

    priority: int | None = None
    language: str | None = None
    variables: Mapping[str, str] = field(default_factory=dict)
    bot_id: int | None = None
    call_after: timedelta | None = None
    #: `HH:MM`: the next time that the contact's clock shows it.
    call_at: str | None = None
    end: End | None = None

    def next_call(self, situation: Situation) -> datetime | None:
        """When the contact is called next, if the rule says so."""
        if self.call_after is not None:
            return situation.now + self.call_after
        return _next_time(self.call_at, situation) if self.call_at is not None else None


def _next_time(time: str, situation: Situation) -> datetime:
    hour, minute = (int(part) for part in time.split(":"))
    local = situation.now.astimezone(ZoneInfo(situation.time_zone))
    at = local.replace(hour=hour, minute=minute, second=0, microsecond=0)
    # Wall-clock arithmetic: the day after shows the same time, also when the clocks are changed in between.
    later = at if at > local else at + timedelta(days=1)
    return later.astimezone(situation.now.tzinfo)


@dataclass(frozen=True)
class Rule:
    """One post-condition."""

    when: When
    then: Then


@dataclass(frozen=True)
class Followed:
    """What the rules make of a contact."""

    #: Columns of the table contacts that change.
    values: Mapping[str, Any] = field(default_factory=dict)
    call_at: datetime | None = None
    end: End | None = None
    #: Rule (1 is the first) and what it changed, for the trail.
    applied: Sequence[Mapping[str, Any]] = ()


def follow(rules: Iterable[tuple[int, Rule]], situation: Situation, *, goes_on: bool) -> Followed:
    """What the rules (each with its number) whose conditions hold do to a contact; of two that set the same, the later.

    Conditions are judged on the contact as it was before any of them. `goes_on` says whether it is to be called
    again: only then do a rule's next call and its end mean anything. The first rule that ends it is the last.
    """
    values: dict[str, Any] = {}
    applied: list[Mapping[str, Any]] = []
    call_at: datetime | None = None
    for number, rule in rules:
        if not rule.when.holds(situation):
            continue
        changes = _changes(rule.then, situation, values)
        values |= changes
        told: dict[str, Any] = {"rule": number, **changes}
        at = rule.then.next_call(situation) if goes_on else None
        if at is not None:
            call_at = at
            told["next_at"] = at.isoformat()
        end = rule.then.end if goes_on else None
        if end is not None:
            told |= {"state": end.state.value, "reason": end.reason}
        if len(told) > 1:
            applied.append(told)
        if end is not None:
            return Followed(values, None, end, applied)
    return Followed(values, call_at, None, applied)


def _changes(then: Then, situation: Situation, before: Mapping[str, Any]) -> dict[str, Any]:
    """The columns that a rule changes, beyond what earlier rules changed."""
    variables = before.get("variables", situation.variables)
    wanted = {
        "priority": (then.priority, before.get("priority", situation.priority)),
        "language": (then.language, before.get("language", situation.language)),
        "bot_id": (then.bot_id, before.get("bot_id", situation.bot_id)),
        "variables": ({**variables, **then.variables}, variables),
    }
    return {name: new for name, (new, old) in wanted.items() if new is not None and new != old}
