"""Laws of billing that hold for any talk time, tariff and order of calls."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from billing.blocks import Increment, billable_seconds, blocks, whole_seconds
from billing.currency import EXPONENTS, round_money
from billing.ledger import charge_rows, release_rows, reservation_rows
from billing.rating import AgentLeg, rate, tier_price
from billing.tariff import Tier, parse_tariff
from billing.worst import floor_of_most, least_of_most, messages_at_most, most

TALK_MS = st.integers(0, 7_200_000)
INCREMENTS = st.builds(Increment, st.integers(1, 120), st.integers(1, 120))
BLOCK_S = st.integers(1, 120)
CURRENCIES = st.sampled_from(["VND", "USD"])


def decimals(places: int) -> st.SearchStrategy[str]:
    return st.decimals(min_value=0, max_value=10_000, places=places).map(lambda d: format(d, "f"))


@st.composite
def tariffs(draw: st.DrawFn) -> dict[str, Any]:
    starts = sorted({0, *draw(st.lists(st.integers(1, 500), max_size=3))})
    return {
        "currency": draw(CURRENCIES),
        "valid_from": "2026-01-01",
        "vat_pct": draw(st.sampled_from(["0", "8", "10", "7.5"])),
        "block_s": draw(BLOCK_S),
        "min_blocks_on_answer": draw(st.integers(0, 3)),
        "block_price": [{"from_blocks": start, "price": draw(decimals(4))} for start in starts],
        "per_call_fee": draw(decimals(2)),
        "per_message_fee": draw(decimals(3)),
        "free_s": draw(st.integers(0, 30)),
        "charge_short_calls": draw(st.booleans()),
        "charge_voicemail": draw(st.booleans()),
        "telecom": {"increment": str(draw(INCREMENTS)), "price_per_min": draw(decimals(4))},
    }


@given(TALK_MS, INCREMENTS, st.integers(0, 60))
def test_billable_seconds_cover_the_talk_by_less_than_one_increment(
    talk_ms: int, increment: Increment, free_s: int
) -> None:
    seconds, talked = billable_seconds(talk_ms, increment, free_s=free_s), whole_seconds(talk_ms)
    if talked <= free_s:
        assert seconds == 0
    else:
        assert talked <= seconds < max(increment.initial_s + 1, talked + increment.increment_s)
        assert (seconds - increment.initial_s) % increment.increment_s == 0


@given(TALK_MS, st.integers(0, 10_000), INCREMENTS, BLOCK_S)
def test_longer_talk_never_costs_less(talk_ms: int, more_ms: int, increment: Increment, block_s: int) -> None:
    longer = talk_ms + more_ms
    assert billable_seconds(longer, increment) >= billable_seconds(talk_ms, increment)
    assert blocks(longer, block_s) >= blocks(talk_ms, block_s)


@given(TALK_MS, BLOCK_S, st.integers(0, 5))
def test_blocks_are_the_fewest_that_hold_the_talk(talk_ms: int, block_s: int, least: int) -> None:
    used = blocks(talk_ms, block_s, min_blocks_on_answer=least)
    assert used >= least
    assert used * block_s * 1000 >= talk_ms
    assert used == least or (used - 1) * block_s * 1000 < talk_ms


@given(st.lists(st.integers(0, 40), max_size=12), st.lists(st.integers(1, 60), max_size=3), st.integers(0, 50))
def test_tiers_cost_the_same_however_the_blocks_are_split_into_calls(
    calls: list[int], borders: list[int], before: int
) -> None:
    starts = sorted({0, *borders})
    tiers = [Tier(from_blocks=start, price=Decimal(100 - place)) for place, start in enumerate(starts)]
    apart, used = Decimal(0), before
    for call in calls:
        apart += tier_price(tiers, used, call)
        used += call
    assert apart == tier_price(tiers, before, sum(calls))


@given(
    tariffs(),
    st.none() | TALK_MS,
    st.integers(0, 100),
    st.sampled_from(["HUP", "SC", "VM", "NA", "CU", "ER", "XC", "DNC", "PTP"]),
    st.integers(0, 600),
)
def test_a_bill_is_whole_balanced_and_repeatable(
    tariff: dict[str, Any], talk_ms: int | None, messages: int, code: str, month_blocks: int
) -> None:
    snapshot = parse_tariff(tariff).snapshot()
    facts: dict[str, Any] = {
        "talk_ms": talk_ms,
        "number": "+84901234567",
        "messages": messages,
        "family_code": code,
        "month_blocks": month_blocks,
    }
    rated = rate(snapshot, **facts)
    assert rated == rate(json.loads(json.dumps(snapshot)), **facts)
    for amount in (rated.bot, rated.telecom, rated.fees, rated.vat):
        assert amount >= 0
        assert -int(amount.as_tuple().exponent) == EXPONENTS[rated.currency]
    net = rated.bot + rated.telecom + rated.fees
    assert rated.vat == round_money(net * Decimal(tariff["vat_pct"]) / 100, rated.currency)
    assert rated.billed or rated.total == rated.blocks == rated.billable_s == 0
    assert talk_ms is not None or not rated.billed
    rows = charge_rows(rated, account_id=1, attempt_id="a", now=datetime(2026, 1, 1, tzinfo=UTC))
    assert bool(rows) is rated.billed
    assert sum((row["amount"] for row in rows), Decimal(0)) == 0
    assert len({row["book"] for row in rows}) == len(rows)


@st.composite
def transferred(draw: st.DrawFn) -> dict[str, Any]:
    """A call, and what a transfer adds to it."""
    talk_ms = draw(TALK_MS)
    return {
        "call": {"talk_ms": talk_ms, "number": "+84901234567", "messages": draw(st.integers(0, 20))},
        "month_blocks": draw(st.integers(0, 600)),
        "bot_ms": draw(st.integers(0, talk_ms)),
        "agent": AgentLeg(draw(st.sampled_from(["+84281234567", "+12025550123", "204"])), draw(TALK_MS)),
    }


@given(tariffs(), transferred(), st.sampled_from(["TR", "AHU", "ANP", "CB", "DNC", "VM", "ER"]))
def test_a_transfer_never_raises_the_bots_part_and_the_sum_is_exact(
    tariff: dict[str, Any], made: dict[str, Any], code: str
) -> None:
    snapshot, month_blocks = parse_tariff(tariff).snapshot(), made["month_blocks"]
    plain = rate(snapshot, **made["call"], family_code=code, month_blocks=month_blocks)
    rated = rate(
        snapshot,
        **made["call"],
        family_code=code,
        month_blocks=month_blocks,
        bot_ms=made["bot_ms"],
        agent=made["agent"],
    )
    assert rated.blocks <= plain.blocks
    assert rated.bot <= plain.bot
    assert (rated.billed, rated.billable_s, rated.fees) == (plain.billed, plain.billable_s, plain.fees)
    assert rated.telecom == plain.telecom + rated.agent
    alone = rate(snapshot, talk_ms=made["agent"].ms, number=made["agent"].number, messages=0, family_code=code)
    outside = made["agent"].number.startswith("+")
    assert (rated.agent_billable_s, rated.agent) == ((alone.billable_s, alone.telecom) if outside else (0, 0))
    net = rated.bot + rated.telecom + rated.fees
    assert rated.vat == round_money(net * Decimal(tariff["vat_pct"]) / 100 * rated.billed, rated.currency)
    assert rated.total == net + rated.vat
    rows = charge_rows(rated, account_id=1, attempt_id="a", now=datetime(2026, 1, 1, tzinfo=UTC))
    assert sum((row["amount"] for row in rows), Decimal(0)) == 0
    assert -sum((row["amount"] for row in rows if row["book"] == "prepaid"), Decimal(0)) == rated.total


DESTINATIONS = [
    {"name": "mobile", "prefixes": ["+8490"], "price_per_min": "7.5"},
    {"name": "far", "prefixes": ["+1", "+4420"], "price_per_min": "99.9999", "increment": "60+60"},
]
NUMBERS = ("+84901234567", "+84281234567", "+12025550123")


@given(
    tariffs(),
    st.lists(st.sampled_from(DESTINATIONS), unique_by=lambda one: str(one["name"])),
    st.sampled_from(NUMBERS),
    st.integers(0, 7_240_000),
    st.data(),
)
def test_what_is_reserved_covers_every_call_that_stays_within_the_bound(
    tariff: dict[str, Any], destinations: list[dict[str, Any]], number: str, longest_ms: int, data: st.DataObject
) -> None:
    tariff["telecom"]["destinations"] = destinations
    parsed = parse_tariff(tariff)
    reserved = most(parsed, number, talk_ms=longest_ms)
    talk_ms = data.draw(st.none() | st.integers(0, longest_ms))
    rated = rate(
        parsed.snapshot(number),
        talk_ms=talk_ms,
        number=number,
        messages=data.draw(st.integers(0, messages_at_most(talk_ms or 0))),
        family_code=data.draw(st.sampled_from(["HUP", "SC", "VM", "NA", "ER", "XC", "CB"])),
        month_blocks=data.draw(st.integers(0, 600)),
        bot_ms=data.draw(st.none() | st.integers(0, talk_ms or 0)),
    )
    assert 0 <= rated.total <= reserved
    assert floor_of_most(parsed, talk_ms=longest_ms) <= least_of_most(parsed, talk_ms=longest_ms) <= reserved


@given(decimals(2), st.booleans())
def test_a_release_undoes_its_reservation_exactly(amount: str, rehearsal: bool) -> None:
    common: dict[str, Any] = {"account_id": 1, "attempt_id": "a", "currency": "USD", "rehearsal": rehearsal}
    now = datetime(2026, 1, 1, tzinfo=UTC)
    rows = [make(Decimal(amount), now=now, **common) for make in (reservation_rows, release_rows)]
    assert len({row["posting_key"] for posting in rows for row in posting}) == 2
    for posting in rows:
        assert sum((row["amount"] for row in posting), Decimal(0)) == 0
    for book in ("reserved", "rehearsal" if rehearsal else "prepaid"):
        assert sum((row["amount"] for posting in rows for row in posting if row["book"] == book), Decimal(0)) == 0


@given(tariffs())
def test_a_tariff_survives_its_snapshot(tariff: dict[str, Any]) -> None:
    parsed = parse_tariff(tariff)
    assert parse_tariff(json.loads(json.dumps(parsed.snapshot()))) == parsed
