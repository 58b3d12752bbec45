"""What is left of a campaign comes to so many calls, so much money and so long: pure, from experience to figures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Final

from billing.currency import round_money
from billing.rating import rate
from billing.tariff import Tariff
from campaigns.experience import Experience
from campaigns.pacing import spacing_us
from campaigns.retries import Outcome, Retry, Rule, next_move
from campaigns.windows import Schedule

#: How far ahead a finish is looked for.
HORIZON: Final = timedelta(days=400)
_STEP: Final = timedelta(minutes=10)
_MINUTE: Final = timedelta(minutes=1)
_SOME_DAY: Final = datetime(2026, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Pace:
    """What bounds how fast a campaign is dialled."""

    #: Calls at once, and the least of what allows it.
    at_once: int
    bound_by: str
    cps: float

    def calls_per_s(self, hold_s: float) -> float:
        """Calls in a second of open time that each hold a channel for so long."""
        return min(self.at_once / max(hold_s, 0.001), 1_000_000 / spacing_us(self.cps))


@dataclass(frozen=True)
class Case:
    """One of low, likely and high."""

    answer_rate: float
    talk_s: float


@dataclass(frozen=True)
class Workload:
    """Who is left to be called, and when and how fast that may be done."""

    #: Contacts by attempts made already.
    by_made: Mapping[int, int]
    #: One E.164 number for each price on the line, by how many contacts share it.
    numbers: Mapping[str, int]
    pace: Pace
    schedule: Schedule
    now: datetime


@dataclass(frozen=True)
class Figures:
    """What one case comes to."""

    attempts: int
    answers: int
    talk_s: int
    cost: Decimal
    #: When the last call ends; None: not before the campaign's end, or not within `HORIZON`.
    finish_at: datetime | None
    #: Calls of them that are made until then.
    made: int


class Forecasting:
    """The arithmetic of one campaign's forecast."""

    def __init__(
        self,
        seen: Experience,
        *,
        tariff: Tariff,
        script_type: str,
        max_call_s: int,
        month_blocks: int,
        rules: Sequence[Rule],
        max_attempts: int,
    ) -> None:
        self._seen = seen
        self._tariff = tariff
        self._script_type = script_type
        self._max_call_s = max_call_s
        self._month_blocks = month_blocks
        self._rules = rules
        self._max_attempts = max_attempts

    @property
    def cases(self) -> tuple[Case, Case, Case]:
        """Low, likely and high."""
        rates, talks = self._seen.answer_rate, self._seen.talk_s
        return Case(rates.low, talks.low), Case(rates.likely, talks.likely), Case(rates.high, talks.high)

    def figures(self, case: Case, work: Workload) -> Figures:
        """What the work comes to in this case."""
        again = self._again(case.answer_rate)
        calls = sum(count * _calls(again, self._max_attempts - made) for made, count in work.by_made.items())
        answers = calls * case.answer_rate
        cost = self._cost_of_answer(case, work.numbers) * Decimal(round(answers * 10_000)) / 10_000
        hold_s = self._seen.ring_s + case.answer_rate * (case.talk_s + self._seen.wrap_up_s)
        per_s = work.pace.calls_per_s(hold_s)
        last = self._last_call(work, calls, per_s, again=again)
        made = calls if last else min(calls, open_s(work.schedule, work.now) * per_s)
        return Figures(
            attempts=round(calls),
            answers=round(answers),
            talk_s=round(answers * case.talk_s),
            cost=round_money(cost, self._tariff.currency),
            finish_at=last + timedelta(seconds=round(hold_s) if calls else 0) if last else None,
            made=round(made),
        )

    def _last_call(self, work: Workload, calls: float, per_s: float, *, again: float) -> datetime | None:
        """When the last call is placed: all take their time, and the last contact's further calls wait as the rules
        say."""
        if calls == 0:
            return work.now
        by_work = after_open(work.schedule, work.now, calls / per_s)
        first = after_open(work.schedule, work.now, sum(work.by_made.values()) / per_s)
        tail = self._tail(work.now) if again > 0 else timedelta()
        by_waiting = work.schedule.next_opening(first + tail) if first else None
        return None if by_work is None or by_waiting is None else max(by_work, by_waiting)

    def _again(self, answer_rate: float) -> float:
        """The share of calls that a rule follows up, when so many are answered."""
        shares = []
        for answered in (False, True):
            ends = {end: n for end, n in self._seen.ends.items() if end.answered is answered}
            followed = sum(n for end, n in ends.items() if self._follows(Outcome(end.call_status, end.code)))
            shares.append(followed / max(1, sum(ends.values())))
        return (1 - answer_rate) * shares[0] + answer_rate * shares[1]

    def _follows(self, outcome: Outcome) -> bool:
        move = next_move(self._rules, max_attempts=self._max_attempts, history=[outcome], now=_SOME_DAY)
        return isinstance(move, Retry)

    def _tail(self, now: datetime) -> timedelta:
        """How long a contact waits in all that ends each time as most calls that a rule follows up do."""
        followed = {end: n for end, n in self._seen.ends.items() if self._follows(Outcome(end.call_status, end.code))}
        if not followed:
            return timedelta()
        most = max(followed, key=lambda end: followed[end])
        history, waited = [Outcome(most.call_status, most.code)], timedelta()
        while isinstance(
            move := next_move(self._rules, max_attempts=self._max_attempts, history=history, now=now), Retry
        ):
            waited += move.at - now
            history.append(history[-1])
        return waited

    def _cost_of_answer(self, case: Case, numbers: Mapping[str, int]) -> Decimal:
        """The mean bill of an answered call, VAT included, its talks stretched to the case's mean."""
        stretch = case.talk_s / max(self._seen.talk_s.likely, 0.001)
        total, weight = Decimal(0), 0
        for number, count in numbers.items():
            snapshot = self._tariff.snapshot(number)
            for talk in self._seen.talks:
                rated = rate(
                    snapshot,
                    talk_ms=min(round(talk.ms * stretch), self._max_call_s * 1000),
                    number=number,
                    messages=round(talk.messages * stretch),
                    family_code=talk.family_code,
                    script_type=self._script_type,
                    month_blocks=self._month_blocks,
                )
                total += rated.total * count
                weight += count
        return total / weight if weight else Decimal(0)


