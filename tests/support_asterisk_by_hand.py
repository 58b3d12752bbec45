"""What `scripts/asterisk start | stop | cli` runs: the tests' Asterisk, left running for a developer."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

from tests.support_asterisk import PROGRAM, Asterisk
from tests.support_asterisk_config import Options, Trunk

_END_S = 10.0


def main() -> int:
    parser = argparse.ArgumentParser(prog="scripts/asterisk", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    start = commands.add_parser("start", help="write a configuration into a folder and start Asterisk with it")
    start.add_argument("folder", type=Path)
    start.add_argument("--far-end", type=int, default=5060, metavar="PORT", help="UDP port that the trunk leads to")
    start.add_argument("--system", action="store_true", help="allow the manager user MixMonitor")
    start.add_argument("--tls", action="store_true", help="listen for AMI over TLS too")
    commands.add_parser("stop", help="end it").add_argument("folder", type=Path)
    console = commands.add_parser("cli", help="run a command of its console")
    console.add_argument("folder", type=Path)
    console.add_argument("words", nargs="+")
    given = parser.parse_args()
    if given.command == "start":
        return asyncio.run(_start(given))
    known = _known(given.folder)
    if known is None:
        print(f"scripts/asterisk: no Asterisk was started with {given.folder}", file=sys.stderr)
        return 1
    if given.command == "stop":
        return _stop(given.folder, known)
    return subprocess.run(
        [PROGRAM, "-C", given.folder / "etc/asterisk.conf", "-r", "-x", " ".join(given.words)], check=False
    ).returncode


async def _start(given: argparse.Namespace) -> int:
    known = _known(given.folder)
    if known is not None and _lives(known):
        print(f"scripts/asterisk: Asterisk runs in {given.folder} already, process {known['pid']}", file=sys.stderr)
        return 1
    options = Options({"trunk": Trunk(given.far_end)}, reporting=True, system=given.system, tls=given.tls)
    given.folder.mkdir(parents=True, exist_ok=True)
    pbx = Asterisk(given.folder, options)
    try:
        await pbx.boot()
    except AssertionError as exc:
        await pbx.aclose()
        print(f"scripts/asterisk: {exc}", file=sys.stderr)
        return 1
    _note(given.folder).write_text(json.dumps({"pid": pbx.pid, "run": str(pbx.run_folder)}), encoding="utf-8")
    tls = f"AMI by TLS  127.0.0.1:{pbx.ami_tls_port}, certificate {pbx.certificate}\n" if given.tls else ""
    print(
        f"AMI         127.0.0.1:{pbx.ami_port}, user {pbx.ami_user}, secret {pbx.ami_secret}\n{tls}"
        f"SIP         127.0.0.1:{pbx.sip_port} (UDP); RTP {pbx.ports.rtp[0]}-{pbx.ports.rtp[1]}\n"
        f"trunk       PJSIP/NUMBER@trunk, to 127.0.0.1:{given.far_end}\n"
        f"dialplan    Local/NUMBER@callback (by the trunk), @echo, @playback\n"
        f"log         {given.folder}/log/messages.log\n"
        f"end it      scripts/asterisk stop {given.folder}"
    )
    return 0


def _stop(folder: Path, known: dict[str, object]) -> int:
    if _lives(known):
        os.kill(int(str(known["pid"])), signal.SIGTERM)
        end = time.monotonic() + _END_S
        while _lives(known) and time.monotonic() < end:
            time.sleep(0.05)
        if _lives(known):
            os.kill(int(str(known["pid"])), signal.SIGKILL)
    shutil.rmtree(str(known["run"]), ignore_errors=True)
    _note(folder).unlink()
    return 0


def _lives(known: dict[str, object]) -> bool:
    """Whether the noted process still is that Asterisk, not another one that got its number since."""
    try:
        command = Path(f"/proc/{known['pid']}/cmdline").read_bytes()
    except OSError:
        return False
    return b"usr/sbin/asterisk" in command


def _note(folder: Path) -> Path:
    return folder / "running.json"


def _known(folder: Path) -> dict[str, object] | None:
    try:
        found: dict[str, object] = json.loads(_note(folder).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    return found


if __name__ == "__main__":
    sys.exit(main())
