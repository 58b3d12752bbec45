"""The API over a real application: asked over ASGI, or served by the real server from a thread."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
from fastapi import FastAPI
from sqlalchemy import update

from campana.api import ApiEnrolment
from campana.application import App, open_app
from campana.serving import Control
from campana.settings import Settings
from storage.clock import Clock
from storage.database import open_database
from storage.tables import bots
from tests.support_reports import standard
from web.api.app import create_api
from web.api.ports import ApiPorts
from web.app import create_app
from web.server import serving
from web.state import WebSettings
from web.tokens import Tokens

BASE = "http://127.0.0.1:8080"
SCRIPT = """\
start: hello
variables:
  amount: required
steps:
  hello:
    - say: Hello, you owe {amount}.
    - end
"""
TARIFF: dict[str, Any] = {
    "name": "Plain",
    "currency": "VND",
    "valid_from": "2026-01-01",
    "block_s": 6,
    "block_price": "100",
}


def campaign_body(code: str = "SPRING", **changes: Any) -> dict[str, Any]:
    """A campaign that can be created."""
    same = {"name": "Spring", "code": code, "script": SCRIPT, "tariff": TARIFF, "trunk": "line"}
    return same | {"stays_open": True} | changes


def settings_in(folder: Path, **changes: Any) -> Settings:
    """Settings with one trunk that nobody answers at."""
    trunk = {"name": "line", "host": "127.0.0.1"}
    account = {"name": "Acme", "currency": "VND"}
    return Settings(data_folder=folder, trunks=[trunk], account=account, **changes)  # type: ignore[arg-type]


def web_app(app: App) -> FastAPI:
    """Dashboard and API as `campana serve` makes them, without a node."""
    control = Control(app.campaigns, None)
    pages = WebSettings(recordings_dir=app.settings.recordings_folder)
    ports = ApiPorts(ApiEnrolment(app), app.account_id)
    return create_app(app.database, pages, control=control, clock=app.clock, api=ports)


def openapi() -> dict[str, Any]:
    """The API's description, without a database."""
    found: dict[str, Any] = create_api(Any, ApiPorts(ApiEnrolment(Any), 0)).openapi()  # type: ignore[arg-type]
    return found


@dataclass
class Api:
    """An open application and a client that may do everything."""

    app: App
    client: httpx.AsyncClient

    async def token(self, *scopes: str, name: str = "some", days: int | None = None) -> dict[str, str]:
        """The headers of a further token."""
        tokens = Tokens(self.app.database, self.app.clock, self.app.account_id)
        _, secret = await tokens.create(name, scopes, valid_days=days)
        return {"authorization": f"Bearer {secret}"}

    async def ask(self, method: str, path: str, **options: Any) -> httpx.Response:
        return await self.client.request(method, f"/api/v1{path}", **options)


@contextlib.asynccontextmanager
async def open_api(folder: Path, clock: Clock | None = None, **changes: Any) -> AsyncIterator[Api]:
    """The API over a new database in the folder, or over the settings' own."""
    async with open_app(settings_in(folder, **changes), clock=clock) as app:
        transport = httpx.ASGITransport(web_app(app))
        async with httpx.AsyncClient(transport=transport, base_url=BASE) as client:
            api = Api(app, client)
            client.headers.update(await api.token("*", name="all"))
            yield api


@dataclass(frozen=True)
class Served:
    """Where the API is served, and with which token."""

    url: str
    headers: dict[str, str]
    #: An attempt of the campaign C1.
    attempt: str


@contextlib.contextmanager
def served_api(folder: Path) -> Iterator[Served]:
    """The API in a thread of its own, by the real server, over a database with a campaign that has been called."""
    ready: list[Served] = []
    started, stop = threading.Event(), asyncio.Event()
    loop = asyncio.new_event_loop()

    async def serve() -> None:
        async with open_database(settings_in(folder).url) as database:
            calls = await standard(database)
            async with database.write() as conn:
                await conn.execute(update(bots).values(script=SCRIPT))
        async with open_api(folder) as api, serving(web_app(api.app), port=0) as where:
            for code in ("SPRING", "AUTUMN"):
                made = await api.ask("POST", "/campaigns", json=campaign_body(code))
                assert made.status_code == 201, made.text
                assert (await api.ask("POST", f"/campaigns/{code}/start")).status_code == 200
            assert (await api.ask("POST", "/webhooks", json={"url": "https://example.com"})).status_code == 201
            assert (await api.ask("POST", "/webhooks/1/test")).status_code == 202
            for place in range(3):
                contact = {"number": f"+8490123000{place}", "variables": {"amount": "1"}}
                asked = await api.ask("POST", "/campaigns/SPRING/contacts", json=contact)
                assert asked.status_code == 201, asked.text
            headers = {"authorization": api.client.headers["authorization"]}
            ready.append(Served(f"{where.url}/api/v1", headers, next(iter(calls.values())).id))
            started.set()
            await stop.wait()

    def run() -> None:
        try:
            loop.run_until_complete(serve())
        finally:
            started.set()

    thread = threading.Thread(target=run, name="api")
    thread.start()
    try:
        started.wait(60)
        assert ready, "the API did not start"
        yield ready[0]
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join(60)
        loop.close()
