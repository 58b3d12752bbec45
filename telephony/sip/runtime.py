"""The one SIP stack of this process: started for the first trunk, shared by all, closed with the last."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Coroutine
from typing import Any, ClassVar

import structlog
from baresip import Account, Config, Runtime, UserAgent
from baresip.call import Call as StackCall
from baresip.call import CallState
from baresip.errors import BaresipError, StaleHandleError
from baresip.events import Event, StackEvent

from telephony.errors import SipStackError
from telephony.sip.headers import ATTEMPT_HEADER
from telephony.sip.leg import Leg
from telephony.sip.settings import SipSettings
from telephony.sip.ticker import Ticker
from telephony.sip.trace import RefusedKey, Response, Trace

_log = structlog.get_logger(__name__)
_DRAIN_S = 5.0
_PARTING_S = 4.0


class SipRuntime:
    """Owns the stack's threads, and hands its events to the legs they concern.

    `acquire` and `release` count the users. The stack is bound to the event loop that started it.
    """

    _live: ClassVar[SipRuntime | None] = None

    def __init__(self, settings: SipSettings) -> None:
        self.settings = settings
        self.ticker = Ticker()
        self._stack = Runtime()
        self._users = 0
        self._started: asyncio.Task[None] | None = None
        self._gone = asyncio.Event()
        self._legs: dict[str, Leg] = {}
        self._by_handle: dict[int, Leg] = {}
        self._by_call_id: dict[str, Leg] = {}
        self._parting: set[Leg] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._loop = asyncio.get_running_loop()
        self._trace = Trace(self._response_from_thread, self._key_from_thread)
        self._mourners: list[Callable[[], None]] = []

    @classmethod
    async def acquire(cls, settings: SipSettings) -> SipRuntime:
        """The running stack; raises `SipStackError` if it runs with other settings or cannot start."""
        while cls._live is not None and cls._live._users == 0:
            await cls._live._gone.wait()
        runtime = cls._live
        if runtime is None:
            runtime = cls._live = cls(settings)
            runtime._started = asyncio.create_task(runtime._start(), name="sip-start")
        runtime._check_shareable(settings)
        runtime._users += 1
        assert runtime._started is not None
        try:
            await asyncio.shield(runtime._started)
        except BaseException:
            await runtime.release()
            raise
        return runtime

    async def release(self) -> None:
        """One user less; the last one closes the stack, after hanging up what is live."""
        self._users -= 1
        if self._users == 0:
            await asyncio.shield(asyncio.create_task(self._close(), name="sip-close"))

    def _check_shareable(self, settings: SipSettings) -> None:
        if self._loop is not asyncio.get_running_loop():
            raise SipStackError("the SIP stack of this process runs in another event loop; use that one")
        if self.settings != settings:
            raise SipStackError(
                f"the SIP stack of this process runs with {self.settings}; every trunk must use the same settings"
            )

    async def _start(self) -> None:
        logging.getLogger("baresip").setLevel(logging.WARNING)
        self._trace.install()
        config = Config(
            net_interface=self.settings.bind,
            max_concurrent_calls=None,
            rtp_timeout=self.settings.rtp_timeout_s,
            sip_trace=True,
            extra_config_text=self.settings.directives(),
        )
        try:
            await self._stack.start(config)
        except (BaresipError, OSError) as exc:
            raise SipStackError(f"the SIP stack cannot start: {exc}") from exc
        self._stack.subscribe(self._event)
        self._stack.on_dead = self._died

    def when_dead(self, listener: Callable[[], None]) -> None:
        """Call `listener` if the stack dies by itself: every later call would fail."""
        self._mourners.append(listener)

    def _died(self) -> None:
        """The stack's thread has ended by itself; it cannot be started again in this process."""
        _log.critical("sip.stack_died", calls=len(self._legs))
        for listener in self._mourners:
            listener()
        for leg in tuple(self._legs.values()):
            leg.give_up("the SIP stack of this process has died")
            self.forget(leg)

    async def _close(self) -> None:
        try:
            started = self._started
            if started is not None and not started.cancelled() and started.exception() is None:
                await self._drain()
                await self._stack.close()
        except BaresipError as exc:
            _log.error("sip.stack_not_closed", error=str(exc))
        finally:
            await self.ticker.aclose()
            self._trace.remove()
            SipRuntime._live = None
            self._gone.set()

    async def _drain(self) -> None:
        """Hang up what is live; the stack cannot be closed with calls in it."""
        for leg in list(self._legs.values()):
            await self.hang_up(leg)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_PARTING_S):
                # A BYE or CANCEL that is lost is sent again only while the stack runs.
                await asyncio.gather(*(leg.parted.wait() for leg in self._parting))
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_DRAIN_S):
                await self._stack.drain()
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)

    async def user_agent(self, account: Account) -> UserAgent:
        """A user agent that refuses calls and transfers from outside; raises `SipStackError`."""
        try:
            agent = await UserAgent.create(self._stack, account, transfer_policy="reject")
        except BaresipError as exc:
            raise SipStackError(f"the SIP stack refuses the account {account.user}: {exc}") from exc
        agent.on_incoming(self._refuse)
        return agent

    def adopt(self, leg: Leg) -> bool:
        """Watch for the events of a leg from now on; False if a live one has the same attempt id."""
        if leg.attempt_id in self._legs:
            return False
        self._legs[leg.attempt_id] = leg
        return True

    def forget(self, leg: Leg) -> None:
        """Watch no more."""
        if self._legs.get(leg.attempt_id) is leg:
            del self._legs[leg.attempt_id]
        if leg.call is not None:
            self._by_handle.pop(leg.call.handle, None)
        if leg.responded and not leg.parted.is_set():
            self._parting.add(leg)
            self._loop.call_later(_PARTING_S, self._part, leg)
        else:
            self._part(leg)

    def _part(self, leg: Leg) -> None:
        self._parting.discard(leg)
        if leg.sip_call_id is not None:
            self._by_call_id.pop(leg.sip_call_id, None)

    @property
    def live_calls(self) -> int:
        """Legs that have not ended, those given up and still waited for included."""
        return len(self._legs)

    async def invite(self, agent: UserAgent, uri: str, headers: dict[str, str]) -> None:
        """Send an INVITE; what becomes of it is told to the adopted leg. Raises `BaresipError`."""
        call = await agent.dial(uri, headers=headers)
        # The leg has a handle of its own, born with the first event. This one would never hear of an end that came
        # before `dial` returned, and would stay subscribed for good.
        self._stack.unsubscribe(call._on_stack_event)

    async def hang_up(self, leg: Leg) -> None:
        """CANCEL or BYE, whichever fits; does nothing for a leg that is gone."""
        if leg.call is None or leg.closed.is_set():
            return
        leg.hanging_up = True
        try:
            await leg.call.hangup()
        except StaleHandleError:
            _log.debug("sip.hangup_crossed", attempt_id=leg.attempt_id)
        except BaresipError as exc:
            _log.error("sip.hangup_failed", attempt_id=leg.attempt_id, error=str(exc))

    def keep(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Run what must outlive the dialling task; it ends with the stack at the latest."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)
        return task

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            _log.error("sip.task_failed", exc_info=error)

    def _event(self, event: StackEvent) -> None:
        if not event.call:
            return
        if event.event is Event.CALL_OUTGOING:
            self._bind(event)
        leg = self._by_handle.get(event.call)
        if leg is None:
            return
        leg.event(event)
        if leg.closed.is_set():
            self.forget(leg)

    def _bind(self, event: StackEvent) -> None:
        """A new outgoing call carries the attempt it belongs to in our own header, before `dial` has returned."""
        leg = self._legs.get(event.headers.get(ATTEMPT_HEADER, ""))
        call = StackCall(self._stack, handle=event.call, ua_handle=event.ua, state=CallState.OUTGOING)
        if leg is None:
            # Its leg was given up while the stack was stuck: nobody would ever hang it up.
            _log.error("sip.unknown_outgoing_call", sip_call_id=event.call_id)
            self.keep(_end(call))
            return
        leg.call = call
        self._by_handle[event.call] = leg
        if event.call_id:
            self._by_call_id[event.call_id] = leg

    def _response_from_thread(self, response: Response) -> None:
        with contextlib.suppress(RuntimeError):  # the loop has closed before the stack
            self._loop.call_soon_threadsafe(self._response, response)

    def _response(self, response: Response) -> None:
        leg = self._by_call_id.get(response.call_id)
        if leg is not None:
            leg.response(response)
            if leg in self._parting and leg.parted.is_set():
                self._part(leg)

    def _key_from_thread(self, key: RefusedKey) -> None:
        with contextlib.suppress(RuntimeError):  # the loop has closed before the stack
            self._loop.call_soon_threadsafe(self._key, key)

    def _key(self, key: RefusedKey) -> None:
        leg = self._by_call_id.get(key.call_id)
        if leg is not None and not leg.closed.is_set():
            leg.key(key.digit)

    def _refuse(self, call: StackCall) -> None:
        _log.warning("sip.incoming_call_refused")
        self.keep(_end(call))


async def _end(call: StackCall) -> None:
    try:
        await call.hangup()
    except BaresipError as exc:
        _log.warning("sip.hangup_failed", error=str(exc))
