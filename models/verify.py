"""Whether a file is the one that the catalogue means, with what is known already remembered."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Final

_VERIFIED: Final = ".verified.json"
_LOCK: Final = "lock.json"
_CHUNK: Final = 1024 * 1024


def sha256_of(path: Path, tell: Callable[[int], None] | None = None) -> str:
    """Hex digest of a file; `tell` hears the bytes read so far."""
    digest, done = hashlib.sha256(), 0
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
            done += len(chunk)
            if tell is not None:
                tell(done)
    return digest.hexdigest()


@dataclass(frozen=True)
class _Known:
    size: int
    mtime_ns: int
    sha256: str


class Digests:
    """Digests of a model's files, remembered by size and modification time, so that starting reads no model twice.

    `notes` is the folder for `.verified.json`; a folder that cannot be written only costs time.
    """

    def __init__(self, notes: Path) -> None:
        self._file = notes / _VERIFIED
        self._known = _entries(_read_json(self._file))

    def of(self, path: Path, *, again: bool = False, tell: Callable[[int], None] | None = None) -> str:
        """Hex digest of a file, read anew when it changed or `again`. Raises `OSError`."""
        stat = path.stat()
        known = self._known.get(path.name)
        if not again and known and (known.size, known.mtime_ns) == (stat.st_size, stat.st_mtime_ns):
            return known.sha256
        digest = sha256_of(path, tell)
        self.remember(path, digest)
        return digest

    def remember(self, path: Path, digest: str) -> None:
        """Note the digest of the file as it is now."""
        stat = path.stat()
        self._known[path.name] = _Known(stat.st_size, stat.st_mtime_ns, digest)
        _write_json(self._file, {name: vars(entry) for name, entry in self._known.items()})


class Pins:
    """Digests of files that the catalogue cannot name, taken at their first fetch and kept in lock.json.

    They show that a file has not changed since, not that it was right: whoever can write one can write the other.
    """

    def __init__(self, folder: Path) -> None:
        self._file = folder / _LOCK

    def get(self, name: str) -> str | None:
        """The pinned digest, or None before the first fetch."""
        entry = _read_json(self._file).get(name)
        return entry["sha256"] if entry else None

    def put(self, name: str, sha256: str, source: str) -> None:
        """Pin a file; `source` says where it came from."""
        _write_json(self._file, _read_json(self._file) | {name: {"sha256": sha256, "source": source}}, needed=True)


def _entries(raw: dict[str, Any]) -> dict[str, _Known]:
    wanted = {field.name for field in fields(_Known)}
    return {name: _Known(**entry) for name, entry in raw.items() if isinstance(entry, dict) and set(entry) == wanted}


def _read_json(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def _write_json(path: Path, content: dict[str, Any], *, needed: bool = False) -> None:
    draft = path.with_name(f"{path.name}.new")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        draft.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
        draft.replace(path)
    except OSError:
        if needed:
            raise
