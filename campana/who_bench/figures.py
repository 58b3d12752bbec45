"""The confusion matrix of the bench and what follows from it; times in ms of audio."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

from bot.who_answered import MACHINES, Answerer
from campana.who_bench.running import Judged

#: Rows and columns of the matrix, in this order.
KINDS: Final = tuple(Answerer)


@dataclass(frozen=True)
class Times:
    """Median, 90th percentile and number of some times."""

    count: int
    p50_ms: int
    p90_ms: int

    @classmethod
    def of(cls, times_ms: Sequence[int]) -> Times | None:
        """None without any times."""
        ordered = sorted(times_ms)
        if not ordered:
            return None
        return cls(
            len(ordered), ordered[(len(ordered) - 1) // 2], ordered[min(len(ordered) - 1, len(ordered) * 9 // 10)]
        )


@dataclass(frozen=True)
class Share:
    """`right` of `count`."""

    right: int
    count: int

    @property
    def pct(self) -> float | None:
        """Percent, None of nothing."""
        return round(100 * self.right / self.count, 1) if self.count else None


@dataclass(frozen=True)
class Figures:
    """What one way of telling came to on one set of greetings."""

    name: str
    #: (who it is, who it was taken for) → calls.
    matrix: Mapping[tuple[Answerer, Answerer], int]
    #: People taken for people; machines taken for any machine: what decides whether the bot talks on.
    humans: Share
    machines: Share
    #: People taken for a machine: the worst error.
    humans_lost: int
    #: From the first sound of callees who speak or whistle to the verdict that stood.
    decision: Times | None
    decision_human: Times | None
    decision_machine: Times | None
    #: From the answer to the bot's first word, the slowest.
    first_word_max_ms: int | None = None

    def recall(self, kind: Answerer) -> Share:
        """Of those who are `kind`, how many were taken for it."""
        return Share(self.matrix.get((kind, kind), 0), sum(self.matrix.get((kind, other), 0) for other in KINDS))

    def precision(self, kind: Answerer) -> Share:
        """Of those who were taken for `kind`, how many are."""
        return Share(self.matrix.get((kind, kind), 0), sum(self.matrix.get((other, kind), 0) for other in KINDS))

    def as_json(self) -> dict[str, Any]:
        """Everything, as JSON has it."""
        kinds = [kind for kind in KINDS if self.recall(kind).count or self.precision(kind).count]
        return {
            "name": self.name,
            "matrix": {
                kind.value: {other.value: self.matrix.get((kind, other), 0) for other in kinds} for kind in kinds
            },
            "recall_pct": {kind.value: self.recall(kind).pct for kind in kinds},
            "precision_pct": {kind.value: self.precision(kind).pct for kind in kinds},
            "humans_right": {**asdict(self.humans), "pct": self.humans.pct},
            "machines_right": {**asdict(self.machines), "pct": self.machines.pct},
            "humans_taken_for_machines": self.humans_lost,
            "decision_ms": _json(self.decision),
            "decision_human_ms": _json(self.decision_human),
            "decision_machine_ms": _json(self.decision_machine),
            "first_word_max_ms": self.first_word_max_ms,
        }


def _json(times: Times | None) -> dict[str, int] | None:
    return None if times is None else asdict(times)


def figures(name: str, judged: Sequence[Judged]) -> Figures:
    """The figures of calls that were judged."""
    pairs = [(one.greeting.answerer, one.answerer) for one in judged]
    words = [one.first_word_ms for one in judged if one.first_word_ms is not None]
    return Figures(
        name=name,
        matrix=Counter(pairs),
        humans=_share(pairs, {Answerer.HUMAN}),
        machines=_share(pairs, MACHINES),
        humans_lost=sum(true is Answerer.HUMAN and taken in MACHINES for true, taken in pairs),
        decision=_times(judged, {Answerer.HUMAN, *MACHINES}),
        decision_human=_times(judged, {Answerer.HUMAN}),
        decision_machine=_times(judged, MACHINES),
        first_word_max_ms=max(words, default=None),
    )


def _share(pairs: Sequence[tuple[Answerer, Answerer]], kinds: set[Answerer] | frozenset[Answerer]) -> Share:
    taken = [taken in kinds for true, taken in pairs if true in kinds]
    return Share(sum(taken), len(taken))


def _times(judged: Sequence[Judged], kinds: set[Answerer] | frozenset[Answerer]) -> Times | None:
    times = [one.decision_ms for one in judged if one.greeting.answerer in kinds]
    return Times.of([max(0, time) for time in times if time is not None])
