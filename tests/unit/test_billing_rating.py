"""The bill of one attempt."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from billing.errors import TariffError
from billing.rating import AgentLeg, Rated, rate
from billing.tariff import parse_tariff

BASE: dict[str, Any] = {
    "currency": "VND",
    "valid_from": "2026-01-01",
    "block_s": 6,
    "block_price": {"conversation": 150, "static": 90},
    "telecom": {
        "increment": "6+1",
        "price_per_min": 900,
        "destinations": [{"name": "far", "prefixes": ["+1"], "price_per_min": 6000, "increment": "60+60"}],
    },
}


def bill(changes: dict[str, Any] | None = None, **call: Any) -> Rated:
    facts = {"talk_ms": 31_000, "number": "+84901234567", "messages": 3, "family_code": "HUP", **call}
    return rate(parse_tariff({**BASE, **(changes or {})}).snapshot(), **facts)


def test_an_answered_call() -> None:
    rated = bill()
    assert (rated.blocks, rated.billable_s) == (6, 31)
    assert (rated.bot, rated.telecom, rated.fees, rated.vat) == (Decimal(900), Decimal(465), Decimal(0), Decimal(0))
    assert rated.total == Decimal(1365)
    assert rated.currency == "VND"
    assert rated.billed


def test_an_unanswered_call_is_not_billed() -> None:
    rated = bill({"per_call_fee": 100}, talk_ms=None, family_code="NA", messages=0)
    assert not rated.billed
    assert (rated.blocks, rated.billable_s, rated.total) == (0, 0, Decimal(0))


def test_an_answered_call_of_no_length_uses_one_block_and_no_line() -> None:
    rated = bill(talk_ms=0)
    assert (rated.blocks, rated.billable_s, rated.bot, rated.telecom) == (1, 0, Decimal(150), Decimal(0))


@pytest.mark.parametrize(
    ("code", "changes", "billed"),
    [
        ("SC", {}, True),
        ("SC", {"charge_short_calls": False}, False),
        ("VM", {}, True),
        ("VM", {"charge_voicemail": False}, False),
        ("NA", {"charge_voicemail": False}, False),
        ("HUP", {"charge_voicemail": False, "charge_short_calls": False}, True),
        ("DNC", {"charge_short_calls": False}, True),
        ("ER", {}, False),
        ("CU", {}, False),
        ("XC", {}, False),
        ("PTP", {}, True),
    ],
)
def test_what_the_code_says_of_billing(code: str, changes: dict[str, Any], billed: bool) -> None:
    rated = bill(changes, family_code=code)
    assert rated.billed is billed
    assert (rated.total > 0) is billed
    assert (rated.blocks > 0) is billed


def test_the_script_type_chooses_the_block_price() -> None:
    assert bill(script_type="static").bot == Decimal(540)


def test_the_destination_chooses_price_and_increment() -> None:
    rated = bill(number="+12025550123")
    assert (rated.billable_s, rated.telecom) == (60, Decimal(6000))


def test_free_seconds_are_free_on_the_line_and_not_in_blocks() -> None:
    rated = bill({"free_s": 31})
    assert (rated.billable_s, rated.telecom, rated.blocks) == (0, Decimal(0), 6)


def test_fees_by_call_and_by_message() -> None:
    assert bill({"per_call_fee": 20, "per_message_fee": "1.25"}, messages=3).fees == Decimal(24)
    assert bill({"per_call_fee": 20, "per_message_fee": "1.25"}, messages=0).fees == Decimal(20)


@pytest.mark.parametrize(
    ("month_blocks", "bot"),
    [(0, 900), (9_994, 900), (9_995, 5 * 150 + 100), (9_999, 150 + 500), (10_000, 600), (50_000, 600)],
)
def test_each_block_costs_what_its_tier_says(month_blocks: int, bot: int) -> None:
    tiers = {"block_price": [{"from_blocks": 0, "price": 150}, {"from_blocks": 10_000, "price": 100}]}
    assert bill(tiers, month_blocks=month_blocks).bot == Decimal(bot)


def test_one_call_may_run_through_three_tiers() -> None:
    tiers = [{"from_blocks": n, "price": p} for n, p in ((0, 100), (2, 10), (4, 1))]
    assert bill({"block_price": tiers}).bot == Decimal(100 * 2 + 10 * 2 + 1 * 2)


def test_vat_is_taken_of_the_rounded_amounts_and_rounded_half_up() -> None:
    rated = bill({"vat_pct": "10", "telecom": {"price_per_min": 9}}, talk_ms=1_000)
    # 9 a minute is 0.15 a second, nothing in dong; 10 % of 150 is 15.
    assert (rated.telecom, rated.vat, rated.total) == (Decimal(0), Decimal(15), Decimal(165))
    assert bill({"vat_pct": "1", "block_price": 50}, talk_ms=1_000).vat == Decimal(1)


def test_dollars_keep_two_decimals() -> None:
    dollars = {"currency": "USD", "block_price": "0.012345", "telecom": {"increment": "1+1", "price_per_min": "0.01"}}
    rated = bill({**dollars, "vat_pct": "7.5"})
    assert [str(x) for x in (rated.bot, rated.telecom, rated.vat)] == ["0.07", "0.01", "0.01"]


def test_blocks_end_where_the_bot_handed_over_and_the_line_goes_on() -> None:
    whole, handed = bill(talk_ms=120_000), bill(talk_ms=120_000, bot_ms=12_100)
    assert (handed.blocks, handed.bot) == (3, Decimal(450))
    assert (handed.billable_s, handed.telecom) == (whole.billable_s, whole.telecom) == (120, Decimal(1800))


def test_an_agents_leg_is_rated_by_its_own_destination_and_increment() -> None:
    rated = bill(talk_ms=120_000, bot_ms=10_000, agent=AgentLeg("+12025550123", 61_000))
    assert (rated.billable_s, rated.agent_billable_s) == (120, 120)
    assert (rated.agent, rated.telecom) == (Decimal(12_000), Decimal(13_800))
    at_home = bill(talk_ms=120_000, agent=AgentLeg("+84281234567", 3_000))
    assert (at_home.agent_billable_s, at_home.agent) == (6, Decimal(90))


@pytest.mark.parametrize("number", ["204", "204@agents", "sip:desk@10.0.0.9"])
def test_an_agent_inside_the_telephone_system_costs_no_line(number: str) -> None:
    rated = bill(talk_ms=120_000, agent=AgentLeg(number, 90_000))
    assert (rated.agent_billable_s, rated.agent, rated.telecom) == (0, Decimal(0), bill(talk_ms=120_000).telecom)


def test_an_agent_who_did_not_answer_costs_no_line() -> None:
    rated = bill({"telecom": {"increment": "60+60", "price_per_min": 900}}, agent=AgentLeg("+84281234567", 0))
    assert (rated.agent_billable_s, rated.agent) == (0, Decimal(0))


def test_an_agents_leg_of_a_call_that_is_not_billed_costs_nothing() -> None:
    rated = bill(family_code="ER", agent=AgentLeg("+12025550123", 60_000))
    assert (rated.billed, rated.agent_billable_s, rated.agent, rated.total) == (False, 0, Decimal(0), Decimal(0))


def test_a_mapping_that_is_no_snapshot_is_refused() -> None:
    with pytest.raises(TariffError, match="price snapshot: currency: this field is required"):
        rate({}, talk_ms=1, number="+84901234567", messages=0, family_code="HUP")
