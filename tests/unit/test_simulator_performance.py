"""What a callee sends, frame by frame; the ear it listens with."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest

from telephony.simulator import sounds
from telephony.simulator.ear import Ear
from telephony.simulator.g711 import PCMA, PCMU
from telephony.simulator.lines import Lines
from telephony.simulator.performance import GOODBYE, Frame, Performance, Spoken
from telephony.simulator.persona import (
    Act,
    BargeIn,
    Beep,
    Chirp,
    Echo,
    HangUp,
    Keys,
    Noise,
    Persona,
    Repeat,
    Say,
    Silent,
    Wait,
    WaitForBot,
)
from telephony.simulator.rtp import Key
from tests.support_simulator import tone_pcm

LOUD = PCMU.frames(tone_pcm(20))[0]
QUIET = sounds.silence(PCMU)
SILENCE = QUIET


@pytest.fixture
def lines(tmp_path: Path) -> Lines:
    known = Lines(tmp_path)
    known.store("Hello.", 1.0, tone_pcm(200))
    known.store("Bye.", 1.0, tone_pcm(100, hz=880))
    return known


def _play(*acts: Act, lines: Lines | None = None, **rest: object) -> Performance:
    return Performance(Persona(("1",), "Anna", play=acts, **rest), lines, PCMU)  # type: ignore[arg-type]


def _frames(performance: Performance, count: int, bot: bytes | None = None) -> list[Frame]:
    frames = []
    for _ in range(count):
        if bot is not None:
            performance.hear(bot, performance.now_ms)
        frames.append(performance.frame())
    return frames


def test_without_acts_the_callee_is_there_and_silent() -> None:
    assert _frames(_play(), 5) == [SILENCE] * 5


def test_a_line_is_said_whole_and_noted(lines: Lines) -> None:
    performance = _play(Wait(40), Say("Hello."), lines=lines)
    frames = _frames(performance, 14)
    assert frames == [SILENCE, SILENCE, *PCMU.frames(tone_pcm(200)), SILENCE, SILENCE]
    (spoken,) = performance.spoken
    assert (spoken.text, spoken.start_ms, spoken.end_ms, spoken.whole) == ("Hello.", 40, 240, True)


def test_a_line_may_break_off(lines: Lines) -> None:
    performance = _play(Say("Hello.", cut_after_ms=60), HangUp(), lines=lines)
    frames = _frames(performance, 4)
    assert frames == [*PCMU.frames(tone_pcm(200))[:3], GOODBYE]
    assert performance.spoken[0].whole is False
    assert performance.spoken[0].end_ms == 60


def test_a_line_under_way_when_the_call_ends_is_noted_as_broken_off(lines: Lines) -> None:
    performance = _play(Say("Hello."), lines=lines)
    _frames(performance, 2)
    assert performance.spoken[0].whole is False


def test_waiting_for_the_bot_lasts_until_it_has_spoken_and_paused(lines: Lines) -> None:
    performance = _play(WaitForBot(silence_ms=400), Say("Hello."), lines=lines)
    assert _frames(performance, 20, QUIET) == [SILENCE] * 20
    assert _frames(performance, 50, LOUD) == [SILENCE] * 50
    assert _frames(performance, 20, QUIET) == [SILENCE] * 20
    assert performance.frame() == PCMU.frames(tone_pcm(200))[0]


def test_a_short_pause_of_the_bot_is_not_its_end(lines: Lines) -> None:
    performance = _play(WaitForBot(silence_ms=400), Say("Hello."), lines=lines)
    _frames(performance, 20, LOUD)
    _frames(performance, 15, QUIET)
    _frames(performance, 20, LOUD)
    assert set(_frames(performance, 19, QUIET)) == {SILENCE}


def test_a_bot_that_stopped_sending_counts_as_silent(lines: Lines) -> None:
    performance = _play(WaitForBot(silence_ms=400), Say("Hello."), lines=lines)
    _frames(performance, 20, LOUD)
    assert _frames(performance, 22)[-1] != SILENCE


def test_waiting_for_the_bot_ends_after_its_longest_time() -> None:
    performance = _play(WaitForBot(max_ms=200), HangUp())
    assert _frames(performance, 11) == [SILENCE] * 10 + [GOODBYE]


def test_what_the_bot_said_before_does_not_count_as_its_answer(lines: Lines) -> None:
    performance = _play(WaitForBot(silence_ms=400), Say("Hello."), WaitForBot(silence_ms=400, max_ms=2000), lines=lines)
    _frames(performance, 10, LOUD)
    _frames(performance, 20 + 10 + 1)
    assert performance.spoken[0].whole
    assert set(_frames(performance, 98, QUIET)) == {SILENCE}


def test_barging_in_begins_while_the_bot_speaks(lines: Lines) -> None:
    performance = _play(BargeIn("Hello.", after_ms=200), lines=lines)
    assert _frames(performance, 10, QUIET) == [SILENCE] * 10
    frames = _frames(performance, 20, LOUD)
    assert frames[:10] == [SILENCE] * 10
    assert frames[10:] == list(PCMU.frames(tone_pcm(200)))
    assert performance.spoken[0].start_ms == 400


def test_barging_in_on_a_silent_bot_happens_in_the_end(lines: Lines) -> None:
    performance = _play(BargeIn("Hello.", max_ms=100), lines=lines)
    assert _frames(performance, 6)[-1] != SILENCE


def test_hanging_up_after_a_time_and_for_good() -> None:
    assert _frames(_play(HangUp(after_ms=60), Beep()), 6) == [SILENCE] * 3 + [GOODBYE] * 3


def test_hanging_up_in_the_bots_sentence() -> None:
    performance = _play(HangUp(after_bot_ms=100))
    assert _frames(performance, 5, QUIET) == [SILENCE] * 5
    assert _frames(performance, 6, LOUD) == [SILENCE] * 5 + [GOODBYE]


def test_a_call_never_outlasts_its_longest_time() -> None:
    assert _frames(_play(Silent(), max_call_ms=100), 6) == [SILENCE] * 5 + [GOODBYE]


def test_keys_are_pressed_held_and_released_three_times_over() -> None:
    frames = _frames(_play(Keys("5#", ms=60, pause_ms=100)), 16)
    pressed = [Key("5", 160, first=True), Key("5", 320), Key("5", 480), *[Key("5", 480, end=True)] * 3]
    assert frames[:6] == pressed
    assert frames[6:8] == [SILENCE] * 2
    assert frames[8] == Key("#", 160, first=True)


def test_silence_may_go_without_packets() -> None:
    assert _frames(_play(Silent(40, rtp=False)), 3) == [None, None, SILENCE]


def test_noise_fills_pauses_until_changed_and_is_faint() -> None:
    performance = _play(Noise(-50.0), Wait(2000))
    frames = _frames(performance, 100)
    assert frames[0] != frames[1]
    assert frames[:50] == frames[50:]
    pcm = PCMU.decode(b"".join(frame for frame in frames if isinstance(frame, bytes)))
    samples = struct.unpack(f"<{len(pcm) // 2}h", pcm)
    rms = (sum(sample * sample for sample in samples) / len(samples)) ** 0.5
    assert 32768 * 10 ** (-52 / 20) < rms < 32768 * 10 ** (-48 / 20)


def test_echo_sends_back_what_is_heard_and_stops_when_told() -> None:
    performance = _play(Echo(100))
    heard = [bytes([n]) * 160 for n in range(5)]
    sent = []
    for payload in heard:
        sent.append(performance.frame())
        performance.hear(payload, performance.now_ms)
    assert sent == [SILENCE, *heard[:4]]
    assert _frames(performance, 2) == [SILENCE] * 2


def test_echo_cuts_long_packets_into_frames_and_never_lags_far_behind() -> None:
    performance = _play(Echo())
    _frames(performance, 1)
    performance.hear(bytes([1]) * 320, 0)
    assert _frames(performance, 3) == [bytes([1]) * 160] * 2 + [SILENCE]
    for _ in range(300):
        performance.hear(LOUD, 0)
    assert _frames(performance, 101) == [LOUD] * 100 + [SILENCE]


def test_repeating_a_number_of_times_and_for_ever(lines: Lines) -> None:
    performance = _play(Repeat((Say("Bye."), Wait(100)), times=2), HangUp(), lines=lines)
    assert _frames(performance, 21)[-1] == GOODBYE
    assert [spoken.text for spoken in performance.spoken] == ["Bye.", "Bye."]
    endless = _play(Repeat((Beep(ms=20),)))
    assert SILENCE not in _frames(endless, 300)


def test_repeating_acts_that_take_no_time_lets_time_pass() -> None:
    assert len(_frames(_play(Repeat((Noise(),))), 3)) == 3


@pytest.mark.parametrize("law", [PCMU, PCMA])
def test_tones_and_chirps_have_their_length_and_level(law: object) -> None:
    frames = sounds.tone(law, 1000, 500, -6.0)  # type: ignore[arg-type]
    assert len(frames) == 25
    pcm = law.decode(b"".join(frames))  # type: ignore[attr-defined]
    peak = max(abs(sample) for sample in struct.unpack(f"<{len(pcm) // 2}h", pcm))
    assert peak == pytest.approx(32767 * 10 ** (-6 / 20), rel=0.04)
    assert _frames(_play(Chirp(ms=40)), 3)[-1] == SILENCE


def _ear(*stretches: tuple[bytes, int]) -> Ear:
    ear, now = Ear(PCMU), 0
    for payload, ms in stretches:
        for _ in range(ms // 20):
            ear.hear(payload, now)
            now += 20
    return ear


def test_speech_is_found_with_its_beginning_and_end() -> None:
    ear = _ear((QUIET, 500), (LOUD, 400), (QUIET, 1000), (LOUD, 200))
    assert [(span.start_ms, span.end_ms) for span in ear.speech] == [(500, 900), (1900, 2100)]
    assert ear.first_sound_ms == 500


def test_clicks_are_not_speech_but_are_sound() -> None:
    ear = _ear((QUIET, 100), (LOUD, 40), (QUIET, 500), (LOUD, 20), (QUIET, 500))
    assert ear.speech == []
    assert ear.first_sound_ms == 100


def test_pauses_within_speech_are_part_of_it() -> None:
    ear = _ear((LOUD, 200), (QUIET, 280), (LOUD, 200))
    assert [(span.start_ms, span.end_ms) for span in ear.speech] == [(0, 680)]
    assert ear.speaking(900)
    assert not ear.speaking(1000)


def test_faint_noise_is_not_heard_as_speech() -> None:
    ear = Ear(PCMA)
    for at, payload in enumerate(sounds.noise(PCMA, -55.0)):
        ear.hear(payload, at * 20)
    assert ear.first_sound_ms is None
    assert ear.last() is None
    assert not ear.speaking(0)


def test_a_short_standstill_is_made_up_for(lines: Lines) -> None:
    callee = _play(Wait(200), Say("Hello."), lines=lines)
    _frames(callee, 5)
    assert callee.keep_up(400) == 0
    assert callee.late_ms == 300
    assert callee.now_ms == 100
    _frames(callee, 16)
    # Said late, and noted as said late.
    assert callee.spoken == [Spoken("Hello.", 500, 700)]


def test_a_long_standstill_is_skipped_and_the_line_begins_when_it_is_heard(lines: Lines) -> None:
    callee = _play(Wait(200), Say("Hello."), lines=lines)
    _frames(callee, 10)
    assert callee.keep_up(1200) == 50
    assert callee.late_ms == 1000
    _frames(callee, 11)
    assert callee.spoken == [Spoken("Hello.", 1200, 1400)]
    assert callee.keep_up(1420) == 0
    assert callee.late_ms == 0
