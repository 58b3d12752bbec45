"""Runs a script for one call: told what was heard, it answers what to say, do and wait for. No I/O."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import assert_never

from bot.errors import MissingVariables
from bot.outcome import OptOut
from bot.script.hearing import model_of
from bot.script.language import (
    AskBack,
    AskOut,
    Block,
    BuiltIn,
    End,
    Goto,
    Label,
    Listen,
    PutThrough,
    Say,
    Script,
    Silence,
)
from bot.script.rendering import CALL_BACK_AT, spoken
from bot.script.replies import CallBack, Effect, Line, Reply, SetCode, Transfer, Wait
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
    "Transfer",
    "Understood",
    "Wait",
    "fill_variables",
]

#: How often the customer may have the same words said again in one step.
REPEATS = 3
#: A request to be called at another time is found by rule, not by likeness to samples.
CALL_BACK_CONFIDENCE = 0.9


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
        """Answer what the customer said; while a person is being called, only an opt-out has an answer."""
        self._heard = text
        self._silences = 0
        if is_opt_out(text) and not self._opted_out:
            return self._hear_opt_out(text)
        block = self._block
        if self.finished or isinstance(block, PutThrough):
            return self._reply(None)
        if isinstance(block, AskBack) and self._call_back_time(text) is not None:
            return self._run(Understood(BuiltIn.CALL_BACK.value, CALL_BACK_CONFIDENCE))
        return self._answer(self._understand(text, block), block)

    def silent(self) -> Reply:
        """Go on after the customer has said nothing for as long as `Wait` told."""
        if self.finished or isinstance(self._block, PutThrough):
            return self._reply(None)
        self._heard = ""
        silence = self._silence
        if self._silences < len(silence.say):
            self._say(silence.say[self._silences])
            self._silences += 1
            return self._reply(None)
        return self._enter(silence.goto, None)

    def key(self, digit: str) -> Reply:
        """Answer a pressed key; one that the step does not offer counts as not understood, if it offers any."""
        self._silences = 0
        block = self._block
        if self.finished or not isinstance(block, Listen) or not block.keys:
            return self._reply(None)
        self._heard = f"pressed {digit}"
        target = block.keys.get(digit)
        return self._miss(block, None) if target is None else self._enter(target.step, None)

    def not_joined(self) -> Reply:
        """Go on with a customer whom no agent took."""
        block = self._block
        if self.finished or not isinstance(block, PutThrough):
            return self._reply(None)
        return self._enter(None if block.otherwise is None else block.otherwise.step, None)

    def message(self, text: str) -> tuple[Line, ...]:
        """A text for a machine, which nobody interrupts."""
        return self._rendered(text, interruptible=False)

    @property
    def _block(self) -> Block:
        return self._step.blocks[min(self._place, len(self._step.blocks) - 1)]

    @property
    def _silence(self) -> Silence:
        block = self._block
        return block.silence if isinstance(block, Listen) and block.silence is not None else self._script.silence

    def _understand(self, text: str, block: Block) -> Understood:
        """The best of what this step and the whole script offer; the step's own intents come first."""
        if asks_call_back(text, self._script.language):
            return Understood(BuiltIn.CALL_BACK.value, CALL_BACK_CONFIDENCE)
        offered = [choice.intent for choice in block.choices] if isinstance(block, Listen) else []
        offered += [question.intent for question in self._script.questions]
        offered += [handled.value for handled in self._script.handlers]
        offered += [BuiltIn.REPEAT.value, BuiltIn.HELLO.value]
        threshold = block.min_confidence if isinstance(block, Listen) else None
        return self._model.classify(
            self._without_name(text),
            tuple(dict.fromkeys(offered)),
            threshold=self._script.min_confidence if threshold is None else threshold,
        )

    def _without_name(self, text: str) -> str:
        """`text` with the contact's own name as "someone", as in the samples of `wrong_person`."""
        name = self._variables.get("name", "")
        return re.sub(rf"\b{re.escape(name)}\b", "someone", text, flags=re.IGNORECASE) if name else text

    def _answer(self, understood: Understood, block: Block) -> Reply:
        intent = understood.intent
        for choice in block.choices if isinstance(block, Listen) else ():
            if choice.intent == intent:
                return self._enter(choice.step, understood)
        for question in self._script.questions:
            if question.intent == intent:
                return self._again(understood, block, question.repeat, question.answer)
        if intent in (BuiltIn.REPEAT, BuiltIn.HELLO):
            return self._again(understood, block, REPEATS, None)
        if intent is None or (intent == BuiltIn.CALL_BACK and isinstance(block, AskBack)):
            return self._miss(block, understood)
        return self._enter(self._script.handlers[BuiltIn(intent)].step, understood)

    def _again(self, understood: Understood, block: Block, limit: int, answer: str | None) -> Reply:
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

    def _question(self, block: Block) -> tuple[Line, ...]:
        """What is asked again after an answered question: `ask`, else the last sentence before listening."""
        if isinstance(block, Listen) and block.ask is not None:
            return self._rendered(block.ask)
        return self._prompt[-1:]

    def _miss(self, block: Block, understood: Understood | None) -> Reply:
        """Go on after something that fits nothing: the next reprompt or question, then what follows the last."""
        if not isinstance(block, Listen):
            return self._run(understood)
        if self._misses < len(block.reprompt):
            self._say(block.reprompt[self._misses])
            self._misses += 1
            return self._reply(understood)
        return self._enter(None if block.otherwise is None else block.otherwise.step, understood)

    def _hear_opt_out(self, text: str) -> Reply:
        self._record_opt_out(text)
        block = self._block
        own = [c.step for c in block.choices if c.intent == BuiltIn.OPT_OUT] if isinstance(block, Listen) else []
        step = own[0] if own else self._script.handlers[BuiltIn.OPT_OUT].step
        self.finished = False
        return self._enter(step, Understood(BuiltIn.OPT_OUT.value, 1.0))

    def _record_opt_out(self, evidence: str) -> None:
        if not self._opted_out:
            self._opted_out = True
            self._set_code("DNC")
            self._effects.append(OptOut(evidence))

    def _call_back_time(self, text: str) -> datetime | None:
        return parse_call_back(text, self._now, self._time_zone, self._script.language)

    def _record_call_back(self, at: datetime | None) -> None:
        self._variables[CALL_BACK_AT] = spoken_call_back(at, self._now, self._script.language)
        self._set_code("CB")
        self._effects.append(CallBack(at))

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
            case PutThrough():
                return False
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
        """The wish is recorded at once, for the customer may hang up before naming a time."""
        at = self._call_back_time(self._heard)
        if at is not None or self._call_back_asks == 0:
            self._record_call_back(at)
        if at is None and self._call_back_asks < len(block.ask):
            self._say(block.ask[self._call_back_asks])
            self._call_back_asks += 1
            return False
        self._place += 1
        return True

    def _set_code(self, code: str) -> None:
        self.code = code
        self._effects.append(SetCode(code))

    def _say(self, text: str, *, interruptible: bool = True) -> None:
        self._lines.extend(self._rendered(text, interruptible=interruptible))

    def _rendered(self, text: str, *, interruptible: bool = True) -> tuple[Line, ...]:
        return tuple(Line(sentence, interruptible) for sentence in spoken(text, self._variables))

    def _reply(self, understood: Understood | None) -> Reply:
        reply = Reply(
            lines=tuple(self._lines),
            effects=tuple(self._effects),
            step=self._step.name,
            understood=understood,
            wait=None if self.finished else self._next(),
        )
        self._lines, self._effects = [], []
        return reply

    def _next(self) -> Wait | Transfer:
        block = self._block
        if not isinstance(block, PutThrough):
            return Wait(self._silence.after_ms)
        person = self._script.transfers[block.to]
        whisper = () if person.whisper is None else spoken(person.whisper, self._variables)
        return Transfer(person.target, whisper, None if block.otherwise is None else block.otherwise.step)


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
