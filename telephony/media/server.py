"""A server that Asterisk connects the audio of our calls to, in a thread and event loop of its own."""

from __future__ import annotations

import asyncio
import ipaddress
from collections.abc import Callable
from contextlib import suppress
from types import TracebackType
from typing import ClassVar, Self
from uuid import UUID

import structlog

from telephony.errors import MediaServerError
from telephony.media.connection import PARTING_S, Connection, Switchboard
from telephony.media.leg import MediaEnd, MediaLeg, masked
from telephony.media.schedule import Schedule
from telephony.media.thread import LoopThread, Pulse

_log = structlog.get_logger(__name__)

IDENTIFY_S = 5.0
RATES_HZ = (8000, 16000)
#: Connections that have not said yet which call they are for; those that have are bounded by the calls placed.
MOST_UNIDENTIFIED = 64


class MediaServer:
    """Admits each expected call once and keeps its audio flowing, whatever the caller's event loop does.

    `server = await AudioSocketServer.open(…)` and `aclose()`, or `async with`. All methods belong to event loops of
    the caller; `expect` binds a leg to the one that it is called in.
    """

    #: What serves one connection.
    connection: ClassVar[type[Connection]]

    def __init__(self, bind: str, port: int, advertise: str | None, identify_s: float) -> None:
        self._bind, self._port, self._advertise = bind, port, advertise
        self._switchboard = Exchange(identify_s, self.connection)
        self._thread: LoopThread | None = None
        self._pulses: dict[asyncio.AbstractEventLoop, Pulse] = {}

    @classmethod
    async def open(
        cls, bind: str = "127.0.0.1", port: int = 0, advertise: str | None = None, *, identify_s: float = IDENTIFY_S
    ) -> Self:
        """Listen on a local address; `port` 0 lets the kernel choose.

        `advertise` is the host, or host:port, at which the telephone system reaches us, where it is another than
        `bind`: needed when `bind` is every address or lies behind an address translation.
        A connection that does not say within `identify_s` which call it is for is closed.
        Raises `MediaServerError` when the address cannot be used.
        """
        if advertise is None and _is_unspecified(bind):
            raise MediaServerError(
                f"media: bind is {bind}, every address of this machine; "
                "set advertise to the one at which the telephone system reaches it"
            )
        server = cls(bind, port, advertise, identify_s)
        await server._start()
        return server

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    @property
    def host_port(self) -> str:
        """What the telephone system is to connect to, such as `127.0.0.1:40123`."""
        host = self._advertise or self._bind
        if host.startswith("[") or host.count(":") == 1:
            return host if not host.endswith("]") else f"{host}:{self._port}"
        return f"[{host}]:{self._port}" if ":" in host else f"{host}:{self._port}"

    @property
    def live_legs(self) -> int:
        """Calls that are connected now."""
        return len(self._switchboard.connections_by_leg)

    def expect(self, call_uuid: UUID, rate_hz: int = 8000) -> MediaLeg:
        """Admit one connection with this UUID; every other is closed at once.

        Raises `ValueError` for a rate other than 8000 and 16000 Hz and for a UUID that is expected already,
        `MediaServerError` when the server is closed or has died.
        """
        if rate_hz not in RATES_HZ:
            raise ValueError(f"{rate_hz} Hz; a call runs at {' or '.join(map(str, RATES_HZ))} Hz")
        if self._thread is None or self._switchboard.over:
            raise MediaServerError("the media server is closed; no call can be connected to it")
        loop = asyncio.get_running_loop()
        pulse = self._pulses.setdefault(loop, Pulse(loop))
        leg = MediaLeg(call_uuid, rate_hz, pulse, hang_up=self._hang_up, nudge=self._nudge)
        if self._switchboard.expected.setdefault(call_uuid, leg) is not leg:
            raise ValueError(f"call {masked(call_uuid)} is expected already")
        return leg

    async def aclose(self) -> None:
        """Hang up what is live, wait for it to end, stop the thread. Idempotent."""
        thread, self._thread = self._thread, None
        if thread is not None:
            await asyncio.shield(asyncio.create_task(self._close(thread), name="media-close"))

    async def _start(self) -> None:
        thread = LoopThread("media", self._switchboard.thread_over)
        try:
            self._port = await thread.run(self._switchboard.listen(self._bind, self._port))
        except OSError as exc:
            await thread.aclose()
            raise MediaServerError(
                f"media: cannot listen on {self._bind} port {self._port}: {exc.strerror or exc}; "
                "choose an address of this machine and a free port"
            ) from exc
        except BaseException:
            await thread.aclose()
            raise
        self._thread = thread

    async def _close(self, thread: LoopThread) -> None:
        try:
            async with asyncio.timeout(3 * PARTING_S):
                await thread.run(self._switchboard.close())
        except (RuntimeError, TimeoutError):
            _log.error("media.not_closed_in_order")
        finally:
            await thread.aclose()

    def _hang_up(self, leg: MediaLeg) -> None:
        # Withdrawn at once, so that no connection slips in before the thread hears of it.
        self._switchboard.expected.pop(leg.call_uuid, None)
        if self._thread is not None:
            self._thread.submit(lambda: self._switchboard.hang_up(leg))

    def _nudge(self, leg: MediaLeg) -> None:
        if self._thread is not None:
            self._thread.submit(lambda: self._switchboard.flushed(leg))


