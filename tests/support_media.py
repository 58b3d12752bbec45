"""Audio connections to telephony/media: the telephone system's side of AudioSocket, written independently of it."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
import threading
import time
import uuid
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Self

import numpy as np

from telephony.call import FRAME_MS, Call, CallEnd, Media
from telephony.media.audiosocket import AudioSocketServer
from telephony.media.leg import MediaEnd, MediaLeg
from telephony.media.server import MediaServer
from telephony.media.websocket import WebSocketServer, dial_string
from telephony.outcomes import HangupBy
from telephony.simulator.network import SimulatedNetwork
from tests.support_asterisk import Asterisk
from tests.support_sip import ECHO, HANG_UP, HANG_UP_MS, KEYS, PERSONAS, SENT_KEYS, samples

_AUDIO = {8000: 0x10, 16000: 0x12}
_ROWS_HZ, _COLUMNS_HZ = (697, 770, 852, 941), (1209, 1336, 1477, 1633)


class AudioSocketPeer:
    """One connection as Asterisk makes it, in a thread of its own: says the UUID, echoes, keeps what it hears.

    `arrivals` are the monotonic times of the audio messages, `sizes` their bytes.
    """

    def __init__(self, host_port: str, call_uuid: uuid.UUID, rate_hz: int = 8000, behaviour: str = ECHO) -> None:
        host, port = host_port.rsplit(":", 1)
        self.rate_hz = rate_hz
        self.heard = bytearray()
        self.arrivals: list[float] = []
        self.kinds: list[int] = []
        self.sizes: set[int] = set()
        self.ended_by: str | None = None
        self.over = threading.Event()
        self.socket = socket.create_connection((host.strip("[]"), int(port)), timeout=10)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.send(0x01, call_uuid.bytes)
        self._behaviour = behaviour
        self._began = time.monotonic()
        self._thread = threading.Thread(target=self._run, name="audiosocket-peer", daemon=True)
        self._thread.start()

    def send(self, kind: int, payload: bytes = b"") -> None:
        self.socket.sendall(struct.pack("!BH", kind, len(payload)) + payload)

    def say(self, pcm: bytes) -> None:
        """One message of audio."""
        self.send(_AUDIO[self.rate_hz], pcm)

    def hang_up(self) -> None:
        with contextlib.suppress(OSError):
            self.ended_by = self.ended_by or "callee"
            self.socket.shutdown(socket.SHUT_RDWR)

    def _run(self) -> None:
        try:
            while self._message():
                self._act()
        except OSError:
            self.ended_by = self.ended_by or "caller"
        finally:
            self.socket.close()
            self.over.set()

    def _message(self) -> bool:
        header = self._exactly(3)
        if not header:
            self.ended_by = self.ended_by or "caller"
            return False
        kind, size = struct.unpack("!BH", header)
        payload = self._exactly(size)
        self.kinds.append(kind)
        if kind == 0x00:
            self.ended_by = "caller"
            return False
        self.arrivals.append(time.monotonic())
        self.sizes.add(size)
        self.heard += payload
        if kind in _AUDIO.values():
            self.say(payload)
        return True

    def _exactly(self, size: int) -> bytes:
        parts = b""
        while len(parts) < size:
            part = self.socket.recv(size - len(parts))
            if not part:
                return b""
            parts += part
        return parts

    def _act(self) -> None:
        elapsed_ms = (time.monotonic() - self._began) * 1000
        if self._behaviour == HANG_UP and elapsed_ms > HANG_UP_MS:
            self.hang_up()
        if self._behaviour == KEYS and elapsed_ms > 200:
            self._behaviour = ECHO
            for key in SENT_KEYS:
                self.send(0x03, key.encode())


class LegCall:
    """A leg as the call that a dialer would make of it."""

    def __init__(self, leg: MediaLeg) -> None:
        self.leg = leg
        self.attempt_id = str(leg.call_uuid)
        self.answered_at = datetime.now(UTC)
        self._end: CallEnd | None = None

    @property
    def media(self) -> Media:
        return self.leg.media

    def on_dtmf(self, listener: Callable[[str], None]) -> None:
        self.leg.on_dtmf(listener)

    async def hangup(self) -> None:
        self.leg.hangup()

    async def ended(self) -> CallEnd:
        by = {MediaEnd.US: HangupBy.BOT, MediaEnd.PEER: HangupBy.CUSTOMER, MediaEnd.ERROR: HangupBy.NETWORK}
        end = await self.leg.closed()
        self._end = self._end or CallEnd(by[end], datetime.now(UTC))
        return self._end


@dataclass
class AudioSocketFarEnd:
    """A server and the connections made to it."""

    server: AudioSocketServer
    rate_hz: int = 8000
    peers: list[AudioSocketPeer] = field(default_factory=list)
    flush_slack_ms: int = 2 * FRAME_MS

    @property
    def heard_rate_hz(self) -> int:
        return self.rate_hz

    async def leg(self, behaviour: str = ECHO) -> MediaLeg:
        """A connected leg."""
        leg = self.server.expect(uuid.uuid4(), self.rate_hz)
        peer = await asyncio.to_thread(AudioSocketPeer, self.server.host_port, leg.call_uuid, self.rate_hz, behaviour)
        self.peers.append(peer)
        await leg.connected(10)
        return leg

    async def call(self, behaviour: str = ECHO) -> Call:
        return LegCall(await self.leg(behaviour))

    async def heard(self, calls: int = 1) -> list[bytes]:
        """What each far end heard of calls that have ended."""
        assert len(self.peers) >= calls
        for peer in self.peers:
            assert await asyncio.to_thread(peer.over.wait, 20)
        return [bytes(peer.heard) for peer in self.peers]

    async def until_keys(self, count: int) -> list[str]:
        """The keys that the far end hears as tones."""
        async with asyncio.timeout(20):
            while len(keys := keys_in(bytes(self.peers[0].heard), self.rate_hz)) < count:  # noqa: ASYNC110
                await asyncio.sleep(0.05)
        return keys


def audiosocket_at(rate_hz: int) -> Callable[[str, Path], contextlib.AbstractAsyncContextManager[AudioSocketFarEnd]]:
    """A server, and connections to it at this rate."""

    @contextlib.asynccontextmanager
    async def opened(_behaviour: str, _folder: Path) -> AsyncIterator[AudioSocketFarEnd]:
        async with await AudioSocketServer.open() as server:
            far_end = AudioSocketFarEnd(server, rate_hz)
            try:
                yield far_end
            finally:
                for peer in far_end.peers:
                    peer.hang_up()

    return opened


@dataclass
class AsteriskFarEnd:
    """Asterisk, which calls the simulated network and connects each answered call to our server."""

    server: MediaServer
    network: SimulatedNetwork
    manager: Manager
    rate_hz: int = 8000
    heard_rate_hz: int = 8000
    flush_slack_ms: int = 2 * FRAME_MS

    async def call(self, number: str = ECHO) -> Call:
        leg = self.server.expect(uuid.uuid4(), self.rate_hz)
        await self.manager.originate(
            Channel=f"PJSIP/{number}@trunk",
            Application="AudioSocket",
            Data=f"{leg.call_uuid},{self.server.host_port}",
        )
        await leg.connected(20)
        return LegCall(leg)

    async def heard(self, calls: int = 1) -> list[bytes]:
        return [record.heard_pcm for record in await self.network.all_ended(calls)]

    async def until_keys(self, count: int) -> list[str]:
        """The keys that the callee hears as tones."""
        async with asyncio.timeout(20):
            while len(keys := keys_in(self.network.calls[0].heard_pcm, 8000)) < count:  # noqa: ASYNC110
                await asyncio.sleep(0.05)
        return keys


@dataclass
class WebSocketFarEnd(AsteriskFarEnd):
    """The same by chan_websocket; how much it has played is known as late as its marks come."""

    flush_slack_ms: int = 200

    async def call(self, number: str = ECHO) -> Call:
        leg = self.server.expect(uuid.uuid4(), self.rate_hz)
        await self.manager.originate(
            Channel=f"PJSIP/{number}@trunk",
            Application="Dial",
            Data=dial_string("media", leg.call_uuid, self.rate_hz),
        )
        await leg.connected(20)
        return LegCall(leg)


class Manager:
    """Just enough of Asterisk's manager interface to place calls."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer
        self._one_at_a_time = asyncio.Lock()

    @classmethod
    async def login(cls, pbx: Asterisk) -> Self:
        manager = cls(*await asyncio.open_connection("127.0.0.1", pbx.ami_port))
        await manager.send(Action="Login", Username=pbx.ami_user, Secret=pbx.ami_secret, Events="off")
        return manager

    async def originate(self, **headers: str) -> None:
        await self.send(Action="Originate", Async="true", **headers)

    async def send(self, **headers: str) -> None:
        self._writer.write("".join(f"{name}: {value}\r\n" for name, value in headers.items()).encode() + b"\r\n")
        async with self._one_at_a_time, asyncio.timeout(20):
            answer = await self._reader.readuntil(b"\r\n\r\n")
        assert b"Response: Success" in answer, answer

    async def aclose(self) -> None:
        self._writer.close()
        with contextlib.suppress(ConnectionError):
            await self._writer.wait_closed()


