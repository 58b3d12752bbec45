"""What a call leaves behind: phases, figures, money, the contact's next state, the campaign's end."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from pathlib import PurePosixPath
from typing import Any

import pytest
from sqlalchemy import insert

from bot.outcome import EndedBy, Recording, Speaker, Turn
from campaigns.errors import IllegalMove, StaleFence
from campaigns.settling import Settlement
from campaigns.states import AttemptPhase, CampaignState, ContactState
from storage.database import Database
from storage.tables import attempt_events, attempts, contacts, do_not_call, ledger_entries, outbox, recordings, turns
from telephony.call import CallEnd, NotAnswered
from telephony.outcomes import DialStatus, HangupBy
from tests.support_campaigns import NOW, TARIFF, House, number


@pytest.fixture
async def house(database: Database) -> House:
    return await House(database).build()


async def _one(house: House, **changes: Any) -> tuple[Any, Any]:
    await house.campaign(people=1, **changes)
    ledger = house.ledger()
    (claim,) = (await ledger.claim(["line"], 1)).claims
    return ledger, claim


async def test_every_phase_leaves_its_instant_and_an_event(house: House) -> None:
    ledger, claim = await _one(house)
    await ledger.begin(claim.attempt_id, 1)
    for seconds, phase in enumerate(["ringing", "answered", "talking", "wrapup"], start=1):
        await ledger.advance(claim.attempt_id, 1, AttemptPhase(phase), NOW + timedelta(seconds=seconds))
    house.clock.advance(seconds=6)
    await ledger.settle(claim.attempt_id, 1, house.talked())
    row = await house.row(attempts, claim.attempt_id)
    seconds = [(row[n] - NOW).total_seconds() for n in ("originated_at", "ringing_at", "answered_at", "ended_at")]
    assert seconds == [0, 1, 2, 4]
    assert row["settled_at"] == NOW + timedelta(seconds=6)
    assert row["acw_ms"] == 2000
    moves = [(e["from_phase"], e["to_phase"]) for e in await house.rows(attempt_events)]
    steps = ["created", "originating", "ringing", "answered", "talking", "wrapup", "ended"]
    assert moves == list(zip([None, *steps], steps, strict=False))


@pytest.mark.parametrize(("answered_us", "ended_us"), [(900, 100), (100, 900), (999, 0)])
async def test_what_is_billed_is_the_talk_that_the_books_show_to_the_millisecond(
    house: House, answered_us: int, ended_us: int
) -> None:
    ledger, claim = await _one(house)
    await ledger.begin(claim.attempt_id, 1)
    answered_at = NOW + timedelta(seconds=1, microseconds=answered_us)
    ended_at = NOW + timedelta(seconds=31, microseconds=ended_us)
    facts = replace(house.talked(), answered_at=answered_at, end=CallEnd(HangupBy.BOT, ended_at))
    await ledger.settle(claim.attempt_id, 1, facts)
    row = await house.row(attempts, claim.attempt_id)
    assert (row["ended_at"] - row["answered_at"]) // timedelta(milliseconds=1) == row["bot_ms"] == 30_000


async def test_what_the_network_said_is_kept_as_it_came(house: House) -> None:
    ledger, claim = await _one(house)
    await ledger.begin(claim.attempt_id, 1)
    text = "Rang out\0 and nobody came"
    said = NotAnswered(DialStatus.NOANSWER, NOW, rang=True, sip_code=480, q850=19, reason=3, text=text)
    await ledger.settle(claim.attempt_id, 1, Settlement(dial=said))
    row = await house.row(attempts, claim.attempt_id)
    assert (row["dial_status"], row["sip_code"], row["q850"], row["ami_reason"]) == ("NOANSWER", 480, 19, 3)
    assert row["network_text"] == "Rang out and nobody came"


async def test_an_answered_call_is_coded_counted_and_charged_once(house: House) -> None:
    ledger, claim = await _one(house)
    await house.talk(ledger, claim, seconds=12.5, messages=3, code="YES", answer_to_first_word_ms=410)
    row = await house.row(attempts, claim.attempt_id)
    assert (row["call_status"], row["action_code"], row["code_class"]) == ("BOT_HANGUP", "YES", "success")
    assert (row["dial_status"], row["hangup_by"], row["generic_result"]) == ("ANSWER", "bot", "Completed")
    assert (row["blocks"], row["messages"], row["spoke"], row["answer_to_first_word_ms"]) == (3, 3, True, 410)
    assert (row["cost_bot"], row["currency"]) == (Decimal("0.03"), "USD")
    entries = {(entry["book"], entry["amount"]) for entry in await house.rows(ledger_entries)}
    assert entries == {("prepaid", Decimal("-0.03")), ("bot", Decimal("0.03"))}
    assert {entry["posting_key"] for entry in await house.rows(ledger_entries)} == {f"charge:{claim.attempt_id}"}
    with pytest.raises(StaleFence):
        await ledger.settle(claim.attempt_id, 1, house.talked())
    assert len(await house.rows(ledger_entries)) == 2


async def test_what_was_said_and_recorded_is_kept(house: House) -> None:
    ledger, claim = await _one(house)
    said = (
        Turn(
            Speaker.BOT, 0, 900, "Hello", step="greet", voice_to_voice_ms=None, interrupted=True, barge_in_stop_ms=200
        ),
        Turn(Speaker.CUSTOMER, 700, 1500, "Yes", intent="yes", confidence=0.9, stt_ms=200),
    )
    recording = Recording(PurePosixPath("a/b.wav"), 8000, 2, 12_000, 384_044, "ab" * 32)
    await house.talk(ledger, claim, turns=said, recording=recording)
    kept = await house.rows(turns)
    assert [(row["turn_no"], row["speaker"], row["text"], row["intent"]) for row in kept] == [
        (1, "bot", "Hello", None),
        (2, "customer", "Yes", "yes"),
    ]
    (file,) = await house.rows(recordings)
    assert (file["path"], file["duration_ms"], file["attempt_id"]) == ("a/b.wav", 12_000, claim.attempt_id)


async def test_an_unanswered_call_costs_nothing_and_keeps_what_the_network_said(house: House) -> None:
    ledger, claim = await _one(house, codes={"BS": "BAN"})
    await house.miss(ledger, claim)
    row = await house.row(attempts, claim.attempt_id)
    assert (row["call_status"], row["action_code"], row["code_family"], row["sip_code"]) == ("BUSY", "BAN", "BS", 486)
    assert (row["answered_at"], row["blocks"], row["acw_ms"], row["cost_bot"]) == (None, 0, 0, Decimal(0))
    assert await house.rows(ledger_entries) == []


@pytest.mark.parametrize(
    ("status", "state"),
    [
        (DialStatus.BUSY, ContactState.EXHAUSTED),
        (DialStatus.NOANSWER, ContactState.EXHAUSTED),
        (DialStatus.REJECTED, ContactState.EXHAUSTED),
        (DialStatus.OUT_OF_SERVICE, ContactState.EXHAUSTED),
        (DialStatus.CHANUNAVAIL, ContactState.ERROR),
        (DialStatus.CONGESTION, ContactState.ERROR),
        (DialStatus.INVALID, ContactState.INVALID),
        (DialStatus.CANCEL, ContactState.CANCELLED),
    ],
)
async def test_without_a_rule_the_contact_rests_by_its_outcome(
    house: House, status: DialStatus, state: ContactState
) -> None:
    ledger, claim = await _one(house, max_attempts=5)
    await house.miss(ledger, claim, status)
    assert (await house.row(contacts, claim.contact_id))["state"] == state


async def test_a_rule_calls_again_until_its_times_are_used_up(house: House) -> None:
    rules = [{"on": ["BUSY"], "times": 2, "after_min": 10, "multiply": 2}]
    campaign_id = await house.campaign(people=1, max_attempts=9, retry_rules=rules)
    ledger = house.ledger()
    for wait_min in (10, 20, None):
        (claim,) = (await ledger.claim(["line"], 1)).claims
        await house.miss(ledger, claim)
        contact = await house.row(contacts, claim.contact_id)
        if wait_min is not None:
            assert (contact["state"], contact["next_at"] - house.clock.now()) == (
                "retry_wait",
                timedelta(minutes=wait_min),
            )
            house.clock.advance(minutes=wait_min)
    assert contact["state"] == "exhausted"
    assert [row["attempt_no"] for row in sorted(await house.rows(attempts), key=lambda r: r["claimed_at"])] == [1, 2, 3]
    assert {row["origin"] for row in await house.rows(attempts)} == {"import", "retry"}
    assert (await house.campaigns.status(campaign_id)).state is CampaignState.COMPLETED


@pytest.mark.parametrize("most", [1, 2])
async def test_a_call_back_asked_for_is_made_once_beyond_the_maximum(house: House, most: int) -> None:
    campaign_id = await house.campaign(people=1, max_attempts=most)
    ledger = house.ledger()
    for _ in range(most):
        asked = house.clock.now() + timedelta(hours=2)
        (claim,) = (await ledger.claim(["line"], 1)).claims
        await house.talk(ledger, claim, callback=True, callback_at=asked)
        contact = await house.row(contacts, claim.contact_id)
        assert (contact["state"], contact["next_at"]) == ("callback", asked)
        assert (await house.row(attempts, claim.attempt_id))["action_code"] == "CB"
        house.clock.advance(hours=2)
    (again,) = (await ledger.claim(["line"], 1)).claims
    assert (await house.row(attempts, again.attempt_id))["origin"] == "callback"
    await house.talk(ledger, again, callback=True)
    assert (await house.row(contacts, claim.contact_id))["state"] == "exhausted"
    assert (await house.campaigns.status(campaign_id)).state is CampaignState.COMPLETED


async def test_a_call_back_that_nobody_answers_ends_at_the_maximum(house: House) -> None:
    await house.campaign(people=1, retry_rules=[{"on": ["BUSY"], "times": 5}])
    ledger = house.ledger()
    (claim,) = (await ledger.claim(["line"], 1)).claims
    await house.talk(ledger, claim, callback=True)
    house.clock.advance(minutes=20)
    (again,) = (await ledger.claim(["line"], 1)).claims
    await house.miss(ledger, again)
    assert (await house.row(contacts, claim.contact_id))["state"] == "exhausted"


def _broken_off(house: House, *, rang: bool = False) -> Settlement:
    return Settlement(dial=NotAnswered(DialStatus.CANCEL, house.clock.now(), rang=rang, text="shutdown"), by_node=True)


@pytest.mark.parametrize(
    ("rang", "most", "state", "made"),
    [(True, 1, "exhausted", 1), (True, 2, "pending", 1), (False, 1, "pending", 0)],
)
async def test_a_call_that_our_node_broke_off_is_made_again_later(
    house: House, rang: bool, most: int, state: str, made: int
) -> None:
    ledger, claim = await _one(house, max_attempts=most)
    await ledger.begin(claim.attempt_id, 1)
    if rang:
        await ledger.advance(claim.attempt_id, 1, AttemptPhase.RINGING, house.clock.now())
    await ledger.settle(claim.attempt_id, 1, _broken_off(house))
    contact = await house.row(contacts, claim.contact_id)
    assert (contact["state"], contact["attempts"]) == (state, made)
    assert (await house.row(attempts, claim.attempt_id))["action_code"] == "XC"
    house.clock.advance(minutes=19)
    assert (await ledger.claim(["line"], 1)).claims == ()
    house.clock.advance(minutes=1)
    assert len((await ledger.claim(["line"], 1)).claims) == (state == "pending")


@pytest.mark.parametrize("origin", ["retry_wait", "callback"])
async def test_a_call_that_our_node_broke_off_goes_back_to_where_it_came_from(house: House, origin: str) -> None:
    campaign_id = await house.campaign(max_attempts=2)
    contact_id = await house.contact(campaign_id, number(1), state=origin, attempts=1, next_at=NOW)
    await house.campaigns.start(campaign_id)
    ledger = house.ledger()
    (claim,) = (await ledger.claim(["line"], 1)).claims
    await ledger.begin(claim.attempt_id, 1)
    await ledger.settle(claim.attempt_id, 1, _broken_off(house, rang=origin == "callback"))
    contact = await house.row(contacts, contact_id)
    assert (contact["state"], contact["next_at"]) == (origin, NOW + timedelta(minutes=20))
    assert contact["attempts"] == (2 if origin == "callback" else 1)


async def test_a_call_broken_off_after_its_campaign_was_stopped_is_cancelled(house: House) -> None:
    campaign_id = await house.campaign(people=1)
    ledger = house.ledger()
    (claim,) = (await ledger.claim(["line"], 1)).claims
    await ledger.begin(claim.attempt_id, 1)
    await house.campaigns.stop(campaign_id)
    await ledger.settle(claim.attempt_id, 1, _broken_off(house))
    assert await house.contact_states(campaign_id) == {"cancelled": 1}


async def test_a_call_back_without_a_time_comes_after_twenty_minutes(house: House) -> None:
    ledger, claim = await _one(house, max_attempts=2)
    await house.talk(ledger, claim, callback=True)
    contact = await house.row(contacts, claim.contact_id)
    assert contact["next_at"] - house.clock.now() == timedelta(minutes=20)


async def test_an_opt_out_is_durable_at_once_and_ends_the_number_everywhere(house: House) -> None:
    other = await house.campaign(people=0)
    await house.contact(other, number(2000))
    await house.campaigns.start(other)
    await house.campaigns.pause(other)
    mine = await house.campaign(people=1, max_attempts=5)
    ledger = house.ledger()
    (claim,) = (await ledger.claim(["line"], 1)).claims
    assert claim.number == number(2000)
    await house.answer(ledger, claim)
    await ledger.opt_out(claim.attempt_id, 1, "do not call me")
    (listed,) = await house.rows(do_not_call)
    assert (listed["number"], listed["evidence"], listed["attempt_id"]) == (
        claim.number,
        "do not call me",
        claim.attempt_id,
    )
    assert await house.contact_states(other) == {"dnc_blocked": 1}
    assert await house.reports() == [f"report:{other}:completed"]
    await ledger.opt_out(claim.attempt_id, 1, "I said no")
    assert len(await house.rows(do_not_call)) == 1
    await ledger.settle(claim.attempt_id, 1, house.talked(opted_out=True))
    assert await house.contact_states(mine) == {"opted_out": 1}
    assert (await house.row(attempts, claim.attempt_id))["action_code"] == "DNC"


async def test_an_opt_out_that_only_the_result_tells_of_counts_too(house: House) -> None:
    ledger, claim = await _one(house)
    await house.talk(ledger, claim, opted_out=True)
    assert [row["number"] for row in await house.rows(do_not_call)] == [claim.number]
    assert (await house.row(contacts, claim.contact_id))["state"] == "opted_out"


async def test_a_conversation_lost_after_an_opt_out_still_opts_out(house: House) -> None:
    ledger, claim = await _one(house, max_attempts=3, retry_rules=[{"on": ["BOT_ERROR"]}])
    await house.answer(ledger, claim)
    await ledger.opt_out(claim.attempt_id, 1, "stop")
    await ledger.settle(claim.attempt_id, 1, Settlement(end=CallEnd(HangupBy.NETWORK, house.clock.now())))
    assert (await house.row(contacts, claim.contact_id))["state"] == "opted_out"


async def test_a_number_listed_during_the_call_is_not_called_again(house: House) -> None:
    ledger, claim = await _one(house, max_attempts=3, retry_rules=[{"on": ["BUSY"]}])
    await ledger.begin(claim.attempt_id, 1)
    listed = {"account_id": house.account_id, "number": claim.number, "source": "manual", "created_at": NOW}
    async with house.database.write() as conn:
        await conn.execute(insert(do_not_call).values(**listed))
    await ledger.settle(claim.attempt_id, 1, house.missed())
    assert (await house.row(contacts, claim.contact_id))["state"] == "dnc_blocked"


async def test_the_last_settle_completes_the_campaign_and_orders_its_report_once(house: House) -> None:
    ended: list[Any] = []
    campaign_id = await house.campaign(people=2)
    ledger = house.ledger(on_finished=ended.append)
    first, second = (await ledger.claim(["line"], 2)).claims
    await house.talk(ledger, first)
    assert (await house.campaigns.status(campaign_id)).state is CampaignState.RUNNING
    await house.talk(ledger, second)
    status = await house.campaigns.status(campaign_id)
    assert (status.state, status.finished_at, status.contacts_left) == (CampaignState.COMPLETED, house.clock.now(), 0)
    (order,) = await house.rows(outbox)
    assert (order["key"], order["topic"]) == (f"report:{campaign_id}:completed", "report_mail")
    assert order["payload"] == {"campaign_id": campaign_id, "state": "completed"}
    assert [(one.campaign_id, one.state) for one in ended] == [(campaign_id, "completed")]


async def test_settles_from_two_nodes_at_once_complete_the_campaign_once(house: House) -> None:
    campaign_id = await house.campaign(people=8)
    nodes = [house.ledger("one"), house.ledger("two")]
    held = [(node, claim) for node in nodes for claim in (await node.claim(["line"], 4)).claims]
    for node, claim in held:
        await node.begin(claim.attempt_id, 1)
    await asyncio.gather(*(node.settle(claim.attempt_id, 1, house.missed()) for node, claim in held))
    assert (await house.campaigns.status(campaign_id)).state is CampaignState.COMPLETED
    assert await house.reports() == [f"report:{campaign_id}:completed"]


async def test_it_does_not_complete_while_a_contact_waits_or_is_held(house: House) -> None:
    campaign_id = await house.campaign(people=1)
    await house.contact(campaign_id, number(1), state="held")
    ledger = house.ledger()
    (claim,) = (await ledger.claim(["line"], 5)).claims
    await house.talk(ledger, claim)
    assert (await house.campaigns.status(campaign_id)).state is CampaignState.RUNNING


async def test_one_mistaken_move_does_not_spoil_the_group_it_is_written_with(house: House) -> None:
    await house.campaign(people=3)
    ledger = house.ledger()
    claims = (await ledger.claim(["line"], 3)).claims
    for claim in claims:
        await ledger.begin(claim.attempt_id, 1)
    recording = Recording(PurePosixPath("x.wav"), 8000, 2, 1, 1, "00")
    taken = {
        "path": "x",
        "rate_hz": 8000,
        "channels": 2,
        "duration_ms": 1,
        "bytes": 1,
        "sha256": "0",
        "created_at": NOW,
    }
    async with house.database.write() as conn:
        await conn.execute(insert(recordings).values(attempt_id=claims[0].attempt_id, **taken))
    results = await asyncio.gather(
        ledger.settle(claims[0].attempt_id, 1, house.talked(recording=recording)),
        ledger.settle(claims[1].attempt_id, 2, house.talked()),
        ledger.settle(claims[2].attempt_id, 1, house.talked()),
        ledger.advance(claims[2].attempt_id, 1, AttemptPhase.CREATED, NOW),
        return_exceptions=True,
    )
    assert [type(result).__name__ for result in results] == ["IntegrityError", "StaleFence", "Moved", "StaleFence"]
    assert await house.live() == 2


async def test_a_phase_never_goes_back(house: House) -> None:
    ledger, claim = await _one(house)
    await house.answer(ledger, claim)
    with pytest.raises(IllegalMove, match="from answered to ringing"):
        await ledger.advance(claim.attempt_id, 1, AttemptPhase.RINGING, NOW)


async def test_a_clock_that_was_set_back_makes_no_negative_call(house: House) -> None:
    ledger, claim = await _one(house)
    await house.answer(ledger, claim)
    house.clock.advance(seconds=-30)
    await ledger.settle(claim.attempt_id, 1, house.talked())
    row = await house.row(attempts, claim.attempt_id)
    assert (row["ended_at"], row["acw_ms"]) == (row["answered_at"], 0)


async def test_a_settlement_that_an_outage_held_up_does_not_become_wrap_up_time(house: House) -> None:
    ledger, claim = await _one(house)
    await house.answer(ledger, claim)
    settlement = house.talked()
    house.clock.advance(hours=24 * 26)
    await ledger.settle(claim.attempt_id, 1, settlement)
    assert (await house.row(attempts, claim.attempt_id))["acw_ms"] == 60_000


async def test_a_failed_conversation_is_our_error_and_is_not_charged(house: House) -> None:
    ledger, claim = await _one(house)
    await house.talk(ledger, claim, ended_by=EndedBy.ERROR, error="out of memory")
    row = await house.row(attempts, claim.attempt_id)
    assert (row["action_code"], row["code_class"], row["blocks"]) == ("ER", "error", 0)
    assert await house.rows(ledger_entries) == []
    assert (await house.row(contacts, claim.contact_id))["state"] == "error"


async def test_a_released_contact_goes_back_as_it_came_and_its_attempt_does_not_count(house: House) -> None:
    campaign_id = await house.campaign(max_attempts=2)
    states = {number(1): "pending", number(2): "retry_wait", number(3): "callback"}
    for phone, state in states.items():
        await house.contact(campaign_id, phone, state=state, attempts=int(state != "pending"), next_at=NOW)
    await house.campaigns.start(campaign_id)
    ledger = house.ledger()
    for claim in (await ledger.claim(["line"], 9)).claims:
        await ledger.release(claim.attempt_id, 1, "shutdown")
    for row in await house.rows(contacts):
        assert (row["state"], row["attempts"]) == (states[row["number"]], int(row["state"] != "pending"))
    for row in await house.rows(attempts):
        assert (row["action_code"], row["code_class"], row["originated_at"]) == ("XC", "not_counted", None)
    assert len((await ledger.claim(["line"], 9)).claims) == 3


async def test_a_call_that_was_placed_cannot_be_released(house: House) -> None:
    ledger, claim = await _one(house)
    await ledger.begin(claim.attempt_id, 1)
    with pytest.raises(IllegalMove, match="must be settled"):
        await ledger.release(claim.attempt_id, 1, "shutdown")


@pytest.mark.parametrize(
    ("event", "state"),
    [("pause", "pending"), ("stop", "cancelled"), ("expire", "expired"), ("list", "dnc_blocked"), ("end", "pending")],
)
async def test_the_last_look_before_dialling_gives_the_contact_back(house: House, event: str, state: str) -> None:
    campaign_id = await house.campaign(people=1, end_at=NOW + timedelta(minutes=5))
    ledger = house.ledger()
    (claim,) = (await ledger.claim(["line"], 1)).claims
    if event == "pause":
        await house.campaigns.pause(campaign_id)
    elif event == "stop":
        await house.campaigns.stop(campaign_id)
    elif event == "list":
        listed = {"account_id": house.account_id, "number": claim.number, "source": "manual", "created_at": NOW}
        async with house.database.write() as conn:
            await conn.execute(insert(do_not_call).values(**listed))
    else:
        house.clock.advance(minutes=5)
    if event == "expire":
        await house.campaigns.sweep()
    moved = await ledger.begin(claim.attempt_id, 1)
    assert moved.phase is AttemptPhase.ENDED
    assert await house.contact_states(campaign_id) == {state: 1}
    assert (await house.row(attempts, claim.attempt_id))["originated_at"] is None


@pytest.mark.parametrize("whose", ["campaign", "contact"])
async def test_a_call_made_ready_too_late_does_not_go_out_after_the_window(house: House, whose: str) -> None:
    until_six = {"windows": [["08:00", "18:00"]]} if whose == "campaign" else {}
    campaign_id = await house.campaign(**until_six)
    await house.contact(campaign_id, number(1), **({} if until_six else {"time_from": "08:00", "time_to": "18:00"}))
    await house.campaigns.start(campaign_id)
    ledger = house.ledger()
    house.clock.advance(hours=1, minutes=59)
    (claim,) = (await ledger.claim(["line"], 1)).claims
    house.clock.advance(minutes=1)
    moved = await ledger.begin(claim.attempt_id, 1)
    assert (moved.phase, moved.reason) == (
        AttemptPhase.ENDED,
        "campaign_window" if whose == "campaign" else "own_window",
    )
    assert await house.contact_states(campaign_id) == {"pending": 1}


async def test_block_tiers_count_the_month_before(database: Database) -> None:
    tiers = [{"from_blocks": 0, "price": "0.10"}, {"from_blocks": 2, "price": "0.01"}]
    house = await House(database).build(tariff={**TARIFF, "block_price": {"conversation": tiers}})
    await house.campaign(people=2)
    ledger = house.ledger()
    first, second = (await ledger.claim(["line"], 2)).claims
    await house.talk(ledger, first, seconds=12)
    await house.talk(ledger, second, seconds=12)
    costs = [(await house.row(attempts, claim.attempt_id))["cost_bot"] for claim in (first, second)]
    assert costs == [Decimal("0.20"), Decimal("0.02")]
