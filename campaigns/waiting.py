"""Post-conditions on waiting times: looked at when the time is over, for then no attempt may be there to ask."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

from sqlalchemy import and_, exists, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from campaigns.closing import Finished, close_finished, lock_campaigns
from campaigns.following import decisions, situation_of
from campaigns.followup_rules import numbered
from campaigns.followups import Followed, Rule, Since, follow
from campaigns.retries import Outcome
from campaigns.states import OPEN, WAITING, AttemptPhase, ContactState, move_contact
from campaigns.trail import Decision, note
from campaigns.webhook_events import tell_contacts
from storage.clock import Clock
from storage.database import Database
from storage.rows import update_each, words
from storage.tables import attempts, campaigns, contacts

_LOOK_EVERY = timedelta(seconds=5)
_AT_ONCE = 500
#: Batches of one look; the rest comes with the next, at once.
_ROUNDS = 4
_EPOCH = datetime.fromtimestamp(0, UTC)
_OPEN = [state.value for state in sorted(OPEN)]


class WaitingTimes:
    """The rules of all open campaigns that speak of a waiting time, as one node looks at them."""

    def __init__(self, database: Database, clock: Clock, *, node: str) -> None:
        self._database = database
        self._clock = clock
        self._node = node
        self._next_look: datetime | None = None

    async def look(self) -> list[Finished]:
        """Apply the rules to contacts whose waiting time is over, each rule once to each; campaigns that this ended.

        Looks no more often than every five seconds, and at some thousand contacts at once.
        """
        now = self._clock.now()
        if self._next_look is not None and now < self._next_look:
            return []
        finished: list[Finished] = []
        for _ in range(_ROUNDS):
            due = await self._due(now)
            if not due:
                self._next_look = now + _LOOK_EVERY
                break
            for each in due:
                finished += await self._database.transact(partial(self._apply, due=each, now=now))
        return finished

    async def _due(self, now: datetime) -> list[tuple[int, int]]:
        """Campaigns and their rules whose waiting time is over for somebody not looked at yet."""
        found: list[tuple[int, int]] = []
        async with self._database.read() as conn:
            with_rules = select(campaigns).where(campaigns.c.state.in_(_OPEN), campaigns.c.post_conditions.is_not(None))
            rows = [dict(row) for row in (await conn.execute(with_rules.order_by(campaigns.c.id))).mappings()]
            for row in rows:
                for number, rule in numbered(row["post_conditions"]):
                    if rule.when.waiting is not None and await _passed(conn, row, number, rule, now, limit=1):
                        found.append((row["id"], number))
        return found

    async def _apply(self, conn: AsyncConnection, due: tuple[int, int], now: datetime) -> list[Finished]:
        campaign_id, number = due
        await lock_campaigns(conn, [campaign_id])
        campaign = dict((await conn.execute(select(campaigns).where(campaigns.c.id == campaign_id))).mappings().one())
        rule = dict(numbered(campaign["post_conditions"]))[number]
        passed = await _passed(conn, campaign, number, rule, now, limit=_AT_ONCE)
        # Another node may have come first, or a person have ended the campaign.
        if not passed or campaign["state"] not in _OPEN:
            return []
        changes = await _Batch(conn, campaign, number, rule, now, by=self._node).run([row.contact_id for row in passed])
        last = passed[-1]
        waits = dict(campaign["waits"] or {}) | {str(number): [_ms(last.at), last.id]}
        await conn.execute(update(campaigns).where(campaigns.c.id == campaign_id).values(waits=waits))
        return await close_finished(conn, [campaign_id] if changes else [], now)


async def _passed(
    conn: AsyncConnection, campaign: Mapping[str, Any], number: int, rule: Rule, now: datetime, *, limit: int
) -> Sequence[Any]:
    """`at`, `id` and `contact_id` of those whose time is over, in the order in which it was, after those looked at."""
    assert rule.when.waiting is not None
    at, key, contact_id = (
        (contacts.c.entered_at, contacts.c.id, contacts.c.id)
        if rule.when.since is Since.IMPORT
        else (attempts.c.originated_at, attempts.c.id, attempts.c.contact_id)
    )
    wanted = [at.table.c.campaign_id == campaign["id"], at <= now - rule.when.waiting]
    if rule.when.since is Since.FIRST_ATTEMPT:
        wanted += _first_attempts()
    position = (campaign["waits"] or {}).get(str(number))
    if position is not None:
        seen = _instant(position[0])
        wanted += [at >= seen, or_(at > seen, key > position[1])]
    found = select(at.label("at"), key.label("id"), contact_id.label("contact_id")).where(*wanted)
    return (await conn.execute(found.order_by(at, key).limit(limit))).all()


def _first_attempts() -> list[Any]:
    earlier = attempts.alias("earlier")
    before = or_(
        earlier.c.originated_at < attempts.c.originated_at,
        and_(earlier.c.originated_at == attempts.c.originated_at, earlier.c.id < attempts.c.id),
    )
    same = [earlier.c.contact_id == attempts.c.contact_id, earlier.c.counted.is_(True)]
    return [attempts.c.counted.is_(True), ~exists().where(*same, before)]


def _ms(at: datetime) -> int:
    return (at - _EPOCH) // timedelta(milliseconds=1)


def _instant(ms: int) -> datetime:
    return _EPOCH + timedelta(milliseconds=ms)


class _Batch:
    """One rule and the contacts whose waiting time is over."""

    def __init__(
        self, conn: AsyncConnection, campaign: Mapping[str, Any], number: int, rule: Rule, now: datetime, *, by: str
    ) -> None:
        self._conn = conn
        self._campaign = campaign
        self._rule = (number, rule)
        self._now = now
        self._by = by
        self._decisions: list[Decision] = []

    async def run(self, contact_ids: Sequence[int]) -> int:
        """Apply the rule to those who wait; how many changed."""
        # Who is in a call is not waited for: whoever settles it waits for the campaign, which we hold.
        of_these = select(contacts).where(contacts.c.id.in_(contact_ids), contacts.c.state.in_(words(sorted(WAITING))))
        locked = of_these.order_by(contacts.c.id).with_for_update(key_share=True)
        waiting = [dict(row) for row in (await self._conn.execute(locked)).mappings()]
        called = await self._called([row["id"] for row in waiting if row["attempts"]])
        changes = [({"id": row["id"]}, self._changes(row, called.get(row["id"], []))) for row in waiting]
        changed = [(match, values) for match, values in changes if values]
        await update_each(self._conn, contacts, changed)
        await tell_contacts(self._conn, [match["id"] for match, values in changed if "state" in values], self._now)
        await note(self._conn, self._decisions, by=self._by, now=self._now)
        return len(changed)

    async def _called(self, contact_ids: Sequence[int]) -> dict[int, list[Any]]:
        """The calls of each contact that count, oldest first."""
        calls: dict[int, list[Any]] = defaultdict(list)
        c = attempts.c
        if contact_ids:
            seen = select(c.contact_id, c.originated_at, c.call_status, c.action_code).where(
                c.contact_id.in_(contact_ids), c.phase == AttemptPhase.ENDED.value, c.counted.is_(True)
            )
            for row in (
                await self._conn.execute(seen.where(c.originated_at.is_not(None)).order_by(c.claimed_at))
            ).all():
                calls[row.contact_id].append(row)
        return calls

    def _changes(self, row: Mapping[str, Any], calls: Sequence[Any]) -> dict[str, Any]:
        situation = situation_of(
            row,
            self._campaign,
            self._now,
            first_called_at=calls[0].originated_at if calls else None,
            attempts=row["attempts"],
            last=Outcome(calls[-1].call_status, calls[-1].action_code) if calls else None,
        )
        followed = follow([self._rule], situation, goes_on=True)
        self._decisions += decisions(row["id"], followed)
        return dict(followed.values) | _moved(ContactState(row["state"]), followed)


def _moved(state: ContactState, followed: Followed) -> dict[str, Any]:
    """The columns by which a contact ends, or is called at another time."""
    if followed.end is not None:
        ended = move_contact(state, followed.end.state)
        return {"state": ended.value, "detail": followed.end.reason, "next_at": None}
    # What was agreed with the customer stands, and who is held is not called at all.
    if followed.call_at is None or state in {ContactState.CALLBACK, ContactState.HELD}:
        return {}
    return {"next_at": followed.call_at}
