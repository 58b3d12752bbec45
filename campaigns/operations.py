"""What may be asked of a live attempt, and what became of it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from campaigns.closing import Finished
from campaigns.codes import Assigned
from campaigns.settling import Settlement
from campaigns.states import AttemptPhase, ContactState

#: Kind of the event that keeps the id of an agent's leg, so that it can be found when its node has died.
AGENT_LEG = "agent_leg"


@dataclass(frozen=True)
class Advance:
    """The call has reached a phase."""

    attempt_id: str
    fence: int
    phase: AttemptPhase
    at: datetime


@dataclass(frozen=True)
class Release:
    """The contact goes back to the queue undialled; the attempt does not count."""

    attempt_id: str
    fence: int
    reason: str
    #: The holder knows that it has not asked the network yet, although it has noted that it will.
    unasked: bool = False


@dataclass(frozen=True)
class OptOutSaid:
    """The customer does not want to be called again."""

    attempt_id: str
    fence: int
    evidence: str


@dataclass(frozen=True)
class AgentDialled:
    """An agent is about to be called for the customer; `leg_id` is that call's id on the network."""

    attempt_id: str
    fence: int
    leg_id: str
    target: str


@dataclass(frozen=True)
class Settle:
    """The call is over, and this is what is known of it."""

    attempt_id: str
    fence: int
    facts: Settlement


Operation = Advance | Release | OptOutSaid | AgentDialled | Settle


@dataclass(frozen=True)
class Moved:
    """What became of an attempt; `assigned` and `contact_state` once it has ended."""

    attempt_id: str
    campaign_id: int
    phase: AttemptPhase
    assigned: Assigned | None = None
    contact_state: ContactState | None = None
    reason: str | None = None
    #: Campaigns that the transaction has ended; told once, by the first move of it.
    finished: tuple[Finished, ...] = ()


def is_signalling(operation: Operation) -> bool:
    """Whether only the attempt's own row is needed."""
    if isinstance(operation, Advance):
        return operation.phase is not AttemptPhase.ORIGINATING
    return isinstance(operation, AgentDialled)
