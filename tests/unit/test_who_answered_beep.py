"""The tone of an answering machine, among speech, noise and the network's own tones."""

from __future__ import annotations

import numpy as np
import pytest

from bot.beep import Beep, BeepDetector
from tests.support_sounds import Sound, frames, noise, silence, tone, voice_like


def hear(*parts: Sound) -> list[tuple[int, Beep]]:
    """Each report with the ms after which it came."""
    detector = BeepDetector()
    reports = ((number, detector.feed(pcm)) for number, pcm in enumerate(frames(*parts), 1))
    return [(number * 20, beep) for number, beep in reports if beep is not None]


@pytest.mark.parametrize("frequency_hz", [480, 620, 850, 1000, 1400, 2000])
@pytest.mark.parametrize("ms", [240, 500, 1000])
def test_a_steady_tone_is_a_beep(frequency_hz: int, ms: int) -> None:
    reports = hear(silence(300), tone(frequency_hz, ms), silence(300))
    assert reports
    at, last = reports[-1]
    assert last.ended
    assert abs(last.frequency_hz - frequency_hz) < 5
    assert abs(last.duration_ms - ms) <= 40
    assert 300 + ms <= at <= 300 + ms + 80


def test_it_is_told_while_it_sounds_and_once_when_it_ends() -> None:
    reports = hear(silence(100), tone(1000, 400), silence(200))
    assert reports[0][0] <= 100 + 240
    assert [beep.ended for _, beep in reports].count(True) == 1
    assert not any(beep.ended for _, beep in reports[:-1])


def test_a_beep_in_line_noise_is_heard() -> None:
    assert hear(noise(300, 0.01), tone(1000, 500) + noise(500, 0.02), noise(300, 0.01))


def test_a_quiet_beep_after_speech_is_heard() -> None:
    assert hear(voice_like(2000), silence(200), tone(900, 400, level=0.02), silence(200))


def test_one_lost_packet_does_not_cut_a_beep_in_two() -> None:
    beep = tone(1000, 600)
    beep[2400:2480] = 0.0
    ended = [report for _, report in hear(silence(200), beep, silence(200)) if report.ended]
    assert len(ended) == 1
    assert ended[0].duration_ms >= 500


@pytest.mark.parametrize(
    "sound",
    [
        silence(3000),
        noise(3000, 0.2),
        voice_like(3000),
        voice_like(3000, 210.0),
        voice_like(3000, 380.0),
        tone(1000, 120),
        tone(300, 1000),
        tone(2500, 1000),
        tone(440, 1000) + tone(480, 1000),
        tone(480, 1000) + tone(620, 1000),
        tone(400, 1000),
        tone(425, 1000),
        tone(440, 2000),
        tone(450, 1000),
        tone(697, 400) + tone(1209, 400),
        tone(1000, 1000, level=0.002),
        0.3 * np.sin(2 * np.pi * np.cumsum(np.linspace(400, 2000, 8000)) / 8000),
    ],
    ids=[
        "silence",
        "noise",
        "man",
        "woman",
        "child",
        "too short",
        "too low",
        "too high",
        "ringing",
        "busy",
        "ringing at 400 Hz",
        "ringing at 425 Hz",
        "ringing at 440 Hz",
        "ringing at 450 Hz",
        "a key",
        "too quiet",
        "siren",
    ],
)
def test_what_is_no_beep(sound: Sound) -> None:
    assert hear(silence(200), sound, silence(200)) == []


def test_wide_band_audio_works_alike() -> None:
    detector = BeepDetector(16000)
    pcm = (0.3 * 32767 * np.sin(2 * np.pi * 1000 * np.arange(8000) / 16000)).astype("<i2")
    reports = [detector.feed(pcm[start : start + 320].tobytes()) for start in range(0, 8000, 320)]
    beeps = [beep for beep in reports if beep]
    assert beeps
    assert abs(beeps[-1].frequency_hz - 1000) < 5
