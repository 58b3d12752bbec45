"""Call status and action code of every kind of end, and the code table's rules."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from bot.outcome import ConversationResult, EndedBy, Transferred
from campaigns.codes import (
    DEFAULTS,
    STATUS_CODE,
    Assigned,
    CodeClass,
    CodeError,
    CodeTable,
    GenericResult,
    assign,
)
from telephony.call import CallEnd, NotAnswered
from telephony.outcomes import CallStatus, DialStatus, HangupBy
from telephony.transfer import TransferBy

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
SUCCESS, UNSUCCESSFUL, ERROR = CodeClass.SUCCESS, CodeClass.UNSUCCESSFUL, CodeClass.ERROR
ABSENT = Transferred("sales", "204", TransferBy.SECOND_LEG, asked_ms=2_000)
JOINED = replace(ABSENT, joined_ms=4_000, agent_ms=60_000)
LEFT = replace(JOINED, ended_by_agent=True)


def unanswered(status: DialStatus, **table: Any) -> Assigned:
    return assign(NotAnswered(status, NOW), None, None, talk_ms=None, **table)


def answered(
    hangup_by: HangupBy | None = HangupBy.CUSTOMER,
    *,
    talk_ms: int = 30_000,
    table: CodeTable | None = None,
    short_call_ms: int = 5_000,
    **result: Any,
) -> Assigned:
    facts = {"ended_by": EndedBy.BOT if hangup_by is HangupBy.BOT else EndedBy.CUSTOMER, "customer_spoke": True}
    end = CallEnd(hangup_by, NOW) if hangup_by else None
    outcome = ConversationResult(**facts | result)
    return assign(None, end, outcome, talk_ms=talk_ms, table=table or CodeTable(), short_call_ms=short_call_ms)


@pytest.mark.parametrize(
    ("dial", "status", "code", "code_class", "family", "result"),
    [
        (DialStatus.BUSY, CallStatus.BUSY, "BS", UNSUCCESSFUL, "BS", "Busy"),
        (DialStatus.NOANSWER, CallStatus.NOANSWER, "NA", UNSUCCESSFUL, "NA", "NoAnswer"),
        (DialStatus.CHANUNAVAIL, CallStatus.CHANUNAVAIL, "CU", ERROR, "CU", "Failed"),
        (DialStatus.ERROR, CallStatus.CHANUNAVAIL, "CU", ERROR, "CU", "Failed"),
        (DialStatus.ANSWER, CallStatus.CHANUNAVAIL, "CU", ERROR, "CU", "Failed"),
        (DialStatus.CONGESTION, CallStatus.CONGESTION, "CG", ERROR, "CU", "Failed"),
        (DialStatus.REJECTED, CallStatus.REJECTED, "RJ", UNSUCCESSFUL, "BS", "Cancelled"),
        (DialStatus.OUT_OF_SERVICE, CallStatus.OUT_OF_SERVICE, "OS", UNSUCCESSFUL, "NA", "Failed"),
        (DialStatus.INVALID, CallStatus.INVALID_NUMBER, "IN", ERROR, "CU", "Failed"),
        (DialStatus.CANCEL, CallStatus.CANCELLED, "XC", CodeClass.NOT_COUNTED, "XC", "Cancelled"),
    ],
)
def test_the_network_decides_what_was_not_answered(
    dial: DialStatus, status: CallStatus, code: str, code_class: CodeClass, family: str, result: str
) -> None:
    assert unanswered(dial) == Assigned(status, code, code_class, family, GenericResult(result), code)


@pytest.mark.parametrize(
    ("facts", "status", "code", "result"),
    [
        ({}, CallStatus.USER_HANGUP, "HUP", "Completed"),
        ({"hangup_by": HangupBy.BOT}, CallStatus.BOT_HANGUP, "BHU", "Completed"),
        ({"talk_ms": 4_999}, CallStatus.SHORT_CALL, "SC", "NoResult"),
        ({"talk_ms": 5_000}, CallStatus.USER_HANGUP, "HUP", "Completed"),
        ({"talk_ms": 0}, CallStatus.SHORT_CALL, "SC", "NoResult"),
        ({"talk_ms": 4_999, "hangup_by": HangupBy.BOT}, CallStatus.BOT_HANGUP, "BHU", "Completed"),
        ({"talk_ms": 4_999, "short_call_ms": 3_000}, CallStatus.USER_HANGUP, "HUP", "Completed"),
        ({"customer_spoke": False}, CallStatus.SILENT, "SL", "NoResult"),
        ({"ended_by": EndedBy.MAX_DURATION, "hangup_by": HangupBy.BOT}, CallStatus.MAX_DURATION, "TO", "Completed"),
        ({"hangup_by": HangupBy.AGENT}, CallStatus.DIAL_HANGUP, "AHU", "Completed"),
        ({"transfer": JOINED}, CallStatus.TRANSFERRED, "TR", "Completed"),
        ({"transfer": JOINED, "hangup_by": HangupBy.BOT}, CallStatus.TRANSFERRED, "TR", "Completed"),
        ({"transfer": JOINED, "hangup_by": HangupBy.NETWORK}, CallStatus.TRANSFERRED, "TR", "Completed"),
        ({"transfer": JOINED, "hangup_by": HangupBy.AGENT}, CallStatus.DIAL_HANGUP, "AHU", "Completed"),
        ({"transfer": LEFT, "hangup_by": HangupBy.BOT}, CallStatus.DIAL_HANGUP, "AHU", "Completed"),
        ({"transfer": ABSENT}, CallStatus.AGENT_NOT_PICK_UP, "ANP", "ToContinue"),
        ({"transfer": ABSENT, "hangup_by": HangupBy.BOT}, CallStatus.AGENT_NOT_PICK_UP, "ANP", "ToContinue"),
        ({"transfer": replace(ABSENT, ended_by_agent=True)}, CallStatus.AGENT_NOT_PICK_UP, "ANP", "ToContinue"),
    ],
)
def test_an_answered_call_is_a_success(facts: dict[str, Any], status: CallStatus, code: str, result: str) -> None:
    assert answered(**facts) == Assigned(status, code, SUCCESS, code, GenericResult(result), code)


@pytest.mark.parametrize(
    ("facts", "status", "code", "code_class", "family", "result"),
    [
        ({"voicemail": True}, CallStatus.VOICEMAIL, "VM", UNSUCCESSFUL, "NA", "NoAnswer"),
        ({"ended_by": EndedBy.ERROR}, CallStatus.BOT_ERROR, "ER", ERROR, "CU", "TalkError"),
    ],
)
def test_an_answered_call_without_a_person_or_without_the_bot(
    facts: dict[str, Any], status: CallStatus, code: str, code_class: CodeClass, family: str, result: str
) -> None:
    assert answered(**facts) == Assigned(status, code, code_class, family, GenericResult(result), code)


# What is true of one call, from the strongest to the weakest (VOCABULARY: Call status).
PRECEDENCE: list[tuple[CallStatus, dict[str, Any]]] = [
    (CallStatus.BOT_ERROR, {"ended_by": EndedBy.ERROR}),
    (CallStatus.VOICEMAIL, {"voicemail": True}),
    (CallStatus.DIAL_HANGUP, {"transfer": LEFT, "hangup_by": HangupBy.BOT}),
    (CallStatus.TRANSFERRED, {"transfer": JOINED, "hangup_by": HangupBy.CUSTOMER}),
    (CallStatus.AGENT_NOT_PICK_UP, {"transfer": ABSENT}),
    (CallStatus.SHORT_CALL, {"talk_ms": 1_000}),
    (CallStatus.SILENT, {"customer_spoke": False}),
    (CallStatus.MAX_DURATION, {"ended_by": EndedBy.MAX_DURATION}),
]


@pytest.mark.parametrize("place", range(len(PRECEDENCE)))
def test_the_stronger_status_wins_over_all_weaker_ones(place: int) -> None:
    expected = PRECEDENCE[place][0]
    facts: dict[str, Any] = {}
    for _, weaker in reversed(PRECEDENCE[place:]):
        facts |= weaker
    assert answered(**facts).call_status is expected


@pytest.mark.parametrize(
    ("network", "conversation", "status"),
    [
        (HangupBy.CUSTOMER, EndedBy.BOT, CallStatus.USER_HANGUP),
        (HangupBy.BOT, EndedBy.CUSTOMER, CallStatus.BOT_HANGUP),
        (HangupBy.NETWORK, EndedBy.CUSTOMER, CallStatus.USER_HANGUP),
        (HangupBy.NETWORK, EndedBy.BOT, CallStatus.BOT_HANGUP),
        (None, EndedBy.CUSTOMER, CallStatus.USER_HANGUP),
        (None, EndedBy.BOT, CallStatus.BOT_HANGUP),
    ],
)
def test_the_network_knows_better_who_hung_up(
    network: HangupBy | None, conversation: EndedBy, status: CallStatus
) -> None:
    assert answered(network, ended_by=conversation).call_status is status


def test_a_conversation_that_was_lost_is_the_bots_error() -> None:
    lost = assign(None, CallEnd(HangupBy.BOT, NOW), None, talk_ms=60_000)
    assert (lost.call_status, lost.code) == (CallStatus.BOT_ERROR, "ER")


def test_a_call_of_which_nothing_is_known_could_not_be_placed() -> None:
    assert assign(None, None, None, talk_ms=None).code == "CU"


@pytest.mark.parametrize("hangup_by", [HangupBy.CUSTOMER, HangupBy.BOT])
def test_a_scripts_code_wins_over_a_plain_hang_up(hangup_by: HangupBy) -> None:
    found = answered(hangup_by, code="PTP")
    assert (found.code, found.family, found.code_class) == ("PTP", "PTP", SUCCESS)
    assert found.generic_result is GenericResult.COMPLETED
    assert found.default_code == STATUS_CODE[found.call_status]


@pytest.mark.parametrize(
    ("facts", "code"),
    [
        ({"talk_ms": 1_000}, "SC"),
        ({"customer_spoke": False}, "SL"),
        ({"voicemail": True}, "VM"),
        ({"ended_by": EndedBy.MAX_DURATION}, "TO"),
        ({"ended_by": EndedBy.ERROR}, "ER"),
        ({"transfer": JOINED}, "TR"),
        ({"transfer": LEFT}, "AHU"),
        ({"transfer": ABSENT}, "ANP"),
    ],
)
def test_a_scripts_code_wins_over_nothing_else(facts: dict[str, Any], code: str) -> None:
    assert answered(code="PTP", **facts).code == code


@pytest.mark.parametrize("facts", [facts for _, facts in PRECEDENCE] + [{}])
@pytest.mark.parametrize(("said", "code"), [({"opted_out": True}, "DNC"), ({"callback": True}, "CB")])
def test_opting_out_and_asking_for_a_call_back_win_whatever_the_status(
    facts: dict[str, Any], said: dict[str, bool], code: str
) -> None:
    found = answered(code="PTP", **facts, **said)
    assert (found.code, found.default_code, found.family, found.code_class) == (code, code, code, SUCCESS)
    assert found.call_status is answered(**facts).call_status


def test_an_opt_out_wins_over_a_call_back() -> None:
    assert answered(opted_out=True, callback=True).code == "DNC"


def test_every_call_status_has_a_default_code() -> None:
    assert set(STATUS_CODE) == set(CallStatus)
    assert set(STATUS_CODE.values()) | {"CB", "DNC"} == set(DEFAULTS)


def test_a_campaign_may_call_every_code_otherwise() -> None:
    table = CodeTable.from_json({code: f"x{code}" for code in DEFAULTS})
    found = unanswered(DialStatus.NOANSWER, table=table)
    assert (found.code, found.family, found.default_code) == ("xNA", "NA", "NA")
    opted_out = answered(table=table, opted_out=True)
    assert (opted_out.code, opted_out.family) == ("xDNC", "DNC")


def test_a_script_may_name_a_default_code_by_either_string() -> None:
    table = CodeTable.from_json({"NA": "KNM"})
    for code in ("NA", "KNM"):
        found = answered(table=table, code=code)
        assert (found.code, found.family, found.code_class) == ("KNM", "NA", UNSUCCESSFUL)


def test_exchanged_strings_mean_what_they_show() -> None:
    table = CodeTable.from_json({"NA": "BS", "BS": "NA"})
    assert unanswered(DialStatus.BUSY, table=table).code == "NA"
    assert answered(table=table, code="NA").family == "BS"


@pytest.mark.parametrize(
    ("declared", "family", "code_class"),
    [
        ({"class": "success"}, "PTP", SUCCESS),
        ({"class": "unsuccessful"}, "NA", UNSUCCESSFUL),
        ({"class": "error"}, "CU", ERROR),
        ({"family": "BS"}, "BS", UNSUCCESSFUL),
        ({"family": "PTP"}, "PTP", SUCCESS),
        ({"class": "unsuccessful", "family": "BS"}, "BS", UNSUCCESSFUL),
    ],
)
def test_a_declared_code_has_one_result_one_class_and_one_family(
    declared: dict[str, str], family: str, code_class: CodeClass
) -> None:
    table = CodeTable.from_json({"PTP": {"generic_result": "ToContinue", **declared}})
    found = answered(table=table, code="PTP")
    assert (found.code, found.family, found.code_class) == ("PTP", family, code_class)
    assert found.generic_result is GenericResult.TO_CONTINUE


@pytest.mark.parametrize(("hangup_by", "code"), [(HangupBy.CUSTOMER, "HUP"), (HangupBy.BOT, "BHU")])
def test_a_script_cannot_cancel_a_call_that_took_place(hangup_by: HangupBy, code: str) -> None:
    table = CodeTable.from_json({"XC": "CANCELLED"})
    for said in ("XC", "CANCELLED"):
        assert answered(hangup_by, table=table, code=said).code == code


def test_an_undeclared_code_is_cut_to_what_the_database_holds() -> None:
    assert answered(code="C" * 40).code == "C" * 32


@pytest.mark.parametrize(
    ("codes", "told"),
    [
        ({"ZZ": "KNM"}, "'ZZ' is no default code; those are HUP, BHU"),
        ({"NA": ""}, "'' is no code; use 1 to 32 characters"),
        ({"NA": " X"}, "without blanks around"),
        ({"NA": "X" * 33}, "is no code"),
        ({"NA": 5}, "codes.NA: expected a string"),
        ({"NA": "BS"}, "'BS' stands for two different results"),
        ({"NA": "X", "BS": "X"}, "'X' stands for two different results"),
        ({"NA": "X", "X": {"generic_result": "Busy", "class": "success"}}, "'X' stands for two"),
        ({"NA": {"generic_result": "Busy", "class": "success"}}, "a default code keeps its meaning"),
        ({"": {"generic_result": "Busy", "class": "success"}}, "is no code"),
        ({"X": {"class": "success"}}, "codes.X.generic_result: must be one of Completed, Busy"),
        ({"X": {"generic_result": "Great", "class": "success"}}, "codes.X.generic_result: must be one of"),
        ({"X": {"generic_result": "Busy"}}, "codes.X: class is missing; write success, unsuccessful or error"),
        ({"X": {"generic_result": "Busy", "class": "fine"}}, "codes.X.class: 'fine' must be"),
        ({"X": {"generic_result": "Busy", "family": "SC"}}, "codes.X.family: 'SC' must be BS, NA, CU or X itself"),
        ({"X": {"generic_result": "Busy", "class": "success", "family": "NA"}}, "family NA is unsuccessful, not"),
        ({"X": {"generic_result": "Busy", "class": "success", "size": 1}}, "unknown field 'size'"),
    ],
)
def test_a_table_that_contradicts_itself_is_refused(codes: dict[str, Any], told: str) -> None:
    with pytest.raises(CodeError) as caught:
        CodeTable.from_json(codes)
    assert told in str(caught.value)
