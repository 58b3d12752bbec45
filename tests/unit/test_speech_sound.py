"""Sound: PCM both ways, rates, silence at the ends, level."""

from __future__ import annotations

import numpy as np
import pytest

from bot.speech.errors import BadAudio
from bot.speech.sound import Samples, from_pcm, level, resample, silence, to_pcm, trim

RATE = 8000


def _tone(duration_s: float, *, rate_hz: int = RATE, frequency_hz: float = 440.0, amplitude: float = 0.5) -> Samples:
    at = np.arange(int(rate_hz * duration_s)) / rate_hz
    return (amplitude * np.sin(2 * np.pi * frequency_hz * at)).astype(np.float32)


def _db(ratio: float) -> float:
    return float(20 * np.log10(ratio))


def test_pcm_survives_both_ways() -> None:
    pcm = np.array([0, 1, -1, 32767, -32768, 1234], dtype="<i2").tobytes()
    assert to_pcm(from_pcm(pcm)) == pcm


def test_too_loud_is_clipped_not_wrapped() -> None:
    assert np.frombuffer(to_pcm(np.array([2.0, -2.0], np.float32)), "<i2").tolist() == [32767, -32768]


def test_half_a_sample_is_refused() -> None:
    with pytest.raises(BadAudio, match="even number of bytes, not 3"):
        from_pcm(b"abc")


@pytest.mark.parametrize(("from_hz", "to_hz"), [(8000, 16000), (22050, 8000), (16000, 8000)])
def test_resampling_keeps_duration_pitch_and_level(from_hz: int, to_hz: int) -> None:
    tone = resample(_tone(1.0, rate_hz=from_hz), from_hz, to_hz)
    assert abs(tone.size - to_hz) <= 1
    spectrum = np.abs(np.fft.rfft(tone))
    assert abs(int(np.argmax(spectrum)) - 440) <= 1
    middle = tone[to_hz // 4 : to_hz * 3 // 4]
    assert abs(_db(float(np.sqrt(np.mean(middle**2))) / (0.5 / np.sqrt(2)))) < 0.2


def test_resampling_down_leaves_no_aliases() -> None:
    tone = resample(_tone(1.0, rate_hz=22050, frequency_hz=6000.0), 22050, RATE)
    assert float(np.abs(tone[1000:-1000]).max()) < 0.01


def test_the_same_rate_and_nothing_are_left_alone() -> None:
    tone = _tone(0.1)
    assert resample(tone, RATE, RATE) is tone
    assert resample(tone[:0], RATE, 16000).size == 0


def test_silence_has_its_length() -> None:
    assert silence(150, 8000) == bytes(2400)
    assert silence(0, 8000) == b""


def test_silence_at_the_ends_is_cut_to_what_was_asked() -> None:
    quiet = np.zeros(RATE, np.float32)
    trimmed = trim(np.concatenate([quiet, _tone(0.5), quiet]), RATE, lead_ms=30, tail_ms=80)
    assert abs(trimmed.size / RATE - (0.5 + 0.03 + 0.08)) < 0.011
    assert np.flatnonzero(np.abs(trimmed) > 0.05)[0] / RATE < 0.06


def test_speech_at_the_edges_is_kept_whole_without_clicks() -> None:
    tone = _tone(0.5)
    trimmed = trim(tone, RATE)
    assert trimmed.size == tone.size
    assert trimmed[0] == trimmed[-1] == 0.0
    assert tone[1] != 0.0


@pytest.mark.parametrize("samples", [np.zeros(RATE, np.float32), np.empty(0, np.float32), np.zeros(7, np.float32)])
def test_only_silence_leaves_nothing(samples: Samples) -> None:
    assert trim(samples, RATE).size == 0


@pytest.mark.parametrize("amplitude", [0.05, 0.14, 0.4])
def test_level_is_brought_to_twenty_below_full_scale(amplitude: float) -> None:
    levelled = level(_tone(1.0, amplitude=amplitude), RATE)
    assert abs(_db(float(np.sqrt(np.mean(levelled**2)))) - -20.0) < 0.3


def test_gain_is_bounded_and_peaks_stay_below_the_ceiling() -> None:
    faint = _tone(1.0, amplitude=0.005)
    assert abs(_db(float(np.abs(level(faint, RATE)).max() / np.abs(faint).max())) - 12.0) < 0.1
    spiky = _tone(1.0, amplitude=0.05)
    spiky[100] = 0.9
    assert _db(float(np.abs(level(spiky, RATE)).max())) <= -3.0 + 1e-3


def test_pauses_do_not_count_in_the_level() -> None:
    pause = np.zeros(RATE * 3, np.float32)
    alone, among = level(_tone(1.0), RATE), level(np.concatenate([pause, _tone(1.0), pause]), RATE)
    assert abs(float(np.abs(alone).max()) - float(np.abs(among).max())) < 1e-3


def test_silence_is_not_amplified() -> None:
    quiet = np.full(RATE, 1e-5, np.float32)
    assert level(quiet, RATE) is quiet
