"""How figures are written."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

import pytest

from reports import formatting, wording
from reports.overview import Bin
from reports.presentation import bin_label
from reports.wording import describe_code

WINTER = datetime(2026, 1, 15, 12, 0, 5, tzinfo=UTC)
SUMMER = datetime(2026, 7, 15, 12, 0, 5, tzinfo=UTC)


@pytest.mark.parametrize(
    ("ms", "text"),
    [
        (None, "–"),
        (0, "0.0 s"),
        (24_500, "24.5 s"),
        (59_949, "59.9 s"),
        (59_950, "1 min 00 s"),
        (60_000, "1 min 00 s"),
        (122_498, "2 min 02 s"),
        (3_599_600, "1 h 00 min 00 s"),
        (11_109_000, "3 h 05 min 09 s"),
    ],
)
def test_durations(ms: int | None, text: str) -> None:
    assert formatting.duration(ms) == text


@pytest.mark.parametrize(
    ("ms", "text"), [(None, "–"), (-5, "0:00"), (999, "0:00"), (65_000, "1:05"), (3_723_000, "1:02:03")]
)
def test_clocks(ms: int | None, text: str) -> None:
    assert formatting.clock(ms) == text


@pytest.mark.parametrize(("ms", "text"), [(None, "–"), (412, "412 ms"), (999, "999 ms"), (1_250, "1.25 s")])
def test_response_times(ms: int | None, text: str) -> None:
    assert formatting.milliseconds(ms) == text


@pytest.mark.parametrize(
    ("amount", "currency", "text"),
    [
        (None, "VND", "–"),
        (Decimal("4805.5833"), "VND", "4,806 VND"),
        (Decimal("0.5"), "VND", "1 VND"),
        (Decimal("-0.5"), "VND", "-1 VND"),
        (Decimal("1234567.895"), "USD", "1,234,567.90 USD"),
        (Decimal(3), "EUR", "3.00 EUR"),
        (Decimal("-1234.5"), "USD", "-1,234.50 USD"),
        (Decimal("-0.001"), "USD", "0.00 USD"),
        (Decimal(0), "XXX", "–"),
    ],
)
def test_money_is_rounded_to_what_can_be_paid(amount: Decimal | None, currency: str, text: str) -> None:
    assert formatting.money(amount, currency) == text


def test_a_rate_that_does_not_exist_is_a_dash_and_not_nought() -> None:
    assert (formatting.percent(None), formatting.percent(0.0), formatting.percent(0.625)) == ("–", "0.0 %", "62.5 %")


def test_every_time_bears_its_own_offset() -> None:
    assert formatting.moment(WINTER, "Europe/Prague") == "2026-01-15 13:00:05 UTC+01:00"
    assert formatting.moment(SUMMER, "Europe/Prague") == "2026-07-15 14:00:05 UTC+02:00"
    assert formatting.moment(SUMMER, "America/New_York", seconds=False) == "2026-07-15 08:00 UTC-04:00"
    assert formatting.moment(None, "UTC") == "–"
    assert formatting.local_time(SUMMER, "Asia/Ho_Chi_Minh") == "2026-07-15 19:00:05"


def test_bins_are_named_by_their_edges() -> None:
    assert [bin_label(one) for one in (Bin(0, 5, 0), Bin(5, 15, 0), Bin(30, None, 0))] == [
        "under 5 s",
        "5–15 s",
        "30 s and more",
    ]


def test_a_code_is_described_through_the_campaigns_own_string() -> None:
    assert describe_code("NA", {}) == "No answer"
    assert describe_code("KNM", {"NA": "KNM"}) == "No answer"
    assert describe_code("PTP", {"NA": "KNM"}) == "Set by the script"
    assert describe_code("PTP", {}, {"PTP": "Promises to pay", "NA": "no"}) == "Promises to pay"
    assert describe_code("NA", {}, {"NA": "no"}) == "No answer"


def test_there_is_a_word_for_every_stored_state() -> None:
    from campaigns.codes import DEFAULTS, CodeClass
    from campaigns.states import UNFINISHED, AttemptPhase, CampaignState, ContactState
    from telephony.outcomes import CallStatus, HangupBy
    from telephony.texts import AMI_REASON_TEXTS

    assert set(wording.CAMPAIGN_STATES) == set(CampaignState)
    assert set(wording.CONTACT_STATES) == set(ContactState)
    assert set(wording.PHASES) == set(AttemptPhase)
    assert set(wording.CALL_STATUSES) == set(CallStatus)
    assert set(wording.HANGUP_BY) == set(HangupBy)
    assert wording.AMI_REASONS == AMI_REASON_TEXTS
    assert set(wording.CLASSES) == set(CodeClass)
    assert set(wording.CODES) == set(DEFAULTS)
    assert set(UNFINISHED) == wording.OPEN_CONTACT_STATES
