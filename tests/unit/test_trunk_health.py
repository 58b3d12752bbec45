"""The breaker of a trunk as pure logic: which calls speak against it, when it pauses, how it opens again."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from bot.outcome import ConversationResult, EndedBy
from campaigns.settling import Settlement
from campaigns.trunk_health import BACK_OFF, CALLS_KEPT, Breaker, FailingCall, Sign, TrunkHealth, read_sign
from telephony.call import CallEnd, NotAnswered
from telephony.outcomes import DialStatus, HangupBy, classify_sip

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


def _refused(code: int, *, rang: bool = False) -> Settlement:
    outcome = classify_sip(code, rang=rang)
    return Settlement(dial=NotAnswered(outcome.dial_status, NOW, rang=rang, sip_code=code, text=outcome.text))


def _dead(**fields: Any) -> Settlement:
    return Settlement(dial=NotAnswered(DialStatus.CHANUNAVAIL, NOW, text="The trunk did not answer"), **fields)


@pytest.mark.parametrize("code", [486, 600, 480, 487, 404, 485, 604, 484, 410, 603, 607, 608])
def test_what_the_network_says_of_a_callee_speaks_for_the_trunk(code: int) -> None:
    assert read_sign(_refused(code)) is Sign.WELL


@pytest.mark.parametrize("code", [401, 407, 402])
def test_refused_credentials_and_credit_are_told_apart(code: int) -> None:
    assert read_sign(_refused(code)) is Sign.REFUSED


@pytest.mark.parametrize("code", [403, 408, 420, 483, 488, 500, 501, 503, 504, 599, 606])
def test_what_fails_on_the_way_out_is_the_trunks_fault(code: int) -> None:
    assert read_sign(_refused(code)) is Sign.FAULT


@pytest.mark.parametrize("code", [403, 408, 480, 503])
def test_a_call_that_rang_got_through_whatever_came_after(code: int) -> None:
    assert read_sign(_refused(code, rang=True)) is Sign.WELL


@pytest.mark.parametrize(
    ("facts", "sign"),
    [
        (_refused(302), Sign.NOTHING),
        (_refused(502), Sign.NOTHING),
        (Settlement(dial=NotAnswered(DialStatus.OUT_OF_SERVICE, NOW, q850=27)), Sign.NOTHING),
        (Settlement(dial=NotAnswered(DialStatus.OUT_OF_SERVICE, NOW, q850=22)), Sign.WELL),
        (_dead(), Sign.FAULT),
        (_dead(by_node=True), Sign.NOTHING),
        (Settlement(dial=NotAnswered(DialStatus.CANCEL, NOW)), Sign.NOTHING),
        (Settlement(dial=NotAnswered(DialStatus.ERROR, NOW, text="node died")), Sign.NOTHING),
        (Settlement(dial=NotAnswered(DialStatus.ERROR, NOW, text="bot not ready: no voice")), Sign.NOTHING),
        (Settlement(dial=NotAnswered(DialStatus.ERROR, NOW, q850=111)), Sign.FAULT),
        (Settlement(dial=NotAnswered(DialStatus.ERROR, NOW, text="dialer: no route"), dialer_failed=True), Sign.FAULT),
        (Settlement(dial=NotAnswered(DialStatus.ERROR, NOW, rang=True, reason=4, no_audio=True)), Sign.DEAF),
        (Settlement(end=CallEnd(HangupBy.NETWORK, NOW)), Sign.WELL),
        (Settlement(answered_at=NOW, result=ConversationResult(EndedBy.BOT)), Sign.WELL),
    ],
)
def test_our_own_doing_and_a_callees_says_nothing_against_it(facts: Settlement, sign: Sign) -> None:
    assert read_sign(facts) is sign


def _call(place: int = 1, at: datetime = NOW, **fields: Any) -> FailingCall:
    return FailingCall(f"a{place}", at, "CONGESTION", **{"sip_code": 503, "text": "503 Service Unavailable"} | fields)


def _failing(times: int, breaker: Breaker | None = None, sign: Sign = Sign.FAULT) -> Breaker:
    breaker = breaker or Breaker()
    for place in range(times):
        breaker = breaker.failed(sign, _call(place), NOW)
    return breaker


def test_so_many_failures_in_a_row_pause_it_and_the_last_calls_are_attached() -> None:
    assert _failing(1).health is TrunkHealth.SUSPECT
    assert _failing(4).room(7) == 7
    paused = _failing(5)
    assert (paused.health, paused.paused_at, paused.probe_at) == (TrunkHealth.PAUSED, NOW, NOW + BACK_OFF[0])
    assert paused.pause_reason == "5 calls in a row failed, the last with: 503 Service Unavailable"
    assert [call.attempt_id for call in paused.failing_calls] == ["a0", "a1", "a2", "a3", "a4"]
    assert (paused.room(7), paused.admits("a9")) == (0, False)


def test_one_call_without_audio_is_enough() -> None:
    paused = Breaker().failed(Sign.DEAF, _call(sip_code=None, text="open that address"), NOW)
    assert paused.health is TrunkHealth.PAUSED
    assert paused.pause_reason == "a call was picked up and brought no audio: open that address"


def test_a_trunk_may_be_allowed_more_or_fewer() -> None:
    assert _failing(1, Breaker(failures_allowed=1)).health is TrunkHealth.PAUSED
    assert _failing(1, Breaker(failures_allowed=1)).pause_reason == (
        "1 call failed, the last with: 503 Service Unavailable"
    )
    assert _failing(6, Breaker(failures_allowed=7)).health is TrunkHealth.SUSPECT


def test_a_trunk_may_be_probed_by_its_own_schedule_and_keeps_it() -> None:
    own = Breaker(failures_allowed=1, probe_after_s=(7, 70))
    paused = _failing(1, own)
    assert paused.probe_at == NOW + timedelta(seconds=7)
    in_vain = paused.probed(ok=False, now=NOW)
    assert (in_vain.health, in_vain.probe_at) == (TrunkHealth.PAUSED, NOW + timedelta(seconds=70))
    trying = in_vain.probed(ok=False, now=NOW)
    assert trying.health is TrunkHealth.TRYING, "after as many probes as there are waits, a call"
    again = trying.tries("t").failed(Sign.FAULT, replace(_call(), attempt_id="t"), NOW)
    assert again.probe_at == NOW + timedelta(seconds=70)
    assert again.resumed().probe_after_s == (7, 70)
    assert Breaker.from_row(again.as_row()) == again


def test_a_call_that_gets_through_begins_the_count_again() -> None:
    well = _failing(4).well("a9", NOW)
    assert (well.health, well.failures) == (TrunkHealth.HEALTHY, 0)
    assert _failing(4, well).health is TrunkHealth.SUSPECT
    assert [call.attempt_id for call in _failing(1, well).failing_calls] == ["a0"], "a new row begins"


def test_a_call_that_rang_before_the_last_failure_says_nothing_of_now() -> None:
    suspect = _failing(4)
    assert suspect.well("a9", NOW - MINUTE) == suspect


def test_one_refusal_pauses_it_at_once() -> None:
    paused = Breaker().failed(Sign.REFUSED, _call(sip_code=401, text="401 Unauthorized"), NOW)
    assert (paused.health, paused.pause_reason) == (TrunkHealth.PAUSED, "the trunk refused us: 401 Unauthorized")


def test_calls_that_still_end_while_it_is_paused_change_nothing_but_the_list() -> None:
    paused = _failing(5)
    assert paused.well("a1", NOW + MINUTE) == paused
    later = _failing(20, paused)
    assert (later.health, later.probe_at, later.pause_reason) == (paused.health, paused.probe_at, paused.pause_reason)
    assert len(later.failing_calls) == CALLS_KEPT


def test_probes_in_vain_come_less_and_less_often_until_a_call_must_tell() -> None:
    breaker, now, waits = _failing(5), NOW, []
    while breaker.probe_at is not None:
        waits.append((breaker.probe_at - now).total_seconds())
        now = breaker.probe_at
        breaker = breaker.probed(ok=False, now=now)
    assert waits == [30, 60, 120, 300, 600]
    assert (breaker.health, breaker.room(9)) == (TrunkHealth.TRYING, 1)
    again = breaker.tries("t").failed(Sign.FAULT, FailingCall("t", now, "CHANUNAVAIL"), now)
    assert again.probe_at == now + timedelta(minutes=10)
    assert again.probed(ok=False, now=now).health is TrunkHealth.TRYING


def _trying() -> Breaker:
    return _failing(5).probed(ok=True, now=NOW + MINUTE)


def test_a_probe_that_is_answered_lets_one_call_through() -> None:
    trying = _trying()
    assert (trying.health, trying.room(9), trying.room(0), trying.probe_at) == (TrunkHealth.TRYING, 1, 0, None)
    on_trial = trying.tries("t")
    assert (on_trial.room(9), on_trial.admits("t"), on_trial.admits("other")) == (0, True, False)
    assert on_trial.paused_at == NOW, "the outage is not over"


def test_the_trial_call_that_gets_through_heals_it() -> None:
    healed = _trying().tries("t").well("t", NOW + MINUTE)
    assert (healed.health, healed.failures, healed.paused_at, healed.trials) == (TrunkHealth.HEALTHY, 0, None, 0)
    assert healed.pause_reason is healed.trial_attempt_id is None


@pytest.mark.parametrize("sign", [Sign.FAULT, Sign.REFUSED])
def test_the_trial_call_that_fails_pauses_it_for_longer(sign: Sign) -> None:
    again = _trying().tries("a9").failed(sign, _call(9), NOW + MINUTE)
    assert (again.health, again.paused_at, again.trials) == (TrunkHealth.PAUSED, NOW, 1)
    assert again.probe_at == NOW + MINUTE + BACK_OFF[1]


def test_only_the_trial_call_decides() -> None:
    on_trial = _trying().tries("t")
    assert on_trial.well("old", NOW + MINUTE) == on_trial
    assert on_trial.failed(Sign.FAULT, _call(3), NOW).health is TrunkHealth.TRYING
    assert on_trial.ended("old") == on_trial


def test_a_trial_call_that_came_to_nothing_makes_room_for_another() -> None:
    assert _trying().tries("t").ended("t").room(3) == 1


def test_a_person_pauses_it_until_a_person_resumes_it() -> None:
    paused = Breaker().paused("maintenance", NOW)
    assert (paused.health, paused.probe_at, paused.pause_reason) == (TrunkHealth.PAUSED, None, "maintenance")
    assert paused.probed(ok=True, now=NOW) == paused
    assert paused.resumed().health is TrunkHealth.HEALTHY
    assert _trying().tries("t").paused("x", NOW + MINUTE).paused_at == NOW


def test_a_probe_that_comes_back_late_changes_nothing() -> None:
    for breaker in (Breaker(), _trying(), _trying().tries("t")):
        assert breaker.probed(ok=False, now=NOW) == breaker


def test_it_survives_its_row() -> None:
    for breaker in (Breaker(), _failing(3), _failing(5), _trying().tries("t")):
        assert Breaker.from_row(breaker.as_row() | {"name": "line", "cps": 1.0}) == replace(breaker)


@pytest.mark.parametrize(
    ("fields", "shown"),
    [
        ({}, "503 Service Unavailable"),
        ({"text": "Service Unavailable"}, "503 Service Unavailable"),
        ({"sip_code": None, "text": "The trunk did not answer"}, "The trunk did not answer"),
        ({"sip_code": None, "text": None}, "CONGESTION"),
    ],
)
def test_a_failing_call_is_shown_by_what_is_known_of_it(fields: dict[str, Any], shown: str) -> None:
    assert _call(**fields).shown == shown
