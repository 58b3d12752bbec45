"""Delivering events to webhooks: signed, logged, tried again with patience, and given up with a reason."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

import httpx
import structlog
from sqlalchemy import BigInteger, cast, delete, func, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from campaigns.errors import CampaignError
from campaigns.webhook_events import DELIVERED, FAILED, PENDING, TOPIC
from campaigns.webhook_signing import signed_headers
from campaigns.webhook_targets import TargetRefused, addresses_of, read_url
from storage.clock import Clock
from storage.database import Database
from storage.outbox import DEAD, DONE, Patience, PutOff
from storage.outbox import PENDING as OUTBOX_PENDING
from storage.rows import words
from storage.tables import outbox, webhook_deliveries, webhooks

log = structlog.get_logger(__name__)

#: Tries of one delivery: with these waits, over about ten hours.
PATIENCE: Final = Patience(first_s=5.0, cap_s=3600.0, tries=20)
#: A webhook that has taken nothing for so long is told no more.
GIVE_UP_AFTER: Final = timedelta(days=3)
#: Deliveries are kept for so long after they were made or given up.
KEPT: Final = timedelta(days=30)
# Failures in a row before a receiver is left alone for a while, and how long at most.
_PATIENT_FAILURES = 3
_QUIET = Patience(first_s=5.0, cap_s=300.0)
_FORGET_EVERY = timedelta(hours=1)
# Rows of a quiet webhook that are put off in one transaction, so that no writer waits for long.
_PUT_OFF_AT_ONCE = 1000
_REASON_LENGTH = 200
_GONE = 410


class NotTaken(CampaignError):
    """A receiver did not take a delivery this time."""

    retryable = True


@dataclass(frozen=True)
class _Row:
    id: int
    webhook_id: int
    event_id: str
    type: str
    payload: str
    state: str
    tries: int
    url: str
    secret: str
    active: bool
    failures: int
    failing_since: datetime | None
    quiet_until: datetime | None


@dataclass(frozen=True)
class _Result:
    """What a try came to; no error: taken."""

    status: int | None
    error: str | None


class WebhookSender:
    """Makes deliveries; one `httpx` client for all of them. Entered and left as a context."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        *,
        private_targets: bool = False,
        timeout_s: float = 10.0,
        patience: Patience = PATIENCE,
    ) -> None:
        self._database = database
        self._clock = clock
        self._private = private_targets
        self._timeout_s = timeout_s
        self._patience = patience
        # Neither proxies nor credentials of this machine's user are a receiver's business.
        self._client = httpx.AsyncClient(trust_env=False, follow_redirects=False, timeout=timeout_s)
        self._forgotten_at: datetime | None = None

    async def __aenter__(self) -> WebhookSender:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._client.aclose()

    async def deliver(self, payload: Mapping[str, Any]) -> None:
        """Handler of the outbox's topic `webhook`; raises `NotTaken` to be called again, `PutOff` in a quiet time."""
        await self._forget_old()
        row = await self._row(int(payload["webhook_id"]), str(payload["event_id"]))
        if row is None or row.state != PENDING:
            return
        now = self._clock.now()
        if not row.active:
            await self._note(row, _Result(None, "the webhook is switched off"), given_up=True)
            return
        if row.quiet_until is not None and row.quiet_until > now:
            await self._put_off(row.webhook_id, row.quiet_until, now)
            raise PutOff(row.quiet_until)
        result = await self._post(row, now)
        given_up = result.error is not None and row.tries + 1 >= self._patience.tries
        await self._note(row, result, given_up=given_up)
        if result.error is not None and not given_up and result.status != _GONE:
            raise NotTaken(f"webhook {row.webhook_id}: {result.error}")

    async def _row(self, webhook_id: int, event_id: str) -> _Row | None:
        d, w = webhook_deliveries.c, webhooks.c
        of_delivery = (d.id, d.webhook_id, d.event_id, d.type, d.payload, d.state, d.tries)
        of_hook = (w.url, w.secret, w.active, w.failures, w.failing_since, w.quiet_until)
        found = select(*of_delivery, *of_hook).join(webhooks, w.id == d.webhook_id)
        async with self._database.read() as conn:
            rows = await conn.execute(found.where(d.webhook_id == webhook_id, d.event_id == event_id))
            row = rows.mappings().first()
        return None if row is None else _Row(**row)

    async def _put_off(self, webhook_id: int, until: datetime, now: datetime) -> None:
        """Have what else the webhook is to be told wait as well: taken one by one, it would hold up other receivers."""
        c = outbox.c
        told = cast(c.payload["webhook_id"].as_string(), BigInteger) == webhook_id
        # A delivery that was taken meanwhile has ended the quiet time.
        quiet = select(webhooks.c.id).where(webhooks.c.id == webhook_id, webhooks.c.quiet_until >= until)
        waiting = (
            select(c.id)
            .where(c.state.in_(words([OUTBOX_PENDING])), c.next_at < until, c.topic == TOPIC, told, quiet.exists())
            .where(or_(c.lease_until.is_(None), c.lease_until <= now))
            .order_by(c.next_at)
            .limit(_PUT_OFF_AT_ONCE)
            .with_for_update(skip_locked=True)
        )

        async def work(conn: AsyncConnection) -> None:
            ids = (await conn.execute(waiting)).scalars().all()
            if ids:
                await conn.execute(update(outbox).where(c.id.in_(ids)).values(next_at=until))

        await self._database.transact(work)

    async def _post(self, row: _Row, now: datetime) -> _Result:
        body = row.payload.encode()
        headers = signed_headers(row.secret, row.event_id, now, body)
        headers |= {"content-type": "application/json", "user-agent": "Campana-Webhooks/1"}
        try:
            async with asyncio.timeout(self._timeout_s):
                return await self._answer(row.url, headers, body)
        except TimeoutError:
            return _Result(None, f"no answer within {self._timeout_s:g} s")
        except (httpx.HTTPError, httpx.InvalidURL, TargetRefused) as error:
            return _Result(None, f"{str(error) or type(error).__name__}")

    async def _answer(self, url: str, headers: Mapping[str, str], body: bytes) -> _Result:
        target = read_url(url)
        address = (await addresses_of(target, private=self._private))[0]
        # The name was judged by this address, so it is the one that is called.
        called = httpx.URL(url).copy_with(host=address, port=target.port)
        named = dict(headers) | {"host": httpx.URL(url).netloc.decode()}
        extensions = {"sni_hostname": target.host}
        async with self._client.stream("POST", called, content=body, headers=named, extensions=extensions) as response:
            status = response.status_code
        if 200 <= status < 300:
            return _Result(status, None)
        told = " (redirections are not followed; name the address itself)" if 300 <= status < 400 else ""
        return _Result(status, f"answered {status}{told}")

    async def _note(self, row: _Row, result: _Result, *, given_up: bool) -> None:
        """The try in the log of deliveries, and what it says of the webhook."""
        now = self._clock.now()
        error = None if result.error is None else result.error[:_REASON_LENGTH]
        given_up = given_up or result.status == _GONE
        values: dict[str, Any] = {"response_status": result.status, "error": error, "last_try_at": now}
        values |= {"tries": row.tries + row.active, "state": FAILED if given_up else PENDING}
        if error is None:
            values |= {"state": DELIVERED, "delivered_at": now}
        log.info("webhook_tried", webhook_id=row.webhook_id, event_id=row.event_id, type=row.type, status=result.status)

        async def store(conn: AsyncConnection) -> None:
            # The webhook first, as its removal has it, so that the two do not deadlock.
            if row.active:
                hook = self._healthy() if error is None else self._failing(row, result, error, now)
                await conn.execute(update(webhooks).where(webhooks.c.id == row.webhook_id).values(**hook))
            await conn.execute(update(webhook_deliveries).where(webhook_deliveries.c.id == row.id).values(**values))

        await self._database.transact(store)

    def _healthy(self) -> dict[str, Any]:
        return {"failures": 0, "failing_since": None, "quiet_until": None}

    def _failing(self, row: _Row, result: _Result, error: str, now: datetime) -> dict[str, Any]:
        since = row.failing_since or now
        failures = row.failures + 1
        values: dict[str, Any] = {"failures": webhooks.c.failures + 1, "failing_since": since}
        if failures >= _PATIENT_FAILURES:
            values["quiet_until"] = now + _QUIET.wait(failures - _PATIENT_FAILURES + 1)
        reason = None
        if result.status == _GONE:
            reason = "the receiver answered 410: it wants to be told no more"
        elif now - since >= GIVE_UP_AFTER:
            reason = f"nothing was taken since {since:%Y-%m-%d %H:%M} UTC; the last try: {error}"
        if reason is not None:
            log.warning("webhook_disabled", webhook_id=row.webhook_id, reason=reason)
            values |= {"active": False, "disabled_reason": reason[:_REASON_LENGTH]}
        return values

    async def _forget_old(self) -> None:
        now = self._clock.now()
        if self._forgotten_at is not None and now - self._forgotten_at < _FORGET_EVERY:
            return
        self._forgotten_at = now
        old = (webhook_deliveries.c.state != PENDING) & (webhook_deliveries.c.created_at < now - KEPT)
        # A row that was given up has no `done_at`.
        ended_at = func.coalesce(outbox.c.done_at, outbox.c.created_at)
        made = (outbox.c.topic == TOPIC) & outbox.c.state.in_([DONE, DEAD]) & (ended_at < now - KEPT)
        async with self._database.write() as conn:
            await conn.execute(delete(webhook_deliveries).where(old))
            await conn.execute(delete(outbox).where(made))
