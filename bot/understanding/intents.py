"""Intents learnt from sample sentences in milliseconds: nearest sample by weighted words, word pairs and letters.

A sentence is compared clause by clause, so that "No, how much do I owe?" is a question and "Yes, but call me
tomorrow" a call-back: the yes or no that a sentence begins with counts when nothing else in it is understood.
What a negation covers has features of its own, and a sample whose negation differs from the sentence's
counts for little.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from bot.understanding.lexicon import Lexicon
from bot.understanding.text import NEGATED, clauses, mark_negation, normalise, split_particles

_GROUP_WEIGHTS = {"w": 0.55, "p": 0.15, "c": 0.30}
_STOP_WORD_WEIGHT = 0.25
_OTHER_POLARITY = 0.3
_KEYWORD_CONFIDENCE = 0.85
_PARTICLE_CONFIDENCE = 0.95
#: A clause beats the yes or no before it from this confidence on.
_CLEAR = 0.5

Vector = Mapping[str, float]


@dataclass(frozen=True)
class Intent:
    """Something a customer may mean. `polarity` is "yes" or "no" for an intent that bare yes or no answers."""

    name: str
    samples: tuple[str, ...]
    keywords: tuple[str, ...] = ()
    polarity: str | None = None


@dataclass(frozen=True)
class Understood:
    """What was understood: `intent` None when nothing was clear enough; `confidence` from 0 to 1."""

    intent: str | None
    confidence: float


@dataclass(frozen=True)
class _Sample:
    intent: str
    vector: Vector
    negated: bool


@dataclass(frozen=True)
class _Keyword:
    intent: str
    words: tuple[str, ...]


class IntentModel:
    """Classifies sentences into the intents it was built from. Immutable after construction; no I/O."""

    def __init__(self, intents: Iterable[Intent], lexicon: Lexicon) -> None:
        self._lexicon = lexicon
        self._intents = {intent.name: intent for intent in intents}
        marked = [
            (intent.name, clause)
            for intent in self._intents.values()
            for sample in intent.samples
            if (clause := self._sample_words(sample))
        ]
        self._weights = _rarity([clause for _, clause in marked])
        self._unseen = max(self._weights.values(), default=1.0)
        self._samples = [_Sample(name, self._vector(clause), self._is_negated(clause)) for name, clause in marked]
        self._postings: dict[str, list[tuple[int, float]]] = defaultdict(list)
        for place, sample in enumerate(self._samples):
            for feature, weight in sample.vector.items():
                self._postings[feature].append((place, weight))
        self._keywords = [
            _Keyword(intent.name, tuple(self._sample_words(keyword)))
            for intent in self._intents.values()
            for keyword in intent.keywords
        ]

    def classify(self, text: str, among: Collection[str] | None = None, *, threshold: float = 0.5) -> Understood:
        """The best intent among those named (all when None), if it reaches `threshold`."""
        offered = self._intents.keys() if among is None else among
        scores = self.scores(text, offered)
        if not scores:
            return Understood(None, 0.0)
        rank = {name: -place for place, name in enumerate(offered)}
        best = max(scores, key=lambda name: (round(scores[name], 6), rank[name]))
        return Understood(best if scores[best] >= threshold else None, round(scores[best], 3))

    def scores(self, text: str, among: Collection[str]) -> dict[str, float]:
        """The confidence of each intent that `text` has anything in common with."""
        offered = self._intents.keys() & set(among)
        particles: dict[str, float] = {}
        substance: dict[str, float] = {}
        for clause in clauses(normalise(text, self._lexicon), self._lexicon):
            lead, rest = split_particles(clause, self._lexicon)
            _raise(particles, self._particle_scores(lead, offered))
            if rest:
                _raise(substance, self._clause_scores(rest, offered))
            if lead:
                _raise(particles if not rest else substance, self._whole_scores(clause, offered))
        if max(substance.values(), default=0.0) >= _CLEAR:
            return substance
        _raise(particles, substance)
        return particles

    def _whole_scores(self, clause: Sequence[str], offered: Collection[str]) -> dict[str, float]:
        """Scores of a clause with the particles it begins with, as samples such as "hello who" do too.

        What yes or no says is told by the particles alone: "please" is not half of "yes please".
        """
        scores = self._clause_scores(clause, offered)
        return {name: score for name, score in scores.items() if not self._intents[name].polarity}

    def _particle_scores(self, lead: Sequence[str], offered: Collection[str]) -> dict[str, float]:
        """What a bare yes or no says; the first one counts."""
        for word in lead:
            polarity = "yes" if word in self._lexicon.yes else "no" if word in self._lexicon.no else None
            if polarity is not None:
                return {name: _PARTICLE_CONFIDENCE for name in offered if self._intents[name].polarity == polarity}
        return {}

    def _clause_scores(self, clause: Sequence[str], offered: Collection[str]) -> dict[str, float]:
        marked = mark_negation(clause, self._lexicon)
        negated = self._is_negated(marked)
        vector = self._vector(marked)
        products: dict[int, float] = defaultdict(float)
        for feature, weight in vector.items():
            for place, other in self._postings.get(feature, ()):
                products[place] += weight * other
        scores: dict[str, float] = {}
        for place, product in products.items():
            sample = self._samples[place]
            if sample.intent in offered:
                score = product if sample.negated == negated else product * _OTHER_POLARITY
                scores[sample.intent] = max(scores.get(sample.intent, 0.0), min(score, 1.0))
        for keyword in self._keywords:
            if keyword.intent in offered and _contains(marked, keyword.words):
                scores[keyword.intent] = max(scores.get(keyword.intent, 0.0), _KEYWORD_CONFIDENCE)
        return scores

    def _sample_words(self, sample: str) -> list[str]:
        return [
            word
            for clause in clauses(normalise(sample, self._lexicon), self._lexicon)
            for word in mark_negation(clause, self._lexicon)
        ]

    def _vector(self, marked: Sequence[str]) -> Vector:
        """Weighted features of unit length."""
        groups: dict[str, dict[str, float]] = {group: {} for group in _GROUP_WEIGHTS}
        for feature, count in Counter(_features(marked)).items():
            groups[feature[0]][feature] = count * self._weight(feature)
        vector: dict[str, float] = {}
        for group, features in groups.items():
            length = math.sqrt(sum(weight * weight for weight in features.values()))
            scale = math.sqrt(_GROUP_WEIGHTS[group]) / length if length else 0.0
            vector.update((feature, weight * scale) for feature, weight in features.items())
        length = math.sqrt(sum(weight * weight for weight in vector.values()))
        return {feature: weight / length for feature, weight in vector.items()} if length else {}

    def _is_negated(self, marked: Sequence[str]) -> bool:
        return marked[0] in self._lexicon.no or any(word.startswith(NEGATED) for word in marked)

    def _weight(self, feature: str) -> float:
        weight = self._weights.get(feature, self._unseen)
        if feature[0] == "w" and feature[1:].removeprefix(NEGATED) in self._lexicon.stop_words:
            return weight * _STOP_WORD_WEIGHT
        return weight


def _features(marked: Sequence[str]) -> list[str]:
    features = [f"w{word}" for word in marked]
    features += [f"p{first} {second}" for first, second in pairwise(marked)]
    for word in marked:
        padded = f"<{word}>"
        features += [f"c{padded[start : start + 4]}" for start in range(max(1, len(padded) - 3))]
    return features


def _rarity(samples: Sequence[Sequence[str]]) -> dict[str, float]:
    """Inverse document frequency of every feature, at least 1."""
    counts = Counter(feature for sample in samples for feature in set(_features(sample)))
    return {feature: 1.0 + math.log(len(samples) / count) for feature, count in counts.items()}


def _contains(clause: Sequence[str], phrase: tuple[str, ...]) -> bool:
    size = len(phrase)
    return size > 0 and any(tuple(clause[at : at + size]) == phrase for at in range(len(clause) - size + 1))


def _raise(scores: dict[str, float], others: Mapping[str, float]) -> None:
    for name, score in others.items():
        scores[name] = max(scores.get(name, 0.0), score)
