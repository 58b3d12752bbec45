"""How much silence ends what a customer says: by its sound, by its words and by what the script asks."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import assert_never


class Words(Enum):
    """What the words so far tell of a turn's end."""

    #: They answer what was asked: nothing is missing.
    WHOLE = "whole"
    #: They answer it with what often begins a longer answer: "Yes", or a number.
    BRIEF = "brief"
    #: They end where no sentence ends.
    OPEN = "open"
    UNSURE = "unsure"


@dataclass(frozen=True)
class Patience:
    """Silences that end a turn, in ms; docs/explanation/turn-taking.md says what they were measured on.

    `finished` and `sure` are the likelihoods from which a turn counts as finished by its sound.
    """

    #: It sounds finished beyond doubt, and its words are a whole answer.
    sure_ms: int = 260
    #: It sounds finished: people and voices pause 190 to 260 ms at a comma.
    finished_ms: int = 300
    #: Its words are a whole answer, although it sounds unfinished.
    whole_ms: int = 500
    #: It sounds unfinished, or its words are open.
    unfinished_ms: int = 900
    finished: float = 0.5
    sure: float = 0.8

    def silence_ms(self, likelihood: float, words: Words, step_ms: int | None) -> int:
        """Silence that ends a turn; `step_ms` is what the script's step asks for, None for the usual.

        Who gives a long number pauses within it: half the step's patience must pass even when the words are whole.
        """
        usual_ms = self._usual_ms(likelihood, words)
        if step_ms is None:
            return usual_ms
        match words:
            case Words.WHOLE | Words.BRIEF:
                return min(max(usual_ms, step_ms // 2), max(step_ms, self.sure_ms))
            case Words.OPEN:
                return max(usual_ms, step_ms)
            case Words.UNSURE:
                return step_ms
            case _:
                assert_never(words)

    def _usual_ms(self, likelihood: float, words: Words) -> int:
        if words is Words.OPEN:
            return self.unfinished_ms
        if likelihood > self.finished:
            return self.sure_ms if words is Words.WHOLE and likelihood >= self.sure else self.finished_ms
        return self.unfinished_ms if words is Words.UNSURE else self.whole_ms
