"""A real Asterisk for tests: configuration, ports and process of its own, ended by its own id."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import signal
import subprocess
import tempfile
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.support_asterisk_config import AMI_SECRET, AMI_USER, Options, Ports, Trunk, prefix, write_configuration

#: Fixed at import: the suite's fixtures take CAMPANA_ settings away from each test.
PROGRAM = prefix() / "asterisk"
_START_S = 60.0


def require_asterisk() -> Path:
    """Path of Asterisk's program, or a skip that says how to get it."""
    if not PROGRAM.exists():
        pytest.skip("Asterisk is not installed: scripts/asterisk install")
    return PROGRAM


class Asterisk:
    """One Asterisk, started by `start` (or by hand: `boot`, then `aclose`)."""

    ami_user = AMI_USER
    ami_secret = AMI_SECRET

    def __init__(self, folder: Path, options: Options, ports: Ports | None = None) -> None:
        self.folder = folder
        self.options = options
        self.ports = ports or Ports.reserve()
        self.run_folder = Path(tempfile.mkdtemp(prefix="campana-pbx-"))
        self._process: subprocess.Popen[bytes] | None = None
        write_configuration(folder, self.run_folder, self.ports, options)

    @classmethod
    @contextlib.asynccontextmanager
    async def start(
        cls,
        folder: Path,
        far_end_port: int | None = None,
        *,
        trunks: Mapping[str, int | Trunk] | None = None,
        **options: Any,
    ) -> AsyncIterator[Asterisk]:
        """A booted Asterisk until the block ends.

        `far_end_port` makes the endpoint "trunk" lead to 127.0.0.1 at that UDP port; `trunks` gives more by name, as
        a port or a `Trunk`. The other options are those of `Options`. `folder` may be empty or new.
        """
        require_asterisk()
        named = {} if far_end_port is None else {"trunk": Trunk(far_end_port)}
        named |= {name: Trunk(to) if isinstance(to, int) else to for name, to in (trunks or {}).items()}
        pbx = cls(folder, Options(trunks=named, **options))
        try:
            await pbx.boot()
            yield pbx
        finally:
            await pbx.aclose()

    @property
    def ami_port(self) -> int:
        return self.ports.ami

    @property
    def ami_tls_port(self) -> int:
        """Listens with the option `tls` only."""
        return self.ports.ami_tls

    @property
    def certificate(self) -> Path:
        """The self-signed certificate of AMI over TLS, for localhost and 127.0.0.1."""
        return self.folder / "keys" / "ami.crt"

    @property
    def http_port(self) -> int:
        return self.ports.http

    @property
    def sip_port(self) -> int:
        return self.ports.sip

    @property
    def pid(self) -> int:
        assert self._process is not None, "Asterisk is not running"
        return self._process.pid

    async def boot(self) -> None:
        """Start the process, and return when Asterisk says that it is fully booted."""
        assert self._process is None, "Asterisk runs already"
        with (self.folder / "console.txt").open("ab") as console:
            self._process = subprocess.Popen(  # noqa: ASYNC220 - it must outlive the loop when started by hand
                [PROGRAM, "-C", self.folder / "etc" / "asterisk.conf", "-f", "-n"],
                stdin=subprocess.DEVNULL,
                stdout=console,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                cwd=self.folder,
            )
        try:
            async with asyncio.timeout(_START_S):
                while "fully booted" not in await self._ask("core waitfullybooted"):
                    assert self._process.poll() is None, f"Asterisk ended at its start:\n{self._last_words()}"
                    await asyncio.sleep(0.02)
        except TimeoutError:
            raise AssertionError(f"Asterisk did not boot in {_START_S:g} s:\n{self._last_words()}") from None

    async def cli(self, command: str) -> str:
        """What the console answers to a command."""
        assert self._process is not None, "Asterisk is not running"
        return await self._ask(command)

    async def kill(self) -> None:
        """End it as a crash does: SIGKILL, no goodbye to anybody."""
        await self._end(signal.SIGKILL)

    async def stop(self) -> None:
        """End it as `core stop now` does: live calls are hung up."""
        await self._end(signal.SIGTERM)

    async def restart(self) -> None:
        """Boot again on the same ports with the same configuration, after a kill if it still runs."""
        await self.kill()
        await self.boot()

    async def freeze(self) -> None:
        """Stop the process from doing anything until `thaw`; its sockets stay open. Returns when all threads stand."""
        self._signal(signal.SIGSTOP)
        async with asyncio.timeout(_START_S):
            while not _stopped(self.pid):  # noqa: ASYNC110 - the kernel does it
                await asyncio.sleep(0.01)

    def thaw(self) -> None:
        self._signal(signal.SIGCONT)

    def log_text(self) -> str:
        """The log so far: notices, warnings, errors and verbose lines, of all starts."""
        log = self.folder / "log" / "messages.log"
        return log.read_text(encoding="utf-8", errors="replace") if log.exists() else ""

    async def until_cli(self, command: str, sought: str, timeout_s: float = 20.0) -> str:
        """Ask the console until its answer contains a text."""
        answer = ""
        try:
            async with asyncio.timeout(timeout_s):
                while sought not in (answer := await self.cli(command)):  # noqa: ASYNC110 - another process answers
                    await asyncio.sleep(0.05)
        except TimeoutError:
            raise AssertionError(f"{command!r} did not answer {sought!r} in {timeout_s:g} s, but:\n{answer}") from None
        return answer

    async def aclose(self) -> None:
        await self.kill()
        self.ports.release()
        shutil.rmtree(self.run_folder, ignore_errors=True)

    async def _ask(self, command: str) -> str:
        asking = await asyncio.create_subprocess_exec(
            *(PROGRAM, "-C", self.folder / "etc" / "asterisk.conf", "-r", "-x", command),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        try:
            answer, _ = await asking.communicate()
        except asyncio.CancelledError:
            asking.kill()
            await asking.wait()
            raise
        return answer.decode(errors="replace")

    def _signal(self, number: signal.Signals) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(number)

    async def _end(self, number: signal.Signals) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        if process.poll() is None:
            process.send_signal(number)
        await asyncio.to_thread(process.wait)

    def _last_words(self) -> str:
        console = (self.folder / "console.txt").read_text(encoding="utf-8", errors="replace")
        return (console + self.log_text())[-3000:]


def _stopped(pid: int) -> bool:
    try:
        stats = [(task / "stat").read_text() for task in Path(f"/proc/{pid}/task").iterdir()]
    except OSError:  # a thread ended between the two looks
        return False
    return all(stat.rpartition(")")[2].split()[0] == "T" for stat in stats)
