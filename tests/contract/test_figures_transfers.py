"""Transferred calls in the report, on the attempt's page and in the audit, on both databases."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import update

from bot.outcome import EndedBy, Transferred
from reports.attempt import TransferRow, attempt_detail
from reports.audit import audit
from reports.overview import overview
from reports.presentation import groups
from reports.recount import as_counted, recount
from reports.scope import Scope
from storage.database import Database
from storage.tables import attempts, recordings
from telephony.transfer import TransferBy
from tests.support_campaigns import TARIFF, House
from tests.support_reports import Call, Sample

PRICES = dict(TARIFF) | {
    "vat_pct": "10",
    "per_call_fee": "0.02",
    "telecom": {
        "price_per_min": "0.06",
        "destinations": [{"name": "office", "prefixes": ["+8428"], "price_per_min": "1.20", "increment": "60+60"}],
    },
}
TIERED = PRICES | {"block_price": [{"from_blocks": 0, "price": "0.01"}, {"from_blocks": 2, "price": "0.005"}]}
JOINED = Transferred("sales", "+842812345678", TransferBy.SECOND_LEG, 12_500, joined_ms=14_000, agent_ms=61_000)
ABSENT = Transferred("sales", "+842812345678", TransferBy.SECOND_LEG, 12_500, text="Busy Here")
RATED, TIMED = "transferred calls = rated again", "bot's time = talk until the agent"


async def _transferred(database: Database, *, tariff: Any = PRICES, **result: Any) -> str:
    """One call of 90 s that was transferred; its attempt."""
    house = await House(database).build(tariff=tariff)
    await house.campaign(people=1)
    ledger = house.ledger()
    (claim,) = (await ledger.claim(["line"], 1)).claims
    fields = {"transfer": JOINED, "ended_by": EndedBy.CUSTOMER, "messages": 0} | result
    await house.talk(ledger, claim, seconds=90.0, **fields)
    return str(claim.attempt_id)


async def _failed(database: Database, folder: Path) -> dict[str, tuple[str, ...]]:
    async with database.read() as conn:
        checks = (await audit(conn, None, folder)).checks
    # Nothing is recorded here.
    return {check.name: check.rows for check in checks if not check.ok and not check.name.startswith("recordings")}


async def _tamper(database: Database, **values: Any) -> None:
    async with database.write() as conn:
        await conn.execute(update(attempts).values(**values))


async def test_the_bot_is_paid_until_the_transfer_and_both_lines_whole(database: Database, tmp_path: Path) -> None:
    attempt_id = await _transferred(database)
    async with database.read() as conn:
        row = (await attempt_detail(conn, attempt_id)).row
    assert (row.blocks, row.cost_bot) == (3, Decimal("0.03"))
    # 90 s at 0.06 a minute, and two minutes at 1.20.
    assert row.cost_telecom == Decimal("0.09") + Decimal("2.40")
    assert row.cost_vat == Decimal("0.25")
    assert await _failed(database, tmp_path) == {}


@pytest.mark.parametrize("tariff", [PRICES, TIERED])
@pytest.mark.parametrize(
    "result",
    [
        {},
        {"transfer": ABSENT},
        {"ended_by": EndedBy.ERROR},
        {"voicemail": True},
        {"callback": True, "transfer": ABSENT},
        {"opted_out": True},
    ],
)
async def test_the_audit_makes_the_same_bill(
    database: Database, tmp_path: Path, tariff: Any, result: dict[str, Any]
) -> None:
    await _transferred(database, tariff=tariff, **result)
    assert await _failed(database, tmp_path) == {}


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"agent_ms": 121_000}, "agent_billable_s is 120, rated 180; cost_telecom is 2.4900, rated 3.69"),
        ({"blocks": 15}, "blocks is 15, rated 3"),
        ({"transfer_number": "204"}, "agent_billable_s is 120, rated 0"),
        ({"cost_agent": Decimal(1)}, "cost_agent is 1.0000, rated 2.40"),
        ({"tariff_snapshot": {}}, "price snapshot: currency: this field is required"),
    ],
)
async def test_a_bill_that_does_not_follow_from_its_call_is_named(
    database: Database, tmp_path: Path, values: dict[str, Any], told: str
) -> None:
    attempt_id = await _transferred(database)
    await _tamper(database, **values)
    (line,) = (await _failed(database, tmp_path))[RATED]
    assert line.startswith(f"attempt {attempt_id}: ")
    assert told in line


async def test_a_bots_time_that_runs_into_the_agents_is_named(database: Database, tmp_path: Path) -> None:
    attempt_id = await _transferred(database)
    await _tamper(database, bot_ms=90_000)
    assert (await _failed(database, tmp_path))[TIMED] == (
        f"attempt {attempt_id}: 12500 ms are the bot's, noted are 90000",
    )
    await _tamper(database, bot_ms=None)
    assert TIMED in await _failed(database, tmp_path)


@pytest.mark.parametrize(
    ("by", "seconds", "whole"), [("second_leg", 20, False), ("hand_over", 20, True), ("hand_over", 12, False)]
)
async def test_only_a_call_that_was_handed_over_may_lack_the_end_of_its_recording(
    database: Database, tmp_path: Path, by: str, seconds: float, whole: bool
) -> None:
    sample = Sample(database)
    await sample.open()
    await sample.campaign(1)
    await sample.contact(1, attempts=1)
    call = Call(1, 0, "TR", "success", answer_after_s=2, talk_s=60, asked_ms=15_000, joined_ms=18_000)
    await sample.call(call)
    await sample.recording(call, tmp_path, seconds=seconds)
    async with database.write() as conn:
        await conn.execute(update(attempts).values(transfer_by=by))
    async with database.read() as conn:
        failed = [check.name for check in (await audit(conn, 1, tmp_path)).checks if not check.ok]
    assert ("recordings' length = talk time" not in failed) is whole
    async with database.write() as conn:
        await conn.execute(recordings.delete())


async def test_the_report_counts_transfers_agents_and_their_lines(database: Database) -> None:
    sample = Sample(database)
    await sample.open()
    await sample.campaign(1)
    for contact in (1, 2, 3):
        await sample.contact(contact)
    legs: dict[str, Any] = {"agent_ms": 61_000, "cost_agent": "40.5"}
    calls = [
        Call(1, 0, "TR", "success", answer_after_s=2, talk_s=90, asked_ms=12_500, joined_ms=14_000, **legs),
        Call(2, 5, "ANP", "success", answer_after_s=2, talk_s=40, asked_ms=12_500),
        Call(3, 9, "HUP", "success", answer_after_s=2, talk_s=40),
    ]
    for call in calls:
        await sample.call(call)
    async with database.read() as conn:
        report = await overview(conn, Scope(1))
        assert as_counted(report) == await recount(conn, 1)
    totals = report.totals
    assert (totals.transfers, totals.transferred, totals.agent_ms) == (2, 1, 61_000)
    assert (totals.cost_agent, totals.transfer_rate) == (Decimal("40.5"), 0.5)
    (shown,) = [group for group in groups(report) if group.key == "transfers"]
    assert [figure.text for figure in shown.figures] == ["2", "1", "1 min 01 s", "41 VND"]
    assert shown.figures[1].note == "50.0 % of transfers"


async def test_one_attempt_tells_its_transfer_and_another_none(database: Database) -> None:
    sample = Sample(database)
    await sample.open()
    await sample.campaign(1)
    await sample.contact(1)
    tried = Call(1, 0, "ANP", "success", answer_after_s=2, talk_s=40, asked_ms=12_500)
    plain = Call(1, 90, "HUP", "success", answer_after_s=2, talk_s=40)
    for call in (tried, plain):
        await sample.call(call)
    async with database.read() as conn:
        with_one, without = await attempt_detail(conn, tried.id), await attempt_detail(conn, plain.id)
    expected = TransferRow("sales", "second_leg", "+842812345678", 12_500, None, None, 0, Decimal(0))
    assert (with_one.transfer, with_one.bot_ms) == (expected, 40_000)
    assert (without.transfer, without.bot_ms) == (None, 40_000)
