"""Finds the tone after which an answering machine records, in audio as it arrives."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np

from telephony.call import FRAME_MS

#: A beep is one tone between these frequencies, held at least so long. Ringing, busy and dial tones of one frequency
#: lie at 400 to 460 Hz (ITU-T E.180): a switchboard that answers and rings on is no machine.
LOWEST_HZ, HIGHEST_HZ = 480, 2000
MIN_TONE_MS = 200
#: Quieter frames are not looked at: −48 dB below full scale.
_FLOOR_RMS = 130.0
#: Share of a frame's energy within 1.5 analysis bins of its peak: a pure tone has 0.99, voices have 0.4 to 0.9.
_PURITY = 0.9
#: A tone stands still; the loudest partial of a voice wanders more than this within 200 ms.
_DRIFT_HZ = 20.0
#: Two windows in a row may fail inside a tone, as packet loss makes them.
_MISSES = 1
_WINDOW_FRAMES = 2
_FFT_SIZE = 1024


@dataclass(frozen=True)
class Beep:
    """A tone that has been held long enough; `ended` once it is over, which is the moment to speak.

    `followed` tells that it ended because another tone began, as the notes of a melody do.
    """

    frequency_hz: float
    duration_ms: int
    ended: bool
    followed: bool = False


@dataclass
class _Tone:
    frequencies: list[float] = field(default_factory=list)
    frames: int = 0
    misses: int = 0

    @property
    def frequency_hz(self) -> float:
        return float(np.median(self.frequencies))


class BeepDetector:
    """Fed with frames of 20 ms (mono, signed 16-bit little-endian PCM at `rate_hz`), tells of a beep.

    Uses one Fourier transform a frame that is loud enough, and nothing in silence.
    """

    def __init__(self, rate_hz: int = 8000, *, lowest_hz: float = LOWEST_HZ, highest_hz: float = HIGHEST_HZ) -> None:
        self._lowest_hz = lowest_hz
        self._highest_hz = highest_hz
        self._rate_hz = rate_hz
        self._window = np.zeros(0, dtype=np.float64)
        self._length = rate_hz * FRAME_MS // 1000 * _WINDOW_FRAMES
        self._shape = np.hanning(self._length)
        self._size = max(_FFT_SIZE, 1 << (self._length - 1).bit_length())
        self._tone: _Tone | None = None

    def feed(self, pcm: bytes) -> Beep | None:
        """The tone that is sounding, if it has lasted 200 ms; once more with `ended` when it stops."""
        frame = np.frombuffer(pcm, dtype="<i2").astype(np.float64)
        self._window = np.concatenate((self._window, frame))[-self._length :]
        frequency = self._pure_tone()
        if frequency is None:
            return self._miss()
        return self._hit(frequency)

    def _hit(self, frequency: float) -> Beep | None:
        tone = self._tone
        if tone is None or abs(tone.frequency_hz - frequency) > _DRIFT_HZ:
            ended = self._finish()
            self._tone = _Tone([frequency], 1)
            return None if ended is None else replace(ended, followed=True)
        tone.frequencies.append(frequency)
        tone.frames += 1 + tone.misses
        tone.misses = 0
        return self._beep(tone, ended=False)

    def _miss(self) -> Beep | None:
        if self._tone is None:
            return None
        self._tone.misses += 1
        return self._finish() if self._tone.misses > _MISSES else None

    def _finish(self) -> Beep | None:
        tone, self._tone = self._tone, None
        return None if tone is None else self._beep(tone, ended=True)

    def _beep(self, tone: _Tone, *, ended: bool) -> Beep | None:
        duration_ms = (tone.frames + _WINDOW_FRAMES - 1) * FRAME_MS
        return Beep(round(tone.frequency_hz, 1), duration_ms, ended) if duration_ms >= MIN_TONE_MS else None

    def _pure_tone(self) -> float | None:
        """The frequency of the window's only tone, None when it holds anything else."""
        if len(self._window) < self._length or float(np.sqrt(np.mean(self._window**2))) < _FLOOR_RMS:
            return None
        power = np.abs(np.fft.rfft(self._window * self._shape, self._size)) ** 2
        width_hz = self._rate_hz / self._size
        peak = int(np.argmax(power))
        frequency = self._peak_hz(power, peak, width_hz)
        if not self._lowest_hz - _DRIFT_HZ <= frequency <= self._highest_hz + _DRIFT_HZ:
            return None
        reach = round(1.5 * self._rate_hz / self._length / width_hz)
        share = power[max(0, peak - reach) : peak + reach + 1].sum() / power.sum()
        return frequency if share >= _PURITY else None

    @staticmethod
    def _peak_hz(power: np.ndarray[tuple[int], np.dtype[np.float64]], peak: int, width_hz: float) -> float:
        """The frequency between bins, by a parabola through the peak."""
        if not 0 < peak < len(power) - 1:
            return peak * width_hz
        left, middle, right = np.log(power[peak - 1 : peak + 2] + 1e-9)
        bend = left - 2 * middle + right
        return float((peak + (0.5 * (left - right) / bend if bend else 0.0)) * width_hz)
