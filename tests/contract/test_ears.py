"""One contract for all ears: ours on this machine, and those of another."""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from bot.speech.errors import BadAudio, BadService, HostedSpeechFailed
from bot.speech.hosted import ServiceSpec
from bot.speech.hosted_ears import HostedListener
from bot.speech.listening import Listener, WhisperListener
from bot.speech.speaking import PiperSpeaker
from tests.support_openai_speech import KEY, SpeechServer, speech_server

pytestmark = pytest.mark.speech

RATE = 8000
WAIT_S = 60.0
LINES = ("How much does it cost?", "Please do not call me again.")
STREAMING = "tests.support_pipecat_services.CountingSTTService"

OpenEars = Callable[[ServiceSpec, str], Awaitable[HostedListener]]


def openai_ears(url: str, **other: object) -> ServiceSpec:
    """The server as the settings would name it."""
    values = {"timeout_s": WAIT_S, "settings": {"model": "whisper-1"}, **other}
    path = "pipecat.services.openai.stt.OpenAISTTService"
    return ServiceSpec("remote", path, {"base_url": url}, secrets={"api_key": "SPEECH_KEY"}, **values)  # type: ignore[arg-type]


@pytest.fixture(autouse=True)
def _key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SPEECH_KEY", KEY)


@pytest.fixture
async def server(joe_voice: PiperSpeaker, base_listener: WhisperListener) -> AsyncIterator[SpeechServer]:
    async with speech_server(joe_voice, base_listener) as opened:
        yield opened


@pytest.fixture
async def open_ears() -> AsyncIterator[OpenEars]:
    """Ears that are closed however the test ends: what a failed test left open would hold up its event loop's end."""
    async with contextlib.AsyncExitStack() as stack:

        async def opened(spec: ServiceSpec, language: str) -> HostedListener:
            ears = await HostedListener.open(spec, language)
            stack.push_async_callback(ears.aclose)
            return ears

        yield opened


@pytest.fixture(params=["whisper", "pipecat"])
async def listener(
    request: pytest.FixtureRequest, server: SpeechServer, open_ears: OpenEars, base_listener: WhisperListener
) -> Listener:
    return base_listener if request.param == "whisper" else await open_ears(openai_ears(server.url), "en")


def _words(text: str) -> list[str]:
    return re.sub(r"[^a-z ]", "", text.lower()).split()


