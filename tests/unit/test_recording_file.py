"""Recordings on disk: a WAV that any program reads, and disks that are full."""

from __future__ import annotations

import errno
import hashlib
import io
import wave
from pathlib import Path, PurePosixPath

import pytest

from bot.wav import FRAME_BYTES, HEADER_BYTES, OpenFile, WavFile

NAME = PurePosixPath("2026/03/04/a.wav")


class FullAfter(io.FileIO):
    """A disk with room for so many bytes."""

    room = 0

    def write(self, content: object) -> int:
        view = memoryview(content)  # type: ignore[arg-type]
        left = self.room - self.seek(0, io.SEEK_CUR)
        if left <= 0:
            raise OSError(28, "No space left on device")
        return super().write(view[:left]) or 0


def full_after(room: int) -> OpenFile:
    def open_file(path: Path) -> FullAfter:
        file = FullAfter(path, "w+")
        file.room = room
        return file

    return open_file


def test_a_finished_file_is_read_by_the_standard_library(tmp_path: Path) -> None:
    file = WavFile(tmp_path, NAME, 8000)
    file.append(b"\x01\x00\x02\x00" * 8000)
    file.append(b"\x03\x00\x04\x00" * 4000)
    recording = file.finish(12000)
    with wave.open(str(tmp_path / NAME)) as found:
        assert (found.getnchannels(), found.getsampwidth(), found.getframerate()) == (2, 2, 8000)
        frames = found.readframes(found.getnframes())
    assert frames == b"\x01\x00\x02\x00" * 8000 + b"\x03\x00\x04\x00" * 4000
    assert (recording.duration_ms, recording.error, recording.path) == (1500, None, NAME)


def test_what_is_told_of_a_file_is_true(tmp_path: Path) -> None:
    file = WavFile(tmp_path, NAME, 8000)
    file.append(bytes(FRAME_BYTES * 800))
    recording = file.finish(800)
    content = (tmp_path / NAME).read_bytes()
    assert recording.bytes == len(content) == HEADER_BYTES + 3200
    assert recording.sha256 == hashlib.sha256(content).hexdigest()


def test_nothing_has_its_final_name_before_it_is_whole(tmp_path: Path) -> None:
    file = WavFile(tmp_path, NAME, 8000)
    file.append(bytes(FRAME_BYTES * 800))
    assert [path.name for path in (tmp_path / NAME).parent.iterdir()] == ["a.wav.part"]
    file.finish(800)
    assert [path.name for path in (tmp_path / NAME).parent.iterdir()] == ["a.wav"]


def test_what_was_written_beyond_the_end_is_cut_off(tmp_path: Path) -> None:
    file = WavFile(tmp_path, NAME, 8000)
    file.append(bytes(FRAME_BYTES * 900))
    assert file.finish(800).duration_ms == 100
    assert (tmp_path / NAME).stat().st_size == HEADER_BYTES + 3200


def test_a_call_without_a_sound_has_an_empty_file(tmp_path: Path) -> None:
    recording = WavFile(tmp_path, NAME, 8000).finish(0)
    assert (recording.duration_ms, recording.bytes, recording.error) == (0, HEADER_BYTES, None)


def test_on_a_disk_that_fills_up_the_begin_is_kept(tmp_path: Path) -> None:
    file = WavFile(tmp_path, NAME, 8000, full_after(HEADER_BYTES + 4002))
    for _ in range(5):
        file.append(b"\x05\x00\x06\x00" * 800)
    recording = file.finish(4000)
    assert recording.error == "the recording could not be written: No space left on device"
    assert recording.duration_ms == 125
    with wave.open(str(tmp_path / NAME)) as found:
        assert found.readframes(found.getnframes()) == b"\x05\x00\x06\x00" * 1000


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="the kernel has no /dev/full")
def test_a_device_that_is_full_at_once_leaves_no_file_and_no_exception(tmp_path: Path) -> None:
    file = WavFile(tmp_path, NAME, 8000, lambda _: io.FileIO("/dev/full", "w"))
    file.append(bytes(FRAME_BYTES * 800))
    recording = file.finish(800)
    assert recording.error == "the recording could not be written: No space left on device"
    assert (recording.bytes, recording.duration_ms) == (0, 0)
    assert not (tmp_path / NAME).exists()


def test_a_folder_that_cannot_be_made_is_an_error_of_the_recording(tmp_path: Path) -> None:
    (tmp_path / "2026").write_text("a file where a folder should be")
    file = WavFile(tmp_path, NAME, 8000)
    file.append(bytes(FRAME_BYTES))
    recording = file.finish(1)
    assert recording.error is not None
    assert recording.error.startswith("the recording could not be written: ")


def test_a_disk_that_turns_read_only_at_the_end_is_an_error_of_the_recording(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class ReadOnly(io.FileIO):
        def truncate(self, size: int | None = None) -> int:
            raise OSError(errno.EROFS, "Read-only file system")

    def refused(self: Path, missing_ok: bool = False) -> None:
        raise OSError(errno.EROFS, "Read-only file system", str(self))

    file = WavFile(tmp_path, NAME, 8000, lambda path: ReadOnly(path, "w+"))
    file.append(bytes(FRAME_BYTES * 800))
    monkeypatch.setattr(Path, "unlink", refused)
    recording = file.finish(800)
    assert recording.error == "the recording could not be written: Read-only file system"
    assert (recording.bytes, recording.duration_ms) == (0, 0)
