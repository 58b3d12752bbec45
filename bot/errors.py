"""What can go wrong in a conversation; one root for the package."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


class BotError(Exception):
    """A bot could not be built or could not talk."""

    #: Whether the same work may succeed when it is tried again later.
    retryable = False


@dataclass(frozen=True, order=True)
class Problem:
    """One mistake in a script: where it stands, what it is and what to do about it."""

    file: str
    line: int
    message: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.file}, line {self.line}: {self.message}. {self.remedy}"


class ScriptErrors(BotError):
    """A script that cannot be used; `problems` holds every mistake found, in the order of the lines."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(sorted(problems))
        super().__init__("\n".join(str(problem) for problem in self.problems))


class MissingVariables(BotError):
    """A contact lacks variables that the script needs; `names` are theirs."""

    def __init__(self, script: str, names: Sequence[str]) -> None:
        self.names = tuple(names)
        listed = ", ".join(self.names)
        super().__init__(
            f"script {script}: no value for {listed}. Add the column to the list or a default to the script"
        )


class SpeechError(BotError):
    """Listening or speaking failed; `retryable` is told by whoever raises it."""

    def __init__(self, message: str, *, retryable: bool = False) -> None:
        super().__init__(message)
        self.retryable = retryable
