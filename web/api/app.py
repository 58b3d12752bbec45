"""The API as an application of its own, mounted under /api/v1: its refusals are never pages."""

from __future__ import annotations

import re
from functools import partial
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.openapi.utils import get_openapi
from starlette.exceptions import HTTPException

from web.api import attempts, calls, contacts, do_not_call, stock, webhooks
from web.api.campaigns import campaign_routes
from web.api.ports import ApiPorts
from web.api.problems import EXPECTED, MEDIA_TYPE, Problem, Refused, answer, explain
from web.state import Shared

PREFIX = "/api/v1"
_ALWAYS = {
    "401": "There is no valid token in the header Authorization.",
    "403": "The token lacks the scope, or the request came from where none may come.",
    "422": "A field or parameter cannot be used; `errors` names each.",
}
_NAMED = {"404": "What the address names does not exist, or is another account's."}
_WITH_BODY = {
    "400": "The body cannot be read as JSON.",
    "409": "It cannot be done as things stand, or its Idempotency-Key is in use.",
    "413": "The body is longer than 4 MiB.",
    "415": "The body is of another kind than JSON.",
}
_KEY_HEADER = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "schema": {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[!-~]+$"},
    "description": "A request repeated with its key within 24 hours gets the first one's answer, and does nothing.",
}


def create_api(shared: Shared, ports: ApiPorts) -> FastAPI:
    """The API over what the dashboard shares; `ports` are the program around it."""
    api = FastAPI(
        title="Campana",
        version="1",
        summary="Voicebot campaigns: contacts, calls, figures, do-not-call lists, webhooks.",
        description=(
            "Every request needs a token (`campana token create`) in the header `Authorization: Bearer …`; each "
            "operation names the scope that it needs. Refusals are problem documents (RFC 9457). Instants are UTC, "
            "lengths milliseconds, amounts decimals in text, numbers E.164."
        ),
        docs_url=None,
        redoc_url=None,
        openapi_url="/openapi.json",
        redirect_slashes=False,
    )
    api.state.shared, api.state.ports = shared, ports
    api.include_router(campaign_routes(ports.enrolment))
    for part in (contacts, calls, attempts, do_not_call, stock, webhooks):
        api.include_router(part.router)
    for kind in (*EXPECTED, HTTPException, RequestValidationError, Exception):
        api.add_exception_handler(kind, explain)
    api.add_exception_handler(405, partial(_other_method, api))
    api.openapi = lambda: _openapi(api)  # type: ignore[method-assign]
    return api


async def _other_method(api: FastAPI, request: Request, _error: Exception) -> Response:
    """Says which methods the address takes; of several routes at one address Starlette names one's alone."""
    path = request.url.path.removeprefix(PREFIX)
    taken: set[str] = set()
    for template, operations in _openapi(api)["paths"].items():
        if re.fullmatch(re.sub(r"\\{\w+\\}", "[^/]+", re.escape(template)), path):
            taken |= {method.upper() for method in operations}
    allow = ", ".join(sorted(taken)) or "GET"
    return answer(Refused(405, f"the address takes {allow} only", headers={"allow": allow}))


def _openapi(api: FastAPI) -> dict[str, Any]:
    if api.openapi_schema is None:
        found = get_openapi(
            title=api.title,
            version=api.version,
            summary=api.summary,
            description=api.description,
            routes=api.routes,
            servers=[{"url": PREFIX}],
        )
        _complete(found)
        api.openapi_schema = found
    return api.openapi_schema


def _complete(schema: dict[str, Any]) -> None:
    """Put in what holds for every operation: tokens, refusals, the key of repeated requests."""
    components = schema.setdefault("components", {})
    components["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer"}}
    schemas = components.setdefault("schemas", {})
    problem = Problem.model_json_schema(ref_template="#/components/schemas/{model}")
    schemas.update(problem.pop("$defs", {}))
    schemas["Problem"] = problem
    for path, operations in schema["paths"].items():
        for method, operation in operations.items():
            told = dict(_ALWAYS)
            told |= _NAMED if "{" in path else {}
            told |= _WITH_BODY if method != "get" else {}
            for status, description in told.items():
                operation["responses"][status] = _refusal(description)
            if method == "post":
                operation.setdefault("parameters", []).append(_KEY_HEADER)
    for unused in ("HTTPValidationError", "ValidationError"):
        schemas.pop(unused, None)


def _refusal(description: str) -> dict[str, Any]:
    return {"description": description, "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}}
