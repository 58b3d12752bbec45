"""REFER at the simulated callee, datagram by datagram (RFC 3515), on a clock that the test moves."""

from __future__ import annotations

import pytest

from telephony.simulator.leg import EndedBy, LegState
from telephony.simulator.persona import Answer, Reception, Reject, RingOut, Unreachable
from telephony.simulator.referral import Callee, Referral, progress
from telephony.simulator.sip import Headers, Request
from tests.support_simulator import Desk, follow, ok_for

AGENT = "sip:+8428@127.0.0.1:5080"


def _refer(first: Request, to: str, *named: str, cseq: int = 2) -> Request:
    plain = follow(first, "REFER", to, cseq=cseq)
    return Request(Headers([*plain.headers, *(("refer-to", one) for one in named)]), method="REFER", uri=first.uri)


def _answered() -> tuple[Desk, Request, str]:
    desk = Desk()
    first = desk.answered()
    return desk, first, desk.last().headers["to"]


def test_a_refer_is_answered_once_with_what_the_callee_decides() -> None:
    desk, first, to = _answered()
    named: list[str] = []
    desk.leg.on_refer = lambda uri: named.append(uri) or 202  # type: ignore[func-returns-value]
    asked = _refer(first, to, f"Agent <{AGENT}>")
    desk.receive(asked)
    desk.receive(asked)
    assert named == [AGENT]
    assert desk.statuses()[-2:] == [202, 202]
    assert desk.last().headers.get("contact") is not None


@pytest.mark.parametrize("named", [(), (AGENT, AGENT)])
def test_a_refer_that_names_none_or_two_is_bad(named: tuple[str, ...]) -> None:
    desk, first, to = _answered()
    desk.leg.on_refer = lambda _uri: 202
    desk.receive(_refer(first, to, *named))
    assert desk.last().status == 400


def test_the_compact_form_of_refer_to_is_read() -> None:
    desk, first, to = _answered()
    desk.leg.on_refer = lambda _uri: 202
    desk.receive(_refer(first, to, AGENT).encode().replace(b"Refer-To:", b"r:"))
    assert desk.last().status == 202


def test_nobody_who_decides_means_that_refer_is_not_supported() -> None:
    desk, first, to = _answered()
    desk.receive(_refer(first, to, AGENT))
    assert desk.last().status == 405
    assert "REFER" in desk.last().headers.all("allow")


def test_notifies_wait_for_each_other_and_follow_the_dialog() -> None:
    desk, first, _ = _answered()
    referral = Referral(desk.leg, Callee(Reject(486, after_ms=200)), desk.now)
    assert referral.tick(desk.now + 0.1) == 180
    assert referral.tick(desk.now + 0.2) == 486
    (trying,) = desk.requests()
    assert trying.body == b"SIP/2.0 100 Trying\r\n"
    assert trying.headers["event"] == "refer"
    assert trying.headers["subscription-state"].startswith("active")
    assert trying.headers["to"] == first.headers["from"]
    desk.receive(ok_for(trying))
    desk.receive(ok_for(desk.requests()[-1]))
    assert [one.body.split()[1] for one in desk.requests()] == [b"100", b"180", b"486"]
    assert [one.cseq for one in desk.requests()] == [(1, "NOTIFY"), (2, "NOTIFY"), (3, "NOTIFY")]
    assert desk.requests()[-1].headers["subscription-state"] == "terminated;reason=noresource"


def test_an_unanswered_notify_is_repeated_then_given_up_and_the_call_lives() -> None:
    desk, _, _ = _answered()
    Referral(desk.leg, Callee(RingOut()), desk.now)
    desk.pass_time(3.6)
    assert len(desk.requests()) == 4
    desk.pass_time(40)
    assert {one.cseq for one in desk.requests()} == {(1, "NOTIFY")}
    assert desk.leg.state is LegState.CONFIRMED


def test_our_bye_comes_after_what_was_asked_and_ends_it() -> None:
    desk, _, _ = _answered()
    Referral(desk.leg, Callee(RingOut()), desk.now)
    desk.leg.hangup(desk.now)
    assert desk.requests()[-1].cseq == (2, "BYE")
    desk.pass_time(1.2)
    assert {one.method for one in desk.requests()[2:]} == {"BYE"}
    desk.receive(ok_for(desk.requests()[-1]))
    assert desk.leg.state is LegState.ENDED
    assert desk.leg.ended_by is EndedBy.CALLEE


@pytest.mark.parametrize(
    ("reception", "at"),
    [
        (Answer(400), {0: 180, 399: 180, 400: 200}),
        (Reject(486), {0: 486}),
        (Reject(603, after_ms=100), {99: 180, 100: 603}),
        (RingOut(), {0: 180, 179_999: 180, 180_000: 480}),
        (Unreachable(), {0: 100, 31_999: 100, 32_000: 408}),
    ],
)
def test_a_call_comes_to_what_its_reception_says(reception: Reception, at: dict[int, int]) -> None:
    assert {ms: progress(reception, ms) for ms in at} == at
