"""The header Idempotency-Key: a request that is repeated with its key gets the first one's answer, and does nothing.

The key is noted before the request is carried out, so that of two at once only one is. What is refused changed
nothing: its key is let go, and the next try is judged anew.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import Any

from fastapi import Request, Response
from sqlalchemy import delete, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from storage.database import Database
from storage.rows import insert_new
from storage.tables import api_requests
from web.api.problems import Refused

KEPT = timedelta(hours=24)
#: A request whose process has died leaves its key after so long.
_ABANDONED = timedelta(minutes=2)
_KEY = re.compile(r"[!-~]{1,255}\Z")
_HEADERS = ("content-type", "location")


async def once(
    database: Database,
    request: Request,
    token_id: int,
    now: Callable[[], datetime],
    work: Callable[[], Awaitable[Response]],
) -> Response:
    """Carry the request out, or give the answer that it got before; without a key, carry it out."""
    key = request.headers.get("idempotency-key")
    if key is None:
        return await work()
    if not _KEY.match(key):
        raise Refused(422, "Idempotency-Key: write 1 to 255 visible ASCII characters, such as a UUID")
    mark = _Mark(database, token_id, key, await _fingerprint(request), now())
    earlier = await mark.take()
    if earlier is not None:
        return earlier
    try:
        answered = await work()
    except BaseException:
        await mark.let_go()
        raise
    if answered.status_code >= 300 or not hasattr(answered, "body"):
        await mark.let_go()
    else:
        await mark.keep(answered)
    return answered


async def _fingerprint(request: Request) -> str:
    head = f"{request.method}\n{request.url.path}\n{request.url.query}\n".encode()
    return hashlib.sha256(head + await request.body()).hexdigest()


class _Mark:
    """One key of one token."""

    def __init__(self, database: Database, token_id: int, key: str, fingerprint: str, now: datetime) -> None:
        self._database = database
        self._mine = (api_requests.c.token_id == token_id) & (api_requests.c.key == key)
        self._row = {"token_id": token_id, "key": key, "fingerprint": fingerprint, "created_at": now}
        self._now = now

    async def take(self) -> Response | None:
        """The earlier answer; None when the key is ours now. Raises `Refused` for a key that is in use."""
        found = await self._database.transact(self._note)
        if found is None:
            return None
        if found["fingerprint"] != self._row["fingerprint"]:
            raise Refused(
                422,
                "Idempotency-Key: this key came with another request within 24 hours; use a new key",
                kind="idempotency-key-reused",
            )
        if found["status"] is None:
            raise Refused(
                409,
                "Idempotency-Key: the first request with this key is still being carried out; ask again in a moment",
                kind="idempotency-key-in-use",
                headers={"retry-after": "1"},
            )
        return Response(found["body"], found["status"], {**found["headers"], "idempotency-replayed": "true"})

    async def _note(self, conn: AsyncConnection) -> dict[str, Any] | None:
        c = api_requests.c
        await conn.execute(delete(api_requests).where(c.created_at < self._now - KEPT))
        await conn.execute(
            delete(api_requests).where(self._mine, c.status.is_(None), c.created_at < self._now - _ABANDONED)
        )
        if await insert_new(conn, api_requests, [self._row], "id"):
            return None
        row = (await conn.execute(select(api_requests).where(self._mine))).mappings().first()
        # Who had the key has let it go in between: its request was refused, and may be sent anew.
        return dict(row) if row is not None else {**self._row, "status": None}

    async def keep(self, answered: Response) -> None:
        headers = {name: answered.headers[name] for name in _HEADERS if name in answered.headers}
        values = {"status": answered.status_code, "headers": headers, "body": bytes(answered.body).decode("utf-8")}
        async with self._database.write() as conn:
            await conn.execute(update(api_requests).where(self._mine).values(**values))

    async def let_go(self) -> None:
        async with self._database.write() as conn:
            await conn.execute(delete(api_requests).where(self._mine, api_requests.c.status.is_(None)))
