"""Tariffs: what is read, what is refused and with which remedy, and the snapshot."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from billing.blocks import Increment
from billing.errors import TariffError
from billing.tariff import Tariff, load_tariff, parse_tariff, stored, stored_tariff, with_destination

SMALL: dict[str, Any] = {"currency": "VND", "valid_from": "2026-01-01", "block_s": 6, "block_price": 150}
FULL = """
name: Standard
currency: VND
valid_from: 2026-01-01
vat_pct: "8"
block_s: 6
min_blocks_on_answer: 2
block_price:
  conversation:
    - {from_blocks: 0, price: 150}
    - {from_blocks: 100000, price: "135.5"}
  static: "90"
per_call_fee: 20
per_message_fee: "1.25"
free_s: 3
charge_short_calls: false
charge_voicemail: false
telecom:
  increment: 6+1
  price_per_min: 900
  destinations:
    - {name: mobile, prefixes: ["+8490", "+8491"], price_per_min: 700}
    - {name: special, prefixes: ["+84901"], price_per_min: "1200.5", increment: 60+60}
"""


def small(**changes: Any) -> Tariff:
    return parse_tariff({**SMALL, **changes})


def refusal(**changes: Any) -> str:
    with pytest.raises(TariffError) as caught:
        small(**changes)
    return str(caught.value)


@pytest.fixture
def full(tmp_path: Path) -> Tariff:
    path = tmp_path / "tariff.yaml"
    path.write_text(FULL, encoding="utf-8")
    return load_tariff(path)


def test_everything_a_tariff_can_say(full: Tariff) -> None:
    assert (full.name, full.currency, full.vat_pct) == ("Standard", "VND", Decimal(8))
    assert (full.block_s, full.min_blocks_on_answer, full.free_s) == (6, 2, 3)
    assert [(t.from_blocks, t.price) for t in full.tiers("conversation")] == [
        (0, Decimal(150)),
        (100_000, Decimal("135.5")),
    ]
    assert [(t.from_blocks, t.price) for t in full.tiers("static")] == [(0, Decimal(90))]
    assert (full.per_call_fee, full.per_message_fee) == (Decimal(20), Decimal("1.25"))
    assert not full.charge_short_calls
    assert not full.charge_voicemail
    assert full.telecom.increment == Increment(6, 1)


def test_what_is_left_out_costs_nothing() -> None:
    tariff = small()
    assert (tariff.vat_pct, tariff.per_call_fee, tariff.per_message_fee, tariff.free_s) == (0, 0, 0, 0)
    assert (tariff.min_blocks_on_answer, tariff.telecom.price_per_min) == (1, 0)
    assert tariff.charge_short_calls
    assert tariff.charge_voicemail


def test_a_script_type_without_a_price_of_its_own_costs_as_conversation() -> None:
    assert small().tiers("static") == small().tiers("conversation")


@pytest.mark.parametrize(
    ("number", "name"),
    [("+84901234567", "special"), ("+84902345678", "mobile"), ("+84912345678", "mobile"), ("+842838221234", None)],
)
def test_the_longest_prefix_wins(full: Tariff, number: str, name: str | None) -> None:
    found = full.telecom.destination(number)
    assert (found.name if found else None) == name


def test_a_snapshot_is_plain_json_and_reads_back_the_same(full: Tariff) -> None:
    plain = json.loads(json.dumps(full.snapshot()))
    assert parse_tariff(plain) == full
    assert plain["per_message_fee"] == "1.25"
    assert plain["telecom"]["increment"] == "6+1"
    assert not _floats(plain)


def test_a_snapshot_takes_a_further_numbers_destination_and_the_first_keeps_its_own(full: Tariff) -> None:
    of_contact = full.snapshot("+84901234567")
    both = with_destination(of_contact, full.snapshot(), "+84909999999")
    assert [d["name"] for d in both["telecom"]["destinations"]] == ["special", "mobile"]
    for number in ("+84901234567", "+84909999999", "+842838221234"):
        assert parse_tariff(both).telecom.destination(number) == full.telecom.destination(number)
    assert with_destination(both, full.snapshot(), "+84909999999") == both
    assert with_destination(of_contact, full.snapshot(), "+842838221234") == of_contact
    assert with_destination(of_contact, full.snapshot(), "204") == of_contact
    assert of_contact == full.snapshot("+84901234567")


def test_a_snapshot_for_one_number_keeps_one_destination(full: Tariff) -> None:
    assert [d["name"] for d in full.snapshot("+84901234567")["telecom"]["destinations"]] == ["special"]
    assert full.snapshot("+842838221234")["telecom"]["destinations"] == []
    assert [d["name"] for d in full.snapshot()["telecom"]["destinations"]] == ["mobile", "special"]


def _floats(value: Any) -> bool:
    children = value.values() if isinstance(value, dict) else value if isinstance(value, list) else []
    return isinstance(value, float) or any(_floats(child) for child in children)


@pytest.mark.parametrize(
    ("written", "zone", "instant"),
    [
        ("2026-01-01", UTC, datetime(2026, 1, 1, tzinfo=UTC)),
        ("2026-01-01", ZoneInfo("Asia/Ho_Chi_Minh"), datetime(2025, 12, 31, 17, tzinfo=UTC)),
        ("2026-01-01T09:00:00+07:00", UTC, datetime(2026, 1, 1, 2, tzinfo=UTC)),
        ("2026-01-01 09:00+07:00", UTC, datetime(2026, 1, 1, 2, tzinfo=UTC)),
        (datetime(2026, 1, 1, 2, tzinfo=UTC), ZoneInfo("Asia/Ho_Chi_Minh"), datetime(2026, 1, 1, 2, tzinfo=UTC)),
    ],
)
def test_valid_from_is_an_instant(written: Any, zone: Any, instant: datetime) -> None:
    assert parse_tariff({**SMALL, "valid_from": written}, zone=zone).valid_from == instant


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"block_price": 0.5}, '0.5 is a float, which is not exact; write it in quotes: "0.5"'),
        ({"per_call_fee": 1.0}, "per_call_fee: 1.0 is a float"),
        ({"vat_pct": 7.5}, "vat_pct: 7.5 is a float"),
        ({"telecom": {"price_per_min": 0.1}}, "telecom.price_per_min: 0.1 is a float"),
        ({"block_s": 6.0}, "block_s: 6.0 is no whole number"),
        ({"block_s": True}, "block_s: True is no whole number"),
        ({"block_s": 0}, "block_s: Input should be greater than or equal to 1"),
        ({"per_call_fee": True}, "per_call_fee: True is no amount"),
        ({"per_call_fee": "1,5"}, "'1,5' is no amount; write digits with a point"),
        ({"per_call_fee": "-1"}, "'-1' is no amount"),
        ({"per_call_fee": -1}, "per_call_fee: Input should be greater than or equal to 0"),
        ({"per_call_fee": "10000000"}, "per_call_fee: '10000000' is too large; write an amount of less than 10000000"),
        ({"block_price": 10**30}, "is too large"),
        ({"per_call_fee": "NaN"}, "'NaN' is no amount"),
        ({"per_call_fee": "0.00001"}, "per_call_fee: 0.00001 has more than the 4 decimals that VND may have"),
        ({"block_price": "0.00001"}, "block_price.conversation: 0.00001 has more than the 4 decimals"),
        ({"vat_pct": "101"}, "vat_pct: Input should be less than or equal to 100"),
        ({"currency": "XYZ"}, "currency: unknown currency 'XYZ'; known are"),
        ({"colour": "red"}, "colour: unknown field"),
        ({"valid_from": "soon"}, "valid_from: 'soon' is no date; write 2026-01-01"),
        ({"valid_from": "2026-01-01T00:00:00"}, "has no UTC offset; write 2026-01-01T00:00:00+07:00"),
        ({"valid_from": 2026}, "valid_from: 2026 is no date"),
        ({"block_price": {"static": 1}}, "block_price: the price for script type conversation is missing"),
        ({"block_price": {"opera": 1, "conversation": 1}}, "Input should be 'conversation' or 'static'"),
        ({"block_price": {"conversation": []}}, "conversation: the first tier must have from_blocks: 0"),
        ({"block_price": [{"from_blocks": 5, "price": 1}]}, "the first tier must have from_blocks: 0"),
        (
            {"block_price": [{"from_blocks": 0, "price": 2}, {"from_blocks": 0, "price": 1}]},
            "from_blocks must rise from tier to tier",
        ),
        ({"telecom": {"increment": "6/1"}}, "telecom.increment: '6/1' is no increment; write initial+increment"),
        ({"telecom": {"increment": 6}}, "telecom.increment: '6' is no increment"),
        (
            {"telecom": {"destinations": [{"name": "a", "prefixes": ["8490"], "price_per_min": 1}]}},
            "telecom.destinations.0.prefixes: '8490' is no prefix; write it as E.164 in quotes",
        ),
        (
            {"telecom": {"destinations": [{"name": "a", "prefixes": 8490, "price_per_min": 1}]}},
            "8490 is no prefix",
        ),
        (
            {"telecom": {"destinations": [{"name": n, "prefixes": ["+84"], "price_per_min": 1} for n in "ab"]}},
            "the prefix +84 stands in a and again in b",
        ),
        (
            {"telecom": {"destinations": [{"name": "a", "prefixes": ["+84"], "price_per_min": "0.000001"}]}},
            "telecom.destinations.a.price_per_min: 0.000001 has more than the 4 decimals",
        ),
    ],
)
def test_a_mistake_is_told_with_field_and_remedy(changes: dict[str, Any], told: str) -> None:
    assert told in refusal(**changes)


def test_every_mistake_is_told_at_once() -> None:
    with pytest.raises(TariffError) as caught:
        parse_tariff({"currency": "XYZ", "block_price": 0.5}, source="t.yaml")
    message = str(caught.value)
    assert "t.yaml: currency: unknown currency" in message
    assert "t.yaml: block_price.conversation.0.price: 0.5 is a float" in message
    assert "t.yaml: valid_from: this field is required" in message
    assert "t.yaml: block_s: this field is required" in message
    assert "docs/reference/tariffs-and-billing.md" in message


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"block_s: [1\n", "tariff.yaml line 2: not readable as YAML"),
        (b"- a\n", "expected `field: value` lines"),
        (b"[" * 20_000, "tariff.yaml: nested too deeply"),
        (b"name: \xff\n", "not UTF-8 at byte 6"),
        (b"", "expected `field: value` lines"),
        (b"block_price: 0.5\n", "is a float"),
    ],
)
def test_a_file_that_cannot_be_used_says_where(tmp_path: Path, content: bytes, told: str) -> None:
    path = tmp_path / "tariff.yaml"
    path.write_bytes(content)
    with pytest.raises(TariffError) as caught:
        load_tariff(path)
    assert str(caught.value).startswith(str(path))
    assert told in str(caught.value)


def test_a_file_that_is_not_there() -> None:
    with pytest.raises(TariffError, match=r"nowhere\.yaml: cannot be read: No such file"):
        load_tariff(Path("nowhere.yaml"))


def test_what_is_stored_is_read_once_while_it_stays_the_same() -> None:
    snapshot = parse_tariff(SMALL).snapshot()
    first = stored_tariff(snapshot)
    assert first == parse_tariff(snapshot)
    assert stored_tariff(dict(snapshot)) is first
    dearer = {**snapshot, "per_call_fee": "7"}
    assert stored_tariff(dearer).per_call_fee == 7
    assert stored_tariff(snapshot) is first
    with pytest.raises(TariffError, match="per_call_fee"):
        stored_tariff({**snapshot, "per_call_fee": "much"})


def test_numbers_of_one_destination_share_the_snapshot_that_the_tariff_makes_for_each(full: Tariff) -> None:
    kept = stored(full.snapshot())
    for number in ("+84901234567", "+84902345678", "+84911234567", "+15551234567"):
        assert kept.snapshot(number) == full.snapshot(number)
    assert kept.snapshot("+84902345678") is kept.snapshot("+84911234567")
