"""Conversation tests of a script: what a customer does, and what the bot must say and find out. No I/O.

docs/how-to/test-a-script.md is the reference of their YAML form, read by `bot.script.test_files`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import assert_never

from bot.errors import BotError
from bot.outcome import OptOut
from bot.script.in_text import Exchange, TextTalk
from bot.script.language import Script
from bot.script.replies import CallBack, Consult, Consulted, Fetch, Keep, Mail

#: When a test takes place unless it says so: a Wednesday morning.
NOW = datetime(2026, 1, 7, 9, 0, tzinfo=UTC)
#: How a test writes that there is no intent, no code.
NONE = "none"


class Doing(StrEnum):
    """What a customer can do."""

    SAID = "said"
    KEY = "key"
    SILENCE = "silence"
    #: Nobody picks up where the customer is being put through.
    NOT_JOINED = "not_joined"


@dataclass(frozen=True)
class Turn:
    """One thing that the customer does, None for nothing yet, and what must come of it; None: anything may."""

    doing: Doing | None
    what: str = ""
    bot: tuple[str, ...] = ()
    never: tuple[str, ...] = ()
    step: str | None = None
    intent: str | None = None
    transfer: str | None = None
    line: int = 0

    def __str__(self) -> str:
        match self.doing:
            case None:
                return "at the beginning"
            case Doing.SAID:
                return f'after "{self.what}"'
            case Doing.KEY:
                return f"after key {self.what}"
            case Doing.SILENCE:
                return "after silence"
            case Doing.NOT_JOINED:
                return "after nobody picked up"
            case _:
                assert_never(self.doing)


@dataclass(frozen=True)
class Expected:
    """What must stand at the end; each with its line, absent where anything may be.

    `code` and `call_back` are texts, `opted_out` and `ended` "yes" or "no"; `collected` maps names to canonical
    values, "" for one that must not have been given; `emails` holds words of the e-mails, in their order.
    """

    facts: Mapping[str, tuple[str, int]] = field(default_factory=dict)
    collected: Mapping[str, tuple[str, int]] = field(default_factory=dict)
    emails: tuple[tuple[str, int], ...] | None = None


@dataclass(frozen=True)
class Case:
    """One test."""

    name: str
    talk: tuple[Turn, ...]
    expected: Expected = field(default_factory=Expected)
    variables: Mapping[str, str] = field(default_factory=dict)
    #: What web services answer, in order, None for a failure; and language models likewise.
    webhooks: tuple[Mapping[str, str] | None, ...] = ()
    models: tuple[Consulted, ...] = ()
    now: datetime = NOW
    time_zone: str = "UTC"
    file: str = ""
    line: int = 0


@dataclass(frozen=True)
class Failure:
    """One thing that was not as expected."""

    file: str
    line: int
    where: str
    expected: str
    got: str

    def __str__(self) -> str:
        return f"{self.file}, line {self.line}: {self.where}: expected {self.expected}, got {self.got}"


@dataclass(frozen=True)
class Result:
    """How a test went; `exchanges` pairs what was done with what the bot did."""

    case: Case
    failures: tuple[Failure, ...]
    exchanges: tuple[tuple[Turn, Exchange], ...]

    @property
    def passed(self) -> bool:
        return not self.failures


def run_case(script: Script, case: Case) -> Result:
    """Hold the conversation; it stops at the first turn that is not as expected."""
    run = _Run(case)
    try:
        failures = run.hold(script)
    except BotError as error:
        failures = [run.failure(run.line, "in the call", "a conversation", str(error))]
    return Result(case, tuple(failures), tuple(run.exchanges))


class _Answers:
    """The answers that a case gives, each used once."""

    def __init__(self, case: Case) -> None:
        self._webhooks = iter(case.webhooks)
        self._models = iter(case.models)

    def fetch(self, wanted: Fetch) -> Mapping[str, str] | None:
        for answer in self._webhooks:
            return answer
        raise BotError(f"no answer for {wanted.method} {wanted.url}; add it under `webhooks:`, null for a failure")

    def consult(self, _wanted: Consult) -> Consulted:
        for answer in self._models:
            return answer
        raise BotError("no answer of the language model; add it under `llm:`, null for a failure")


class _Run:
    def __init__(self, case: Case) -> None:
        self._case = case
        self._talk: TextTalk
        self.line = case.line
        self.exchanges: list[tuple[Turn, Exchange]] = []

    def hold(self, script: Script) -> list[Failure]:
        """Every turn, then what must stand at the end."""
        case = self._case
        outside = _Answers(case)
        self._talk = TextTalk(script, case.variables, outside, now=case.now, time_zone=case.time_zone)
        last = self._talk.start()
        self.exchanges.append((Turn(None, line=case.line), last))
        for turn in case.talk:
            self.line = turn.line
            if turn.doing is not None:
                over = self._talk.ended
                last = self._do(turn)
                self.exchanges.append((turn, last))
                if over and not (last.lines or last.effects):
                    return [self.failure(turn.line, str(turn), "a conversation", "the call had ended before")]
            if found := list(self._differences(turn, last)):
                return found
        return [*self._facts(), *self._collected(), *self._emails()]

    def _do(self, turn: Turn) -> Exchange:
        match turn.doing:
            case Doing.SAID:
                return self._talk.heard(turn.what)
            case Doing.KEY:
                return self._talk.key(turn.what)
            case Doing.SILENCE:
                return self._talk.silent()
            case _:
                return self._talk.not_joined()

    def _differences(self, turn: Turn, last: Exchange) -> Iterator[Failure]:
        said = f'"{last.text}"' if last.lines else "not a word"
        for words in turn.bot:
            if not _holds(last.text, words):
                yield self.failure(turn.line, str(turn), f'the bot to say "{words}"', said)
        for words in turn.never:
            if _holds(last.text, words):
                yield self.failure(turn.line, str(turn), f'the bot not to say "{words}"', said)
        understood = (last.understood.intent if last.understood else None) or NONE
        for what, wanted, got in (
            ("intent", turn.intent, understood),
            ("step", turn.step, last.step),
            ("transfer", turn.transfer, last.transfer or NONE),
        ):
            if wanted is not None and wanted != got:
                yield self.failure(turn.line, str(turn), f"{what} {wanted}", f"{got}; the bot said {said}")

    def _facts(self) -> Iterator[Failure]:
        found = {
            "code": self._talk.code or NONE,
            "opted_out": _yes_no(any(isinstance(effect, OptOut) for effect in self._effects())),
            "ended": _yes_no(self._talk.ended),
            "call_back": self._call_back(),
        }
        for what, (wanted, line) in self._case.expected.facts.items():
            if not _same(wanted, found[what]):
                yield self.failure(line, "at the end", f"{what} {wanted}", f"{found[what]} ({self._standing()})")

    def _collected(self) -> Iterator[Failure]:
        kept = {effect.name: effect.value for effect in self._effects() if isinstance(effect, Keep)}
        for name, (wanted, line) in self._case.expected.collected.items():
            got = kept.get(name, "")
            if wanted != got:
                yield self.failure(line, "at the end", f"collected {name} {wanted or 'empty'}", got or "nothing")

    def _emails(self) -> Iterator[Failure]:
        wanted = self._case.expected.emails
        if wanted is None:
            return
        sent = [f"{one.to} {one.subject} {one.body}" for one in self._effects() if isinstance(one, Mail)]
        if len(sent) != len(wanted):
            yield self.failure(self._case.line, "at the end", f"{len(wanted)} e-mails", str(len(sent)))
        for (words, line), text in zip(wanted, sent, strict=False):
            if not _holds(text, words):
                yield self.failure(line, "at the end", f'an e-mail with "{words}"', f'"{text}"')

    def _call_back(self) -> str:
        asked = [effect for effect in self._effects() if isinstance(effect, CallBack)]
        if not asked:
            return NONE
        return asked[-1].at.isoformat() if asked[-1].at else "open"

    def _effects(self) -> Iterator[object]:
        for _, exchange in self.exchanges:
            yield from exchange.effects

    def _standing(self) -> str:
        return f"the conversation stands at step {self.exchanges[-1][1].step}"

    def failure(self, line: int, where: str, expected: str, got: str) -> Failure:
        """Something that is not as expected."""
        return Failure(self._case.file, line, f"{self._case.name}, {where}", expected, got)


def _holds(text: str, words: str) -> bool:
    return " ".join(words.casefold().split()) in " ".join(text.casefold().split())


def _same(wanted: str, got: str) -> bool:
    """Whether two words, or two instants in whatever offset, are equal."""
    try:
        return datetime.fromisoformat(wanted) == datetime.fromisoformat(got)
    except ValueError:
        return wanted == got


def _yes_no(value: bool) -> str:
    return "yes" if value else "no"
