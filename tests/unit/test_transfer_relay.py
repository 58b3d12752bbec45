"""Sound between a customer and an agent: both ways, at any two rates, never late; and the tone before it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pytest

from bot.loopback import LoopbackCall
from bot.relay import WAITING_MS, Pump, RateChange, Relay, tell
from bot.ringback import Ringback, cadence_of
from telephony.call import frame_bytes
from telephony.errors import MediaClosed, TelephonyError
from tests.support_calls import LoopClock, run
from tests.support_transfer import babble, likeness, ringing, until

SECOND_MS = 1000


@pytest.mark.parametrize(("from_hz", "to_hz"), [(8000, 16000), (16000, 8000), (8000, 8000), (16000, 16000)])
def test_a_change_of_rate_keeps_the_sound_frame_by_frame(from_hz: int, to_hz: int) -> None:
    rates = RateChange(from_hz, to_hz)
    given, wanted = babble(1, SECOND_MS, from_hz), babble(1, SECOND_MS, to_hz)
    frame = frame_bytes(from_hz)
    pieces = [rates.feed(given.tobytes()[at : at + frame]) for at in range(0, given.nbytes, frame)]
    assert {len(piece) for piece in pieces} == {frame_bytes(to_hz)}
    found = np.frombuffer(b"".join(pieces), "<i2")
    assert likeness(found, wanted, 5, to_hz) > 0.99
    assert np.abs(found).max() == pytest.approx(12000, rel=0.1)


def test_a_halved_rate_has_no_aliases() -> None:
    rates = RateChange(16000, 8000)
    shrill = (12000 * np.sin(2 * np.pi * 6000 * np.arange(16000) / 16000)).astype("<i2")
    found = np.frombuffer(rates.feed(shrill.tobytes()), "<i2")
    assert np.abs(found[100:]).max() < 120


def test_other_rates_are_refused() -> None:
    with pytest.raises(ValueError, match="44100"):
        RateChange(44100, 8000)


class Sink:
    """Takes one piece whenever it is told to."""

    def __init__(self) -> None:
        self.taken: list[bytes] = []
        self.room = asyncio.Semaphore(0)

    async def write(self, pcm: bytes) -> None:
        self.taken.append(pcm)
        await self.room.acquire()


def test_a_slow_side_loses_the_oldest_sound_and_gets_no_delay() -> None:
    async def main() -> tuple[list[int], int]:
        sink = Sink()
        pump = Pump(8000, 8000, sink.write)
        pumping = asyncio.create_task(pump.run())
        for at in range(50):
            pump.put(np.full(160, at, "<i2").tobytes())
            await asyncio.sleep(0.02)
        for _ in range(50):
            sink.room.release()
        await asyncio.sleep(0.1)
        pumping.cancel()
        await asyncio.wait({pumping})
        return [int(np.frombuffer(piece, "<i2")[0]) for piece in sink.taken], pump.dropped_ms

    taken, dropped_ms = run(main())
    # The first was being written; of the others 100 ms waited.
    assert taken == [0, 45, 46, 47, 48, 49]
    assert WAITING_MS == 100
    assert dropped_ms == 44 * 20


class Customer:
    """The customer's end of a relay over a loopback call."""

    def __init__(self, rate_hz: int) -> None:
        self.call = LoopbackCall("customer", rate_hz=rate_hz, clock=LoopClock())
        self.rate_hz = rate_hz
        self.taker: Callable[[bytes], None] = lambda pcm: None

    def divert(self, taker: Callable[[bytes], None]) -> None:
        self.taker = taker

    async def play(self, pcm: bytes) -> None:
        await self.call.media.write(pcm)

    async def read(self) -> None:
        try:
            while True:
                self.taker(await self.call.media.read())
        except MediaClosed:
            return


async def ear(call: LoopbackCall) -> npt.NDArray[np.int16]:
    heard = bytearray()
    try:
        while True:
            heard += await call.far.read()
    except MediaClosed:
        return np.frombuffer(bytes(heard), "<i2")


