"""Which contacts are due, in the order of dialling (VOCABULARY: May be dialled now), as statements."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, exists, func, or_, select

from campaigns.settling import CALLBACK_EXTRA
from campaigns.states import AttemptPhase, ContactState
from storage.rows import words
from storage.tables import attempts, contacts

(_ENDED,) = words([AttemptPhase.ENDED])
(_CALLBACK,) = words([ContactState.CALLBACK])


@dataclass(frozen=True)
class Kind:
    """One class of the order of dialling."""

    where: ColumnElement[bool]
    order: Sequence[Any]
    #: Attempts beyond the campaign's maximum.
    extra: int = 0


_BY_TRIES = (contacts.c.attempts, contacts.c.priority.desc(), contacts.c.id)
_QUEUED = contacts.c.state.in_(words([ContactState.PENDING, ContactState.RETRY_WAIT]))
#: The order of dialling: call-backs, contacts with hours of their own, the rest.
KINDS: Sequence[Kind] = (
    Kind(contacts.c.state == _CALLBACK, (contacts.c.next_at, contacts.c.id), CALLBACK_EXTRA),
    Kind(and_(_QUEUED, contacts.c.time_from.is_not(None)), _BY_TRIES),
    Kind(and_(_QUEUED, contacts.c.time_from.is_(None)), _BY_TRIES),
)


def is_due(now: datetime) -> ColumnElement[bool]:
    """Whether a contact may be called by now, as far as it was put off."""
    return or_(contacts.c.next_at.is_(None), contacts.c.next_at <= now)


def live_counts() -> Select[Any]:
    """Live attempts by campaign, trunk and phase."""
    by = (attempts.c.campaign_id, attempts.c.trunk, attempts.c.phase)
    return select(*by, func.count()).where(attempts.c.phase != _ENDED).group_by(*by)


def has_attempts_left(campaign: Mapping[str, Any], kind: Kind) -> ColumnElement[bool]:
    """Whether the campaign's shared maximum allows the contact another call."""
    most: int = campaign["max_attempts"] + kind.extra
    return contacts.c.attempts < most


def number_is_live() -> ColumnElement[bool]:
    """Whether the contact's number is in a call, in whatever campaign."""
    return exists().where(attempts.c.number == contacts.c.number, attempts.c.phase != _ENDED)


def candidates(
    campaign: Mapping[str, Any], kind: Kind, now: datetime, *, only: Collection[int] | None = None
) -> Select[Any]:
    """Due contacts of one class whose number is live nowhere, in order.

    `only` are ids of contacts of the campaign: the others are not looked at.
    """
    # With the campaign named too, SQLite would read its whole list in order to find the few.
    mine = contacts.c.campaign_id == campaign["id"] if only is None else contacts.c.id.in_(sorted(only))
    return (
        select(contacts)
        .where(mine, kind.where, is_due(now))
        .where(has_attempts_left(campaign, kind), contacts.c.number.is_not(None), ~number_is_live())
        .order_by(*kind.order)
    )
