"""Calls to the simulated network over real sockets: SIP, RTP, timing, what it keeps."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import socket
import time
import wave
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import TextIO

import numpy as np
import pytest

from telephony.simulator import Lines, Persona, SimulatedNetwork, SimulatorError
from telephony.simulator.g711 import PCMA, PCMU, Law
from telephony.simulator.persona import (
    Answer,
    BargeIn,
    Beep,
    Chirp,
    Echo,
    HangUp,
    Keys,
    Reject,
    RingOut,
    Say,
    Silent,
    Unreachable,
    WaitForBot,
)
from telephony.simulator.record import read_log
from telephony.simulator.rtp import Key, Sender
from telephony.simulator.sounds import chirp, silence, tone
from tests.support_simulator import Caller, follow, tone_pcm

ECHO, BUSY, RINGS, DEAD, HANGS, KEYS, TALKS, BARGES = (f"+8490100000{n}" for n in range(1, 9))
PERSONAS = (
    Persona((ECHO,), "Echo", Answer(100), (Echo(),)),
    Persona((BUSY,), "Busy", Reject(486)),
    Persona((RINGS,), "Rings", RingOut()),
    Persona((DEAD,), "Dead", Unreachable()),
    Persona((HANGS,), "Hangs up", Answer(0), (HangUp(after_ms=300),)),
    Persona((KEYS,), "Keys", Answer(0), (Keys("1#"), Silent(200), HangUp())),
    Persona((TALKS,), "Talks", Answer(0), (WaitForBot(silence_ms=400), Say("Yes."), Chirp(ms=300), HangUp())),
    Persona((BARGES,), "Barges in", Answer(0), (BargeIn("Yes.", after_ms=300), HangUp())),
    Persona(("+8490200xxxx",), "Range", Answer(0), first=(Reject(503, q850=34),)),
)


@pytest.fixture
def lines(tmp_path: Path) -> Lines:
    known = Lines(tmp_path / "audio")
    known.folder.mkdir()
    known.store("Yes.", 1.0, tone_pcm(400, hz=600))
    return known


@pytest.fixture
async def network(lines: Lines, tmp_path: Path) -> AsyncIterator[SimulatedNetwork]:
    async with SimulatedNetwork(PERSONAS, lines, record_dir=tmp_path / "heard") as running:
        yield running


@pytest.fixture
async def caller(network: SimulatedNetwork) -> AsyncIterator[Caller]:
    async with Caller(network.port) as one:
        yield one


def _spectrum_peak_hz(pcm: bytes) -> float:
    samples = np.frombuffer(pcm, "<i2").astype(float)
    return float(np.argmax(np.abs(np.fft.rfft(samples))) * 8000 / len(samples))


async def test_an_answered_call_from_invite_to_bye(network: SimulatedNetwork, caller: Caller) -> None:
    caller.ring(ECHO, fields=(("x-campana-attempt", "a1"),))
    assert [(await caller.status()).status for _ in range(2)] == [100, 180]
    assert (await caller.final()).status == 200
    await asyncio.sleep(0.1)
    caller.hang_up()
    (record,) = await network.all_ended(1)
    assert (record.status, record.ended_by, record.invite.persona) == (200, "caller", "Echo")
    assert (record.invite.number, record.invite.attempt, record.invite.caller) == (ECHO, "a1", "+842873000000")
    assert record.answered_at is not None
    assert record.ended_at is not None
    assert 90 <= (record.answered_at - record.invite.at).total_seconds() * 1000 <= 1000
    assert record.answered_at < record.ended_at


@pytest.mark.parametrize(("formats", "law"), [("0 101", PCMU), ("8 101", PCMA)])
async def test_what_is_said_comes_back_and_is_kept(
    network: SimulatedNetwork, formats: str, law: Law, tmp_path: Path
) -> None:
    said = list(chirp(law, 300, 3000, 600, -10.0))

    def echoed(caller: Caller) -> list[bytes]:
        return [payload for payload in caller.heard(law.payload_type) if payload != silence(law)]

    async with Caller(network.port) as caller:
        await caller.dial(ECHO, formats=formats)
        await caller.talk(said, law.payload_type)
        await network.until(lambda _: len(echoed(caller)) >= len(said), 10)
        caller.hang_up()
        (record,) = await network.all_ended(1)
    assert echoed(caller) == said
    assert record.heard_pcm == b"".join(law.decode(payload) for payload in said)
    assert record.first_audio_ms is not None
    assert len(record.bot_speech) == 1
    (path,) = (tmp_path / "heard").glob("*.wav")
    with wave.open(str(path), "rb") as file:
        assert file.readframes(file.getnframes()) == record.heard_pcm
    assert len(path.with_suffix(".jsonl").read_text().splitlines()) == len(said)


async def test_packets_leave_every_twenty_milliseconds_with_one_running_clock(caller: Caller) -> None:
    await caller.dial(ECHO)
    await asyncio.sleep(2.0)
    caller.hang_up()
    arrivals = [at for at, _ in caller.packets]
    sequence = [int.from_bytes(packet[2:4], "big") for _, packet in caller.packets]
    timestamps = [int.from_bytes(packet[4:8], "big") for _, packet in caller.packets]
    assert {(b - a) & 0xFFFF for a, b in itertools.pairwise(sequence)} == {1}
    assert {(b - a) & 0xFFFFFFFF for a, b in itertools.pairwise(timestamps)} == {160}
    assert len({packet[8:12] for _, packet in caller.packets}) == 1
    assert caller.packets[0][1][1] & 0x80
    # the schedule is absolute: over two seconds the mean can be off by one late packet at most
    mean = (arrivals[-1] - arrivals[0]) / (len(arrivals) - 1)
    assert mean == pytest.approx(0.02, rel=0.05)


@pytest.mark.parametrize(("number", "status"), [(BUSY, 486), ("+84909999999", 404), ("anna", 404)])
async def test_refused_calls(network: SimulatedNetwork, caller: Caller, number: str, status: int) -> None:
    assert (await caller.dial(number)).status == status
    (record,) = await network.all_ended(1)
    assert (record.status, record.ended_by, record.answered_at) == (status, "callee", None)


async def test_a_range_has_its_first_call_refused_for_each_number(network: SimulatedNetwork) -> None:
    statuses = []
    for number in ("+84902001111", "0084902001111", "+84902002222"):
        async with Caller(network.port) as caller:
            response = await caller.dial(number, call_id=number)
            statuses.append(response.status)
            if response.status == 503:
                assert response.headers["reason"] == "Q.850;cause=34"
            else:
                caller.hang_up()
    assert statuses == [503, 200, 503]


async def test_a_call_that_is_not_taken_can_be_cancelled(network: SimulatedNetwork, caller: Caller) -> None:
    caller.ring(RINGS)
    while (await caller.status()).status != 180:
        pass
    caller.cancel()
    assert (await caller.final()).status == 487
    (record,) = await network.all_ended(1)
    assert (record.status, record.ended_by) == (487, "caller")


async def test_a_dead_line_answers_nothing_but_its_invite_is_counted_once(
    network: SimulatedNetwork, caller: Caller
) -> None:
    caller.ring(DEAD)
    assert caller.invite is not None
    caller.send(caller.invite)
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(caller.status(), 0.3)
    assert [invite.number for invite in network.invites] == [DEAD]
    (record,) = await network.all_ended(1)
    assert (record.status, record.ended_by) == (None, "network")


async def test_the_callee_hangs_up(network: SimulatedNetwork, caller: Caller) -> None:
    await caller.dial(HANGS)
    await asyncio.wait_for(caller.bye_received.wait(), 5)
    (record,) = await network.all_ended(1)
    assert record.ended_by == "callee"
    assert 14 <= record.packets_sent <= 16


async def test_keys_are_pressed_and_heard(network: SimulatedNetwork, caller: Caller) -> None:
    await caller.dial(KEYS)
    sender = Sender(0, 101)
    for step in range(1, 6):
        packet = sender.key(Key("7", step * 160, end=step > 3, first=step == 1))
        assert packet is not None
        caller.send_packet(packet)
    await asyncio.wait_for(caller.bye_received.wait(), 5)
    (record,) = await network.all_ended(1)
    assert record.keys == ["7"]
    events = caller.heard(101)
    assert [event[0] for event in events if event[1] & 0x80] == [1] * 3 + [11] * 3
    assert len(events) == 16


async def test_the_customer_answers_after_the_bot_has_spoken(network: SimulatedNetwork, caller: Caller) -> None:
    await caller.dial(TALKS)
    await caller.talk([*tone(PCMU, 440, 800, -12.0), *[silence(PCMU)] * 25])
    await asyncio.wait_for(caller.bye_received.wait(), 5)
    (record,) = await network.all_ended(1)
    (bot,), (said,) = record.bot_speech, record.spoken
    assert said.text == "Yes."
    # A frame that is late by less than a frame is not late.
    assert abs(said.end_ms - said.start_ms - 400) <= record.late_ms // 20 * 20
    assert 400 <= said.start_ms - bot.end_ms <= 800 + record.late_ms
    voice = [PCMU.decode(payload) for payload in caller.heard() if payload != silence(PCMU)]
    assert _spectrum_peak_hz(b"".join(voice[:20])) == pytest.approx(600, abs=5)


async def test_the_customer_talks_over_the_bot(network: SimulatedNetwork, caller: Caller) -> None:
    await caller.dial(BARGES)
    await caller.talk(list(tone(PCMU, 440, 1200, -12.0)))
    (record,) = await network.all_ended(1)
    (said,) = record.spoken
    assert 300 <= said.start_ms - record.bot_speech[0].start_ms <= 800 + record.late_ms
    assert record.bot_speech[-1].end_ms > said.start_ms


async def test_repetitions_over_udp_are_one_invite_and_get_the_answer_again(
    network: SimulatedNetwork, caller: Caller
) -> None:
    caller.ring(HANGS)
    assert caller.invite is not None
    for _ in range(3):
        caller.send(caller.invite)
    answers = 0
    while answers < 2:
        answers += (await caller.status()).status == 200
    caller.to = f"{caller.invite.headers['to']};tag=x"
    assert len(network.invites) == 1


async def test_many_calls_at_once_are_told_apart(network: SimulatedNetwork) -> None:
    async with AsyncExitStack() as stack:
        callers = [await stack.enter_async_context(Caller(network.port)) for _ in range(16)]
        await asyncio.gather(*(one.dial(ECHO, call_id=f"call-{n}") for n, one in enumerate(callers)))
        frames = [[bytes([n + 1]) * 160] * 25 for n in range(16)]
        await asyncio.gather(*(one.talk(said) for one, said in zip(callers, frames, strict=True)))
        await asyncio.sleep(0.1)
        for n, one in enumerate(callers):
            assert {payload[0] for payload in one.heard()} - {0xFF} == {n + 1}
            one.hang_up()
        records = await network.all_ended(16)
    assert {record.ended_by for record in records} == {"caller"}
    assert len({record.invite.call_id for record in records}) == 16


async def test_a_stalled_main_loop_does_not_make_the_customers_stammer(
    network: SimulatedNetwork, caller: Caller
) -> None:
    await caller.dial(ECHO)
    heard = socket.socket(fileno=socket.dup(caller._audio.get_extra_info("socket").fileno()))
    time.sleep(1.0)  # noqa: ASYNC251 — the stall is what is tested
    waiting = 0
    while True:
        try:
            heard.recv(2048)
        except BlockingIOError:
            break
        waiting += 1
    heard.close()
    caller.hang_up()
    assert waiting >= 40


async def test_without_a_thread_of_its_own_the_network_lives_on_the_callers_loop(tmp_path: Path) -> None:
    log = tmp_path / "log.jsonl"
    with log.open("a", buffering=1, encoding="utf-8") as file:
        async with (
            SimulatedNetwork(PERSONAS[:2], own_thread=False, log=file) as network,
            Caller(network.port) as caller,
        ):
            await caller.dial(BUSY, fields=(("x-campana-attempt", "a9"),))
            await network.all_ended(1)
    rows = list(read_log(log))
    assert [(row["event"], row["number"], row["attempt"]) for row in rows] == [
        ("invite", BUSY, "a9"),
        ("end", BUSY, "a9"),
    ]
    assert json.loads(log.read_text().splitlines()[1])["status"] == 486


async def test_closing_the_network_hangs_up(lines: Lines) -> None:
    async with SimulatedNetwork(PERSONAS, lines) as network:
        caller = await Caller(network.port).open()
        await caller.dial(ECHO)
    await asyncio.wait_for(caller.bye_received.wait(), 5)
    await caller.__aexit__()
    (record,) = network.calls
    assert record.ended_by == "callee"
    assert record.ended_at is not None


async def test_closing_the_network_refuses_whoever_is_ringing() -> None:
    async with SimulatedNetwork(PERSONAS[2:3]) as network:
        caller = await Caller(network.port).open()
        caller.ring(RINGS)
        while (await caller.status()).status != 180:
            pass
    assert (await caller.final()).status == 480
    await caller.__aexit__()
    assert network.calls[0].ended_by == "network"


async def test_records_let_go_of_what_was_heard_when_told(tmp_path: Path) -> None:
    forgetful = SimulatedNetwork(PERSONAS[:1], keep_heard=False, record_dir=tmp_path)
    async with forgetful as network, Caller(network.port) as caller:
        await caller.dial(ECHO)
        await caller.talk(list(tone(PCMU, 440, 200, -12.0)))
        caller.hang_up()
        (record,) = await network.all_ended(1)
    assert record.packets_heard == 10
    assert record.heard == []
    assert len(record.bot_speech) == 1
    assert (tmp_path / "call-1.wav").is_file()


@pytest.fixture
def full_disk() -> Iterator[TextIO]:
    file = Path("/dev/full").open("w", buffering=1, encoding="utf-8")  # noqa: SIM115 — closing it fails too
    yield file
    with contextlib.suppress(OSError):
        file.close()


async def test_a_full_disk_for_the_log_does_not_touch_the_call(full_disk: TextIO) -> None:
    async with SimulatedNetwork(PERSONAS[1:2], log=full_disk) as network, Caller(network.port) as caller:
        assert (await caller.dial(BUSY)).status == 486
        (record,) = await network.all_ended(1)
    assert record.status == 486


async def test_a_full_disk_for_recordings_does_not_touch_the_call(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("a file where a folder should be")
    async with SimulatedNetwork(PERSONAS[:1], record_dir=tmp_path / "file") as network, Caller(network.port) as caller:
        await caller.dial(ECHO)
        await caller.talk(list(tone(PCMU, 440, 100, -12.0)))
        caller.hang_up()
        (record,) = await network.all_ended(1)
    assert record.ended_by == "caller"


@pytest.mark.parametrize("own_thread", [True, False])
async def test_a_port_that_is_taken_is_told(own_thread: bool) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.1", 0))
        network = SimulatedNetwork([], port=taken.getsockname()[1], own_thread=own_thread)
        with pytest.raises(SimulatorError, match="choose another port"):
            await network.__aenter__()


async def test_one_callee_that_breaks_down_leaves_the_others_alone(tmp_path: Path, lines: Lines) -> None:
    async with SimulatedNetwork(PERSONAS, lines) as network:
        lines.path("Yes.", 1.0).unlink()
        async with Caller(network.port) as broken, Caller(network.port) as whole:
            await whole.dial(ECHO, call_id="whole")
            await broken.dial(BARGES, call_id="broken")
            await broken.talk(list(tone(PCMU, 440, 800, -12.0)))
            await asyncio.wait_for(broken.bye_received.wait(), 5)
            before = len(whole.packets)
            await asyncio.sleep(0.2)
            assert len(whole.packets) > before
            whole.hang_up()
            records = await network.all_ended(2)
    assert [record.ended_by for record in records] == ["caller", "network"]


async def test_options_tell_that_the_network_is_there(network: SimulatedNetwork, caller: Caller) -> None:
    caller.ring(ECHO)
    assert caller.invite is not None
    caller.send(follow(caller.invite, "OPTIONS", "<sip:x@y>"))
    while (message := await asyncio.wait_for(caller.inbox.get(), 5)).cseq[1] != "OPTIONS":
        pass
    assert message.start_line == "SIP/2.0 200 OK"
    caller.cancel()


async def test_a_beep_reaches_the_caller_at_its_frequency() -> None:
    beeper = Persona(("1",), "Beep", Answer(0), (Beep(1000, 400), HangUp()))
    async with SimulatedNetwork([beeper]) as network, Caller(network.port) as caller:
        await caller.dial("1", formats="8 0")
        await asyncio.wait_for(caller.bye_received.wait(), 5)
    pcm = b"".join(PCMA.decode(payload) for payload in caller.heard(8))
    assert _spectrum_peak_hz(pcm) == pytest.approx(1000, abs=5)
