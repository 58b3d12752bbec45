"""The callee's signalling, datagram by datagram, on a clock that the test moves."""

from __future__ import annotations

import pytest

from telephony.simulator.leg import EndedBy, LegState
from telephony.simulator.sip import Headers, Request, Response
from tests.support_simulator import CALLEE, CALLER, Desk, follow, invite, offer, ok_for, tag_of


def _ack(desk: Desk, first: Request, *, same_branch: bool) -> None:
    desk.receive(follow(first, "ACK", desk.last().headers["to"], same_branch=same_branch))


def test_a_new_invite_gets_100_without_a_tag_and_is_told_once() -> None:
    desk = Desk()
    first = invite()
    desk.receive(first)
    desk.receive(first)
    assert desk.statuses() == [100, 100]
    assert "tag=" not in desk.last().headers["to"]
    assert len(desk.legs) == 1


def test_responses_echo_via_from_call_id_cseq_and_record_route() -> None:
    desk = Desk()
    first = invite(fields=(("via", "SIP/2.0/UDP 10.0.0.9;branch=z9hG4bKfar"), ("record-route", "<sip:10.0.0.1;lr>")))
    desk.receive(first, ("127.0.0.1", 5099))
    desk.leg.ring()
    response = desk.last()
    top, below = response.headers.all("via")
    assert top.startswith("SIP/2.0/UDP 127.0.0.1:5070;branch=")
    assert top.endswith(";received=127.0.0.1;rport=5099")
    assert below == "SIP/2.0/UDP 10.0.0.9;branch=z9hG4bKfar"
    for name in ("from", "call-id", "cseq", "record-route"):
        assert response.headers[name] == first.headers[name]
    assert response.headers["contact"] == f"<sip:+84901000001@{CALLEE[0]}:{CALLEE[1]}>"
    assert desk.sent[-1][1] == ("127.0.0.1", 5099)


def test_without_rport_responses_go_to_the_port_of_the_via() -> None:
    desk = Desk()
    first = invite()
    fields = [(name, value.replace(";rport", "")) for name, value in first.headers]
    desk.receive(Request(Headers(fields), first.body, method="INVITE", uri=first.uri), ("127.0.0.1", 6000))
    assert desk.sent[-1][1] == ("127.0.0.1", CALLER[1])


def test_ringing_and_answer_carry_the_same_tag_and_the_description() -> None:
    desk = Desk()
    desk.receive(invite())
    desk.leg.ring()
    ringing = desk.last()
    desk.leg.answer("127.0.0.1", 41_000, desk.now)
    answer = desk.last()
    assert (ringing.status, answer.status) == (180, 200)
    assert tag_of(ringing.headers["to"]) == tag_of(answer.headers["to"])
    assert b"m=audio 41000" in answer.body
    assert answer.headers["content-type"] == "application/sdp"


def test_the_answer_is_repeated_with_doubling_pauses_until_the_ack() -> None:
    desk = Desk()
    first = invite()
    desk.receive(first)
    desk.leg.answer("127.0.0.1", 41_000, desk.now)
    desk.pass_time(3.6)
    assert desk.statuses() == [100, 200, 200, 200, 200]
    _ack(desk, first, same_branch=False)
    desk.pass_time(10)
    assert len(desk.statuses()) == 5
    assert desk.leg.state is LegState.CONFIRMED


def test_pauses_between_repetitions_stop_growing_at_t2() -> None:
    desk = Desk()
    desk.receive(invite())
    start = desk.now
    desk.leg.answer("127.0.0.1", 41_000, start)
    times = []
    while desk.now - start < 20:
        before = len(desk.sent)
        desk.pass_time(0.02)
        times += [desk.now - start] * (len(desk.sent) - before)
    assert times == pytest.approx([0.5, 1.5, 3.5, 7.5, 11.5, 15.5, 19.5], abs=0.03)