@contextlib.asynccontextmanager
async def audiosocket_by_asterisk(_behaviour: str, folder: Path) -> AsyncIterator[AsteriskFarEnd]:
    """AudioSocket to a real Asterisk, and the simulated network behind it."""
    async with (
        SimulatedNetwork(PERSONAS) as network,
        Asterisk.start(folder / "asterisk", network.port) as pbx,
        await AudioSocketServer.open() as server,
    ):
        manager = await Manager.login(pbx)
        try:
            yield AsteriskFarEnd(server, network, manager)
        finally:
            await manager.aclose()


def websocket_by_asterisk(
    rate_hz: int,
) -> Callable[[str, Path], contextlib.AbstractAsyncContextManager[WebSocketFarEnd]]:
    """chan_websocket of a real Asterisk, and the simulated network behind it."""

    @contextlib.asynccontextmanager
    async def opened(_behaviour: str, folder: Path) -> AsyncIterator[WebSocketFarEnd]:
        async with (
            SimulatedNetwork(PERSONAS) as network,
            await WebSocketServer.open() as server,
            Asterisk.start(folder / "asterisk", network.port, websockets={"media": server.uri}) as pbx,
        ):
            manager = await Manager.login(pbx)
            try:
                yield WebSocketFarEnd(server, network, manager, rate_hz)
            finally:
                await manager.aclose()

    return opened


def keys_in(pcm: bytes, rate_hz: int) -> list[str]:
    """The keys pressed as tone pairs (ITU-T Q.23), found in windows of 20 ms."""
    size = rate_hz // 50
    heard = samples(pcm)
    keys: list[str] = []
    before: str | None = None
    for start in range(0, len(heard) - size + 1, size):
        key = _key(heard[start : start + size], rate_hz)
        if key is not None and key != before:
            keys.append(key)
        before = key
    return keys


def _key(window: np.ndarray, rate_hz: int) -> str | None:  # type: ignore[type-arg]
    times = np.arange(len(window)) / rate_hz
    power = {
        hz: abs(np.dot(window, np.exp(-2j * np.pi * hz * times))) * 2 / len(window) for hz in _ROWS_HZ + _COLUMNS_HZ
    }
    row, column = max(_ROWS_HZ, key=power.__getitem__), max(_COLUMNS_HZ, key=power.__getitem__)
    if min(power[row], power[column]) < 1000:
        return None
    return ("123A", "456B", "789C", "*0#D")[_ROWS_HZ.index(row)][_COLUMNS_HZ.index(column)]
