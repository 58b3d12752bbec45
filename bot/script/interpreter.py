"""Runs a script for one call: told what was heard, it answers what to say, do and wait for. No I/O."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import assert_never

from bot.errors import MissingVariables
from bot.outcome import OptOut
from bot.script.hearing import model_of
from bot.script.language import AskBack, AskOut, Block, BuiltIn, End, Goto, Label, Listen, Say, Script, Silence
from bot.script.rendering import CALL_BACK_AT, render, sentences
from bot.understanding.callback import asks_call_back
from bot.understanding.entities import parse_call_back, spoken_call_back
from bot.understanding.intents import Understood
from bot.understanding.optout import is_opt_out

__all__ = [
    "CallBack",
    "Effect",
    "Interpreter",
    "Line",
    "OptOut",
    "Reply",
    "SetCode",
    "Understood",
    "Wait",
    "fill_variables",
]

#: How often the customer may have the same words said again in one step.
REPEATS = 3
#: A request to be called at another time is found by rule, not by likeness to samples.
CALL_BACK_CONFIDENCE = 0.9


@dataclass(frozen=True)
class Line:
    """One sentence to say."""

    text: str
    interruptible: bool = True


@dataclass(frozen=True)
class SetCode:
    """The action code of the call from now on."""

    code: str


@dataclass(frozen=True)
class CallBack:
    """The customer wants a later call; `at` is aware, None when no time was named."""

    at: datetime | None


Effect = SetCode | OptOut | CallBack


@dataclass(frozen=True)
class Wait:
    """Listen; when nobody speaks for `silence_ms` after the last word, call `Interpreter.silent`."""

    silence_ms: int


@dataclass(frozen=True)
class Reply:
    """What to do now: first the effects, then the lines, then wait, or hang up when `wait` is None."""

    lines: tuple[Line, ...]
    effects: tuple[Effect, ...]
    step: str
    understood: Understood | None
    wait: Wait | None


class Interpreter:
    """The state of one conversation.

    `now` is the aware instant of the call, against which call-back times are read in `time_zone`.
    Raises `MissingVariables` when a required variable has no value.
    """

    def __init__(self, script: Script, variables: Mapping[str, str], *, now: datetime, time_zone: str = "UTC") -> None:
        self.code: str | None = None
        self.finished = False
        self._script = script
        self._model = model_of(script)
        self._variables = fill_variables(script, variables)
        self._now = now
        self._time_zone = time_zone
        self._step = script.steps[script.start]
        self._place = 0
        self._heard = ""
        self._opted_out = False
        self._lines: list[Line] = []
        self._effects: list[Effect] = []
        self._prompt: tuple[Line, ...] = ()
        self._misses = 0
        self._silences = 0
        self._call_back_asks = 0
        self._used: Counter[str] = Counter()

    def start(self) -> Reply:
        """The greeting."""
        return self._run(None)

    def heard(self, text: str) -> Reply:
        """Answer what the customer said."""
        self._heard = text
        self._silences = 0
        if is_opt_out(text):
            return self._opt_out(text, Understood(BuiltIn.OPT_OUT, 1.0))
        if self.finished:
            return self._reply(None)
        block = self._block
        if isinstance(block, AskBack):
            return self._hear_time(text)
        if not isinstance(block, Listen):
            return self._run(None)
        understood = self._understand(text, block)
        return self._answer(understood, block)

    def silent(self) -> Reply:
        """Go on after the customer has said nothing for as long as `Wait` told."""
        if self.finished:
            return self._reply(None)
        silence = self._silence
        if self._silences < len(silence.say):
            self._say(silence.say[self._silences])
            self._silences += 1
            return self._reply(None)
        return self._enter(silence.goto, None)

    def key(self, digit: str) -> Reply:
        """Answer a pressed key."""
        self._heard = f"pressed {digit}"
        self._silences = 0
        block = self._block
        if self.finished or not isinstance(block, Listen):
            return self._reply(None)
        target = block.keys.get(digit)
        return self._miss(block, None) if target is None else self._enter(target.step, None)

    @property
    def _block(self) -> Block:
        return self._step.blocks[min(self._place, len(self._step.blocks) - 1)]

    @property
    def _silence(self) -> Silence:
        block = self._block
        return block.silence if isinstance(block, Listen) and block.silence is not None else self._script.silence

    def _understand(self, text: str, block: Listen) -> Understood:
        """The best of what this step and the whole script offer; the step's own intents come first."""
        if asks_call_back(text, self._script.language):
            return Understood(BuiltIn.CALL_BACK, CALL_BACK_CONFIDENCE)
        offered = [choice.intent for choice in block.choices]
        offered += [question.intent for question in self._script.questions]
        offered += [handled for handled in self._script.handlers if handled is not BuiltIn.OPT_OUT]
        offered += [BuiltIn.REPEAT, BuiltIn.HELLO]
        threshold = self._script.min_confidence if block.min_confidence is None else block.min_confidence
        return self._model.classify(self._without_name(text), tuple(dict.fromkeys(offered)), threshold=threshold)

    def _without_name(self, text: str) -> str:
        """`text` with the contact's own name as "someone", as in the samples of `wrong_person`."""
        name = self._variables.get("name", "")
        return re.sub(rf"\b{re.escape(name)}\b", "someone", text, flags=re.IGNORECASE) if name else text

    def _answer(self, understood: Understood, block: Listen) -> Reply:
        intent = understood.intent
        if intent is None:
            return self._miss(block, understood)
        for choice in block.choices:
            if choice.intent == intent:
                return self._enter(choice.step, understood)
        for question in self._script.questions:
            if question.intent == intent:
                return self._again(understood, block, question.repeat, question.answer)
        if intent in (BuiltIn.REPEAT, BuiltIn.HELLO):
            return self._again(understood, block, REPEATS, None)
        return self._enter(self._script.handlers[BuiltIn(intent)].step, understood)

    def _again(self, understood: Understood, block: Listen, limit: int, answer: str | None) -> Reply:
        """Say an answer and the question of this step again, or repeat everything; within limits."""
        key = f"{understood.intent}" if answer is not None else f"{self._step.name}.repeat"
        if self._used[key] >= limit:
            return self._miss(block, understood)
        self._used[key] += 1
        if answer is None:
            self._lines.extend(self._prompt)
        else:
            self._say(answer)
            self._lines.extend(self._question(block))
        return self._reply(understood)

    def _question(self, block: Listen) -> tuple[Line, ...]:
        """What is asked again after an answered question: `ask`, else the last sentence before listening."""
        if block.ask is not None:
            return self._rendered(block.ask)
        return self._prompt[-1:]

    def _miss(self, block: Listen, understood: Understood | None) -> Reply:
        if self._misses < len(block.reprompt):
            self._say(block.reprompt[self._misses])
            self._misses += 1
            return self._reply(understood)
        return self._enter(None if block.otherwise is None else block.otherwise.step, understood)

    def _opt_out(self, text: str, understood: Understood) -> Reply:
        if self._opted_out:
            return self._reply(understood)
        self._record_opt_out(text)
        return self._enter(self._script.handlers[BuiltIn.OPT_OUT].step, understood)

    def _record_opt_out(self, evidence: str) -> None:
        if not self._opted_out:
            self._opted_out = True
            self._set_code("DNC")
            self._effects.append(OptOut(evidence))

    def _hear_time(self, text: str) -> Reply:
        """The answer to a question of `call_back`."""
        if self._call_back_time(text) is None and self._call_back_asks < len(self._asks):
            return self._run(None)
        self._close_call_back(text)
        return self._run(None)

    @property
    def _asks(self) -> tuple[str, ...]:
        block = self._block
        return block.ask if isinstance(block, AskBack) else ()

    def _call_back_time(self, text: str) -> datetime | None:
        return parse_call_back(text, self._now, self._time_zone, self._script.language)

    def _close_call_back(self, text: str) -> None:
        at = self._call_back_time(text)
        self._variables[CALL_BACK_AT] = spoken_call_back(at, self._now, self._script.language)
        self._set_code("CB")
        self._effects.append(CallBack(at))
        self._place += 1

    def _enter(self, step: str | None, understood: Understood | None) -> Reply:
        """Go on with a step; without one, hang up."""
        if step is None:
            self.finished = True
            return self._reply(understood)
        self._go(step)
        return self._run(understood)

    def _go(self, step: str) -> None:
        self._step = self._script.steps[step]
        self._place = self._misses = self._silences = self._call_back_asks = 0

    def _run(self, understood: Understood | None) -> Reply:
        """Run blocks until one waits or ends."""
        while not self.finished and self._perform(self._block):
            pass
        self._prompt = tuple(self._lines)
        return self._reply(understood)

    def _perform(self, block: Block) -> bool:
        """Do one block; whether the next one follows at once."""
        match block:
            case Say():
                self._say(block.text, interruptible=block.interruptible)
            case Label():
                self._set_code(block.code)
            case Goto():
                self._go(block.step)
                return True
            case AskOut():
                self._record_opt_out(self._heard)
            case AskBack():
                return self._perform_call_back(block)
            case Listen():
                if block.ask is not None:
                    self._say(block.ask)
                return False
            case End():
                self.finished = True
                return False
            case _:
                assert_never(block)
        self._place += 1
        return True

    def _perform_call_back(self, block: AskBack) -> bool:
        if self._call_back_time(self._heard) is None and self._call_back_asks < len(block.ask):
            self._say(block.ask[self._call_back_asks])
            self._call_back_asks += 1
            return False
        self._close_call_back(self._heard)
        return True

    def _set_code(self, code: str) -> None:
        self.code = code
        self._effects.append(SetCode(code))

    def _say(self, text: str, *, interruptible: bool = True) -> None:
        self._lines.extend(self._rendered(text, interruptible=interruptible))

    def _rendered(self, text: str, *, interruptible: bool = True) -> tuple[Line, ...]:
        return tuple(Line(sentence, interruptible) for sentence in sentences(render(text, self._variables)))

    def _reply(self, understood: Understood | None) -> Reply:
        reply = Reply(
            lines=tuple(self._lines),
            effects=tuple(self._effects),
            step=self._step.name,
            understood=understood,
            wait=None if self.finished else Wait(self._silence.after_ms),
        )
        self._lines, self._effects = [], []
        return reply


def fill_variables(script: Script, given: Mapping[str, str]) -> dict[str, str]:
    """Every declared variable with the contact's value or its default.

    Raises `MissingVariables` for required ones that are absent or blank.
    """
    filled: dict[str, str] = {CALL_BACK_AT: spoken_call_back(None, datetime.min.replace(tzinfo=UTC), script.language)}
    missing = []
    for variable in script.variables:
        value = given.get(variable.name, "").strip() or variable.default
        if value is None:
            missing.append(variable.name)
        else:
            filled[variable.name] = value
    if missing:
        raise MissingVariables(script.name, missing)
    return filled