async def test_what_is_said_is_understood_also_side_by_side(listener: Listener, joe_voice: PiperSpeaker) -> None:
    sounds = [await joe_voice.synthesise(line, rate_hz=RATE) for line in LINES]
    heard = await asyncio.gather(*(listener.transcribe(pcm, RATE) for pcm in sounds))
    assert [_words(each.text) for each in heard] == [_words(line) for line in LINES]
    assert [each.audio_ms for each in heard] == [len(pcm) // 2 * 1000 // RATE for pcm in sounds]
    assert all(each.work_ms > 0 for each in heard)


async def test_silence_is_no_words(listener: Listener) -> None:
    assert (await listener.transcribe(bytes(2 * RATE), RATE)).text == ""


async def test_half_a_sample_is_refused(listener: Listener) -> None:
    with pytest.raises(BadAudio):
        await listener.transcribe(bytes(1601), RATE)


async def test_the_server_is_told_model_and_language(server: SpeechServer, open_ears: OpenEars) -> None:
    ears = await open_ears(openai_ears(server.url), "vi")
    await ears.transcribe(bytes(RATE), RATE)
    assert [asked.fields for asked in server.asked] == [{"model": "whisper-1", "language": "vi"}]


@pytest.mark.parametrize(
    ("status", "message", "retryable"),
    [
        (404, r"refuses the request \(HTTP 404\)", False),
        (503, r"failed inside \(HTTP 503\)", True),
    ],
)
async def test_what_a_server_answers_is_told_with_a_remedy(
    server: SpeechServer, open_ears: OpenEars, status: int, message: str, retryable: bool
) -> None:
    server.status = status
    ears = await open_ears(openai_ears(server.url), "en")
    with pytest.raises(HostedSpeechFailed, match=message) as failed:
        await ears.transcribe(bytes(RATE), RATE)
    assert failed.value.retryable is retryable
    server.status = None
    assert (await ears.transcribe(bytes(RATE), RATE)).text == ""


async def test_a_wrong_key_is_told_by_the_name_of_its_variable(
    server: SpeechServer, open_ears: OpenEars, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SPEECH_KEY", "sk-wrong-9876543210zyxwvutsrq")
    ears = await open_ears(openai_ears(server.url), "en")
    with pytest.raises(HostedSpeechFailed, match=r"our credentials \(HTTP 401\); check SPEECH_KEY") as failed:
        await ears.transcribe(bytes(RATE), RATE)
    assert "sk-wrong" not in str(failed.value)
    assert "sk-wrong" not in "".join(capfd.readouterr())


async def test_a_server_that_hangs_or_is_not_there_is_told(server: SpeechServer, open_ears: OpenEars) -> None:
    server.gate.clear()
    ears = await open_ears(openai_ears(server.url, timeout_s=0.5), "en")
    with pytest.raises(HostedSpeechFailed, match=r"no answer within 0\.5 s"):
        await ears.transcribe(bytes(RATE), RATE)
    nowhere = await open_ears(openai_ears("http://127.0.0.1:9/v1"), "en")
    with pytest.raises(HostedSpeechFailed, match="cannot be reached") as failed:
        await nowhere.transcribe(bytes(RATE), RATE)
    assert failed.value.retryable


@pytest.mark.parametrize("finalizes", [True, False])
async def test_a_service_that_streams_is_given_one_utterance_after_the_other(
    open_ears: OpenEars, finalizes: bool
) -> None:
    spec = ServiceSpec("stream", STREAMING, settings={"finalizes": finalizes}, timeout_s=WAIT_S)
    ears = await open_ears(spec, "vi")
    sounds = [bytes(2 * RATE * seconds) for seconds in (1, 2, 1)]
    heard = await asyncio.gather(*(ears.transcribe(pcm, RATE) for pcm in sounds))
    assert [each.text for each in heard] == ["vi 13 tenths", "vi 23 tenths", "vi 13 tenths"]
    assert (await ears.transcribe(sounds[1], RATE)).text == "vi 23 tenths"


async def test_a_service_that_streams_and_says_nothing_is_given_up(open_ears: OpenEars) -> None:
    spec = ServiceSpec("stream", STREAMING, settings={"deaf": True}, timeout_s=0.3)
    ears = await open_ears(spec, "en")
    with pytest.raises(HostedSpeechFailed, match=r"gave no answer within 0\.3 s"):
        await ears.transcribe(bytes(RATE), RATE)


async def test_a_service_that_refuses_us_at_its_start_is_told_at_once() -> None:
    with pytest.raises(HostedSpeechFailed, match=r"our credentials \(HTTP 403\); check its arguments"):
        await HostedListener.open(ServiceSpec("stream", STREAMING), "xx")


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        (ServiceSpec("a", "nowhere.Service"), r"service a: class: nowhere cannot be imported: .*pip install"),
        (ServiceSpec("a", "Service"), r"class: Service is no STTService; write module and class"),
        (ServiceSpec("a", "pipecat.services.openai.tts.OpenAITTSService"), "is no STTService"),
        (ServiceSpec("a", STREAMING, settings={"volume": 1}), r"settings: unknown volume; known: deaf, extra"),
        (
            ServiceSpec("a", "tests.support_pipecat_services.PoshSTTService"),
            r"arguments: PoshSTTService does not take them: .* 'butler'",
        ),
        (ServiceSpec("a", STREAMING, secrets={"api_key": "NOT_SET_HERE"}), "NOT_SET_HERE is not set; it holds"),
    ],
)
async def test_settings_that_fit_no_service_are_told(spec: ServiceSpec, message: str) -> None:
    with pytest.raises(BadService, match=message):
        await HostedListener.open(spec, "en")
