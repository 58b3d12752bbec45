"""The stereo recording of a call: customer left, bot right, both where they were heard, written while it goes on."""

from __future__ import annotations

import asyncio
import re
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from pathlib import Path, PurePosixPath
from typing import Final, Protocol

import numpy as np
import structlog

from bot.outcome import Recording
from bot.timings import CallTime
from bot.wav import CHANNELS, OpenFile, WavFile, open_unbuffered

_log = structlog.get_logger(__name__)

_SAMPLE_BYTES: Final = 2
#: What the network holds back of the bot's audio may still be discarded: only older sound is written.
_SETTLED_MS: Final = 400
_WRITE_EVERY_MS: Final = 1000
#: Pieces that follow each other this closely are one sound; times in whole ms must not tear it.
_JOIN_MS: Final = 40
#: The customer's frames are a clock of their own (20 ms each); only a gross difference is a gap.
_AHEAD_MS: Final = 40
_BEHIND_MS: Final = 1000
_CLOSE_TIMEOUT_S: Final = 15.0
_UNSAFE: Final = re.compile(r"[^A-Za-z0-9_-]")


class Recordings:
    """The recordings folder and the one thread that writes into it; the event loop never waits for the disk.

    `open_file` opens a new file for unbuffered writing.
    """

    def __init__(self, folder: Path, *, open_file: OpenFile = open_unbuffered) -> None:
        self.folder = folder
        self._open_file = open_file
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="recording")

    def begin(self, attempt_id: str, answered_at: datetime, time: CallTime, rate_hz: int) -> CallRecorder:
        """Begin `YYYY/MM/DD/<attempt_id>.wav` (the date of the answer in UTC)."""
        name = f"{answered_at:%Y/%m/%d}/{_UNSAFE.sub('_', attempt_id)}.wav"
        file = WavFile(self.folder, PurePosixPath(name), rate_hz, self._open_file)
        return CallRecorder(file, time, rate_hz, self._thread)

    async def aclose(self) -> None:
        """Write what is left and end the thread. Idempotent."""
        await asyncio.to_thread(self._thread.shutdown)


class _Channel:
    """One side's samples from position `base` on."""

    def __init__(self) -> None:
        self.base = 0
        self._pcm = bytearray()

    @property
    def end(self) -> int:
        """The position after the last sample."""
        return self.base + len(self._pcm) // _SAMPLE_BYTES

    def put(self, pcm: bytes, position: int) -> None:
        """Place samples; what lies before `base` is written already and dropped."""
        if position < self.base:
            pcm, position = pcm[(self.base - position) * _SAMPLE_BYTES :], self.base
        self.pad(position)
        at = (position - self.base) * _SAMPLE_BYTES
        self._pcm[at : at + len(pcm)] = pcm

    def pad(self, position: int) -> None:
        """Silence up to `position`."""
        self._pcm += bytes(max(0, position - self.end) * _SAMPLE_BYTES)

    def cut(self, position: int) -> None:
        """Nothing from `position` on."""
        del self._pcm[max(0, position - self.base) * _SAMPLE_BYTES :]

    def drop(self, samples: int) -> None:
        """Move everything ahead by leaving out the first samples."""
        del self._pcm[: samples * _SAMPLE_BYTES]

    def take(self, position: int) -> bytes:
        """Remove and return the samples before `position`."""
        self.pad(position)
        size = max(0, position - self.base) * _SAMPLE_BYTES
        taken = bytes(self._pcm[:size])
        del self._pcm[:size]
        self.base += size // _SAMPLE_BYTES
        return taken


class Recorder(Protocol):
    """Takes both sides of one call; must not wait. Times are seconds of the event loop's clock."""

    def customer(self, pcm: bytes) -> None:
        """The next 20 ms from the customer, heard just now."""
        ...

    def bot(self, pcm: bytes, at: float) -> None:
        """Audio whose first sample the customer hears at `at`."""
        ...

    def bot_flushed(self, discarded_ms: int, at: float) -> None:
        """The last `discarded_ms` of the bot's audio were discarded at `at`, unheard."""
        ...


