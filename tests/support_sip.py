"""Far ends for the contract of calls and audio, and the sounds to recognise in them."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np

from telephony.call import FRAME_MS, Call, CallPhase, Dialer, DialRequest, NotAnswered
from telephony.errors import MediaClosed
from telephony.simulator.network import SimulatedNetwork
from telephony.simulator.persona import Answer, Echo, HangUp, Keys, Persona, RingOut, Wait
from telephony.sip.dialer import SipDialer
from telephony.sip.settings import SipSettings
from telephony.trunk import TrunkConfig
from tests.support_sipp import HOST, answer, ring_out, sipp

Samples = np.ndarray[Any, np.dtype[np.float64]]

ECHO, HANG_UP, KEYS, RING = "+84900000001", "+84900000002", "+84900000003", "+84900000004"
SENT_KEYS = "1590*#"
HANG_UP_MS = 300

PERSONAS = (
    Persona((ECHO,), "echo", Answer(0), (Echo(),)),
    Persona((HANG_UP,), "hangs up", Answer(0), (Wait(HANG_UP_MS), HangUp())),
    Persona((KEYS,), "presses keys", Answer(0), (Wait(200), Keys(SENT_KEYS))),
    Persona((RING,), "lets it ring", RingOut()),
)


@dataclass
class FarEnd:
    """A dialer and whom it reaches."""

    dialer: Dialer
    #: None where the far end is a foreign program that cannot be asked.
    network: SimulatedNetwork | None
    phases: list[CallPhase] = field(default_factory=list)
    #: Rates of the call's audio here and of what the far end keeps.
    rate_hz: int = 8000
    heard_rate_hz: int = 8000
    flush_slack_ms: int = 2 * FRAME_MS
    _dialled: int = 0

    def request(self, number: str, **changes: Any) -> DialRequest:
        self._dialled += 1
        return DialRequest(f"attempt-{self._dialled}", number, **changes)

    async def call(self, number: str = ECHO, **changes: Any) -> Call:
        """An answered call."""
        result = await self.dialer.dial(self.request(number, **changes), self._phase)
        assert not isinstance(result, NotAnswered), result
        return result

    async def heard(self, calls: int = 1) -> list[bytes]:
        """What each far end heard, at `heard_rate_hz`, once at least so many calls have ended."""
        assert self.network is not None, "a foreign program cannot be asked"
        return [record.heard_pcm for record in await self.network.all_ended(calls)]

    async def until_keys(self, count: int) -> list[str]:
        """The keys that reached the first far end, once they are so many."""
        assert self.network is not None, "a foreign program cannot be asked"
        await self.network.until(lambda net: len(net.calls[0].keys) >= count)
        return list(self.network.calls[0].keys)

    def _phase(self, phase: CallPhase, _at: datetime) -> None:
        self.phases.append(phase)


Open = Callable[[str, Path], contextlib.AbstractAsyncContextManager[FarEnd]]


@contextlib.asynccontextmanager
async def simulated(_behaviour: str, _folder: Path) -> AsyncIterator[FarEnd]:
    """The SIP dialer and the simulated network."""
    async with SimulatedNetwork(PERSONAS) as network:
        trunk = TrunkConfig("simulator", HOST, network.port)
        async with SipDialer(trunk, SipSettings(bind=HOST)) as dialer:
            yield FarEnd(dialer, network)


@contextlib.asynccontextmanager
async def foreign(behaviour: str, folder: Path) -> AsyncIterator[FarEnd]:
    """The SIP dialer and SIPp, which plays one scenario whatever the number."""
    scenario = {ECHO: answer(), HANG_UP: answer(bye_after_ms=HANG_UP_MS), RING: ring_out()}[behaviour]
    async with (
        sipp(scenario, folder, echo=True) as peer,
        SipDialer(TrunkConfig("sipp", HOST, peer.port), SipSettings(bind=HOST)) as dialer,
    ):
        yield FarEnd(dialer, None)


def chirp(ms: int, rate_hz: int, *, from_hz: float = 300.0, to_hz: float = 3000.0) -> bytes:
    """A rising tone as PCM; it correlates with itself in one place only."""
    t = np.arange(rate_hz * ms // 1000) / rate_hz
    sweep = from_hz * t + (to_hz - from_hz) * t**2 / (2 * ms / 1000)
    return (9000 * np.sin(2 * np.pi * sweep)).astype("<i2").tobytes()


def tone(ms: int, rate_hz: int, hz: float = 440.0) -> bytes:
    t = np.arange(rate_hz * ms // 1000) / rate_hz
    return (9000 * np.sin(2 * np.pi * hz * t)).astype("<i2").tobytes()


def samples(pcm: bytes) -> Samples:
    return np.frombuffer(pcm, "<i2").astype(np.float64)


def find(needle: bytes, haystack: bytes) -> tuple[int, float]:
    """Where a sound begins, in samples, and how alike it is (1.0: the same up to loudness)."""
    sought, heard = samples(needle), samples(haystack)
    assert len(heard) >= len(sought), "heard less than was sent"
    products = np.correlate(heard, sought, "valid")
    energy = np.convolve(heard**2, np.ones(len(sought)), "valid") * np.sum(sought**2)
    likeness = products / np.sqrt(np.maximum(energy, 1.0))
    best = int(np.argmax(likeness))
    return best, float(likeness[best])


def share_heard(sent: bytes, heard: bytes, rate_hz: int) -> float:
    """The share of 100 ms pieces that came through undamaged.

    A late packet makes a jitter buffer put 20 ms in, which spoils the one piece that it falls into and no other.
    """
    size = rate_hz // 10 * 2
    pieces = [sent[at : at + size] for at in range(0, len(sent), size)]
    return sum(find(piece, heard)[1] > 0.95 for piece in pieces) / len(pieces)


def loud_ms(pcm: bytes, rate_hz: int) -> int:
    """How much of it is sound, in frames of 5 ms."""
    size = rate_hz // 200
    heard = samples(pcm)
    frames = heard[: len(heard) // size * size].reshape(-1, size)
    return int(np.count_nonzero(np.abs(frames).max(axis=1) > 1000)) * 5


class Listener:
    """Reads a call's audio from now on."""

    def __init__(self, call: Call) -> None:
        self.frames: list[bytes] = []
        self._task = asyncio.create_task(self._listen(call))

    async def _listen(self, call: Call) -> None:
        with contextlib.suppress(MediaClosed):
            while True:
                self.frames.append(await call.media.read())

    @property
    def pcm(self) -> bytes:
        return b"".join(self.frames)

    async def until_frames(self, count: int, timeout_s: float = 20.0) -> None:
        async with asyncio.timeout(timeout_s):
            while len(self.frames) < count:  # noqa: ASYNC110 - frames are read by another task
                await asyncio.sleep(0.01)

    async def share_heard(self, sent: bytes, rate_hz: int, share: float, timeout_s: float = 10.0) -> float:
        """The share of `sent` that came through, once it is more than `share` or the time is over."""
        loop = asyncio.get_running_loop()
        until_s = loop.time() + timeout_s
        while True:
            heard = share_heard(sent, self.pcm, rate_hz)
            if heard > share or loop.time() > until_s:
                return heard
            await asyncio.sleep(0.1)

    async def stop(self) -> bytes:
        """End listening; what was heard."""
        self._task.cancel()
        await asyncio.wait([self._task])
        return self.pcm
