"""Sound between two calls, both ways: the customer's and the agent's."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, Final, Protocol

import numpy as np
import numpy.typing as npt
import structlog

from telephony.call import Call, CallEnd, Media, frame_bytes
from telephony.errors import MediaClosed

_log = structlog.get_logger(__name__)

#: What may wait for a side that takes it slowly, beside the 100 ms that its `Media` holds.
WAITING_MS: Final = 100
_SAMPLE_BYTES: Final = 2
#: Half of it is a whole number of samples at either rate.
_TAPS: Final = 49


class CustomerAudio(Protocol):
    """The customer's sound, recorded on its way."""

    @property
    def rate_hz(self) -> int: ...

    def divert(self, taker: Callable[[bytes], None]) -> None:
        """Give each frame of the customer to `taker`, at once and from now on."""
        ...

    async def play(self, pcm: bytes) -> None:
        """Let the customer hear `pcm`; returns when at most 100 ms are ahead. Raises `MediaClosed`."""
        ...


class RateChange:
    """A running sound at another rate: 8000 and 16000 Hz, each to itself or the other.

    A linear-phase low-pass of 3.6 kHz, 1.5 ms late, that gives out as much as it takes in. soxr's streams, which
    `bot.speech.sound` leaves for whole sounds, hand out blocks of 60 to 100 ms.
    """

    def __init__(self, from_hz: int, to_hz: int) -> None:
        if {from_hz, to_hz} - {8000, 16000}:
            raise ValueError(f"no change of rate from {from_hz} to {to_hz} Hz; audio has 8000 or 16000 Hz")
        self._from_hz, self._to_hz = from_hz, to_hz
        self._kept = np.zeros(_TAPS - 1, np.float32)

    def feed(self, pcm: bytes) -> bytes:
        """The next sound, an even number of samples when the rate is halved."""
        if self._from_hz == self._to_hz:
            return pcm
        given = np.frombuffer(pcm, "<i2").astype(np.float32)
        if self._to_hz > self._from_hz:
            spread = np.zeros(2 * given.size, np.float32)
            spread[::2] = 2 * given
            return _as_pcm(self._filtered(spread))
        return _as_pcm(self._filtered(given)[::2])

    def _filtered(self, given: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        sound = np.concatenate((self._kept, given))
        self._kept = sound[sound.size - (_TAPS - 1) :]
        return np.convolve(sound, _LOW_PASS, mode="valid")


def _low_pass() -> npt.NDArray[np.float32]:
    at = np.arange(_TAPS) - _TAPS // 2
    taps = np.sinc(at * 2 * 3600 / 16000) * np.hamming(_TAPS)
    found: npt.NDArray[np.float32] = (taps / taps.sum()).astype(np.float32)
    return found


_LOW_PASS: Final = _low_pass()


def _as_pcm(samples: npt.NDArray[np.float32]) -> bytes:
    return np.clip(np.round(samples), -32768, 32767).astype("<i2").tobytes()


class Pump:
    """Sound one way. What a slow side does not take in time is dropped, the oldest first: no delay builds up."""

    def __init__(self, from_hz: int, to_hz: int, write: Callable[[bytes], Awaitable[None]]) -> None:
        self._rates = RateChange(from_hz, to_hz)
        self._write = write
        self._frame = frame_bytes(to_hz)
        self._waiting = bytearray()
        self._most = self._frame * WAITING_MS // 20
        self._more = asyncio.Event()
        self.dropped_ms = 0

    def put(self, pcm: bytes) -> None:
        """The next sound; never waits."""
        self._waiting += self._rates.feed(pcm)
        excess = len(self._waiting) - self._most
        if excess > 0:
            del self._waiting[:excess]
            self.dropped_ms += excess * 20 // self._frame
        self._more.set()

    async def run(self) -> None:
        """Write until the side that hears is gone."""
        with contextlib.suppress(MediaClosed):
            while True:
                await self._more.wait()
                pcm = bytes(self._waiting[: self._frame])
                del self._waiting[: self._frame]
                if not self._waiting:
                    self._more.clear()
                await self._write(pcm)


class Relay:
    """Joins a customer and an agent until either is gone."""

    def __init__(self, customer: CustomerAudio, agent: Call) -> None:
        self._customer = customer
        self._agent = agent
        self._keys: asyncio.Queue[str] = asyncio.Queue()
        self._to_agent = Pump(customer.rate_hz, agent.media.rate_hz, agent.media.write)
        self._to_customer = Pump(agent.media.rate_hz, customer.rate_hz, customer.play)
        #: The agent was the first to go.
        self.left_by_agent = False

    @property
    def dropped_ms(self) -> int:
        """Sound that came too late for either side."""
        return self._to_agent.dropped_ms + self._to_customer.dropped_ms

    def key(self, digit: str) -> None:
        """Press a key in the customer's place."""
        self._keys.put_nowait(digit)

    async def run(self, customer_ended: Awaitable[CallEnd]) -> None:
        """Join them; returns once one has gone."""
        self._customer.divert(self._to_agent.put)
        agent = (self._agent.ended(), self._hear(), self._to_agent.run(), self._press())
        customer = (customer_ended, self._to_customer.run())
        async with _together(*agent) as of_agent, _together(*customer) as of_customer:
            done, _ = await asyncio.wait({*of_agent, *of_customer}, return_when=asyncio.FIRST_COMPLETED)
            self.left_by_agent = any(task.done() for task in of_agent) and not any(task.done() for task in of_customer)
            for task in done:
                task.result()

    async def _hear(self) -> None:
        with contextlib.suppress(MediaClosed):
            while True:
                self._to_customer.put(await self._agent.media.read())

    async def _press(self) -> None:
        while True:
            digit = await self._keys.get()
            try:
                await self._agent.media.send_dtmf(digit)
            except MediaClosed:
                return
            except Exception:  # a key that cannot be pressed does not end a talk
                _log.exception("relay.key_lost", attempt=self._agent.attempt_id)


@contextlib.asynccontextmanager
async def _together(*waits: Awaitable[Any]) -> AsyncIterator[set[asyncio.Future[Any]]]:
    tasks: set[asyncio.Future[Any]] = {asyncio.ensure_future(wait) for wait in waits}
    try:
        yield tasks
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def tell(media: Media, pcm: bytes) -> bool:
    """Let only the far end of `media` hear `pcm`, to the end; whether it was there all the time.

    What it says meanwhile is heard by nobody.
    """

    async def speak() -> None:
        size = frame_bytes(media.rate_hz)
        for at in range(0, len(pcm), size):
            await media.write(pcm[at : at + size])
        await asyncio.sleep(media.ahead_ms / 1000)

    async def ignore() -> None:
        while True:
            await media.read()

    async with _together(speak(), ignore()) as tasks:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    return all(task.exception() is None for task in done)
