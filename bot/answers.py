"""What the script makes of what was heard, and what the conversation has come to so far."""

from __future__ import annotations

import copy
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

import structlog

from bot.frames import BeepFrame, HeardFrame, MonologueFrame
from bot.outcome import Latency
from bot.patience import Words
from bot.script.hearing import model_of
from bot.script.interpreter import Interpreter
from bot.script.language import DEFAULT_MACHINES, BuiltIn, MachinePolicy, MachineRule, Script
from bot.script.listening import VALUE
from bot.script.replies import Consulted, Keep, Line, Mail, Reply
from bot.timings import BotTurn, CallTime, CustomerTurn, TurnLog
from bot.understanding.optout import is_opt_out
from bot.understanding.turns import is_back_channel, is_brief, sounds_open
from bot.who_answered import MACHINES, Supervisor, Verdict

_log = structlog.get_logger(__name__)

#: What a "Hello?" begins with; behind it may stand an answer.
_PICKING_UP: Final = re.compile(r"^(?:\W*\b(?:hello|hi|hey|hallo|yes|yeah|a ?lô|alo|dạ|vâng)\b)+\W*", re.IGNORECASE)
#: An answering machine's first sentence can look like an answer to the greeting.
_ANSWERS_OF_A_PERSON: Final = 2
#: Whisper writes "uh-huh" as "Wow", "Amen" or "M M M" with 0.05 to 0.25, and short words with 0.24 and more.
_HUM_CONFIDENCE: Final = 0.25


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
    #: What the customer gave, by the script's names, in the canonical text of `ValueKind`.
    collected: dict[str, str] = field(default_factory=dict)
    mails: list[Mail] = field(default_factory=list)


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
        self._undo: tuple[Interpreter, Findings, int] | None = None
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
        rest = _PICKING_UP.sub("", text)
        return self._is_hello(text) and (not rest or self._is_hello(rest))

    def _is_hello(self, text: str) -> bool:
        intents = [intent for intent in BuiltIn if intent is not BuiltIn.OPT_OUT]
        understood = model_of(self._script).classify(text, intents, threshold=self._script.min_confidence)
        return understood.intent == BuiltIn.HELLO

    def is_back_channel(self, text: str, turn: BotTurn) -> bool:
        """Whether these words, said into `turn`, only tell that somebody listens.

        Into a question they answer it; into the last line before the customer's turn, those that say yes do.
        """
        if _asks(turn):
            return False
        return is_back_channel(text, self._script.language, agreeing=not _is_last(turn))

    def is_hum(self, text: str, confidence: float | None, turn: BotTurn) -> bool:
        """Whether recognition made these words of a hum: it doubts them, and they answer nothing.

        Not in the last line before the customer's turn, nor in a question: there they may be an answer badly heard.
        """
        if confidence is None or confidence > _HUM_CONFIDENCE or _asks(turn) or _is_last(turn):
            return False
        return self._intent_of(text) is None

    def judge(self, text: str) -> Words:
        """What the words tell of the end of the customer's turn."""
        if sounds_open(text, self._script.language):
            return Words.OPEN
        intent = self._intent_of(text)
        if intent is None:
            return Words.UNSURE
        return Words.BRIEF if intent == VALUE or is_brief(text, self._script.language) else Words.WHOLE

    def _intent_of(self, text: str) -> str | None:
        """What the script would take `text` for; changes nothing."""
        try:
            understood = self._snapshot().heard(text).understood
        except Exception as error:
            # It will be told when the turn is answered.
            _log.debug("answers.not_judged", error=type(error).__name__)
            return None
        return understood.intent if understood is not None else None

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

    def fetched(self, values: Mapping[str, str] | None) -> Reply:
        """What follows when a web service has answered, or (None) has not."""
        self._undo = None
        return self._interpreter.fetched(values)

    def consulted(self, answer: Consulted) -> Reply:
        """What follows when a language model has answered."""
        self._undo = None
        return self._interpreter.consulted(answer)

    def heard_before(self, frame: HeardFrame) -> Reply | None:
        """The answer to what was said before the bot's question was; None when it answers nothing of it."""
        before = self._snapshot()
        reply = self.heard(frame)
        understood = reply.understood.intent if reply.understood is not None else None
        if understood is not None and understood not in (BuiltIn.HELLO, BuiltIn.REPEAT):
            return reply
        self._interpreter, self._undo = before, None
        return None

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
        self._undo = (self._snapshot(), copy.deepcopy(self.findings), self._answers)
        asked_at = self.log.time.now()
        try:
            reply = self._interpreter.heard(frame.text)
        except Exception:
            self.note(frame)
            raise
        self._write_down(frame, reply, understanding_ms=round((self.log.time.now() - asked_at) * 1000))
        intent = reply.understood.intent if reply.understood is not None else None
        if intent is not None and intent != BuiltIn.HELLO and not self.supervisor.spoke_as_machine:
            self._answers += 1
            if self._answers == _ANSWERS_OF_A_PERSON:
                self.supervisor.answered("two answers to the bot's questions", now_ms=self._now_ms())
        return reply

    def _now_ms(self) -> int:
        return self.log.time.ms(self.log.time.now())

    def note(self, frame: HeardFrame | MonologueFrame) -> None:
        """Write a customer turn down that nothing is answered to: words that continue it take nothing else back."""
        self._undo = None
        self._write_down(frame)

    def note_more(self, frame: HeardFrame) -> None:
        """Write down the whole of a turn whose first half was answered for good."""
        del self.log.customer[-1:]
        self.note(frame)

    @property
    def can_take_back(self) -> bool:
        """Whether the answer to the customer's last turn can be taken back, should the turn go on."""
        return self._undo is not None

    def _write_down(
        self, frame: HeardFrame | MonologueFrame, reply: Reply | None = None, *, understanding_ms: int | None = None
    ) -> None:
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
                heard=frame.alternatives if isinstance(frame, HeardFrame) else (),
                collected={one.name: one.value for one in reply.effects if isinstance(one, Keep)} if reply else {},
                latency=_latency(frame, understanding_ms),
            )
        )

    def _take_back(self) -> None:
        del self.log.customer[-1:]
        # An opt-out stays: it is committed already.
        if self._undo is not None and not self.findings.opted_out:
            self._interpreter, self.findings, self._answers = self._undo

    def _snapshot(self) -> Interpreter:
        script = self._script
        shared = {id(part): part for part in (script, model_of(script), *script.steps.values())}
        return copy.deepcopy(self._interpreter, shared)


def _asks(turn: BotTurn) -> bool:
    """Whether the line that is being said is a question."""
    return turn.lines[min(turn.line, len(turn.lines) - 1)].text.rstrip().endswith("?")


def _is_last(turn: BotTurn) -> bool:
    """Whether the customer has their turn after the line that is being said."""
    return turn.line >= len(turn.lines) - 1 and not turn.final


def _latency(frame: HeardFrame | MonologueFrame, understanding_ms: int | None) -> Latency:
    if not isinstance(frame, HeardFrame):
        return Latency()
    return Latency(
        frame.endpointing_ms, frame.stt_wait_ms, frame.stt_work_ms, frame.stt_late_ms, understanding_ms=understanding_ms
    )
