"""The account's do-not-call list and its patterns, as people keep them: nothing is taken out without a trace."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import structlog
from sqlalchemy import delete, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from campaigns import suppression
from campaigns.errors import NotSuppressed, OptOutKept
from campaigns.patterns import parse_pattern
from campaigns.suppression import Source, Suppressed
from storage.clock import Clock
from storage.database import Database
from storage.masking import mask
from storage.rows import insert_new
from storage.tables import campaigns, do_not_call, suppression_events, suppression_patterns

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Pattern:
    """A pattern of numbers that are not called."""

    pattern: str
    #: The campaign's code; None: all campaigns of the account.
    campaign: str | None
    reason: str
    by: str
    created_at: datetime


@dataclass(frozen=True)
class Trace:
    """What was done about a number, a list or a pattern."""

    at: datetime
    by: str
    kind: str
    list_name: str | None
    reason: str | None
    detail: Any


async def note(conn: AsyncConnection, account_id: int, kind: str, *, by: str, now: datetime, **what: Any) -> None:
    """Add to the trace, in the caller's transaction; `what` are columns of suppression_events."""
    row = {"account_id": account_id, "at": now, "by": by[:64], "kind": kind, **what}
    await conn.execute(insert(suppression_events).values(row))


class DoNotCall:
    """The account's own list and its patterns; `by` is who asks for a change."""

    def __init__(self, database: Database, clock: Clock, account_id: int) -> None:
        self._database = database
        self._clock = clock
        self._account_id = account_id

    async def add(self, numbers: Iterable[str], *, by: str, reason: str) -> int:
        """Put E.164 numbers onto the account's own list; how many were new. The next claim keeps to it."""
        values = {"account_id": self._account_id, "source": Source.MANUAL.value, "evidence": reason, "by": by[:64]}

        async def work(conn: AsyncConnection) -> int:
            now = self._clock.now()
            rows = [values | {"number": number, "created_at": now} for number in sorted(set(numbers))]
            return len(await insert_new(conn, do_not_call, rows, "id"))

        added = await self._database.transact(work)
        log.info("do_not_call_added", numbers=added, by=by)
        return added

    async def remove(self, number: str, *, by: str, reason: str, force: bool = False) -> Suppressed:
        """Take a number off the account's own list; the entry as it was, which the trace keeps.

        Raises `NotSuppressed`, and `OptOutKept` for a customer's own wish unless it is forced.
        """

        async def work(conn: AsyncConnection) -> Suppressed:
            entry = await self._entry(conn, number)
            if entry.source is Source.OPT_OUT and not force:
                raise OptOutKept(
                    f"{number} opted out on {entry.created_at:%Y-%m-%d} (UTC): {entry.evidence!r}; if its owner has"
                    " asked to be called again, add --force and say so in the reason"
                )
            at_number = (do_not_call.c.account_id == self._account_id) & (do_not_call.c.number == number)
            await conn.execute(delete(do_not_call).where(at_number))
            was = {
                "source": entry.source.value,
                "evidence": entry.evidence,
                "attempt_id": entry.attempt_id,
                "by": entry.by,
                "created_at": entry.created_at.isoformat(),
            }
            await self._note(conn, "number_removed", by, number=number, reason=reason, detail=was)
            return entry

        removed = await self._database.transact(work)
        log.info("do_not_call_removed", number=mask(number), source=removed.source.value, by=by)
        return removed

    async def _entry(self, conn: AsyncConnection, number: str) -> Suppressed:
        of, wanted = do_not_call.c, (do_not_call.c.account_id == self._account_id, do_not_call.c.number == number)
        found = await conn.execute(
            select(of.number, of.source, of.evidence, of.attempt_id, of.created_at, of.by)
            .where(*wanted)
            .with_for_update()
        )
        row = found.first()
        if row is None:
            raise NotSuppressed(
                f"{number} is not on the account's own do-not-call list; see: campana dnc check {number}"
            )
        return Suppressed(row.number, Source(row.source), row.evidence, row.attempt_id, row.created_at, row.by)

    async def entries(self) -> AsyncIterator[Suppressed]:
        """The account's own list in the order in which it grew."""
        async with self._database.read() as conn:
            async for entry in suppression.entries(conn, self._account_id):
                yield entry

    async def history(self, number: str) -> list[Trace]:
        """What was entered and taken out by hand for the number, in order; what stands now is not in it."""
        of = suppression_events.c
        wanted = select(of.at, of.by, of.kind, of.list_name, of.reason, of.detail).where(
            of.account_id == self._account_id, of.number == number
        )
        async with self._database.read() as conn:
            return [Trace(*row) for row in (await conn.execute(wanted.order_by(of.id))).all()]

    async def add_pattern(
        self, text: str, *, region: str, by: str, reason: str, campaign_id: int | None = None
    ) -> tuple[str, bool]:
        """Call no number that matches; the pattern in its international form, and whether it is new.

        Raises `BadPattern`.
        """
        pattern = parse_pattern(text, region)

        async def work(conn: AsyncConnection) -> bool:
            if (await conn.execute(self._of_pattern(pattern, campaign_id))).first() is not None:
                return False
            row: dict[str, Any] = {"account_id": self._account_id, "campaign_id": campaign_id, "pattern": pattern}
            row |= {"reason": reason, "by": by[:64], "created_at": self._clock.now()}
            await conn.execute(insert(suppression_patterns).values(row))
            detail = {"campaign_id": campaign_id} if campaign_id else None
            await self._note(conn, "pattern_added", by, pattern=pattern, reason=reason, detail=detail)
            return True

        return pattern, await self._database.transact(work)

    async def remove_pattern(
        self, text: str, *, region: str, by: str, reason: str, campaign_id: int | None = None
    ) -> str:
        """Take a pattern out; the trace keeps it. Raises `BadPattern`, `NotSuppressed`."""
        pattern = parse_pattern(text, region)

        async def work(conn: AsyncConnection) -> None:
            found = (await conn.execute(self._of_pattern(pattern, campaign_id))).first()
            if found is None:
                raise NotSuppressed(f"there is no pattern {pattern} here; see: campana dnc pattern list")
            await conn.execute(delete(suppression_patterns).where(suppression_patterns.c.id == found.id))
            was: dict[str, Any] = {"reason": found.reason, "by": found.by, "created_at": found.created_at.isoformat()}
            was |= {"campaign_id": campaign_id} if campaign_id else {}
            await self._note(conn, "pattern_removed", by, pattern=pattern, reason=reason, detail=was)

        await self._database.transact(work)
        return pattern

    def _of_pattern(self, pattern: str, campaign_id: int | None) -> Any:
        of = suppression_patterns.c
        return select(suppression_patterns).where(
            of.account_id == self._account_id, of.pattern == pattern, of.campaign_id.is_not_distinct_from(campaign_id)
        )

    async def patterns(self) -> Sequence[Pattern]:
        """All patterns, the account's first."""
        of = suppression_patterns.c
        wanted = (
            select(of.pattern, campaigns.c.code, of.reason, of.by, of.created_at)
            .outerjoin(campaigns, campaigns.c.id == of.campaign_id)
            .where(of.account_id == self._account_id)
            .order_by(of.campaign_id.is_not(None), of.campaign_id, of.id)
        )
        async with self._database.read() as conn:
            return [Pattern(*row) for row in (await conn.execute(wanted)).all()]

    async def _note(self, conn: AsyncConnection, kind: str, by: str, **what: Any) -> None:
        await note(conn, self._account_id, kind, by=by, now=self._clock.now(), **what)
