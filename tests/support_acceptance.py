"""The real command in a process of its own, in a folder with settings, script, tariff and campaign of its own."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import signal
import socket
import sqlite3
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from models import ModelStore
from telephony.simulator import SimulatorProcess, load_personas

ROOT = Path(__file__).parents[1]
DEMO = ROOT / "examples" / "demo"
TARIFF = DEMO / "tariff.yaml"

SCRIPT = """\
script: reminder
language: en
codes:
  AG: {title: Agrees, result: Completed}
  RF: {title: Refuses, result: Completed}
intents:
  agree:
    like: "yes"
    samples: [I will pay it this week, I will pay]
  refuse:
    like: "no"
    samples: [I will not pay]
silence:
  after_ms: 3000
  say: ["Hello?"]
steps:
  greeting:
    - say: Hello. Will you pay it this week?
    - listen:
        intents: {agree: agreed, refuse: refused}
        else: refused
  agreed:
    - code: AG
    - say: Thank you. Goodbye.
    - end
  refused:
    - code: RF
    - say: Goodbye.
    - end
"""

AGREES = "Yes, I will pay it this week."


def free_port(kind: socket.SocketKind = socket.SOCK_STREAM) -> int:
    """A port that nobody listens on now."""
    with socket.socket(socket.AF_INET, kind) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def require_models(*model_ids: str) -> None:
    """Skip, saying how to get them, when models are missing."""
    store = ModelStore()
    for model_id in model_ids or ("stt-base", "tts-en-joe", "vad", "turn"):
        error = store.status(model_id).error
        if error is not None:
            pytest.skip(f"{error} (CAMPANA_MODELS_DIR names another folder)")


def environment(**more: str) -> dict[str, str]:
    """This process's environment without settings of its own; wide output, no colours."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith("CAMPANA_") or k == "CAMPANA_MODELS_DIR"}
    return {**kept, "PYTHONPATH": str(ROOT), "COLUMNS": "250", "NO_COLOR": "1", "TERM": "dumb", **more}


@dataclass(frozen=True)
class Ran:
    """A run of the command that has ended."""

    code: int
    out: str
    err: str

    @property
    def text(self) -> str:
        return f"exit {self.code}\n--- stdout\n{self.out}\n--- stderr\n{self.err}"

    def json(self) -> Any:
        return json.loads(self.out)

    def ok(self) -> Ran:
        """Itself, when it ended well and said nothing alarming."""
        assert self.code == 0, self.text
        self.quiet()
        return self

    def quiet(self) -> None:
        """Fail when a person would see a traceback, a warning or a library's complaint."""
        for sign in ("Traceback", "Warning:", "Exception ignored", "never awaited", "decode err", "error:"):
            assert sign not in self.err, self.text

    def refused(self, *said: str, code: int = 2) -> str:
        """What was said, when it is a mistake told in words: all of `said` on standard error, no traceback."""
        assert self.code == code, self.text
        assert "Traceback" not in self.out + self.err, self.text
        flat = " ".join(self.err.split())
        for words in said:
            assert words in flat, f"{words!r} is not said\n{self.text}"
        return flat


class Running:
    """A run of the command that goes on; its output goes to files, so that it never waits for a reader."""

    def __init__(self, process: asyncio.subprocess.Process, out: Path, err: Path) -> None:
        self.process = process
        self._out, self._err = out, err

    @property
    def out(self) -> str:
        return self._out.read_text(encoding="utf-8", errors="replace")

    @property
    def err(self) -> str:
        return self._err.read_text(encoding="utf-8", errors="replace")

    @property
    def alive(self) -> bool:
        return self.process.returncode is None

    async def ended(self, timeout_s: float = 120) -> Ran:
        """Wait for its end; killed when that does not come."""
        try:
            await asyncio.wait_for(self.process.wait(), timeout_s)
        except TimeoutError:
            await self.kill()
            pytest.fail(f"the command did not end within {timeout_s} s\n{self._ran().text}")
        return self._ran()

    async def kill(self) -> Ran:
        """SIGKILL: no line of it runs any more."""
        if self.alive:
            self.process.kill()
        await self.process.wait()
        return self._ran()

    async def interrupt(self, timeout_s: float = 60) -> Ran:
        """SIGINT, as Ctrl-C sends it, and the end."""
        if self.alive:
            self.process.send_signal(signal.SIGINT)
        return await self.ended(timeout_s)

    async def says(self, pattern: str, timeout_s: float = 60) -> re.Match[str]:
        """Wait until standard output matches."""
        found: list[re.Match[str]] = []

        def matches() -> bool:
            if not self.alive:
                pytest.fail(f"ended before it said {pattern!r}\n{self._ran().text}")
            match = re.search(pattern, self.out)
            if match:
                found.append(match)
            return match is not None

        await until(matches, timeout_s, f"it says {pattern!r}")
        return found[0]

    def _ran(self) -> Ran:
        code = self.process.returncode
        return Ran(-1 if code is None else code, self.out, self._err.read_text(encoding="utf-8", errors="replace"))