def _calls(again: float, left: int) -> float:
    """Calls of one contact that may be called `left` times more; an agreed call-back is made beyond the maximum."""
    return sum(again**place for place in range(max(1, left)))


def after_open(schedule: Schedule, start: datetime, open_s: float) -> datetime | None:
    """The instant at which the schedule has been open for so long since `start`; None beyond its end or `HORIZON`."""
    at, left = start, timedelta(seconds=open_s)
    while (opened := _next(schedule, at, start)) is not None:
        at, step = opened, _span(schedule, opened)
        if left <= step:
            return at + left
        at, left = at + step, left - step
    return None


def open_s(schedule: Schedule, start: datetime) -> float:
    """Seconds that the schedule is open from `start` on, within `HORIZON`."""
    at, total = start, timedelta()
    while (opened := _next(schedule, at, start)) is not None:
        step = _span(schedule, opened)
        at, total = opened + step, total + step
    return total.total_seconds()


def _next(schedule: Schedule, at: datetime, start: datetime) -> datetime | None:
    opened = schedule.next_opening(at)
    return None if opened is None or opened - start > HORIZON else opened


def _span(schedule: Schedule, at: datetime) -> timedelta:
    """A piece of open time from `at` on: a long one, or up to the next minute of the clock."""
    if schedule.is_open(at + _STEP) and all(schedule.is_open(at + n * _MINUTE) for n in (3, 6)):
        return _STEP
    return _MINUTE - timedelta(seconds=at.second, microseconds=at.microsecond)
