"""Agents for conversations in virtual time: when they pick up, what they hear and say, when they hang up."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from concurrent.futures import Executor, Future
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from bot.loopback import LoopbackCall
from bot.outcome import ConversationResult
from bot.recording import Recordings
from bot.script.language import Script
from telephony.call import Call, NotAnswered
from telephony.errors import MediaClosed
from telephony.outcomes import DialStatus
from telephony.transfer import Target
from tests.support_calls import RATE_HZ, CodedSpeaker, Customer, Line, LoopClock, Words, World, run


class AtOnce(Executor):
    """Runs work where it is given out: virtual time waits for no thread."""

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        done: Future[Any] = Future()
        done.set_result(fn(*args, **kwargs))
        return done


def recordings_in(folder: Path) -> Recordings:
    """Recordings that virtual time does not outrun."""
    found = Recordings(folder)
    found._thread = AtOnce()  # type: ignore[assignment]
    return found


def channels(folder: Path, result: ConversationResult) -> tuple[npt.NDArray[np.int16], npt.NDArray[np.int16]]:
    """What the recording holds of the customer and of the bot or agent."""
    assert result.recording is not None
    assert result.recording.error is None
    both = np.frombuffer((folder / result.recording.path).read_bytes()[44:], "<i2")
    return both[0::2], both[1::2]


#: What an agent does once the call is answered, told the agent's end.
Behaviour = Callable[[Line], Awaitable[None]]


async def stays(agent: Line) -> None:
    """Listens to the end."""
    await agent.call.ended()


@dataclass
class Office:
    """Agents whose telephone rings for `rings_s`; implements `bot.outcome.Agents`.

    `refuses` is why nobody picks up, `raises` what dialling fails of.
    """

    words: Words
    bot: Words
    rings_s: float = 6.0
    refuses: str | None = None
    raises: Exception | None = None
    rate_hz: int = RATE_HZ
    behaviour: Behaviour = stays
    began_at: list[tuple[Target, float]] = field(default_factory=list)
    dialled: list[Target] = field(default_factory=list)
    #: When dialling was given up by whoever waited for it.
    called_off_at: list[float] = field(default_factory=list)
    lines: list[Line] = field(default_factory=list)
    picked_up: asyncio.Event = field(default_factory=asyncio.Event)
    _tasks: list[asyncio.Task[None]] = field(default_factory=list)

    def began(self, target: Target) -> None:
        self.began_at.append((target, asyncio.get_running_loop().time()))

    async def dial(self, target: Target) -> Call | NotAnswered:
        self.dialled.append(target)
        try:
            await asyncio.sleep(self.rings_s)
        except asyncio.CancelledError:
            self.called_off_at.append(asyncio.get_running_loop().time())
            raise
        if self.raises is not None:
            raise self.raises
        if self.refuses is not None:
            return NotAnswered(DialStatus.NOANSWER, LoopClock().now(), rang=True, text=self.refuses)
        return self._answer()

    def _answer(self) -> LoopbackCall:
        call = LoopbackCall(f"agent-{len(self.lines)}", rate_hz=self.rate_hz, clock=LoopClock())
        line = Line(call, self.words, self.bot)
        self.lines.append(line)
        self.picked_up.set()
        self._tasks += [asyncio.create_task(line.listen()), asyncio.create_task(self._behave(line))]
        return call

    async def _behave(self, line: Line) -> None:
        try:
            await self.behaviour(line)
        except MediaClosed:
            return

    async def closed(self) -> None:
        """Wait until no agent is in a call; hangs while one is."""
        for line in self.lines:
            await line.call.ended()
        for task in self._tasks:
            await task


def world_of(script: Script) -> World:
    """A world in which the bot's words are never taken for a person's, wherever they are heard."""
    return World(script, speaker=CodedSpeaker(Words(9000)), words=Words(12000))


def office_of(world: World, **changes: Any) -> Office:
    """An office for `world`'s customer."""
    office = Office(world.words, world.speaker.words, **changes)
    world.agents = office
    return office


def hold_with(world: World, office: Office, customer: Customer) -> tuple[ConversationResult, Line]:
    """Hold one conversation in virtual time, and see every agent out of it."""

    async def main() -> ConversationResult:
        result = await world.call(customer)
        await office.closed()
        return result

    result = run(main())
    assert world.line is not None
    return result, world.line


async def until(at_s: float) -> None:
    """Wait for a moment of virtual time."""
    await asyncio.sleep(at_s - asyncio.get_running_loop().time())


def ringing(pcm: bytes, hz: float, rate_hz: int = RATE_HZ) -> float:
    """The share of a sound's power that is within 30 Hz of `hz`; 0 for silence."""
    samples = np.frombuffer(pcm, "<i2").astype(float)
    power = np.abs(np.fft.rfft(samples)) ** 2
    at = np.fft.rfftfreq(samples.size, 1 / rate_hz)
    return float(power[np.abs(at - hz) < 30].sum() / power.sum()) if power.sum() else 0.0


def babble(seed: int, ms: int, rate_hz: int) -> npt.NDArray[np.int16]:
    """Noise below 2.5 kHz that no other seed resembles."""
    size = ms * rate_hz // 1000
    spectrum = np.fft.rfft(np.random.default_rng(seed).normal(0, 1, ms * 16))
    spectrum[np.fft.rfftfreq(ms * 16, 1 / 16000) > 2500] = 0
    sound = np.fft.irfft(spectrum)[:: 16000 // rate_hz][:size]
    loud: npt.NDArray[np.int16] = (sound / np.abs(sound).max() * 12000).astype("<i2")
    return loud


def likeness(found: npt.NDArray[np.int16], given: npt.NDArray[np.int16], within_ms: int, rate_hz: int) -> float:
    """The best correlation of `given` with `found`, at most `within_ms` late; of all but its end of that length."""
    late = within_ms * rate_hz // 1000
    one = given[: given.size - late].astype(float)
    other = found[: given.size].astype(float)
    assert other.size == given.size, f"only {other.size} of {given.size} samples"
    sums = np.fft.irfft(np.fft.rfft(other, 2 * other.size) * np.conj(np.fft.rfft(one, 2 * other.size)))[:late]
    energy = np.concatenate(([0.0], np.cumsum(other**2)))
    scale = np.sqrt((energy[one.size : one.size + late] - energy[:late]) * np.sum(one**2))
    return float((sums / np.maximum(scale, 1.0)).max())
