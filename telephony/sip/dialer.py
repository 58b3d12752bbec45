"""Dialling over a bare SIP trunk: `telephony.call.Dialer`."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from types import TracebackType
from typing import Self

import structlog
from baresip.errors import BaresipError, CommandTimeout

from storage.clock import Clock, SystemClock
from telephony.call import Call, DialRequest, NotAnswered, PhaseListener
from telephony.errors import InvalidHeader, TelephonyError
from telephony.outcomes import DialStatus, classify_sip
from telephony.probing import Probe
from telephony.sip.account import Accounts
from telephony.sip.call import SipCall, end_leg
from telephony.sip.headers import ATTEMPT_HEADER, check_headers
from telephony.sip.leg import Leg, LegState
from telephony.sip.probe import ask
from telephony.sip.runtime import SipRuntime
from telephony.sip.settings import SipSettings
from telephony.trunk import TrunkConfig, is_diallable

_log = structlog.get_logger(__name__)


class SipDialer:
    """Places calls over one trunk. Several dialers share the SIP stack of the process.

    `async with SipDialer(trunk) as dialer:` or `await SipDialer.open(trunk)` and `aclose()`. `region` (ISO 3166, such
    as VN) is where national numbers are written without a country code: for agents to whom a call is handed over.
    """

    def __init__(
        self,
        trunk: TrunkConfig,
        settings: SipSettings | None = None,
        clock: Clock | None = None,
        region: str | None = None,
    ) -> None:
        self.trunk = trunk
        self._region = region
        self._settings = settings or SipSettings.reaching(trunk)
        self._clock = clock or SystemClock()
        self._runtime: SipRuntime | None = None
        self._accounts = Accounts(trunk)
        self._legs: set[Leg] = set()
        self._closing = False

    @classmethod
    async def open(
        cls,
        trunk: TrunkConfig,
        settings: SipSettings | None = None,
        clock: Clock | None = None,
        region: str | None = None,
    ) -> SipDialer:
        """A dialer ready to dial, registered if the trunk wants it.

        Raises `SipStackError` if the stack cannot start, `RegistrationFailed` if the trunk refuses us.
        """
        return await cls(trunk, settings, clock, region).__aenter__()

    async def __aenter__(self) -> Self:
        runtime = await SipRuntime.acquire(self._settings)
        try:
            await self._accounts.open(runtime)
        except BaseException:
            await runtime.release()
            raise
        self._runtime = runtime
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    def when_dead(self, listener: Callable[[], None]) -> None:
        """Call `listener` if the SIP stack of this process dies: no further call can be placed, so place none."""
        if self._runtime is not None:
            self._runtime.when_dead(listener)

    @property
    def live_calls(self) -> int:
        """Calls of this dialer that have not ended, those given up but still waited for included."""
        return len(self._legs)

    async def dial(self, request: DialRequest, on_phase: PhaseListener) -> Call | NotAnswered:
        runtime = self._runtime
        if runtime is None or self._closing:
            return self._failed(DialStatus.CHANUNAVAIL, "the dialer is closed")
        fault = _fault(request)
        if fault is not None:
            return self._failed(*fault)
        leg = Leg(request.attempt_id, self._clock, on_phase)
        if not runtime.adopt(leg):
            return self._failed(DialStatus.ERROR, "a call of this attempt is live already")
        self._legs.add(leg)
        leg.when_closed(lambda: self._legs.discard(leg))
        leg.originating()
        inviting = runtime.keep(self._invite(leg, request, runtime))
        return await self._follow(leg, request, runtime, inviting)

    async def hangup_stray(self, attempt_id: str) -> bool:
        """Always False: the calls of a SIP user agent end with its process."""
        return False

    async def probe(self) -> Probe:
        """See `telephony.probing.CanProbe`: a registration where the trunk wants one, else OPTIONS over UDP.

        OPTIONS tells whether the peer is there and in service; any answer below 500 means so (RFC 3261 section 11).
        Behind a proxy and over TCP or TLS only a call can tell.
        """
        if self._runtime is None or self._closing:
            return Probe(False, "the dialer is closed")
        try:
            if self._accounts.registers:
                await self._accounts.renew()
                return Probe(True, "accepts our registration")
            if self.trunk.outbound_proxy is not None or self.trunk.transport != "udp":
                return Probe(True, "cannot be asked; a call will tell")
            reply = await ask(self.trunk)
        except TelephonyError as exc:
            return Probe(False, str(exc))
        if reply is None:
            return Probe(False, "does not answer OPTIONS")
        return Probe(reply.status < 500, str(reply))

    async def aclose(self) -> None:
        self._closing = True
        runtime, self._runtime = self._runtime, None
        if runtime is None:
            return
        try:
            await asyncio.gather(*(end_leg(leg, runtime) for leg in tuple(self._legs)))
            await self._accounts.close()
        finally:
            await runtime.release()

    async def _invite(self, leg: Leg, request: DialRequest, runtime: SipRuntime) -> None:
        """Send the INVITE; a failure to do so ends the leg."""
        headers = {ATTEMPT_HEADER: request.attempt_id, **request.headers}
        try:
            shown = request.caller_id or self.trunk.caller_for(request.attempt_id)
            agent, identity = await self._accounts.caller(shown, runtime)
            await runtime.invite(agent, f"sip:{_user_part(request.number)}@{self.trunk.address}", headers | identity)
        except CommandTimeout:
            # Whether the INVITE has left is unknown. If it has, the leg learns of it and is hung up.
            _log.error("sip.invite_unconfirmed", attempt_id=leg.attempt_id)
            await end_leg(leg, runtime)
        except (BaresipError, TelephonyError) as exc:
            leg.give_up(f"the call could not be placed: {exc}")
            runtime.forget(leg)

    async def _follow(
        self, leg: Leg, request: DialRequest, runtime: SipRuntime, inviting: asyncio.Task[None]
    ) -> Call | NotAnswered:
        """Wait for what becomes of the INVITE, for as long as we are ready to let it ring."""
        loop = asyncio.get_running_loop()
        start_s = loop.time()
        ring_s = request.ring_timeout_s
        try:
            if not await _met(leg.heard, start_s + min(runtime.settings.no_response_s, ring_s)):
                runtime.keep(_watch_silent(leg, runtime))
            elif not await _met(leg.settled, start_s + ring_s):
                await asyncio.shield(runtime.keep(end_leg(leg, runtime)))
        except asyncio.CancelledError:
            runtime.keep(_abandon(leg, runtime, inviting))
            raise
        return self._result(leg, runtime)

    def _result(self, leg: Leg, runtime: SipRuntime) -> Call | NotAnswered:
        if leg.answered_at is not None and not leg.hanging_up:
            return SipCall(leg, runtime, self.trunk, self._region)
        timed_out = leg.hanging_up or leg.state is not LegState.CLOSED
        outcome = classify_sip(leg.sip_code, rang=leg.rang, timed_out=timed_out, we_cancelled=self._closing)
        return NotAnswered(
            outcome.dial_status,
            leg.ended_at or self._clock.now(),
            rang=leg.rang,
            sip_code=leg.sip_code,
            q850=leg.q850 if leg.q850 is not None else outcome.q850,
            text=outcome.text if leg.sip_code is not None or timed_out else leg.text or outcome.text,
        )

    def _failed(self, status: DialStatus, text: str) -> NotAnswered:
        _log.error("sip.not_dialled", trunk=self.trunk.name, dial_status=status.value, reason=text)
        return NotAnswered(status, self._clock.now(), text=text)


def _fault(request: DialRequest) -> tuple[DialStatus, str] | None:
    """What makes a request impossible to place, before anything is sent."""
    if not is_diallable(request.number):
        return DialStatus.INVALID, "the number holds other characters than digits, *, # and a leading +"
    if request.caller_id is not None and not is_diallable(request.caller_id):
        return DialStatus.ERROR, "the caller ID holds other characters than digits, *, # and a leading +"
    try:
        check_headers(request.headers)
        check_headers({"X-Attempt": request.attempt_id})
    except InvalidHeader as exc:
        return DialStatus.ERROR, str(exc)
    return None


def _user_part(number: str) -> str:
    return number.replace("#", "%23")  # RFC 3261 section 25.1: # may not stand in a URI as it is


async def _met(event: asyncio.Event, until_s: float) -> bool:
    """Whether the event happened by a moment of the event loop's clock."""
    try:
        async with asyncio.timeout_at(until_s):
            await event.wait()
    except TimeoutError:
        return event.is_set()
    return True


async def _watch_silent(leg: Leg, runtime: SipRuntime) -> None:
    """Stay with an INVITE that nobody has answered yet, until it is answered or given up by the protocol.

    It cannot be cancelled before a provisional answer (RFC 3261 section 9.1), and one that the stack has forgotten
    would ring a telephone with nobody to take it back.
    """
    await leg.heard.wait()
    await end_leg(leg, runtime)


async def _abandon(leg: Leg, runtime: SipRuntime, inviting: asyncio.Task[None]) -> None:
    await asyncio.wait([inviting])
    await _watch_silent(leg, runtime)
