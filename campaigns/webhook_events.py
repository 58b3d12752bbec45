"""What webhooks are told: events that enter the outbox in the transaction of the change that they tell of.

Where no webhook is registered that costs one look at an empty table per transaction, and nothing else.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Any, Final
from uuid import uuid4

from sqlalchemy import insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from campaigns.states import CampaignState, ContactState, is_terminal
from storage.outbox import enqueue_all
from storage.tables import campaigns, contacts, webhook_deliveries, webhooks

#: The outbox's topic of deliveries.
TOPIC: Final = "webhook"
PENDING, DELIVERED, FAILED = "pending", "delivered", "failed"


class EventType(StrEnum):
    """What can happen that a webhook is told of."""

    #: A call that was placed has ended, with its code and cost.
    CALL_ENDED = "call.ended"
    #: A contact needs no further call, for whatever reason.
    CONTACT_FINISHED = "contact.finished"
    #: The customer asked to be called at another time.
    CONTACT_CALLBACK = "contact.callback"
    CAMPAIGN_STARTED = "campaign.started"
    CAMPAIGN_PAUSED = "campaign.paused"
    CAMPAIGN_RESUMED = "campaign.resumed"
    CAMPAIGN_COMPLETED = "campaign.completed"
    CAMPAIGN_STOPPED = "campaign.stopped"
    CAMPAIGN_EXPIRED = "campaign.expired"
    #: Sent when somebody asks for a test, to that webhook alone.
    TEST = "webhook.test"


#: What a webhook may ask for; `*` is all of it.
SUBSCRIBABLE: Final = tuple(kind for kind in EventType if kind is not EventType.TEST)


@dataclass(frozen=True)
class Event:
    """One thing that happened in a campaign."""

    type: EventType
    account_id: int
    campaign_id: int
    data: Mapping[str, Any]


@dataclass(frozen=True)
class Hook:
    """A webhook that is told."""

    id: int
    account_id: int
    campaign_id: int | None
    events: tuple[str, ...]

    def wants(self, event: Event) -> bool:
        """Whether it is to be told of the event."""
        mine = event.account_id == self.account_id and self.campaign_id in (None, event.campaign_id)
        return mine and ("*" in self.events or event.type.value in self.events)


async def active_hooks(conn: AsyncConnection) -> list[Hook]:
    """Every webhook that is told at present; none of them is removed before the transaction ends."""
    rows = (await conn.execute(_ACTIVE)).all()
    return [Hook(row.id, row.account_id, row.campaign_id, tuple(row.events)) for row in rows]


_OF_HOOK: Final = (webhooks.c.id, webhooks.c.account_id, webhooks.c.campaign_id, webhooks.c.events)
# The lock that the deliveries' foreign key takes anyway, only sooner; a webhook's own bookkeeping does not wait for it.
_ACTIVE: Final = (
    select(*_OF_HOOK)
    .where(webhooks.c.active.is_(True))
    .order_by(webhooks.c.id)
    .with_for_update(read=True, key_share=True)
)


async def tell_hooks(conn: AsyncConnection, hooks: Sequence[Hook], events: Iterable[Event], now: datetime) -> None:
    """Have each webhook told of the events that it wants, once the transaction commits."""
    deliveries = []
    for event in events:
        event_id = f"evt_{uuid4().hex}"
        body = body_of(event.type, event.data, now)
        deliveries += [_delivery(hook.id, event_id, event.type, body, now) for hook in hooks if hook.wants(event)]
    await ask_for(conn, deliveries, now)


async def ask_for(conn: AsyncConnection, deliveries: Sequence[Mapping[str, Any]], now: datetime) -> None:
    """Store deliveries, rows of their table, and ask the outbox to make them."""
    if not deliveries:
        return
    await conn.execute(insert(webhook_deliveries), [dict(row) for row in deliveries])
    works = [
        (f"webhook:{row['event_id']}:{row['webhook_id']}", {name: row[name] for name in ("webhook_id", "event_id")})
        for row in deliveries
    ]
    await enqueue_all(conn, works, topic=TOPIC, now=now)


def _delivery(webhook_id: int, event_id: str, kind: EventType, body: str, now: datetime) -> dict[str, Any]:
    return {
        "webhook_id": webhook_id,
        "event_id": event_id,
        "type": kind.value,
        "payload": body,
        "state": PENDING,
        "tries": 0,
        "created_at": now,
    }


def test_delivery(webhook_id: int, now: datetime) -> dict[str, Any]:
    """A delivery that tells of nothing but itself."""
    body = body_of(EventType.TEST, {"webhook_id": webhook_id}, now)
    return _delivery(webhook_id, f"evt_{uuid4().hex}", EventType.TEST, body, now)


def body_of(kind: EventType, data: Mapping[str, Any], now: datetime) -> str:
    """The body of a delivery (Standard Webhooks: type, timestamp, data)."""
    told = {"type": kind.value, "timestamp": _plain(now), "data": {name: _plain(value) for name, value in data.items()}}
    return json.dumps(told, ensure_ascii=False, separators=(",", ":"))


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return format(value, "f") if isinstance(value, Decimal) else value


_OF_ATTEMPT: Final = (
    *("contact_id", "attempt_no", "call_type", "is_test", "origin", "number", "trunk", "caller_id", "originated_at"),
    *("answered_at", "ended_at", "acw_ms", "dial_status", "call_status", "action_code", "code_class"),
    *("generic_result", "hangup_by", "amd", "lost", "messages", "blocks", "cost_bot", "cost_telecom", "cost_fees"),
    *("cost_vat", "currency", "transfer_target", "transfer_joined_ms", "collected"),
)


@dataclass(frozen=True)
class Ended:
    """An attempt that has ended, as its rows stand after it."""

    attempt: Mapping[str, Any]
    #: Before the end.
    contact: Mapping[str, Any]
    campaign: Mapping[str, Any]
    state: ContactState
    next_at: datetime | None


async def tell_ended(conn: AsyncConnection, ended: Iterable[Ended], now: datetime) -> None:
    """Tell of calls that have ended, and of contacts that they were the last for."""
    those = list(ended)
    hooks = await active_hooks(conn) if those else []
    if hooks:
        await tell_hooks(conn, hooks, (event for each in those for event in _of_end(each)), now)


async def tell_contacts(conn: AsyncConnection, contact_ids: Collection[int], now: datetime) -> None:
    """Tell of contacts that have just come to a state without a call: those of them that need none any more."""
    hooks = await active_hooks(conn) if contact_ids else []
    if not hooks:
        return
    c, owner = contacts.c, campaigns.c
    found = (
        select(c.id, c.external_key, c.number, c.state, c.last_attempt_id, c.campaign_id, owner.code, owner.account_id)
        .join(campaigns, owner.id == c.campaign_id)
        .where(c.id.in_(sorted(contact_ids)))
        .order_by(c.id)
    )
    rows = (await conn.execute(found)).mappings().all()
    events = [
        Event(EventType.CONTACT_FINISHED, row["account_id"], row["campaign_id"], _without_call(row))
        for row in rows
        if is_terminal(ContactState(row["state"]))
    ]
    await tell_hooks(conn, hooks, events, now)


def _without_call(row: Mapping[Any, Any]) -> dict[str, Any]:
    of_contact = _of_contact(row, {"id": row["campaign_id"], "code": row["code"]})
    last = {"last_attempt_id": row["last_attempt_id"], "last_action_code": None}
    return of_contact | {"state": row["state"], "next_at": None} | last


def _of_end(ended: Ended) -> list[Event]:
    attempt, state = ended.attempt, ended.state
    where = (attempt["account_id"], attempt["campaign_id"])
    contact = _of_contact(ended.contact, ended.campaign) | {"state": state.value, "next_at": ended.next_at}
    events = []
    if attempt["originated_at"] is not None:
        call = {"attempt_id": attempt["id"]} | _named(ended.campaign) | {name: attempt[name] for name in _OF_ATTEMPT}
        call |= {"external_key": ended.contact["external_key"], "talk_ms": _talk_ms(attempt)}
        call |= {"contact_state": state.value, "next_at": ended.next_at}
        events.append(Event(EventType.CALL_ENDED, *where, call))
    last = {"last_attempt_id": attempt["id"], "last_action_code": attempt["action_code"]}
    if is_terminal(state):
        events.append(Event(EventType.CONTACT_FINISHED, *where, contact | last))
    elif state is ContactState.CALLBACK:
        events.append(Event(EventType.CONTACT_CALLBACK, *where, contact | last))
    return events


def _talk_ms(attempt: Mapping[str, Any]) -> int | None:
    if attempt["answered_at"] is None or attempt["ended_at"] is None:
        return None
    talk: timedelta = attempt["ended_at"] - attempt["answered_at"]
    return talk // timedelta(milliseconds=1)


def _named(campaign: Mapping[str, Any]) -> dict[str, Any]:
    return {"campaign_id": campaign["id"], "campaign": campaign["code"]}


def _of_contact(contact: Mapping[str, Any], campaign: Mapping[str, Any]) -> dict[str, Any]:
    return {"contact_id": contact["id"], **_named(campaign), **{n: contact[n] for n in ("external_key", "number")}}


async def tell_moved(
    conn: AsyncConnection, campaign_id: int, old: CampaignState, new: CampaignState, now: datetime
) -> None:
    """Tell that a campaign has moved from one state to another; nothing for moves of no interest."""
    hooks = await active_hooks(conn)
    if not hooks:
        return
    columns = ("id", "account_id", "code", "name", "is_test", "state", "started_at", "finished_at")
    found = select(*(campaigns.c[name] for name in columns)).where(campaigns.c.id == campaign_id)
    row = (await conn.execute(found)).mappings().one()
    kind = _OF_STATE.get(new)
    if (old, new) == (CampaignState.PAUSED, CampaignState.RUNNING):
        kind = EventType.CAMPAIGN_RESUMED
    if kind is not None:
        data = _named(dict(row)) | {
            name: row[name] for name in ("name", "state", "is_test", "started_at", "finished_at")
        }
        await tell_hooks(conn, hooks, [Event(kind, row["account_id"], campaign_id, data)], now)


_OF_STATE: Final[Mapping[CampaignState, EventType]] = {
    CampaignState.RUNNING: EventType.CAMPAIGN_STARTED,
    CampaignState.PAUSED: EventType.CAMPAIGN_PAUSED,
    CampaignState.COMPLETED: EventType.CAMPAIGN_COMPLETED,
    CampaignState.STOPPED: EventType.CAMPAIGN_STOPPED,
    CampaignState.EXPIRED: EventType.CAMPAIGN_EXPIRED,
}
