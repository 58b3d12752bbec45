"""The calls of one Asterisk: which event is whose, and what is left of them after a lost connection."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from datetime import datetime
from typing import Final

import structlog

from storage.clock import Clock
from telephony.ami.client import AmiClient, AmiState, Subscription
from telephony.ami.errors import AmiError, EventsLost
from telephony.ami.handover import Handover
from telephony.ami.leg import Leg
from telephony.ami.protocol import Event

_log = structlog.get_logger(__name__)
_MOST_STRAYS: Final = 10_000
#: Only the manager connection tells of a call that was handed over: away for so long, it takes the call with it.
_FORSAKEN_S: Final = 180.0
_LOST: Final = "the manager connection was lost meanwhile, and Asterisk does not know the call any more"


class Legs:
    """Routes events, hangs up, and reconciles with what Asterisk has after every reconnection."""

    def __init__(self, client: AmiClient, clock: Clock) -> None:
        self._client = client
        self._clock = clock
        #: When the connection was lost that has not come back, or whose calls are not compared yet.
        self._lost_at: datetime | None = None
        self._forsaking: asyncio.TimerHandle | None = None
        self._live: dict[str, Leg] = {}
        self._handed_over: set[Leg] = set()
        #: Calls that were given up without a confirmed end, by their channels: whatever shows of them is hung up.
        self._strays: OrderedDict[str, None] = OrderedDict()
        self._epoch = 0
        self._tasks: set[asyncio.Task[None]] = set()
        self._following: asyncio.Task[None] | None = None
        self._disconnected = asyncio.Event()

    async def open(self) -> None:
        """Begin to follow events; the client must be open."""
        self._following = asyncio.create_task(self._follow(self._client.subscribe()))
        self._client.on_state(self._state)

    async def aclose(self) -> None:
        """Stop following. Idempotent."""
        self._stop_forsaking()
        tasks = [task for task in (self._following, *self._tasks) if task is not None]
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)

    def __len__(self) -> int:
        return len(self._live)

    def live(self) -> list[Leg]:
        return list(self._live.values())

    def adopt(self, leg: Leg) -> bool:
        """Take a call in before it is placed; False when this attempt is live already."""
        if leg.attempt_id in self._live:
            return False
        self._strays.pop(leg.attempt_id, None)
        self._live[leg.attempt_id] = leg
        leg.when_closed(lambda: self._forget(leg))
        return True

    def _forget(self, leg: Leg) -> None:
        self._live.pop(leg.attempt_id, None)
        self._handed_over.discard(leg)

    def hand_over(self, leg: Leg, agent_id: str | None = None) -> Handover:
        """Asterisk takes the call: to be said before it is asked to, so that no event is missed."""
        self._handed_over.add(leg)
        return leg.hand_over(agent_id)

    def keep(self, leg: Leg) -> None:
        """Asterisk did not take it."""
        self._handed_over.discard(leg)
        leg.keep()

    def placed(self, leg: Leg) -> None:
        """The call is asked for over the present connection."""
        leg.epoch = self._epoch

    async def hang_up(self, leg: Leg) -> None:
        """Ask Asterisk to end the call. One that has no channel yet is hung up when it shows."""
        if leg.closed.is_set():
            return
        leg.hanging_up = True
        await asyncio.gather(*(self._hang_up(channel) for channel in leg.hangup_ids))

    def give_up(self, leg: Leg, text: str = "Asterisk did not confirm the end of the call") -> None:
        """Count the call as ended though Asterisk has not said so; if it shows all the same, it is hung up."""
        self._strays.update(dict.fromkeys([leg.attempt_id, *leg.hangup_ids]))
        while len(self._strays) > _MOST_STRAYS:
            self._strays.popitem(last=False)
        # Of a call that was handed over nothing is known from the loss on; any other has its audio to tell its end.
        leg.gone(text, self._lost_at if leg in self._handed_over else None)

    async def heard_end(self, leg: Leg, within_s: float) -> bool:
        """Whether the call's end is told in time; not waited for once the connection is lost."""
        if self._client.connected:
            waits = [asyncio.ensure_future(event.wait()) for event in (leg.closed, self._disconnected)]
            try:
                await asyncio.wait(waits, timeout=within_s, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for wait in waits:
                    wait.cancel()
        return leg.closed.is_set()

    async def _hang_up(self, channel: str) -> None:
        """`channel` is a unique id, which the attempt's is."""
        try:
            await self._client.action("Hangup", [("Channel", channel), ("Cause", "16")])
        except AmiError as exc:
            _log.debug("ami.hangup_unconfirmed", channel=channel, reason=str(exc))

    async def _follow(self, subscription: Subscription) -> None:
        try:
            async for event in subscription:
                self._take(event)
        except EventsLost as exc:
            _log.error("ami.events_lost", asterisk=self._client.account.address, reason=str(exc))
            self._following = asyncio.create_task(self._follow(self._client.subscribe()))
            self._renew()

    def _take(self, event: Event) -> None:
        own_id = event.get("Uniqueid") or event.get("DestUniqueid")
        if event.name == "OriginateResponse":
            own_id = event.action_id or own_id
        leg, own = self._live.get(own_id), True
        if leg is None:
            leg, own = self._linked(event, own_id), False
        if leg is not None:
            leg.event(event, own=own)
            if leg.joins is not None and leg.joins.handover is not None:
                leg.joins.handover.event(event)
        shown = event.name in ("Newchannel", "Newstate")
        if shown and own_id and (own_id in self._strays or (own and leg is not None and leg.hanging_up)):
            self._start(own_id)

    def _linked(self, event: Event, channel: str) -> Leg | None:
        leg = self._live.get(event.get("Linkedid") or event.get("DestLinkedid"))
        if leg is not None or not self._handed_over:
            return leg
        # Joined with an older call, a channel bears the mark of that one.
        return next((leg for leg in self._handed_over if channel in leg.channels), None)

    def _start(self, attempt_id: str) -> None:
        task = asyncio.create_task(self._hang_up(attempt_id))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _state(self, state: AmiState) -> None:
        if state is AmiState.CONNECTED:
            self._disconnected.clear()
            self._stop_forsaking()
            self._renew()
        elif not self._disconnected.is_set():
            self._disconnected.set()
            self._lost_at = self._lost_at or self._clock.now()
            self._forsaking = asyncio.get_running_loop().call_later(_FORSAKEN_S, self._forsake)

    def _forsake(self) -> None:
        """Asterisk stays away: what it had taken over ended with it, as far as anybody will ever know."""
        for leg in list(self._handed_over):
            _log.error("ami.handed_over_lost", attempt_id=leg.attempt_id, after_s=_FORSAKEN_S)
            self.give_up(leg, _LOST)

    def _stop_forsaking(self) -> None:
        if self._forsaking is not None:
            self._forsaking.cancel()
            self._forsaking = None

    def _renew(self) -> None:
        """From here on, calls placed before may have ended without an event."""
        self._epoch += 1
        task = asyncio.create_task(self._reconcile(self._epoch))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _reconcile(self, epoch: int) -> None:
        """Compare our calls with Asterisk's. Status needs the permission call alone, CoreShowChannels reporting."""
        for attempt_id in list(self._strays):
            await self._hang_up(attempt_id)
        before = [leg for leg in self.live() if leg.epoch < epoch]
        if not before:
            self._lost_at = None
            return
        try:
            statuses = await self._client.listed("Status")
        except AmiError as exc:
            _log.error("ami.not_reconciled", asterisk=self._client.account.address, calls=len(before), reason=str(exc))
            return
        channels = {event.get("Uniqueid"): event for event in statuses}
        for leg in before:
            if leg.handover is not None:
                leg.handover.listed(statuses)
            lives = leg.handover.customers if leg.handover is not None else leg.attempt_id in channels
            if not lives and not leg.closed.is_set():
                self.give_up(leg, _LOST)
            elif leg.attempt_id in channels:
                leg.event(channels[leg.attempt_id], own=True)
        self._lost_at = None
        _log.info("ami.reconciled", calls=len(before), lost=sum(leg.closed.is_set() for leg in before))
