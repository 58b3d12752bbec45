"""Calls in virtual time: the real pipeline and script; words are coded in the level of a square wave."""

from __future__ import annotations

import asyncio
import itertools
import selectors
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from bot.conversation import ScriptedConversation, SpeechRuntime
from bot.errands import Outside
from bot.hearing import HearingParams
from bot.loopback import LoopbackCall
from bot.outcome import Agents, ConversationResult, Job, OptOut
from bot.recording import Recordings
from bot.script.language import Script
from bot.speech.listening import Heard
from bot.speech.speaking import WarmProgress, WarmResult
from bot.speech.turn_end import TurnEnd
from bot.speech.voice_activity import SileroModel
from telephony.errors import MediaClosed
from tests.support_speech import AlwaysComplete

RATE_HZ = 8000
START = datetime(2026, 3, 4, 8, 0, tzinfo=UTC)
T = TypeVar("T")


class _Selector(selectors.SelectSelector):
    """Instead of waiting, lets the loop's clock jump."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(0)
        if ready or timeout == 0:
            return ready
        if timeout is None:
            raise RuntimeError("nothing will ever happen: every task waits for another")
        self.now += timeout
        return []


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop in which waiting takes no time. Not for threads: nothing waits for theirs."""

    def __init__(self) -> None:
        self._virtual = _Selector()
        super().__init__(self._virtual)

    def time(self) -> float:
        return self._virtual.now


def run(main: Coroutine[Any, Any, T]) -> T:
    """Run `main` in virtual time; fails when it leaves a task behind."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(_alone(main))


async def _alone(main: Coroutine[Any, Any, T]) -> T:
    result = await asyncio.wait_for(main, 3600)
    await asyncio.sleep(0)
    left = asyncio.all_tasks() - {asyncio.current_task()}
    assert not left, f"left behind: {left}"
    return result


class LoopClock:
    """The wall clock of virtual time."""

    def now(self) -> datetime:
        return START + timedelta(seconds=asyncio.get_running_loop().time())


class LoudIsVoice(SileroModel):
    """Everything above the energy gate is a voice."""

    def __init__(self) -> None:
        pass

    def score(self, samples: npt.NDArray[np.float32], state: Any, rate_hz: int) -> tuple[float, Any]:
        return float(np.abs(samples[-100:]).max() > 0.03), state


class Words:
    """Texts as square waves: each text has a level of its own."""

    def __init__(self, lowest: int = 3000) -> None:
        self._lowest = lowest
        self._levels: dict[str, int] = {}

    def say(self, text: str, ms: int | None = None) -> bytes:
        """`text` as sound, 250 ms a word."""
        level = self._levels.setdefault(text, self._lowest + 10 * len(self._levels))
        ms = 250 * len(text.split()) if ms is None else ms
        return np.resize(np.repeat(np.array([level, -level], "<i2"), 8), ms * RATE_HZ // 1000).tobytes()

    def read(self, pcm: bytes) -> str:
        """The texts in `pcm`, in order."""
        levels = np.abs(np.frombuffer(pcm, "<i2"))
        found = {text: np.flatnonzero(levels == level) for text, level in self._levels.items()}
        heard = sorted((where[0], text) for text, where in found.items() if where.size > 400)
        return " ".join(text for _, text in heard)


@dataclass
class CodedListener:
    """Understands coded words after `delay_s`; fails when told to."""

    words: Words
    delay_s: float = 0.15
    fails: BaseException | None = None
    asked: int = 0

    async def transcribe(self, pcm: bytes, rate_hz: int) -> Heard:
        self.asked += 1
        await asyncio.sleep(self.delay_s)
        if self.fails is not None:
            raise self.fails
        return Heard(self.words.read(pcm), -0.1, 0.0, len(pcm) // 16, 0, round(self.delay_s * 1000))


@dataclass
class CodedSpeaker:
    """The bot's voice, in words of its own; lines in `uncached` take `delay_s`, those in `fails` fail."""

    words: Words = field(default_factory=Words)
    uncached: Iterable[str] = ()
    fails: Iterable[str] = ()
    delay_s: float = 0.2

    async def synthesise(self, text: str, *, rate_hz: int, speed: float = 1.0) -> bytes:
        return b"".join([pcm async for pcm in self.stream(text, rate_hz=rate_hz, speed=speed)])

    def cached(self, text: str, rate_hz: int, speed: float = 1.0) -> bytes | None:
        if any(part in text for part in (*self.uncached, *self.fails)):
            return None
        return self.words.say(text)

    async def stream(self, text: str, *, rate_hz: int, speed: float = 1.0) -> AsyncIterator[bytes]:
        await asyncio.sleep(self.delay_s)
        if any(part in text for part in self.fails):
            raise RuntimeError("the voice is broken")
        yield self.words.say(text)

    async def warm(
        self, texts: Iterable[str], *, rate_hz: int, speed: float = 1.0, progress: WarmProgress | None = None
    ) -> WarmResult:
        return WarmResult(0, 0, 0)

    async def aclose(self) -> None:
        pass


