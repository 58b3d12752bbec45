"""One simulated call: a leg, a persona, and the audio between them, moved on by one shared clock."""

from __future__ import annotations

import contextlib
import socket
import struct
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import assert_never

from storage.clock import Clock
from telephony.simulator import rtp
from telephony.simulator.leg import EndedBy, Leg, LegState
from telephony.simulator.lines import Lines
from telephony.simulator.performance import GOODBYE, Frame, Performance, Press
from telephony.simulator.persona import Answer, Persona, Reception, Reject, RingOut, Unreachable
from telephony.simulator.record import CallRecord, Heard
from telephony.simulator.referral import Callee, Joined, Party, Referral

#: Kernel arrival times (Linux): they stay true when this process is late.
_SO_TIMESTAMPNS = 35
_TIMESPEC = struct.Struct("@qq")
_MAX_PACKET = 2048
#: A caller that neither cancels nor lives any more must not leave a call behind.
_LONGEST_RING_MS = 180_000
#: A caller that handed its call over hangs up by itself, as a rule.
_BYE_AFTER_S = 4.0
_SAID = {"busy": 486, "no_answer": 480}


class Line:
    """The RTP socket of one call; sends from the port it listens on."""

    def __init__(self, host: str) -> None:
        self._socket = _even_port(host)
        self._socket.setblocking(False)
        with contextlib.suppress(OSError):
            self._socket.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)
        self.port: int = self._socket.getsockname()[1]

    def receive(self) -> tuple[bytes, tuple[str, int], float] | None:
        """The next waiting datagram, where it came from, and its arrival (seconds of `time.time`)."""
        try:
            data, ancillary, _, source = self._socket.recvmsg(_MAX_PACKET, 64)
        except OSError:
            return None
        for level, kind, stamp in ancillary:
            if level == socket.SOL_SOCKET and kind == _SO_TIMESTAMPNS and len(stamp) >= _TIMESPEC.size:
                seconds, nanoseconds = _TIMESPEC.unpack_from(stamp)
                return data, source, seconds + nanoseconds / 1e9
        return data, source, time.time()

    def send(self, packet: bytes, target: tuple[str, int]) -> None:
        """Send, or lose the packet as a full network does."""
        with contextlib.suppress(OSError):
            self._socket.sendto(packet, target)

    def close(self) -> None:
        self._socket.close()


def _even_port(host: str) -> socket.socket:
    """A bound socket; its port is even where that is to be had, as RTP prefers (RFC 3550 section 11)."""
    for _ in range(16):
        bound = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        bound.bind((host, 0))
        if bound.getsockname()[1] % 2 == 0:
            return bound
        bound.close()
    bound = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    bound.bind((host, 0))
    return bound


@dataclass(frozen=True)
class Surroundings:
    """What all calls of a network share."""

    host: str
    lines: Lines | None
    clock: Clock
    #: Whether every packet is kept until the call's end.
    hear: bool = True
    #: Places a call for a REFER: the URI that it names, and the record of the call that it came in.
    dial: Callable[[str, CallRecord], Callee] = lambda _uri, _by: Callee(Reject(status=404))


