"""Every figure of the overview, against numbers reckoned by hand, on both databases."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest

from reports.errors import MixedCurrencies, NoSuchCampaign
from reports.overview import Bin, CodeCount, overview
from reports.scope import Scope
from storage.database import Database
from tests.support_reports import START, Call, Sample, at, standard


async def test_sums_of_the_standard_campaign(database: Database) -> None:
    await standard(database)
    async with database.read() as conn:
        report = await overview(conn, Scope(1))
    totals = report.totals
    assert (totals.total, totals.answered, totals.talked, totals.live) == (8, 5, 5, 0)
    assert totals.talk_ms == 42_500 + 15_000 + 29_999 + 4_999 + 30_000
    assert totals.average_talk_ms == 24_500  # 122 498 ÷ 5 = 24 499.6
    assert totals.acw_ms == 1_250
    assert totals.aht_ms == 24_750  # 123 748 ÷ 5 = 24 749.6
    assert totals.dial_ms == 8_250 + 6_000 + 1_500 + 4_000 + 45_000 + 5_000 + 12_000 + 500
    assert (totals.conversations, totals.messages, totals.blocks, totals.sessions) == (5, 14, 6, 6)
    assert (totals.answer_rate, totals.failed_rate) == (5 / 8, 3 / 8)
    assert totals.success_rate == 4 / 8
    assert (totals.successful, totals.unsuccessful, totals.error, totals.not_counted) == (4, 3, 1, 0)
    assert totals.repeated == 1


async def test_cost_is_exact_and_vat_stands_apart(database: Database) -> None:
    await standard(database)
    async with database.read() as conn:
        report = await overview(conn, Scope(1))
    assert report.totals.cost_bot == Decimal(2700)
    assert report.totals.cost_telecom == Decimal("1749.5833")
    assert report.totals.cost_vat == Decimal(356)
    assert report.totals.cost_net == Decimal("4449.5833")
    assert report.totals.cost == Decimal("4805.5833")
    assert report.currency == "VND"


async def test_codes_are_counted_with_their_class(database: Database) -> None:
    await standard(database)
    async with database.read() as conn:
        report = await overview(conn, Scope(1))
    assert report.codes == (
        CodeCount("PTP", "success", "PTP", 2),
        CodeCount("BS", "unsuccessful", "BS", 1),
        CodeCount("IN", "error", "CU", 1),
        CodeCount("NA", "unsuccessful", "NA", 1),
        CodeCount("REF", "success", "REF", 1),
        CodeCount("SC", "success", "SC", 1),
        CodeCount("VM", "unsuccessful", "NA", 1),
    )


async def test_histogram_bins_are_half_open_and_can_be_set(database: Database) -> None:
    await standard(database)
    async with database.read() as conn:
        standard_bins = (await overview(conn, Scope(1))).histogram
        own_bins = (await overview(conn, Scope(1), histogram_edges_s=(15, 40))).histogram
    assert standard_bins == (Bin(0, 5, 1), Bin(5, 15, 0), Bin(15, 30, 2), Bin(30, None, 2))
    assert own_bins == (Bin(0, 15, 1), Bin(15, 40, 3), Bin(40, None, 1))


async def test_contacts_and_customers_are_counted_once(database: Database) -> None:
    await standard(database)
    async with database.read() as conn:
        report = await overview(conn, Scope(1))
    contacts = report.contacts
    assert (contacts.total, contacts.approached, contacts.not_approached, contacts.reached) == (8, 7, 1, 5)
    assert contacts.states == (("dnc_blocked", 1), ("done", 4), ("exhausted", 2), ("invalid", 1))
    assert (report.customers.total, report.customers.not_answering) == (7, 2)


async def test_latencies_are_nearest_rank_percentiles(database: Database) -> None:
    await standard(database)
    async with database.read() as conn:
        latencies = (await overview(conn, Scope(1))).latencies
    first = latencies.answer_to_first_word
    assert (first.count, first.p50_ms, first.p95_ms) == (5, 310, 420)
    turns = latencies.voice_to_voice  # 400 450 500 550 560 570 600 700 1200
    assert (turns.count, turns.p50_ms, turns.p95_ms) == (9, 560, 1200)
    assert (latencies.barge_in_stop.count, latencies.barge_in_stop.p50_ms) == (1, 210)


async def test_the_latest_settlement_dates_the_figures(database: Database) -> None:
    await standard(database)
    async with database.read() as conn:
        report = await overview(conn, Scope(1))
    assert report.data_as_of == at(1300 + 4 + 29.999 + 0.3)


async def test_nothing_called_gives_null_rates_never_nought(database: Database) -> None:
    sample = Sample(database)
    await sample.open()
    await sample.campaign(1, state="running")
    await sample.contact(1, state="pending")
    async with database.read() as conn:
        report = await overview(conn, Scope(1))
    totals = report.totals
    assert (totals.total, totals.answer_rate, totals.failed_rate, totals.success_rate) == (0, None, None, None)
    assert (totals.average_talk_ms, totals.aht_ms, report.data_as_of) == (None, None, None)
    assert (totals.cost, report.currency) == (Decimal(0), "VND")
    assert (report.latencies.voice_to_voice.count, report.latencies.voice_to_voice.p50_ms) == (0, None)
    assert (report.contacts.approached, report.contacts.not_approached) == (0, 1)


async def test_the_period_is_half_open(database: Database) -> None:
    await standard(database)
    async with database.read() as conn:
        first = await overview(conn, Scope(1, from_=START, to=at(10)))
        rest = await overview(conn, Scope(1, from_=at(10)))
    assert (first.totals.total, rest.totals.total) == (2, 6)
    assert first.contacts.approached == 2


async def test_test_visitor_and_ad_hoc_calls_stay_out_unless_asked_for(database: Database) -> None:
    await standard(database)
    sample = Sample(database)
    for kind in ("test", "visitor", "ad_hoc"):
        await sample.call(
            Call(8, 60, "HUP", "success", answer_after_s=1, talk_s=10, call_type=kind, is_test=kind == "test")
        )
    async with database.read() as conn:
        figures = await overview(conn, Scope(1))
        account = await overview(conn, Scope())
        everything = await overview(conn, Scope(1, include_test=True))
    assert (figures.totals.total, account.totals.total, everything.totals.total) == (8, 9, 11)
    assert figures.contacts.approached == 7


async def test_a_rehearsal_shows_its_own_calls_and_no_account_figure_does(database: Database) -> None:
    await standard(database, is_test=True)
    async with database.read() as conn:
        rehearsal = await overview(conn, Scope(1))
        account = await overview(conn, Scope())
    assert (rehearsal.totals.total, rehearsal.is_test) == (8, True)
    assert (account.totals.total, account.contacts.total, account.is_test) == (0, 0, False)


async def test_calls_in_progress_count_but_do_not_distort_averages(database: Database) -> None:
    await standard(database, state="running")
    sample = Sample(database)
    await sample.contact(9, state="in_progress")
    await sample.call(Call(9, 2000, None, answer_after_s=5, phase="talking"))
    await sample.contact(10, state="in_progress")
    await sample.call(Call(10, 2000, None, phase="ringing"))
    async with database.read() as conn:
        report = await overview(conn, Scope(1))
    totals = report.totals
    assert (totals.total, totals.answered, totals.live, totals.average_talk_ms) == (10, 6, 2, 24_500)
    assert totals.successful + totals.unsuccessful + totals.error + totals.not_counted + totals.live == totals.total
    assert (report.contacts.approached, report.contacts.reached) == (7, 6)
    assert report.data_as_of == START + timedelta(seconds=2005)


async def test_attempts_that_were_never_placed_are_not_calls(database: Database) -> None:
    await standard(database)
    await Sample(database).call(Call(8, None, None))
    async with database.read() as conn:
        report = await overview(conn, Scope(1))
    assert (report.totals.total, report.contacts.approached) == (8, 7)


async def test_an_unknown_campaign_is_named(database: Database) -> None:
    async with database.read() as conn:
        with pytest.raises(NoSuchCampaign, match="no campaign 7"):
            await overview(conn, Scope(7))


async def test_currencies_are_never_added(database: Database) -> None:
    await standard(database)
    other = Sample(database, currency="USD")
    await other.campaign(2)
    await other.contact(20, campaign_id=2)
    await other.call(Call(20, 5, "PTP", "success", answer_after_s=1, talk_s=10, cost=("1", "1", "0", "0")), 2)
    async with database.read() as conn:
        with pytest.raises(MixedCurrencies, match="USD and VND"):
            await overview(conn, Scope())
        assert (await overview(conn, Scope(2))).currency == "USD"
