"""Browsers for tests: aiortc's own peer connection, in a thread of its own, which echoes, hangs up or presses keys."""

from __future__ import annotations

import asyncio
import contextlib
import json
import uuid
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path

from aiortc import RTCConfiguration, RTCDataChannel, RTCPeerConnection, RTCSessionDescription
from aiortc.mediastreams import MediaStreamError, MediaStreamTrack
from av import AudioFrame, AudioResampler

from storage.clock import SystemClock
from telephony.call import FRAME_MS, SAMPLE_BYTES, Call
from telephony.media.leg import MediaLeg
from telephony.media.thread import LoopThread
from telephony.webrtc.call import BrowserCall
from telephony.webrtc.server import WebRtcServer
from tests.support_media import keys_in
from tests.support_sip import ECHO, HANG_UP, HANG_UP_MS, KEYS, SENT_KEYS

#: A browser that says nothing and presses keys when told to.
QUIET = "quiet"


class _Echo(MediaStreamTrack):
    """Says what was heard."""

    kind = "audio"

    def __init__(self) -> None:
        super().__init__()
        self.frames: asyncio.Queue[AudioFrame] = asyncio.Queue()

    async def recv(self) -> AudioFrame:
        return await self.frames.get()


class Browser:
    """One peer connection; its methods run in the browsers' thread. `heard` is at the rate that was asked for."""

    def __init__(self, behaviour: str, rate_hz: int) -> None:
        self.heard = bytearray()
        self._behaviour = behaviour
        self._resampler = AudioResampler(format="s16", layout="mono", rate=rate_hz)
        self._tasks: set[asyncio.Task[None]] = set()

    async def offer(self) -> str:
        self.pc = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        self._echo = _Echo()
        self.pc.addTrack(self._echo)
        self.pc.on("track", lambda track: self._begin(self._listen(track)))
        channel = self.channel = self.pc.createDataChannel("call")
        channel.on("open", lambda: self._begin(self._behave(channel)))
        await self.pc.setLocalDescription(await self.pc.createOffer())
        return str(self.pc.localDescription.sdp)

    async def take(self, answer: str) -> None:
        await self.pc.setRemoteDescription(RTCSessionDescription(answer, "answer"))

    async def press(self, key: str) -> None:
        """A key, or whatever else is sent for one."""
        self.channel.send(json.dumps({"type": "key", "key": key}))

    async def close(self) -> None:
        await self.pc.close()

    async def _listen(self, track: MediaStreamTrack) -> None:
        with contextlib.suppress(MediaStreamError):
            while True:
                frame = await track.recv()
                assert isinstance(frame, AudioFrame)
                if self._behaviour != QUIET:
                    self._echo.frames.put_nowait(frame)
                for part in self._resampler.resample(frame):
                    self.heard += bytes(part.planes[0])[: part.samples * SAMPLE_BYTES]

    async def _behave(self, channel: RTCDataChannel) -> None:
        if self._behaviour == HANG_UP:
            await asyncio.sleep(HANG_UP_MS / 1000)
            await self.pc.close()
        elif self._behaviour == KEYS:
            await asyncio.sleep(0.2)
            for key in SENT_KEYS:
                channel.send(json.dumps({"type": "key", "key": key}))

    def _begin(self, work: object) -> None:
        task: asyncio.Task[None] = asyncio.get_running_loop().create_task(work)  # type: ignore[arg-type]
        self._tasks.add(task)


@dataclass
class BrowserFarEnd:
    """A server, and browsers that call it."""

    server: WebRtcServer
    thread: LoopThread
    rate_hz: int
    browsers: list[Browser] = field(default_factory=list)
    #: Opus is coded in frames of 20 ms behind what ours hands over.
    flush_slack_ms: int = 4 * FRAME_MS

    @property
    def heard_rate_hz(self) -> int:
        return self.rate_hz

    async def call(self, number: str = ECHO) -> Call:
        """A connected call."""
        browser = Browser(number, self.rate_hz)
        self.browsers.append(browser)
        leg, answer = await self.server.answer(await self.thread.run(browser.offer()), self.rate_hz)
        await self.thread.run(browser.take(answer))
        await leg.connected(30)
        if number == ECHO:
            await self._until_echoing(leg)
        return BrowserCall(leg, uuid.uuid4().hex, SystemClock())

    async def _until_echoing(self, leg: MediaLeg) -> None:
        """Wait for the echo of silence: codecs and jitter buffers of both ends are set up by the first frames."""
        async with asyncio.timeout(30):
            while leg.statistics.frames_in - leg.statistics.lost_in_ms // FRAME_MS < 10:  # noqa: ASYNC110
                await asyncio.sleep(0.02)

    async def heard(self, calls: int = 1) -> list[bytes]:
        """What each browser heard of calls that have ended."""
        assert len(self.browsers) >= calls
        async with asyncio.timeout(20):
            while any(browser.pc.connectionState != "closed" for browser in self.browsers):  # noqa: ASYNC110
                await asyncio.sleep(0.02)
        return [bytes(browser.heard) for browser in self.browsers]

    async def until_keys(self, count: int) -> list[str]:
        """The keys that the browser hears as tones."""
        async with asyncio.timeout(20):
            while len(keys := keys_in(bytes(self.browsers[0].heard), self.rate_hz)) < count:  # noqa: ASYNC110
                await asyncio.sleep(0.05)
        return keys


def browser_at(rate_hz: int) -> Callable[[str, Path], contextlib.AbstractAsyncContextManager[BrowserFarEnd]]:
    """A server, and browsers whose calls run at this rate."""

    @contextlib.asynccontextmanager
    async def opened(_behaviour: str, _folder: Path) -> AsyncIterator[BrowserFarEnd]:
        thread = LoopThread("browsers", lambda: None)
        try:
            async with WebRtcServer(addresses=["127.0.0.1"]) as server:
                far_end = BrowserFarEnd(server, thread, rate_hz)
                try:
                    yield far_end
                finally:
                    await asyncio.gather(*(thread.run(browser.close()) for browser in far_end.browsers))
        finally:
            await thread.aclose()

    return opened
