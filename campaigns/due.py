"""Which contacts are due, in the order of dialling (VOCABULARY: May be dialled now), as statements."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any

from sqlalchemy import (
    BindParameter,
    ColumnElement,
    Integer,
    Select,
    and_,
    bindparam,
    exists,
    func,
    or_,
    select,
    type_coerce,
)

from campaigns.settling import CALLBACK_EXTRA
from campaigns.states import AttemptPhase, ContactState
from storage.many import member
from storage.rows import words
from storage.tables import attempts, campaigns, contacts
from storage.types import UtcTime

(_ENDED,) = words([AttemptPhase.ENDED])
(_CALLBACK,) = words([ContactState.CALLBACK])


#: How many contacts whose time has come a claim makes ready; the others follow in the next, which comes at once.
READY_AT_ONCE = 100


#: A value that is known when a statement is made, or its name in one that is made once.
Value = BindParameter[Any] | datetime | int


@dataclass(frozen=True, eq=False)
class Kind:
    """One class of the order of dialling."""

    where: ColumnElement[bool]
    order: Sequence[Any]
    #: Attempts beyond the campaign's maximum.
    extra: int = 0
    #: Whether its contacts are dialled in the order of the times that they asked for.
    by_time: bool = False

    def is_due(self, now: Value) -> ColumnElement[bool]:
        """Where contacts of the class stand that may be called by now, once those whose time has come are ready."""
        return contacts.c.next_at <= now if self.by_time else contacts.c.next_at.is_(None)


_BY_TRIES = (contacts.c.attempts, contacts.c.priority.desc(), contacts.c.id)
_QUEUED = contacts.c.state.in_(words([ContactState.PENDING, ContactState.RETRY_WAIT]))
#: The order of dialling: call-backs, contacts with hours of their own, the rest.
KINDS: Sequence[Kind] = (
    Kind(contacts.c.state == _CALLBACK, (contacts.c.next_at, contacts.c.id), CALLBACK_EXTRA, by_time=True),
    Kind(and_(_QUEUED, contacts.c.time_from.is_not(None)), _BY_TRIES),
    Kind(and_(_QUEUED, contacts.c.time_from.is_(None)), _BY_TRIES),
)


def is_due(now: datetime) -> ColumnElement[bool]:
    """Whether a contact may be called by now, as far as it was put off."""
    return or_(contacts.c.next_at.is_(None), contacts.c.next_at <= now)


@cache
def next_times() -> Select[Any]:
    """By campaign (`ids`): its id, the first time that contacts of the queue are put off to, the next call-back's after
    `now`, and for each of `KINDS` whether contacts of it stand in the order of dialling.
    """
    next_at, of_campaign = contacts.c.next_at, contacts.c.campaign_id == campaigns.c.id
    now: BindParameter[Any] = bindparam("now")
    queued = select(func.min(next_at)).where(of_campaign, _QUEUED, next_at.is_not(None))
    promised = select(func.min(next_at)).where(of_campaign, contacts.c.state == _CALLBACK, next_at > now)
    columns = (type_coerce(each.scalar_subquery(), UtcTime) for each in (queued, promised))
    # In order, for the sake of the index that has it: SQLite would walk over all that are in such a state.
    firsts = (
        select(contacts.c.id).where(of_campaign, kind.where, kind.is_due(now)).order_by(*kind.order).limit(1)
        for kind in KINDS
    )
    kinds = (first.scalar_subquery().is_not(None) for first in firsts)
    return select(campaigns.c.id, *columns, *kinds).where(member(campaigns.c.id, "ids"))


def come_due(campaign_id: int, now: datetime) -> Select[Any]:
    """Ids of put-off contacts of the queue whose time has come, the first of them first."""
    return (
        select(contacts.c.id)
        .where(contacts.c.campaign_id == campaign_id, _QUEUED, contacts.c.next_at <= now)
        .order_by(contacts.c.next_at, *_BY_TRIES)
        .limit(READY_AT_ONCE)
    )


@cache
def live_counts(*more: Any) -> Select[Any]:
    """Live attempts by campaign, trunk, phase and further columns of the table attempts."""
    by = (attempts.c.campaign_id, attempts.c.trunk, attempts.c.phase, *more)
    return select(*by, func.count()).where(attempts.c.phase != _ENDED).group_by(*by)


def most_attempts(campaign: Mapping[str, Any], kind: Kind) -> int:
    """The campaign's shared maximum, as it holds for the class."""
    return int(campaign["max_attempts"]) + kind.extra


def has_attempts_left(campaign: Mapping[str, Any], kind: Kind) -> ColumnElement[bool]:
    """Whether the campaign's shared maximum allows the contact another call."""
    return contacts.c.attempts < most_attempts(campaign, kind)


def number_is_live() -> ColumnElement[bool]:
    """Whether the contact's number is in a call, in whatever campaign."""
    return exists().where(attempts.c.number == contacts.c.number, attempts.c.phase != _ENDED)


def candidates(
    campaign: Mapping[str, Any],
    kind: Kind,
    now: datetime,
    *,
    only: Collection[int] | None = None,
    made_ready: bool = False,
) -> Select[Any]:
    """Due contacts of one class whose number is live nowhere, in order.

    `only` are ids of contacts of the campaign: the others are not looked at. With `made_ready`, put-off contacts are
    looked at in no class but the call-backs': those whose time has come are in the order of dialling by then.
    """
    # With the campaign named too, SQLite would read its whole list in order to find the few.
    mine = contacts.c.campaign_id == campaign["id"] if only is None else contacts.c.id.in_(sorted(only))
    return _in_order(kind, mine, kind.is_due(now) if made_ready else is_due(now), most_attempts(campaign, kind))


@cache
def next_candidates(kind: Kind) -> Select[Any]:
    """`candidates` of a whole campaign, made ready and locked, as one statement for all of them.

    Its values are those of `candidate_values`, and `wanted`, the most that are found.
    """
    mine = contacts.c.campaign_id == bindparam("campaign_id")
    found = _in_order(kind, mine, kind.is_due(bindparam("now")), bindparam("most"))
    return found.limit(bindparam("wanted", type_=Integer)).with_for_update(skip_locked=True, of=contacts)


def candidate_values(campaign: Mapping[str, Any], kind: Kind, now: datetime) -> dict[str, Any]:
    """What `next_candidates` asks for."""
    known = {"campaign_id": campaign["id"], "most": most_attempts(campaign, kind)}
    return known | ({"now": now} if kind.by_time else {})


def _in_order(kind: Kind, mine: ColumnElement[bool], due: ColumnElement[bool], most: Value) -> Select[Any]:
    return (
        select(contacts)
        .where(mine, kind.where, due, contacts.c.attempts < most)
        .where(contacts.c.number.is_not(None), ~number_is_live())
        .order_by(*kind.order)
    )
