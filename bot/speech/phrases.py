"""Spoken lines kept in memory and on disk, so that a line is synthesised once."""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
import time
from collections import OrderedDict
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import Final

import structlog

_log = structlog.get_logger(__name__)

#: Raised when the same voice and text would sound different: trimming, level, pauses.
_RENDERING: Final = 1
_MAGIC: Final = b"campana-pcm1\n"
_DIGEST_BYTES: Final = 32
_DRAFT: Final = ".new"
_ABANDONED_S: Final = 3600
MEMORY_BYTES: Final = 64 * 1024 * 1024
DISK_BYTES: Final = 1024 * 1024 * 1024
#: The folder is looked through after so much was added to it: some 400 sentences of 5 s.
PRUNE_EVERY_BYTES: Final = 32 * 1024 * 1024


@dataclass(frozen=True)
class Phrase:
    """One sentence as one voice says it."""

    voice: str
    text: str
    speed: float
    rate_hz: int

    @property
    def key(self) -> str:
        """A name that is equal exactly when the sound may be shared."""
        parts = [_RENDERING, self.voice, self.text, f"{self.speed:.3f}", self.rate_hz]
        return hashlib.sha256(json.dumps(parts, ensure_ascii=False).encode()).hexdigest()


class PhraseCache:
    """PCM by phrase: least recently used lines leave memory first; the disk is shared by processes.

    `folder` None keeps lines in memory only. A damaged file counts as absent. A disk that cannot be written costs
    speed, never a call: it is logged once.
    """

    def __init__(
        self,
        folder: Path | None,
        *,
        memory_bytes: int = MEMORY_BYTES,
        disk_bytes: int = DISK_BYTES,
        prune_every_bytes: int = PRUNE_EVERY_BYTES,
    ) -> None:
        self._folder = folder
        self._memory: OrderedDict[str, bytes] = OrderedDict()
        self._memory_limit = memory_bytes
        self._disk_limit = disk_bytes
        self._held = 0
        self._disk_failed = False
        self._prune_every = prune_every_bytes
        self._added = 0
        self._adding = Lock()
        #: Keys used from memory since the last pruning, of which the files know nothing.
        self._used: set[str] = set()

    @property
    def held_bytes(self) -> int:
        """Sound in memory now; never more than `memory_bytes`."""
        return self._held

    def disk_bytes(self) -> int:
        """Sound on disk now, of all processes. Blocking."""
        return sum(stat.st_size for _, stat in _files(self._folder)) if self._folder is not None else 0

    def get(self, phrase: Phrase) -> bytes | None:
        """PCM of a line, or None. From disk it costs a file read of some 10 kB."""
        key = phrase.key
        pcm = self._memory.get(key)
        if pcm is not None:
            self._memory.move_to_end(key)
            if self._folder is not None:
                self._used.add(key)
            return pcm
        pcm = self._load(key)
        if pcm is not None:
            self._remember(key, pcm)
        return pcm

    def put(self, phrase: Phrase, pcm: bytes) -> None:
        """Keep a line in memory; `store` keeps it on disk."""
        self._remember(phrase.key, pcm)

    def store(self, phrase: Phrase, pcm: bytes) -> None:
        """Keep a line on disk, whole or not at all. Blocking; safe beside other threads and processes.

        The folder exceeds its limit by `prune_every_bytes` at most, for each process that writes into it.
        """
        if self._folder is None:
            return
        content = _MAGIC + hashlib.sha256(pcm).digest() + pcm
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            _write_whole(self._path(phrase.key), content)
        except OSError as error:
            self._disk_trouble(error)
            return
        if self._prune_is_due(len(content)):
            self.prune()

    def prune(self) -> int:
        """Delete files longest without use until the folder is within its limit; the number deleted. Blocking."""
        if self._folder is None or not self._folder.is_dir():
            return 0
        try:
            return self._pruned(self._folder)
        except OSError as error:
            self._disk_trouble(error)
            return 0

    def _prune_is_due(self, added: int) -> bool:
        with self._adding:
            self._added += added
            due = self._added >= self._prune_every
            if due:
                self._added = 0
            return due

    def _pruned(self, folder: Path) -> int:
        used, self._used = self._used, set()
        for key in tuple(used):  # `get` may still be adding to it
            with suppress(OSError):
                os.utime(self._path(key))
        for draft in folder.glob(f".*{_DRAFT}"):
            _drop_abandoned(draft)
        files = sorted((stat.st_mtime, stat.st_size, path) for path, stat in _files(folder))
        excess = sum(size for _, size, _ in files) - self._disk_limit
        deleted = 0
        for _, size, path in files:
            if excess <= 0:
                break
            path.unlink(missing_ok=True)
            excess -= size
            deleted += 1
        return deleted

    def _path(self, key: str) -> Path:
        assert self._folder is not None
        return self._folder / f"{key}.pcm"

    def _load(self, key: str) -> bytes | None:
        if self._folder is None:
            return None
        try:
            raw = self._path(key).read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            self._disk_trouble(error)
            return None
        pcm = _unpack(raw)
        if pcm is None:
            _log.warning("speaking.cache_damaged", file=f"{key}.pcm", bytes=len(raw))
            return None
        with suppress(OSError):
            # `prune` takes the files that were longest without use.
            os.utime(self._path(key))
        return pcm

    def _remember(self, key: str, pcm: bytes) -> None:
        self._held += len(pcm) - len(self._memory.pop(key, b""))
        self._memory[key] = pcm
        while self._held > self._memory_limit and self._memory:
            self._held -= len(self._memory.popitem(last=False)[1])

    def _disk_trouble(self, error: OSError) -> None:
        if not self._disk_failed:
            self._disk_failed = True
            _log.warning("speaking.cache_unusable", folder=str(self._folder), error=str(error))


def _unpack(raw: bytes) -> bytes | None:
    head = len(_MAGIC) + _DIGEST_BYTES
    pcm = raw[head:]
    whole = raw.startswith(_MAGIC) and hashlib.sha256(pcm).digest() == raw[len(_MAGIC) : head]
    return pcm if whole else None


def _write_whole(path: Path, content: bytes) -> None:
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=".", suffix=_DRAFT)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def _drop_abandoned(draft: Path) -> None:
    """Delete what a process that died in the middle of a write left behind."""
    with suppress(FileNotFoundError):
        if time.time() - draft.stat().st_mtime > _ABANDONED_S:
            draft.unlink()


def _files(folder: Path) -> list[tuple[Path, os.stat_result]]:
    found = []
    for path in folder.glob("*.pcm"):
        try:
            found.append((path, path.stat()))
        except FileNotFoundError:
            continue
    return found
