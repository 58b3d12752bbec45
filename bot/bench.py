"""How fast a conversation answers: any number of calls at once, with callees who speak as people do on a telephone.

The callees are ends of in-memory calls that measure what they hear: nothing here asks the bot for its own figures.
"""

from __future__ import annotations

import asyncio
import random
import resource
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Final

import numpy as np

from bot.bench_parts import Parts, PartsNoted
from bot.conversation import ScriptedConversation, SpeechRuntime
from bot.loopback import LoopbackCall
from bot.outcome import Job, OptOut
from bot.phrasebook import UTTERANCES
from bot.script.loader import load_script
from bot.speech.speaking import Speaker, WarmProgress, WarmResult
from bot.speech.voice_activity import SileroModel, VoiceActivity
from telephony.errors import MediaClosed

RATE_HZ: Final = 8000
_GIVE_UP_S: Final = 8.0
_BARGE_AFTER_S: Final = 1.0
#: A reply has ended when it has been quiet so long.
_REPLY_OVER_S: Final = 0.6
#: µ-law (ITU-T G.711): companding constant.
_MU: Final = 255.0

SCRIPT: Final = """
script: bench
intents:
  never: {samples: [xylophone quartz]}
  answer: {samples: [this is what was said]}
silence: {after_ms: 60000, say: "Hello?", goto: talk}
steps:
  talk:
    - say: Thank you, I have written that down for you. Is there anything else that you would like to tell me today?
    - listen: {intents: {answer: talk, never: talk}, else: talk}
"""
#: What the stand-in for recognition hears: an answer that the script waits for.
HEARD_AT_ONCE: Final = "This is what was said."
#: How long one run may take, for each turn that a call has.
_LONGEST_TURN_S: Final = 40.0


@dataclass(frozen=True)
class Spread:
    """Median, 95th percentile and number of some times in ms."""

    count: int
    p50_ms: int
    p95_ms: int

    @classmethod
    def of(cls, times_ms: Sequence[float]) -> Spread | None:
        """None without any times."""
        if not times_ms:
            return None
        ordered = sorted(times_ms)
        return cls(
            len(ordered), round(median(ordered)), round(ordered[min(len(ordered) - 1, int(len(ordered) * 0.95))])
        )


@dataclass(frozen=True)
class TurnFigures:
    """What so many calls at once came to."""

    calls: int
    #: From the answer to the first sample of the greeting, all calls answered at the same moment.
    answer_to_first_word: Spread | None
    #: From the end of the customer's voice to the first sample of the reply.
    voice_to_voice: Spread | None
    #: From the begin of the customer's voice to the bot's last sample.
    barge_in_stop: Spread | None
    #: Turns to which nothing was answered within 8 s.
    unanswered: int
    #: CPU of this process, callees included, in cores.
    cores: float
    #: Where the time of a reply goes; of `voice_to_voice`.
    parts: Parts = field(default_factory=Parts)
    #: Turns by the model that heard them.
    heard_by: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Utterance:
    """Something to say, as it sounds on a telephone; `begins_s` and `ends_s` bound the voice in it."""

    pcm: bytes
    begins_s: float
    ends_s: float


@dataclass
class _Measured:
    first_word_ms: list[float] = field(default_factory=list)
    voice_to_voice_ms: list[float] = field(default_factory=list)
    barge_in_ms: list[float] = field(default_factory=list)
    unanswered: int = 0


def telephone(pcm: bytes) -> bytes:
    """PCM as it comes out of a µ-law line."""
    samples = np.frombuffer(pcm, dtype="<i2").astype(np.float64) / 32768
    compressed = np.sign(samples) * np.log1p(_MU * np.abs(samples)) / np.log1p(_MU)
    quantised = np.round(compressed * 127) / 127
    expanded = np.sign(quantised) * np.expm1(np.abs(quantised) * np.log1p(_MU)) / _MU
    return np.asarray(np.round(expanded * 32767), dtype="<i2").tobytes()


