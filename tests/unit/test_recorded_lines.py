"""Recorded lines: every usual form of WAV, what is refused, the cache, and how a bot plays one."""

from __future__ import annotations

import wave
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import numpy as np
import pytest
from pipecat.frames.frames import Frame, TTSAudioRawFrame
from structlog.testing import capture_logs

from bot.frames import LineFrame
from bot.speech.errors import BadAudio
from bot.speech.phrases import PhraseCache
from bot.speech.pool import WorkPool
from bot.speech.recorded import Recorded, RecordedLines
from bot.speech.services import Voice
from bot.speech.sound import Samples, from_pcm
from bot.speech.speaking import CachedSpeaker

RATE = 8000


def tone(seconds: float, rate_hz: int, hz: float = 440.0) -> Samples:
    return (0.3 * np.sin(np.arange(int(seconds * rate_hz)) * 2 * np.pi * hz / rate_hz)).astype(np.float32)


def write_wav(path: Path, samples: Samples, rate_hz: int, *, width: int = 2, channels: int = 1) -> Path:
    both = np.repeat(samples[:, None], channels, axis=1).reshape(-1).astype(np.float64)
    if width == 1:
        raw = np.round(both * 127 + 128).astype(np.uint8).tobytes()
    else:
        whole = np.round(both * (2 ** (8 * width - 1) - 1)).astype("<i4")
        raw = whole.view(np.uint8).reshape(-1, 4)[:, :width].tobytes()
    with wave.open(str(path), "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(width)
        file.setframerate(rate_hz)
        file.writeframes(raw)
    return path


@pytest.fixture
def pool() -> Iterator[WorkPool]:
    opened = WorkPool(2)
    yield opened
    opened.close()


@pytest.mark.parametrize("width", [1, 2, 3, 4])
@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("rate_hz", [8000, 22050, 48000])
async def test_every_usual_form_is_played_alike(
    pool: WorkPool, tmp_path: Path, width: int, channels: int, rate_hz: int
) -> None:
    file = write_wav(tmp_path / "a.wav", tone(0.5, rate_hz), rate_hz, width=width, channels=channels)
    recorded = Recorded.read(file)
    assert abs(recorded.duration_ms - 500) <= 1
    sound = from_pcm(await RecordedLines({"a": recorded}, PhraseCache(None), pool).sound("a", RATE))
    assert abs(sound.size / RATE - 0.5) < 0.02
    middle = sound[1000:3000]
    # The level of a telephone, and still the tone of 440 Hz.
    assert -21.0 < 20 * np.log10(float(np.sqrt(np.mean(middle**2)))) < -19.0
    assert abs(float(np.argmax(np.abs(np.fft.rfft(middle)))) * RATE / middle.size - 440.0) <= RATE / middle.size


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", r"a\.wav: no WAV file of plain PCM"),
        (b"RIFF\x00\x00\x00\x00WAVE", r"no WAV file of plain PCM"),
        (b"ID3\x03not a wave at all, an MP3 by another name", r"no WAV file .*; save it as WAV, PCM, mono or stereo"),
    ],
)
def test_what_is_no_recording_is_refused(tmp_path: Path, content: bytes, message: str) -> None:
    file = tmp_path / "a.wav"
    file.write_bytes(content)
    with pytest.raises(BadAudio, match=message):
        Recorded.read(file, "a.wav")


def test_a_recording_that_is_too_long_silent_or_has_many_channels_is_refused(tmp_path: Path) -> None:
    for name, samples, channels, message in (
        ("long.wav", tone(61, 4000), 1, "lasts 61 s; .* at most 60 s"),
        ("mute.wav", np.zeros(8000, np.float32), 1, "nothing is to be heard"),
        ("many.wav", tone(0.2, 4000), 6, "has 6 channels"),
    ):
        with pytest.raises(BadAudio, match=message):
            Recorded.read(write_wav(tmp_path / name, samples, 4000, channels=channels))
    with pytest.raises(BadAudio, match=r"gone\.wav cannot be read: No such file"):
        Recorded.read(tmp_path / "gone.wav")


async def test_a_recording_is_decoded_once_and_kept_with_the_phrases(pool: WorkPool, tmp_path: Path) -> None:
    file = write_wav(tmp_path / "a.wav", tone(0.3, RATE), RATE)
    files = {"a.wav": Recorded.read(file)}
    lines = RecordedLines(files, PhraseCache(tmp_path / "phrases"), pool)
    assert lines.cached("a.wav", RATE) is None
    await lines.warm(rate_hz=RATE)
    pcm = lines.cached("a.wav", RATE)
    assert pcm == await lines.sound("a.wav", RATE)
    file.unlink()
    elsewhere = RecordedLines(files, PhraseCache(tmp_path / "phrases"), pool)
    assert await elsewhere.sound("a.wav", RATE) == pcm


async def test_a_file_that_was_changed_is_not_played_for_the_one_that_was_stored(
    pool: WorkPool, tmp_path: Path
) -> None:
    file = write_wav(tmp_path / "a.wav", tone(0.3, RATE), RATE)
    lines = RecordedLines({"a.wav": Recorded.read(file)}, PhraseCache(None), pool)
    write_wav(file, tone(0.3, RATE, 900.0), RATE)
    with pytest.raises(BadAudio, match="is not the recording that was stored"):
        await lines.sound("a.wav", RATE)
    with pytest.raises(BadAudio, match=r"b\.wav: the bot was stored without this recording"):
        await lines.sound("b.wav", RATE)


class Hum:
    """A voice that hums half as loud as it may."""

    fingerprint = "hum"
    rate_hz = RATE

    def render(self, sentence: str, speed: float) -> Samples:
        return tone(0.05 * len(sentence), RATE, 100.0)


class Pushed(Voice):
    """A voice in the pipeline whose sound is collected."""

    pushed: list[Frame]

    async def push_frame(self, frame: Frame, *_: object) -> None:
        self.pushed.append(frame)


@pytest.fixture
async def said(pool: WorkPool, tmp_path: Path) -> AsyncIterator[Pushed]:
    recorded = {"a.wav": Recorded.read(write_wav(tmp_path / "a.wav", tone(0.4, RATE), RATE))}
    cache = PhraseCache(None)
    speaker = CachedSpeaker(Hum(), cache, pool)
    lines = RecordedLines(recorded, cache, pool)
    voice = Pushed(speaker, rate_hz=RATE, speed=1.0, on_failure=_raise, recorded=lines)
    voice.pushed = []
    yield voice
    await speaker.aclose()


def _raise(error: BaseException) -> None:
    raise error


async def _pitch(voice: Pushed, line: LineFrame) -> float:
    await voice._say(line)
    pcm = b"".join(frame.audio for frame in voice.pushed if isinstance(frame, TTSAudioRawFrame))
    sound = from_pcm(pcm)[400:2400]
    return float(np.argmax(np.abs(np.fft.rfft(sound)))) * RATE / sound.size


async def test_a_line_with_a_recording_is_played_and_others_are_spoken(said: Pushed) -> None:
    assert await _pitch(said, LineFrame(text="Hello there.", audio="a.wav")) == pytest.approx(440, abs=8)
    said.pushed.clear()
    assert await _pitch(said, LineFrame(text="Hello there.")) == pytest.approx(100, abs=8)


async def test_the_voice_says_the_text_of_a_recording_that_cannot_be_had(said: Pushed) -> None:
    with capture_logs() as logs:
        assert await _pitch(said, LineFrame(text="Hello there.", audio="b.wav")) == pytest.approx(100, abs=8)
    assert [entry["event"] for entry in logs] == ["speaking.no_recording"]
