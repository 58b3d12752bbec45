"""Every row of both outcome tables: what a SIP status or a Q.850 cause means."""

from __future__ import annotations

import pytest

from telephony.outcomes import (
    CallStatus,
    DialStatus,
    RetryAdvice,
    classify_asterisk,
    classify_cause,
    classify_sip,
    unanswered_status,
)

D, C, R = DialStatus, CallStatus, RetryAdvice


@pytest.mark.parametrize(
    ("code", "q850", "dial_status", "call_status", "retry"),
    [
        (486, 17, D.BUSY, C.BUSY, R.YES),
        (600, 17, D.BUSY, C.BUSY, R.YES),
        (480, 19, D.NOANSWER, C.NOANSWER, R.YES),
        (603, 21, D.REJECTED, C.REJECTED, R.NO),
        (607, 127, D.REJECTED, C.REJECTED, R.NO),
        (608, 127, D.REJECTED, C.REJECTED, R.NO),
        (401, 21, D.CHANUNAVAIL, C.CHANUNAVAIL, R.AFTER_REPAIR),
        (407, 21, D.CHANUNAVAIL, C.CHANUNAVAIL, R.AFTER_REPAIR),
        (402, 127, D.CHANUNAVAIL, C.CHANUNAVAIL, R.AFTER_REPAIR),
        (404, 1, D.INVALID, C.INVALID_NUMBER, R.NO),
        (485, 1, D.INVALID, C.INVALID_NUMBER, R.NO),
        (604, 1, D.INVALID, C.INVALID_NUMBER, R.NO),
        (410, 22, D.OUT_OF_SERVICE, C.OUT_OF_SERVICE, R.NO),
        (484, 28, D.INVALID, C.INVALID_NUMBER, R.NO),
        (420, 3, D.CHANUNAVAIL, C.CHANUNAVAIL, R.NO),
        (488, 58, D.CHANUNAVAIL, C.CHANUNAVAIL, R.NO),
        (606, 58, D.CHANUNAVAIL, C.CHANUNAVAIL, R.NO),
        (502, 27, D.OUT_OF_SERVICE, C.OUT_OF_SERVICE, R.YES),
        (503, 34, D.CONGESTION, C.CONGESTION, R.BACK_OFF),
        (505, 34, D.CONGESTION, C.CONGESTION, R.BACK_OFF),
        (580, 34, D.CONGESTION, C.CONGESTION, R.BACK_OFF),
        (500, 38, D.CHANUNAVAIL, C.CHANUNAVAIL, R.YES),
        (504, 102, D.CHANUNAVAIL, C.CHANUNAVAIL, R.YES),
        (501, 29, D.CHANUNAVAIL, C.CHANUNAVAIL, R.NO),
        (483, 19, D.CHANUNAVAIL, C.CHANUNAVAIL, R.ONCE),
        (400, 127, D.CHANUNAVAIL, C.CHANUNAVAIL, R.ONCE),
        (482, 127, D.CHANUNAVAIL, C.CHANUNAVAIL, R.ONCE),
        (699, 127, D.CHANUNAVAIL, C.CHANUNAVAIL, R.ONCE),
        (302, 127, D.CHANUNAVAIL, C.CHANUNAVAIL, R.ONCE),
    ],
)
@pytest.mark.parametrize("rang", [False, True])
def test_a_sip_status_that_means_the_same_whether_it_rang_or_not(
    code: int, q850: int, dial_status: DialStatus, call_status: CallStatus, retry: RetryAdvice, rang: bool
) -> None:
    outcome = classify_sip(code, rang=rang)
    assert (outcome.dial_status, outcome.call_status, outcome.retry) == (dial_status, call_status, retry)
    assert (outcome.sip_code, outcome.q850) == (code, q850)
    assert outcome.text


@pytest.mark.parametrize(
    ("code", "rang", "q850", "dial_status", "retry"),
    [
        (408, True, 18, D.NOANSWER, R.YES),
        (408, False, 18, D.CHANUNAVAIL, R.YES),
        (403, True, 21, D.REJECTED, R.NO),
        (403, False, 21, D.CHANUNAVAIL, R.YES),
        (487, True, 127, D.NOANSWER, R.YES),
        (487, False, 127, D.NOANSWER, R.YES),
        (None, True, 18, D.NOANSWER, R.YES),
        (None, False, 18, D.CHANUNAVAIL, R.YES),
    ],
)
def test_a_sip_status_that_depends_on_ringing(
    code: int | None, rang: bool, q850: int, dial_status: DialStatus, retry: RetryAdvice
) -> None:
    outcome = classify_sip(code, rang=rang)
    assert (outcome.dial_status, outcome.retry, outcome.q850) == (dial_status, retry, q850)


@pytest.mark.parametrize("code", [None, 487])
@pytest.mark.parametrize(("rang", "dial_status"), [(True, D.NOANSWER), (False, D.CHANUNAVAIL)])
def test_our_timeout_is_no_answer_only_if_it_rang(code: int | None, rang: bool, dial_status: DialStatus) -> None:
    outcome = classify_sip(code, rang=rang, timed_out=True)
    assert (outcome.dial_status, outcome.retry, outcome.q850) == (dial_status, R.YES, 19)


@pytest.mark.parametrize("code", [None, 487])
def test_our_cancel_is_cancel_and_left_to_a_person(code: int | None) -> None:
    outcome = classify_sip(code, rang=True, we_cancelled=True, timed_out=True)
    assert (outcome.dial_status, outcome.call_status, outcome.retry) == (D.CANCEL, C.CANCELLED, R.BY_A_PERSON)


