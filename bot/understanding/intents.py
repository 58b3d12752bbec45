"""Intents learnt from sample sentences in milliseconds: nearest sample by weighted words, word pairs and letters.

A sentence is compared clause by clause, so that "No, how much do I owe?" is a question and "Yes, but call me
tomorrow" a call-back: the yes or no that a sentence begins with counts when nothing else in it is understood.
Of a yes and a no the last one counts, except that no yes undoes a no by itself: that is left open.
What a negation covers has features of its own, and a sample whose negation differs from the sentence's
counts for little.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

from bot.understanding.lexicon import Lexicon
from bot.understanding.text import NEGATED, clauses, mark_negation, normalise, split_particles
from bot.understanding.turns import is_back_channel

_GROUP_WEIGHTS = {"w": 0.55, "p": 0.15, "c": 0.30}
_STOP_WORD_WEIGHT = 0.25
_OTHER_POLARITY = 0.3
_KEYWORD_CONFIDENCE = 0.85
_PARTICLE_CONFIDENCE = 0.95
#: A clause beats the yes or no before it from this confidence on.
_CLEAR = 0.5
#: Clauses whose likenesses are kept.
_REMEMBERED = 256

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
        #: The same words are looked at more than once: while they are said, and for several sets of offers.
        self._likenesses = lru_cache(maxsize=_REMEMBERED)(self._compare)
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
        parts = self._parts(text)
        refuses = any(self._refuses(lead, rest) for lead, rest in parts)
        particles = self._particle_scores([word for lead, _ in parts for word in lead], offered)
        substance: dict[str, float] = {}
        for lead, rest in parts:
            if rest:
                self._raise_last(substance, self._rest_scores(rest, offered, refuses=refuses))
            elif self._polarity(lead) == "no":
                self._drop(substance, "yes")
            if lead:
                _raise(substance if rest else particles, self._whole_scores([*lead, *rest], offered))
        if max(substance.values(), default=0.0) >= _CLEAR:
            return substance
        _raise(particles, substance)
        return particles

    def _parts(self, text: str) -> list[tuple[list[str], list[str]]]:
        """The particles that each clause begins with, and its rest."""
        said = clauses(normalise(text, self._lexicon), self._lexicon)
        return [split_particles(part, self._lexicon) for clause in said for part in self._cut(clause) if part]

    def _cut(self, clause: list[str]) -> tuple[list[str], list[str]]:
        """A no at the end or after mere assent is a clause of its own: "Right no I can not"."""
        known = self._lexicon
        mere = known.assents | known.yes | known.no | known.fillers
        for place, word in enumerate(clause):
            if word in known.no and (place == len(clause) - 1 or mere.issuperset(clause[:place])):
                return clause[:place], clause[place:]
        return clause, []

    def _refuses(self, lead: Sequence[str], rest: Sequence[str]) -> bool:
        """Whether a clause says no, be it with a particle or clearly in other words."""
        if any(word in self._lexicon.no for word in lead):
            return True
        scores = self._likenesses(tuple(rest)) if rest else {}
        best = max(scores, key=scores.__getitem__, default=None)
        return best is not None and scores[best] >= _CLEAR and self._intents[best].polarity == "no"

    def _rest_scores(self, rest: Sequence[str], offered: Collection[str], *, refuses: bool) -> dict[str, float]:
        """Scores of a clause without its particles. Beside a no, mere assent is none: "No, that's okay."."""
        scores = self._clause_scores(rest, offered)
        if refuses and all(word in self._lexicon.assents or word in self._lexicon.fillers for word in rest):
            self._drop(scores, "yes")
        return scores

    def _raise_last(self, scores: dict[str, float], later: Mapping[str, float]) -> None:
        """Add the scores of a later clause, which counts where it says the contrary as clearly."""
        opposite = {"yes": "no", "no": "yes"}
        for name, score in later.items():
            contrary = opposite.get(self._intents[name].polarity or "")
            if contrary and score >= _CLEAR:
                self._drop(scores, contrary, most=score)
        _raise(scores, later)

    def _drop(self, scores: dict[str, float], polarity: str, *, most: float = 1.0) -> None:
        for name in [name for name, score in scores.items() if score <= most]:
            if self._intents[name].polarity == polarity:
                del scores[name]

    def _whole_scores(self, clause: Sequence[str], offered: Collection[str]) -> dict[str, float]:
        """Scores of a clause with the particles it begins with, as samples such as "hello who" do too.

        What yes or no says is told by the particles alone: "please" is not half of "yes please".
        """
        scores = self._clause_scores(clause, offered)
        return {name: score for name, score in scores.items() if not self._intents[name].polarity}

    def _particle_scores(self, said: Sequence[str], offered: Collection[str]) -> dict[str, float]:
        """What the yes and no of a sentence say."""
        polarity = self._polarity(said)
        if polarity is None:
            return {}
        return {name: _PARTICLE_CONFIDENCE for name in offered if self._intents[name].polarity == polarity}

    def _polarity(self, said: Sequence[str]) -> str | None:
        """The polarity of particles: a no goes before every yes that it follows, and a yes after it leaves it open.

        A hum counts for yes only where nothing else tells: "Mm-hmm, no.", "No. Mm-hmm.".
        """
        polar = [word for word in said if word in self._lexicon.yes or word in self._lexicon.no]
        plain = [word for word in polar if not is_back_channel(word, self._lexicon.language, agreeing=False)]
        answers = ["no" if word in self._lexicon.no else "yes" for word in plain or polar]
        if not answers or (answers[-1] == "yes" and "no" in answers):
            return None
        return answers[-1]

    def _clause_scores(self, clause: Sequence[str], offered: Collection[str]) -> dict[str, float]:
        found = self._likenesses(tuple(clause))
        return {name: score for name, score in found.items() if name in offered}

    def _compare(self, clause: Sequence[str]) -> Mapping[str, float]:
        """How like each intent a clause is; of what nobody offers too."""
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
            score = product if sample.negated == negated else product * _OTHER_POLARITY
            scores[sample.intent] = max(scores.get(sample.intent, 0.0), min(score, 1.0))
        for keyword in self._keywords:
            if _contains(marked, keyword.words):
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
