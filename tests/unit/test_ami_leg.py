"""One call's manager events in every order that Asterisk sends them."""

from __future__ import annotations

import asyncio
import itertools
from datetime import UTC, datetime

import pytest

from storage.clock import ManualClock
from telephony.ami import leg as leg_module
from telephony.ami.leg import Leg, LegState
from telephony.ami.protocol import Event
from telephony.call import CallPhase
from telephony.outcomes import DialStatus, HangupBy
from tests.support_dialer_asterisk import Phases

D = DialStatus


@pytest.fixture
def phases() -> Phases:
    return Phases()


@pytest.fixture
def leg(phases: Phases) -> Leg:
    return Leg("a1", ManualClock(datetime(2026, 1, 5, 9, tzinfo=UTC)), phases)


@pytest.fixture
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Events that do not come are not waited for."""
    monkeypatch.setattr(leg_module, "OTHER_HALF_S", 0.01)
    monkeypatch.setattr(leg_module, "NO_CHANNEL_S", 0.01)


def event(name: str, **fields: str) -> Event:
    return Event((("Event", name), *((key.replace("_", "-"), value) for key, value in fields.items())))


NEW = event("Newchannel", Channel="PJSIP/trunk-1", ChannelState="0")
RINGING = event("Newstate", ChannelState="5")
UP = event("Newstate", ChannelState="6")
BUSY = event("Hangup", Cause="17", TechCause="486")
BYE = event("HangupRequest", Channel="PJSIP/trunk-1")
CLEARED = event("Hangup", Cause="16")
REFUSED = event("OriginateResponse", Response="Failure", Reason="0")
RANG_OUT = event("OriginateResponse", Response="Failure", Reason="3")
ANSWERED = event("OriginateResponse", Response="Success", Reason="4")


def tell(leg: Leg, *events: Event, own: bool = True) -> None:
    for each in events:
        leg.event(each, own=own)


@pytest.mark.parametrize("order", list(itertools.permutations([BUSY, REFUSED, event("DialEnd", DialStatus="BUSY")])))
async def test_a_refusal_in_any_order(leg: Leg, order: tuple[Event, ...]) -> None:
    tell(leg, NEW, *order[:-1])
    closed_early = leg.closed.is_set()
    tell(leg, order[-1])
    assert leg.closed.is_set()
    assert closed_early is ("DialEnd" in order[-1].name)
    result = leg.not_answered()
    assert (result.dial_status, result.sip_code, result.q850, result.reason) == (D.BUSY, 486, 17, 0)


@pytest.mark.usefixtures("_soon")
async def test_a_failure_that_overtakes_its_channel_is_waited_for(leg: Leg) -> None:
    tell(leg, REFUSED)
    assert not leg.closed.is_set()
    tell(leg, NEW, BUSY)
    assert leg.closed.is_set()
    assert leg.not_answered().dial_status is D.BUSY


@pytest.mark.usefixtures("_soon")
async def test_a_failure_without_channel_is_the_trunk(leg: Leg) -> None:
    tell(leg, REFUSED)
    async with asyncio.timeout(10):
        await leg.closed.wait()
    assert leg.not_answered().dial_status is D.CHANUNAVAIL


@pytest.mark.usefixtures("_soon")
@pytest.mark.parametrize(
    ("half", "dial_status", "reason"),
    [((NEW, RINGING, BUSY), D.BUSY, None), ((NEW, RINGING, RANG_OUT), D.NOANSWER, 3)],
)
async def test_the_other_half_of_an_end_is_not_waited_for_for_ever(
    leg: Leg, half: tuple[Event, ...], dial_status: DialStatus, reason: int | None
) -> None:
    tell(leg, *half)
    async with asyncio.timeout(10):
        await leg.closed.wait()
    assert (leg.not_answered().dial_status, leg.not_answered().reason) == (dial_status, reason)


async def test_what_asterisk_makes_of_its_own_cancel_is_no_answer(leg: Leg) -> None:
    tell(leg, NEW, RINGING, event("Hangup", Cause="19", TechCause="480"), RANG_OUT)
    result = leg.not_answered()
    assert (result.dial_status, result.sip_code, result.q850, result.rang) == (D.NOANSWER, None, 19, True)


async def test_an_answer_that_crosses_our_cancel_counts_for_itself(leg: Leg) -> None:
    leg.cancelled = leg.hanging_up = True
    tell(leg, NEW, RINGING, event("HangupRequest", Cause="17", TechCause="486"), event("Hangup", Cause="17"))
    assert leg.not_answered().dial_status is D.BUSY


async def test_a_cancelled_call(leg: Leg) -> None:
    leg.cancelled = leg.hanging_up = True
    tell(leg, NEW, RINGING, event("Hangup", Cause="16", TechCause="487"))
    assert leg.closed.is_set()
    assert leg.not_answered().dial_status is D.CANCEL


@pytest.mark.parametrize("signs", [(UP,), (ANSWERED,), (UP, ANSWERED), (ANSWERED, UP)])
async def test_either_sign_of_an_answer_counts_once(leg: Leg, phases: Phases, signs: tuple[Event, ...]) -> None:
    tell(leg, NEW, RINGING, *signs)
    assert leg.decided.is_set()
    assert leg.answered_at is not None
    assert phases == [CallPhase.RINGING], "the answer is told with the audio"


@pytest.mark.parametrize(
    "sign", [RINGING, *(event("DialState", DialStatus=s) for s in ("RINGING", "PROGRESS", "PROCEEDING"))]
)
async def test_every_sign_of_life_is_ringing(leg: Leg, phases: Phases, sign: Event) -> None:
    tell(leg, NEW, sign, sign)
    assert leg.rang
    assert phases == [CallPhase.RINGING]


async def test_a_bye_is_the_customer(leg: Leg) -> None:
    tell(leg, NEW, UP, BYE, CLEARED)
    assert (leg.end().hangup_by, leg.end().q850) == (HangupBy.CUSTOMER, 16)


async def test_our_hangup_is_the_bot_whatever_follows_it(leg: Leg) -> None:
    tell(leg, NEW, UP)
    leg.hanging_up = True
    tell(leg, BYE, CLEARED)
    assert leg.end().hangup_by is HangupBy.BOT


async def test_an_end_without_a_bye_is_the_network(leg: Leg) -> None:
    tell(leg, NEW, UP, CLEARED)
    assert leg.end().hangup_by is HangupBy.NETWORK


async def test_our_own_half_of_a_wideband_call_is_no_customer(leg: Leg) -> None:
    tell(leg, NEW, UP)
    tell(leg, event("HangupRequest", Channel="AudioSocket/127.0.0.1:4573-1"), own=False)
    tell(leg, CLEARED)
    assert leg.end().hangup_by is HangupBy.NETWORK


async def test_a_channel_behind_a_local_one_tells_ringing_and_cause_but_not_the_end(leg: Leg) -> None:
    tell(leg, NEW)
    tell(leg, RINGING, event("HangupRequest", Cause="21", TechCause="603"), event("Hangup", Cause="21"), own=False)
    assert not leg.closed.is_set()
    tell(leg, REFUSED, event("Hangup", Cause="0"))
    result = leg.not_answered()
    assert (result.dial_status, result.sip_code, result.q850) == (D.REJECTED, 603, 21)


async def test_a_channel_behind_a_local_one_that_is_up_is_no_answer_yet(leg: Leg) -> None:
    tell(leg, NEW)
    tell(leg, UP, own=False)
    assert leg.answered_at is None


async def test_a_call_that_vanished_is_an_error_unless_its_cause_is_known(leg: Leg) -> None:
    tell(leg, NEW, RINGING)
    leg.gone("nobody knows")
    assert (leg.not_answered().dial_status, leg.not_answered().text) == (D.ERROR, "nobody knows")


async def test_a_call_that_vanished_after_its_cause_keeps_it(leg: Leg) -> None:
    tell(leg, NEW, RINGING, BUSY)
    leg.gone("nobody knows")
    assert leg.not_answered().dial_status is D.BUSY


async def test_nothing_moves_a_closed_call(leg: Leg, phases: Phases) -> None:
    tell(leg, NEW, REFUSED, BUSY)
    ended_at = leg.ended_at
    tell(leg, RINGING, UP, ANSWERED)
    assert (leg.state, leg.answered_at, leg.ended_at) == (LegState.CLOSED, None, ended_at)
    assert phases == []


async def test_garbage_in_numbers_is_no_number(leg: Leg) -> None:
    tell(
        leg,
        NEW,
        event("OriginateResponse", Response="Failure", Reason="²"),
        event("Hangup", Cause="9999", TechCause="SIP"),
    )
    result = leg.not_answered()
    assert (result.dial_status, result.reason, result.sip_code) == (D.CHANUNAVAIL, None, None)


async def test_a_listener_that_fails_does_not_lose_the_call() -> None:
    def failing(_phase: CallPhase, _at: datetime) -> None:
        raise RuntimeError("listener")

    leg = Leg("a1", ManualClock(datetime(2026, 1, 5, 9, tzinfo=UTC)), failing)
    tell(leg, NEW, RINGING, UP)
    assert leg.answered_at is not None
