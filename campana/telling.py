"""The webhooks' own workers: a receiver that hangs holds up neither reports nor other receivers for long."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import replace

from campaigns.webhook_delivery import PATIENCE, WebhookSender
from campaigns.webhook_events import TOPIC
from campana.application import App
from storage.notify import Notices
from storage.outbox_pool import OutboxPool

#: How long the end of a program waits for deliveries that are due; what is left is made by the next one.
_LAST_S = 5.0
# A delivery counts its own tries and ends with the last; a row that were given up before it, as crashes count for the
# row alone, would leave it pending for ever.
_PATIENCE = replace(PATIENCE, tries=1000)


@contextlib.asynccontextmanager
async def open_webhooks(app: App, notices: Notices | None = None) -> AsyncIterator[OutboxPool]:
    """Deliver to webhooks while the block runs; `notices` are what other processes tell of."""
    settings = app.settings.webhooks
    sender = WebhookSender(
        app.database, app.clock, private_targets=settings.private_targets, timeout_s=settings.timeout_s
    )
    async with sender, asyncio.TaskGroup() as tasks:
        pool = OutboxPool(
            app.database,
            app.clock,
            {TOPIC: sender.deliver},
            patience=_PATIENCE,
            lease_s=settings.timeout_s * 2 + 10,
            notices=notices,
            at_once=settings.at_once,
        )
        running = tasks.create_task(pool.run(), name="webhooks")
        try:
            yield pool
        finally:
            pool.stop()
            await running
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_LAST_S):
                    while await pool.run_once():
                        pass