def test_an_answer_that_is_never_acknowledged_ends_with_bye() -> None:
    desk = Desk()
    desk.receive(invite())
    desk.leg.answer("127.0.0.1", 41_000, desk.now)
    desk.pass_time(32.1)
    assert [request.method for request in desk.requests()] == ["BYE"]
    assert desk.leg.ended_by is EndedBy.NETWORK


def test_a_refusal_is_repeated_until_the_ack_and_then_forgotten() -> None:
    desk = Desk()
    first = invite()
    desk.receive(first)
    desk.leg.reject(486, desk.now)
    desk.pass_time(0.6)
    assert desk.statuses() == [100, 486, 486]
    desk.receive(first)
    assert desk.statuses() == [100, 486, 486, 486]
    _ack(desk, first, same_branch=True)
    desk.pass_time(1)
    assert desk.leg.state is LegState.ENDED
    assert not desk.agent.live


def test_a_refusal_that_is_never_acknowledged_is_given_up() -> None:
    desk = Desk()
    desk.receive(invite())
    desk.leg.reject(404, desk.now)
    desk.pass_time(32.1)
    assert not desk.agent.live
    assert desk.leg.ended_by is EndedBy.CALLEE


def test_cancel_gets_200_and_the_invite_487() -> None:
    desk = Desk()
    first = invite()
    desk.receive(first)
    desk.leg.ring()
    desk.receive(follow(first, "CANCEL", first.headers["to"], same_branch=True))
    responses = [message for message, _ in desk.sent if isinstance(message, Response)][-2:]
    assert [(one.status, one.cseq[1]) for one in responses] == [(200, "CANCEL"), (487, "INVITE")]
    assert tag_of(responses[0].headers["to"]) == tag_of(responses[1].headers["to"])
    assert desk.leg.ended_by is EndedBy.CALLER


def test_cancel_after_the_answer_changes_nothing() -> None:
    desk = Desk()
    first = desk.answered()
    desk.receive(follow(first, "CANCEL", first.headers["to"], same_branch=True))
    assert desk.last().status == 200
    assert desk.leg.state is LegState.CONFIRMED


def test_cancel_of_nothing_gets_481() -> None:
    desk = Desk()
    desk.receive(follow(invite(), "CANCEL", "<sip:x@y>", same_branch=True))
    assert desk.statuses() == [481]


def test_bye_ends_the_call_and_its_repetition_gets_the_same_answer() -> None:
    desk = Desk()
    first = desk.answered()
    bye = follow(first, "BYE", desk.last().headers["to"], cseq=2)
    desk.receive(bye)
    assert desk.last().status == 200
    assert desk.last().cseq == (2, "BYE")
    assert desk.leg.ended_by is EndedBy.CALLER
    desk.pass_time(1)
    before = len(desk.sent)
    desk.receive(bye)
    assert len(desk.sent) == before + 1
    assert desk.last().status == 200


def test_an_old_sequence_number_is_refused() -> None:
    desk = Desk()
    first = desk.answered()
    desk.receive(follow(first, "BYE", desk.last().headers["to"], cseq=1))
    assert desk.last().status == 500
    assert desk.leg.state is LegState.CONFIRMED


def test_our_bye_follows_the_dialog_and_is_repeated_until_answered() -> None:
    desk = Desk()
    first = desk.answered()
    desk.leg.hangup(desk.now)
    desk.leg.hangup(desk.now)
    desk.pass_time(0.6)
    byes = desk.requests()
    assert len(byes) == 2
    assert byes[0].uri == f"sip:bot@{CALLER[0]}:{CALLER[1]}"
    assert byes[0].headers["to"] == first.headers["from"]
    assert tag_of(byes[0].headers["from"]) == desk.leg.tag
    assert desk.sent[-1][1] == CALLER
    desk.receive(ok_for(byes[0]))
    desk.pass_time(5)
    assert len(desk.requests()) == 2
    assert desk.leg.state is LegState.ENDED
    assert desk.leg.ended_by is EndedBy.CALLEE


