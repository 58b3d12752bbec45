"""A stereo WAV file that grows on disk and is renamed into place when it is whole."""

from __future__ import annotations

import hashlib
import io
import struct
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path, PurePosixPath
from typing import Final

from bot.outcome import Recording

CHANNELS: Final = 2
#: Bytes of one sample of both channels.
FRAME_BYTES: Final = 4
HEADER_BYTES: Final = 44

OpenFile = Callable[[Path], io.FileIO]


def open_unbuffered(path: Path) -> io.FileIO:
    """A new file for writing, in place of an older one."""
    return io.FileIO(path, "w+")


def header(rate_hz: int, data_bytes: int) -> bytes:
    """The RIFF header of 16-bit stereo PCM (Microsoft, Multimedia Programming Interface 1.0)."""
    return struct.pack(
        "<4sI4s4sIHHIIHH4sI",
        b"RIFF",
        HEADER_BYTES - 8 + data_bytes,
        b"WAVE",
        b"fmt ",
        16,
        1,
        CHANNELS,
        rate_hz,
        rate_hz * FRAME_BYTES,
        FRAME_BYTES,
        16,
        b"data",
        data_bytes,
    )


class WavFile:
    """One recording on disk. `append` and `finish` block and raise nothing; the first failure is kept and told."""

    def __init__(self, folder: Path, path: PurePosixPath, rate_hz: int, open_file: OpenFile = open_unbuffered) -> None:
        self._path = path
        self._whole = folder / path
        self._part = self._whole.with_name(f"{self._whole.name}.part")
        self._rate_hz = rate_hz
        self._open_file = open_file
        self._file: io.FileIO | None = None
        self._error: str | None = None

    def append(self, pcm: bytes) -> None:
        """Add interleaved samples; nothing more once a write has failed."""
        if self._error is not None:
            return
        try:
            self._write(self._opened(), pcm)
        except OSError as error:
            self._error = _reason(error)

    def finish(self, frames: int) -> Recording:
        """Cut the file to `frames`, complete its header and put it into place."""
        if self._file is None and self._error is None:
            self.append(b"")
        if self._file is None:
            return self.unfinished(self._error or "nothing was written")
        try:
            with self._file as file:
                return self._finished(file, frames)
        except OSError as error:
            with suppress(OSError):  # a disk turned read-only refuses this too
                self._part.unlink(missing_ok=True)
            return self.unfinished(self._error or _reason(error))

    def unfinished(self, error: str) -> Recording:
        """What is known of a file that is not there."""
        return Recording(
            path=self._path,
            rate_hz=self._rate_hz,
            channels=CHANNELS,
            duration_ms=0,
            bytes=0,
            sha256=hashlib.sha256().hexdigest(),
            error=error,
        )

    def _opened(self) -> io.FileIO:
        if self._file is None:
            self._part.parent.mkdir(parents=True, exist_ok=True)
            self._file = self._open_file(self._part)
            self._write(self._file, header(self._rate_hz, 0))
        return self._file

    def _write(self, file: io.FileIO, content: bytes) -> None:
        view = memoryview(content)
        while view:
            view = view[file.write(view) or 0 :]

    def _finished(self, file: io.FileIO, frames: int) -> Recording:
        # After a full disk the last write may be half there.
        written = max(0, file.seek(0, io.SEEK_END) - HEADER_BYTES) // FRAME_BYTES
        frames = min(frames, written)
        data_bytes = frames * FRAME_BYTES
        file.truncate(HEADER_BYTES + data_bytes)
        file.seek(0)
        self._write(file, header(self._rate_hz, data_bytes))
        file.seek(0)
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
        self._part.replace(self._whole)
        return Recording(
            path=self._path,
            rate_hz=self._rate_hz,
            channels=CHANNELS,
            duration_ms=frames * 1000 // self._rate_hz,
            bytes=HEADER_BYTES + data_bytes,
            sha256=sha256,
            error=self._error,
        )


def _reason(error: OSError) -> str:
    return f"the recording could not be written: {error.strerror or error}"
