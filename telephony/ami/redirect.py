"""Handing a call over to the PBX's dialplan: `telephony.transfer.HandsOver`."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, Final
from uuid import uuid4

import structlog

from storage.clock import Clock
from telephony.ami.client import AmiClient
from telephony.ami.errors import ActionRefused, AmiError, AmiUnreachable
from telephony.ami.handover import Destination, Handover, destination
from telephony.ami.leg import Leg
from telephony.ami.legs import Legs
from telephony.media.leg import MediaLeg
from telephony.outcomes import DialStatus
from telephony.transfer import HandOver, Target
from telephony.trunk import AsteriskTrunk

_log = structlog.get_logger(__name__)

#: A call is not kept back for a connection that comes back at once.
_RECONNECT_S: Final = 5.0
#: From a Redirect that nobody confirmed to the audio's end, if it was carried out.
_UNCONFIRMED_S: Final = 2.0
#: A manager connection that is away when the ring time is over may still tell that somebody picked up.
_AWAY_S: Final = 15.0
#: Asterisk keeps the ring time itself; we step in when it does not.
_GUARD_S: Final = 5.0


class Redirector:
    """For the calls of one dialer; `end` hangs a call up and waits for its end, `keep` runs work to its end."""

    def __init__(
        self,
        client: AmiClient,
        legs: Legs,
        trunk: AsteriskTrunk,
        clock: Clock,
        *,
        end: Callable[[Leg], Awaitable[None]],
        keep: Callable[[Coroutine[Any, Any, None]], object],
    ) -> None:
        self._client, self._legs, self._trunk, self._clock = client, legs, trunk, clock
        self._end, self._keep = end, keep

    async def hand_over(self, leg: Leg, audio: MediaLeg, target: Target) -> HandOver:
        """See `telephony.transfer.HandsOver`.

        Once Asterisk has redirected the call it is never `kept`. A channel that is in a bridge with the channel of its
        audio has no dialplan that a Redirect could lead to: the agent is called, and bridged with it when there.
        """
        place = destination(target.number, self._trunk.transfer_context)
        why_not = await self._why_not(leg, place, target)
        if place is None or why_not is not None:
            return self._kept(leg, why_not or "")
        if self._trunk.dials_media:
            return await self._bridge(leg, audio, place, target)
        handover = self._legs.hand_over(leg)
        refused = await self._redirect(leg, audio, place)
        if refused is not None:
            self._legs.keep(leg)
            return self._kept(leg, refused)
        _log.info("ami.handed_over", attempt_id=leg.attempt_id, target=target.name)
        await self._until_decided(handover, target.ring_s)
        return await self._outcome(leg, handover, place, target.ring_s)

    async def _why_not(self, leg: Leg, place: Destination | None, target: Target) -> str | None:
        """What speaks against it, before anything is asked for."""
        if leg.handover is not None or leg.closed.is_set() or leg.hanging_up:
            return "the call has ended, or was handed over before"
        if place is None:
            return (
                f"target {target.name!r}: {target.number!r} is no extension of a dialplan; write letters, digits, "
                "* # + . - and _, and a context behind @ where it is not the trunk's transfer_context"
            )
        if not await self._client.until_connected(_RECONNECT_S):
            return f"Asterisk at {self._client.account.address} is not connected"
        if not await self._exists(place):
            return f"Asterisk has no extension {place.extension!r} in context {place.context!r}"
        return None

    async def _exists(self, place: Destination) -> bool:
        """False only where Asterisk says so: without func_dialplan it cannot tell."""
        asked = f"DIALPLAN_EXISTS({place.context},{place.extension},1)"
        try:
            return (await self._client.action("Getvar", [("Variable", asked)])).get("Value") != "0"
        except AmiError:
            return True

    async def _redirect(self, leg: Leg, audio: MediaLeg, place: Destination) -> str | None:
        """Why Asterisk did not; None when it did."""
        fields = [("Channel", leg.attempt_id), ("Context", place.context), ("Exten", place.extension)]
        try:
            await self._client.action("Redirect", [*fields, ("Priority", "1")])
        except AmiUnreachable as exc:
            # It may have been carried out all the same; the audio ends then.
            return None if await _ended(audio, _UNCONFIRMED_S) else str(exc)
        except AmiError as exc:
            gone = isinstance(exc, ActionRefused) and await _ended(audio, 0.0)
            return None if gone else str(exc)
        return None

    async def _until_decided(self, handover: Handover, ring_s: float) -> None:
        for wait_s in (ring_s, _AWAY_S):
            try:
                async with asyncio.timeout(wait_s):
                    await handover.decided.wait()
            except TimeoutError:
                if self._client.connected:
                    return

    async def _outcome(self, leg: Leg, handover: Handover, place: Destination, ring_s: float) -> HandOver:
        if handover.joined:
            return HandOver(True, self._clock.now(), text=f"picked up at {place}")
        text = f"{place}: {handover.text}"
        if leg.customer_hung_up:
            text = f"the customer hung up; {text}"
        elif not leg.closed.is_set():
            text = f"{text} within {ring_s:g} s"
            await self._end(leg)
        return HandOver(False, self._clock.now(), text=text)

    async def _bridge(self, leg: Leg, audio: MediaLeg, place: Destination, target: Target) -> HandOver:
        agent = Leg(f"{leg.attempt_id}-{uuid4().hex[:8]}", self._clock, lambda _phase, _at: None)
        agent.joins = leg
        handover = self._legs.hand_over(leg, agent.attempt_id)
        self._legs.adopt(agent)
        try:
            await self._call_agent(agent, leg, place, target.ring_s)
            await _first(handover.decided, agent.closed, within_s=target.ring_s + _GUARD_S)
        except asyncio.CancelledError:
            if not handover.joined:
                self._keep(self._call_off(agent, leg))
            raise
        if not handover.joined:
            agent.cancelled = not agent.closed.is_set()
            await self._end(agent)
        if handover.joined or await self._lives_without_audio(leg, audio):
            return HandOver(True, self._clock.now(), text=f"picked up at {place}")
        text = f"{place}: {agent.not_answered().text}"
        if leg.closed.is_set() or leg.customer_hung_up or leg.hanging_up:
            return HandOver(False, self._clock.now(), text=f"the call has ended; {text}")
        self._legs.keep(leg)
        return self._kept(leg, text)

    async def _call_off(self, agent: Leg, leg: Leg) -> None:
        """Whoever asked is gone: the agent's telephone must not ring on."""
        agent.cancelled = not agent.closed.is_set()
        self._legs.keep(leg)
        await self._end(agent)

    async def _lives_without_audio(self, leg: Leg, audio: MediaLeg) -> bool:
        """An agent who was bridged while no event could tell us has ended our audio, and not the call."""
        if leg.customer_hung_up or leg.hanging_up or not await _ended(audio, 0.0):
            return False
        return not await self._legs.heard_end(leg, _UNCONFIRMED_S)

    async def _call_agent(self, agent: Leg, leg: Leg, place: Destination, ring_s: float) -> None:
        caller = self._trunk.caller_for(leg.attempt_id)
        fields = [
            ("Channel", f"Local/{place}"),
            ("ChannelId", agent.attempt_id),
            ("Application", "Bridge"),
            ("Data", leg.channel or ""),
            ("Timeout", str(max(1, round(ring_s * 1000)))),
            ("Async", "true"),
            *([("CallerID", f"<{caller}>")] if caller else []),
        ]
        self._legs.placed(agent)
        try:
            await self._client.action("Originate", fields, action_id=agent.attempt_id)
        except AmiUnreachable as exc:
            _log.warning("ami.originate_unconfirmed", attempt_id=agent.attempt_id, reason=str(exc))
        except AmiError as exc:
            agent.fail(DialStatus.ERROR, str(exc))

    def _kept(self, leg: Leg, why: str) -> HandOver:
        _log.warning("ami.not_handed_over", attempt_id=leg.attempt_id, reason=why)
        gone = leg.closed.is_set() or leg.customer_hung_up or leg.hanging_up or leg.handover is not None
        return HandOver(False, self._clock.now(), kept=not gone, text=why)


async def _first(*events: asyncio.Event, within_s: float) -> None:
    """Wait for whichever happens first, or for no longer than that."""
    waits = [asyncio.ensure_future(event.wait()) for event in events]
    try:
        await asyncio.wait(waits, timeout=within_s, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for wait in waits:
            wait.cancel()


async def _ended(audio: MediaLeg, within_s: float) -> bool:
    """Whether the audio ends in time."""
    try:
        async with asyncio.timeout(within_s):
            await audio.closed()
    except TimeoutError:
        return False
    return True
