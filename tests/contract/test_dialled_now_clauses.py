"""Each clause of "may be dialled now" says no alone: nobody is claimed, explain names it, and lifted it lets go."""

from __future__ import annotations

import uuid
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from sqlalchemy import delete, insert, update

from campaigns.clauses import Clause
from campaigns.explain import ContactExplained, explain_campaign_of, explain_contact_of
from campaigns.suppression import Source, add
from storage.database import Database
from storage.tables import accounts, attempts, campaigns, contacts, do_not_call, trunks
from tests.support_campaigns import NOW, House, number

DOCS = Path(__file__).parents[2] / "docs"
NUMBER = "+84912345678"
#: NOW is Monday 2 March 2026, 16:00 in Vietnam: every clause says yes.
HOUR = timedelta(hours=1)


@dataclass
class Stand:
    """A campaign with one contact who may be dialled now."""

    house: House
    campaign_id: int
    contact_id: int

    async def set(self, table: Any, **values: Any) -> None:
        async with self.house.database.write() as conn:
            await conn.execute(update(table).values(**values))

    async def contact(self, **values: Any) -> None:
        async with self.house.database.write() as conn:
            await conn.execute(update(contacts).where(contacts.c.id == self.contact_id).values(**values))

    async def campaign(self, **values: Any) -> None:
        async with self.house.database.write() as conn:
            await conn.execute(update(campaigns).where(campaigns.c.id == self.campaign_id).values(**values))

    async def trunk(self, **values: Any) -> None:
        await self.set(trunks, **values)

    async def pass_(self, time: timedelta) -> None:
        self.house.clock.advance(seconds=time.total_seconds())

    async def claimed(self) -> list[int]:
        return [claim.contact_id for claim in (await self.house.ledger().claim(["line"], 10)).claims]

    async def explained(self) -> ContactExplained:
        async with self.house.database.read() as conn:
            return await explain_contact_of(conn, self.campaign_id, str(self.contact_id), now=self.house.clock.now())


Step = Callable[[Stand], Awaitable[None]]


def _contact(**values: Any) -> Step:
    return lambda stand: stand.contact(**values)


def _campaign(**values: Any) -> Step:
    return lambda stand: stand.campaign(**values)


def _trunk(**values: Any) -> Step:
    return lambda stand: stand.trunk(**values)


def _later(time: timedelta) -> Step:
    return lambda stand: stand.pass_(time)


async def _list_number(stand: Stand) -> None:
    async with stand.house.database.write() as conn:
        await add(conn, stand.house.account_id, NUMBER, Source.MANUAL, now=NOW)


async def _unlist_number(stand: Stand) -> None:
    async with stand.house.database.write() as conn:
        await conn.execute(delete(do_not_call))
    # Who is barred has left the queue: a person puts it back.
    await stand.contact(state="pending", detail=None)


async def _past_call(stand: Stand, **values: Any) -> None:
    """A call to the number that counts, by another campaign."""
    other = await stand.house.campaign()
    elsewhere = await stand.house.contact(other, NUMBER, state="done")
    fields = {
        "id": uuid.uuid4().hex,
        "account_id": stand.house.account_id,
        "campaign_id": other,
        "contact_id": elsewhere,
        "bot_id": stand.house.bot_id,
        "trunk": "line",
        "attempt_no": 1,
        "origin": "import",
        "number": NUMBER,
        "node": "node-b",
        "lease_until": NOW + 1000 * HOUR,
        "phase": "ended",
        "claimed_at": NOW,
        "originated_at": NOW,
        "tariff_snapshot": {},
        "currency": "USD",
    }
    async with stand.house.database.write() as conn:
        await conn.execute(insert(attempts).values(**fields | values))


async def _someone_else_talks(stand: Stand) -> None:
    await _past_call(stand, number="+84912345679", phase="talking", campaign_id=stand.campaign_id)


async def _another_campaign_talks(stand: Stand) -> None:
    await _past_call(stand, number="+84912345679", phase="talking")