@dataclass
class Line:
    """The customer's end: what it hears, and when."""

    call: LoopbackCall
    words: Words
    bot: Words
    heard: bytearray = field(default_factory=bytearray)

    def say(self, text: str, ms: int | None = None) -> None:
        self.call.far.say(self.words.say(text, ms))

    def noise(self, ms: int) -> None:
        """Loud, and no words."""
        self.call.far.say(b"\x00\x20\x00\xe0" * (ms * RATE_HZ // 4000))

    async def listen(self) -> None:
        try:
            while True:
                self.heard += await self.call.far.read()
        except MediaClosed:
            return

    def level(self, at_ms: int) -> int:
        """The level heard at a time, 0 for silence."""
        at = at_ms * RATE_HZ // 1000 * 2
        return int(np.abs(np.frombuffer(bytes(self.heard[at : at + 2]) or b"\0\0", "<i2"))[0])

    def spans(self) -> list[tuple[str, int, int]]:
        """What the bot was heard to say: text, first and last ms; pauses below 50 ms do not divide."""
        levels = np.abs(np.frombuffer(bytes(self.heard), "<i2")).astype(int)
        found: list[tuple[str, int, int]] = []
        edges = np.flatnonzero(np.diff(np.concatenate(([0], levels, [0]))))
        for begin, end in itertools.pairwise(edges):
            if levels[begin]:
                text = self.bot.read(np.full(500, levels[begin], "<i2").tobytes())
                found.append((text, int(begin) // 8, int(end) // 8))
        return found


#: What the customer does in the call, told the line.
Customer = Callable[[Line], Awaitable[None]]


@dataclass
class World:
    """Everything of one call in virtual time."""

    script: Script
    variables: Mapping[str, str] = field(default_factory=lambda: {"name": "Anna"})
    max_call_s: float = 120.0
    listener: CodedListener | None = None
    speaker: CodedSpeaker = field(default_factory=CodedSpeaker)
    turn_end: TurnEnd = field(default_factory=AlwaysComplete)
    hearing: HearingParams = field(default_factory=HearingParams)
    recordings: Recordings | None = None
    on_opt_out: Callable[[OptOut], Awaitable[None]] | None = None
    words: Words = field(default_factory=Words)
    opt_outs: list[tuple[str, float]] = field(default_factory=list)
    line: Line | None = None
    agents: Agents | None = None
    outside: Outside = field(default_factory=Outside)
    max_transfer_s: float = 7200.0
    #: Makes the customer's call.
    answered: type[LoopbackCall] = LoopbackCall

    async def call(self, customer: Customer) -> ConversationResult:
        """Hold the conversation with `customer`."""
        call = self.answered("attempt-1", rate_hz=RATE_HZ, clock=LoopClock())
        self.line = Line(call, self.words, self.speaker.words)
        async with asyncio.TaskGroup() as group:
            group.create_task(self.line.listen())
            playing = group.create_task(_play(customer, self.line))
            result = await self.conversation().run(call, self.job())
            playing.cancel()
        return result

    def conversation(self) -> ScriptedConversation:
        listener = self.listener or CodedListener(self.words)
        speech = SpeechRuntime(listener, self.speaker, self.turn_end, LoudIsVoice(), self.hearing)
        return ScriptedConversation(
            self.script, speech, recordings=self.recordings, clock=LoopClock(), outside=self.outside
        )

    def job(self) -> Job:
        return Job(
            "attempt-1",
            self.variables,
            self.max_call_s,
            self.on_opt_out or self._opted_out,
            agents=self.agents,
            max_transfer_s=self.max_transfer_s,
        )

    async def _opted_out(self, opt_out: OptOut) -> None:
        self.opt_outs.append((opt_out.evidence, asyncio.get_running_loop().time()))


async def _play(customer: Customer, line: Line) -> None:
    try:
        await customer(line)
    except MediaClosed:
        return


def hold(world: World, customer: Customer) -> tuple[ConversationResult, Line]:
    """Hold one conversation in virtual time."""
    result = run(world.call(customer))
    assert world.line is not None
    return result, world.line


def texts(spans: Sequence[tuple[str, int, int]]) -> list[str]:
    """Only what was said."""
    return [text for text, _, _ in spans]
