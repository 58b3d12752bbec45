"""How far one conversation has come: the state that the blocks of a script change."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

from bot.errors import BotError
from bot.llm.history import Past
from bot.outcome import OptOut
from bot.script.language import Block, Say, Script, Step
from bot.script.rendering import CALL_BACK_AT, HEARD
from bot.script.replies import CallBack, Consult, Effect, Fetch, Keep, Line, SetCode
from bot.script.variables import Variables
from bot.understanding.entities import spoken_call_back
from bot.understanding.forms import ValueForm

#: A script that runs this many blocks without listening is in a loop.
MOST_BLOCKS = 200


class ScriptFailed(BotError):
    """A script that cannot go on: an expression without a value, or a loop that never listens.

    `effects` is what it had come to by then: what the customer asked for or gave does not go with the step that failed.
    """

    effects: tuple[Effect, ...] = ()


@dataclass
class Asked:
    """What was asked for in the present block.

    `misses` counts lines said because nothing fitted, `doubts` questions for confirmation without an answer;
    `candidate` is the value to be confirmed and `typed` the keys pressed so far.
    """

    misses: int = 0
    doubts: int = 0
    call_back_asks: int = 0
    candidate: str | None = None
    typed: str = ""


@dataclass(frozen=True)
class Talk:
    """A language model's conversation in the present block.

    `asked` counts the answers wanted of it, `failures` those in a row that did not come, and `wordless` those
    of this turn that held no word to say.
    """

    past: tuple[Past, ...] = ()
    asked: int = 0
    failures: int = 0
    wordless: int = 0


@dataclass
class Progress:
    """The state of one conversation; `copy` is cheap, since scripts and blocks never change."""

    script: Script
    variables: Variables
    now: datetime
    time_zone: str
    step: Step
    place: int = 0
    code: str | None = None
    finished: bool = False
    heard: str = ""
    opted_out: bool = False
    #: Lines and effects of the next reply.
    lines: list[Line] = field(default_factory=list)
    effects: list[Effect] = field(default_factory=list)
    #: What was said before listening, to be said again when asked.
    prompt: tuple[Line, ...] = ()
    silences: int = 0
    asked: Asked = field(default_factory=Asked)
    talk: Talk = Talk()
    used: Counter[str] = field(default_factory=Counter)
    #: What is waited for outside, while its block is the present one.
    outside: Fetch | Consult | None = None
    #: Blocks run since the customer was last heard, pressed a key or was silent.
    ran: int = 0

    @classmethod
    def begin(cls, script: Script, given: Mapping[str, str], now: datetime, time_zone: str) -> Progress:
        """The state before the first word; raises `MissingVariables`."""
        variables = Variables(script, given, now, time_zone)
        return cls(script, variables, now, time_zone, script.steps[script.start])

    def copy(self) -> Progress:
        """The same state, to change apart."""
        return replace(
            self,
            variables=self.variables.copy(),
            lines=list(self.lines),
            effects=list(self.effects),
            asked=replace(self.asked),
            used=self.used.copy(),
        )

    @property
    def block(self) -> Block:
        """The present block."""
        return self.step.blocks[min(self.place, len(self.step.blocks) - 1)]

    @property
    def language(self) -> str:
        return self.script.language

    def listened(self, text: str) -> None:
        """The customer has said or pressed something, or nothing for long ("")."""
        self.heard, self.ran = text, 0
        self.variables.texts[HEARD] = text

    def count_block(self) -> None:
        """Raises `ScriptFailed` for a script that never comes to listen."""
        self.ran += 1
        if self.ran > MOST_BLOCKS:
            raise ScriptFailed(f"script {self.script.name}, step {self.step.name}: {MOST_BLOCKS} blocks ran unheard")

    def go(self, step: str) -> None:
        """Go on with a step."""
        self.go_in(self.script.steps[step])

    def go_in(self, step: Step) -> None:
        """Go on with blocks that may stand nowhere in the script."""
        self.step, self.place = step, 0
        self._enter_block()

    def leave(self, step: str | None) -> None:
        """Go on with a step; without one, hang up."""
        if step is None:
            self.finished, self.outside = True, None
        else:
            self.go(step)

    def pass_on(self) -> None:
        """Go on with the next block."""
        self.place += 1
        self._enter_block()

    def _enter_block(self) -> None:
        self.silences, self.asked, self.talk, self.outside = 0, Asked(), Talk(), None

    def say(self, text: str, *, interruptible: bool = True) -> None:
        """Add the sentences of a text to the next reply."""
        self.lines.extend(self.rendered(text, interruptible=interruptible))

    def rendered(self, text: str, *, interruptible: bool = True) -> tuple[Line, ...]:
        """The sentences of a text, with the values of now."""
        return tuple(Line(sentence, interruptible) for sentence in self.variables.spoken(text))

    def line(self, block: Say) -> tuple[Line, ...]:
        """What a block says: its sentences, or its recording as one line."""
        if block.audio is None:
            return self.rendered(block.text, interruptible=block.interruptible)
        return (Line(" ".join(self.variables.spoken(block.text)), block.interruptible, block.audio),)

    def set_code(self, code: str) -> None:
        """Set the action code of the call."""
        self.code = code
        self.effects.append(SetCode(code))

    def keep(self, name: str, value: str, form: ValueForm) -> None:
        """Keep a value that the customer gave."""
        self.variables.set(name, value, form)
        self.effects.append(Keep(name, value))

    def record_opt_out(self, evidence: str) -> None:
        """Record once that the customer wants no more calls."""
        if not self.opted_out:
            self.opted_out = True
            self.set_code("DNC")
            self.effects.append(OptOut(evidence))

    def record_call_back(self, at: datetime | None) -> None:
        """Record that the customer wants a later call, whose time can be spoken from now on."""
        self.variables.set(CALL_BACK_AT, spoken_call_back(at, self.now, self.language))
        self.set_code("CB")
        self.effects.append(CallBack(at))