async def _account_is_full(stand: Stand) -> None:
    await _another_campaign_talks(stand)
    await stand.set(accounts, concurrency=1)


async def _slow_start(stand: Stand) -> None:
    ramp = {"from": 1, "step": 1, "every_s": 60}
    await stand.campaign(concurrency=5, slow_start=ramp, running_since=NOW)
    await _someone_else_talks(stand)


async def _channels_are_kept(stand: Stand) -> None:
    await stand.trunk(channels=2)
    await _another_campaign_talks(stand)
    house = stand.house
    keeping = await house.campaign(callback_reserve=1)
    await house.contact(keeping, number(77), next_at=NOW + 24 * HOUR)
    await house.campaigns.start(keeping)


async def _number_talks_elsewhere(stand: Stand) -> None:
    await _past_call(stand, phase="talking")


async def _calls_end(stand: Stand) -> None:
    await stand.set(attempts, phase="ended")


async def _called_today(stand: Stand) -> None:
    await stand.campaign(caps={"per_day": 1})
    await _past_call(stand)


async def _answered(stand: Stand) -> None:
    await stand.campaign(caps={"no_call_back_days": 1})
    await _past_call(stand, answered_at=NOW)


async def _poor(stand: Stand) -> None:
    await stand.set(accounts, credit_limit=Decimal(0), prepaid=Decimal(0))


async def _topped_up(stand: Stand) -> None:
    await stand.set(accounts, prepaid=Decimal(1000))
    await stand.campaign(state="running", pause_reason=None)


async def _no_budget(stand: Stand) -> None:
    await stand.campaign(budget=Decimal("0.01"), spent=Decimal(0), reserved=Decimal(0))


async def _budget(stand: Stand) -> None:
    await stand.campaign(budget=Decimal(1000), state="running", pause_reason=None)


#: By clause: what makes it alone say no, and what lifts it.
CASES: Mapping[Clause, tuple[Step, Step]] = {
    Clause.CAMPAIGN_RUNNING: (_campaign(state="paused"), _campaign(state="running")),
    Clause.CONTACT_STATE: (_contact(state="held"), _contact(state="pending")),
    Clause.NEXT_AT: (_contact(state="retry_wait", next_at=NOW + HOUR), _later(HOUR)),
    Clause.CAMPAIGN_WINDOW: (_campaign(windows=[["08:00", "16:00"]]), _later(16 * HOUR)),
    Clause.OWN_WINDOW: (_contact(time_from="17:00", time_to="18:00"), _later(HOUR)),
    Clause.TIME_ZONE: (_contact(number="+99900000001"), _contact(time_zone="Asia/Ho_Chi_Minh", next_at=None)),
    Clause.LEGAL_HOURS: (_contact(time_zone="America/New_York"), _later(4 * HOUR)),
    Clause.ATTEMPTS_LEFT: (_contact(attempts=1), _campaign(max_attempts=2)),
    Clause.DO_NOT_CALL: (_list_number, _unlist_number),
    Clause.NUMBER_LIVE: (_number_talks_elsewhere, _calls_end),
    Clause.FREQUENCY_CAP: (_called_today, _later(16 * HOUR)),
    Clause.NO_CALL_BACK_PERIOD: (_answered, _later(24 * HOUR)),
    Clause.SLOT: (_someone_else_talks, _campaign(concurrency=2)),
    Clause.TRUNK_OPEN: (_trunk(health="paused", pause_reason="at night"), _trunk(health="healthy")),
    Clause.TRUNK_CHANNEL: (_trunk(channels=0), _trunk(channels=1)),
    Clause.TRUNK_RATE: (_trunk(cps=0.1, next_call_us=int((NOW + HOUR).timestamp() * 1e6)), _later(HOUR)),
    Clause.BUDGET: (_no_budget, _budget),
    Clause.BALANCE: (_poor, _topped_up),
}


