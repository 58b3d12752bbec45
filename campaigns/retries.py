"""Call-back rules: whether, and when, a contact is called again after an attempt (REQUIREMENTS A2)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any

from campaigns.errors import BadRetryRule
from telephony.outcomes import CallStatus

DEFAULT_AFTER_MIN = Decimal(20)

# The words of the campaign form beside the call statuses themselves.
_WORDS: Mapping[str, frozenset[CallStatus]] = {
    "busy": frozenset({CallStatus.BUSY}),
    "no_answer": frozenset({CallStatus.NOANSWER}),
    "unreachable": frozenset({CallStatus.CHANUNAVAIL, CallStatus.CONGESTION, CallStatus.OUT_OF_SERVICE}),
}


@dataclass(frozen=True)
class Outcome:
    """What one finished attempt is judged by; `code` is the campaign's own string."""

    call_status: str
    code: str


@dataclass(frozen=True)
class Rule:
    """Call again `times` times, `after_min` minutes later, each wait `multiply` times the one before."""

    statuses: frozenset[CallStatus]
    codes: frozenset[str]
    times: int
    after_min: Decimal
    multiply: Decimal

    def matches(self, outcome: Outcome) -> bool:
        return outcome.call_status in self.statuses or outcome.code in self.codes

    def wait(self, used: int) -> timedelta:
        """The wait before the next call when this rule has granted `used` already."""
        return timedelta(milliseconds=int(self.after_min * 60_000 * self.multiply**used))


@dataclass(frozen=True)
class Retry:
    """Call again at this instant."""

    at: datetime


@dataclass(frozen=True)
class Exhausted:
    """A rule would call again, but its times or the shared maximum are used up."""


@dataclass(frozen=True)
class Done:
    """No rule calls again after such an outcome."""


Move = Retry | Exhausted | Done


def parse_rules(rows: Iterable[Mapping[str, Any]]) -> tuple[Rule, ...]:
    """Rules as the table campaigns keeps them; raises `BadRetryRule` naming rule and field."""
    return tuple(_parse(number, row) for number, row in enumerate(rows, start=1))


def outcomes_of(words: Iterable[str]) -> tuple[frozenset[CallStatus], frozenset[str]]:
    """The call statuses and the codes that these words name; raises `BadRetryRule`."""
    statuses: set[CallStatus] = set()
    codes: set[str] = set()
    for word in words:
        if word.startswith("code:"):
            codes.add(word.removeprefix("code:"))
        else:
            statuses |= _statuses(word)
    return frozenset(statuses), frozenset(codes)


def _parse(number: int, row: Mapping[str, Any]) -> Rule:
    try:
        statuses, codes = outcomes_of(row.get("on") or ())
    except BadRetryRule as exc:
        raise BadRetryRule(f"call-back rule {number}: {exc}") from exc
    if not statuses and not codes:
        raise BadRetryRule(f"call-back rule {number}: `on` is empty; name at least one outcome, such as BUSY")
    times = _amount(number, row, "times", Decimal(1), least=Decimal(1))
    return Rule(
        statuses=statuses,
        codes=codes,
        times=int(times),
        after_min=_amount(number, row, "after_min", DEFAULT_AFTER_MIN, least=Decimal(0)),
        multiply=_amount(number, row, "multiply", Decimal(1), least=Decimal(1)),
    )


def _statuses(word: str) -> frozenset[CallStatus]:
    plain = word.strip().lower().replace(" ", "_")
    if plain in _WORDS:
        return _WORDS[plain]
    try:
        return frozenset({CallStatus(word.upper())})
    except ValueError as exc:
        known = ", ".join([*_WORDS, *CallStatus])
        raise BadRetryRule(f"unknown outcome {word!r}; write code:XY or one of {known}") from exc


def _amount(number: int, row: Mapping[str, Any], name: str, default: Decimal, *, least: Decimal) -> Decimal:
    value = row.get(name, default)
    try:
        amount = Decimal(str(value))
    except InvalidOperation as exc:
        raise BadRetryRule(f"call-back rule {number}: {name} is {value!r}; write a number") from exc
    if not amount.is_finite() or amount < least:
        raise BadRetryRule(f"call-back rule {number}: {name} is {value}; it must be {least} or more")
    return amount


def next_move(
    rules: Sequence[Rule], *, max_attempts: int, history: Sequence[Outcome], now: datetime, made: int | None = None
) -> Move:
    """What follows the last of `history` (a contact's finished attempts, oldest first).

    The first matching rule with times left decides; `max_attempts` is shared by all rules and counts every attempt,
    or `made` of them when some do not count.
    """
    last, earlier = history[-1], history[:-1]
    matching = [rule for rule in rules if rule.matches(last)]
    if not matching:
        return Done()
    if (len(history) if made is None else made) >= max_attempts:
        return Exhausted()
    for rule in matching:
        used = sum(rule.matches(outcome) for outcome in earlier)
        if used < rule.times:
            return Retry(now + rule.wait(used))
    return Exhausted()
