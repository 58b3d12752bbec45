"""The dashboard as an ASGI application."""

from __future__ import annotations

from pathlib import Path

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import PlainTextResponse, Response
from fastapi.staticfiles import StaticFiles
from starlette.exceptions import HTTPException

from reports.errors import BadFilter, NoSuchAttempt, NoSuchCampaign, ReportError
from storage.clock import Clock, SystemClock
from storage.database import Database
from web import calls, campaigns, exports, live, new_call, recordings, talk, trunks, usage
from web.access import API_PREFIX, Guard
from web.api.app import PREFIX, create_api
from web.api.ports import ApiPorts
from web.api.problems import explain
from web.control import CampaignControl
from web.errors import ControlRefused
from web.rendering import page
from web.state import Shared, WebSettings
from web.talking import TalkDesk

_STATIC = Path(__file__).parent / "static"
_STATUS: dict[type[Exception], int] = {NoSuchCampaign: 404, NoSuchAttempt: 404, BadFilter: 400, ControlRefused: 409}


def create_app(
    database: Database,
    settings: WebSettings,
    *,
    control: CampaignControl | None = None,
    clock: Clock | None = None,
    api: ApiPorts | None = None,
    talk_desk: TalkDesk | None = None,
) -> FastAPI:
    """The dashboard over an open database; `control`, when given, puts start, pause and stop on the pages.

    With `api` the API is served too, under /api/v1; with `talk_desk` the bots can be talked to, at /talk.
    """
    app = FastAPI(title="Campana", docs_url=None, redoc_url=None, openapi_url=None)
    app.state.shared = Shared(database, settings, control, clock or SystemClock(), api=api, talk=talk_desk)
    app.add_middleware(Guard, api_hosts=settings.api_hosts)
    for part in (campaigns, calls, new_call, live, recordings, exports, usage, trunks, talk):
        app.include_router(part.router)
    app.mount("/static", _Static(directory=_STATIC))
    if api is not None:
        app.mount(PREFIX, create_api(app.state.shared, api))
    app.add_api_route("/healthz", _health, response_class=PlainTextResponse, include_in_schema=False)
    app.add_exception_handler(ReportError, _explain)
    app.add_exception_handler(ControlRefused, _explain)
    app.add_exception_handler(HTTPException, _explain)
    app.add_exception_handler(RequestValidationError, _explain)
    return app


class _Static(StaticFiles):
    """Our own assets: a browser may keep them, but asks each time whether they have changed."""

    def file_response(self, *args: object, **kwargs: object) -> PlainTextResponse:
        response = super().file_response(*args, **kwargs)  # type: ignore[arg-type]
        response.headers["cache-control"] = "no-cache"
        return response  # type: ignore[return-value]


async def _health() -> str:
    return "ok\n"


async def _explain(request: Request, error: Exception) -> Response:
    """A page that says what is wrong, and what to do; a problem document for a program that missed the API."""
    if request.url.path.startswith(API_PREFIX):
        return await explain(request, error)
    if isinstance(error, HTTPException):
        status, text = error.status_code, "There is nothing here." if error.detail == "Not Found" else error.detail
    elif isinstance(error, RequestValidationError):
        status, text = 404, "There is nothing here."
    else:
        status = next((code for kind, code in _STATUS.items() if isinstance(error, kind)), 409)
        text = str(error)
    return page(request, "error.html", status=status, code=status, text=text)
