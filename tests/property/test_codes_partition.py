"""The seeds' rule: three classes partition all attempts, cancelled ones left out."""

from __future__ import annotations

from datetime import UTC, datetime

from hypothesis import example, given
from hypothesis import strategies as st

from billing.rating import rate
from bot.outcome import ConversationResult, EndedBy, Transferred
from campaigns.codes import DEFAULTS, Assigned, CodeClass, CodeTable, assign
from telephony.call import CallEnd, NotAnswered
from telephony.outcomes import CallStatus, DialStatus, HangupBy
from telephony.transfer import TransferBy

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
CODES = st.none() | st.sampled_from(["PTP", "REF", "LATER", "NA", "CU", "KNM", "XC", "DNC"])
RESULTS = st.builds(
    ConversationResult,
    ended_by=st.sampled_from(EndedBy),
    code=CODES,
    customer_spoke=st.booleans(),
    voicemail=st.booleans(),
    opted_out=st.booleans(),
    callback=st.booleans(),
    transfer=st.none()
    | st.builds(
        Transferred,
        target=st.just("sales"),
        number=st.just("204"),
        by=st.sampled_from(TransferBy),
        asked_ms=st.integers(0, 600_000),
        joined_ms=st.none() | st.integers(0, 600_000),
        ended_by_agent=st.booleans(),
    ),
)
DIALS = st.builds(NotAnswered, st.sampled_from(DialStatus), st.just(NOW), rang=st.booleans())
ENDS = st.none() | st.builds(CallEnd, st.sampled_from(HangupBy), st.just(NOW))
TABLES = st.sampled_from(
    [
        CodeTable(),
        CodeTable.from_json({"NA": "KNM", "HUP": "DONE"}),
        CodeTable.from_json(
            {
                "REF": {"generic_result": "Completed", "class": "unsuccessful"},
                "LATER": {"generic_result": "ToContinue", "family": "BS"},
                "PTP": {"generic_result": "Completed", "class": "error"},
            }
        ),
    ]
)
ATTEMPTS = st.one_of(
    st.tuples(DIALS, st.none(), st.none(), st.none()),
    st.tuples(st.none(), ENDS, st.none() | RESULTS, st.integers(0, 600_000)),
    st.just((None, None, None, None)),
)
TARIFF = {"currency": "VND", "valid_from": "2026-01-01", "block_s": 6, "block_price": "1", "per_call_fee": "1"}
Attempt = tuple[NotAnswered | None, CallEnd | None, ConversationResult | None, int | None]


def _assigned(attempt: Attempt, table: CodeTable) -> Assigned:
    dial, end, result, talk_ms = attempt
    return assign(dial, end, result, talk_ms=talk_ms, table=table)


@given(ATTEMPTS, TABLES)
def test_class_follows_from_answer_and_family(attempt: Attempt, table: CodeTable) -> None:
    found = _assigned(attempt, table)
    was_answered = attempt[3] is not None
    successful = was_answered and found.family not in {"BS", "NA", "CU", "XC"}
    assert (found.code_class is CodeClass.SUCCESS) == successful
    assert (found.code_class is CodeClass.UNSUCCESSFUL) == (found.family in {"BS", "NA"})
    assert (found.code_class is CodeClass.ERROR) == (found.family == "CU")
    assert (found.code_class is CodeClass.NOT_COUNTED) == (found.family == "XC")


@given(st.lists(ATTEMPTS, max_size=30), TABLES)
def test_the_three_classes_and_the_cancelled_are_all_attempts(attempts: list[Attempt], table: CodeTable) -> None:
    classes = [_assigned(attempt, table).code_class for attempt in attempts]
    counted = [c for c in classes if c is not CodeClass.NOT_COUNTED]
    parts = [sum(c is part for c in counted) for part in (CodeClass.SUCCESS, CodeClass.UNSUCCESSFUL, CodeClass.ERROR)]
    assert sum(parts) == len(counted)


@given(ATTEMPTS, TABLES)
@example(
    (None, CallEnd(HangupBy.BOT, NOW), ConversationResult(EndedBy.BOT, code="XC", customer_spoke=True), 9_000),
    CodeTable(),
)
def test_only_what_was_cancelled_is_not_counted(attempt: Attempt, table: CodeTable) -> None:
    found = _assigned(attempt, table)
    assert (found.code_class is CodeClass.NOT_COUNTED) == (found.call_status is CallStatus.CANCELLED)


@given(ATTEMPTS, TABLES)
def test_the_same_facts_give_the_same_codes_and_fit_their_columns(attempt: Attempt, table: CodeTable) -> None:
    found = _assigned(attempt, table)
    assert found == _assigned(attempt, table)
    assert 1 <= len(found.code) <= 32
    assert len(found.family) <= 32
    assert found.default_code in DEFAULTS


TRANSFERS = {CallStatus.TRANSFERRED, CallStatus.DIAL_HANGUP, CallStatus.AGENT_NOT_PICK_UP}


@given(ATTEMPTS, TABLES)
def test_a_call_is_a_transfer_when_one_was_tried_and_nothing_stronger_is_true(
    attempt: Attempt, table: CodeTable
) -> None:
    _, end, result, _ = attempt
    found = _assigned(attempt, table)
    tried = result is not None and result.transfer is not None
    stronger = result is None or result.ended_by is EndedBy.ERROR or result.voicemail
    by_agent = end is not None and end.hangup_by is HangupBy.AGENT
    assert (found.call_status in TRANSFERS) == ((tried or by_agent) and not stronger)
    if found.call_status in TRANSFERS:
        assert found.default_code in {"TR", "AHU", "ANP", "CB", "DNC"}


@given(ATTEMPTS, TABLES)
def test_nobody_pays_for_what_was_not_answered_or_what_the_bot_broke(attempt: Attempt, table: CodeTable) -> None:
    found = _assigned(attempt, table)
    rated = rate(TARIFF, talk_ms=attempt[3], number="+84901234567", messages=1, family_code=found.default_code)
    broken = found.default_code == "ER"
    assert rated.billed == (attempt[3] is not None and not broken)
