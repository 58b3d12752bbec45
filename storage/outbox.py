"""Work that must happen once, because something was committed: mails, later webhooks and exports.

`enqueue` writes the row in the transaction that causes it; an `OutboxWorker` of any node carries it out.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from storage.rows import insert_new
from storage.tables import outbox

#: Does the work of one row: given its payload; raises to be called again later.
Handler = Callable[[Mapping[str, Any]], Awaitable[None]]

PENDING, DONE, DEAD = "pending", "done", "dead"


async def enqueue(conn: AsyncConnection, *, key: str, topic: str, payload: Mapping[str, Any], now: datetime) -> bool:
    """Ask for work, in the caller's transaction; False when work of that key was asked for before."""
    row = {"key": key, "topic": topic, "payload": dict(payload), "state": PENDING, "tries": 0, "fence": 0}
    return bool(await insert_new(conn, outbox, [row | {"next_at": now, "created_at": now}], "id"))