def test_our_bye_takes_the_recorded_route() -> None:
    desk = Desk()
    first = invite(fields=(("record-route", "<sip:127.0.0.2:5090;lr>"), ("record-route", "<sip:127.0.0.3;lr>")))
    desk.receive(first)
    desk.leg.answer("127.0.0.1", 41_000, desk.now)
    _ack(desk, first, same_branch=False)
    desk.leg.hangup(desk.now)
    bye, target = desk.sent[-1]
    assert bye.headers.all("route") == ["<sip:127.0.0.2:5090;lr>", "<sip:127.0.0.3;lr>"]
    assert target == ("127.0.0.2", 5090)


def test_hanging_up_waits_for_the_ack() -> None:
    desk = Desk()
    first = invite()
    desk.receive(first)
    desk.leg.answer("127.0.0.1", 41_000, desk.now)
    desk.leg.hangup(desk.now)
    assert desk.requests() == []
    _ack(desk, first, same_branch=False)
    assert [request.method for request in desk.requests()] == ["BYE"]


def test_byes_that_cross_are_both_answered() -> None:
    desk = Desk()
    first = desk.answered()
    to = desk.last().headers["to"]
    desk.leg.hangup(desk.now)
    desk.receive(follow(first, "BYE", to, cseq=2))
    assert desk.last().status == 200
    assert desk.leg.state is LegState.ENDED
    assert desk.leg.ended_by is EndedBy.CALLEE


def test_an_unanswered_bye_is_given_up() -> None:
    desk = Desk()
    desk.answered()
    desk.leg.hangup(desk.now)
    desk.pass_time(32.1)
    assert not desk.agent.live


def test_an_offer_without_our_codecs_gets_488_and_a_broken_one_too() -> None:
    for body in (offer(formats="18"), b"not a description"):
        desk = Desk()
        desk.receive(invite(body=body))
        desk.leg.answer("127.0.0.1", 41_000, desk.now)
        assert desk.last().status == 488
        assert not desk.leg.answered


def test_an_invite_without_an_offer_is_answered_with_ours() -> None:
    desk = Desk()
    first = invite(body=b"")
    desk.receive(first)
    desk.leg.answer("127.0.0.1", 41_000, desk.now)
    assert b"RTP/AVP 0 8 101" in desk.last().body
    assert desk.leg.agreed is None
    ack = follow(first, "ACK", desk.last().headers["to"])
    desk.receive(Request(ack.headers, offer(40_002, "8 101"), method="ACK", uri=ack.uri))
    assert desk.leg.agreed is not None
    assert (desk.leg.agreed.port, desk.leg.agreed.law.name) == (40_002, "PCMA")


def test_a_second_invite_in_the_dialog_moves_the_media() -> None:
    desk = Desk()
    desk.answered()
    again = invite(cseq=2, body=offer(45_000), to_tag=desk.leg.tag)
    desk.receive(again)
    assert desk.last().status == 200
    assert b"m=audio 41000" in desk.last().body
    assert desk.leg.agreed is not None
    assert desk.leg.agreed.port == 45_000
    desk.receive(again)
    assert desk.statuses()[-2:] == [200, 200]
    desk.receive(follow(again, "ACK", desk.last().headers["to"]))
    desk.pass_time(3)
    assert len(desk.legs) == 1
    assert desk.statuses()[-2:] == [200, 200]
    assert desk.leg.state is LegState.CONFIRMED


def test_a_second_invite_that_we_cannot_speak_leaves_the_call_as_it_was() -> None:
    desk = Desk()
    desk.answered()
    again = invite(cseq=2, body=offer(45_000, "18"), to_tag=desk.leg.tag)
    desk.receive(again)
    assert desk.last().status == 488
    desk.receive(follow(again, "ACK", desk.last().headers["to"], same_branch=True))
    desk.pass_time(3)
    assert desk.statuses().count(488) == 1
    assert desk.leg.state is LegState.CONFIRMED
    assert desk.leg.agreed is not None
    assert desk.leg.agreed.port == 40_000


