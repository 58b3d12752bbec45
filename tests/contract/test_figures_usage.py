"""Usage by month and bot, the live state and the campaign list, on both databases."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

import pytest

from reports.campaigns import campaign_list
from reports.errors import BadFilter
from reports.live import live
from reports.measures import totals_by
from reports.paging import Paging
from reports.scope import Scope
from reports.usage import Month, months_between, usage
from storage.database import Database
from storage.tables import attempts
from tests.support_reports import START, Call, Sample, at, standard

ZONE = "Asia/Ho_Chi_Minh"
MARCH = Month(2026, 3)


async def test_a_month_begins_at_local_midnight_and_empty_months_stay(database: Database) -> None:
    await standard(database)
    sample = Sample(database)
    last_of_february = datetime(2026, 2, 28, 16, 59, 59, tzinfo=UTC)  # 23:59:59 local
    first_of_march = datetime(2026, 2, 28, 17, 0, tzinfo=UTC)
    for instant in (last_of_february, first_of_march):
        seconds = (instant - START).total_seconds()
        await sample.call(Call(8, seconds, "HUP", "success", answer_after_s=1, talk_s=10, blocks=1, messages=1))
    async with database.read() as conn:
        rows = await usage(conn, months_between(Month(2026, 1), MARCH), time_zone=ZONE)
    assert [(row.month, row.bot, row.totals.total) for row in rows] == [
        ("2026-01", "", 0),
        ("2026-02", "Lan", 1),
        ("2026-03", "Lan", 9),
        ("TOTAL", "TOTAL", 10),
    ]


async def test_bots_stand_apart_and_add_up_to_the_total(database: Database) -> None:
    await standard(database)
    sample = Sample(database)
    async with database.write() as conn:
        await sample.bot(2, "Minh", conn)
    await sample.call(
        Call(8, 70, "HUP", "success", answer_after_s=1, talk_s=10, blocks=1, messages=2, cost=("450", "0", "0", "36")),
        bot_id=2,
    )
    async with database.read() as conn:
        rows = await usage(conn, [MARCH], time_zone=ZONE)
    lan, minh, total = rows
    assert (lan.bot, minh.bot, total.bot) == ("Lan", "Minh", "TOTAL")
    assert (lan.totals.sessions, minh.totals.sessions, total.totals.sessions) == (6, 1, 7)
    assert lan.totals.cost + minh.totals.cost == total.totals.cost == Decimal("5291.5833")
    assert total.totals.messages == 16
    assert total.currency == "VND"


async def test_rehearsals_are_no_usage_unless_asked_for(database: Database) -> None:
    await standard(database, is_test=True)
    async with database.read() as conn:
        without = await usage(conn, [MARCH], time_zone=ZONE)
        with_tests = await usage(conn, [MARCH], time_zone=ZONE, include_test=True)
    assert (without[-1].totals.total, with_tests[-1].totals.total) == (0, 8)


def test_months_are_read_counted_and_bounded() -> None:
    assert Month.parse("2026-12").next() == Month(2027, 1)
    assert MARCH.back(3) == Month(2025, 12)
    assert str(Month.of(datetime(2026, 2, 28, 18, tzinfo=UTC), ZONE)) == "2026-03"
    with pytest.raises(BadFilter, match="2026-03"):
        Month.parse("March")
    with pytest.raises(BadFilter, match="1 to 120"):
        months_between(MARCH, Month(2026, 2))
    with pytest.raises(BadFilter, match="1 to 120"):
        months_between(Month(2000, 1), MARCH)


async def test_sums_group_by_any_column_and_add_up(database: Database) -> None:
    await standard(database)
    async with database.read() as conn:
        grouped = await totals_by(conn, Scope(1), attempts.c.code_class)
    assert [(key, sums.total) for (key,), sums in grouped] == [("error", 1), ("success", 4), ("unsuccessful", 3)]
    assert sum(sums.blocks for _, sums in grouped) == 6


async def test_a_running_campaign_shows_its_calls_and_states(database: Database) -> None:
    await standard(database, state="running", finished_at=None)
    sample = Sample(database)
    await sample.contact(9, state="in_progress", name="Hoa")
    await sample.call(Call(9, 2000, None, answer_after_s=5, phase="talking"))
    await sample.contact(10, state="pending", next_at=at(3000))
    async with database.read() as conn:
        state = await live(conn, 1)
    (call,) = state.calls
    assert (call.name, call.phase, call.since, call.attempt_no) == ("Hoa", "talking", at(2005), 1)
    assert dict(state.states)["in_progress"] == 1
    assert (state.contacts, state.settled, state.is_over) == (10, 8, False)
    assert (state.totals.total, len(state.codes)) == (9, 7)
    assert state.next_at is None


async def test_an_idle_campaign_says_when_the_next_call_is_due(database: Database) -> None:
    await standard(database, state="running", finished_at=None)
    sample = Sample(database)
    await sample.contact(10, state="callback", next_at=at(3000))
    await sample.contact(11, state="retry_wait", next_at=at(2500))
    await sample.contact(12, state="held", next_at=at(1))
    async with database.read() as conn:
        state = await live(conn, 1)
    assert (state.calls, state.next_at) == ((), at(2500))


async def test_the_list_of_campaigns_is_newest_first_paged_and_filtered(database: Database) -> None:
    await standard(database)
    sample = Sample(database)
    for campaign_id in (2, 3, 4):
        await sample.campaign(campaign_id, state="draft", started_at=None, finished_at=None)
    await sample.contact(40, 4, state="pending")
    await sample.contact(41, 4, state="done")
    async with database.read() as conn:
        first = await campaign_list(conn, Paging("-id", rows=3))
        rest = await campaign_list(conn, Paging("-id", rows=3, after=first.next))
        done = await campaign_list(conn, Paging("-id"), state="completed")
    assert [line.campaign.id for line in first.rows] == [4, 3, 2]
    assert [line.campaign.id for line in rest.rows] == [1]
    assert (rest.next, rest.rows[0].totals.total, rest.rows[0].progress) == (None, 8, 1.0)
    assert (first.rows[0].progress, first.rows[1].progress) == (0.5, 0.0)
    assert [line.campaign.code for line in done.rows] == ["C1"]
