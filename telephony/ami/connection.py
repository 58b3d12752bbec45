"""One logged-in connection to a manager interface: requests with their answers, events as they come."""

from __future__ import annotations

import asyncio
import hashlib
import itertools
import ssl
from collections.abc import Callable, Coroutine, Iterable
from dataclasses import dataclass, field
from typing import Final, Self

from telephony.ami.account import AmiAccount, AmiTimes
from telephony.ami.errors import (
    ActionRefused,
    AmiDisconnected,
    AmiError,
    AmiProtocolError,
    AmiTimeout,
    AmiUnreachable,
    LoginRefused,
    PermissionDenied,
)
from telephony.ami.protocol import Decoder, Event, Greeting, Received, Response, encode_action

_READ_BYTES: Final = 65_536
_MOST_LISTED: Final = 100_000

#: What each action needs in `write=` (main/manager.c; any one of several suffices there, the least is named here).
NEEDED: Final = {
    "Originate": "originate",
    "Hangup": "call",
    "Redirect": "call",
    "Status": "call",
    "PlayDTMF": "call",
    "CoreShowChannels": "reporting",
    "UserEvent": "user",
    "MixMonitor": "system",
    "Command": "command",
    "PJSIPShowEndpoint": "system",
}


@dataclass
class _Pending:
    """An action that waits for its response, and for its list if it is to have one."""

    name: str
    listing: bool
    done: asyncio.Future[Response]
    events: list[Event] = field(default_factory=list)
    response: Response | None = None


