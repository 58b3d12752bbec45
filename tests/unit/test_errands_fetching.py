"""Asking a web service over a real connection: what its answer gives, and what is refused."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field

import pytest
import structlog

from bot.fetching import LONGEST_BYTES, FetchFailed, WebServices
from bot.script.replies import Fetch

SECRETS = {"Crm": "s3cr3t-value"}


@dataclass
class Service:
    """Answers every request with `answer`; a None never answers, `drips` sends a byte every 50 ms without end."""

    answer: bytes | None = b""
    drips: bool = False
    port: int = 0
    heads: list[str] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)
    idle: asyncio.Event = field(default_factory=asyncio.Event)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.idle.clear()
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            length = [
                line.partition(":")[2] for line in head.split("\r\n") if line.lower().startswith("content-length")
            ]
            self.heads.append(head)
            self.bodies.append(await reader.readexactly(int(length[0]) if length else 0))
            if self.answer is None:
                await reader.read()
            writer.write(self.answer or b"")
            while self.drips:
                await writer.drain()
                await asyncio.sleep(0.05)
                writer.write(b" ")
            await writer.drain()
        writer.close()
        self.idle.set()


def ok(content: bytes, *headers: str) -> bytes:
    lines = ["HTTP/1.1 200 OK", f"Content-Length: {len(content)}", "Connection: close", *headers]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + content


@contextlib.asynccontextmanager
async def running(service: Service) -> AsyncIterator[WebServices]:
    server = await asyncio.start_server(service.serve, "127.0.0.1", 0)
    service.port = server.sockets[0].getsockname()[1]
    try:
        async with WebServices.open(SECRETS) as services:
            yield services
    finally:
        service.drips = False
        server.close()
        await server.wait_closed()
        if service.heads:
            await asyncio.wait_for(service.idle.wait(), 60)


def wanted(service: Service, into: Mapping[str, str], **changes: object) -> Fetch:
    fields: dict[str, object] = {
        "url": f"http://127.0.0.1:{service.port}/bills/7?kind=open",
        "method": "POST",
        "headers": {},
        "body": {"name": "Anna"},
        "into": into,
        "timeout_ms": 20_000,
    }
    return Fetch(**fields | changes)  # type: ignore[arg-type]


async def test_values_are_found_by_dotted_paths_and_come_as_text() -> None:
    data = {"data": {"bills": [{"sum": 12.50}, {"sum": 9007199254740993}], "paid": False, "note": None, "by": "A\nB"}}
    service = Service(ok(json.dumps(data).encode()))
    into = {
        "first": "data.bills.0.sum",
        "second": "data.bills.1.sum",
        "paid": "data.paid",
        "note": "data.note",
        "by": "data.by",
    }
    async with running(service) as services:
        found = await services.fetch(wanted(service, into))
    assert found == {"first": "12.5", "second": "9007199254740993", "paid": "no", "note": "", "by": "A B"}
    assert service.heads[0].startswith("POST /bills/7?kind=open HTTP/1.1")
    assert json.loads(service.bodies[0]) == {"name": "Anna"}


async def test_a_service_that_is_only_told_something_need_not_answer_in_json() -> None:
    service = Service(ok(b"thanks"))
    async with running(service) as services:
        assert await services.fetch(wanted(service, {})) == {}


async def test_a_request_that_only_reads_has_no_body() -> None:
    service = Service(ok(b"{}"))
    async with running(service) as services:
        await services.fetch(wanted(service, {}, method="GET", body={}))
    assert service.heads[0].startswith("GET /bills/7?kind=open HTTP/1.1")
    assert service.bodies == [b""]


async def test_secrets_stand_in_the_headers_that_are_sent_and_nowhere_else() -> None:
    service = Service(ok(b"no json"))
    headers = {"Authorization": "Bearer {secret:CRM}", "X-Name": "{{secret:CRM}}"}
    with structlog.testing.capture_logs() as logs:
        async with running(service) as services:
            asked = wanted(service, {"a": "b"}, headers=headers, body={"text": "{secret:CRM}"})
            with pytest.raises(FetchFailed) as failed:
                await services.fetch(asked)
    assert str(failed.value) == "the answer is no JSON"
    assert "authorization: bearer s3cr3t-value" in service.heads[0].lower()
    # What a customer or a list brings along is no secret's name.
    assert "x-name: {secret:crm}" in service.heads[0].lower()
    assert json.loads(service.bodies[0]) == {"text": "{secret:CRM}"}
    assert "s3cr3t" not in f"{failed.value}{asked}{logs}"


async def test_a_secret_that_the_settings_lack_is_told_before_anything_is_sent() -> None:
    service = Service(ok(b"{}"))
    async with running(service) as services:
        with pytest.raises(FetchFailed, match=r"no secret OTHER; write it under \[secrets\]"):
            await services.fetch(wanted(service, {}, headers={"X": "{secret:OTHER}"}))
    assert service.heads == []


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n", "answered 302"),
        (b"HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n", "answered 500"),
        (ok(b"<html>"), "no JSON"),
        (ok(b"[NaN]"), "no JSON"),
        (ok(b"[" * 100_000), "no JSON"),
        (ok(b"{}"), "the answer has no a.0"),
        (ok(b'{"a": []}'), "the answer has no a.0"),
        (ok(b'{"a": [[]]}'), "a.0 is no single value"),
        (ok(b'{"a": [1e999999999]}'), "a.0 is no usable number"),
        (ok(b'{"a": [1e-50000000]}'), "a.0 is no usable number"),
        (ok(b'{"a": [0.' + b"1" * 50 + b"]}"), "a.0 is no usable number"),
        (ok(b"{}", "Content-Encoding: gzip"), "compressed"),
        (ok(b'"' + b"x" * LONGEST_BYTES + b'"'), "longer than"),
        (b"no HTTP at all\r\n\r\n", "cannot be asked"),
        (b"", "cannot be asked"),
    ],
)
async def test_an_answer_that_cannot_be_used_fails(answer: bytes, reason: str) -> None:
    service = Service(answer)
    async with running(service) as services:
        with pytest.raises(FetchFailed, match=reason) as failed:
            await services.fetch(wanted(service, {"value": "a.0"}))
    assert "127.0.0.1" not in str(failed.value)


async def test_nobody_there_is_told_without_the_address() -> None:
    service = Service()
    async with running(service) as services:
        asked = wanted(service, {"value": "a"})
    async with WebServices.open({}) as services:
        with pytest.raises(FetchFailed, match="cannot be asked: ConnectError"):
            await services.fetch(asked)


@pytest.mark.parametrize(
    "service", [Service(None), Service(b"HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\n", drips=True)]
)
async def test_the_time_bounds_the_whole_call(service: Service) -> None:
    async with running(service) as services:
        with pytest.raises(FetchFailed, match="no answer within 300 ms"):
            await services.fetch(wanted(service, {"value": "a"}, timeout_ms=300))
