"""The simulated network as a process: how it starts, what it logs, how it ends."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from telephony.simulator import SimulatorError, SimulatorProcess, load_personas, render
from telephony.simulator.grammar import json_schema
from telephony.simulator.record import read_log
from tests.support_simulator import Caller, tone_pcm

ROOT = Path(__file__).parents[2]
FILES = {
    "busy.yaml": 'number: "+8490200xxxx"\nname: Busy\nbusy: true\n',
    "says.yaml": 'number: "+84901000001"\nname: Says\nanswer: 0\nplay: [say: Yes., hangup]\n',
}


@pytest.fixture
def personas(tmp_path: Path) -> Path:
    folder = tmp_path / "personas"
    folder.mkdir()
    for name, text in FILES.items():
        (folder / name).write_text(text)
    return folder


@pytest.fixture
async def audio(personas: Path, tmp_path: Path) -> Path:
    async def synthesise(text: str, rate_hz: int, speed: float) -> bytes:
        return tone_pcm(200)

    return (await render(load_personas(personas), synthesise, tmp_path / "audio")).folder


def _environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(ROOT)}


def _alive(pid: int) -> bool:
    try:
        return ") Z " not in Path(f"/proc/{pid}/stat").read_text()
    except FileNotFoundError:
        return False


async def test_calls_are_served_and_logged(personas: Path, audio: Path, tmp_path: Path) -> None:
    log = tmp_path / "log.jsonl"
    async with SimulatorProcess(personas, audio, log, record=tmp_path / "heard") as simulator:
        for n in range(3):
            async with Caller(simulator.port) as caller:
                assert (await caller.dial("+84902000007", call_id=f"b{n}")).status == 486
        async with Caller(simulator.port) as caller:
            assert (await caller.dial("0901000001", call_id="s")).status == 200
            await asyncio.wait_for(caller.bye_received.wait(), 5)
            assert len(caller.packets) == 10
        assert simulator.invites() == {"+84902000007": 3, "0901000001": 1}
    rows = list(read_log(log, "end"))
    assert [row["ended_by"] for row in rows] == ["callee"] * 4
    assert rows[-1]["spoken"] == [["Yes.", 0, 200]]


async def test_the_log_outlives_a_killed_simulator_and_is_continued(
    personas: Path, audio: Path, tmp_path: Path
) -> None:
    log = tmp_path / "log.jsonl"
    for n in range(2):
        simulator = SimulatorProcess(personas, audio, log)
        await simulator.start()
        async with Caller(simulator.port) as caller:
            await caller.dial("+84902000007", call_id=f"b{n}")
        assert simulator._process is not None
        simulator._process.kill()
        await simulator.stop()
    assert simulator.invites() == {"+84902000007": 2}


async def test_it_can_be_started_on_a_port_of_ones_choice_and_stopped_twice(personas: Path, audio: Path) -> None:
    first = SimulatorProcess(personas, audio)
    port = await first.start()
    second = SimulatorProcess(personas, audio, wanted_port=port)
    with pytest.raises(SimulatorError, match="choose another port"):
        await second.start()
    await first.stop()
    await first.stop()
    assert await second.start() == port
    await second.stop()


async def test_mistakes_in_persona_files_are_what_it_says(personas: Path, tmp_path: Path) -> None:
    with pytest.raises(SimulatorError, match="no rendered lines"):
        await SimulatorProcess(personas).start()
    with pytest.raises(SimulatorError, match=r'says\.yaml:1: "Yes\." has no audio'):
        await SimulatorProcess(personas, tmp_path).start()
    (personas / "says.yaml").write_text("name: A\n")
    with pytest.raises(SimulatorError, match=r"says\.yaml:1: `number` is missing") as caught:
        await SimulatorProcess(personas).start()
    assert "Traceback" not in str(caught.value)


async def test_it_counts_only_with_a_log(personas: Path, tmp_path: Path) -> None:
    with pytest.raises(SimulatorError, match="keeps no log"):
        SimulatorProcess(personas).invites()
    assert SimulatorProcess(personas, log=tmp_path / "none.jsonl").invites() == {}


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_well(personas: Path, audio: Path, number: signal.Signals) -> None:
    command = [sys.executable, "-m", "telephony.simulator", "--personas", str(personas), "--audio", str(audio)]
    with subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=_environment()
    ) as process:
        assert process.stdout is not None
        assert json.loads(process.stdout.readline())["listening"] > 0
        process.send_signal(number)
        _, words = process.communicate(timeout=10)
    assert (process.returncode, words) == (0, b"")


async def test_it_ends_when_the_process_that_started_it_is_killed(personas: Path, audio: Path) -> None:
    program = (
        "import asyncio, sys; from pathlib import Path; from telephony.simulator import SimulatorProcess\n"
        "async def main():\n"
        "    async with SimulatorProcess(Path(sys.argv[1]), Path(sys.argv[2])) as simulator:\n"
        "        print(simulator._process.pid, flush=True)\n"
        "        await asyncio.sleep(60)\n"
        "asyncio.run(main())"
    )
    starter = await asyncio.create_subprocess_exec(
        *[sys.executable, "-c", program, str(personas), str(audio)], stdout=asyncio.subprocess.PIPE, env=_environment()
    )
    assert starter.stdout is not None
    pid = int(await starter.stdout.readline())
    assert _alive(pid)
    starter.kill()
    await starter.communicate()
    async with asyncio.timeout(10):
        while _alive(pid):  # noqa: ASYNC110 — another process tells nothing
            await asyncio.sleep(0.02)


def test_the_schema_can_be_printed_and_personas_are_asked_for() -> None:
    run = subprocess.run(
        [sys.executable, "-m", "telephony.simulator", "--schema"], capture_output=True, env=_environment(), check=True
    )
    assert json.loads(run.stdout) == json_schema()
    bare = subprocess.run(
        [sys.executable, "-m", "telephony.simulator"], capture_output=True, env=_environment(), check=False
    )
    assert bare.returncode == 2
    assert b"--personas is needed" in bare.stderr