async def utterances(speaker: Speaker, model: SileroModel, texts: Sequence[str] = UTTERANCES) -> list[Utterance]:
    """The texts in the speaker's voice, 8 kHz, through µ-law; those without an audible voice are left out."""
    found = []
    for text in texts:
        pcm = telephone(await speaker.synthesise(text, rate_hz=RATE_HZ))
        voice = VoiceActivity(model, RATE_HZ)
        lead = bytes(RATE_HZ // 2 * 2)
        voice.feed(lead + pcm + bytes(RATE_HZ * 2))
        if voice.voice_end:
            begins_s, ends_s = _first_voice(model, lead + pcm), voice.voice_end / RATE_HZ
            found.append(Utterance(pcm, begins_s - 0.5, ends_s - 0.5))
    return found


async def bench_turn(
    calls: int,
    *,
    speech: SpeechRuntime,
    spoken: Sequence[Utterance],
    turns: int = 80,
    every_s: float = 6.5,
    seed: int = 1,
) -> TurnFigures:
    """Hold `calls` conversations at once, `turns` in all (at least three a call), one every `every_s` in each.

    Every third turn of a callee talks over the reply to the one before.
    """
    conversation = ScriptedConversation(load_script(SCRIPT, "bench"), speech)
    await conversation.warm(rate_hz=RATE_HZ)
    measured, noted = _Measured(), PartsNoted()
    dice = random.Random(seed)  # noqa: S311 - a plan, no secret
    a_call = max(3, -(-turns // calls))
    before, began = _cpu_s(), asyncio.get_running_loop().time()
    async with asyncio.timeout(a_call * _LONGEST_TURN_S), asyncio.TaskGroup() as group:
        for number in range(calls):
            plan = [dice.choice(spoken) for _ in range(a_call)]
            callee = _Callee(LoopbackCall(f"bench-{number}"), plan, every_s, dice.random() * every_s, measured)
            group.create_task(_hold(conversation, callee.call, number, noted))
            group.create_task(callee.live())
    cores = (_cpu_s() - before) / (asyncio.get_running_loop().time() - began)
    return TurnFigures(
        calls=calls,
        answer_to_first_word=Spread.of(measured.first_word_ms),
        voice_to_voice=Spread.of(measured.voice_to_voice_ms),
        barge_in_stop=Spread.of(measured.barge_in_ms),
        unanswered=measured.unanswered,
        cores=round(cores, 3),
        parts=noted.parts(measured.voice_to_voice_ms),
        heard_by=noted.heard_by,
    )


async def bench_answer(calls: int, *, speech: SpeechRuntime, rounds: int = 5) -> Spread | None:
    """From the answer to the first sample of a cached greeting, `calls` answered at the same moment, `rounds` times."""
    conversation = ScriptedConversation(load_script(SCRIPT, "bench"), speech)
    await conversation.warm(rate_hz=RATE_HZ)
    measured = _Measured()
    for _ in range(rounds):
        async with asyncio.timeout(_LONGEST_TURN_S), asyncio.TaskGroup() as group:
            for number in range(calls):
                callee = _Callee(LoopbackCall(f"bench-{number}"), (), 0.0, 0.0, measured)
                group.create_task(_hold(conversation, callee.call, number, PartsNoted()))
                group.create_task(callee.answer())
    return Spread.of(measured.first_word_ms)


async def _hold(conversation: ScriptedConversation, call: LoopbackCall, number: int, noted: PartsNoted) -> None:
    noted.note(await conversation.run(call, _job(number)))


class Uncached:
    """A speaker that has to render every line anew, as one that holds what only this contact is told.

    Another speed, within a quarter of the asked one, makes a line another one to the cache behind it: 501 times.
    """

    def __init__(self, speaker: Speaker) -> None:
        self._speaker = speaker
        self._rendered = 0

    async def synthesise(self, text: str, *, rate_hz: int, speed: float = 1.0) -> bytes:
        """See `Speaker`."""
        return await self._speaker.synthesise(text, rate_hz=rate_hz, speed=self._anew(speed))

    def cached(self, text: str, rate_hz: int, speed: float = 1.0) -> bytes | None:
        """See `Speaker`: never."""
        return None

    def stream(self, text: str, *, rate_hz: int, speed: float = 1.0) -> AsyncIterator[bytes]:
        """See `Speaker`."""
        return self._speaker.stream(text, rate_hz=rate_hz, speed=self._anew(speed))

    async def warm(
        self, texts: Iterable[str], *, rate_hz: int, speed: float = 1.0, progress: WarmProgress | None = None
    ) -> WarmResult:
        """See `Speaker`: nothing is rendered ahead."""
        return WarmResult(0, 0, 0)

    async def aclose(self) -> None:
        """The speaker stays its owner's."""

    def _anew(self, speed: float) -> float:
        # Steps of 0.007, round and round: as many slower as faster ones, and none twice in 501.
        self._rendered += 1
        return speed * (0.75 + self._rendered * 7 % 501 / 1000)


class _Callee:
    """The customer's end of one call: speaks by plan and notes when it hears the bot."""

    def __init__(
        self, call: LoopbackCall, plan: Sequence[Utterance], every_s: float, phase_s: float, measured: _Measured
    ) -> None:
        self.call = call
        self._plan = plan
        self._every_s = every_s
        self._phase_s = phase_s
        self._measured = measured
        self._answered_s = asyncio.get_running_loop().time()
        self._now_s = 0.0
        #: When the bot was heard last, in s after the answer; and when its present words began.
        self._last_s = 0.0
        self._first_s = 0.0

    async def answer(self) -> None:
        """Answer, wait for the first word, hang up."""
        try:
            if await self._listen(until_quiet=False):
                self._measured.first_word_ms.append(self._first_s * 1000)
        except MediaClosed:
            self._measured.unanswered += 1
        finally:
            self.call.hangup_far()

    async def live(self) -> None:
        """Answer, speak every turn, hang up."""
        try:
            await self._listen(until_quiet=True)
            self._measured.first_word_ms.append(self._first_s * 1000)
            await self._wait(self._phase_s)
            for number, utterance in enumerate(self._plan):
                began_s = self._now_s
                await self._turn(utterance, over=number % 3 == 2)
                await self._wait(began_s + self._every_s - self._now_s)
        except MediaClosed:
            self._measured.unanswered += 1
        finally:
            self.call.hangup_far()

    async def _turn(self, utterance: Utterance, *, over: bool) -> None:
        if over:
            await self._talk_over(utterance)
        ended_s = self._now_s + utterance.ends_s
        self.call.far.say(utterance.pcm)
        await self._wait(utterance.ends_s)
        heard = await self._listen(until_quiet=True)
        if heard:
            self._measured.voice_to_voice_ms.append((self._first_s - ended_s) * 1000)
        else:
            self._measured.unanswered += 1

    async def _talk_over(self, utterance: Utterance) -> None:
        """Make the bot speak, and speak into it."""
        self.call.far.say(utterance.pcm)
        await self._wait(utterance.ends_s)
        if not await self._listen(until_quiet=False):
            return
        await self._wait(_BARGE_AFTER_S)
        began_s = self._now_s + utterance.begins_s
        self.call.far.say(utterance.pcm)
        await self._wait(utterance.ends_s)
        if self._last_s > began_s:
            self._measured.barge_in_ms.append((self._last_s - began_s) * 1000)
        await self._listen(until_quiet=True)

    async def _listen(self, *, until_quiet: bool) -> bool:
        """Wait for the bot to begin (and to end); whether it did."""
        began_s, heard = self._now_s, False
        while self._now_s - began_s < _GIVE_UP_S or (heard and until_quiet):
            if await self._frame() and not heard:
                heard, self._first_s = True, self._now_s
            if heard and (not until_quiet or self._now_s - self._last_s > _REPLY_OVER_S):
                return True
        return heard

    async def _wait(self, duration_s: float) -> None:
        until_s = self._now_s + duration_s
        while self._now_s < until_s:
            await self._frame()

    async def _frame(self) -> bool:
        """Let 20 ms pass; whether the bot was heard in them."""
        pcm = await self.call.far.read()
        # By the clock, not by counting frames: a busy machine must not look fast.
        self._now_s = asyncio.get_running_loop().time() - self._answered_s
        if pcm.count(0) == len(pcm):
            return False
        self._last_s = self._now_s
        return True


def _first_voice(model: SileroModel, pcm: bytes) -> float:
    voice = VoiceActivity(model, RATE_HZ)
    for at in range(0, len(pcm), 640):
        if voice.feed(pcm[at : at + 640]):
            break
    return voice.voice_start / RATE_HZ


def _job(number: int) -> Job:
    async def ignore(_: OptOut) -> None:
        return

    return Job(f"bench-{number}", {}, 3600.0, ignore)


def _cpu_s() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime
