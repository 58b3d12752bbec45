"""Small operations on mono PCM: rates, silence at the ends, level."""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from bot.speech.errors import BadAudio

#: Samples in [-1, 1].
Samples = npt.NDArray[np.float32]

_FULL_SCALE: Final = 32768.0
_FRAME_MS: Final = 5
#: Below the loudest frame: quieter than this at the ends is silence.
_SILENCE_DB: Final = -40.0
#: Level of the speaking parts and ceiling of peaks, dB below full scale. µ-law clips hard above, and recognition
#: on the far side is worst at both extremes.
TARGET_RMS_DB: Final = -20.0
PEAK_DB: Final = -3.0
_MAX_GAIN_DB: Final = 12.0


def from_pcm(pcm: bytes) -> Samples:
    """Signed 16-bit little-endian PCM as samples. Raises `BadAudio` when a sample is cut in half."""
    if len(pcm) % 2:
        raise BadAudio(f"16-bit PCM has an even number of bytes, not {len(pcm)}")
    return np.frombuffer(pcm, dtype="<i2").astype(np.float32) / np.float32(_FULL_SCALE)


def to_pcm(samples: Samples) -> bytes:
    """Samples as signed 16-bit little-endian PCM, clipped."""
    scaled = np.clip(np.round(samples * _FULL_SCALE), -_FULL_SCALE, _FULL_SCALE - 1)
    return scaled.astype("<i2").tobytes()


def resample(samples: Samples, from_hz: int, to_hz: int) -> Samples:
    """The same sound at another rate, without aliases."""
    if from_hz == to_hz or not samples.size:
        return samples
    import soxr

    resampled: Samples = soxr.resample(samples, from_hz, to_hz).astype(np.float32, copy=False)
    return resampled


def silence(duration_ms: int, rate_hz: int) -> bytes:
    """PCM of `duration_ms` of nothing."""
    return bytes(2 * (rate_hz * duration_ms // 1000))


def trim(samples: Samples, rate_hz: int, *, lead_ms: int = 30, tail_ms: int = 80) -> Samples:
    """Cut silence at both ends down to at most `lead_ms` and `tail_ms`; without any speech, nothing is left."""
    frame = rate_hz * _FRAME_MS // 1000
    levels = _frame_rms(samples, frame)
    if not levels.size or levels.max() <= 1e-4:
        return samples[:0]
    loud = np.flatnonzero(levels > levels.max() * _ratio(_SILENCE_DB))
    start = max(0, int(loud[0]) * frame - rate_hz * lead_ms // 1000)
    end = min(samples.size, (int(loud[-1]) + 1) * frame + rate_hz * tail_ms // 1000)
    return _faded(samples[start:end], frame)


def level(samples: Samples, rate_hz: int) -> Samples:
    """Bring the speaking parts to `TARGET_RMS_DB` by one gain, within ±12 dB and with peaks under `PEAK_DB`."""
    levels = _frame_rms(samples, rate_hz * _FRAME_MS // 1000)
    if not levels.size or levels.max() <= 1e-4:
        return samples
    active = levels[levels > levels.max() * _ratio(-30.0)]
    wanted = _ratio(TARGET_RMS_DB) / float(np.sqrt(np.mean(active**2)))
    gain = min(max(wanted, _ratio(-_MAX_GAIN_DB)), _ratio(_MAX_GAIN_DB))
    gain = min(gain, _ratio(PEAK_DB) / float(np.abs(samples).max()))
    return samples * np.float32(gain)


def _ratio(db: float) -> float:
    return float(10.0 ** (db / 20.0))


def _frame_rms(samples: Samples, frame: int) -> Samples:
    whole = samples.size // frame * frame
    frames = samples[:whole].reshape(-1, frame)
    rms: Samples = np.sqrt(np.mean(frames**2, axis=1)) if whole else np.empty(0, np.float32)
    return rms


def _faded(samples: Samples, frame: int) -> Samples:
    faded = samples.copy()
    length = min(frame, faded.size)
    ramp = np.linspace(0.0, 1.0, length, dtype=np.float32)
    faded[:length] *= ramp
    faded[faded.size - length :] *= ramp[::-1]
    return faded
