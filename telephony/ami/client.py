"""A manager connection that comes back by itself. No action is ever sent twice."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from enum import Enum
from types import TracebackType
from typing import Self

import structlog

from telephony.ami.account import AmiAccount, AmiTimes
from telephony.ami.connection import Connection
from telephony.ami.errors import AmiDisconnected, AmiError, EventsLost
from telephony.ami.protocol import Event, Response

_log = structlog.get_logger(__name__)
_MOST_WAITING = 20_000


class AmiState(Enum):
    """Whether actions can be sent."""

    DISCONNECTED = "disconnected"
    CONNECTED = "connected"
    CLOSED = "closed"


class Subscription:
    """The events from now on, in order: `async for event in subscription`.

    It holds at most `limit` events that nobody has taken yet; one more closes it, and the iteration ends with
    `EventsLost`, so that a slow reader neither holds up the others nor misses an event unknowingly.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._events: deque[Event] = deque()
        self._ready = asyncio.Event()
        self._closed = False
        self._overflowed = False

    def offer(self, event: Event) -> None:
        if self._closed:
            return
        if len(self._events) >= self._limit:
            self._overflowed = True
            self.close()
            return
        self._events.append(event)
        self._ready.set()

    def close(self) -> None:
        self._closed = True
        self._ready.set()

    @property
    def closed(self) -> bool:
        return self._closed

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Event:
        while not self._events:
            if self._overflowed:
                raise EventsLost(f"more than {self._limit} events of Asterisk were waiting; later ones are lost")
            if self._closed:
                raise StopAsyncIteration
            self._ready.clear()
            await self._ready.wait()
        return self._events.popleft()


class AmiClient:
    """`async with AmiClient(account) as client:` or `await client.open()` and `aclose()`."""

    def __init__(self, account: AmiAccount, times: AmiTimes | None = None) -> None:
        self.account = account
        self._times = times or AmiTimes()
        self._connection: Connection | None = None
        self._state = AmiState.DISCONNECTED
        self._connected = asyncio.Event()
        self._subscriptions: list[Subscription] = []
        self._listeners: list[Callable[[AmiState], None]] = []
        self._keeper: asyncio.Task[None] | None = None

    async def open(self) -> Self:
        """Connect and log in; from then on the connection is renewed whenever it is lost.

        Raises `AmiUnreachable`, `LoginRefused` or `AmiProtocolError`.
        """
        self._connection = await Connection.open(self.account, self._times, self._publish)
        self._move(AmiState.CONNECTED)
        self._keeper = asyncio.create_task(self._keep())
        return self

    async def __aenter__(self) -> Self:
        return await self.open()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """End the connection and every subscription. Idempotent."""
        keeper, self._keeper = self._keeper, None
        if keeper is not None:
            keeper.cancel()
            await asyncio.wait([keeper])
        if self._connection is not None:
            await self._connection.aclose()
        self._move(AmiState.CLOSED)
        for subscription in self._subscriptions:
            subscription.close()

    @property
    def state(self) -> AmiState:
        return self._state

    @property
    def connected(self) -> bool:
        return self._state is AmiState.CONNECTED

    @property
    def version(self) -> str:
        """The greeting of the connection, such as `Asterisk Call Manager/11.0.0`."""
        return self._connection.version if self._connection else ""

    @property
    def local_host(self) -> str:
        """Our address as the PBX sees it, unless something in between rewrites addresses."""
        assert self._connection is not None, "not opened"
        return self._connection.local_host

    async def until_connected(self, timeout_s: float) -> bool:
        """Whether there is a connection now, or within a while."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                await self._connected.wait()
        return self.connected

    async def action(
        self,
        name: str,
        fields: Iterable[tuple[str, str]] = (),
        *,
        action_id: str | None = None,
        timeout_s: float | None = None,
    ) -> Response:
        """Send an action once; see `Connection.request` for what it raises."""
        return await self._live().request(name, fields, action_id=action_id, timeout_s=timeout_s)

    async def listed(
        self, name: str, fields: Iterable[tuple[str, str]] = (), *, timeout_s: float | None = None
    ) -> list[Event]:
        """Send an action that answers with a list of events, such as Status; the events."""
        return await self._live().request_list(name, fields, timeout_s=timeout_s)

    def subscribe(self, limit: int = _MOST_WAITING) -> Subscription:
        """The events from now on. They go on after a reconnection, without what happened in between."""
        self._subscriptions = [each for each in self._subscriptions if not each.closed]
        subscription = Subscription(limit)
        self._subscriptions.append(subscription)
        return subscription

    def on_state(self, listener: Callable[[AmiState], None]) -> None:
        """Call `listener` in the event loop with each change; must not block."""
        self._listeners.append(listener)

    def _live(self) -> Connection:
        if self._connection is None or not self.connected:
            raise AmiDisconnected(f"Asterisk at {self.account.address}: not connected now")
        return self._connection

    async def _keep(self) -> None:
        while True:
            assert self._connection is not None
            await self._connection.lost.wait()
            _log.warning("ami.disconnected", asterisk=self.account.address, reason=self._connection.reason)
            self._move(AmiState.DISCONNECTED)
            await self._connection.aclose()
            self._connection = await self._reconnect()
            self._move(AmiState.CONNECTED)

    async def _reconnect(self) -> Connection:
        for wait_s in self._waits():
            await asyncio.sleep(wait_s)
            try:
                return await Connection.open(self.account, self._times, self._publish)
            except AmiError as exc:
                _log.warning("ami.reconnect_failed", asterisk=self.account.address, reason=str(exc))
        raise AssertionError("the waits never end")

    def _waits(self) -> Iterator[float]:
        """Twice as long each time, and each somewhat different, so that many nodes do not return at one instant."""
        wait_s = self._times.first_wait_s
        while True:
            yield wait_s * random.uniform(0.5, 1.0)  # noqa: S311 - spreads load, keeps no secret
            wait_s = min(2 * wait_s, self._times.longest_wait_s)

    def _publish(self, event: Event) -> None:
        for subscription in self._subscriptions:
            subscription.offer(event)

    def _move(self, state: AmiState) -> None:
        if state is self._state:
            return
        _log.debug("ami.state", asterisk=self.account.address, moved=f"{self._state.value} -> {state.value}")
        self._state = state
        if state is AmiState.CONNECTED:
            self._connected.set()
        else:
            self._connected.clear()
        for listener in self._listeners:
            try:
                listener(state)
            except Exception:  # one listener's fault must not cut off the others
                _log.exception("ami.state_listener_failed", state=state.value)
