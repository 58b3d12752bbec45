"""An answered SIP call: `telephony.call.Call`."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime

import structlog
from baresip.call import Call as StackCall
from baresip.errors import BaresipError, StaleHandleError

from telephony.call import CallEnd
from telephony.errors import MediaClosed, TelephonyError
from telephony.sip.leg import Leg
from telephony.sip.media import SipMedia
from telephony.sip.refer import InvalidTarget, refer, refer_to
from telephony.sip.runtime import SipRuntime
from telephony.transfer import HandOver, Target
from telephony.trunk import TrunkConfig

_log = structlog.get_logger(__name__)
#: The stack reports the end of a call that we end at once; a stack that is stuck must not hold the campaign.
_HANGUP_S = 5.0


class SipCall:
    """Built when the answer comes; its audio flows from that moment on."""

    def __init__(self, leg: Leg, runtime: SipRuntime, trunk: TrunkConfig, region: str | None = None) -> None:
        assert leg.call is not None
        assert leg.answered_at is not None
        self._leg, self._runtime = leg, runtime
        self._trunk, self._region = trunk, region
        self._stack_call: StackCall = leg.call
        self._answered_at = leg.answered_at
        self._listeners: list[Callable[[str], None]] = []
        self._media = SipMedia(
            leg.call.audio,
            runtime.ticker,
            rate_hz=_rate_hz(leg.call),
            start_s=asyncio.get_running_loop().time(),
            send_keys=self._send_keys,
        )
        runtime.ticker.add(self._media)
        leg.when_closed(self._media.close)
        leg.when_key(self._key)

    @property
    def attempt_id(self) -> str:
        return self._leg.attempt_id

    @property
    def answered_at(self) -> datetime:
        return self._answered_at

    @property
    def media(self) -> SipMedia:
        return self._media

    @property
    def sip_call_id(self) -> str | None:
        """The Call-ID header, to find the call in the carrier's logs."""
        return self._leg.sip_call_id

    def on_dtmf(self, listener: Callable[[str], None]) -> None:
        self._listeners.append(listener)

    async def hangup(self) -> None:
        if not self._leg.closed.is_set():
            await asyncio.shield(self._runtime.keep(end_leg(self._leg, self._runtime)))

    async def ended(self) -> CallEnd:
        await self._leg.closed.wait()
        return self._leg.end()

    async def hand_over(self, target: Target) -> HandOver:
        """See `telephony.transfer.HandsOver`: by REFER, at the trunk's host unless the target is a SIP URI."""
        try:
            uri = refer_to(target.number, self._trunk, self._region)
        except InvalidTarget as exc:
            closed = self._leg.closed.is_set()
            return HandOver(answered=False, at=self._leg.now(), kept=not closed, text=str(exc))
        return await refer(self._leg, uri, target.ring_s)

    def _key(self, digit: str) -> None:
        for listener in self._listeners:
            try:
                listener(digit)
            except Exception:  # one listener's fault must not keep the key from the others
                _log.exception("sip.dtmf_listener_failed", attempt_id=self.attempt_id)

    async def _send_keys(self, digits: str) -> None:
        try:
            await self._stack_call.send_dtmf(digits)
        except StaleHandleError as exc:
            raise MediaClosed("the call has ended") from exc
        except BaresipError as exc:
            raise TelephonyError(f"the keys could not be sent: {exc}") from exc


def _rate_hz(call: StackCall) -> int:
    try:
        return call.audio.info().tx_sample_rate or 8000
    except BaresipError:
        return 8000  # ended in the moment of its answer; there will be no audio


async def end_leg(leg: Leg, runtime: SipRuntime) -> None:
    """Hang up and wait for the stack to confirm; a leg that it never confirms is given up."""
    await runtime.hang_up(leg)
    try:
        async with asyncio.timeout(_HANGUP_S):
            await leg.closed.wait()
    except TimeoutError:
        _log.error("sip.end_unconfirmed", attempt_id=leg.attempt_id)
        leg.give_up("the SIP stack did not confirm the end of the call")
        runtime.forget(leg)
