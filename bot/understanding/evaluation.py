"""How well sentences are understood: accuracy, precision and recall of each intent, confusions, thresholds. No I/O."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from bot.understanding.intents import Understood

#: What is expected of a sentence that must not be understood.
NONE: Final = "none"
#: Confidences that are tried as threshold.
THRESHOLDS: Final = tuple(step / 100 for step in range(20, 95, 5))

Judge = Callable[[str], Understood]


@dataclass(frozen=True)
class Example:
    """A sentence and the intent that is meant, `NONE` for no intent at all; `line` is where it is written."""

    text: str
    intent: str
    line: int = 0


@dataclass(frozen=True)
class Judged:
    """A sentence and the likeliest intent, `NONE` where there is none, however unsure it is."""

    example: Example
    best: str
    confidence: float

    def got(self, threshold: float) -> str:
        """What is understood when confidence must reach `threshold`."""
        return self.best if self.confidence >= threshold else NONE

    def right(self, threshold: float) -> bool:
        return self.got(threshold) == self.example.intent


@dataclass(frozen=True)
class IntentFigures:
    """One intent: how many sentences mean it, how many were taken for it, and how many were both."""

    intent: str
    meant: int
    taken: int
    right: int

    @property
    def precision(self) -> float | None:
        """Of those taken for it, the share that meant it; None when none was."""
        return self.right / self.taken if self.taken else None

    @property
    def recall(self) -> float | None:
        """Of those that mean it, the share that was taken for it; None when there is none."""
        return self.right / self.meant if self.meant else None


@dataclass(frozen=True)
class ThresholdFigures:
    """What a threshold comes to: shares of all sentences.

    `mistaken` were taken for another intent than the one meant, `missed` meant something and were not understood.
    """

    threshold: float
    accuracy: float
    mistaken: float
    missed: float

    @property
    def worth(self) -> float:
        """Right less mistaken."""
        return round(self.accuracy - self.mistaken, 9)


@dataclass(frozen=True)
class Evaluation:
    """The figures at one threshold. `confusion` maps the intent meant to the intents taken, with their numbers."""

    threshold: float
    judged: tuple[Judged, ...]
    intents: tuple[IntentFigures, ...]
    confusion: Mapping[str, Mapping[str, int]]
    thresholds: tuple[ThresholdFigures, ...]

    @property
    def right(self) -> int:
        return sum(one.right(self.threshold) for one in self.judged)

    @property
    def accuracy(self) -> float:
        """The share of sentences understood as they are meant."""
        return self.right / len(self.judged)

    @property
    def best_threshold(self) -> ThresholdFigures:
        """The threshold with the most right less those mistaken; among equals the nearest to the present one.

        A wrong answer costs more than asking again: one sentence mistaken outweighs one more that is right.
        """
        return max(self.thresholds, key=lambda one: (one.worth, -round(abs(one.threshold - self.threshold), 6)))

    def confusions(self) -> Iterator[tuple[str, str, tuple[Judged, ...]]]:
        """Intent meant, intent taken and the sentences; the commonest first."""
        wrong = [one for one in self.judged if not one.right(self.threshold)]
        pairs = Counter((one.example.intent, one.got(self.threshold)) for one in wrong)
        for (meant, taken), _ in sorted(pairs.items(), key=lambda item: (-item[1], item[0])):
            found = [one for one in wrong if (one.example.intent, one.got(self.threshold)) == (meant, taken)]
            yield meant, taken, tuple(found)


def judge_all(examples: Iterable[Example], judge: Judge) -> tuple[Judged, ...]:
    """Every example as `judge` takes it; `judge` must answer its likeliest intent without a threshold."""
    found = []
    for example in examples:
        understood = judge(example.text)
        found.append(Judged(example, understood.intent or NONE, understood.confidence if understood.intent else 0.0))
    return tuple(found)


def evaluate(judged: Sequence[Judged], threshold: float) -> Evaluation:
    """The figures of at least one sentence."""
    pairs = Counter((one.example.intent, one.got(threshold)) for one in judged)
    names = sorted({name for pair in pairs for name in pair}, key=lambda name: (name == NONE, name))
    return Evaluation(
        threshold=threshold,
        judged=tuple(judged),
        intents=tuple(_intent(name, pairs) for name in names),
        confusion={meant: {taken: pairs[meant, taken] for taken in names} for meant in names},
        thresholds=tuple(_at(judged, tried) for tried in sorted({*THRESHOLDS, threshold})),
    )


def _intent(name: str, pairs: Counter[tuple[str, str]]) -> IntentFigures:
    return IntentFigures(
        intent=name,
        meant=sum(count for (meant, _), count in pairs.items() if meant == name),
        taken=sum(count for (_, taken), count in pairs.items() if taken == name),
        right=pairs[name, name],
    )


def _at(judged: Sequence[Judged], threshold: float) -> ThresholdFigures:
    wrong = [one for one in judged if not one.right(threshold)]
    missed = sum(one.got(threshold) == NONE for one in wrong)
    total = len(judged)
    return ThresholdFigures(threshold, 1 - len(wrong) / total, (len(wrong) - missed) / total, missed / total)


def folds(
    samples: Mapping[str, Sequence[str]], count: int
) -> Iterator[tuple[dict[str, list[str]], dict[str, list[str]]]]:
    """Each of `count` ways to keep every `count`-th sample of each intent back: what stays, and what is kept back.

    An intent with a single sample keeps it in every way, for it would have nothing left to be known by.
    """
    for fold in range(count):
        kept = {name: [s for at, s in enumerate(own) if at % count == fold] for name, own in samples.items()}
        kept = {name: own if len(samples[name]) > 1 else [] for name, own in kept.items()}
        stay = {name: [s for s in own if s not in kept[name]] for name, own in samples.items()}
        yield stay, kept
