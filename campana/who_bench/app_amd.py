"""What Asterisk's own app_amd makes of the same greetings, with its default settings; in real time, many at once."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import signal
import subprocess
import tempfile
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Final

from bot.who_answered import verdict_of_amd
from campana.errors import CampanaError
from campana.who_bench.greetings import Greeting
from campana.who_bench.running import Judged

_AT_ONCE: Final = 15
_BOOT_S: Final = 60.0
#: app_amd decides within 5 s of audio.
_CALL_S: Final = 12.0
#: Silence behind each greeting: a far end that hangs up would decide for app_amd.
_PADDING: Final = bytes(16_000 * 8)

_MODULES: Final = (
    *("res_timing_timerfd", "pbx_config", "codec_ulaw", "codec_resample", "format_sln", "app_amd", "app_playback"),
    *("app_verbose", "res_clioriginate"),
)
#: Files that Asterisk wants to be there; what they leave out is its default.
_EMPTY: Final = (
    *("acl", "amd", "ccss", "cel", "cli", "features", "sorcery", "stasis", "udptl", "cli_aliases", "cli_permissions"),
    *("dsp", "codecs", "dnsmgr", "named_acl", "manager", "http", "rtp", "indications"),
)
_DIALPLAN: Final = """
[play]
exten => _X.,1,Answer(,i)
 same => n,Log(NOTICE,plays ${{EXTEN}})
 same => n,Playback({folder}/${{EXTEN}},noanswer)
[amd]
exten => _X.,1,AMD()
 same => n,Log(NOTICE,after ${{EXTEN}} ${{AMDSTATUS}} ${{AMDCAUSE}})
"""
_LINE: Final = re.compile(r"^\[([^\]]+)\].*: (plays|after) (\d+)(?: (\S*) ?(\S*))?$", re.MULTILINE)


class NoAsterisk(CampanaError):
    """Asterisk did not run."""


def asterisk_program() -> Path | None:
    """The Asterisk of `scripts/asterisk install`, None where there is none."""
    cache = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    prefix = os.environ.get("CAMPANA_ASTERISK_PREFIX") or str(Path(cache) / "campana" / "asterisk")
    program = Path(prefix) / "asterisk"
    return program if program.exists() else None


async def judge_by_amd(program: Path, greetings: Sequence[Greeting]) -> list[Judged]:
    """Play each greeting to app_amd over a Local channel; NOTSURE and nothing are no verdict. Raises `NoAsterisk`."""
    with tempfile.TemporaryDirectory(prefix="campana-amd-") as name:
        folder = Path(name)
        _write(program, folder, greetings)
        async with _asterisk(program, folder):
            gate = asyncio.Semaphore(_AT_ONCE)
            async with asyncio.TaskGroup() as group:
                for number in range(len(greetings)):
                    group.create_task(_call(program, folder, number, gate))
        return _read(folder / "log" / "results", greetings)


def _write(program: Path, folder: Path, greetings: Sequence[Greeting]) -> None:
    for part in ("etc", "log", "var"):
        (folder / part).mkdir()
    root = program.parent / "root"
    modules = next(root.glob("usr/lib/*/asterisk/modules"), None)
    if modules is None:
        raise NoAsterisk(f"no modules below {root}; run scripts/asterisk install")
    places = {
        "astetcdir": folder / "etc",
        "astmoddir": modules,
        "astlogdir": folder / "log",
        "astdatadir": root / "usr" / "share" / "asterisk",
        **dict.fromkeys(("astvarlibdir", "astdbdir", "astkeydir", "astspooldir", "astrundir"), folder / "var"),
    }
    head = "".join(f"{key} => {place}\n" for key, place in places.items())
    files = dict.fromkeys((f"{name}.conf" for name in _EMPTY), "") | {
        "asterisk.conf": f"[directories]\n{head}[options]\nverbose = 0\n",
        "cdr.conf": "[general]\nenable = no\n",
        "modules.conf": "[modules]\nautoload = no\n" + "".join(f"load = {module}.so\n" for module in _MODULES),
        "logger.conf": "[general]\ndateformat=%F %T.%3q\n[logfiles]\nresults => notice\n",
        "extensions.conf": _DIALPLAN.format(folder=folder),
    }
    for file, text in files.items():
        (folder / "etc" / file).write_text(text)
    for number, greeting in enumerate(greetings):
        (folder / f"{_extension(number)}.sln").write_bytes(greeting.pcm + _PADDING)


def _extension(number: int) -> str:
    return f"1{number:05d}"


@contextlib.asynccontextmanager
async def _asterisk(program: Path, folder: Path) -> AsyncIterator[None]:
    with (folder / "console").open("wb") as console:
        process = await asyncio.create_subprocess_exec(
            program, "-C", folder / "etc" / "asterisk.conf", "-f", "-n",
            stdin=subprocess.DEVNULL, stdout=console, stderr=console, start_new_session=True,
        )  # fmt: skip
    try:
        async with asyncio.timeout(_BOOT_S):
            while "fully booted" not in await _ask(program, folder, "core waitfullybooted"):
                if process.returncode is not None:
                    raise NoAsterisk(f"Asterisk ended at its start: {(folder / 'console').read_text()[-500:]}")
                await asyncio.sleep(0.1)
        yield
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(signal.SIGTERM)
        await process.wait()


async def _ask(program: Path, folder: Path, command: str) -> str:
    asked = await asyncio.create_subprocess_exec(
        program, "-C", folder / "etc" / "asterisk.conf", "-rx", command,
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip
    return (await asked.communicate())[0].decode(errors="replace")


async def _call(program: Path, folder: Path, number: int, gate: asyncio.Semaphore) -> None:
    extension = _extension(number)
    async with gate:
        await _ask(program, folder, f"channel originate Local/{extension}@play/n extension {extension}@amd")
        log = folder / "log" / "results"
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_CALL_S):
                # Asterisk tells the end of app_amd by its log alone.
                while not log.exists() or f"after {extension} " not in log.read_text(errors="replace"):  # noqa: ASYNC110
                    await asyncio.sleep(0.2)


def _read(log: Path, greetings: Sequence[Greeting]) -> list[Judged]:
    began: dict[int, datetime] = {}
    judged = {number: Judged(greeting, (), None) for number, greeting in enumerate(greetings)}
    for at, what, extension, status, cause in _LINE.findall(log.read_text(errors="replace")):
        number, instant = int(extension) - 100_000, datetime.fromisoformat(at)
        if what == "plays":
            began[number] = instant
            continue
        verdict = verdict_of_amd(status, cause)
        if verdict is not None:
            decided_ms = round((instant - began[number]).total_seconds() * 1000)
            judged[number] = Judged(greetings[number], (replace(verdict, decided_ms=decided_ms),), None)
    return list(judged.values())
