"""Yes or no, and one of several named things."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from functools import cache

from bot.understanding.intents import Intent, IntentModel
from bot.understanding.lexicon import Lexicon, lexicon_for
from bot.understanding.text import mark_negation, normalise, without_marks, words

#: How alike a word of a choice and what was heard must be.
_ALIKE = 0.8
#: Shorter words are only alike when they are equal.
_SHORTEST_FUZZY = 4
_YES, _NO = "yes", "no"
#: After one of these, what was said before is taken back.
_CORRECTIONS = frozenset({"no", "sorry", "actually", "rather", "mean", "nhầm", "quên", "lộn"})
_PLACES = {
    **{"first": 1, "one": 1, "1": 1, "second": 2, "two": 2, "2": 2, "third": 3, "three": 3, "3": 3},
    **{"fourth": 4, "four": 4, "4": 4, "last": -1, "nhất": 1, "một": 1, "đầu": 1, "hai": 2, "ba": 3, "tư": 4},
    **{"bốn": 4, "cuối": -1},
}
_PLACE = re.compile(
    r"\bthe (first|second|third|fourth|last)(?: one| option| choice)?(?=$|[ .,!?])"
    r"|\b(?:number|option) (one|two|three|four|[1-4])\b"
    r"|\b(?:cái|loại|phương án|lựa chọn)(?: thứ| số)? (nhất|một|hai|ba|bốn|tư|đầu|cuối)\b"
)


def find_yes_no(text: str, language: str) -> str | None:
    """ "yes" or "no"; None when neither is clear."""
    return _yes_no_model(language).classify(text).intent


@cache
def _yes_no_model(language: str) -> IntentModel:
    lexicon = lexicon_for(language)
    names = (_YES, _NO)
    return IntentModel(
        [Intent(name, lexicon.samples.get(name, ()), lexicon.keywords.get(name, ()), polarity=name) for name in names],
        lexicon,
    )


def find_choice(text: str, choices: Mapping[str, Sequence[str]], language: str) -> str | None:
    """The name of the choice that `text` says, by one of its ways of saying or by its place: "the second one".

    Of several that overlap the one with most letters counts; two that stand apart are none, unless the last
    corrects the first.
    """
    lexicon = lexicon_for(language)
    normal = normalise(text, lexicon)
    heard = mark_negation(words(normal), lexicon)
    spotted = _apart([match for name, ways in choices.items() for match in _matches(name, ways, heard, lexicon)])
    if len({match.name for match in spotted}) > 1 and _CORRECTIONS & set(words(normal)):
        spotted = spotted[-1:]
    named = {match.name for match in spotted} or _by_place(normal, list(choices))
    return named.pop() if len(named) == 1 else None


@dataclass(frozen=True)
class _Match:
    """A way of saying `name` found in the words from `start` to `end`; `weight` counts letters heard right."""

    name: str
    start: int
    end: int
    weight: float


def _matches(name: str, ways: Sequence[str], heard: Sequence[str], lexicon: Lexicon) -> Iterator[_Match]:
    for way in (name.replace("_", " "), *ways):
        said = words(normalise(way, lexicon))
        for at in range(len(heard) - len(said) + 1 if said else 0):
            alike = [_alike(one, other) for one, other in zip(said, heard[at : at + len(said)], strict=True)]
            if min(alike) >= _ALIKE:
                letters = sum(len(word) * share for word, share in zip(said, alike, strict=True))
                yield _Match(name, at, at + len(said), letters)


def _apart(matches: Sequence[_Match]) -> list[_Match]:
    """From left to right, without those that a weightier one overlaps."""
    kept: list[_Match] = []
    for match in sorted(matches, key=lambda match: -match.weight):
        if all(match.end <= other.start or match.start >= other.end or match.weight == other.weight for other in kept):
            kept.append(match)
    return sorted(kept, key=lambda match: match.start)


def _by_place(normal: str, names: Sequence[str]) -> set[str]:
    """What "the second one" or "cái cuối" points at in the order of the choices."""
    match = _PLACE.search(normal)
    if match is None:
        return set()
    place = _PLACES.get(match[1] or match[2] or match[3], 0)
    return {names[place - (place > 0)]} if place <= len(names) else set()


def _alike(one: str, other: str) -> float:
    if one == other:
        return 1.0
    if min(len(one), len(other)) < _SHORTEST_FUZZY:
        return 0.95 if without_marks(one) == other else 0.0
    if without_marks(one) == without_marks(other):
        return 0.95
    return 0.99 * SequenceMatcher(None, one, other, autojunk=False).ratio()
