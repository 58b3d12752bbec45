"""One INVITE's life as the stack's events tell it, on a clock that the test moves."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from baresip.events import Event, StackEvent

from storage.clock import ManualClock
from telephony.call import CallPhase
from telephony.outcomes import HangupBy
from telephony.sip.leg import Leg, LegState
from telephony.sip.trace import Response

START = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
BYE = "Connection reset by peer [104]"


class Heard:
    """A leg, its clock, and the phases it told."""

    def __init__(self) -> None:
        self.clock = ManualClock(START)
        self.phases: list[tuple[CallPhase, datetime]] = []
        self.leg = Leg("attempt-1", self.clock, lambda phase, at: self.phases.append((phase, at)))
        self.leg.originating()

    def tell(self, event: Event, text: str | None = None, after_s: float = 1.0) -> None:
        self.clock.advance(seconds=after_s)
        self.leg.event(StackEvent(event=event, handle=2, call=2, text=text, call_id="c-1"))


def test_an_answered_call_goes_through_its_phases_in_order() -> None:
    heard = Heard()
    for event in (Event.CALL_OUTGOING, Event.CALL_RINGING, Event.CALL_ESTABLISHED):
        heard.tell(event)
    assert heard.phases == [
        (CallPhase.ORIGINATING, START),
        (CallPhase.RINGING, START + timedelta(seconds=2)),
        (CallPhase.ANSWERED, START + timedelta(seconds=3)),
    ]
    assert heard.leg.answered_at == START + timedelta(seconds=3)
    assert heard.leg.sip_call_id == "c-1"
    assert heard.leg.settled.is_set()
    assert not heard.leg.closed.is_set()


def test_progress_then_ringing_is_told_once() -> None:
    heard = Heard()
    for event in (Event.CALL_PROGRESS, Event.CALL_RINGING, Event.CALL_PROGRESS):
        heard.tell(event)
    assert [phase for phase, _ in heard.phases] == [CallPhase.ORIGINATING, CallPhase.RINGING]
    assert heard.leg.rang


def test_a_trying_is_heard_but_does_not_ring() -> None:
    heard = Heard()
    heard.leg.response(Response(100, "INVITE", "c-1"))
    assert heard.leg.heard.is_set()
    assert not heard.leg.rang
    assert heard.leg.state is LegState.CALLING


def test_a_response_to_another_method_is_not_the_trunk_answering() -> None:
    heard = Heard()
    heard.leg.response(Response(200, "REGISTER", "c-1"))
    assert not heard.leg.heard.is_set()


@pytest.mark.parametrize(
    ("text", "code", "q850"),
    [
        ("486 Busy Here", 486, None),
        ('486 Busy Here,Q.850;cause=17;text="User busy"', 486, 17),
        ("404 Not Found,SIP;cause=404, q.850 ; cause = 1", 404, 1),
        ("Connection timed out [110]", None, None),
        ("", None, None),
    ],
)
def test_the_reason_of_a_refusal_is_read(text: str, code: int | None, q850: int | None) -> None:
    heard = Heard()
    heard.tell(Event.CALL_CLOSED, text)
    assert (heard.leg.sip_code, heard.leg.q850) == (code, q850)
    assert heard.leg.settled.is_set()
    assert heard.leg.ended_at == START + timedelta(seconds=1)


@pytest.mark.parametrize(
    ("ours", "text", "who"),
    [
        (False, BYE, HangupBy.CUSTOMER),
        (True, "Rejected by user", HangupBy.BOT),
        (False, "rtp stream error", HangupBy.NETWORK),
        (False, "Connection timed out [110]", HangupBy.NETWORK),
        (False, None, HangupBy.NETWORK),
    ],
)
def test_who_hung_up(ours: bool, text: str | None, who: HangupBy) -> None:
    heard = Heard()
    heard.tell(Event.CALL_ESTABLISHED)
    heard.leg.hanging_up = ours
    heard.tell(Event.CALL_CLOSED, text, after_s=9.5)
    end = heard.leg.end()
    assert end.hangup_by is who
    assert end.ended_at == START + timedelta(seconds=10.5)


def test_nothing_moves_a_leg_back() -> None:
    heard = Heard()
    heard.tell(Event.CALL_CLOSED, "486 Busy Here")
    for event in (Event.CALL_RINGING, Event.CALL_ESTABLISHED, Event.CALL_CLOSED):
        heard.tell(event, "603 Decline")
    assert heard.leg.state is LegState.CLOSED
    assert heard.leg.answered_at is None
    assert heard.leg.sip_code == 486
    assert heard.leg.ended_at == START + timedelta(seconds=1)


def test_the_end_is_told_to_those_who_asked_before_and_after() -> None:
    heard, told = Heard(), list[str]()
    heard.leg.when_closed(lambda: told.append("before"))
    heard.tell(Event.CALL_CLOSED, BYE)
    heard.leg.when_closed(lambda: told.append("after"))
    assert told == ["before", "after"]


def test_a_listener_that_fails_does_not_lose_the_end() -> None:
    def broken(_phase: CallPhase, _at: datetime) -> None:
        raise RuntimeError("listener")

    leg = Leg("attempt-1", ManualClock(START), broken)
    leg.originating()
    leg.event(StackEvent(event=Event.CALL_ESTABLISHED, call=2))
    leg.event(StackEvent(event=Event.CALL_CLOSED, call=2, text=BYE))
    assert leg.end().hangup_by is HangupBy.CUSTOMER


def test_a_leg_that_the_stack_forgot_is_given_up() -> None:
    heard = Heard()
    heard.tell(Event.CALL_ESTABLISHED)
    heard.leg.give_up("no word from the stack")
    assert heard.leg.closed.is_set()
    assert heard.leg.end().text == "no word from the stack"


def test_a_call_that_was_handed_over_ends_by_the_network_and_our_bye_is_still_waited_for() -> None:
    heard = Heard()
    heard.tell(Event.CALL_ESTABLISHED)
    heard.tell(Event.CALL_CLOSED, "Call transfered")
    end = heard.leg.end()
    assert heard.leg.handed_over
    assert end.hangup_by is HangupBy.NETWORK
    assert "handed over" in (end.text or "")
    assert not heard.leg.parted.is_set()
    heard.leg.response(Response(200, "NOTIFY", "c-1"))
    assert not heard.leg.parted.is_set()
    heard.leg.response(Response(200, "BYE", "c-1"))
    assert heard.leg.parted.is_set()


def test_keys_are_told_when_pressed_though_the_next_comes_before_their_end() -> None:
    heard, keys = Heard(), []
    heard.leg.when_key(keys.append)
    heard.tell(Event.CALL_ESTABLISHED)
    for event, text in (
        (Event.CALL_DTMF_START, "5"),
        (Event.CALL_DTMF_START, "5"),
        (Event.CALL_DTMF_END, None),
        (Event.CALL_DTMF_START, "#"),
    ):
        heard.tell(event, text)
    assert keys == ["5", "5", "#"]