class Unrecorded:
    """Keeps nothing."""

    def customer(self, pcm: bytes) -> None:
        """See `Recorder`."""

    def bot(self, pcm: bytes, at: float) -> None:
        """See `Recorder`."""

    def bot_flushed(self, discarded_ms: int, at: float) -> None:
        """See `Recorder`."""


class CallRecorder:
    """The `Recorder` of one file."""

    def __init__(self, file: WavFile, time: CallTime, rate_hz: int, thread: ThreadPoolExecutor) -> None:
        self._file = file
        self._time = time
        self._rate_hz = rate_hz
        self._thread = thread
        self._customer = _Channel()
        self._bot = _Channel()
        self._begun = False
        #: Silence put before the customer's first frame.
        self._lead = 0

    def customer(self, pcm: bytes) -> None:
        """See `Recorder`."""
        samples = len(pcm) // _SAMPLE_BYTES
        now = self._position(self._time.now())
        if not self._begun:
            self._begun = True
            self._customer.pad(now - samples)
            self._lead = self._customer.end
        self._shorten_lead(self._customer.end + samples - now)
        if self._customer.end + samples > now + self._samples(_AHEAD_MS):
            return
        if self._customer.end + self._samples(_BEHIND_MS) < now:
            self._customer.pad(now - samples)
        self._customer.put(pcm, self._customer.end)
        self._write_settled(now)

    def bot(self, pcm: bytes, at: float) -> None:
        """See `Recorder`."""
        position = self._position(at)
        if abs(position - self._bot.end) <= self._samples(_JOIN_MS):
            position = self._bot.end
        self._bot.put(pcm, position)

    def bot_flushed(self, discarded_ms: int, at: float) -> None:
        """See `Recorder`."""
        end = min(self._bot.end - self._samples(discarded_ms), self._position(at))
        if end < self._bot.end:
            self._bot.cut(end)

    async def close(self, talk_ms: int) -> Recording:
        """The finished file, as long as the call. Raises nothing: what went wrong is in `Recording.error`."""
        try:
            done = await asyncio.wait_for(asyncio.shield(self._finishing(talk_ms)), _CLOSE_TIMEOUT_S)
        except TimeoutError:
            done = self._file.unfinished(f"the disk did not take the recording within {_CLOSE_TIMEOUT_S:.0f} s")
        except Exception as error:
            _log.exception("recording.failed", error=str(error))
            done = self._file.unfinished(f"the recording could not be finished: {type(error).__name__}: {error}")
        if done.error is not None:
            _log.warning("recording.incomplete", path=str(done.path), error=done.error)
        return done

    def _finishing(self, talk_ms: int) -> asyncio.Future[Recording]:
        last = max(self._customer.base, self._samples(talk_ms))
        self._customer.cut(last)
        self._bot.cut(last)
        self._submit(last)
        return asyncio.wrap_future(self._thread.submit(self._file.finish, self._samples(talk_ms)))

    def _shorten_lead(self, early: int) -> None:
        # Frames that come faster than they can be spoken were waiting for their reader: all of them are older.
        early = min(early, self._lead)
        if early > 0 and self._customer.base == 0:
            self._customer.drop(early)
            self._lead -= early

    def _write_settled(self, now: int) -> None:
        settled = now - self._samples(_SETTLED_MS)
        if settled - self._customer.base >= self._samples(_WRITE_EVERY_MS):
            self._submit(min(settled, self._customer.end))

    def _submit(self, position: int) -> None:
        left, right = self._customer.take(position), self._bot.take(position)
        both = np.empty(len(left) // _SAMPLE_BYTES * CHANNELS, dtype="<i2")
        both[0::2], both[1::2] = np.frombuffer(left, dtype="<i2"), np.frombuffer(right, dtype="<i2")
        self._thread.submit(self._file.append, both.tobytes())

    def _position(self, at: float) -> int:
        return max(0, round((at - self._time.answered_at) * self._rate_hz))

    def _samples(self, duration_ms: int) -> int:
        return duration_ms * self._rate_hz // 1000
