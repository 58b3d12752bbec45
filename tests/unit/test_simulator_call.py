"""How a call is received, beat by beat, on a clock that the test moves."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from storage.clock import ManualClock
from telephony.simulator.call import Line, SimulatedCall, Surroundings
from telephony.simulator.leg import EndedBy, LegState
from telephony.simulator.persona import Answer, Echo, HangUp, Persona, Reception, Reject, RingOut, Silent
from telephony.simulator.record import CallRecord, Invite
from telephony.simulator.sip import Request
from tests.support_simulator import Desk, follow, invite, offer

START = datetime(2026, 11, 2, 9, 0, tzinfo=UTC)


class _Room:
    """One call on a desk."""

    def __init__(self, reception: Reception, *acts: object, body: bytes | None = None) -> None:
        self.desk = Desk()
        self.clock = ManualClock(START)
        self.first = invite(body=body)
        self.desk.receive(self.first)
        persona = Persona(("1",), "Anna", play=acts)  # type: ignore[arg-type]
        self.record = CallRecord(Invite("1", START, "call-1", None, "Anna", "bot"))
        surroundings = Surroundings("127.0.0.1", None, self.clock)
        self.call = SimulatedCall(self.desk.leg, persona, reception, self.record, surroundings)

    def pass_time(self, seconds: float) -> None:
        for _ in range(round(seconds / 0.02)):
            self.desk.now += 0.02
            self.clock.advance(seconds=0.02)
            self.call.tick(self.desk.now)
            self.desk.agent.poll(self.desk.now)

    def ack(self, body: bytes = b"") -> None:
        ack = follow(self.first, "ACK", self.desk.last().headers["to"])
        self.desk.receive(Request(ack.headers, body, method="ACK", uri=ack.uri))


@pytest.fixture
def far() -> Iterator[socket.socket]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as bound:
        bound.bind(("127.0.0.1", 0))
        bound.settimeout(5)
        yield bound


def test_an_answer_comes_after_its_ringing_time() -> None:
    room = _Room(Answer(after_ms=1000))
    room.pass_time(0.98)
    assert room.desk.statuses() == [100, 180]
    room.pass_time(0.1)
    assert room.desk.statuses() == [100, 180, 200]
    assert room.record.answered_at is not None
    assert 980 <= (room.record.answered_at - START).total_seconds() * 1000 <= 1040
    room.call.close()


def test_a_refusal_may_ring_first_and_carry_a_cause() -> None:
    room = _Room(Reject(480, after_ms=500, q850=19))
    room.pass_time(0.4)
    assert room.desk.statuses() == [100, 180]
    room.pass_time(0.2)
    assert room.desk.statuses() == [100, 180, 480]
    assert room.desk.last().headers["reason"] == "Q.850;cause=19"
    room.call.close()
    assert (room.record.status, room.record.ended_by) == (480, "callee")
    assert room.record.ended_at == room.clock.now()


def test_a_refusal_at_once_does_not_ring() -> None:
    room = _Room(Reject(486))
    room.pass_time(0.02)
    assert room.desk.statuses() == [100, 486]


def test_ringing_that_nobody_cancels_ends_after_three_minutes() -> None:
    room = _Room(RingOut())
    room.pass_time(179)
    assert room.desk.statuses() == [100, 180]
    room.pass_time(1.2)
    assert 480 in room.desk.statuses()
    assert room.desk.leg.over


def test_an_offer_that_we_cannot_speak_ends_the_call_unanswered() -> None:
    room = _Room(Answer(0), body=offer(formats="18"))
    room.pass_time(0.1)
    room.call.close()
    assert (room.record.status, room.record.answered_at) == (488, None)


def test_a_call_without_an_offer_begins_to_speak_at_the_ack(far: socket.socket) -> None:
    room = _Room(Answer(0), body=b"")
    room.pass_time(0.2)
    assert room.record.packets_sent == 0
    room.ack(offer(far.getsockname()[1], "8 101"))
    room.pass_time(0.1)
    assert room.record.packets_sent == 5
    assert far.recv(2048)[1] & 0x7F == 8
    room.call.close()


def test_silence_without_packets_lets_the_clock_run_on(far: socket.socket) -> None:
    room = _Room(Answer(0), Silent(100, rtp=False), body=offer(far.getsockname()[1]))
    room.pass_time(0.16)
    assert room.record.packets_sent == 3
    first, second = far.recv(2048), far.recv(2048)
    assert first[1] & 0x80
    assert not second[1] & 0x80
    room.call.close()


def test_the_callee_answers_to_where_the_sound_comes_from(far: socket.socket) -> None:
    room = _Room(Answer(0), body=offer(9))
    room.pass_time(0.04)
    ours = int(room.desk.last().body.split(b"m=audio ")[1].split()[0])
    far.sendto(b"not rtp", ("127.0.0.1", ours))
    far.sendto(b"\x80\x00" + bytes(10) + b"\xff" * 160, ("127.0.0.1", ours))
    room.pass_time(0.04)
    assert len(far.recv(2048)) == 172
    assert room.record.packets_heard == 1
    room.call.close()


def test_an_echo_loses_nothing_of_what_comes_at_once_after_the_answer(far: socket.socket) -> None:
    room = _Room(Answer(0), Echo(), body=offer(far.getsockname()[1]))
    answer = room.desk.leg.answer

    def answer_and_hear(host: str, port: int, now: float) -> None:
        answer(host, port, now)
        far.sendto(b"\x80\x00" + bytes(10) + b"\x11" * 160, ("127.0.0.1", port))

    room.desk.leg.answer = answer_and_hear  # type: ignore[method-assign]
    room.pass_time(0.06)
    assert [far.recv(2048)[12:13] for _ in range(3)].count(b"\x11") == 1
    room.call.close()


def test_hanging_up_before_the_ack_waits_for_it() -> None:
    room = _Room(Answer(0), HangUp())
    room.pass_time(0.1)
    assert room.desk.requests() == []
    room.ack()
    assert [request.method for request in room.desk.requests()] == ["BYE"]
    assert room.desk.leg.ended_by is EndedBy.CALLEE
    room.pass_time(0.1)
    assert room.desk.leg.state is LegState.CLOSING
    room.call.close()


def test_a_line_has_an_even_port_and_loses_what_cannot_be_sent() -> None:
    line = Line("127.0.0.1")
    assert line.port % 2 == 0
    assert line.receive() is None
    line.send(bytes(70_000), ("127.0.0.1", 9))
    line.close()