@pytest.mark.parametrize(("customer_hz", "agent_hz"), [(8000, 16000), (16000, 8000), (8000, 8000)])
def test_each_hears_the_other_and_not_themselves(customer_hz: int, agent_hz: int) -> None:
    async def main() -> tuple[npt.NDArray[np.int16], npt.NDArray[np.int16], Relay]:
        customer = Customer(customer_hz)
        agent = LoopbackCall("agent", rate_hz=agent_hz, clock=LoopClock())
        relay = Relay(customer, agent)
        tasks = [asyncio.create_task(task) for task in (ear(customer.call), ear(agent))]
        reading = asyncio.create_task(customer.read())
        relaying = asyncio.create_task(relay.run(customer.call.ended()))
        customer.call.far.say(babble(1, 3 * SECOND_MS, customer_hz).tobytes())
        agent.far.say(babble(2, 3 * SECOND_MS, agent_hz).tobytes())
        await until(4)
        agent.hangup_far()
        await relaying
        await customer.call.hangup()
        await reading
        return await tasks[0], await tasks[1], relay

    by_customer, by_agent, relay = run(main())
    assert relay.left_by_agent
    assert relay.dropped_ms == 0
    assert likeness(by_agent, babble(1, 3 * SECOND_MS, agent_hz), 200, agent_hz) > 0.97
    assert likeness(by_customer, babble(2, 3 * SECOND_MS, customer_hz), 200, customer_hz) > 0.97
    assert likeness(by_agent, babble(2, 3 * SECOND_MS, agent_hz), 200, agent_hz) < 0.2
    assert likeness(by_customer, babble(1, 3 * SECOND_MS, customer_hz), 200, customer_hz) < 0.2


@pytest.mark.parametrize("by_agent", [True, False])
def test_a_relay_ends_with_whoever_goes_first(by_agent: bool) -> None:
    async def main() -> tuple[bool, float]:
        customer = Customer(8000)
        agent = LoopbackCall("agent", clock=LoopClock())
        relay = Relay(customer, agent)
        ears = [asyncio.create_task(ear(call)) for call in (customer.call, agent)]
        relaying = asyncio.create_task(relay.run(customer.call.ended()))
        await asyncio.sleep(1)
        (agent if by_agent else customer.call).hangup_far()
        await relaying
        at = asyncio.get_running_loop().time()
        await agent.hangup()
        await customer.call.hangup()
        await asyncio.wait(ears)
        return relay.left_by_agent, at

    assert run(main()) == (by_agent, 1.0)


def test_a_key_that_cannot_be_pressed_does_not_end_the_talk(monkeypatch: pytest.MonkeyPatch) -> None:
    pressed: list[str] = []

    async def press(digits: str) -> None:
        if digits == "1":
            raise TelephonyError("the keys could not be sent")
        pressed.append(digits)

    async def main() -> None:
        customer = Customer(8000)
        agent = LoopbackCall("agent", clock=LoopClock())
        monkeypatch.setattr(agent.media, "send_dtmf", press)
        relay = Relay(customer, agent)
        relaying = asyncio.create_task(relay.run(customer.call.ended()))
        await asyncio.sleep(0.1)
        relay.key("1")
        relay.key("2")
        await asyncio.sleep(0.1)
        assert not relaying.done()
        agent.hangup_far()
        await relaying

    run(main())
    assert pressed == ["2"]


def test_whoever_is_told_something_is_told_all_of_it() -> None:
    async def main() -> tuple[bool, float, npt.NDArray[np.int16]]:
        agent = LoopbackCall("agent", clock=LoopClock())
        listening = asyncio.create_task(ear(agent))
        there = await tell(agent.media, babble(3, SECOND_MS, 8000).tobytes())
        at = asyncio.get_running_loop().time()
        await agent.hangup()
        return there, at, await listening

    there, at, heard = run(main())
    assert there
    assert at == pytest.approx(1.0, abs=0.03)
    assert likeness(heard, babble(3, SECOND_MS, 8000), 50, 8000) > 0.99


def test_whoever_hangs_up_was_not_told() -> None:
    async def main() -> bool:
        agent = LoopbackCall("agent", clock=LoopClock())
        listening = asyncio.create_task(ear(agent))
        asyncio.get_running_loop().call_later(0.3, agent.hangup_far)
        there = await tell(agent.media, babble(3, SECOND_MS, 8000).tobytes())
        await listening
        return there

    assert not run(main())


@pytest.mark.parametrize("rate_hz", [8000, 16000])
@pytest.mark.parametrize(
    ("language", "hz", "on_ms", "cycle_ms"),
    [
        ("vi", (425,), 1000, 5000),
        ("vi-VN", (425,), 1000, 5000),
        ("en", (440, 480), 2000, 6000),
        ("de", (425,), 1000, 5000),
    ],
)
def test_the_ringing_tone_is_that_of_the_language(
    language: str, hz: tuple[int, ...], on_ms: int, cycle_ms: int, rate_hz: int
) -> None:
    tone = Ringback(language, rate_hz)
    frames = [tone.frame() for _ in range(2 * cycle_ms // 20)]
    assert {len(frame) for frame in frames} == {frame_bytes(rate_hz)}
    sounding = [any(frame) for frame in frames]
    once = [True] * (on_ms // 20) + [False] * ((cycle_ms - on_ms) // 20)
    assert sounding == once * 2
    assert all(ringing(b"".join(frames[: on_ms // 20]), one, rate_hz) > 0.9 / len(hz) for one in hz)
    assert cadence_of(language).hz == hz