@pytest.mark.parametrize("told", [{"we_cancelled": True}, {"timed_out": True}])
def test_an_answer_that_crosses_our_cancel_counts_for_itself(told: dict[str, bool]) -> None:
    assert classify_sip(486, rang=True, **told).dial_status is D.BUSY


@pytest.mark.parametrize("code", [100, 180, 200, 299, 700, 0])
def test_a_status_that_is_no_failure_is_refused(code: int) -> None:
    with pytest.raises(ValueError, match=str(code)):
        classify_sip(code, rang=False)


@pytest.mark.parametrize(
    ("causes", "dial_status", "retry"),
    [
        ((1, 5, 28), D.INVALID, R.NO),
        ((14,), D.OUT_OF_SERVICE, R.ONCE),
        ((20,), D.OUT_OF_SERVICE, R.LATE),
        ((22,), D.OUT_OF_SERVICE, R.NO),
        ((27,), D.OUT_OF_SERVICE, R.YES),
        ((17,), D.BUSY, R.YES),
        ((18, 19, 26, 31), D.NOANSWER, R.YES),
        ((21,), D.REJECTED, R.NO),
        ((34, 42), D.CONGESTION, R.BACK_OFF),
        ((16,), D.NOANSWER, R.YES),
        ((2, 3, 6, 8, 23, 38, 41, 43, 44, 102, 127, 0), D.CHANUNAVAIL, R.YES),
        ((29, 50, 52, 54, 57, 58, 65, 66, 69, 88), D.CHANUNAVAIL, R.NO),
        ((81, 95, 96, 97, 98, 99, 100, 101, 111), D.ERROR, R.ONCE),
        ((4, 47, 126), D.CHANUNAVAIL, R.ONCE),
    ],
)
def test_a_cause_after_ringing(causes: tuple[int, ...], dial_status: DialStatus, retry: RetryAdvice) -> None:
    for cause in causes:
        outcome = classify_cause(cause, rang=True)
        assert (outcome.dial_status, outcome.retry, outcome.q850) == (dial_status, retry, cause), cause


@pytest.mark.parametrize("cause", [18, 19, 26, 31])
def test_no_answer_that_never_rang_is_a_dead_trunk(cause: int) -> None:
    assert classify_cause(cause, rang=False).dial_status is D.CHANUNAVAIL


def test_normal_clearing_of_an_unanswered_call_is_ours_or_theirs() -> None:
    assert classify_cause(16, rang=True, we_cancelled=True).dial_status is D.CANCEL
    assert classify_cause(16, rang=False).dial_status is D.NOANSWER


@pytest.mark.parametrize("cause", range(128))
def test_an_answered_call_is_answered_whatever_the_cause(cause: int) -> None:
    assert classify_cause(cause, rang=True, answered=True).dial_status is D.ANSWER


@pytest.mark.parametrize("cause", [-1, 128])
def test_a_cause_that_does_not_exist_is_refused(cause: int) -> None:
    with pytest.raises(ValueError, match=r"Q\.850"):
        classify_cause(cause, rang=True)


@pytest.mark.parametrize("status", [s for s in DialStatus if s is not DialStatus.ANSWER])
def test_every_unanswered_dial_status_has_a_call_status(status: DialStatus) -> None:
    names = {D.INVALID: C.INVALID_NUMBER, D.CANCEL: C.CANCELLED, D.ERROR: C.CHANUNAVAIL}
    assert unanswered_status(status) is names.get(status, CallStatus.__members__.get(status.value))


def test_an_answered_call_gets_its_status_elsewhere() -> None:
    with pytest.raises(ValueError, match="conversation"):
        unanswered_status(DialStatus.ANSWER)


def test_only_credentials_and_credit_pause_the_trunk() -> None:
    assert [code for code in range(300, 700) if classify_sip(code, rang=False).pause_trunk] == [401, 402, 407]


@pytest.mark.parametrize(
    ("told", "dial_status", "sip_code", "q850"),
    [
        ({"sip_code": 486, "cause": 17}, D.BUSY, 486, 17),
        ({"sip_code": 505, "cause": 127}, D.CONGESTION, 505, 127),
        ({"sip_code": 403, "cause": 21, "rang": True}, D.REJECTED, 403, 21),
        ({"sip_code": 403, "cause": 21}, D.CHANUNAVAIL, 403, 21),
        ({"cause": 17}, D.BUSY, None, 17),
        ({"cause": 21}, D.REJECTED, None, 21),
        ({"cause": 19, "rang": True}, D.NOANSWER, None, 19),
        ({"cause": 0}, D.CHANUNAVAIL, None, 0),
        ({}, D.CHANUNAVAIL, None, 0),
        ({"reason": 3, "cause": 19, "rang": True}, D.NOANSWER, None, 19),
        ({"reason": 3, "cause": 19}, D.CHANUNAVAIL, None, 19),
        ({"timed_out": True, "rang": True}, D.NOANSWER, None, 19),
        ({"we_cancelled": True, "cause": 16, "rang": True}, D.CANCEL, None, 16),
        ({"we_cancelled": True, "sip_code": 486, "cause": 17}, D.BUSY, 486, 17),
        ({"channel_seen": False}, D.CHANUNAVAIL, None, None),
        ({"channel_seen": False, "we_cancelled": True}, D.CANCEL, None, 127),
    ],
)
def test_what_asterisk_tells(
    told: dict[str, object], dial_status: DialStatus, sip_code: int | None, q850: int | None
) -> None:
    facts = {"channel_seen": True, "rang": False, "reason": 0, **told}
    outcome = classify_asterisk(**facts)  # type: ignore[arg-type]
    assert (outcome.dial_status, outcome.sip_code, outcome.q850) == (dial_status, sip_code, q850)
    assert outcome.text
