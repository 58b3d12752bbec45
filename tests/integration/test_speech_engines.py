"""The real voice and the real recognition, each heard by the other, at telephone rate."""

from __future__ import annotations

import asyncio
import hashlib
import re
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import numpy as np
import pytest
from structlog.testing import capture_logs

from bot.speech import whisper
from bot.speech.errors import BadLanguage, SynthesisFailed, VoiceUnavailable
from bot.speech.listening import WhisperListener
from bot.speech.pool import WorkPool
from bot.speech.sound import from_pcm, to_pcm
from bot.speech.speaking import CachedSpeaker, EspeakSpeaker, PiperSpeaker, open_speaker
from bot.speech.voices import EspeakVoice
from models import ModelMissing, ModelStore
from models.errors import UnknownModel
from tests.conftest import tool
from tests.support_speech import model_folder

pytestmark = pytest.mark.speech

RATE = 8000
LINES = (
    "Yes.",
    "No.",
    "Yes, please.",
    "No, thank you.",
    "I am not interested.",
    "How much does it cost?",
    "Could you call me back tomorrow?",
    "Please do not call me again.",
    "That sounds good.",
    "I would like to book it.",
)


def _words(text: str) -> list[str]:
    return re.sub(r"[^a-z' ]", "", text.lower().replace("i'm", "i am")).split()


def _errors(heard: list[str], said: list[str]) -> int:
    """Words inserted, lost or replaced (Levenshtein)."""
    row = list(range(len(said) + 1))
    for at, word in enumerate(heard, 1):
        above, row[0] = row[0], at
        for column, expected in enumerate(said, 1):
            above, row[column] = row[column], min(row[column] + 1, row[column - 1] + 1, above + (word != expected))
    return row[-1]


@pytest.fixture
async def joe(joe_voice: PiperSpeaker) -> AsyncIterator[PiperSpeaker]:
    yield joe_voice
    await joe_voice.aclose()


async def test_what_the_voice_says_is_understood_at_telephone_rate(
    joe: PiperSpeaker, base_listener: WhisperListener
) -> None:
    wrong = said = 0
    for line in LINES:
        heard = await base_listener.transcribe(await joe.synthesise(line, rate_hz=RATE), RATE)
        wrong += _errors(_words(heard.text), _words(line))
        said += len(_words(line))
        assert heard.no_speech_prob < 0.6
        if line in {"Yes.", "No."}:
            assert _words(heard.text) == _words(line)
    assert wrong / said <= 0.1


async def test_the_small_english_model_understands_too(joe: PiperSpeaker, speech_pool: WorkPool) -> None:
    tiny = WhisperListener.load(model_folder("stt-tiny-en"), pool=speech_pool)
    heard = [(await tiny.transcribe(await joe.synthesise(line, rate_hz=RATE), RATE)).text for line in LINES]
    wrong = sum(_errors(_words(text), _words(line)) for text, line in zip(heard, LINES, strict=True))
    assert wrong / sum(len(_words(line)) for line in LINES) <= 0.15
    with pytest.raises(BadLanguage, match="knows English only"):
        tiny.in_language("vi")


async def test_a_decoder_that_loops_on_a_short_window_is_caught(
    joe: PiperSpeaker, base_listener: WhisperListener, monkeypatch: pytest.MonkeyPatch
) -> None:
    pcm = await joe.synthesise("No.", rate_hz=RATE)
    monkeypatch.setattr(whisper, "WINDOWS_S", (2.0, whisper.FULL_WINDOW_S))
    with monkeypatch.context() as unguarded:
        unguarded.setattr(whisper.Reading, "loops", False)
        assert len(_words((await base_listener.transcribe(pcm, RATE)).text)) > 3
    with capture_logs() as logs:
        heard = await base_listener.transcribe(pcm, RATE)
    assert _words(heard.text) == ["no"]
    assert [entry["event"] for entry in logs] == ["listening.looped"]


@pytest.mark.parametrize("amplitude", [0.0, 0.001, 0.01, 0.05])
async def test_noise_and_silence_are_no_words(base_listener: WhisperListener, amplitude: float) -> None:
    noise = np.random.default_rng(1).standard_normal(2 * RATE).astype(np.float32) * np.float32(amplitude)
    heard = await base_listener.transcribe(to_pcm(noise), RATE)
    assert heard.text == ""
    assert heard.audio_ms == 2000


async def test_calls_are_understood_side_by_side(joe: PiperSpeaker, base_listener: WhisperListener) -> None:
    sounds = [await joe.synthesise(line, rate_hz=RATE) for line in LINES[2:6]]
    alone = [(await base_listener.transcribe(pcm, RATE)).text for pcm in sounds]
    together = await asyncio.gather(*(base_listener.transcribe(pcm, RATE) for pcm in sounds))
    assert [heard.text for heard in together] == alone


