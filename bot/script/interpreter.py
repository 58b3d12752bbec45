"""Runs a script for one call: told what was heard, it answers what to say, do and wait for. No I/O."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Final

import structlog

from bot.outcome import OptOut
from bot.script import collecting, consulting, listening, webhooks
from bot.script.language import BuiltIn, CallWebhook, Collect, Converse, Listen, PutThrough, Script, Silence
from bot.script.listening import REPEATS
from bot.script.progress import Progress, ScriptFailed
from bot.script.prompts import default_lines
from bot.script.replies import (
    CallBack,
    Consult,
    Consulted,
    Effect,
    Fetch,
    Line,
    Mail,
    Reply,
    SetCode,
    Transfer,
    Wait,
)
from bot.script.running import run
from bot.script.variables import fill_variables
from bot.understanding.intents import Understood
from bot.understanding.optout import is_opt_out

__all__ = [
    "REPEATS",
    "CallBack",
    "Effect",
    "Interpreter",
    "Line",
    "OptOut",
    "Reply",
    "ScriptFailed",
    "SetCode",
    "Transfer",
    "Understood",
    "Wait",
    "fill_variables",
]

_log = structlog.get_logger(__name__)

#: Keys that nobody goes on with are taken for the whole value after this time.
TYPING_MS: Final = 4000


class Interpreter:
    """The state of one conversation.

    `now` is the aware instant of the call, against which times are read in `time_zone`. A deep copy is cheap and
    goes on apart. Raises `MissingVariables` when a required variable has no value; every method may raise
    `ScriptFailed`, after which the conversation cannot go on. An opt-out is answered whatever fails beside it.
    """

    def __init__(self, script: Script, variables: Mapping[str, str], *, now: datetime, time_zone: str = "UTC") -> None:
        self._progress = Progress.begin(script, variables, now, time_zone)

    def __deepcopy__(self, memo: dict[int, Any]) -> Interpreter:
        twin = object.__new__(Interpreter)
        twin._progress = self._progress.copy()
        return twin

    @property
    def code(self) -> str | None:
        """The action code so far."""
        return self._progress.code

    @property
    def finished(self) -> bool:
        """Whether the script has come to its end."""
        return self._progress.finished

    def start(self) -> Reply:
        """The greeting."""
        return self._go_on(None)

    def heard(self, text: str) -> Reply:
        """Answer what the customer said.

        While a person is being called or a web service asked, only an opt-out has an answer.
        """
        progress = self._progress
        progress.listened(text)
        progress.silences = 0
        if is_opt_out(text) and not progress.opted_out:
            return self._hear_opt_out(text)
        if progress.finished or self._is_away:
            return self._reply(None)
        understood, goes_on = listening.hear(progress, text)
        return self._go_on(understood) if goes_on else self._reply(understood)

    def silent(self) -> Reply:
        """Go on after the customer has said nothing for as long as `Wait` told."""
        progress = self._progress
        if progress.finished or self._is_away or progress.outside is not None:
            return self._reply(None)
        progress.listened("")
        block = progress.block
        if isinstance(block, Collect) and progress.asked.typed:
            return self._go_on(None) if collecting.stop_typing(progress, block) else self._reply(None)
        silence = self._silence
        if progress.silences < len(silence.say):
            progress.say(silence.say[progress.silences])
            progress.silences += 1
            return self._reply(None)
        progress.leave(silence.goto)
        return self._go_on(None)

    def key(self, digit: str) -> Reply:
        """Answer a pressed key; one that the step does not offer counts as not understood, if it offers any."""
        progress, block = self._progress, self._progress.block
        progress.silences = 0
        if progress.finished:
            return self._reply(None)
        if isinstance(block, Collect) and block.keys:
            progress.listened(f"pressed {digit}")
            return self._go_on(None) if collecting.press(progress, block, digit) else self._reply(None)
        if not isinstance(block, Listen) or not block.keys:
            return self._reply(None)
        progress.listened(f"pressed {digit}")
        target = block.keys.get(digit)
        if target is None:
            return self._go_on(None) if listening.miss(progress) else self._reply(None)
        progress.go(target.step)
        return self._go_on(None)

    def not_joined(self) -> Reply:
        """Go on with a customer whom no agent took."""
        progress, block = self._progress, self._progress.block
        if progress.finished or not isinstance(block, PutThrough):
            return self._reply(None)
        progress.leave(None if block.otherwise is None else block.otherwise.step)
        return self._go_on(None)

    def fetched(self, values: Mapping[str, str] | None) -> Reply:
        """Go on with what a web service answered, by the names of `Fetch.into`; None after a failure."""
        progress, block = self._progress, self._progress.block
        if progress.finished or not isinstance(block, CallWebhook) or progress.outside is None:
            return self._reply(None)
        webhooks.take(progress, block, values)
        return self._go_on(None)

    def consulted(self, answer: Consulted) -> Reply:
        """Go on after a language model's answer, of which only what the script offers may happen."""
        progress, block = self._progress, self._progress.block
        if progress.finished or not isinstance(block, Converse) or progress.outside is None:
            return self._reply(None)
        return self._go_on(None) if consulting.take(progress, block, answer) else self._reply(None)

    def message(self, text: str) -> tuple[Line, ...]:
        """A text for a machine, which nobody interrupts."""
        return self._progress.rendered(text, interruptible=False)

    @property
    def _is_away(self) -> bool:
        return isinstance(self._progress.block, PutThrough) or isinstance(self._progress.outside, Fetch)

    @property
    def _silence(self) -> Silence:
        block = self._progress.block
        own = block.silence if isinstance(block, Listen | Collect | Converse) else None
        return self._progress.script.silence if own is None else own

    def _hear_opt_out(self, text: str) -> Reply:
        self._progress.record_opt_out(text)
        return self._go_on(Understood(BuiltIn.OPT_OUT.value, 1.0), self._answer_opt_out)

    def _answer_opt_out(self) -> None:
        progress, block = self._progress, self._progress.block
        own = [c.step for c in block.choices if c.intent == BuiltIn.OPT_OUT] if isinstance(block, Listen) else []
        progress.finished = False
        progress.go(own[0] if own else progress.script.handlers[BuiltIn.OPT_OUT].step)

    def _go_on(self, understood: Understood | None, lead: Callable[[], None] | None = None) -> Reply:
        progress = self._progress
        try:
            if lead is not None:
                lead()
            run(progress)
            return self._reply(understood)
        except Exception as error:
            if not any(isinstance(effect, OptOut) for effect in progress.effects):
                if isinstance(error, ScriptFailed):
                    # An e-mail is the script's wish, and a loop may have made many.
                    error.effects = tuple(each for each in progress.effects if not isinstance(each, Mail))
                    progress.effects = []
                raise
            # An opt-out is told whatever is wrong with the step that answers it.
            _log.error("script.opt_out_step_failed", step=progress.step.name, error=type(error).__name__)
        progress.leave(None)
        progress.lines.clear()
        progress.say(default_lines(progress.language).opted_out, interruptible=False)
        return self._reply(understood)

    def _reply(self, understood: Understood | None) -> Reply:
        progress = self._progress
        reply = Reply(
            lines=tuple(progress.lines),
            effects=tuple(progress.effects),
            step=progress.step.name,
            understood=understood,
            wait=None if progress.finished else self._next(),
        )
        progress.lines, progress.effects = [], []
        return reply

    def _next(self) -> Wait | Transfer | Fetch | Consult:
        progress, block = self._progress, self._progress.block
        if progress.outside is not None:
            return progress.outside
        if isinstance(block, PutThrough):
            person = progress.script.transfers[block.to]
            whisper = () if person.whisper is None else progress.variables.spoken(person.whisper)
            return Transfer(person.target, whisper, None if block.otherwise is None else block.otherwise.step)
        after_ms, typing = self._silence.after_ms, bool(progress.asked.typed)
        # The question whether a value is right is answered by a yes or a no.
        confirms = progress.asked.candidate is not None
        patience_ms = block.patience_ms if isinstance(block, Listen | Collect) and not confirms else None
        return Wait(min(after_ms, TYPING_MS) if typing else after_ms, patience_ms, typing)
