"""What a dead node leaves behind, at every step of a call, and how another one goes on from there."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from campaigns.attempts import HangupStray
from campaigns.errors import StaleFence
from campaigns.settling import Settlement
from campaigns.states import AttemptPhase
from storage.database import Database
from storage.tables import attempt_events, attempts, contacts, ledger_entries
from telephony.call import NotAnswered
from telephony.outcomes import DialStatus
from tests.support_campaigns import NOW, House


@pytest.fixture
async def house(database: Database) -> House:
    return await House(database).build()


def _stray(*found: str) -> tuple[HangupStray, list[tuple[str, str]]]:
    asked: list[tuple[str, str]] = []

    async def hangup_stray(trunk: str, attempt_id: str) -> bool:
        asked.append((trunk, attempt_id))
        return attempt_id in found

    return hangup_stray, asked


async def _dead_claim(house: House, *phases: str, **changes: Any) -> Any:
    """A claim of a node that died, one second after each phase."""
    await house.campaign(people=1, **changes)
    dead = house.ledger("dead")
    (claim,) = (await dead.claim(["line"], 1)).claims
    for phase in phases:
        house.clock.advance(seconds=1)
        await dead.advance(claim.attempt_id, 1, AttemptPhase(phase), house.clock.now())
    return claim


async def test_a_lease_that_still_runs_is_respected(house: House) -> None:
    claim = await _dead_claim(house)
    house.clock.advance(seconds=14)
    hangup, _ = _stray()
    assert await house.ledger("alive").reap(hangup) == []
    assert (await house.row(attempts, claim.attempt_id))["phase"] == "created"


async def test_a_claimed_contact_goes_back_to_the_queue_uncounted(house: House) -> None:
    claim = await _dead_claim(house)
    house.clock.advance(seconds=15)
    hangup, asked = _stray()
    (ended,) = await house.ledger("alive").reap(hangup)
    assert (ended.contact_state, ended.reason, asked) == ("pending", "node_died", [])
    contact = await house.row(contacts, claim.contact_id)
    assert (contact["state"], contact["attempts"]) == ("pending", 0)
    row = await house.row(attempts, claim.attempt_id)
    assert (row["phase"], row["action_code"], row["lost"], row["originated_at"]) == ("ended", "XC", False, None)
    (again,) = (await house.ledger("alive").claim(["line"], 1)).claims
    assert (again.contact_id, again.attempt_no) == (claim.contact_id, 1)


@pytest.mark.parametrize("phases", [("originating",), ("originating", "ringing")])
async def test_a_call_that_may_be_ringing_is_hung_up_and_not_repeated(house: House, phases: tuple[str, ...]) -> None:
    claim = await _dead_claim(house, *phases, max_attempts=5)
    house.clock.advance(seconds=60)
    hangup, asked = _stray()
    await house.ledger("alive").reap(hangup)
    assert asked == [("line", claim.attempt_id)]
    row = await house.row(attempts, claim.attempt_id)
    assert (row["lost"], row["action_code"], row["dial_status"], row["node"]) == (True, "CU", "ERROR", "alive")
    assert row["originated_at"] <= row["ended_at"] <= NOW + timedelta(seconds=len(phases))
    assert (await house.row(contacts, claim.contact_id))["state"] == "error"
    assert (await house.ledger("alive").claim(["line"], 1)).claims == ()
    kinds = [event["kind"] for event in await house.rows(attempt_events)]
    assert kinds[-2:] == ["taken_over", "settled"]


@pytest.mark.parametrize("lost_calls", ["as_rule", "never"])
async def test_a_lost_call_is_repeated_when_a_rule_says_so_unless_the_campaign_says_never(
    house: House, lost_calls: str
) -> None:
    rules = [{"on": ["unreachable"], "times": 1, "after_min": 20}]
    claim = await _dead_claim(house, "originating", max_attempts=2, retry_rules=rules, lost_calls=lost_calls)
    house.clock.advance(seconds=60)
    await house.ledger("alive").reap(_stray()[0])
    contact = await house.row(contacts, claim.contact_id)
    again = ("retry_wait", house.clock.now() + timedelta(minutes=20))
    assert (contact["state"], contact["next_at"]) == (again if lost_calls == "as_rule" else ("error", None))


async def test_a_call_that_was_not_lost_is_repeated_by_the_rules_alone(house: House) -> None:
    rules = [{"on": ["unreachable"], "times": 1, "after_min": 20}]
    campaign_id = await house.campaign(people=1, max_attempts=2, retry_rules=rules, lost_calls="never")
    ledger = house.ledger()
    (claim,) = (await ledger.claim(["line"], 1)).claims
    await ledger.begin(claim.attempt_id, claim.fence)
    failed = NotAnswered(DialStatus.ERROR, house.clock.now(), text="a header that may not be sent")
    await ledger.settle(claim.attempt_id, claim.fence, Settlement(dial=failed))
    assert await house.contact_states(campaign_id) == {"retry_wait": 1}


@pytest.mark.parametrize("phases", [("originating", "answered"), ("originating", "ringing", "answered", "talking")])
async def test_a_lost_conversation_is_our_error_and_costs_nothing(house: House, phases: tuple[str, ...]) -> None:
    claim = await _dead_claim(house, *phases)
    house.clock.advance(seconds=60)
    await house.ledger("alive").reap(_stray()[0])
    row = await house.row(attempts, claim.attempt_id)
    assert (row["call_status"], row["action_code"], row["dial_status"]) == ("BOT_ERROR", "ER", "ANSWER")
    assert row["answered_at"] <= row["ended_at"]
    assert (row["blocks"], row["cost_bot"]) == (0, Decimal(0))
    assert await house.rows(ledger_entries) == []


@pytest.mark.parametrize("ended", [False, True])
async def test_an_agents_leg_is_hung_up_too_even_when_the_customer_has_left(house: House, ended: bool) -> None:
    claim = await _dead_claim(house, "originating", "answered", "talking", "transferring")
    dead = house.ledger("dead")
    await dead.agent_leg(claim.attempt_id, 1, "leg-1", "sales")
    await dead.agent_leg(claim.attempt_id, 1, "leg-2", "sales")
    if ended:
        await dead.advance(claim.attempt_id, 1, AttemptPhase.WRAPUP, house.clock.now())
    house.clock.advance(seconds=60)
    hangup, asked = _stray("leg-2")
    await house.ledger("alive").reap(hangup)
    customers = [] if ended else [("line", claim.attempt_id)]
    assert asked == [*customers, ("line", "leg-1"), ("line", "leg-2")]
    row = await house.row(attempts, claim.attempt_id)
    assert (row["phase"], row["action_code"], row["lost"]) == ("ended", "ER", True)


async def test_an_agents_leg_that_cannot_be_asked_for_does_not_keep_the_call_from_its_end(house: House) -> None:
    claim = await _dead_claim(house, "originating", "answered", "transferring")
    await house.ledger("dead").agent_leg(claim.attempt_id, 1, "leg-1", "sales")
    house.clock.advance(seconds=60)

    async def away(_trunk: str, _call_id: str) -> bool:
        raise ConnectionError

    (ended,) = await house.ledger("alive").reap(away)
    assert ended.phase is AttemptPhase.ENDED


async def test_who_lost_the_attempt_cannot_note_a_leg_for_it(house: House) -> None:
    claim = await _dead_claim(house, "originating", "answered")
    house.clock.advance(seconds=60)
    await house.ledger("alive").reap(_stray()[0])
    with pytest.raises(StaleFence):
        await house.ledger("dead").agent_leg(claim.attempt_id, 1, "leg-1", "sales")


async def test_a_stray_call_that_was_still_there_ended_when_we_hung_it_up(house: House) -> None:
    claim = await _dead_claim(house, "originating", "answered")
    house.clock.advance(seconds=60)
    await house.ledger("alive").reap(_stray(claim.attempt_id)[0])
    assert (await house.row(attempts, claim.attempt_id))["ended_at"] == house.clock.now()


async def test_a_call_in_wrap_up_is_over_and_nobody_is_asked(house: House) -> None:
    claim = await _dead_claim(house, "originating", "answered", "wrapup")
    ended_at = house.clock.now()
    house.clock.advance(seconds=60)
    hangup, asked = _stray()
    await house.ledger("alive").reap(hangup)
    row = await house.row(attempts, claim.attempt_id)
    assert (asked, row["ended_at"], row["action_code"]) == ([], ended_at, "ER")


async def test_an_unreachable_trunk_does_not_keep_the_attempt_open(house: House) -> None:
    claim = await _dead_claim(house, "originating")
    house.clock.advance(seconds=60)

    async def broken(trunk: str, attempt_id: str) -> bool:
        raise ConnectionError

    await house.ledger("alive").reap(broken)
    assert (await house.row(attempts, claim.attempt_id))["phase"] == "ended"


async def test_the_late_settlement_of_a_node_thought_dead_changes_nothing(house: House) -> None:
    claim = await _dead_claim(house, "originating", "answered")
    house.clock.advance(seconds=60)
    await house.ledger("alive").reap(_stray()[0])
    before = await house.row(attempts, claim.attempt_id)
    dead = house.ledger("dead")
    with pytest.raises(StaleFence):
        await dead.settle(claim.attempt_id, 1, house.talked())
    with pytest.raises(StaleFence):
        await dead.advance(claim.attempt_id, 1, AttemptPhase.TALKING, house.clock.now())
    with pytest.raises(StaleFence):
        await dead.opt_out(claim.attempt_id, 1, "too late")
    assert await dead.renew({claim.attempt_id: 1}) == {claim.attempt_id}
    assert await house.row(attempts, claim.attempt_id) == before


async def test_renewing_keeps_the_reaper_away(house: House) -> None:
    claim = await _dead_claim(house, "originating")
    ledger = house.ledger("dead")
    for _ in range(4):
        house.clock.advance(seconds=10)
        assert await ledger.renew({claim.attempt_id: 1}) == set()
        assert await house.ledger("alive").reap(_stray()[0]) == []
    assert await ledger.renew({}) == set()


async def test_a_node_does_not_reap_the_call_that_it_holds_itself(house: House) -> None:
    claim = await _dead_claim(house, "originating", "answered")
    house.clock.advance(seconds=60)
    late = house.ledger("dead")
    assert await late.reap(_stray()[0], held=[claim.attempt_id]) == []
    assert await late.renew({claim.attempt_id: 1}) == set()
    assert (await late.settle(claim.attempt_id, 1, house.talked(code="YES"))).contact_state == "done"


async def test_a_node_known_to_be_dead_is_reaped_without_waiting(house: House) -> None:
    claim = await _dead_claim(house)
    alive = house.ledger("alive")
    assert await alive.nodes_with_live_attempts() == {"dead"}
    (ended,) = await alive.reap(_stray()[0], dead_nodes=["dead"])
    assert ended.attempt_id == claim.attempt_id
    assert await alive.nodes_with_live_attempts() == set()


async def test_two_reapers_end_each_attempt_once(house: House) -> None:
    await house.campaign(people=30)
    dead = house.ledger("dead")
    for claim in (await dead.claim(["line"], 30)).claims:
        await dead.begin(claim.attempt_id, 1)
    house.clock.advance(seconds=60)
    ended = await asyncio.gather(*(house.ledger(name).reap(_stray()[0]) for name in ("one", "two")))
    ids = [moved.attempt_id for reaped in ended for moved in reaped]
    assert len(ids) == len(set(ids)) == 30
    assert [e["kind"] for e in await house.rows(attempt_events)].count("settled") == 30


async def test_more_dead_attempts_than_one_round_takes_are_all_ended(house: House) -> None:
    await house.campaign(people=105, concurrency=1000)
    await house.trunk("wide", channels=1000)
    claims = 0
    dead = house.ledger("dead")
    while found := (await dead.claim(["line"], 200)).claims:
        claims += len(found)
    assert claims == 100
    house.clock.advance(seconds=60)
    assert len(await house.ledger("alive").reap(_stray()[0])) == 100
    assert await house.live() == 0


async def test_a_reaper_that_dies_itself_is_followed_by_another(house: House) -> None:
    claim = await _dead_claim(house, "originating")
    house.clock.advance(seconds=60)

    async def dies(trunk: str, attempt_id: str) -> bool:
        raise asyncio.CancelledError

    with pytest.raises(asyncio.CancelledError):
        await house.ledger("second").reap(dies)
    row = await house.row(attempts, claim.attempt_id)
    assert (row["node"], row["fence"], row["phase"], row["lost"]) == ("second", 2, "originating", True)
    house.clock.advance(seconds=60)
    (ended,) = await house.ledger("third").reap(_stray()[0])
    assert ended.contact_state == "error"


@pytest.mark.parametrize("reapers", [1, 2])
async def test_a_lost_call_lasted_until_its_own_nodes_last_sign_of_life(house: House, reapers: int) -> None:
    claim = await _dead_claim(house, "originating", "answered")
    for name in ("second", "third")[: reapers - 1]:
        house.clock.advance(seconds=20)

        async def dies(trunk: str, attempt_id: str) -> bool:
            raise asyncio.CancelledError

        with pytest.raises(asyncio.CancelledError):
            await house.ledger(name).reap(dies)
    # More milliseconds than the column holds.
    house.clock.advance(hours=24 * 26)
    await house.ledger("last").reap(_stray()[0])
    row = await house.row(attempts, claim.attempt_id)
    assert (row["ended_at"], row["acw_ms"]) == (row["answered_at"], 0)
