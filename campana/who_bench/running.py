"""Holds the bot's own conversation with each greeting of the set, in audio time, and takes its verdict."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from bot.conversation import ScriptedConversation, SpeechRuntime
from bot.hearing import HearingParams
from bot.loopback import LoopbackCall
from bot.outcome import Job, OptOut
from bot.script.loader import load_script
from bot.speech.listening import Heard, Listener
from bot.speech.pool import WorkPool
from bot.speech.sound import from_pcm, resample
from bot.speech.speaking import WarmProgress, WarmResult
from bot.speech.turn_end import SmartTurn
from bot.speech.voice_activity import SileroModel
from bot.speech.whisper import RATE_HZ as WHISPER_HZ
from bot.speech.whisper import WINDOWS_S, Whisper, windows
from bot.who_answered import Answerer, Verdict
from campana.who_bench.greetings import Greeting
from campana.who_bench.sounds import RATE_HZ
from campana.who_bench.virtual import VirtualClock, run_virtual
from telephony.errors import MediaClosed

#: What recognition and the verdict on a turn's end are taken to last, ms: medians of stt-base, on its shortest window
#: and on the others, and of smart-turn.
SHORT_RECOGNITION_MS: Final = 150
RECOGNITION_MS: Final = 200
TURN_END_MS: Final = 46
#: The callee hangs up so long after the last sound, and not before this, ms.
_LINGER_MS: Final = 1500
_SHORTEST_MS: Final = 5500

_SCRIPT: Final = """
script: who
silence: {after_ms: 30000, say: "Hello?"}
steps:
  greeting:
    - say: Hello, this is Anna of Bell Finance. I am calling about your invoice of this month.
    - listen:
        ask: Is this a good time to talk about it?
        intents: {"yes": bye, "no": bye}
        reprompt: ["Pardon?", "What?"]
  bye:
    - say: Thank you.
    - listen: {ask: "Anything else?", intents: {"yes": greeting, "no": greeting}}
"""


@dataclass(frozen=True)
class Judged:
    """One greeting and what the bot made of it."""

    greeting: Greeting
    verdicts: tuple[Verdict, ...]
    #: From the answer to the bot's first word.
    first_word_ms: int | None

    @property
    def answerer(self) -> Answerer:
        """The verdict that stood at the end."""
        return self.verdicts[-1].answerer if self.verdicts else Answerer.UNKNOWN

    @property
    def decision_ms(self) -> int | None:
        """From the callee's first sound (from the answer, where there is none) to the verdict that stood."""
        if not self.verdicts:
            return None
        return self.verdicts[-1].decided_ms - (self.greeting.begins_ms or 0)


class InlineListener:
    """Whisper in the caller's own thread, for virtual time; what it read is kept in a file."""

    def __init__(self, model: Whisper, name: str, language: str, cache: Path) -> None:
        self._model = model
        self._name = name
        self._language = language
        self._file = cache / "readings.json"
        self._known: dict[str, str] = json.loads(self._file.read_text()) if self._file.exists() else {}

    async def transcribe(self, pcm: bytes, rate_hz: int) -> Heard:
        """See `Listener`."""
        known = f"{self._name}|{self._language}|{rate_hz}|{WINDOWS_S}|"
        key = hashlib.sha256(known.encode() + pcm).hexdigest()[:32]
        short = windows(len(pcm) / 2 / rate_hz, shortest=self._model.multilingual and self._language == "en")
        lasts_ms = SHORT_RECOGNITION_MS if short[0] == WINDOWS_S[0] else RECOGNITION_MS
        await asyncio.sleep(lasts_ms / 1000)
        if key not in self._known:
            reading = self._model.read(resample(from_pcm(pcm), rate_hz, WHISPER_HZ), self._language)
            self._known[key] = reading.text
        return Heard(self._known[key], 0.0, 0.0, len(pcm) // 2 * 1000 // rate_hz, 0, lasts_ms)

    def save(self) -> None:
        """Write down what was read."""
        self._file.parent.mkdir(parents=True, exist_ok=True)
        self._file.write_text(json.dumps(self._known))

    async def aclose(self) -> None:
        """Nothing to release."""


class InlineTurnEnd:
    """smart-turn in the caller's own thread."""

    def __init__(self, model: SmartTurn) -> None:
        self._model = model

    async def likelihood(self, pcm: bytes, rate_hz: int, *, silence_ms: int) -> float:
        """See `TurnEnd`."""
        await asyncio.sleep(TURN_END_MS / 1000)
        return self._model.probability(pcm, rate_hz, silence_ms)


class Murmur:
    """A voice for the bot that says nothing: a hum as long as its words. Nobody listens to it here."""

    def cached(self, text: str, rate_hz: int, speed: float = 1.0) -> bytes | None:
        """See `Speaker`."""
        samples = rate_hz * 300 * len(text.split()) // 1000
        return (2000 * np.sin(np.arange(samples) / 9)).astype("<i2").tobytes()

    async def synthesise(self, text: str, *, rate_hz: int, speed: float = 1.0) -> bytes:
        """See `Speaker`."""
        return self.cached(text, rate_hz) or b""

    async def stream(self, text: str, *, rate_hz: int, speed: float = 1.0) -> AsyncIterator[bytes]:
        """See `Speaker`."""
        yield self.cached(text, rate_hz) or b""

    async def warm(
        self, texts: Iterable[str], *, rate_hz: int, speed: float = 1.0, progress: WarmProgress | None = None
    ) -> WarmResult:
        """See `Speaker`."""
        return WarmResult(0, 0, 0)

    async def aclose(self) -> None:
        """Nothing to release."""


class Judge:
    """Holds one call after another with the real ears; blocks."""

    def __init__(self, listener: Listener, pool: WorkPool) -> None:
        runtime = SpeechRuntime(listener, Murmur(), InlineTurnEnd(SmartTurn(pool)), SileroModel(), HearingParams())
        script = load_script(_SCRIPT, "who")
        self._conversation = ScriptedConversation(script, runtime, clock=VirtualClock())

    def judge(self, greeting: Greeting) -> Judged:
        """Answer a call with this greeting, and see what the bot thinks."""
        return run_virtual(self._call(greeting))

    async def _call(self, greeting: Greeting) -> Judged:
        call = LoopbackCall("bench", rate_hz=RATE_HZ, clock=VirtualClock())
        call.far.say(greeting.pcm)
        lasts_ms = max(_SHORTEST_MS, greeting.audio_ms + _LINGER_MS)
        async with asyncio.TaskGroup() as group:
            group.create_task(_listen(call, lasts_ms))
            result = await self._conversation.run(call, Job("bench", {}, 120.0, _ignore))
        return Judged(greeting, result.who_answered, result.answer_to_first_word_ms)


async def _listen(call: LoopbackCall, lasts_ms: int) -> None:
    try:
        for _ in range(lasts_ms // 20):
            await call.far.read()
    except MediaClosed:
        return
    call.hangup_far()


async def _ignore(_: OptOut) -> None:
    return
