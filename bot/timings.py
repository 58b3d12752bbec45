"""Who spoke when: the turns of one call, in ms after the answer."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from bot.outcome import Alternative, Latency, Speaker, Turn
from bot.script.replies import Line
from storage.clock import Clock
from telephony.call import Call

#: Wall clock and event loop part so far only when the system's clock was set during the call.
_CLOCK_SET_MS: Final = 2000


def lasted_ms(begin: datetime, end: datetime, by_loop_ms: int) -> int:
    """From `begin` to `end`, or `by_loop_ms` when the system's clock was set between them."""
    by_clock_ms = (end - begin) // timedelta(milliseconds=1)
    return max(0, by_clock_ms) if abs(by_clock_ms - by_loop_ms) <= _CLOCK_SET_MS else by_loop_ms


class CallTime:
    """The time of one call: seconds of the event loop's clock as ms after the answer."""

    def __init__(self, answered_at: float) -> None:
        self.answered_at = answered_at

    @classmethod
    def of(cls, call: Call, clock: Clock) -> CallTime:
        """Ties the instant of the answer to the event loop's clock."""
        since = (clock.now() - call.answered_at) / timedelta(seconds=1)
        return cls(asyncio.get_running_loop().time() - max(0.0, since))

    def ms(self, at: float) -> int:
        """`at` as ms after the answer."""
        return round((at - self.answered_at) * 1000)

    def now(self) -> float:
        """The present time of the event loop's clock."""
        return asyncio.get_running_loop().time()


@dataclass(eq=False)
class BotTurn:
    """What the bot says in one turn; it counts as a message once `began_at` is set (VOCABULARY: message)."""

    lines: Sequence[Line]
    step: str | None
    #: End of the customer's speech that it answers, None where it answers none.
    answers: float | None = None
    #: Whether the customer's voice may stop it at all.
    final: bool = False
    began_at: float | None = None
    ended_at: float | None = None
    #: The line now in the customer's ear.
    line: int = 0
    interrupted: bool = False
    #: When it fell silent for the customer's voice, until it goes on.
    held_at: float | None = None
    #: From the customer's first sound to the bot's last.
    stopped_after_ms: int | None = None
    #: From the question to a language model to its first sentence.
    llm_first_sentence_ms: int | None = None
    #: From the first line's text to its first sound; 0 out of the phrase cache.
    tts_first_byte_ms: int | None = None
    #: More lines may come; `paused_at` is the end of the last one that is known, while nothing plays.
    open: bool = False
    paused_at: float | None = None

    @property
    def interruptible(self) -> bool:
        """Whether the customer's voice stops the line now in their ear."""
        return not self.final and self.lines[min(self.line, len(self.lines) - 1)].interruptible

    def text(self) -> str:
        """What was said of it: the lines that began."""
        whole = self.ended_at is not None and not self.interrupted
        said = self.lines if whole else self.lines[: self.line + 1]
        return " ".join(line.text for line in said)

    def whole_text(self) -> str:
        """Every line that is known."""
        return " ".join(line.text for line in self.lines)


@dataclass
class CustomerTurn:
    """What the customer said in one turn."""

    started_at: float
    ended_at: float
    text: str
    step: str | None = None
    intent: str | None = None
    confidence: float | None = None
    stt_ms: int | None = None
    heard: tuple[Alternative, ...] = ()
    collected: Mapping[str, str] = field(default_factory=dict)
    latency: Latency = field(default_factory=Latency)


@dataclass
class TurnLog:
    """The turns of one call, both sides, in order of their begin."""

    time: CallTime
    bot: list[BotTurn] = field(default_factory=list)
    customer: list[CustomerTurn] = field(default_factory=list)

    def turns(self, until_ms: int) -> tuple[Turn, ...]:
        """Every turn that was heard or began to play, in a call that lasted `until_ms`."""
        found = [self._bot_turn(turn, until_ms) for turn in self.bot if turn.began_at is not None]
        found += [self._customer_turn(turn) for turn in self.customer]
        return tuple(sorted(found, key=lambda turn: turn.start_ms))

    def so_far(self) -> tuple[Turn, ...]:
        """See `outcome.TurnsSoFar`."""
        return self.turns(self.time.ms(self.time.now()))

    @property
    def messages(self) -> int:
        """Bot turns whose audio began to play."""
        return sum(turn.began_at is not None for turn in self.bot)

    @property
    def answer_to_first_word_ms(self) -> int | None:
        """From the answer to the bot's first sample."""
        begun = [turn.began_at for turn in self.bot if turn.began_at is not None]
        return self.time.ms(min(begun)) if begun else None

    def _bot_turn(self, turn: BotTurn, until_ms: int) -> Turn:
        began = turn.began_at or 0.0
        return Turn(
            speaker=Speaker.BOT,
            start_ms=self.time.ms(began),
            end_ms=until_ms if turn.ended_at is None else min(self.time.ms(turn.ended_at), until_ms),
            text=turn.text(),
            step=turn.step,
            interrupted=turn.interrupted,
            voice_to_voice_ms=None if turn.answers is None else round((began - turn.answers) * 1000),
            barge_in_stop_ms=turn.stopped_after_ms if turn.interrupted else None,
            latency=Latency(llm_first_sentence_ms=turn.llm_first_sentence_ms, tts_first_byte_ms=turn.tts_first_byte_ms),
        )

    def _customer_turn(self, turn: CustomerTurn) -> Turn:
        return Turn(
            speaker=Speaker.CUSTOMER,
            start_ms=self.time.ms(turn.started_at),
            end_ms=self.time.ms(turn.ended_at),
            text=turn.text,
            step=turn.step,
            intent=turn.intent,
            confidence=turn.confidence,
            stt_ms=turn.stt_ms,
            heard=turn.heard,
            collected=dict(turn.collected),
            latency=turn.latency,
        )
