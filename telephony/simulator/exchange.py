"""The running network on one event loop: a SIP socket, the calls on it, and their shared beat."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from datetime import datetime
from pathlib import Path
from typing import TextIO

import structlog

from storage.clock import Clock, SystemClock
from telephony.simulator.agent import UserAgentServer
from telephony.simulator.call import SimulatedCall, Surroundings
from telephony.simulator.dialog import Address
from telephony.simulator.errors import SimulatorError, SipSyntaxError
from telephony.simulator.leg import Leg
from telephony.simulator.lines import Lines
from telephony.simulator.metronome import Metronome
from telephony.simulator.numbers import Directory, normalise
from telephony.simulator.persona import Persona, Reception, Reject, Unreachable
from telephony.simulator.record import ATTEMPT_HEADER, CallRecord, Invite, invite_row
from telephony.simulator.referral import Callee
from telephony.simulator.sip import address_uri, parse_uri

_NOBODY = Persona(numbers=(), name="nobody", reception=Reject(status=404))
_log = structlog.get_logger(__name__)


class Exchange(asyncio.DatagramProtocol):
    """Serves personas on one UDP socket; `invites` and `calls` only ever grow, and may be read from any thread."""

    def __init__(
        self,
        personas: tuple[Persona, ...],
        lines: Lines | None,
        host: str,
        *,
        record_dir: Path | None = None,
        log: TextIO | None = None,
        keep_heard: bool = True,
        clock: Clock | None = None,
    ) -> None:
        self.invites: list[Invite] = []
        self.calls: list[CallRecord] = []
        self.port = 0
        self._directory = Directory(personas)
        self._host = host
        self._record_dir = record_dir
        self._log = log
        self._clock = clock or SystemClock()
        self._surroundings = Surroundings(
            host, lines, self._clock, hear=keep_heard or record_dir is not None, dial=self._dial
        )
        self._keep_heard = keep_heard
        self._earlier: Counter[str] = Counter()
        self._live: dict[Leg, SimulatedCall] = {}

    async def open(self, port: int) -> None:
        """Bind the socket; raises `SimulatorError` when the port is taken."""
        self._loop = asyncio.get_running_loop()
        self._metronome = Metronome(self._loop, self._beat)
        try:
            self._transport, _ = await self._loop.create_datagram_endpoint(lambda: self, local_addr=(self._host, port))
        except OSError as error:
            raise SimulatorError(f"cannot listen on {self._host}:{port} ({error}); choose another port") from error
        self.port = self._transport.get_extra_info("sockname")[1]
        self._agent = UserAgentServer((self._host, self.port), self._send, self._on_invite)

    def close(self) -> None:
        """Hang up what is live, without waiting for an answer, and free the sockets."""
        self._metronome.stop()
        for leg, call in tuple(self._live.items()):
            leg.quit(self._loop.time())
            self._end(call)
        self._transport.close()

    @property
    def live_calls(self) -> int:
        """Calls that are ringing or answered."""
        return len(self._live)

    def datagram_received(self, data: bytes, addr: Address) -> None:
        self._agent.receive(data, addr, self._loop.time())
        if self._agent.live:
            self._metronome.start()

    def _send(self, datagram: bytes, target: Address) -> None:
        self._transport.sendto(datagram, target)

    def _on_invite(self, leg: Leg) -> bool:
        user = parse_uri(leg.invite.uri).user
        persona = self._directory.find(user)
        persona, reception, record = self._called(_invite(leg, user, persona, self._clock.now()), persona)
        self._live[leg] = SimulatedCall(leg, persona, reception, record, self._surroundings)
        return not isinstance(reception, Unreachable)

    def _dial(self, uri: str, by: CallRecord) -> Callee:
        """Call the persona that a REFER names, inside the network; one elsewhere is nobody here."""
        try:
            user = parse_uri(uri).user
        except SipSyntaxError:
            return Callee(Reject(status=400))
        persona = self._directory.find(user)
        name = persona.name if persona else None
        call_id = f"{by.invite.call_id}-referred-{len(self.calls)}"
        invite = Invite(user, self._clock.now(), call_id, attempt=None, persona=name, caller=by.invite.number)
        persona, reception, record = self._called(invite, persona)
        return Callee(reception, persona, record)

    def _called(self, invite: Invite, persona: Persona | None) -> tuple[Persona, Reception, CallRecord]:
        """Note a call; who takes it, and how."""
        self.invites.append(invite)
        self._write(invite_row(invite))
        record = CallRecord(invite)
        self.calls.append(record)
        known = persona or _NOBODY
        earlier = self._earlier[normalise(invite.number)]
        self._earlier[normalise(invite.number)] += 1
        _log.debug("invite", number=invite.number, persona=invite.persona, call_id=invite.call_id)
        return known.at_call(earlier), known.receive(earlier), record

    def _beat(self, now: float) -> bool:
        for call in tuple(self._live.values()):
            self._tick(call, now)
            if call.over:
                self._end(call)
        self._agent.poll(now)
        return self._agent.live or bool(self._live)

    def _tick(self, call: SimulatedCall, now: float) -> None:
        try:
            call.tick(now)
        except Exception:  # one callee's fault must not silence the others
            _log.exception("call_failed", call_id=call.record.invite.call_id, persona=call.record.invite.persona)
            call.fail(now)

    def _end(self, call: SimulatedCall) -> None:
        del self._live[call.leg]
        call.close()
        for record in call.records:
            self._write(record.as_json())
            if self._record_dir is not None and record.heard:
                self._save(record, self._record_dir)
            if not self._keep_heard:
                record.heard.clear()
            record.complete = True

    def _save(self, record: CallRecord, folder: Path) -> None:
        try:
            record.save(folder)
        except OSError as error:
            _log.warning("recording_failed", call_id=record.invite.call_id, reason=str(error))

    def _write(self, row: dict[str, object]) -> None:
        if self._log is None:
            return
        try:
            self._log.write(json.dumps(row, ensure_ascii=False) + "\n")
            self._log.flush()
        except OSError as error:
            _log.warning("log_failed", call_id=row["call_id"], reason=str(error))


def _invite(leg: Leg, number: str, persona: Persona | None, at: datetime) -> Invite:
    headers = {name: value for name, value in leg.invite.headers if name.startswith("x-")}
    return Invite(
        number=number,
        at=at,
        call_id=leg.call_id,
        attempt=headers.get(ATTEMPT_HEADER.lower()),
        persona=persona.name if persona else None,
        caller=parse_uri(address_uri(leg.invite.headers["from"])).user,
        headers=headers,
    )
