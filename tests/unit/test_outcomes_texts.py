"""The words for what the network sends."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from telephony.outcomes import (
    CallStatus,
    DialStatus,
    HangupBy,
    classify_sip,
    describe_ami_reason,
    describe_call_status,
    describe_dial_status,
    describe_hangup_by,
    describe_q850,
    describe_sip,
)
from telephony.texts import AMI_REASON_TEXTS

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "call-outcomes.md"


@pytest.mark.parametrize(
    ("code", "text"),
    [(486, "Busy here"), (404, "Not found"), (603, "Decline"), (100, "Trying"), (503, "Service unavailable")],
)
def test_registered_sip_statuses_have_their_phrase(code: int, text: str) -> None:
    assert describe_sip(code) == text


@pytest.mark.parametrize(("code", "text"), [(499, "Refused (499)"), (599, "Server failure (599)")])
def test_unregistered_sip_statuses_are_described_by_class(code: int, text: str) -> None:
    assert describe_sip(code) == text


@pytest.mark.parametrize("code", [0, 99, 700])
def test_a_number_that_is_no_sip_status_is_refused(code: int) -> None:
    with pytest.raises(ValueError, match="100 to 699"):
        describe_sip(code)


def test_causes_and_reasons_have_words_even_if_unknown() -> None:
    assert describe_q850(17) == "User busy"
    assert describe_q850(126) == "Unknown cause (126)"
    assert describe_ami_reason(4) == "Answered"
    assert describe_ami_reason(2) == "Unknown reason (2)"


def test_every_status_has_its_own_words() -> None:
    dial = [describe_dial_status(status) for status in DialStatus]
    assert len(set(dial)) == len(DialStatus)
    ends = [describe_call_status(status) for status in CallStatus]
    assert len(set(ends)) == len(CallStatus)
    assert len({describe_hangup_by(who) for who in HangupBy}) == len(HangupBy)


def test_the_reference_page_tells_every_ami_reason() -> None:
    page = PAGE.read_text(encoding="utf-8")
    for reason, text in AMI_REASON_TEXTS.items():
        assert re.search(rf"^\| {reason} \|.*{re.escape(text)}", page, re.MULTILINE), (reason, text)


def test_the_reference_page_agrees_with_the_sip_table() -> None:
    page = PAGE.read_text(encoding="utf-8")
    rows = re.findall(r"^\| ([0-9, ]+) \| (\d+) \| ([A-Z_]+) \| ([A-Z_]+) \| ([a-z -]+) \|$", page, re.MULTILINE)
    told = {
        int(code): (int(q850), dial, call, retry)
        for codes, q850, dial, call, retry in rows
        for code in codes.split(", ")
    }
    assert len(told) >= 20
    for code, row in told.items():
        outcome = classify_sip(code, rang=False)
        assert (outcome.q850, outcome.dial_status, outcome.call_status, outcome.retry) == row, code
