"""Dialling through an Asterisk: `telephony.call.Dialer`. docs/explanation/asterisk.md tells the whole."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Coroutine
from dataclasses import replace
from types import TracebackType
from typing import Any, Final, Self, TypeVar

import structlog

from storage.clock import Clock, SystemClock
from telephony.ami import originate
from telephony.ami.account import AmiTimes, account_of
from telephony.ami.bringing import open_media_server, rate_hz
from telephony.ami.call import AsteriskCall
from telephony.ami.channel import amd_result, press_key
from telephony.ami.check import Verdict, check_audio, has_events, reachable_contacts
from telephony.ami.client import AmiClient, AmiState
from telephony.ami.errors import ActionRefused, AmiError, AmiUnreachable, InvalidAction
from telephony.ami.leg import Leg
from telephony.ami.legs import Legs
from telephony.ami.redirect import Redirector
from telephony.call import Call, CallPhase, DialRequest, NotAnswered, PhaseListener
from telephony.errors import MediaNotConnected, MediaServerError
from telephony.media.leg import MediaLeg
from telephony.media.server import MediaServer
from telephony.outcomes import DialStatus
from telephony.probing import Probe
from telephony.trunk import AsteriskTrunk

_log = structlog.get_logger(__name__)
T = TypeVar("T")

#: Asterisk keeps the ring time itself; we step in when it does not.
_GUARD_S: Final = 5.0
#: From answer to the audio connection.
_MEDIA_S: Final = 5.0
#: A call is not failed for a connection that comes back at once.
_RECONNECT_S: Final = 5.0
#: A large PBX loads its modules for that long after it takes logins.
_BOOT_S: Final = 60.0
_BOOT_POLL_S: Final = 0.1
_HANGUP_S: Final = 5.0
_DAY_S: Final = 86_400.0
#: From the end of the audio to the Hangup event.
_LAST_EVENT_S: Final = 2.0


class AsteriskDialer:
    """Places calls by Originate and has their audio brought by AudioSocket, or by chan_websocket.

    `async with AsteriskDialer(trunk) as dialer:` or `await AsteriskDialer.open(trunk)` and `aclose()`. The manager
    connection is renewed whenever it is lost; live calls go on meanwhile, and no call is ever asked for twice.
    """

    def __init__(self, trunk: AsteriskTrunk, clock: Clock | None = None, times: AmiTimes | None = None) -> None:
        self.trunk = trunk
        self.client = AmiClient(account_of(trunk), times)
        self._clock = clock or SystemClock()
        self._legs = Legs(self.client, self._clock)
        self._redirector = Redirector(self.client, self._legs, trunk, self._clock, end=self._end, keep=self._keep)
        self._media: MediaServer | None = None
        self._ready = asyncio.Event()
        self._endpoint_known = False
        self._tasks: set[asyncio.Task[Any]] = set()
        self._closing = False
        #: Whether the last call that was picked up brought no audio.
        self._deaf = False

    @classmethod
    async def open(
        cls, trunk: AsteriskTrunk, clock: Clock | None = None, times: AmiTimes | None = None
    ) -> AsteriskDialer:
        """A dialer ready to dial.

        Raises `AmiUnreachable`, `LoginRefused` or another `AmiError` for a missing permission, and `MediaServerError`
        if the audio's address cannot be listened on.
        """
        return await cls(trunk, clock, times).__aenter__()

    async def __aenter__(self) -> Self:
        try:
            await self.client.open()
            await self._check_events()
            await self._legs.open()
            self._endpoint_known = await self._knows_endpoint()
            self._ready.set()
            self.client.on_state(self._state)
            bind = self.trunk.media_bind or self.client.local_host
            self._media = await open_media_server(self.trunk, bind)
        except BaseException:
            await self._release()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def _check_events(self) -> None:
        """Without events no call would ever be heard of again."""
        if not await has_events(self.client):
            user = self.trunk.user
            raise AmiError(
                f"Asterisk at {self.client.account.address} sends manager user {user!r} no event of calls: add call to "
                f"read= of [{user}] in manager.conf, then: manager reload"
            )

    def _state(self, state: AmiState) -> None:
        self._ready.clear()
        if state is AmiState.CONNECTED:
            self._keep(self._get_ready())

    async def _get_ready(self) -> None:
        """A restarted Asterisk takes logins before it has loaded its channel drivers; calls fail until then."""
        until_s = asyncio.get_running_loop().time() + _BOOT_S
        while self._endpoint_known and self.client.connected and asyncio.get_running_loop().time() < until_s:
            if await self._knows_endpoint():
                break
            await asyncio.sleep(_BOOT_POLL_S)
        if self.client.connected:
            self._ready.set()

    async def _knows_endpoint(self) -> bool:
        """Whether Asterisk tells of the dial string's endpoint; False also where it cannot tell."""
        with contextlib.suppress(AmiError):
            asked = await reachable_contacts(self.client, self.trunk)
            return asked is not None and asked[2]
        return False

    async def probe(self) -> Probe:
        """See `telephony.probing.CanProbe`: the manager connection, and what qualify knows of a PJSIP endpoint.

        After a call without audio it is also whether Asterisk brings us audio again, which rings no telephone.
        """
        if self._closing or not self._ready.is_set():
            return Probe(False, self._away)
        try:
            asked = await reachable_contacts(self.client, self.trunk)
            if self._deaf and self._media is not None:
                audio = await check_audio(self.client, self.trunk, self._media, self.media_address)
                if audio.verdict is not Verdict.GOOD:
                    return Probe(False, f"{audio.found}: {audio.remedy}")
        except (AmiError, MediaServerError) as exc:
            return Probe(False, str(exc))
        if asked is None:
            return Probe(True, "Asterisk answers; of this dial string only a call can tell")
        endpoint, contacts, _ = asked
        if contacts or "sip:" in self.trunk.dial_string.lower():
            return Probe(True, f"Asterisk answers: {contacts or endpoint}")
        return Probe(False, f"Asterisk has no contact of {endpoint} that answers")

    @property
    def _away(self) -> str:
        what = "is starting" if self.client.connected else "is not connected"
        return f"Asterisk at {self.client.account.address} {what}"

    @property
    def live_calls(self) -> int:
        """Calls of this dialer that have not ended."""
        return len(self._legs)

    @property
    def media_address(self) -> str:
        """Where Asterisk is told to bring the audio, such as `192.0.2.7:40123`."""
        return self._media.host_port if self._media is not None else ""

    async def dial(self, request: DialRequest, on_phase: PhaseListener) -> Call | NotAnswered:
        fault = originate.fault(request)
        if fault is not None:
            return self._failed(*fault)
        if not self._closing and not await _met(self._ready, min(_RECONNECT_S, request.ring_timeout_s)):
            return self._failed(DialStatus.CHANUNAVAIL, self._away)
        if self._closing or self._media is None:
            return self._failed(DialStatus.CHANUNAVAIL, "the dialer is closed")
        leg = Leg(request.attempt_id, self._clock, on_phase)
        if not self._legs.adopt(leg):
            return self._failed(DialStatus.ERROR, "a call of this attempt is live already")
        try:
            audio = self._media.expect(originate.call_uuid(request.attempt_id), rate_hz(self.trunk))
        except (MediaServerError, ValueError) as exc:
            leg.fail(DialStatus.ERROR, str(exc))
            return leg.not_answered()
        leg.when_closed(audio.abandon)
        return await self._place(leg, audio, request)

    async def hangup_stray(self, attempt_id: str) -> bool:
        """Raises `AmiError` when Asterisk cannot be asked."""
        await self.client.until_connected(_RECONNECT_S)
        if await self._hang_up_channel(attempt_id):
            return True
        # Asterisk takes a Local channel out of a call that was handed over, and with it the attempt's own id.
        statuses = await self.client.listed("Status")
        linked = [event.get("Uniqueid") for event in statuses if event.get("Linkedid") == attempt_id]
        return any([await self._hang_up_channel(channel) for channel in linked])

    async def _hang_up_channel(self, channel: str) -> bool:
        """Whether there was one of this unique id."""
        try:
            await self.client.action("Hangup", [("Channel", channel), ("Cause", "16")])
        except ActionRefused as exc:
            if exc.reason == "No such channel":
                return False
            raise
        return True

    async def aclose(self) -> None:
        self._closing = True
        await asyncio.gather(*(self._cancel(leg) for leg in self._legs.live()))
        await self._release()

    async def _place(self, leg: Leg, audio: MediaLeg, request: DialRequest) -> Call | NotAnswered:
        leg.report(CallPhase.ORIGINATING)
        asking = self._keep(self._originate(leg, request))
        joining = self._keep(self._join(leg, audio))
        try:
            return await self._follow(leg, audio, joining, request.ring_timeout_s)
        except asyncio.CancelledError:
            self._keep(self._abandon(leg, asking))
            raise

    async def _originate(self, leg: Leg, request: DialRequest) -> None:
        """Ask for the call; a refusal ends the leg, silence does not: the call may have been placed."""
        assert self._media is not None
        try:
            fields = originate.fields(request, self.trunk, self._media.host_port)
            self._legs.placed(leg)
            await self.client.action("Originate", fields, action_id=leg.attempt_id)
        except (ActionRefused, InvalidAction) as exc:
            status = DialStatus.ERROR if isinstance(exc, InvalidAction) else DialStatus.CHANUNAVAIL
            _log.error("ami.not_dialled", trunk=self.trunk.name, attempt_id=leg.attempt_id, reason=str(exc))
            leg.fail(status, str(exc))
        except AmiUnreachable as exc:
            _log.warning("ami.originate_unconfirmed", attempt_id=leg.attempt_id, reason=str(exc))

    async def _join(self, leg: Leg, audio: MediaLeg) -> bool:
        """Whether the audio came. Its arrival is an answer too: the manager connection may be away."""
        joined = False
        with contextlib.suppress(MediaNotConnected):
            await audio.connected(timeout_s=_DAY_S)
            joined = True
            self._deaf = False
            leg.answered()
        if leg.answered_at is not None:
            self._keep(self._watch_audio(leg, audio))
        return joined

    async def _follow(
        self, leg: Leg, audio: MediaLeg, joining: asyncio.Task[bool], ring_timeout_s: float
    ) -> Call | NotAnswered:
        if not await _met(leg.decided, ring_timeout_s + _GUARD_S):
            leg.timed_out = True
            await self._end(leg)
        if leg.answered_at is None or leg.hanging_up:
            return leg.not_answered()
        await asyncio.wait([joining], timeout=_MEDIA_S)
        if not leg.customer_hung_up and not (joining.done() and joining.result()):
            return await self._unheard(leg)
        audio.media.press = lambda key: press_key(self.client, leg, key)
        amd = await amd_result(self.client, leg) if self.trunk.may_have_amd else None
        leg.report(CallPhase.ANSWERED, leg.answered_at)
        return AsteriskCall(
            leg,
            audio,
            hang_up=lambda: self._hang_up(leg, audio),
            hand_over=lambda target: self._redirector.hand_over(leg, audio, target),
            amd=amd,
        )

    async def _unheard(self, leg: Leg) -> NotAnswered:
        text = (
            f"answered, but Asterisk could not bring the audio to {self.media_address}: open that address to it, or "
            "set media_advertise to one that it reaches; campana doctor tells more"
        )
        _log.error("ami.no_audio", trunk=self.trunk.name, attempt_id=leg.attempt_id, media=self.media_address)
        leg.fault = leg.fault or (DialStatus.ERROR, text)
        self._deaf = True
        await self._end(leg)
        return replace(leg.not_answered(), no_audio=True)

    async def _watch_audio(self, leg: Leg, audio: MediaLeg) -> None:
        """The audio's end is that of a call not handed over: by its event, or without one where none can come."""
        await audio.closed()
        if leg.handover is not None or leg.hanging_up or await self._legs.heard_end(leg, _LAST_EVENT_S):
            return
        if self.client.connected:
            _log.warning("ami.audio_ended_first", attempt_id=leg.attempt_id)
            with contextlib.suppress(AmiError):
                await self.client.action("Hangup", [("Channel", leg.attempt_id)])
            if await self._legs.heard_end(leg, _LAST_EVENT_S):
                return
        leg.gone("the audio ended, and Asterisk did not tell why")

    async def _hang_up(self, leg: Leg, audio: MediaLeg) -> None:
        if leg.handover is not None:
            # Nothing but the manager connection tells of the end now, and that may be away.
            ending = leg.customer_hung_up and await self._legs.heard_end(leg, _HANGUP_S)
        else:
            # The audio's end often comes before the event that tells who ended the call; it was not we.
            ending = leg.customer_hung_up or await _over(audio)
        if ending:
            await leg.closed.wait()
        elif not leg.closed.is_set():
            await asyncio.shield(self._keep(self._end(leg)))

    async def _cancel(self, leg: Leg) -> None:
        leg.cancelled = leg.answered_at is None
        await self._end(leg)

    async def _abandon(self, leg: Leg, asking: asyncio.Task[None]) -> None:
        """Whoever dialled is gone. What was asked for must not ring on."""
        leg.cancelled = True
        await asyncio.wait([asking])
        await self._end(leg)

    async def _end(self, leg: Leg) -> None:
        """Hang up and wait for Asterisk to confirm; what it never confirms is given up, and hung up if it shows."""
        await self._legs.hang_up(leg)
        if not await _met(leg.closed, _HANGUP_S if self.client.connected else 0.0):
            _log.warning("ami.end_unconfirmed", attempt_id=leg.attempt_id)
            self._legs.give_up(leg)

    async def _release(self) -> None:
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)
        await self._legs.aclose()
        await self.client.aclose()
        media, self._media = self._media, None
        if media is not None:
            await media.aclose()

    def _failed(self, status: DialStatus, text: str) -> NotAnswered:
        _log.error("ami.not_dialled", trunk=self.trunk.name, dial_status=status.value, reason=text)
        return NotAnswered(status, self._clock.now(), text=text)

    def _keep(self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        """Run beside whoever asked, and to its end even if that one is cancelled."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)
        return task

    def _done(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            _log.error("ami.task_failed", trunk=self.trunk.name, exc_info=error)


async def _met(event: asyncio.Event, within_s: float) -> bool:
    """Whether the event happens in time."""
    try:
        async with asyncio.timeout(within_s):
            await event.wait()
    except TimeoutError:
        return event.is_set()
    return True


async def _over(audio: MediaLeg) -> bool:
    """Whether the audio has ended."""
    try:
        async with asyncio.timeout(0):
            await audio.closed()
    except TimeoutError:
        return False
    return True