def test_a_dead_line_says_nothing_at_all() -> None:
    desk = Desk(answers=False)
    first = invite()
    for message in (first, first, follow(first, "CANCEL", first.headers["to"], same_branch=True)):
        desk.receive(message)
        desk.pass_time(1)
    assert desk.sent == []
    assert len(desk.legs) == 1
    assert desk.leg.ended_by is EndedBy.NETWORK


@pytest.mark.parametrize(("method", "status"), [("OPTIONS", 200), ("BYE", 481), ("INFO", 481), ("REGISTER", 405)])
def test_requests_outside_any_call(method: str, status: int) -> None:
    desk = Desk()
    desk.receive(follow(invite(), method, "<sip:x@y>"))
    assert desk.statuses() == [status]
    assert "INVITE" in desk.last().headers["allow"]


@pytest.mark.parametrize(("method", "status"), [("OPTIONS", 200), ("INFO", 200), ("UPDATE", 405)])
def test_requests_inside_a_call(method: str, status: int) -> None:
    desk = Desk()
    first = desk.answered()
    desk.receive(follow(first, method, desk.last().headers["to"], cseq=2))
    assert desk.last().status == status
    assert desk.leg.state is LegState.CONFIRMED


def test_a_request_of_a_call_that_we_do_not_know_gets_481() -> None:
    desk = Desk()
    desk.receive(follow(invite(), "BYE", "<sip:x@y>;tag=unknown"))
    desk.receive(invite(to_tag="unknown"))
    assert desk.statuses() == [481, 481]


def test_stray_acks_and_responses_are_passed_over() -> None:
    desk = Desk()
    first = invite()
    desk.receive(follow(first, "ACK", "<sip:x@y>;tag=unknown"))
    desk.receive(ok_for(first))
    assert desk.sent == []


def test_a_required_extension_is_refused_by_name() -> None:
    desk = Desk()
    desk.receive(invite(fields=(("require", "100rel"), ("require", "timer"))))
    assert desk.statuses() == [420]
    assert desk.last().headers.all("unsupported") == ["100rel, timer"]
    assert desk.legs == []


def test_calls_of_different_people_do_not_meet() -> None:
    desk = Desk()
    desk.receive(invite(call_id="a"))
    desk.receive(invite(call_id="b"))
    one, two = desk.legs
    one.reject(486, desk.now)
    assert two.state is LegState.INVITED
    assert one.tag != two.tag


def test_an_invite_repeated_after_the_end_is_still_known_and_later_forgotten() -> None:
    desk = Desk()
    first = desk.answered()
    desk.receive(follow(first, "BYE", desk.last().headers["to"], cseq=2))
    desk.pass_time(1)
    desk.receive(first)
    assert len(desk.legs) == 1
    desk.pass_time(33)
    desk.receive(first)
    assert len(desk.legs) == 2


@pytest.mark.parametrize("datagram", [b"", b"\r\n\r\n", b"\0\0\0\0", b"hello", b"INVITE sip:x SIP/2.0\r\n\r\n"])
def test_garbage_is_passed_over(datagram: bytes) -> None:
    desk = Desk()
    desk.receive(datagram)
    assert desk.sent == []


def test_an_invite_to_something_that_is_no_sip_uri_is_passed_over() -> None:
    desk = Desk()
    first = invite()
    desk.receive(Request(first.headers, first.body, method="INVITE", uri="tel:+84901000001"))
    assert desk.legs == []


def test_a_leg_refuses_an_impossible_move() -> None:
    desk = Desk()
    desk.receive(invite())
    desk.leg.reject(486, desk.now)
    with pytest.raises(RuntimeError, match="refused"):
        desk.leg.answer("127.0.0.1", 41_000, desk.now)
