"""Refusals as problem documents (RFC 9457): every answer from 400 on says what is wrong and what to do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any, Final
from uuid import uuid4

import structlog
from fastapi import Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy.exc import OperationalError
from starlette.exceptions import HTTPException

from campaigns.errors import CampaignError, NotSuppressed, UnknownCampaign, UnknownContact, UnknownTrunk
from campaigns.webhook_targets import BadTarget
from campaigns.webhooks import UnknownWebhook
from reports.errors import BadFilter, NoSuchAttempt, NoSuchCampaign, ReportError
from web.errors import BadFields, WebError

log = structlog.get_logger(__name__)

MEDIA_TYPE = "application/problem+json"
#: The first that fits decides.
_STATUSES: Final[Sequence[tuple[tuple[type[Exception], ...], int]]] = (
    (
        (UnknownCampaign, UnknownContact, UnknownTrunk, UnknownWebhook, NotSuppressed, NoSuchCampaign, NoSuchAttempt),
        404,
    ),
    ((BadFilter, BadTarget), 422),
    ((CampaignError, ReportError, WebError), 409),
)
#: Status → the kind's name in its URN, and its title.
_KINDS: Final = {
    400: ("unreadable", "The request cannot be read"),
    401: ("no-token", "A token is needed"),
    403: ("forbidden", "Not allowed"),
    404: ("not-found", "There is nothing here"),
    405: ("method-not-allowed", "The address does not take this method"),
    409: ("conflict", "It cannot be done as things stand"),
    413: ("too-long", "The body is too long"),
    415: ("not-json", "The body is of another kind than JSON"),
    422: ("unusable", "Something in the request cannot be used"),
    500: ("failed", "The request failed by our own fault"),
    503: ("database-unavailable", "The database does not answer"),
}


class FieldProblem(BaseModel):
    """One mistake in a request."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"field": "number", "problem": "too short"}]})

    field: str = Field(description="Where it is: the field's path in the body, or the parameter's name.")
    problem: str = Field(description="What is wrong with it, and what to write instead.")


class Problem(BaseModel):
    """Why a request was refused (RFC 9457)."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "type": "urn:campana:problem:forbidden",
                    "title": "Not allowed",
                    "status": 403,
                    "detail": "the token crm lacks the scope campaigns:write",
                }
            ]
        }
    )

    type: str = Field(description="Kind of problem, a URN that does not change.")
    title: str = Field(description="The kind in words.")
    status: int = Field(description="The answer's HTTP status.")
    detail: str = Field(description="What is wrong with this request, and what to do.")
    errors: list[FieldProblem] | None = Field(None, description="Each mistake, where there may be several.")


class Refused(Exception):
    """A request is refused with this status; the message is the problem's detail."""

    def __init__(
        self,
        status: int,
        detail: str,
        *,
        kind: str | None = None,
        errors: Sequence[FieldProblem] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.kind = kind
        self.errors = list(errors)
        self.headers = dict(headers or {})


#: What a request can run into without a fault of ours.
EXPECTED: Final = (Refused, CampaignError, ReportError, WebError, OperationalError)


def answer(refused: Refused) -> JSONResponse:
    """The problem document of a refusal."""
    status = refused.status
    kind, title = _KINDS.get(status) or ("other", HTTPStatus(status).phrase)
    body: dict[str, Any] = {
        "type": f"urn:campana:problem:{refused.kind or kind}",
        "title": title,
        "status": status,
        "detail": str(refused) or title,
    }
    if refused.errors:
        body["errors"] = [each.model_dump() for each in refused.errors]
    return JSONResponse(body, status, {"cache-control": "no-store", **refused.headers}, MEDIA_TYPE)


def refusal_of(error: Exception) -> Refused:
    """The refusal that an error amounts to."""
    if isinstance(error, Refused):
        return error
    if isinstance(error, RequestValidationError):
        return _invalid(error)
    if isinstance(error, HTTPException):
        return _of_http(error)
    if isinstance(error, BadFields):
        errors = [FieldProblem(field=field, problem=problem) for field, problem in error.problems]
        return Refused(422, str(error), errors=errors)
    status = next((status for kinds, status in _STATUSES if isinstance(error, kinds)), None)
    if status is not None:
        return Refused(status, str(error))
    return _failed(error)


def _failed(error: Exception) -> Refused:
    if isinstance(error, OperationalError):
        log.error("api_database_failed", exc_info=error)
        return Refused(503, "the database does not answer; try again in a moment", headers={"retry-after": "5"})
    number = uuid4().hex[:12]
    log.error("api_failed", number=number, exc_info=error)
    return Refused(500, f"the request failed by our own fault, which the log of the program tells under {number}")


async def explain(_request: Request, error: Exception) -> JSONResponse:
    """Exception handler: any error as a problem document."""
    return answer(refusal_of(error))


def _of_http(error: HTTPException) -> Refused:
    detail = str(error.detail)
    if error.status_code == 404 and detail == "Not Found":
        detail = "there is no such address; /api/v1/openapi.json lists those that there are"
    return Refused(error.status_code, detail, headers=error.headers)


def _invalid(error: RequestValidationError) -> Refused:
    if any(item["loc"][:1] == ("path",) for item in error.errors()):
        return Refused(404, "there is nothing at this address: what stands in it names nothing that exists")
    found = [FieldProblem(field=_place(item["loc"]), problem=_told(item)) for item in error.errors()]
    first = found[0]
    more = f" (and {len(found) - 1} more)" if len(found) > 1 else ""
    return Refused(422, f"{first.field}: {first.problem}{more}", errors=found)


def _place(loc: Sequence[Any]) -> str:
    parts = [str(part) for part in loc[1:]]
    return ".".join(parts) or str(loc[0])


def _told(item: Mapping[str, Any]) -> str:
    message = str(item["msg"]).removeprefix("Value error, ")
    if item["type"] == "extra_forbidden":
        return "there is no such field; /api/v1/openapi.json lists those that there are"
    if item["type"] == "missing":
        return "this is required"
    return message[:1].lower() + message[1:]
