"""What a conversation is given and what it leaves behind; free of audio libraries."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from pathlib import PurePosixPath
from typing import Protocol

from bot.who_answered.verdict import Verdict
from telephony.call import Call, NotAnswered
from telephony.transfer import Target, TransferBy


class EndedBy(StrEnum):
    """Which side brought the conversation to its end."""

    BOT = "bot"
    CUSTOMER = "customer"
    MAX_DURATION = "max_duration"
    ERROR = "error"


class Speaker(StrEnum):
    BOT = "bot"
    CUSTOMER = "customer"


@dataclass(frozen=True)
class OptOut:
    """The customer does not want to be called again; `evidence` is what was said or pressed."""

    evidence: str


class Agents(Protocol):
    """The way to the agents, for one conversation."""

    def began(self, target: Target) -> None:
        """The transfer begins: the call may last longer than a conversation from now on. Must not block."""
        ...

    async def dial(self, target: Target) -> Call | NotAnswered:
        """Call an agent over the trunk of the customer's call; cancelling hangs up. Whoever dials hangs up."""
        ...


@dataclass(frozen=True)
class Transferred:
    """A transfer, as it went; times are ms after the customer's answer."""

    target: str
    number: str
    by: TransferBy
    asked_ms: int
    #: When customer and agent were joined; None when the agent did not pick up.
    joined_ms: int | None = None
    #: The agent's own leg from its answer to its end; 0 when there was none of ours.
    agent_ms: int = 0
    #: The agent hung up first.
    ended_by_agent: bool = False
    #: What the network said of the agent's leg.
    text: str | None = None


class TurnsSoFar(Protocol):
    """The turns of a conversation while it lasts."""

    def so_far(self) -> tuple[Turn, ...]:
        """Every turn that was heard or began to play, by now; the last ones may change yet, or be taken back."""
        ...


@dataclass(frozen=True)
class Job:
    """One conversation to hold."""

    attempt_id: str
    variables: Mapping[str, str]
    max_call_s: float
    #: Awaited, and so durable, before the bot's next word (DESIGN invariant 5).
    on_opt_out: Callable[[OptOut], Awaitable[None]]
    #: The local time where the contact is, for call-backs that the customer asks for.
    time_zone: str = "UTC"
    #: AMDSTATUS and AMDCAUSE, where the user's dialplan ran Asterisk's AMD before handing the call over.
    amd_status: str | None = None
    amd_cause: str | None = None
    #: None where a call cannot be transferred; the script then goes on as if nobody picked up.
    agents: Agents | None = None
    #: From the join of customer and agent on, in place of `max_call_s`.
    max_transfer_s: float = 7200.0
    #: Given the turns as the conversation begins, for whoever looks on while it lasts.
    watch: Callable[[TurnsSoFar], None] | None = None


@dataclass(frozen=True)
class Alternative:
    """One reading of what was said; `score` is the recogniser's confidence from 0 to 1, None where it gives none."""

    text: str
    score: float | None = None
    #: The recognition model that read it so.
    model: str | None = None


@dataclass(frozen=True)
class Latency:
    """What a turn took, part by part in ms; None for a part that it did not have or that nobody measured."""

    #: Customer turns: from their last sound until the turn was taken as over.
    endpointing_ms: int | None = None
    #: Recognition: in the queue, and at work.
    stt_wait_ms: int | None = None
    stt_work_ms: int | None = None
    #: What of the recognition was still to be waited for when the silence had been long enough.
    stt_late_ms: int | None = None
    #: From the words to the script's answer.
    understanding_ms: int | None = None
    #: Bot turns: from the question to a language model to its first sentence.
    llm_first_sentence_ms: int | None = None
    #: From the first line's text to its first sound; 0 out of the phrase cache.
    tts_first_byte_ms: int | None = None


@dataclass(frozen=True)
class LlmUsage:
    """What the language models of one conversation used; one for each model."""

    model: str
    prompt_tokens: int = 0
    completion_tokens: int = 0
    #: What the answers cost by the provider's price list, in US dollars; None where it has no price for the model.
    cost_usd: Decimal | None = None
    #: Questions asked.
    answers: int = 1


@dataclass(frozen=True)
class Letter:
    """An e-mail that the script wants sent."""

    to: str
    subject: str
    body: str


@dataclass(frozen=True)
class Turn:
    """One turn of either side; times are ms after the answer."""

    speaker: Speaker
    start_ms: int
    end_ms: int
    text: str
    step: str | None = None
    intent: str | None = None
    confidence: float | None = None
    interrupted: bool = False
    stt_ms: int | None = None
    #: Bot turns: from the end of the customer's speech to the first sample of the reply.
    voice_to_voice_ms: int | None = None
    #: Interrupted bot turns: from the start of the customer's speech to the bot's last sample.
    barge_in_stop_ms: int | None = None
    #: Customer turns: the recogniser's readings, the best first.
    heard: tuple[Alternative, ...] = ()
    #: Customer turns: the values that were taken from it, in canonical text.
    collected: Mapping[str, str] = field(default_factory=dict)
    latency: Latency = field(default_factory=Latency)


@dataclass(frozen=True)
class Recording:
    """A stereo file (customer left, bot right); `path` is relative to the recordings folder."""

    path: PurePosixPath
    rate_hz: int
    channels: int
    duration_ms: int
    bytes: int
    sha256: str
    #: Why the file is not whole (a full disk), else None.
    error: str | None = None


@dataclass(frozen=True)
class ConversationResult:
    """Everything the ledger needs to settle an answered attempt."""

    ended_by: EndedBy
    #: The script's action code (its label), None when the script set none.
    code: str | None = None
    #: Bot turns whose audio began to play (VOCABULARY: message).
    messages: int = 0
    customer_spoke: bool = False
    #: No person took the call: voicemail, a screener, a menu, a fax.
    voicemail: bool = False
    opted_out: bool = False
    #: The customer asked to be called back; the instant, when one was named.
    callback: bool = False
    callback_at: datetime | None = None
    turns: tuple[Turn, ...] = ()
    recording: Recording | None = None
    answer_to_first_word_ms: int | None = None
    error: str | None = None
    notes: Mapping[str, str] = field(default_factory=dict)
    #: Who answered: each verdict in order, the last one stands.
    who_answered: tuple[Verdict, ...] = ()
    #: The last transfer that was tried, None when there was none.
    transfer: Transferred | None = None
    #: What the customer gave, by the script's names, in the canonical text of `ValueKind`.
    collected: Mapping[str, str] = field(default_factory=dict)
    mails: tuple[Letter, ...] = ()
    llm_usage: tuple[LlmUsage, ...] = ()


class Conversation(Protocol):
    """Talks with the customer on an answered call until either side is done."""

    async def run(self, call: Call, job: Job) -> ConversationResult:
        """Hold the conversation and hang up at its end; raises only for cancellation.

        Whatever fails inside becomes `EndedBy.ERROR` with a line to the customer and a true recording.
        """
        ...
