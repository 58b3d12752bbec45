"""The WebSocket leg against far sides that play Asterisk's part, well and badly."""

from __future__ import annotations

import asyncio
import contextlib
import json
import uuid
from collections.abc import AsyncIterator
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed, InvalidHandshake
from websockets.sync.client import ClientConnection, connect
from websockets.typing import Subprotocol

from telephony.errors import MediaNotConnected
from telephony.media.leg import MediaEnd, MediaLeg
from telephony.media.websocket import WebSocketServer, dial_string

PATIENCE_S = 20


@pytest.fixture
async def server() -> AsyncIterator[WebSocketServer]:
    async with await WebSocketServer.open() as opened:
        yield opened
        await asyncio.to_thread(_clients.close)


_clients = contextlib.ExitStack()


async def dialled(server: WebSocketServer, call_uuid: object) -> ClientConnection:
    uri = f"{server.uri}?call_id={call_uuid}"
    opening = connect(uri, subprotocols=[Subprotocol("media")], compression=None, close_timeout=1)
    return await asyncio.to_thread(_clients.enter_context, opening)


async def told(client: ClientConnection, **event: Any) -> None:
    await asyncio.to_thread(client.send, json.dumps(event))


async def until_command(client: ClientConnection, name: str) -> dict[str, Any]:
    """The next command of this name."""
    while True:
        message = await asyncio.to_thread(client.recv, PATIENCE_S)
        if isinstance(message, str) and (command := json.loads(message))["command"] == name:
            assert isinstance(command, dict)
            return command


async def started(server: WebSocketServer, audio_format: str = "slin") -> tuple[MediaLeg, ClientConnection]:
    leg = server.expect(uuid.uuid4(), 8000)
    client = await dialled(server, leg.call_uuid)
    await leg.connected(PATIENCE_S)
    await told(client, event="MEDIA_START", format=audio_format)
    return leg, client


async def closed(leg: MediaLeg) -> MediaEnd:
    async with asyncio.timeout(PATIENCE_S):
        return await leg.closed()


async def test_ahead_is_what_the_marks_say(server: WebSocketServer) -> None:
    leg, client = await started(server)
    await until_command(client, "START_MEDIA_BUFFERING")
    await leg.media.write(bytes(960))
    marks = [(await until_command(client, "MARK_MEDIA"))["correlation_id"] for _ in range(3)]
    assert leg.media.ahead_ms == 60
    await told(client, event="MEDIA_MARK_PROCESSED", correlation_id=marks[1])
    async with asyncio.timeout(PATIENCE_S):
        while leg.media.ahead_ms != 20:  # noqa: ASYNC110 - another thread hears of it
            await asyncio.sleep(0.01)


async def test_a_flush_starts_buffering_anew_and_forgets_old_marks(server: WebSocketServer) -> None:
    leg, client = await started(server)
    await leg.media.write(bytes(640))
    old = (await until_command(client, "MARK_MEDIA"))["correlation_id"]
    assert leg.media.flush() == 40
    assert leg.media.ahead_ms == 0
    await until_command(client, "FLUSH_MEDIA")
    await until_command(client, "START_MEDIA_BUFFERING")
    await leg.media.write(bytes(320))
    await until_command(client, "MARK_MEDIA")
    await told(client, event="MEDIA_MARK_PROCESSED", correlation_id=old)
    await told(client, event="DTMF_END", digit="7")
    keys: asyncio.Queue[str] = asyncio.Queue()
    leg.on_dtmf(keys.put_nowait)
    await told(client, event="DTMF_END", digit="8")
    async with asyncio.timeout(PATIENCE_S):
        while await keys.get() != "8":
            pass
    assert leg.media.ahead_ms == 20


async def test_no_more_than_200_ms_lie_at_the_far_side_and_none_when_it_says_stop(server: WebSocketServer) -> None:
    leg, client = await started(server)
    writing = asyncio.create_task(leg.media.write(bytes(16_000)))
    for _ in range(10):
        mark = (await until_command(client, "MARK_MEDIA"))["correlation_id"]
    assert leg.media.ahead_ms == 1000
    await told(client, event="MEDIA_XOFF")
    await told(client, event="MEDIA_MARK_PROCESSED", correlation_id=mark)
    async with asyncio.timeout(PATIENCE_S):
        while leg.media.ahead_ms != 800:  # noqa: ASYNC110 - another thread hears of it
            await asyncio.sleep(0.01)
    assert leg.statistics.frames_out == 10
    await told(client, event="MEDIA_XON")
    await until_command(client, "MARK_MEDIA")
    leg.hangup()
    await asyncio.wait([writing])
    assert writing.exception() is not None


async def test_our_hangup_is_a_command(server: WebSocketServer) -> None:
    leg, client = await started(server)
    leg.hangup()
    await until_command(client, "HANGUP")
    assert await closed(leg) is MediaEnd.US


async def test_the_far_side_closes(server: WebSocketServer) -> None:
    leg, client = await started(server)
    await asyncio.to_thread(client.close)
    assert await closed(leg) is MediaEnd.PEER


@pytest.mark.parametrize(
    "wrong",
    [
        pytest.param("no JSON", id="plain text events"),
        pytest.param("[1]", id="no object"),
        pytest.param('{"event": "MEDIA_START", "format": "slin16"}', id="the other rate"),
        pytest.param('{"event": "MEDIA_START", "format": "ulaw"}', id="another codec"),
        pytest.param(b"\0\0\0", id="half a sample"),
        pytest.param(bytes(70_000), id="too long"),
    ],
)
async def test_what_cannot_be_ends_the_call_as_an_error(server: WebSocketServer, wrong: str | bytes) -> None:
    leg, client = await started(server)
    with contextlib.suppress(ConnectionClosed):
        await asyncio.to_thread(client.send, wrong)
    assert await closed(leg) is MediaEnd.ERROR


@pytest.mark.parametrize("call_id", ["", "4711", "x&y"])
async def test_an_address_without_a_call_is_refused(server: WebSocketServer, call_id: str) -> None:
    with pytest.raises((InvalidHandshake, OSError, EOFError)):
        await dialled(server, call_id)


async def test_an_unknown_call_is_closed(server: WebSocketServer) -> None:
    client = await dialled(server, uuid.uuid4())
    with pytest.raises(ConnectionClosed):
        await asyncio.to_thread(client.recv, PATIENCE_S)


async def test_what_is_no_websocket_is_closed(server: WebSocketServer) -> None:
    host, port = server.host_port.split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(b"\x01\x00\x10" + bytes(16) + b"\r\n\r\n")
    with contextlib.suppress(ConnectionError):
        async with asyncio.timeout(PATIENCE_S):
            await reader.read()
    writer.close()
    with contextlib.suppress(ConnectionError):
        await writer.wait_closed()


async def test_an_abandoned_call_is_not_connected(server: WebSocketServer) -> None:
    leg = server.expect(uuid.uuid4())
    leg.abandon()
    with pytest.raises(MediaNotConnected):
        await leg.connected(PATIENCE_S)


def test_the_dial_string_says_rate_format_and_call() -> None:
    call_uuid = uuid.UUID(int=7)
    assert dial_string("media", call_uuid, 16000) == f"WebSocket/media/c(slin16)f(json)v(call_id={call_uuid})"
    assert "c(slin)" in dial_string("media", call_uuid, 8000)
