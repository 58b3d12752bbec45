"""Downloads leave nothing behind, and a slow reader holds no connection to the database."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import MutableMapping
from pathlib import Path
from typing import Any

import httpx
import pytest

import web.exports as exports
from storage.clock import ManualClock
from storage.database import Database
from tests.support_reports import START, standard
from web.app import create_app
from web.state import WebSettings

ADDRESSES = [
    "/campaigns/1/export/attempts.csv",
    "/campaigns/1/export/attempts.xlsx",
    "/usage/export.csv?from=2026-03&to=2026-03",
    "/usage/export.xlsx?from=2026-03&to=2026-03",
]


@pytest.fixture(autouse=True)
def folder(database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where temporary files are put, from when the database stands."""
    made = tmp_path / "tmp"
    made.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(made))
    return made


@pytest.fixture
async def app(database: Database, tmp_path: Path) -> Any:
    await standard(database)
    return create_app(database, WebSettings(recordings_dir=tmp_path), clock=ManualClock(START))


def _left(folder: Path) -> int:
    return len(list(folder.iterdir()))


def _begin(path: Path) -> None:
    path.write_bytes(b"begun")


def _client(app: Any, *, raises: bool = True) -> httpx.AsyncClient:
    transport = httpx.ASGITransport(app, raise_app_exceptions=raises)
    return httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8080")


@pytest.mark.parametrize("address", ADDRESSES)
async def test_a_download_leaves_no_file_behind(app: Any, folder: Path, address: str) -> None:
    async with _client(app) as client:
        response = await client.get(address)
    assert response.status_code == 200
    assert int(response.headers["content-length"]) == len(response.content) > 0
    assert _left(folder) == 0


@pytest.mark.parametrize("address", ADDRESSES)
async def test_a_download_that_cannot_be_written_leaves_no_file_behind(
    app: Any, folder: Path, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def full(_sheet: Any, path: Path, *_about: Any) -> None:
        _begin(path)
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(exports, "write_csv", full)
    monkeypatch.setattr(exports, "write_xlsx", full)
    async with _client(app, raises=False) as client:
        assert (await client.get(address)).status_code == 500
    assert _left(folder) == 0


async def test_a_client_that_goes_or_dawdles_holds_no_connection_and_no_file(
    app: Any, folder: Path, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    reading = 0
    read = database.read

    def counted() -> Any:
        nonlocal reading
        opened = read()

        class _Counted:
            async def __aenter__(self) -> Any:
                nonlocal reading
                reading += 1
                return await opened.__aenter__()

            async def __aexit__(self, *error: Any) -> Any:
                nonlocal reading
                reading -= 1
                return await opened.__aexit__(*error)

        return _Counted()

    monkeypatch.setattr(database, "read", counted)
    begun = asyncio.Event()

    async def receive() -> MutableMapping[str, Any]:
        await asyncio.Event().wait()
        return {"type": "http.disconnect"}

    async def send(message: MutableMapping[str, Any]) -> None:
        if message["type"] == "http.response.start":
            begun.set()
            await asyncio.Event().wait()

    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "GET",
        "scheme": "http",
        "path": "/campaigns/1/export/attempts.csv",
        "raw_path": b"/campaigns/1/export/attempts.csv",
        "query_string": b"",
        "root_path": "",
        "headers": [(b"host", b"127.0.0.1:8080")],
        "client": ("127.0.0.1", 5000),
        "server": ("127.0.0.1", 8080),
    }
    answering = asyncio.create_task(app(scope, receive, send))
    await asyncio.wait_for(begun.wait(), 30)
    assert reading == 0
    assert _left(folder) == 1
    answering.cancel()
    await asyncio.gather(answering, return_exceptions=True)
    assert _left(folder) == 0
