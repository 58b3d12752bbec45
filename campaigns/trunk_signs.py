"""What the calls of one transaction say of their trunks, noted with them."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

import structlog
from sqlalchemy import func, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from campaigns.operations import Operation, Settle
from campaigns.pacing import to_us
from campaigns.routing import calling_over, trunks_of
from campaigns.settling import Settlement
from campaigns.states import OPEN
from campaigns.trunk_health import Breaker, FailingCall, Sign, TrunkHealth, read_sign
from storage.many import member
from storage.notify import Topic, tell
from storage.outbox import enqueue
from storage.tables import attempts, campaigns, trunks
from telephony.outcomes import CallStatus

log = structlog.get_logger(__name__)

PAUSED_TOPIC = "trunk_mail"
#: A trunk that is not there is given up sooner than this (SipSettings.no_response_s), a telephone that rings later.
_LONG_WAIT: Final = timedelta(seconds=15)
#: How often a contact is spared: where each call to one number fails, it may after all be the number's fault.
SPARED_AT_MOST: Final = 3


# Made once: to put a statement together costs more than to run it.
_TRUNK_OF = select(attempts.c.id, attempts.c.trunk).where(member(attempts.c.id, "ids"))
_TRUNKS = select(trunks).where(member(trunks.c.name, "names"))


class TrunkSigns:
    """The breakers of the trunks that these attempts are on."""

    def __init__(self, now: datetime) -> None:
        self._now = now
        self._trunk_of: dict[str, str] = {}
        self._stored: dict[str, Breaker] = {}
        self._breakers: dict[str, Breaker] = {}
        self._spared_before: dict[str, int] = {}
        #: Attempts whose campaigns may call over another trunk instead.
        self._elsewhere: set[str] = set()

    async def load(self, conn: AsyncConnection, operations: Iterable[Operation]) -> None:
        """Read the trunks; lock those of which something may change, before any other row is locked."""
        operations = list(operations)
        ids = sorted({operation.attempt_id for operation in operations})
        for attempt_id, name in (await conn.execute(_TRUNK_OF, {"ids": ids})).all():
            self._trunk_of[attempt_id] = name
        for row in (await conn.execute(_TRUNKS, {"names": sorted(set(self._trunk_of.values()))})).mappings():
            self._stored[row["name"]] = Breaker.from_row(dict(row))
        self._trunk_of = {attempt_id: name for attempt_id, name in self._trunk_of.items() if name in self._stored}
        # While all is well a good sign changes nothing: claims need not wait for settlements then.
        wanted = {name for name, breaker in self._stored.items() if breaker.health is not TrunkHealth.HEALTHY}
        failing = _failing(operations)
        wanted |= {self._trunk_of[i] for i in failing if i in self._trunk_of}
        if wanted:
            locked = select(trunks).where(trunks.c.name.in_(sorted(wanted))).order_by(trunks.c.name)
            for row in (await conn.execute(locked.with_for_update(key_share=True))).mappings():
                self._stored[row["name"]] = Breaker.from_row(dict(row))
        self._breakers = dict(self._stored)
        if failing:
            self._spared_before = await _spared_before(conn, failing)
            self._elsewhere = await _elsewhere(conn, failing)

    def admits(self, attempt_id: str) -> bool:
        """Whether the attempt's trunk may be called over."""
        breaker = self._of(attempt_id)
        return breaker is None or breaker.admits(attempt_id)

    def well(self, attempt_id: str, at: datetime) -> None:
        """The attempt got through at this instant."""
        breaker = self._of(attempt_id)
        if breaker is not None:
            self._breakers[self._trunk_of[attempt_id]] = breaker.well(attempt_id, at)

    def ended(self, attempt_id: str) -> None:
        """The attempt is over without having been placed."""
        breaker = self._of(attempt_id)
        if breaker is not None:
            self._breakers[self._trunk_of[attempt_id]] = breaker.ended(attempt_id)

    def settled(self, row: Mapping[str, Any], facts: Settlement) -> bool:
        """Note an ended call, given its row of the table attempts; whether its contact is spared the attempt.

        The trunk alone is to blame for a refusal of our credentials or credit, which only a repair can change, for
        calls that were on their way when it was paused, for the trial call, which we placed for its sake, and for any
        call that another trunk can take instead. Who picked up and heard nothing was called all the same.
        """
        attempt_id = row["id"]
        breaker, sign = self._of(attempt_id), read_sign(facts)
        closed = breaker is not None and breaker.is_closed
        if breaker is not None:
            self._breakers[self._trunk_of[attempt_id]] = self._after(breaker, sign, row, facts)
        # What broke down in the dialer, or was waited for in vain, may have rung: nobody is called twice for it while
        # the trunk is open.
        replaced = attempt_id in self._elsewhere and not facts.dialer_failed and not _may_have_rung(row, facts)
        blamed = sign is Sign.REFUSED or (sign is Sign.FAULT and (closed or replaced))
        return blamed and self._spared_before.get(attempt_id, 0) < SPARED_AT_MOST

    def _after(self, breaker: Breaker, sign: Sign, row: Mapping[str, Any], facts: Settlement) -> Breaker:
        if sign is Sign.NOTHING:
            return breaker.ended(row["id"])
        if sign is Sign.WELL:
            end = facts.dial or facts.end
            heard = (row["ringing_at"], row["answered_at"], facts.answered_at, end.ended_at if end else None)
            return breaker.well(row["id"], next((at for at in heard if at is not None), self._now))
        assert facts.dial is not None
        return breaker.failed(sign, FailingCall.of(row["id"], facts.dial), self._now)

    async def store(self, conn: AsyncConnection) -> None:
        """Write what has changed; a trunk that has just been paused is told of by mail."""
        for name, breaker in self._breakers.items():
            if breaker != self._stored[name]:
                await store_breaker(conn, name, self._stored[name], breaker, self._now)

    def _of(self, attempt_id: str) -> Breaker | None:
        name = self._trunk_of.get(attempt_id)
        return None if name is None else self._breakers[name]


