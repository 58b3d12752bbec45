"""Rendered lines on disk, what is kept of a call, and the log."""

from __future__ import annotations

import json
import wave
from datetime import UTC, datetime
from pathlib import Path

import pytest

from telephony.simulator.errors import PersonaError, SimulatorError
from telephony.simulator.g711 import PCMA, PCMU
from telephony.simulator.lines import Lines, render
from telephony.simulator.metronome import Metronome
from telephony.simulator.network import SimulatedNetwork
from telephony.simulator.persona import Persona, Say, Voice
from telephony.simulator.record import CallRecord, Heard, Invite, invite_row, read_log
from tests.support_simulator import tone_pcm

AT = datetime(2026, 11, 2, 9, 0, tzinfo=UTC)
INVITE = Invite("+84901000001", AT, "call/1@host", "a1", "Anna", "bot", {"x-campana-attempt": "a1"})


class _Voice:
    def __init__(self) -> None:
        self.asked: list[tuple[str, int, float]] = []

    async def __call__(self, text: str, rate_hz: int, speed: float) -> bytes:
        self.asked.append((text, rate_hz, speed))
        return tone_pcm(30)


def _persona(*texts: str, speed: float = 1.0) -> Persona:
    return Persona(("1000",), "Anna", play=tuple(Say(text) for text in texts), voice=Voice(speed))


async def test_each_line_is_spoken_once_and_kept(tmp_path: Path) -> None:
    voice = _Voice()
    personas = [_persona("Yes.", "No.", "Yes."), _persona("Yes.", speed=1.5)]
    lines = await render(personas, voice, tmp_path, voice="joe")
    assert sorted(voice.asked) == [("No.", 8000, 1.0), ("Yes.", 8000, 1.0), ("Yes.", 8000, 1.5)]
    assert lines.folder == tmp_path / "joe"
    assert list(lines.missing(personas)) == []
    await render(personas, voice, tmp_path, voice="joe")
    assert len(voice.asked) == 3
    assert not list(lines.folder.glob("*.partial"))


async def test_lines_are_wave_files_that_play_in_both_laws(tmp_path: Path) -> None:
    lines = await render([_persona("Yes.")], _Voice(), tmp_path)
    with wave.open(str(lines.path("Yes.", 1.0)), "rb") as file:
        assert (file.getframerate(), file.getnchannels(), file.getsampwidth()) == (8000, 1, 2)
    assert lines.frames("Yes.", 1.0, PCMU) == PCMU.frames(tone_pcm(30))
    assert lines.frames("Yes.", 1.0, PCMA) == PCMA.frames(tone_pcm(30))
    assert lines.frames("Yes.", 1.0, PCMU) is lines.frames("Yes.", 1.0, PCMU)


def test_a_network_refuses_personas_whose_lines_are_not_rendered(tmp_path: Path) -> None:
    with pytest.raises(PersonaError, match=r'Anna:1: "Yes." has no audio in .*; render it first'):
        SimulatedNetwork([_persona("Yes.")], Lines(tmp_path))
    with pytest.raises(SimulatorError, match="render"):
        SimulatedNetwork([_persona("Yes.")])


def _heard(*packets: tuple[float, int, bytes]) -> CallRecord:
    return CallRecord(INVITE, heard=[Heard(at, 0, timestamp, payload) for at, timestamp, payload in packets])


def test_lost_packets_are_silence_in_what_was_heard() -> None:
    one = PCMU.encode(tone_pcm(20))
    record = _heard((1.0, 1000, one), (61.0, 1000 + 480, one))
    assert record.heard_pcm == PCMU.decode(one) + bytes(640) + PCMU.decode(one)


def test_late_packets_are_left_out_and_a_new_clock_is_taken_up() -> None:
    one, two = PCMU.encode(tone_pcm(20)), PCMU.encode(tone_pcm(20, hz=880))
    late = _heard((1.0, 1000, one), (21.0, 1320, one), (22.0, 1160, two))
    assert late.heard_pcm == PCMU.decode(one) + bytes(320) + PCMU.decode(one)
    restarted = _heard((1.0, 1000, one), (21.0, 1_000_000_000, two))
    assert restarted.heard_pcm == PCMU.decode(one + two)


def test_the_senders_clock_may_wrap() -> None:
    one = PCMU.encode(tone_pcm(20))
    assert _heard((1.0, 2**32 - 160, one), (21.0, 0, one)).heard_pcm == PCMU.decode(one + one)


def test_what_was_heard_is_saved_with_the_arrival_of_every_packet(tmp_path: Path) -> None:
    one = PCMU.encode(tone_pcm(20))
    path = _heard((1.25, 0, one), (21.5, 160, one)).save(tmp_path / "new")
    assert path.name == "call_1_host.wav"
    with wave.open(str(path), "rb") as file:
        assert file.getnframes() == 320
    rows = [json.loads(line) for line in path.with_suffix(".jsonl").read_text().splitlines()]
    assert [row["at_ms"] for row in rows] == [1.25, 21.5]


def test_a_log_is_read_while_it_is_written(tmp_path: Path) -> None:
    log = tmp_path / "log.jsonl"
    whole = json.dumps(invite_row(INVITE))
    log.write_text(whole + "\n" + json.dumps(CallRecord(INVITE).as_json()) + "\n" + whole[:20])
    assert [row["event"] for row in read_log(log)] == ["invite", "end"]
    (row,) = read_log(log, "invite")
    assert (row["number"], row["attempt"], row["at"]) == ("+84901000001", "a1", "2026-11-02T09:00:00+00:00")


class _Loop:
    """A loop whose time is set by the test."""

    def __init__(self) -> None:
        self.now = 10.0
        self.planned: list[tuple[float, object]] = []

    def time(self) -> float:
        return self.now

    def call_at(self, when: float, callback: object) -> _Loop:
        self.planned.append((when, callback))
        return self

    def cancel(self) -> None:
        self.planned.clear()

    def run_until(self, now: float) -> None:
        """Wake the metronome once, as late as `now`."""
        self.now = now
        _, callback = self.planned.pop()
        callback()  # type: ignore[operator]


def _metronome(wanted: bool = True) -> tuple[_Loop, list[float], Metronome]:
    loop, beats = _Loop(), []

    def beat(now: float) -> bool:
        beats.append(now)
        return wanted

    return loop, beats, Metronome(loop, beat)  # type: ignore[arg-type]


def test_beats_do_not_drift_when_each_comes_a_little_late() -> None:
    loop, beats, metronome = _metronome()
    metronome.start()
    for n in range(1, 501):
        loop.run_until(10.0 + n * 0.02 + 0.003)
    assert len(beats) == 500
    assert loop.planned[0][0] == pytest.approx(10.0 + 501 * 0.02)


def test_missed_beats_are_made_up_for() -> None:
    loop, beats, metronome = _metronome()
    metronome.start()
    loop.run_until(10.205)
    assert len(beats) == 10


def test_a_long_standstill_is_dropped() -> None:
    loop, beats, metronome = _metronome()
    metronome.start()
    loop.run_until(70.0)
    assert len(beats) == 1
    assert loop.planned[0][0] == pytest.approx(70.02)


def test_the_metronome_rests_when_nobody_wants_it_and_starts_once() -> None:
    loop, beats, metronome = _metronome(wanted=False)
    metronome.start()
    metronome.start()
    assert len(loop.planned) == 1
    loop.run_until(10.02)
    assert loop.planned == []
    metronome.start()
    assert len(loop.planned) == 1
    metronome.stop()
    metronome.stop()
    assert (loop.planned, len(beats)) == ([], 1)