class SimulatedCall:
    """Carries a call from its INVITE to its end; `tick` is called every 20 ms."""

    def __init__(
        self, leg: Leg, persona: Persona, reception: Reception, record: CallRecord, surroundings: Surroundings
    ) -> None:
        self.leg = leg
        self.record = record
        self._persona = persona
        self._reception = reception
        self._lines = surroundings.lines
        self._host = surroundings.host
        self._clock = surroundings.clock
        self._keep = surroundings.hear
        self._dial = surroundings.dial
        leg.on_refer = self._on_refer
        self._refer_to: str | None = None
        self._referral: Referral | None = None
        self._joined: Joined | None = None
        self._joined_at = 0.0
        #: Of those whom the network called for a REFER.
        self._agents: list[tuple[CallRecord, Performance | None]] = []
        self._invited: float | None = None
        self._line: Line | None = None
        self._performance: Performance | None = None
        self._sender: rtp.Sender | None = None
        self._far: tuple[str, int] | None = None
        self._latched = False
        self._answer_wall = 0.0
        self._began = 0.0
        self._last_key_timestamp: int | None = None

    def tick(self, now: float) -> None:
        """Do what is due in these 20 ms."""
        if self.over:
            return
        if self.leg.state is LegState.INVITED:
            self._receive_call(now)  # the first act must have begun before the first packet is heard
        else:
            self._drain()
            self._refer_on(now)
        if self._joined is not None:
            self._go_on(self._joined, now)
        elif self._line is not None:
            self._speak(now)

    @property
    def over(self) -> bool:
        """Whether the call is over for its people; one that was handed over goes on without the caller."""
        return self.leg.over if self._joined is None else self._joined.over

    @property
    def records(self) -> tuple[CallRecord, ...]:
        """What there is to be told of this call, and of those that the network placed for it."""
        return self.record, *(record for record, _ in self._agents)

    def fail(self, now: float) -> None:
        """End the call because the callee broke down."""
        self.leg.fail(now)
        if self._joined is not None:
            self._joined.over = True

    def close(self) -> None:
        """Note the end and free the socket."""
        self.record.ended_at = self._clock.now()
        if self.record.ended_by is None and self.leg.ended_by is not None:
            self.record.ended_by = self.leg.ended_by.value
        self.record.status = self.leg.final_status
        if self._performance is not None:
            self._drain()
            _note(self.record, self._performance)
        for record, performance in self._agents:
            record.ended_at = record.ended_at or self.record.ended_at
            record.ended_by = record.ended_by or EndedBy.CALLER.value
            if performance is not None:
                _note(record, performance)
        if self._line is not None:
            self._line.close()
            self._line = None

    def _on_refer(self, uri: str) -> int:
        if self._referral is not None or self._refer_to is not None or self._joined is not None:
            return 491
        match self._persona.refer.answer:
            case "unsupported":
                return 405
            case "refused":
                return 603
        self._refer_to = uri
        return 202

    def _refer_on(self, now: float) -> None:
        if self._refer_to is not None:
            self._referral, self._refer_to = Referral(self.leg, self._callee(self._refer_to), now), None
        if self._referral is None:
            return
        status, callee = self._referral.tick(now), self._referral.callee
        if status >= 200:
            self._referral = None
            self._referred(callee, status, now)

    def _callee(self, uri: str) -> Callee:
        how = self._persona.refer
        if how.answer in _SAID:
            return Callee(Reject(_SAID[how.answer], how.after_ms))
        callee = self._dial(uri, self.record)
        if callee.record is not None:
            self._agents.append((callee.record, None))
        return callee

    def _referred(self, callee: Callee, status: int, now: float) -> None:
        """The call that was asked for has come to its end, or to its answer: then the two are joined."""
        record = callee.record
        if record is not None:
            record.status = status
        if record is None or callee.persona is None or self._performance is None or status >= 300:
            if record is not None:
                record.ended_at, record.ended_by = self._clock.now(), EndedBy.CALLEE.value
            return
        record.answered_at, record.law = self._clock.now(), self.record.law
        performance = Performance(callee.persona, self._lines, self.record.law)
        self._agents[-1] = record, performance
        customer = Party(self._performance, self.record, self._began, self._keep)
        self._joined, self._joined_at = Joined(customer, Party(performance, record, now, self._keep)), now

    def _go_on(self, joined: Joined, now: float) -> None:
        joined.tick(now)
        if not self.leg.over and (joined.over or now - self._joined_at >= _BYE_AFTER_S):
            self.leg.hangup(now)

    def _receive_call(self, now: float) -> None:
        if self._invited is None:
            self._invited = now
        waited_ms = round((now - self._invited) * 1000)
        reception = self._reception
        match reception:
            case Answer():
                self._ring()
                if waited_ms >= reception.after_ms:
                    self._answer(now)
            case Reject():
                self._reject(reception, waited_ms, now)
            case RingOut():
                self._ring()
                if waited_ms >= _LONGEST_RING_MS:
                    self.leg.reject(480, now)
            case Unreachable():
                pass
            case _:
                assert_never(reception)

    def _ring(self) -> None:
        if not self.leg.rang:
            self.leg.ring()

    def _reject(self, reception: Reject, waited_ms: int, now: float) -> None:
        if waited_ms < reception.after_ms:
            self._ring()
            return
        reason = [("reason", f"Q.850;cause={reception.q850}")] if reception.q850 else []
        self.leg.reject(reception.status, now, reason)

    def _answer(self, now: float) -> None:
        self._line = Line(self._host)
        self.leg.answer(self._host, self._line.port, now)
        if not self.leg.answered:
            return
        self._answer_wall = time.time()
        self.record.answered_at = self._clock.now()
        if self.leg.agreed is not None:
            self._begin(now)

    def _begin(self, now: float) -> None:
        agreed = self.leg.agreed
        assert agreed is not None
        self.record.law = agreed.law
        self._far = (agreed.host, agreed.port) if agreed.host else None
        self._sender = rtp.Sender(agreed.payload_type, agreed.event_type)
        self._performance = Performance(self._persona, self._lines, agreed.law)
        self._began = now

    def _speak(self, now: float) -> None:
        if self._performance is None:
            if self.leg.agreed is None:
                return
            self._begin(now)
        assert self._performance is not None
        for _ in range(self._performance.keep_up(round((now - self._began) * 1000))):
            self._transmit(None)
        self.record.late_ms = max(self.record.late_ms, self._performance.late_ms)
        frame = self._performance.frame()
        if frame is GOODBYE:
            self.leg.hangup(now)
            return
        if isinstance(frame, Press):
            self._press(frame, now)
            frame = frame.audio
        self._transmit(frame)

    def _press(self, press: Press, now: float) -> None:
        kind = "application/dtmf" if press.alone else "application/dtmf-relay"
        body = press.key if press.alone else f"Signal={press.key}\r\nDuration={press.ms}\r\n"
        self.leg.ask("INFO", [("content-type", kind)], body.encode(), now)

    def _transmit(self, frame: Frame) -> None:
        sender, line = self._sender, self._line
        assert sender is not None
        assert line is not None
        packet: bytes | None = None
        if isinstance(frame, bytes):
            packet = sender.audio(frame)
        elif isinstance(frame, rtp.Key):
            packet = sender.key(frame)
        else:
            sender.skip()
        if packet is not None and self._far is not None:
            line.send(packet, self._far)
            self.record.packets_sent += 1

    def _drain(self) -> None:
        while self._line is not None and (arrived := self._line.receive()) is not None:
            datagram, source, at = arrived
            packet = rtp.parse(datagram)
            if packet is not None:
                if not self._latched:
                    self._far, self._latched = source, True
                if self._joined is None:
                    self._hear(packet, max(0.0, (at - self._answer_wall) * 1000))

    def _hear(self, packet: rtp.Packet, at_ms: float) -> None:
        agreed = self.leg.agreed
        if agreed is None or self._performance is None:
            return
        if packet.payload_type == agreed.payload_type:
            if self.record.first_packet_ms is None:
                self.record.first_packet_ms = at_ms
            self.record.packets_heard += 1
            if self._keep:
                self.record.heard.append(Heard(at_ms, packet.sequence, packet.timestamp, packet.payload))
            self._performance.hear(packet.payload, int(at_ms))
        elif packet.payload_type == agreed.event_type and packet.timestamp != self._last_key_timestamp:
            self._last_key_timestamp = packet.timestamp
            if key := rtp.parse_key(packet.payload):
                self.record.keys.append(key)


def _note(record: CallRecord, performance: Performance) -> None:
    record.bot_speech = performance.ear.speech
    record.spoken = performance.spoken
    record.first_audio_ms = performance.ear.first_sound_ms