class Exchange:
    """What lives in the server's thread. Of its attributes `expected` is shared, by single dict operations only."""

    def __init__(self, identify_s: float, make: Callable[[Switchboard], Connection]) -> None:
        self._make = make
        self.identify_s = identify_s
        self.expected: dict[UUID, MediaLeg] = {}
        self.connections_by_leg: dict[MediaLeg, Connection] = {}
        self.over = False
        self._connections: set[Connection] = set()
        self._unidentified = 0
        self._all_gone = asyncio.Event()
        self._server: asyncio.Server | None = None
        self._beating: asyncio.TimerHandle | None = None

    async def listen(self, bind: str, port: int) -> int:
        """Begin to accept; the port."""
        self._loop = asyncio.get_running_loop()
        self._server = await self._loop.create_server(lambda: self._make(self), bind, port, backlog=256)
        return int(self._server.sockets[0].getsockname()[1])

    def accepted(self, connection: Connection) -> bool:
        if self._unidentified >= MOST_UNIDENTIFIED:
            return False
        self._unidentified += 1
        self._connections.add(connection)
        return True

    def admit(self, connection: Connection, call_uuid: UUID) -> MediaLeg | None:
        leg = self.expected.pop(call_uuid, None)
        if leg is not None:
            self._unidentified -= 1
            self.connections_by_leg[leg] = connection
            self._beat_from_now()
        return leg

    def gone(self, connection: Connection) -> None:
        if connection in self._connections:
            self._connections.discard(connection)
            if connection.leg is None:
                self._unidentified -= 1
            else:
                self.connections_by_leg.pop(connection.leg, None)
        if not self._connections:
            self._all_gone.set()

    def hang_up(self, leg: MediaLeg) -> None:
        connection = self.connections_by_leg.get(leg)
        if connection is not None:
            connection.hang_up()

    def flushed(self, leg: MediaLeg) -> None:
        connection = self.connections_by_leg.get(leg)
        if connection is not None:
            connection.flushed()

    async def close(self) -> None:
        """Accept no more, hang up what is live and wait for the far sides."""
        assert self._server is not None
        self._server.close()
        for connection in tuple(self._connections):
            connection.hang_up()
        if self._connections:
            self._all_gone.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout(2 * PARTING_S):
                    await self._all_gone.wait()

    def thread_over(self) -> None:
        """The thread ends: whoever still waits for a call is told, and nothing stays open."""
        self.over = True
        if self._server is not None:
            self._server.close()
        for connection in tuple(self._connections):
            connection.abort()
        for leg in (*self.expected.values(), *self.connections_by_leg):
            leg.pulse.post(_ending(leg))
        self.expected.clear()
        self.connections_by_leg.clear()

    def _beat_from_now(self) -> None:
        if self._beating is None:
            self._schedule = Schedule(self._loop.time())
            self._beating = self._loop.call_at(self._schedule.next_s, self._beat)

    def _beat(self) -> None:
        skipped = self._schedule.skipped
        now_s = self._loop.time()
        due = self._schedule.due(now_s)
        if due:
            self._serve(due, self._schedule.skipped - skipped, now_s)
        self._beating = None
        if self.connections_by_leg:
            self._beating = self._loop.call_at(self._schedule.next_s, self._beat)

    def _serve(self, due: int, skipped: int, now_s: float) -> None:
        pulses = set()
        for leg, connection in tuple(self.connections_by_leg.items()):
            pulses.add(leg.pulse)
            try:
                connection.beat(due, skipped, now_s)
            except Exception:  # one call's fault must not silence the others
                _log.exception("media.beat_failed", call_uuid=masked(leg.call_uuid))
        for pulse in pulses:
            pulse.post()


def _ending(leg: MediaLeg) -> Callable[[], None]:
    return lambda: leg.ended(MediaEnd.ERROR)


def _is_unspecified(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_unspecified
    except ValueError:
        return not host
