"""Webhooks as their owners handle them: add, list, remove, try out, and look at what became of each delivery."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, delete, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from campaigns.webhook_events import PENDING, SUBSCRIBABLE, TOPIC, ask_for, test_delivery
from campaigns.webhook_signing import new_secret
from campaigns.webhook_targets import BadTarget, BadWebhook, read_url
from storage.clock import Clock
from storage.database import Database
from storage.outbox import enqueue
from storage.tables import campaigns, webhook_deliveries, webhooks

#: Of one account.
_MOST = 50


@dataclass(frozen=True)
class Webhook:
    """An address that is told what happens, without its secret."""

    id: int
    url: str
    #: The campaign's code; None: all of the account.
    campaign: str | None
    events: tuple[str, ...]
    active: bool
    disabled_reason: str | None
    failures: int
    failing_since: datetime | None
    quiet_until: datetime | None
    created_at: datetime


@dataclass(frozen=True)
class Delivery:
    """What a webhook was told, or is to be told."""

    id: int
    webhook_id: int
    event_id: str
    type: str
    payload: str
    state: str
    tries: int
    response_status: int | None
    error: str | None
    created_at: datetime
    last_try_at: datetime | None
    delivered_at: datetime | None


def read_events(texts: Sequence[str]) -> list[str]:
    """The event types named, `*` for all; raises `BadTarget` with those that exist."""
    known = ["*", *(kind.value for kind in SUBSCRIBABLE)]
    if not texts:
        raise BadTarget(f"events: name at least one of {', '.join(known)}; to be told nothing, switch the webhook off")
    for text in texts:
        if text not in known:
            raise BadTarget(f"events: there is no event {text!r}; known are {', '.join(known)}")
    return sorted(set(texts))


class Webhooks:
    """The webhooks of one account."""

    def __init__(self, database: Database, clock: Clock, account_id: int) -> None:
        self._database = database
        self._clock = clock
        self._account_id = account_id

    async def add(
        self, url: str, events: Sequence[str] = ("*",), *, campaign_id: int | None = None
    ) -> tuple[Webhook, str]:
        """A new webhook and the secret that its deliveries are signed with. Raises `BadWebhook`."""
        read_url(url)
        secret = new_secret()
        row = {
            "account_id": self._account_id,
            "campaign_id": campaign_id,
            "url": url,
            "secret": secret,
            "events": read_events(events),
            "active": True,
            "failures": 0,
            "created_at": self._clock.now(),
        }

        async def store(conn: AsyncConnection) -> Webhook:
            many = select(func.count()).select_from(webhooks).where(self._mine())
            if (await conn.scalar(many) or 0) >= _MOST:
                raise BadWebhook(f"an account has at most {_MOST} webhooks; remove one first")
            key = (await conn.execute(insert(webhooks).values(**row))).inserted_primary_key
            assert key is not None
            return await self._found(conn, int(key[0]))

        return await self._database.transact(store), secret

    async def all(self) -> list[Webhook]:
        """Every webhook of the account, in the order in which they were made."""
        async with self._database.read() as conn:
            rows = await conn.execute(_hooks().where(self._mine()).order_by(webhooks.c.id))
            return [_hook(row) for row in rows.mappings()]

    async def get(self, webhook_id: int) -> Webhook:
        """One webhook; raises `UnknownWebhook`."""
        async with self._database.read() as conn:
            return await self._found(conn, webhook_id)

    async def remove(self, webhook_id: int) -> None:
        """Forget the webhook and its deliveries; what is under way may still arrive. Raises `UnknownWebhook`."""

        async def work(conn: AsyncConnection) -> None:
            # Whoever is about to tell it of something has committed, or sees it no more: no delivery outlives it.
            await conn.execute(select(webhooks.c.id).where(webhooks.c.id == webhook_id, self._mine()).with_for_update())
            await self._found(conn, webhook_id)
            await conn.execute(delete(webhook_deliveries).where(webhook_deliveries.c.webhook_id == webhook_id))
            await conn.execute(delete(webhooks).where(webhooks.c.id == webhook_id))

        await self._database.transact(work)

    async def change(
        self,
        webhook_id: int,
        *,
        url: str | None = None,
        events: Sequence[str] | None = None,
        active: bool | None = None,
    ) -> Webhook:
        """Change what is given; switched on, its failures are forgotten. Raises `UnknownWebhook`, `BadWebhook`."""
        values: dict[str, Any] = {}
        if url is not None:
            read_url(url)
            values["url"] = url
        if events is not None:
            values["events"] = read_events(events)
        if active is not None:
            values |= {"active": active, "disabled_reason": None if active else "switched off by a person"}
        if active or url is not None:
            values |= {"failures": 0, "failing_since": None, "quiet_until": None}

        async def work(conn: AsyncConnection) -> Webhook:
            await self._found(conn, webhook_id)
            if values:
                await conn.execute(update(webhooks).where(webhooks.c.id == webhook_id).values(**values))
            return await self._found(conn, webhook_id)

        return await self._database.transact(work)

    async def test(self, webhook_id: int) -> Delivery:
        """Tell the webhook of nothing but a test. Raises `UnknownWebhook`."""

        async def work(conn: AsyncConnection) -> Delivery:
            held = select(webhooks.c.id).where(webhooks.c.id == webhook_id, self._mine())
            await conn.execute(held.with_for_update(read=True, key_share=True))
            await self._found(conn, webhook_id)
            row = test_delivery(webhook_id, self._clock.now())
            await ask_for(conn, [row], self._clock.now())
            found = _deliveries(webhook_id).where(webhook_deliveries.c.event_id == row["event_id"])
            return Delivery(**(await conn.execute(found)).mappings().one())

        return await self._database.transact(work)

    async def deliveries(self, webhook_id: int, *, limit: int = 50) -> list[Delivery]:
        """The latest deliveries, the newest first. Raises `UnknownWebhook`."""
        async with self._database.read() as conn:
            await self._found(conn, webhook_id)
            rows = await conn.execute(_deliveries(webhook_id).order_by(webhook_deliveries.c.id.desc()).limit(limit))
            return [Delivery(**row) for row in rows.mappings()]

    async def redeliver(self, webhook_id: int, delivery_id: int) -> Delivery:
        """Make a delivery again from the beginning, with its first event id. Raises `UnknownWebhook`, `BadWebhook`."""

        async def work(conn: AsyncConnection) -> Delivery:
            hook = await self._found(conn, webhook_id)
            if not hook.active:
                raise BadWebhook(f"webhook {webhook_id} is switched off ({hook.disabled_reason}); switch it on first")
            wanted = _deliveries(webhook_id).where(webhook_deliveries.c.id == delivery_id)
            row = (await conn.execute(wanted.with_for_update())).mappings().first()
            if row is None:
                raise UnknownWebhook(
                    f"webhook {webhook_id} has no delivery {delivery_id}; its deliveries tell their ids"
                )
            if row["state"] == PENDING:
                raise BadWebhook(f"delivery {delivery_id} is still being tried; wait until it is delivered or failed")
            now = self._clock.now()
            await conn.execute(
                update(webhook_deliveries)
                .where(webhook_deliveries.c.id == delivery_id)
                .values(state=PENDING, tries=0, delivered_at=None)
            )
            key = f"webhook:{row['event_id']}:{webhook_id}:{now.timestamp():.3f}"
            payload = {"webhook_id": webhook_id, "event_id": row["event_id"]}
            await enqueue(conn, key=key, topic=TOPIC, payload=payload, now=now)
            return Delivery(**(await conn.execute(wanted)).mappings().one())

        return await self._database.transact(work)

    def _mine(self) -> ColumnElement[bool]:
        return webhooks.c.account_id == self._account_id

    async def _found(self, conn: AsyncConnection, webhook_id: int) -> Webhook:
        row = (await conn.execute(_hooks().where(self._mine(), webhooks.c.id == webhook_id))).mappings().first()
        if row is None:
            raise UnknownWebhook(f"there is no webhook {webhook_id}; `campana webhook list` tells those that there are")
        return _hook(row)


class UnknownWebhook(BadWebhook):
    """There is no such webhook or delivery."""


def _hooks() -> Any:
    names = [name for name in Webhook.__dataclass_fields__ if name != "campaign"]
    columns = [webhooks.c[name] for name in names]
    return select(*columns, campaigns.c.code.label("campaign")).outerjoin(
        campaigns, campaigns.c.id == webhooks.c.campaign_id
    )


def _hook(row: Mapping[Any, Any]) -> Webhook:
    return Webhook(**{**row, "events": tuple(row["events"])})


def _deliveries(webhook_id: int) -> Any:
    columns = [webhook_deliveries.c[name] for name in Delivery.__dataclass_fields__]
    return select(*columns).where(webhook_deliveries.c.webhook_id == webhook_id)
