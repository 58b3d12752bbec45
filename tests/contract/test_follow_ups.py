"""What follows a settled attempt besides a further one: post-conditions and retargeting."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import insert, update

from campaigns.closing import Finished
from campaigns.errors import BadFollowUp
from campaigns.settling import Settlement
from campaigns.waiting import WaitingTimes
from reports.attempts import AttemptFilter
from reports.rows import ATTEMPT_COLUMNS, attempt_cells
from reports.scope import Scope
from storage.database import Database
from storage.tables import attempts, bots, campaigns, contact_events, contacts, do_not_call
from telephony.call import NotAnswered
from telephony.outcomes import DialStatus
from tests.support_campaigns import MINUTE, NOW, House, number

_AGAIN = [{"on": ["BUSY", "NOANSWER"], "times": 5, "after_min": 10}]


@pytest.fixture
async def house(database: Database) -> House:
    return await House(database).build()


async def _bot(house: House, name: str, version: int = 1) -> int:
    row = {"name": name, "version": version, "language": "en", "voice": "joe", "speed": 1.0, "script": "start: end"}
    async with house.database.write() as conn:
        made = await conn.execute(insert(bots).values(account_id=house.account_id, created_at=NOW, **row))
    assert made.inserted_primary_key is not None
    return int(made.inserted_primary_key[0])


async def _with_rules(house: House, *rules: tuple[Mapping[str, Any], Mapping[str, Any]], **fields: Any) -> int:
    """A running campaign with these rules, and one contact of it that was entered now."""
    written = [{"when": dict(when), "then": dict(then)} for when, then in rules]
    campaign_id = await house.campaign(post_conditions=written, max_attempts=5, retry_rules=_AGAIN)
    contact_id = await house.contact(campaign_id, number(house.made), entered_at=NOW, **fields)
    await house.campaigns.start(campaign_id)
    return contact_id


async def _miss(house: House, status: DialStatus = DialStatus.BUSY) -> str:
    """Call the one contact that is due, in vain."""
    ledger = house.ledger()
    (claim,) = (await ledger.claim(["line"], 1)).claims
    await house.miss(ledger, claim, status)
    return claim.attempt_id


async def _trail(house: House, contact_id: int) -> list[tuple[str, Any]]:
    return [(row["kind"], row["detail"]) for row in await house.rows(contact_events) if row["contact_id"] == contact_id]


async def test_a_rule_changes_the_contact_in_the_settlement_and_leaves_its_trace(house: House) -> None:
    other = await _bot(house, "Mai")
    newest = await _bot(house, "Mai", 2)
    assert other != newest
    then = {"priority": 9, "language": "vi", "variables": {"tone": "urgent"}, "bot": "Mai", "call_after_min": 90}
    contact_id = await _with_rules(house, ({"last": ["busy"]}, then), variables={"sum": "5"})
    attempt_id = await _miss(house)
    row = await house.row(contacts, contact_id)
    assert (row["priority"], row["language"], row["bot_id"]) == (9, "vi", newest)
    assert row["variables"] == {"sum": "5", "tone": "urgent"}
    assert (row["state"], row["next_at"]) == ("retry_wait", NOW + timedelta(minutes=90))
    ((kind, detail),) = await _trail(house, contact_id)
    assert (kind, detail["rule"], detail["priority"], detail["bot_id"]) == ("followed_up", 1, 9, newest)
    assert (await house.row(attempts, attempt_id))["bot_id"] == house.bot_id
    house.clock.advance(minutes=90)
    (claim,) = (await house.ledger().claim(["line"], 1)).claims
    assert (claim.bot_id, claim.language, claim.variables["tone"]) == (newest, "vi", "urgent")
    assert (await house.row(attempts, claim.attempt_id))["bot_id"] == newest


async def test_a_rule_ends_a_contact_and_with_the_last_one_its_campaign(house: House) -> None:
    then = {"end": {"state": "cancelled", "reason": "never there"}}
    contact_id = await _with_rules(house, ({"attempts": 2}, then))
    await _miss(house)
    assert (await house.row(contacts, contact_id))["state"] == "retry_wait"
    house.clock.advance(minutes=10)
    await _miss(house)
    row = await house.row(contacts, contact_id)
    assert (row["state"], row["detail"], row["next_at"]) == ("cancelled", "never there", None)
    assert (await house.row(campaigns, row["campaign_id"]))["state"] == "completed"


async def test_what_was_agreed_with_the_customer_stands(house: House) -> None:
    contact_id = await _with_rules(house, ({"attempts": 1}, {"call_after_min": 5, "priority": 3}))
    ledger = house.ledger()
    (claim,) = (await ledger.claim(["line"], 1)).claims
    at = NOW + timedelta(hours=3)
    await house.talk(ledger, claim, callback=True, callback_at=at)
    row = await house.row(contacts, contact_id)
    assert (row["state"], row["next_at"], row["priority"]) == ("callback", at, 3)


async def test_an_attempt_that_does_not_count_changes_nothing(house: House) -> None:
    contact_id = await _with_rules(house, ({"attempts_at_most": 5}, {"priority": 3}))
    ledger = house.ledger()
    (claim,) = (await ledger.claim(["line"], 1)).claims
    await ledger.begin(claim.attempt_id, 1)
    broken_off = Settlement(dial=NotAnswered(DialStatus.CANCEL, NOW), by_node=True)
    await ledger.settle(claim.attempt_id, 1, broken_off)
    assert (await house.row(contacts, contact_id))["priority"] == 0


async def test_a_contact_who_opted_out_is_left_alone(house: House) -> None:
    contact_id = await _with_rules(house, ({"attempts": 1}, {"priority": 3}))
    ledger = house.ledger()
    (claim,) = (await ledger.claim(["line"], 1)).claims
    await house.talk(ledger, claim, opted_out=True)
    row = await house.row(contacts, contact_id)
    assert (row["state"], row["priority"]) == ("opted_out", 0)


async def test_a_bot_that_nobody_has_is_refused_when_the_campaign_is_made(house: House) -> None:
    rules = [{"when": {"attempts": 1}, "then": {"bot": "Nobody"}}]
    with pytest.raises(BadFollowUp, match=r"rule 1: then\.bot: no bot of the account is called 'Nobody'"):
        await house.campaign(post_conditions=rules)


async def _pair(house: House, **changes: Any) -> tuple[int, int, int]:
    """Two campaigns, the first sending its contact on to the second after two calls in vain."""
    target = await house.campaign(code="SECOND", start=False)
    retarget = {"after_unanswered": 2, "campaign": "SECOND"}
    first = await house.campaign(retarget=retarget, max_attempts=3, retry_rules=_AGAIN)
    fields = {"name": "An", "variables": {"sum": "5"}, "external_key": "k1", "language": "vi", "priority": 4}
    contact_id = await house.contact(first, number(1), **fields | changes)
    await house.campaigns.start(first)
    return first, target, contact_id


async def _miss_twice(house: House) -> None:
    await _miss(house)
    house.clock.advance(minutes=10)
    await _miss(house, DialStatus.NOANSWER)


async def test_after_so_many_calls_in_vain_a_contact_goes_on_in_the_other_campaign(house: House) -> None:
    first, target, contact_id = await _pair(house)
    await _miss(house)
    assert await house.contact_states(target) == {}
    house.clock.advance(minutes=10)
    await _miss(house)
    left = await house.row(contacts, contact_id)
    assert (left["state"], left["detail"], left["next_at"]) == ("exhausted", "retargeted to SECOND", None)
    assert (await house.row(campaigns, first))["state"] == "completed"
    (entered,) = [row for row in await house.rows(contacts) if row["campaign_id"] == target]
    kept = ("number", "name", "variables", "external_key", "language", "priority")
    assert {name: entered[name] for name in kept} == {name: left[name] for name in kept}
    assert (entered["state"], entered["origin"], entered["source_id"]) == ("pending", "retarget", contact_id)
    assert (entered["attempts"], entered["entered_at"]) == (0, NOW + 10 * MINUTE)
    assert await _trail(house, contact_id) == [("retargeted", {"campaign": "SECOND", "result": "added"})]
    await house.campaigns.start(target)
    (claim,) = (await house.ledger().claim(["line"], 1)).claims
    row = await house.row(attempts, claim.attempt_id)
    assert (row["campaign_id"], row["origin"]) == (target, "retarget")


async def test_a_call_that_was_answered_is_not_in_vain(house: House) -> None:
    _, target, _ = await _pair(house)
    await _miss(house)
    house.clock.advance(minutes=10)
    ledger = house.ledger()
    (claim,) = (await ledger.claim(["line"], 1)).claims
    await house.talk(ledger, claim, callback=True)
    house.clock.advance(minutes=20)
    assert await house.contact_states(target) == {}
    await _miss(house)
    assert await house.contact_states(target) == {"pending": 1}


async def test_a_suppressed_number_does_not_enter_the_other_campaign(house: House) -> None:
    target = await house.campaign(code="SECOND", start=False)
    first = await house.campaign(retarget={"after_unanswered": 1, "campaign": "SECOND"})
    contact_id = await house.contact(first, number(1))
    await house.campaigns.start(first)
    ledger = house.ledger()
    (claim,) = (await ledger.claim(["line"], 1)).claims
    await ledger.begin(claim.attempt_id, 1)
    await _suppress(house)
    await ledger.settle(claim.attempt_id, 1, house.missed())
    assert await house.contact_states(target) == {}
    assert (await house.row(contacts, contact_id))["detail"] == "not retargeted to SECOND: do_not_call"


async def _suppress(house: House) -> None:
    async with house.database.write() as conn:
        row = {"account_id": house.account_id, "number": number(1), "source": "manual", "created_at": NOW}
        await conn.execute(insert(do_not_call).values(row))


@pytest.mark.parametrize("why", ["do_not_call", "duplicate", "key", "closed"])
async def test_who_cannot_enter_the_other_campaign_ends_here_and_the_trail_says_why(house: House, why: str) -> None:
    _, target, contact_id = await _pair(house)
    if why in {"duplicate", "key"}:
        await house.contact(target, number(1 if why == "duplicate" else 2), external_key="k1" if why == "key" else None)
    before = await house.contact_states(target)
    await _miss(house)
    async with house.database.write() as conn:
        if why == "closed":
            await conn.execute(update(campaigns).where(campaigns.c.id == target).values(state="stopped"))
    house.clock.advance(minutes=10)
    ledger = house.ledger()
    (claim,) = (await ledger.claim(["line"], 1)).claims
    await ledger.begin(claim.attempt_id, 1)
    if why == "do_not_call":
        await _suppress(house)
    await ledger.settle(claim.attempt_id, 1, house.missed())
    left, result = await house.row(contacts, contact_id), "duplicate" if why == "key" else why
    assert await house.contact_states(target) == before
    if why == "do_not_call":
        # Nobody asks where such a contact might go on.
        assert (left["state"], await _trail(house, contact_id)) == ("dnc_blocked", [])
    else:
        assert (left["state"], left["detail"]) == ("exhausted", f"not retargeted to SECOND: {result}")
        assert await _trail(house, contact_id) == [("retargeted", {"campaign": "SECOND", "result": result})]


async def test_two_contacts_of_one_number_enter_once(house: House) -> None:
    first, target, _ = await _pair(house)
    await house.contact(first, number(1), external_key="k2")
    for _ in range(4):
        await _miss(house)
        house.clock.advance(minutes=10)
    assert await house.contact_states(target) == {"pending": 1}
    assert await house.contact_states(first) == {"exhausted": 2}


@pytest.mark.parametrize(
    ("target", "complaint"),
    [
        (None, "there is no campaign SECOND; create it first"),
        ({"state": "completed"}, "SECOND is completed and takes no contacts"),
        ({"is_test": True}, "is a rehearsal and the other is not"),
    ],
)
async def test_a_campaign_does_not_start_without_the_one_that_it_sends_contacts_on_to(
    house: House, target: dict[str, Any] | None, complaint: str
) -> None:
    if target is not None:
        other = await house.campaign(code="SECOND", start=False)
        async with house.database.write() as conn:
            await conn.execute(update(campaigns).where(campaigns.c.id == other).values(**target))
    first = await house.campaign(retarget={"after_unanswered": 1, "campaign": "SECOND"})
    await house.contact(first, number(1))
    with pytest.raises(BadFollowUp, match=complaint):
        await house.campaigns.start(first)


async def _look(house: House) -> list[Finished]:
    return await WaitingTimes(house.database, house.clock, node="node-b").look()


async def test_when_a_waiting_time_is_over_a_rule_acts_without_any_attempt_and_once(house: House) -> None:
    contact_id = await _with_rules(house, ({"waiting_h": 48}, {"priority": 7, "call_after_min": 60}))
    held = await house.contact(1, number(2), entered_at=NOW, state="held")
    promised = await house.contact(1, number(3), entered_at=NOW, state="callback", next_at=NOW + timedelta(days=9))
    ended = await house.contact(1, number(4), entered_at=NOW, state="done")
    later = await house.contact(1, number(5), entered_at=NOW + MINUTE)
    house.clock.advance(minutes=48 * 60 - 1)
    await _look(house)
    assert (await house.row(contacts, contact_id))["priority"] == 0
    house.clock.advance(minutes=1)
    at = house.clock.now()
    for _ in range(2):
        assert await _look(house) == []
    rows = {row["id"]: (row["priority"], row["next_at"]) for row in await house.rows(contacts)}
    assert rows == {
        contact_id: (7, at + timedelta(hours=1)),
        held: (7, None),
        promised: (7, NOW + timedelta(days=9)),
        ended: (0, None),
        later: (0, None),
    }
    house.clock.advance(minutes=1)
    await _look(house)
    assert (await house.row(contacts, later))["priority"] == 7
    (event,) = [row for row in await house.rows(contact_events) if row["contact_id"] == contact_id]
    assert (event["by"], event["kind"], event["detail"]["rule"]) == ("node-b", "followed_up", 1)


async def test_a_waiting_time_since_the_first_attempt_ends_the_contact_and_its_campaign(house: House) -> None:
    when = {"waiting_h": 1, "since": "first_attempt", "attempts_at_most": 2, "last": ["busy"]}
    contact_id = await _with_rules(house, (when, {"end": {"state": "done", "reason": "an hour"}}))
    await _miss(house, DialStatus.NOANSWER)
    house.clock.advance(minutes=30)
    await _miss(house)
    house.clock.advance(minutes=29)
    assert await _look(house) == []
    house.clock.advance(minutes=1)
    (finished,) = await _look(house)
    row = await house.row(contacts, contact_id)
    assert (row["state"], row["detail"], row["next_at"]) == ("done", "an hour", None)
    assert (finished.campaign_id, finished.state) == (row["campaign_id"], "completed")
    assert len(await house.reports()) == 1


async def test_of_many_whose_time_is_over_none_is_left_out(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("campaigns.waiting._AT_ONCE", 2)
    monkeypatch.setattr("campaigns.waiting._ROUNDS", 2)
    await _with_rules(house, ({"waiting_h": 1}, {"priority": 7}), ({"waiting_h": 2}, {"priority": 8}))
    for place in range(6):
        await house.contact(1, number(10 + place), entered_at=NOW if place % 2 else NOW - MINUTE)
    house.clock.advance(minutes=60)
    looking = WaitingTimes(house.database, house.clock, node="node-b")
    for left in (3, 0):
        await looking.look()
        assert sum(row["priority"] == 0 for row in await house.rows(contacts)) == left
    house.clock.advance(minutes=60)
    for _ in range(2):
        await looking.look()
    assert {row["priority"] for row in await house.rows(contacts)} == {8}


async def test_each_attempt_keeps_where_it_came_from_and_the_export_says_so(house: House) -> None:
    campaign_id = await house.campaign(max_attempts=3, retry_rules=_AGAIN)
    origins = ("import", "manual", "api", "retarget", "recycle")
    for place, origin in enumerate(origins):
        await house.contact(campaign_id, number(place), origin=origin)
    await house.campaigns.start(campaign_id)
    ledger = house.ledger()
    for _ in range(2):
        for claim in (await ledger.claim(["line"], 9)).claims:
            if claim.number == number(0):
                await house.talk(ledger, claim, callback=True, callback_at=house.clock.now())
            else:
                await house.miss(ledger, claim)
        house.clock.advance(minutes=10)
    async with house.database.read() as conn:
        cells = [row async for batch in attempt_cells(conn, Scope(campaign_id), AttemptFilter()) for row in batch]
    shown = {(row[ATTEMPT_COLUMNS.index("attempt_no")], row[ATTEMPT_COLUMNS.index("origin")]) for row in cells}
    assert shown == {(1, origin) for origin in origins} | {(2, "callback"), (2, "retry")}
    assert len(cells) == 10