class Connection:
    """Made by `open`. `lost` is set when it is of no further use, whoever ended it."""

    def __init__(
        self,
        account: AmiAccount,
        times: AmiTimes,
        streams: tuple[asyncio.StreamReader, asyncio.StreamWriter],
        on_event: Callable[[Event], None],
    ) -> None:
        self._account, self._times = account, times
        self._reader, self._writer = streams
        self._on_event = on_event
        self._pending: dict[str, _Pending] = {}
        self._numbers = itertools.count(1)
        self._greeted = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        self.lost = asyncio.Event()
        self.reason = "closed"
        self.version = ""

    @classmethod
    async def open(cls, account: AmiAccount, times: AmiTimes, on_event: Callable[[Event], None]) -> Self:
        """Connect and log in. Raises `AmiUnreachable`, `LoginRefused` or `AmiProtocolError`."""
        try:
            async with asyncio.timeout(times.connect_s):
                streams = await asyncio.open_connection(account.host, account.port, ssl=account.ssl_context())
        except TimeoutError as exc:
            raise AmiUnreachable(f"Asterisk at {account.address} does not answer within {times.connect_s:g} s") from exc
        except ssl.SSLError as exc:
            raise AmiUnreachable(
                f"Asterisk at {account.address}: TLS: {exc.reason or exc}; see tls and tls_ca"
            ) from exc
        except OSError as exc:
            raise AmiUnreachable(f"Asterisk at {account.address}: {exc.strerror or exc}") from exc
        connection = cls(account, times, streams, on_event)
        connection._start(connection._read())
        try:
            await connection._log_in()
        except BaseException:
            await connection.aclose()
            raise
        connection._start(connection._keep_alive())
        return connection

    @property
    def local_host(self) -> str:
        """Our address as the PBX sees it, unless something in between rewrites addresses."""
        return str(self._writer.get_extra_info("sockname")[0])

    async def request(
        self,
        name: str,
        fields: Iterable[tuple[str, str]] = (),
        *,
        action_id: str | None = None,
        timeout_s: float | None = None,
    ) -> Response:
        """Send an action and wait for its response.

        Raises `ActionRefused` (`PermissionDenied`) for an error response, `AmiTimeout`, `AmiDisconnected`,
        `InvalidAction`.
        """
        return (await self._ask(name, fields, action_id, timeout_s, listing=False))[0]

    async def request_list(
        self, name: str, fields: Iterable[tuple[str, str]] = (), *, timeout_s: float | None = None
    ) -> list[Event]:
        """Send an action that answers with a list; its events, without the one that closes the list."""
        return (await self._ask(name, fields, None, timeout_s, listing=True))[1]

    async def aclose(self) -> None:
        """End the connection. Idempotent."""
        self._lose("closed by us")
        current = asyncio.current_task()
        tasks = [task for task in self._tasks if task is not current]
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)

    async def _ask(
        self,
        name: str,
        fields: Iterable[tuple[str, str]],
        action_id: str | None,
        timeout_s: float | None,
        *,
        listing: bool,
    ) -> tuple[Response, list[Event]]:
        if self.lost.is_set():
            raise AmiDisconnected(f"Asterisk at {self._account.address}: not connected: {self.reason}")
        key = action_id or f"campana-{next(self._numbers)}"
        data = encode_action(name, fields, action_id=key)
        pending = _Pending(name, listing, asyncio.get_running_loop().create_future())
        self._pending[key] = pending
        wait_s = self._times.action_s if timeout_s is None else timeout_s
        try:
            self._writer.write(data)
            async with asyncio.timeout(wait_s):
                response = await pending.done
        except TimeoutError as exc:
            raise AmiTimeout(f"Asterisk at {self._account.address}: no answer to {name} within {wait_s:g} s") from exc
        finally:
            self._pending.pop(key, None)
        self._check(name, response)
        return response, pending.events

    def _check(self, name: str, response: Response) -> None:
        if response.success:
            return
        where = f"Asterisk at {self._account.address}"
        if response.text == "Permission denied":
            needed = NEEDED.get(name, "a permission for it")
            raise PermissionDenied(
                f"{where}: {name} is refused: manager user {self._account.user!r} lacks {needed}: add it to write= "
                "in manager.conf, then: manager reload",
                reason=response.text,
            )
        raise ActionRefused(f"{where}: {name} is refused: {response.text}", reason=response.text)

    async def _log_in(self) -> None:
        try:
            async with asyncio.timeout(self._times.connect_s):
                await self._greeted.wait()
        except TimeoutError as exc:
            raise AmiUnreachable(
                f"{self._account.address} accepts connections but sends no greeting; is it the manager port?"
            ) from exc
        try:
            challenge = (await self.request("Challenge", [("AuthType", "MD5")])).get("Challenge")
            # MD5 is what the protocol has; the secret itself never travels.
            digest = hashlib.md5((challenge + self._account.secret).encode(), usedforsecurity=False).hexdigest()
            fields = [("AuthType", "MD5"), ("Username", self._account.user), ("Key", digest), ("Events", "call")]
            await self.request("Login", fields)
        except ActionRefused as exc:
            raise LoginRefused(
                f"Asterisk at {self._account.address} refuses manager user {self._account.user!r}: {exc.reason}; check "
                "user, secret, and deny/permit of that user in manager.conf"
            ) from exc
        except AmiDisconnected as exc:
            raise AmiUnreachable(f"{self._account.address} ended the connection at login: {self.reason}") from exc

    async def _read(self) -> None:
        decoder = Decoder()
        try:
            while data := await self._reader.read(_READ_BYTES):
                for message in decoder.feed(data):
                    self._take(message)
            self._lose("Asterisk closed the connection")
        except AmiProtocolError as exc:
            self._lose(str(exc))
        except OSError as exc:
            self._lose(exc.strerror or type(exc).__name__)

    def _take(self, message: Received) -> None:
        if isinstance(message, Greeting):
            self.version = message.text
            self._greeted.set()
            return
        pending = self._pending.get(message.action_id)
        if isinstance(message, Response):
            self._take_response(pending, message)
        elif pending is not None and pending.listing:
            self._take_listed(pending, message)
        else:
            self._on_event(message)

    def _take_response(self, pending: _Pending | None, response: Response) -> None:
        if pending is None or pending.done.done():
            return
        if pending.listing and response.success:
            pending.response = response
        else:
            pending.done.set_result(response)

    def _take_listed(self, pending: _Pending, event: Event) -> None:
        ends = event.get("EventList") in ("Complete", "Cancelled") or event.name.endswith("Complete")
        if ends and pending.response is not None and not pending.done.done():
            pending.done.set_result(pending.response)
        elif len(pending.events) < _MOST_LISTED:
            pending.events.append(event)

    async def _keep_alive(self) -> None:
        while True:
            await asyncio.sleep(self._times.ping_every_s)
            try:
                await self.request("Ping", timeout_s=self._times.ping_timeout_s)
            except AmiTimeout:
                self._lose(f"no answer to a ping within {self._times.ping_timeout_s:g} s")
                return
            except AmiError:
                return

    def _lose(self, reason: str) -> None:
        if self.lost.is_set():
            return
        self.reason = reason
        self.lost.set()
        self._greeted.set()
        # Abort, not close: a dead peer would keep unsent data and the socket for minutes.
        self._writer.transport.abort()
        for pending in self._pending.values():
            if not pending.done.done():
                pending.done.set_exception(
                    AmiDisconnected(f"Asterisk at {self._account.address}: the connection was lost: {reason}")
                )

    def _start(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