def _failing(operations: Sequence[Operation]) -> set[str]:
    settled = [operation for operation in operations if isinstance(operation, Settle)]
    return {one.attempt_id for one in settled if read_sign(one.facts) not in {Sign.WELL, Sign.NOTHING}}


def _may_have_rung(row: Mapping[str, Any], facts: Settlement) -> bool:
    """Whether a call failed after a long wait without a word: a network that tells nothing may ring all the same."""
    dial = facts.dial
    if dial is None or dial.sip_code is not None or dial.q850 is not None or row["originated_at"] is None:
        return False
    return bool(dial.ended_at - row["originated_at"] >= _LONG_WAIT)


async def _spared_before(conn: AsyncConnection, attempt_ids: Collection[str]) -> dict[str, int]:
    """By attempt: how many earlier ones of its contact were not held against it."""
    earlier = attempts.alias("earlier")
    statement = (
        select(attempts.c.id, func.count())
        .join(earlier, earlier.c.contact_id == attempts.c.contact_id)
        .where(attempts.c.id.in_(attempt_ids), earlier.c.counted.is_(False), earlier.c.originated_at.is_not(None))
        # Those that our own shutdown broke off say nothing of the number.
        .where(earlier.c.call_status != CallStatus.CANCELLED.value)
        .group_by(attempts.c.id)
    )
    return {attempt_id: count for attempt_id, count in (await conn.execute(statement)).all()}  # noqa: C416 - Row is no pair to mypy


async def _elsewhere(conn: AsyncConnection, attempt_ids: Collection[str]) -> set[str]:
    """Those of the attempts whose campaigns have another trunk that is open."""
    of_attempts = select(attempts.c.id, attempts.c.trunk.label("used"), campaigns.c.trunk, campaigns.c.backup_trunks)
    joined = of_attempts.join(campaigns, campaigns.c.id == attempts.c.campaign_id)
    rows = (await conn.execute(joined.where(attempts.c.id.in_(attempt_ids)))).mappings().all()
    others = {row["id"]: set(trunks_of(dict(row))) - {row["used"]} for row in rows if row["backup_trunks"]}
    if not others:
        return set()
    closed = (TrunkHealth.PAUSED.value, TrunkHealth.TRYING.value)
    wanted = select(trunks.c.name).where(
        trunks.c.name.in_(set().union(*others.values())), trunks.c.health.not_in(closed)
    )
    opened = set((await conn.execute(wanted)).scalars())
    return {attempt_id for attempt_id, names in others.items() if names & opened}


async def store_breaker(conn: AsyncConnection, name: str, old: Breaker, new: Breaker, now: datetime) -> None:
    """Write a trunk's health; the caller holds the lock of its row."""
    await conn.execute(update(trunks).where(trunks.c.name == name).values(**new.as_row()))
    if old.health is new.health:
        return
    # Calls that waited for it may be placed, and those on it by another one.
    await tell(conn, Topic.WORK)
    level = log.warning if new.health in {TrunkHealth.PAUSED, TrunkHealth.TRYING} else log.info
    level("trunk_moved", trunk=name, old=old.health.value, new=new.health.value, reason=new.pause_reason)
    if new.health is TrunkHealth.PAUSED and old.paused_at is None and new.probe_at is not None:
        await _order_mail(conn, name, new, now)


async def _order_mail(conn: AsyncConnection, name: str, breaker: Breaker, now: datetime) -> None:
    """One mail for each account that calls over the trunk; a pause is told once, however long it lasts."""
    assert breaker.paused_at is not None
    kept = select(campaigns.c.account_id, campaigns.c.trunk, campaigns.c.backup_trunks)
    running = kept.where(campaigns.c.state.in_([state.value for state in OPEN]))
    rows = [dict(row) for row in (await conn.execute(running)).mappings()]
    for account_id in sorted({row["account_id"] for row in calling_over(rows, [name])}):
        payload = {
            "trunk": name,
            "account_id": account_id,
            "paused_at": breaker.paused_at.isoformat(),
            "reason": breaker.pause_reason,
            "failing_calls": [call.as_json() for call in breaker.failing_calls],
        }
        key = f"trunk_paused:{name}:{to_us(breaker.paused_at) // 1000}:{account_id}"
        await enqueue(conn, key=key, topic=PAUSED_TOPIC, payload=payload, now=now)
