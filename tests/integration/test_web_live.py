"""The dashboard over a real server: live events, ending, and where it may listen."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing
from pathlib import Path

import httpx
import pytest
from sqlalchemy import update

from storage.database import Database, open_database
from storage.tables import attempts, campaigns
from tests.support_reports import Call, Sample, at, standard
from web.app import create_app
from web.errors import NotLoopback, PortTaken
from web.server import Serving, serving
from web.state import WebSettings
from web.stream import event

WITHIN_S = 20


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    async with open_database(f"sqlite:///{tmp_path / 'live.db'}") as opened:
        yield opened


def _settings(tmp_path: Path) -> WebSettings:
    return WebSettings(recordings_dir=tmp_path, live_interval_s=0.02)


@pytest.fixture
async def served(database: Database, tmp_path: Path) -> AsyncIterator[Serving]:
    async with serving(create_app(database, _settings(tmp_path)), port=0) as where:
        yield where


async def _running(database: Database) -> Sample:
    await standard(database, state="running", finished_at=None)
    return Sample(database)


async def _events(where: Serving, campaign_id: int = 1) -> AsyncIterator[tuple[str, str]]:
    """Events of the live stream as (name, data)."""
    async with (
        httpx.AsyncClient(timeout=WITHIN_S) as client,
        client.stream("GET", f"{where.url}/campaigns/{campaign_id}/live") as response,
    ):
        assert response.headers["content-type"].startswith("text/event-stream")
        name, data = "", []
        async for line in response.aiter_lines():
            if line.startswith("event: "):
                name = line.removeprefix("event: ")
            elif line.startswith("data: "):
                data.append(line.removeprefix("data: "))
            elif not line and name:
                yield name, "\n".join(data)
                name, data = "", []


async def test_a_new_call_appears_and_its_end_moves_the_figures(database: Database, served: Serving) -> None:
    sample = await _running(database)
    await sample.contact(9, state="in_progress", name="Hoa")
    call = Call(9, 2000, None, answer_after_s=5, phase="talking")
    async with asyncio.timeout(WITHIN_S), aclosing(_events(served)) as events:
        name, data = await anext(events)
        assert name == "live"
        assert "8 of 9 contacts finished" in data
        await sample.call(call)
        shown = [await anext(events), await anext(events)]
        assert [name for name, _ in shown] == ["live", "moved"]
        assert "Hoa" in shown[0][1]
        assert "Talking" in shown[0][1]
        async with database.write() as conn:
            ended = {"phase": "ended", "ended_at": at(2030), "action_code": "PTP", "code_class": "success"}
            await conn.execute(update(attempts).where(attempts.c.id == call.id).values(ended))
        shown = [await anext(events), await anext(events)]
        assert [name for name, _ in shown] == ["live", "moved"]
        assert "Hoa" not in shown[0][1]


async def test_the_stream_ends_with_the_campaign(database: Database, served: Serving) -> None:
    await _running(database)
    async with asyncio.timeout(WITHIN_S), aclosing(_events(served)) as events:
        await anext(events)
        async with database.write() as conn:
            await conn.execute(update(campaigns).values(state="completed", finished_at=at(3000)))
        names = [name async for name, _ in events]
    assert names == ["live", "finished"]


async def test_nothing_is_sent_while_nothing_changes(database: Database, served: Serving) -> None:
    await _running(database)
    async with asyncio.timeout(WITHIN_S), aclosing(_events(served)) as events:
        await anext(events)
        following = asyncio.ensure_future(anext(events))
        quiet, _ = await asyncio.wait([following], timeout=0.3)
        assert not quiet
        async with database.write() as conn:
            await conn.execute(update(campaigns).values(state="completed", finished_at=at(3000)))
        assert (await following)[0] == "live"


def _tasks() -> set[asyncio.Task[object]]:
    return {task for task in asyncio.all_tasks() if not task.done()}


async def test_a_server_that_ends_takes_its_streams_along(database: Database, tmp_path: Path) -> None:
    await _running(database)
    before = _tasks()
    async with asyncio.timeout(WITHIN_S):
        async with serving(create_app(database, _settings(tmp_path)), port=0) as where:
            events = _events(where)
            await anext(events)
        assert [name async for name, _ in events] == []
    assert _tasks() == before


async def test_a_reader_that_leaves_leaves_no_task_behind(database: Database, served: Serving) -> None:
    await _running(database)
    async with asyncio.timeout(WITHIN_S):
        before = _tasks()
        async with aclosing(_events(served)) as events:
            await anext(events)
            assert len(_tasks()) > len(before)
        while _tasks() - before:
            await asyncio.wait(_tasks() - before, timeout=0.1)


async def test_the_address_is_told_and_serves_ranges_over_the_wire(
    database: Database, served: Serving, tmp_path: Path
) -> None:
    calls = await standard(database)
    await Sample(database).recording(calls["refused"], tmp_path)
    assert served.url == f"http://127.0.0.1:{served.port}"
    async with httpx.AsyncClient() as client:
        address = f"{served.url}/attempts/{calls['refused'].id}/recording.wav"
        response = await client.get(address, headers={"range": "bytes=0-3"})
        by_name = await client.get(
            f"http://localhost:{served.port}/healthz", headers={"host": f"localhost:{served.port}"}
        )
    assert (response.status_code, response.content) == (206, b"RIFF")
    assert by_name.text == "ok\n"


async def test_it_listens_on_loopback_only(database: Database, tmp_path: Path) -> None:
    app = create_app(database, _settings(tmp_path))
    with pytest.raises(NotLoopback):
        async with serving(app, host="0.0.0.0"):
            pass


async def test_a_taken_port_is_explained(database: Database, served: Serving, tmp_path: Path) -> None:
    app = create_app(database, _settings(tmp_path))
    with pytest.raises(PortTaken, match=f"127.0.0.1:{served.port}.*--port"):
        async with serving(app, port=served.port):
            pass


def test_every_line_of_an_event_is_a_data_line() -> None:
    assert event("live", "a\nb") == b"event: live\ndata: a\ndata: b\n\n"
    assert event("moved", "") == b"event: moved\ndata: \n\n"
