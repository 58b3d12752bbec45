"""The runner: claims contacts for one node and holds their calls, one task each, in one TaskGroup."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog
from sqlalchemy.exc import SQLAlchemyError

from campaigns.attempts import Ledger
from campaigns.calling import TRANSFERRED_S, CallEvent, Calling, VoicebotFactory
from campaigns.campaigns import Campaigns
from campaigns.claiming import Claim
from campaigns.nodes import surely_dead
from campaigns.presence import Presence
from campaigns.probing import TrunkProbing
from campaigns.states import CampaignState
from campaigns.surely import surely
from campaigns.trunks import Trunks
from campaigns.waiting import WaitingTimes
from storage.clock import Clock
from storage.database import Database
from storage.notify import Notices, Topic
from telephony.call import Dialer

log = structlog.get_logger(__name__)

Listener = Callable[[CallEvent], None]

# More in one transaction would hold up the loop.
_CLAIMED_AT_ONCE = 50
_SLICE = 10


@dataclass(frozen=True)
class RunnerSettings:
    """Limits of one node; seconds."""

    #: Calls at once on this node.
    calls: int = 16
    #: The longest that a change made by another process goes unseen.
    poll_s: float = 1.0
    #: The same while other processes tell of their changes: no event may be told of for ever.
    told_poll_s: float = 5.0
    #: How much longer than its campaign allows a conversation may take before the runner ends it.
    overtime_s: float = 30.0
    #: How long a customer and an agent may talk.
    transferred_s: float = TRANSFERRED_S


class Runner:
    """Dials running campaigns until it is told to stop. One runner may be run once."""

    def __init__(
        self,
        database: Database,
        ledger: Ledger,
        dialers: Mapping[str, Dialer],
        voicebots: VoicebotFactory,
        clock: Clock,
        *,
        settings: RunnerSettings = RunnerSettings(),
        format_number: Callable[[str, str], str] = lambda _trunk, number: number,
        notices: Notices | None = None,
    ) -> None:
        """`dialers` by trunk; `format_number(trunk, e164)` writes a number as the trunk wants it.

        `notices` are what other processes tell of; without them their changes are seen at the next poll.
        """
        self._ledger = ledger
        self._campaigns = Campaigns(database, clock)
        self._waiting_times = WaitingTimes(database, clock, node=ledger.node)
        self._dialers = dialers
        self._probing = TrunkProbing(Trunks(database, clock), dialers)
        self._clock = clock
        self._settings = settings
        self._notices = notices
        self._presence = Presence(
            database, clock, ledger.node, lease=ledger.lease, calls=settings.calls, trunks=list(dialers)
        )
        self._calling = Calling(
            ledger,
            dialers,
            voicebots,
            clock,
            self._tell,
            overtime_s=settings.overtime_s,
            transferred_s=settings.transferred_s,
            format_number=format_number,
        )
        self._listeners: list[Listener] = []
        self._live: dict[str, tuple[Claim, asyncio.Task[None]]] = {}
        self._woken = asyncio.Event()
        self._draining = False
        self._swept_at: datetime | None = None
        self._next_date: datetime | None = None

    @property
    def live_calls(self) -> int:
        """Attempts that this node holds now."""
        return len(self._live)

    @property
    def draining(self) -> bool:
        """Whether it claims nothing more."""
        return self._draining

    def subscribe(self, listener: Listener) -> Callable[[], None]:
        """Call `listener`, which must not block, with every event; returns how to end that."""
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    def wake(self) -> None:
        """Look at once for contacts to call: something has changed."""
        self._woken.set()

    def drain(self) -> None:
        """Claim nothing more; `run_forever` returns when the live calls have ended."""
        self._draining = True
        self._woken.set()

    async def run_forever(self) -> None:
        """Dial every running campaign until `drain`, or until cancelled: then live calls are hung up and settled."""
        await self._run(None)

    async def run_until_complete(self, campaign_id: int) -> CampaignState:
        """Dial one campaign until it has ended, or until `drain`; its state then."""
        await self._run(campaign_id)
        return (await self._campaigns.status(campaign_id)).state

    async def _run(self, campaign_id: int | None) -> None:
        await self._presence.enter()
        unsubscribe = self._notices.subscribe(self._hear) if self._notices is not None else None
        try:
            await self._dial(campaign_id)
        finally:
            if unsubscribe is not None:
                unsubscribe()
            await surely(self._leave())

    async def _leave(self) -> None:
        try:
            await self._presence.leave()
        except Exception:
            # The others notice when the lease has passed.
            log.exception("leaving_failed")

    def _hear(self, topic: Topic) -> None:
        if topic is Topic.NODES:
            self._swept_at = None
        if topic in {Topic.NODES, Topic.WORK}:
            self._woken.set()

    async def _dial(self, campaign_id: int | None) -> None:
        await self._reap()
        async with asyncio.TaskGroup() as house:
            chores = [house.create_task(chore()) for chore in (self._heartbeat, self._undertaker, self._probe)]
            try:
                async with asyncio.TaskGroup() as calls:
                    await self._claim_loop(calls, campaign_id)
            finally:
                for chore in chores:
                    chore.cancel()
        await self._ledger.aclose()

    async def _claim_loop(self, calls: asyncio.TaskGroup, campaign_id: int | None) -> None:
        ids = None if campaign_id is None else [campaign_id]
        while not self._draining:
            self._woken.clear()
            try:
                await self._sweep()
                wake_at = None if self._draining else await self._claim(calls, ids)
                if campaign_id is not None and not self._live and await self._campaigns.has_finished(campaign_id):
                    return
            except SQLAlchemyError:
                # A pool that has run out of connections is no DBAPIError, and must not end the calls either.
                log.exception("claim_failed")
                wake_at = None
            await self._wait(wake_at)

    async def _claim(self, calls: asyncio.TaskGroup, ids: Collection[int] | None) -> datetime | None:
        free = min(self._settings.calls - len(self._live), _CLAIMED_AT_ONCE)
        if free <= 0:
            return None
        claimed = await self._ledger.claim(list(self._dialers), free, campaign_ids=ids)
        claims = iter(claimed.claims)
        try:
            for place, claim in enumerate(claims, start=1):
                self._start(calls, claim)
                # Begun all at once they would hold up the loop, and with it the audio of the calls that are on.
                if place % _SLICE == 0:
                    await asyncio.sleep(0)
        finally:
            for claim in claims:
                self._start(calls, claim)
        if len(claimed.claims) == _CLAIMED_AT_ONCE:
            self._woken.set()
        return claimed.wake_at

    def _start(self, calls: asyncio.TaskGroup, claim: Claim) -> None:
        task = calls.create_task(self._hold(claim), name=f"call-{claim.attempt_id}")
        self._live[claim.attempt_id] = (claim, task)

    async def _hold(self, claim: Claim) -> None:
        try:
            await self._calling.run(claim)
        finally:
            self._live.pop(claim.attempt_id, None)
            self._woken.set()

    async def _sweep(self) -> None:
        now = self._clock.now()
        dated = self._next_date is not None and self._next_date <= now
        lately = self._swept_at is not None and now - self._swept_at < timedelta(seconds=self._settings.poll_s)
        if lately and not dated:
            return
        self._swept_at = now
        if await self._presence.drain_asked():
            self.drain()
        self._next_date = await self._campaigns.next_date()
        if self._next_date is not None and self._next_date <= now:
            self._next_date = None
            for finished in await self._campaigns.sweep():
                self._ledger.announce(finished)
            # What one sweep leaves over, as of very many contacts whose time is up, is due again at once.
            self._next_date = await self._campaigns.next_date()
        for finished in await self._waiting_times.look():
            self._ledger.announce(finished)

    async def _wait(self, wake_at: datetime | None) -> None:
        told = self._notices is not None and self._notices.reaches_all
        seconds = self._settings.told_poll_s if told else self._settings.poll_s
        for date in (wake_at, self._next_date):
            if date is not None:
                seconds = min(seconds, max(0.0, (date - self._clock.now()).total_seconds()))
        try:
            async with asyncio.timeout(seconds):
                await self._woken.wait()
        except TimeoutError:
            pass

    async def _heartbeat(self) -> None:
        """Keep our leases alive, and let go of calls that are no longer ours."""
        while True:
            await asyncio.sleep(self._ledger.lease.total_seconds() / 3)
            held = {attempt_id: claim.fence for attempt_id, (claim, _) in self._live.items()}
            try:
                for attempt_id in await self._ledger.renew(held):
                    self._let_go(attempt_id)
                await self._presence.beat(len(self._live), draining=self._draining)
            except Exception:
                log.exception("heartbeat_failed", held=len(held))

    async def _undertaker(self) -> None:
        """End the attempts of nodes that died while we run."""
        while True:
            await asyncio.sleep(self._ledger.lease.total_seconds() / 3)
            try:
                await self._reap()
            except Exception:
                log.exception("reap_failed")

    async def _probe(self) -> None:
        """Ask paused trunks whether they are back."""
        while True:
            await asyncio.sleep(self._settings.poll_s)
            try:
                # A node that leaves may be one whose way to the network is broken.
                if not self._draining and await self._probing.look():
                    self._woken.set()
            except Exception:
                log.exception("probing_failed")

    def _let_go(self, attempt_id: str) -> None:
        held = self._live.get(attempt_id)
        # A call that has just been settled is no longer in the ledger's list either.
        if held is not None:
            self._calling.disown(attempt_id)
            held[1].cancel()

    async def _reap(self) -> None:
        nodes = await self._ledger.nodes_with_live_attempts()
        dead = [node for node in nodes if node != self._ledger.node and surely_dead(node)]
        for moved in await self._ledger.reap(self._hangup_stray, dead_nodes=dead, held=list(self._live)):
            log.info("attempt_reaped", attempt_id=moved.attempt_id, contact_state=moved.contact_state)
            self._woken.set()

    async def _hangup_stray(self, trunk: str, attempt_id: str) -> bool:
        dialer = self._dialers.get(trunk)
        return dialer is not None and await dialer.hangup_stray(attempt_id)

    def _tell(self, event: CallEvent) -> None:
        if event.frees_a_channel:
            self._woken.set()
        for listener in list(self._listeners):
            try:
                listener(event)
            except Exception:
                log.exception("listener_failed")
