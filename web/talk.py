"""Talking to a bot from the browser: the page, its calls and what happens in them."""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Annotated, Final, Literal

from fastapi import APIRouter, HTTPException, Request
from fastapi import Path as InPath
from fastapi.responses import FileResponse, JSONResponse, Response
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from web.access import SECURITY_HEADERS
from web.api.bodies import check_values, read_body
from web.api.problems import Refused
from web.errors import BadFields, ControlRefused
from web.rendering import page
from web.state import Shared, SharedDep
from web.stream import EventStream, event
from web.talking import TalkBot, TalkCall, TalkDesk, TalkScript, TalkWish

router = APIRouter(prefix="/talk")

_HEARTBEAT_S: Final = 15
#: Tells callers apart until users can log in.
_COOKIE: Final = "campana_talk"
_CALLER: Final = re.compile(r"[A-Za-z0-9_-]{20,64}")
#: The only page that may use the microphone.
_POLICY: Final = SECURITY_HEADERS["permissions-policy"].replace("microphone=()", "microphone=(self)")

CallId = Annotated[str, InPath(pattern=r"^[0-9a-f]{32}$")]


class _Wish(BaseModel):
    model_config = ConfigDict(extra="forbid")

    bot: str = Field(min_length=1, max_length=4096)
    version: int | None = Field(None, ge=1, le=2**31 - 1)
    variables: dict[str, str] = Field(default_factory=dict, max_length=200)
    rate_hz: Literal[8000, 16000] = 8000


class _Offer(BaseModel):
    model_config = ConfigDict(extra="forbid")

    sdp: str = Field(min_length=1, max_length=50_000)


@router.get("")
async def talk(request: Request, shared: SharedDep) -> Response:
    """The page; `bot`, `version` and `var.NAME` of the address fill the form."""
    query = request.query_params
    bots = await shared.talk.bots() if shared.talk is not None else []
    chosen = next((bot for bot in bots if bot.name == query.get("bot")), bots[0] if bots else None)
    version, script, mistake = _version(chosen, query.get("version", "")), None, None
    if shared.talk is not None and chosen is not None:
        script, mistake = await _script(shared.talk, chosen.name, version)
    given = {name.removeprefix("var."): text for name, text in query.items() if name.startswith("var.")}
    drawn = page(
        request,
        "talk.html",
        bots=bots,
        chosen=chosen,
        version=version,
        script=script,
        mistake=mistake,
        given=given,
        talks=shared.talk is not None,
    )
    drawn.headers["permissions-policy"] = _POLICY
    if not _CALLER.fullmatch(request.cookies.get(_COOKIE, "")):
        drawn.set_cookie(_COOKIE, secrets.token_urlsafe(24), httponly=True, samesite="lax", path="/talk")
    return drawn


@router.post("/calls")
async def begin(request: Request, shared: SharedDep) -> Response:
    """Begin a call; its events tell when it takes an offer."""
    desk, caller = _desk(shared), _caller(request)
    try:
        wish = _Wish.model_validate(await _body(request))
        call = await desk.begin(caller, TalkWish(wish.bot, wish.version, wish.variables, wish.rate_hz))
    except (ValidationError, BadFields, ControlRefused, Refused) as error:
        return _mistake(error)
    return JSONResponse({"id": call.id}, 201)


@router.post("/calls/{call_id}/offer")
async def offer(call_id: CallId, request: Request, shared: SharedDep) -> Response:
    """Connect the browser: its offer for the answer."""
    call = _call(call_id, request, shared)
    try:
        return JSONResponse({"sdp": await call.answer(_Offer.model_validate(await _body(request)).sdp)})
    except (ValidationError, ControlRefused, Refused) as error:
        return _mistake(error)


@router.get("/calls/{call_id}/events")
async def events(call_id: CallId, request: Request, shared: SharedDep) -> EventStream:
    """What has happened in the call and happens yet; see `talking.TalkEvent`."""
    return EventStream(_events(_call(call_id, request, shared), shared))


@router.delete("/calls/{call_id}")
async def end(call_id: CallId, request: Request, shared: SharedDep) -> Response:
    """Hang up."""
    await _call(call_id, request, shared).hang_up()
    return Response(status_code=204)


@router.get("/calls/{call_id}/recording.wav")
async def recording(call_id: CallId, request: Request, shared: SharedDep) -> FileResponse:
    """What was said, customer left and bot right."""
    path = _call(call_id, request, shared).recording
    if path is None or not path.is_file():
        raise HTTPException(404, "This call has no recording.")
    keep = request.query_params.get("download") == "1"
    return FileResponse(
        path,
        media_type="audio/wav",
        filename=f"{call_id}.wav",
        content_disposition_type="attachment" if keep else "inline",
        headers={"cache-control": "private, no-cache"},
    )


async def _events(call: TalkCall, shared: Shared) -> AsyncGenerator[bytes, None]:
    quiet_s = 0
    yield b"retry: 1000\n\n"
    async with aclosing(call.events()) as told:
        async for one in told:
            if shared.stopping.is_set():
                return
            quiet_s = quiet_s + 1 if one is None else 0
            if one is not None:
                yield event(one.name, json.dumps(one.data))
            elif quiet_s % _HEARTBEAT_S == 0:
                yield b": quiet\n\n"


def _version(bot: TalkBot | None, text: str) -> int | None:
    if bot is None or not bot.versions:
        return None
    return next((version for version in bot.versions if str(version) == text), bot.versions[0])


async def _script(desk: TalkDesk, bot: str, version: int | None) -> tuple[TalkScript | None, str | None]:
    """The script, or why there is none."""
    try:
        return await desk.script(bot, version), None
    except BadFields as error:
        return None, "\n".join(problem for _, problem in error.problems)


async def _body(request: Request) -> object:
    try:
        given = json.loads(await read_body(request))
    except ValueError as error:
        raise Refused(400, "the body is no JSON") from error
    try:
        check_values("body", given)
    except ValueError as error:
        raise Refused(400, str(error)) from error
    return given


def _mistake(error: Exception) -> Response:
    if isinstance(error, ValidationError):
        lines = [f"{'.'.join(str(part) for part in item['loc'])}: {item['msg']}" for item in error.errors()]
    elif isinstance(error, BadFields):
        lines = [f"{field}: {problem}" for field, problem in error.problems]
    else:
        lines = [str(error)]
    status = error.status if isinstance(error, Refused) else 409 if isinstance(error, ControlRefused) else 422
    return JSONResponse({"mistakes": lines}, status)


def _desk(shared: Shared) -> TalkDesk:
    if shared.talk is None:
        raise ControlRefused("this dashboard only shows campaigns; nobody can be talked to here")
    return shared.talk


def _caller(request: Request) -> str:
    caller = request.cookies.get(_COOKIE, "")
    if not _CALLER.fullmatch(caller):
        raise ControlRefused("open the page /talk in this browser first, and let it keep its cookie")
    return caller


def _call(call_id: str, request: Request, shared: Shared) -> TalkCall:
    call = _desk(shared).call(_caller(request), call_id)
    if call is None:
        raise HTTPException(404, "There is no such call.")
    return call
