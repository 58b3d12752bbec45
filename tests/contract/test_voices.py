"""One contract for every voice: ours on this machine, and one that another machine speaks with."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import numpy as np
import pytest

from bot.speech.errors import HostedSpeechFailed, PoolClosed, ServiceUnreachable, SynthesisFailed
from bot.speech.hosted import ServiceSpec
from bot.speech.hosted_voice import HostedSpeaker
from bot.speech.listening import WhisperListener
from bot.speech.phrases import PhraseCache
from bot.speech.pool import WorkPool
from bot.speech.sound import from_pcm, silence
from bot.speech.speaking import PAUSE_MS, CachedSpeaker, PiperSpeaker
from tests.support_openai_speech import KEY, SpeechServer, speech_server

pytestmark = pytest.mark.speech

RATE = 8000
PIPECAT = "pipecat.services.openai.tts.OpenAITTSService"
OURS = "bot.speech.openai_voice.OpenAICompatibleTTSService"
WAIT_S = 60.0


def openai_voice(url: str, path: str = PIPECAT, **other: object) -> ServiceSpec:
    """The server as the settings would name it."""
    values = {"at_once": 4, "timeout_s": WAIT_S, "settings": {"model": "tts-1", "voice": "alloy"}, **other}
    return ServiceSpec("remote", path, {"base_url": url}, secrets={"api_key": "SPEECH_KEY"}, **values)  # type: ignore[arg-type]


@pytest.fixture(autouse=True)
def _key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SPEECH_KEY", KEY)


@asynccontextmanager
async def speaking(spec: ServiceSpec) -> AsyncIterator[HostedSpeaker]:
    """The service as a voice without a cache on disk."""
    speaker = await HostedSpeaker.open(spec, "en", PhraseCache(None))
    try:
        yield speaker
    finally:
        await speaker.aclose()


@pytest.fixture
async def server(joe_voice: PiperSpeaker, base_listener: WhisperListener) -> AsyncIterator[SpeechServer]:
    async with speech_server(joe_voice, base_listener) as opened:
        yield opened
    await joe_voice.aclose()


@pytest.fixture(params=["piper", "pipecat", "ours"])
async def speaker(
    request: pytest.FixtureRequest,
    server: SpeechServer,
    joe_voice: PiperSpeaker,
    speech_pool: WorkPool,
    tmp_path: Path,
) -> AsyncIterator[CachedSpeaker]:
    cache = PhraseCache(tmp_path)
    async with AsyncExitStack() as stack:
        if request.param == "piper":
            opened = CachedSpeaker(joe_voice._voice, cache, speech_pool)
        else:
            spec = openai_voice(server.url, PIPECAT if request.param == "pipecat" else OURS)
            opened = await HostedSpeaker.open(spec, "en", cache)
        stack.push_async_callback(opened.aclose)
        yield opened


def _words(text: str) -> list[str]:
    return re.sub(r"[^a-z ]", "", text.lower()).split()


async def test_its_words_are_understood_at_telephone_level(
    speaker: CachedSpeaker, base_listener: WhisperListener
) -> None:
    pcm = await speaker.synthesise("Could you call me back tomorrow?", rate_hz=RATE)
    assert _words((await base_listener.transcribe(pcm, RATE)).text) == _words("could you call me back tomorrow")
    sound = from_pcm(pcm)
    assert np.flatnonzero(np.abs(sound) > 0.02)[0] / RATE <= 0.06
    assert np.abs(sound).max() <= 0.71
    assert -28.0 < 20 * np.log10(float(np.sqrt(np.mean(sound**2)))) < -16.0


async def test_a_line_is_said_once_and_kept_for_the_next_process(speaker: CachedSpeaker, tmp_path: Path) -> None:
    text = "Hello. This is a test of the cache."
    assert speaker.cached(text, RATE) is None
    pcm = await speaker.synthesise(text, rate_hz=RATE)
    assert speaker.cached(text, RATE) == pcm
    assert b"".join([part async for part in speaker.stream(text, rate_hz=RATE)]) == pcm
    assert len(await asyncio.to_thread(lambda: list(tmp_path.glob("*.pcm")))) == 2
    beside = CachedSpeaker(speaker._voice, PhraseCache(tmp_path), speaker._pool)
    assert beside.cached(text, RATE) == pcm


async def test_sentences_come_one_by_one_with_a_pause_between(speaker: CachedSpeaker) -> None:
    one, both = [await speaker.synthesise(text, rate_hz=RATE) for text in ("One here.", "One here. Two here.")]
    parts = [part async for part in speaker.stream("One here. Two here.", rate_hz=RATE)]
    assert parts[0] == one
    assert parts[1].startswith(silence(PAUSE_MS, RATE))
    assert b"".join(parts) == both


async def test_faster_is_shorter(speaker: CachedSpeaker) -> None:
    text = "Could you call me back tomorrow?"
    slow, fast = [await speaker.synthesise(text, rate_hz=RATE, speed=speed) for speed in (0.8, 1.3)]
    assert len(fast) < len(slow) * 0.85


async def test_equal_lines_at_once_are_said_once_and_others_side_by_side(speaker: CachedSpeaker) -> None:
    texts = ["Good morning.", "Good morning.", "Good evening.", "Good night."]
    sounds = await asyncio.gather(*(speaker.synthesise(text, rate_hz=RATE) for text in texts))
    assert sounds[0] == sounds[1]
    assert len(set(sounds)) == 3


async def test_lines_are_warmed_with_progress(speaker: CachedSpeaker) -> None:
    told: list[tuple[int, int]] = []
    texts = ["Good morning.", "Good evening. Good morning."]
    result = await speaker.warm(texts, rate_hz=RATE, progress=lambda done, of: told.append((done, of)))
    assert (result.rendered, result.cached, result.failed) == (2, 0, ())
    assert told[0] == (0, 2)
    assert told[-1] == (2, 2)
    again = await speaker.warm(["Good morning."], rate_hz=RATE)
    assert (again.rendered, again.cached) == (0, 1)


async def test_a_closed_voice_says_nothing_new(speaker: CachedSpeaker) -> None:
    await speaker.synthesise("Good morning.", rate_hz=RATE)
    await speaker.aclose()
    await speaker.aclose()
    if isinstance(speaker, HostedSpeaker):
        with pytest.raises(PoolClosed):
            await speaker.synthesise("Something else.", rate_hz=RATE)
    assert speaker.cached("Good morning.", RATE)


async def test_a_server_gets_voice_model_and_speed(server: SpeechServer) -> None:
    spec = openai_voice(server.url, OURS, settings={"model": "kokoro", "voice": "af_bella"})
    async with speaking(spec) as speaker:
        await speaker.synthesise("Hello there.", rate_hz=RATE, speed=1.2)
    (asked,) = server.asked
    assert asked.fields == {
        "input": "Hello there.",
        "model": "kokoro",
        "voice": "af_bella",
        "response_format": "pcm",
        "speed": 1.2,
    }


@pytest.mark.parametrize(
    ("path", "status", "message", "retryable"),
    [
        (PIPECAT, 404, r"refuses the request \(HTTP 404\); check its arguments and settings", False),
        (OURS, 404, r"refuses the request \(HTTP 404\)", False),
        (OURS, 429, r"gets too many requests from us \(HTTP 429\); lower its at_once", True),
    ],
)
async def test_what_a_server_answers_is_told_with_a_remedy(
    server: SpeechServer, path: str, status: int, message: str, retryable: bool
) -> None:
    server.status, server.said = status, "cannot say Secret words of Anna."
    async with speaking(openai_voice(server.url, path)) as speaker:
        with pytest.raises(HostedSpeechFailed, match=message) as failed:
            await speaker.synthesise("Secret words of Anna.", rate_hz=RATE)
        assert failed.value.retryable is retryable
        assert "cannot say" in str(failed.value)
        assert "Anna" not in str(failed.value)
        server.status = None
        assert await speaker.synthesise("It works again.", rate_hz=RATE)


async def test_a_wrong_key_is_told_by_the_name_of_its_variable(
    server: SpeechServer, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SPEECH_KEY", "sk-wrong-9876543210zyxwvutsrq")
    async with speaking(openai_voice(server.url)) as speaker:
        with pytest.raises(HostedSpeechFailed, match=r"our credentials \(HTTP 401\); check SPEECH_KEY") as failed:
            await speaker.synthesise("Hello there.", rate_hz=RATE)
    assert "sk-wrong" not in str(failed.value)
    assert "sk-wrong" not in "".join(capfd.readouterr())


async def test_a_server_that_hangs_is_given_up(server: SpeechServer) -> None:
    server.gate.clear()
    async with speaking(openai_voice(server.url, timeout_s=0.5)) as speaker:
        with pytest.raises(HostedSpeechFailed, match=r"no answer within 0\.5 s"):
            await speaker.synthesise("Hello there.", rate_hz=RATE)


async def test_a_server_that_breaks_off_is_asked_once_more_and_then_told(server: SpeechServer) -> None:
    async with speaking(openai_voice(server.url)) as speaker:
        server.cuts = 1
        assert await speaker.synthesise("Good morning.", rate_hz=RATE)
        server.cuts = 2
        with pytest.raises(ServiceUnreachable, match="broke off") as failed:
            await speaker.synthesise("Hello there.", rate_hz=RATE)
        assert failed.value.retryable
        assert await speaker.synthesise("Hello there.", rate_hz=RATE)
    assert len(server.asked) == 5


async def test_closing_breaks_off_what_is_being_said(server: SpeechServer) -> None:
    server.gate.clear()
    async with speaking(openai_voice(server.url)) as speaker:
        saying = asyncio.create_task(speaker.synthesise("Hello there.", rate_hz=RATE))
        async with asyncio.timeout(WAIT_S):
            await server.busy.wait()
            await speaker.aclose()
            with pytest.raises((PoolClosed, asyncio.CancelledError)):
                await saying


async def test_a_service_whose_sound_comes_later_and_in_stereo_is_a_voice_too() -> None:
    async with speaking(ServiceSpec("beep", "tests.support_pipecat_services.BeepTTSService")) as speaker:
        sounds = await asyncio.gather(*(speaker.synthesise(text, rate_hz=RATE) for text in ("Hello.", "Hello there.")))
        assert [round(len(sound) / 2 / RATE, 1) for sound in sounds] == [0.1, 0.2]
        with pytest.raises(ServiceUnreachable, match="closed by the peer"):
            await speaker.synthesise("This will fail.", rate_hz=RATE)
        with pytest.raises(SynthesisFailed, match=r"beep has no setting for speed; use speed 1\.0"):
            await speaker.synthesise("Hello there.", rate_hz=RATE, speed=1.5)