async def test_lines_begin_at_once_and_have_the_level_of_a_telephone(joe: PiperSpeaker) -> None:
    for line in LINES:
        sound = from_pcm(await joe.synthesise(line, rate_hz=RATE))
        loud = np.flatnonzero(np.abs(sound) > 0.02)
        assert loud[0] / RATE <= 0.06
        assert (sound.size - np.flatnonzero(np.abs(sound) > 0.003)[-1]) / RATE <= 0.12
        assert np.abs(sound).max() <= 0.71
        assert -28.0 < 20 * np.log10(float(np.sqrt(np.mean(sound**2)))) < -16.0


async def test_faster_is_shorter(joe: PiperSpeaker) -> None:
    text = "Could you call me back tomorrow?"
    slow, fast = [await joe.synthesise(text, rate_hz=RATE, speed=speed) for speed in (0.8, 1.3)]
    assert len(fast) < len(slow) * 0.85


async def test_the_cache_gives_what_was_said_first(joe: PiperSpeaker, speech_pool: WorkPool, tmp_path: Path) -> None:
    text = "Hello. This is a test of the cache."
    first = PiperSpeaker.load(model_folder("tts-en-joe"), pool=speech_pool, cache_dir=tmp_path)
    fresh = await first.synthesise(text, rate_hz=RATE)
    assert first.cached(text, RATE) == fresh
    assert b"".join([part async for part in first.stream(text, rate_hz=RATE)]) == fresh
    assert joe.voice == first.voice
    assert (
        PiperSpeaker.load(model_folder("tts-en-joe"), pool=speech_pool, cache_dir=tmp_path).cached(text, RATE) == fresh
    )


SAY = """
import asyncio, hashlib, sys
from pathlib import Path
from bot.speech.environment import prepare_environment
assert prepare_environment()
from bot.speech.speaking import PiperSpeaker

async def main():
    speaker = PiperSpeaker.load(Path(sys.argv[1]), cache_dir=Path(sys.argv[2]))
    result = await speaker.warm(["Good morning.", "Good evening."], rate_hz=8000)
    pcm = speaker.cached("Good morning. Good evening.", 8000)
    await speaker.aclose()
    print(result.rendered, result.cached, hashlib.sha256(pcm).hexdigest())

asyncio.run(main())
"""


def _say(folder: Path, cache: Path) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", SAY, str(folder), str(cache)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2])


def test_two_processes_share_the_cache(tmp_path: Path) -> None:
    folder = model_folder("tts-en-joe")
    first, beside = _say(folder, tmp_path), _say(folder, tmp_path)
    for process in (first, beside):
        process.communicate(timeout=120)
        assert process.returncode == 0
    after = [_say(folder, tmp_path).communicate(timeout=120)[0].split() for _ in range(2)]
    assert after[0][:2] == ["0", "2"]
    assert after[0] == after[1]
    assert len(list(tmp_path.iterdir())) == 2


async def test_a_voice_of_the_catalogue_is_opened_by_its_id(speech_pool: WorkPool) -> None:
    folder = model_folder("tts-en-joe")
    digest = hashlib.sha256((folder / "en_US-joe-medium.onnx").read_bytes()).hexdigest()
    speaker = open_speaker(ModelStore(), "tts-en-joe", pool=speech_pool)
    assert speaker.voice == f"piper:{digest}"
    with pytest.raises(UnknownModel, match="known: tts-en-joe, tts-vi"):
        open_speaker(ModelStore(), "stt-base", pool=speech_pool)


def test_a_folder_without_a_voice_is_named(tmp_path: Path) -> None:
    with pytest.raises(VoiceUnavailable, match=r"should hold one \.onnx voice and holds 0"):
        PiperSpeaker.load(tmp_path)


async def test_vietnamese_falls_back_to_espeak(speech_pool: WorkPool, tmp_path: Path) -> None:
    tool("espeak-ng", "espeak-ng")
    with capture_logs() as logs:
        speaker = open_speaker(ModelStore(tmp_path), "tts-vi", pool=speech_pool)
    assert [entry["event"] for entry in logs] == ["speaking.fallback_voice"]
    assert isinstance(speaker, CachedSpeaker)
    sound = from_pcm(await speaker.synthesise("Xin chào anh.", rate_hz=RATE))
    assert 0.4 < sound.size / RATE < 3.0
    fast = await speaker.synthesise("Xin chào anh.", rate_hz=RATE, speed=2.0)
    assert len(fast) / 2 < sound.size * 0.8
    assert await speaker.synthesise("--help", rate_hz=RATE)


def test_without_espeak_the_missing_voice_is_named(
    speech_pool: WorkPool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ModelMissing, match="campana models fetch tts-vi"):
        open_speaker(ModelStore(tmp_path), "tts-vi", pool=speech_pool)
    with pytest.raises(VoiceUnavailable, match="Debian's package espeak-ng"):
        EspeakSpeaker.load("vi", pool=speech_pool)


def test_a_language_that_espeak_lacks_is_told() -> None:
    tool("espeak-ng", "espeak-ng")
    with pytest.raises(SynthesisFailed, match="espeak-ng failed for voice 'zzz'"):
        EspeakVoice("zzz").render("hello", 1.0)
