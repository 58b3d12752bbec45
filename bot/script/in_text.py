"""A conversation in text, one exchange at a time: what tests and `campana script chat` talk with.

No I/O of its own: web services and language models are whatever the caller puts in their place.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from bot.script.interpreter import Interpreter
from bot.script.language import Script
from bot.script.replies import Consult, Consulted, Effect, Fetch, Line, Reply, Transfer
from bot.understanding.intents import Understood


class Outside(Protocol):
    """Web services and language models, or what stands in for them."""

    def fetch(self, wanted: Fetch) -> Mapping[str, str] | None:
        """The values of an answer by the names of `Fetch.into`, None for a failure."""
        ...

    def consult(self, wanted: Consult) -> Consulted:
        """What the model answers."""
        ...


@dataclass(frozen=True)
class Exchange:
    """What the bot did about one thing: what it said, what came of it, and where the script stands now."""

    lines: tuple[str, ...]
    #: What was asked of services and models, and what they answered, in words.
    asked: tuple[str, ...]
    effects: tuple[Effect, ...]
    step: str
    understood: Understood | None
    #: To whom the customer is being put through, None when nobody is being called.
    transfer: str | None
    ended: bool

    @property
    def text(self) -> str:
        """All that was said."""
        return " ".join(self.lines)


class TextTalk:
    """One conversation with a script; raises `MissingVariables` when a required variable has no value."""

    def __init__(
        self,
        script: Script,
        variables: Mapping[str, str],
        outside: Outside,
        *,
        now: datetime,
        time_zone: str = "UTC",
    ) -> None:
        self._outside = outside
        self._interpreter = Interpreter(script, variables, now=now, time_zone=time_zone)

    @property
    def code(self) -> str | None:
        """The action code that the script has set."""
        return self._interpreter.code

    @property
    def ended(self) -> bool:
        """Whether the script has hung up."""
        return self._interpreter.finished

    def start(self) -> Exchange:
        """The greeting."""
        return self._exchange(self._interpreter.start())

    def heard(self, text: str) -> Exchange:
        """The customer says something."""
        return self._exchange(self._interpreter.heard(text))

    def key(self, digit: str) -> Exchange:
        """The customer presses a key."""
        return self._exchange(self._interpreter.key(digit))

    def silent(self) -> Exchange:
        """The customer says nothing for as long as the step waits."""
        return self._exchange(self._interpreter.silent())

    def not_joined(self) -> Exchange:
        """Nobody takes the customer who is being put through."""
        return self._exchange(self._interpreter.not_joined())

    def _exchange(self, reply: Reply) -> Exchange:
        lines, effects, asked = list(reply.lines), list(reply.effects), list[str]()
        understood = reply.understood
        while isinstance(reply.wait, Fetch | Consult):
            reply = (
                self._fetch(reply.wait, asked) if isinstance(reply.wait, Fetch) else self._consult(reply.wait, lines)
            )
            lines += reply.lines
            effects += reply.effects
        return Exchange(
            lines=tuple(line.text for line in lines),
            asked=tuple(asked),
            effects=tuple(effects),
            step=reply.step,
            understood=understood,
            transfer=reply.wait.target.name if isinstance(reply.wait, Transfer) else None,
            ended=reply.wait is None,
        )

    def _fetch(self, wanted: Fetch, asked: list[str]) -> Reply:
        values = self._outside.fetch(wanted)
        found = "a failure" if values is None else ", ".join(f"{name} = {value}" for name, value in values.items())
        asked.append(f"{wanted.method} {wanted.url}: {found or 'nothing to keep'}")
        return self._interpreter.fetched(values)

    def _consult(self, wanted: Consult, lines: list[Line]) -> Reply:
        answer = self._outside.consult(wanted)
        if answer.said:
            lines.append(Line(answer.said))
        return self._interpreter.consulted(answer)