async def _stand(house: House) -> Stand:
    """A campaign with one contact who may be dialled now, and nothing left of the one before it."""
    house.clock.advance(seconds=(NOW - house.clock.now()).total_seconds())
    async with house.database.write() as conn:
        await conn.execute(update(attempts).values(phase="ended", counted=False))
        await conn.execute(update(campaigns).values(state="completed"))
        await conn.execute(update(trunks).values(channels=100, cps=1_000_000.0, next_call_us=0, health="healthy"))
        await conn.execute(update(accounts).values(credit_limit=None, prepaid=None, concurrency=None))
    campaign_id = await house.campaign(purpose="service", concurrency=1)
    contact_id = await house.contact(campaign_id, NUMBER)
    # Keeps the campaign going when the other one is through.
    await house.contact(campaign_id, "+84912345670", state="held")
    await house.campaigns.start(campaign_id)
    return Stand(house, campaign_id, contact_id)


def test_no_clause_is_without_a_case() -> None:
    assert set(CASES) == set(Clause)


#: Further ways in which one of them alone says no.
MORE: Sequence[tuple[Clause, Step, Step]] = (
    (Clause.SLOT, _account_is_full, lambda stand: stand.set(accounts, concurrency=2)),
    (Clause.SLOT, _slow_start, _later(timedelta(minutes=1))),
    (Clause.SLOT, _campaign(callback_reserve=1), _contact(state="callback", next_at=NOW)),
    (Clause.TRUNK_CHANNEL, _channels_are_kept, _contact(state="callback", next_at=NOW)),
    (Clause.TRUNK_OPEN, _trunk(health="trying", trial_attempt_id="a"), _trunk(health="healthy", trial_attempt_id=None)),
    (Clause.CAMPAIGN_WINDOW, _campaign(closed_dates=["2026-03-02"]), _later(16 * HOUR)),
    (Clause.CAMPAIGN_WINDOW, _campaign(weekdays=[2]), _later(16 * HOUR)),
)


async def test_each_clause_alone_says_no_and_explain_names_it(database: Database) -> None:
    house = await House(database).build()
    # One house for all of them: building one for each takes longer than the clauses themselves.
    for clause, says_no, lifts in (*((clause, *steps) for clause, steps in CASES.items()), *MORE):
        await _says_no_alone(await _stand(house), clause, says_no, lifts)


async def _says_no_alone(stand: Stand, clause: Clause, says_no: Step, lifts: Step) -> None:
    assert (await stand.explained()).failing == (), clause
    await says_no(stand)
    told = (await stand.explained()).failing
    assert [finding.clause for finding in told] == [clause], told
    assert told[0].text
    assert await stand.claimed() == [], clause
    # What the claim wrote down tells the same.
    after = {finding.clause for finding in (await stand.explained()).failing}
    assert clause in after
    assert after <= {clause, *_LEFT_BEHIND.get(clause, ())}
    await lifts(stand)
    assert (await stand.explained()).failing == (), clause
    assert await stand.claimed() == [stand.contact_id], clause


#: What a claim changes for good when the clause says no, so that another clause says so too.
_LEFT_BEHIND: Mapping[Clause, tuple[Clause, ...]] = {
    Clause.DO_NOT_CALL: (Clause.CONTACT_STATE,),
    Clause.BUDGET: (Clause.CAMPAIGN_RUNNING,),
    Clause.BALANCE: (Clause.CAMPAIGN_RUNNING,),
}


async def test_every_clause_is_told_in_order_each_once(database: Database) -> None:
    stand = await _stand(await House(database).build())
    told = await stand.explained()
    assert [finding.clause for finding in told.findings] == list(Clause)
    async with stand.house.database.read() as conn:
        found = await explain_campaign_of(conn, stand.campaign_id, now=NOW)
    assert (found.failing, found.callable_now, found.not_looked_at) == ((), 1, 0)


def test_every_clause_stands_in_the_docs() -> None:
    for page in ("explanation/calling-rules.md", "how-to/find-out-why-nobody-is-called.md"):
        text = (DOCS / page).read_text(encoding="utf-8")
        assert [clause for clause in Clause if f"`{clause.value}`" not in text] == [], page
