"""The wordings alone: every line as if recognition had made no mistake."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Final

from bot.who_answered import MACHINES, Answerer, classify_greeting
from campana.who_bench.figures import Figures, Share

#: Read out, a word takes about so long.
_WORD_MS: Final = {"en": 330, "vi": 250}


def judge_texts(name: str, lines: Mapping[str, Sequence[str]], *, language: str = "en") -> Figures:
    """The figures of one split's texts; nothing is timed."""
    pairs = [
        (Answerer(kind), classify_greeting(text, len(text.split()) * _WORD_MS[language]).answerer)
        for kind, texts in lines.items()
        for text in texts
    ]
    humans = [taken for true, taken in pairs if true is Answerer.HUMAN]
    machines = [taken for true, taken in pairs if true in MACHINES]
    return Figures(
        name=name,
        matrix=Counter(pairs),
        humans=Share(sum(taken is Answerer.HUMAN for taken in humans), len(humans)),
        machines=Share(sum(taken in MACHINES for taken in machines), len(machines)),
        humans_lost=sum(taken in MACHINES for taken in humans),
        decision=None,
        decision_human=None,
        decision_machine=None,
    )
