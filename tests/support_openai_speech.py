"""A small server of OpenAI's speech protocol on loopback, which speaks with Piper and listens with Whisper."""

from __future__ import annotations

import asyncio
import contextlib
import io
import socket
import wave
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from bot.speech.listening import Listener
from bot.speech.speaking import Speaker

KEY = "sk-right-0123456789abcdefghij"
VOICE_HZ = 24000


@dataclass
class Asked:
    """One request as it came."""

    path: str
    fields: dict[str, Any]


@dataclass
class SpeechServer:
    """What the server speaks and listens with, what it was asked, and how it misbehaves."""

    speaker: Speaker
    listener: Listener
    url: str = ""
    asked: list[Asked] = field(default_factory=list)
    #: Answer so instead; a text of the error may be given with it.
    status: int | None = None
    said: str = "no"
    #: Break the connection in the middle of this many answers.
    cuts: int = 0
    #: Answers wait for this.
    gate: asyncio.Event = field(default_factory=asyncio.Event)
    #: Somebody has asked.
    busy: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self.gate.set()

    def _refused(self, request: Request) -> Response | None:
        if request.headers.get("authorization") != f"Bearer {KEY}":
            told = f"Incorrect API key provided: {request.headers.get('authorization')}"
            return JSONResponse({"error": {"message": told}}, status_code=401)
        if self.status is not None:
            return JSONResponse({"error": {"message": self.said}}, status_code=self.status)
        return None

    async def speech(self, request: Request) -> Response:
        wanted = await request.json()
        self.asked.append(Asked("speech", wanted))
        self.busy.set()
        await self.gate.wait()
        refused = self._refused(request)
        if refused is not None:
            return refused
        speed = float(wanted.get("speed", 1.0))
        pcm = await self.speaker.synthesise(wanted["input"], rate_hz=VOICE_HZ, speed=speed)
        if self.cuts:
            self.cuts -= 1
            return _Cut(pcm)
        return Response(pcm, media_type="audio/pcm")

    async def transcriptions(self, request: Request) -> Response:
        async with request.form() as form:
            fields = {name: value for name, value in form.items() if isinstance(value, str)}
            file: Any = form["file"]
            content = await file.read()
        self.asked.append(Asked("transcriptions", fields))
        self.busy.set()
        await self.gate.wait()
        refused = self._refused(request)
        if refused is not None:
            return refused
        with wave.open(io.BytesIO(content)) as sound:
            heard = await self.listener.transcribe(sound.readframes(sound.getnframes()), sound.getframerate())
        if self.cuts:
            self.cuts -= 1
            return _Cut(b'{"text": "' + bytes(50_000))
        return JSONResponse({"text": heard.text})


class _Cut(Response):
    """Promises more than it sends."""

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        headers = [(b"content-length", str(len(self.body)).encode()), (b"content-type", b"audio/pcm")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": self.body[: len(self.body) // 3], "more_body": True})
        raise ConnectionResetError("the server goes away")


@contextlib.asynccontextmanager
async def speech_server(speaker: Speaker, listener: Listener) -> AsyncIterator[SpeechServer]:
    """The server, on a free port."""
    told = SpeechServer(speaker, listener)
    routes = [
        Route("/v1/audio/speech", told.speech, methods=["POST"]),
        Route("/v1/audio/transcriptions", told.transcriptions, methods=["POST"]),
    ]
    listening = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(Starlette(routes=routes), log_level="critical", lifespan="off", timeout_graceful_shutdown=1)
    server = uvicorn.Server(config)
    task = asyncio.create_task(server.serve(sockets=[listening]))
    told.url = f"http://127.0.0.1:{listening.getsockname()[1]}/v1"
    try:
        yield told
    finally:
        told.gate.set()
        server.should_exit = True
        await asyncio.wait({task}, timeout=60)
        listening.close()
