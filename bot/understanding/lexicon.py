"""What understanding needs to know of a language beyond the script's own samples."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Lexicon:
    """Small words of one language, and samples of the intents that every script knows.

    `negations` reach over the words after them, except `question_tags` at the end of a clause;
    `breaks` separate clauses; `yes`, `no` and `fillers` may precede what is really said. A clause of nothing but
    `assents` promises nothing beside a no.
    `samples` and `keywords` are keyed by the name of the built-in intent.
    """

    language: str
    rewrites: tuple[tuple[re.Pattern[str], str], ...] = ()
    negations: frozenset[str] = frozenset()
    question_tags: frozenset[str] = frozenset()
    breaks: frozenset[str] = frozenset()
    yes: frozenset[str] = frozenset()
    no: frozenset[str] = frozenset()
    fillers: frozenset[str] = frozenset()
    assents: frozenset[str] = frozenset()
    stop_words: frozenset[str] = frozenset()
    samples: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    keywords: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


def lexicon_for(language: str) -> Lexicon:
    """The lexicon of a language tag; an empty one for a language that has none."""
    from bot.understanding.lexicon_en import ENGLISH
    from bot.understanding.lexicon_vi import VIETNAMESE

    base = language.partition("-")[0].casefold()
    return {"en": ENGLISH, "vi": VIETNAMESE}.get(base, Lexicon(base))
