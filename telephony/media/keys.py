"""Telephone keys as tones within the audio, for a leg that has no other way to send them.

Frequencies: ITU-T Q.23. Levels: ETSI ES 201 235-2, -11 dBV and -9 dBV into 600 Ω, which is -9 and -7 dBm0. Durations:
100 ms of tone and 100 ms of pause, above the 65 ms that it asks of a sender and the 40 ms that receivers need (Q.24).
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

TONE_MS = 100
PAUSE_MS = 100
LOW_DBM0, HIGH_DBM0 = -9.0, -7.0
_ROWS_HZ, _COLUMNS_HZ = (697, 770, 852, 941), (1209, 1336, 1477, 1633)
_KEYPAD = ("123A", "456B", "789C", "*0#D")
_PAIRS_HZ = {
    key: (_ROWS_HZ[row], _COLUMNS_HZ[column]) for row, keys in enumerate(_KEYPAD) for column, key in enumerate(keys)
}
#: A sine of full scale, by the definition of the digital reference (ITU-T G.711, A-law).
_FULL_SCALE_DBM0 = 3.14
_RAMP_MS = 2


def check_keys(digits: str) -> None:
    """Raise `ValueError` for what is no key (0-9, *, #, A-D)."""
    unknown = sorted(set(digits) - set(_PAIRS_HZ))
    if unknown:
        raise ValueError(f"{''.join(unknown)!r} cannot be sent; keys are 0-9, *, # and A-D")


def key_tones(digits: str, rate_hz: int) -> bytes:
    """PCM that presses the keys one after the other; `ValueError` for what is no key (0-9, *, #, A-D)."""
    check_keys(digits)
    pause = bytes(rate_hz * PAUSE_MS // 1000 * 2)
    return b"".join(_tone(*_PAIRS_HZ[digit], rate_hz) + pause for digit in digits)


@lru_cache(maxsize=2 * len(_PAIRS_HZ))
def _tone(low_hz: int, high_hz: int, rate_hz: int) -> bytes:
    seconds = np.arange(rate_hz * TONE_MS // 1000) / rate_hz
    sound = _amplitude(LOW_DBM0) * np.sin(2 * np.pi * low_hz * seconds)
    sound += _amplitude(HIGH_DBM0) * np.sin(2 * np.pi * high_hz * seconds)
    ramp = np.linspace(0.0, 1.0, rate_hz * _RAMP_MS // 1000, endpoint=False)
    sound[: len(ramp)] *= ramp
    sound[-len(ramp) :] *= ramp[::-1]
    return np.round(sound).astype("<i2").tobytes()


def _amplitude(dbm0: float) -> float:
    return float(32767 * 10 ** ((dbm0 - _FULL_SCALE_DBM0) / 20))
