"""What the script makes of what was heard, and what the conversation has come to so far."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from bot.frames import BeepFrame, HeardFrame, MonologueFrame
from bot.script.hearing import model_of
from bot.script.interpreter import Interpreter
from bot.script.language import DEFAULT_MACHINES, BuiltIn, MachinePolicy, MachineRule, Script
from bot.script.replies import Line, Reply
from bot.timings import CallTime, CustomerTurn, TurnLog
from bot.understanding.optout import is_opt_out
from bot.who_answered import MACHINES, Supervisor, Verdict

#: An answering machine's first sentence can look like an answer to the greeting.
_ANSWERS_OF_A_PERSON: Final = 2


@dataclass
class Findings:
    """What the conversation has come to so far."""

    code: str | None = None
    callback: bool = False
    callback_at: datetime | None = None
    opted_out: bool = False
    voicemail: bool = False
    customer_spoke: bool = False
    error: str | None = None


class Answers:
    """The script's side of one conversation; notes every customer turn in `log`."""

    def __init__(
        self, script: Script, interpreter: Interpreter, time: CallTime, *, given: Verdict | None = None
    ) -> None:
        self.findings = Findings()
        self.log = TurnLog(time)
        self.supervisor = Supervisor(given)
        #: The step that the customer answers now.
        self.step: str | None = None
        self._script = script
        self._interpreter = interpreter
        self._undo: tuple[Interpreter, Findings] | None = None
        self._answers = 0

    @property
    def suspicious(self) -> bool:
        """Whether a machine may still be on the line."""
        return self._answers < _ANSWERS_OF_A_PERSON and not self.findings.opted_out

    @property
    def rule(self) -> MachineRule | None:
        """What the script does with the machine that took the call; None for whoever is talked with."""
        answerer = self.supervisor.answerer
        if answerer not in MACHINES:
            return None
        rule = self._script.machines.get(answerer, DEFAULT_MACHINES[answerer])
        return None if rule.policy is MachinePolicy.TALK_ON else rule

    def sounds_recorded(self, frame: HeardFrame | MonologueFrame) -> bool:
        """Whether a machine says this that is not to be talked with; who wants no more calls is never taken for one."""
        if not self.suspicious or is_opt_out(frame.text):
            return False
        time = self.log.time
        self.supervisor.heard(
            frame.text,
            time.ms(frame.started_at),
            time.ms(frame.ended_at),
            now_ms=time.ms(time.now()),
            finished=isinstance(frame, HeardFrame) or frame.paused,
        )
        return self.rule is not None

    def tone(self, frame: BeepFrame) -> bool:
        """Whether a machine that is not to be talked with sounds this tone."""
        if not self.suspicious or frame.beep is None:
            return False
        before = self.supervisor.verdict
        self.supervisor.tone(frame.beep, now_ms=self.log.time.ms(frame.at))
        return self.supervisor.verdict is not before and self.rule is not None

    def message(self, text: str) -> tuple[Line, ...]:
        """A text of `machines:` with this contact's values."""
        return self._interpreter.message(text)

    def is_hello(self, text: str) -> bool:
        """Whether this is no more than the word with which people pick up."""
        intents = [intent for intent in BuiltIn if intent is not BuiltIn.OPT_OUT]
        understood = model_of(self._script).classify(text, intents, threshold=self._script.min_confidence)
        return understood.intent == BuiltIn.HELLO

    def start(self) -> Reply:
        """The greeting."""
        return self._interpreter.start()

    def silent(self) -> Reply:
        """What follows when nobody speaks."""
        self._undo = None
        return self._interpreter.silent()

    def not_joined(self) -> Reply:
        """What follows when no agent took the customer."""
        self._undo = None
        return self._interpreter.not_joined()

    def put_through(self) -> None:
        """A person is called: whoever speaks from now on is not judged."""
        self._answers = _ANSWERS_OF_A_PERSON

    def key(self, digit: str, at: float) -> Reply:
        """The answer to a pressed key."""
        self._undo = None
        self._answers = _ANSWERS_OF_A_PERSON
        self.supervisor.answered(f"pressed {digit}", now_ms=self.log.time.ms(at))
        self.findings.customer_spoke = True
        self.log.customer.append(CustomerTurn(at, at, digit, self.step, intent="key"))
        return self._interpreter.key(digit)

    def heard(self, frame: HeardFrame) -> Reply:
        """The answer to a customer turn; to both halves of one that goes on, as if the first had had no answer."""
        if frame.continues:
            self._take_back()
        self._undo = (self._snapshot(), copy.copy(self.findings))
        reply = self._interpreter.heard(frame.text)
        self.note(frame, reply)
        intent = reply.understood.intent if reply.understood is not None else None
        if intent is not None and intent != BuiltIn.HELLO and not self.supervisor.spoke_as_machine:
            self._answers += 1
            if self._answers == _ANSWERS_OF_A_PERSON:
                self.supervisor.answered("two answers to the bot's questions", now_ms=self._now_ms())
        return reply

    def _now_ms(self) -> int:
        return self.log.time.ms(self.log.time.now())

    def note(self, frame: HeardFrame | MonologueFrame, reply: Reply | None = None) -> None:
        """Write a customer turn down."""
        self.findings.customer_spoke = True
        understood = reply.understood if reply is not None else None
        self.log.customer.append(
            CustomerTurn(
                started_at=frame.started_at,
                ended_at=frame.ended_at,
                text=frame.text,
                step=self.step,
                intent=understood.intent if understood is not None else None,
                confidence=understood.confidence if understood is not None else None,
                stt_ms=frame.stt_ms if isinstance(frame, HeardFrame) else None,
            )
        )

    def _take_back(self) -> None:
        del self.log.customer[-1:]
        # An opt-out stays: it is committed already.
        if self._undo is not None and not self.findings.opted_out:
            self._interpreter, self.findings = self._undo

    def _snapshot(self) -> Interpreter:
        script = self._script
        shared = {id(part): part for part in (script, model_of(script), *script.steps.values())}
        return copy.deepcopy(self._interpreter, shared)
