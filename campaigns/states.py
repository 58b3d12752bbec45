"""States of campaigns, contacts and attempts, and the only moves between them (VOCABULARY: states, phases)."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import TypeVar

from campaigns.errors import IllegalMove


class CampaignState(StrEnum):
    """Where a campaign stands. *Waiting* for a window is derived and never stored."""

    DRAFT = "draft"
    SCHEDULED = "scheduled"
    RUNNING = "running"
    PAUSED = "paused"
    COMPLETED = "completed"
    STOPPED = "stopped"
    EXPIRED = "expired"
    ARCHIVED = "archived"


class ContactState(StrEnum):
    """Where a contact stands within its campaign."""

    HELD = "held"
    PENDING = "pending"
    IN_PROGRESS = "in_progress"
    RETRY_WAIT = "retry_wait"
    CALLBACK = "callback"
    DONE = "done"
    EXHAUSTED = "exhausted"
    OPTED_OUT = "opted_out"
    DNC_BLOCKED = "dnc_blocked"
    INVALID = "invalid"
    DUPLICATE = "duplicate"
    EXPIRED = "expired"
    ERROR = "error"
    CANCELLED = "cancelled"


class AttemptPhase(StrEnum):
    """How far one dialling of one contact has come."""

    CREATED = "created"
    ORIGINATING = "originating"
    RINGING = "ringing"
    ANSWERED = "answered"
    TALKING = "talking"
    TRANSFERRING = "transferring"
    WRAPUP = "wrapup"
    ENDED = "ended"


#: The report of a campaign is due once it is in one of these.
FINISHED = frozenset({CampaignState.COMPLETED, CampaignState.STOPPED, CampaignState.EXPIRED})
#: The runner looks after campaigns in these: their live calls end, their contacts are dialled or wait.
OPEN = frozenset({CampaignState.RUNNING, CampaignState.PAUSED})
#: Contacts that a claim may take.
DIALLABLE = frozenset({ContactState.PENDING, ContactState.RETRY_WAIT, ContactState.CALLBACK})
#: Contacts that no call is on and none is to come for, once their campaign ends.
WAITING = DIALLABLE | {ContactState.HELD}
#: Contacts that keep their campaign from completing.
UNFINISHED = WAITING | {ContactState.IN_PROGRESS}
#: A call may be on the network in these phases: a dead node's attempt is *lost*, not returned to the queue.
ON_THE_NETWORK = frozenset(
    {
        AttemptPhase.ORIGINATING,
        AttemptPhase.RINGING,
        AttemptPhase.ANSWERED,
        AttemptPhase.TALKING,
        AttemptPhase.TRANSFERRING,
    }
)

_CAMPAIGN_MOVES: Mapping[CampaignState, frozenset[CampaignState]] = {
    CampaignState.DRAFT: frozenset({CampaignState.SCHEDULED, CampaignState.RUNNING, CampaignState.ARCHIVED}),
    CampaignState.SCHEDULED: frozenset(
        {CampaignState.DRAFT, CampaignState.RUNNING, CampaignState.STOPPED, CampaignState.EXPIRED}
    ),
    CampaignState.RUNNING: frozenset({CampaignState.PAUSED}) | FINISHED,
    CampaignState.PAUSED: frozenset({CampaignState.RUNNING}) | FINISHED,
    CampaignState.COMPLETED: frozenset({CampaignState.ARCHIVED}),
    CampaignState.STOPPED: frozenset({CampaignState.ARCHIVED}),
    CampaignState.EXPIRED: frozenset({CampaignState.ARCHIVED}),
    CampaignState.ARCHIVED: frozenset(),
}

#: Where a contact that waits may be ended: by a rule, or by what a person has found out elsewhere.
_ENDED_WAITING = frozenset(
    {
        ContactState.DONE,
        ContactState.EXHAUSTED,
        ContactState.DNC_BLOCKED,
        ContactState.EXPIRED,
        ContactState.CANCELLED,
    }
)
_CONTACT_MOVES: Mapping[ContactState, frozenset[ContactState]] = {
    state: frozenset() for state in ContactState if state not in UNFINISHED
} | {
    # Released, a contact goes back to where it was held.
    ContactState.HELD: _ENDED_WAITING | DIALLABLE,
    **{state: _ENDED_WAITING | {ContactState.HELD, ContactState.IN_PROGRESS} for state in DIALLABLE},
    ContactState.IN_PROGRESS: frozenset(ContactState)
    - {ContactState.HELD, ContactState.DUPLICATE, ContactState.IN_PROGRESS},
}

_PHASES = list(AttemptPhase)
# Signalling may skip a step (an answer without ringing, a failure at once); it never goes back.
_PHASE_MOVES: Mapping[AttemptPhase, frozenset[AttemptPhase]] = {
    phase: frozenset(_PHASES[place + 1 :]) for place, phase in enumerate(_PHASES)
}

S = TypeVar("S", CampaignState, ContactState, AttemptPhase)


def _move(moves: Mapping[S, frozenset[S]], what: str, old: S, new: S) -> S:
    if new not in moves[old]:
        raise IllegalMove(f"{what} cannot go from {old.value} to {new.value}")
    return new


def move_campaign(old: CampaignState, new: CampaignState) -> CampaignState:
    """`new`, if a campaign may go there from `old`; raises `IllegalMove`."""
    return _move(_CAMPAIGN_MOVES, "a campaign", old, new)


def move_contact(old: ContactState, new: ContactState) -> ContactState:
    """`new`, if a contact may go there from `old`; raises `IllegalMove`."""
    return _move(_CONTACT_MOVES, "a contact", old, new)


def move_attempt(old: AttemptPhase, new: AttemptPhase) -> AttemptPhase:
    """`new`, if an attempt may go there from `old`; raises `IllegalMove`."""
    return _move(_PHASE_MOVES, "an attempt", old, new)


def is_terminal(state: ContactState) -> bool:
    """Whether the contact is through with its campaign."""
    return state not in UNFINISHED
