"""When a voice begins, pauses and ends; the model itself is heard in the tests with real speech."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from bot.speech.errors import BadAudio
from bot.speech.voice_activity import WINDOW_MS, Activity, SileroModel, VoiceActivity, VoiceParams

WINDOW = 256


class Scored(SileroModel):
    """Gives the scores it is told, 0 afterwards, and counts how often it is asked."""

    def __init__(self, *scores: float) -> None:
        self.scores = list(scores)
        self.asked = 0
        self.states: list[Any] = []

    def score(self, samples: npt.NDArray[np.float32], state: Any, rate_hz: int) -> tuple[float, Any]:
        self.asked += 1
        self.states.append(state)
        return (self.scores.pop(0) if self.scores else 0.0), state + 1


def loud(windows: int) -> bytes:
    return np.resize(np.array([4000, -4000], "<i2"), windows * WINDOW).tobytes()


def quiet(windows: int, level: int = 0) -> bytes:
    return np.full(windows * WINDOW, level, "<i2").tobytes()


def heard(voice: VoiceActivity, pcm: bytes, frame: int = 320) -> list[tuple[Activity, int]]:
    """Changes and the window in which each was told."""
    found = []
    for at in range(0, len(pcm), frame):
        found += [(change, voice.position // WINDOW) for change in voice.feed(pcm[at : at + frame])]
    return found


@pytest.mark.parametrize("frame", [2, 160, 320, 640, 10_000])
def test_a_word_begins_after_three_windows_and_ends_after_six_whatever_the_frames(frame: int) -> None:
    voice = VoiceActivity(Scored(*[0.9] * 10), 8000)
    found = heard(voice, quiet(4) + loud(10) + quiet(10), frame)
    assert [change for change, _ in found] == [Activity.STARTED, Activity.PAUSED, Activity.STOPPED]
    assert (voice.voice_start, voice.voice_end) == (4 * WINDOW, 14 * WINDOW)


def test_changes_are_told_in_the_window_that_brings_them() -> None:
    voice = VoiceActivity(Scored(*[0.9] * 10), 8000)
    assert heard(voice, quiet(4) + loud(10) + quiet(10), 2) == [
        (Activity.STARTED, 7),
        (Activity.PAUSED, 16),
        (Activity.STOPPED, 20),
    ]


def test_a_click_is_no_voice() -> None:
    assert heard(VoiceActivity(Scored(0.9, 0.9), 8000), quiet(2) + loud(2) + quiet(10)) == []


def test_a_pause_within_a_word_is_told_and_taken_back() -> None:
    voice = VoiceActivity(Scored(*[0.9] * 10), 8000)
    found = heard(voice, loud(5) + quiet(3) + loud(5) + quiet(8))
    assert [change for change, _ in found] == [
        Activity.STARTED,
        Activity.PAUSED,
        Activity.RESUMED,
        Activity.PAUSED,
        Activity.STOPPED,
    ]


def test_a_gap_shorter_than_a_pause_is_not_told() -> None:
    found = heard(VoiceActivity(Scored(*[0.9] * 10), 8000), loud(5) + quiet(1) + loud(5) + quiet(8))
    assert [change for change, _ in found] == [Activity.STARTED, Activity.PAUSED, Activity.STOPPED]


def test_silence_never_asks_the_model() -> None:
    model = Scored(*[0.9] * 100)
    voice = VoiceActivity(model, 8000)
    assert heard(voice, quiet(50) + quiet(50, level=20)) == []
    assert model.asked == 0


def test_an_uncertain_score_is_no_voice_and_the_threshold_is_a_setting() -> None:
    pcm = loud(10) + quiet(10)
    assert heard(VoiceActivity(Scored(*[0.45] * 10), 8000), pcm) == []
    assert heard(VoiceActivity(Scored(*[0.45] * 10), 8000, VoiceParams(confidence=0.4)), pcm) != []


def test_the_models_state_is_cleared_in_long_non_speech_and_never_in_speech() -> None:
    speech = Scored(*[0.9] * 200)
    heard(VoiceActivity(speech, 8000), loud(200))
    assert all(state.max() == count for count, state in enumerate(speech.states))
    noise = Scored(*[0.01] * 200)
    heard(VoiceActivity(noise, 8000), loud(200))
    assert [count for count, state in enumerate(noise.states) if count and state.max() == 0] == [62, 124, 186]


def test_two_calls_share_the_model_and_nothing_else() -> None:
    model = Scored(*[0.9] * 100)
    one, other = VoiceActivity(model, 8000), VoiceActivity(model, 8000)
    one.feed(loud(5))
    assert one.speaking
    assert not other.speaking


def test_sixteen_kilohertz_have_twice_the_samples_a_window() -> None:
    voice = VoiceActivity(Scored(*[0.9] * 10), 16000)
    voice.feed(loud(6))
    assert voice.position == 3 * 16 * WINDOW_MS
    assert voice.speaking


def test_another_rate_is_refused() -> None:
    with pytest.raises(BadAudio, match="8000 or 16000 Hz, not 44100"):
        VoiceActivity(Scored(), 44100)