async def until(fact: Any, timeout_s: float, what: str) -> None:
    """Wait until `fact()` holds."""
    loop = asyncio.get_running_loop()
    end = loop.time() + timeout_s
    while not fact():
        assert loop.time() < end, f"{what}: not within {timeout_s} s"
        await asyncio.sleep(0.05)


@dataclass
class Site:
    """A folder from which the command is run, as a user has it."""

    folder: Path
    wrapper: Sequence[str] = ()
    _runs: int = field(default=0, init=False)

    def write(self, name: str, text: str | bytes) -> Path:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    def settings(self, *, trunk_port: int | None = None, smtp_port: int = 25, more: str = "", cps: int = 50) -> Path:
        """campana.toml; without `trunk_port` there is no trunk. Service calls may be made at any hour of the day."""
        self.write("legal.yaml", "VN: {service: {}}\n")
        text = f'data_folder = "data"\n{more}\n[account]\nname = "Bell"\n[smtp]\nport = {smtp_port}\n'
        if trunk_port is not None:
            text += '[calling]\nlegal_hours = "legal.yaml"\n'
            text += f'[[trunks]]\nname = "line"\nhost = "127.0.0.1"\nport = {trunk_port}\ncps = {cps}\nchannels = 40\n'
        return self.write("campana.toml", text)

    def campaign(self, code: str = "C1", *, script_text: str = SCRIPT, **fields: Any) -> Path:
        """Campaign file, script and tariff."""
        self.write("script.yaml", script_text)
        self.write("tariff.yaml", TARIFF.read_text(encoding="utf-8"))
        given = {
            "name": "Test",
            "code": code,
            "script": "script.yaml",
            "tariff": "tariff.yaml",
            "trunk": "line",
            "purpose": "service",
            "ring_timeout_s": 5,
            "max_call_s": 30,
            "report_emails": ["boss@example.com"],
        } | fields
        lines = [f"{name}: {json.dumps(value)}" for name, value in given.items() if value is not None]
        return self.write("campaign.yaml", "\n".join(lines) + "\n")

    def contacts(self, numbers: Iterable[str]) -> Path:
        return self.write("list.csv", "phone\n" + "".join(f"{number}\n" for number in numbers))

    async def start(self, *arguments: str, env: Mapping[str, str] | None = None) -> Running:
        """Begin a run of the command."""
        self._runs += 1
        out, err = (self.folder / f"run{self._runs}.{name}" for name in ("out", "err"))
        with out.open("wb") as stdout, err.open("wb") as stderr:
            process = await asyncio.create_subprocess_exec(
                *self.wrapper,
                *(sys.executable, "-m", "campana.cli", *arguments),
                cwd=self.folder,
                env=environment(**(env or {})),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=stdout,
                stderr=stderr,
            )
        return Running(process, out, err)

    async def run(self, *arguments: str, timeout_s: float = 120, env: Mapping[str, str] | None = None) -> Ran:
        """Run the command to its end."""
        return await (await self.start(*arguments, env=env)).ended(timeout_s)

    async def enrol(self, numbers: Sequence[str], code: str = "C1", **fields: Any) -> None:
        """Create the campaign and import its list, through the command."""
        (await self.run("campaign", "create", str(self.campaign(code, **fields)))).ok()
        (await self.run("campaign", "import", code, str(self.contacts(numbers)))).ok()

    async def status(self, code: str = "C1") -> dict[str, Any]:
        found: list[dict[str, Any]] = (await self.run("campaign", "status", code, "--json")).ok().json()
        return found[0]

    async def audit(self, code: str = "C1") -> None:
        """Fail when the books do not balance."""
        ran = await self.run("audit", code, "--json")
        assert ran.code == 0, ran.text
        assert ran.json()["ok"] is True, ran.text

    def rows(self, statement: str, *values: Any) -> list[dict[str, Any]]:
        """Rows of the database, read past the program, so that its own reading is no witness in its own cause."""
        with contextlib.closing(sqlite3.connect(f"file:{self.database}?mode=ro", uri=True)) as conn:
            conn.row_factory = sqlite3.Row
            return [dict(row) for row in conn.execute(statement, values)]

    @property
    def database(self) -> Path:
        return self.folder / "data" / "campana.db"


@contextlib.asynccontextmanager
async def running(site: Site, *arguments: str) -> Any:
    """A run of the command that is surely over at the end of the block."""
    process = await site.start(*arguments)
    try:
        yield process
    finally:
        await process.kill()


def network(folder: Path, personas: str, audio: Path | None) -> SimulatorProcess:
    """The telephone network of these personas as a process, with a log of every INVITE."""
    path = folder / "personas.yaml"
    path.write_text(personas, encoding="utf-8")
    load_personas(path)
    return SimulatorProcess(path, audio, folder / "network.jsonl")
