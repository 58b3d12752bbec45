"""Every route of the API: who asks, with which scope, and with a body that can be read, before its own code runs."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Annotated, Any, TypeVar

from fastapi import Depends, Request, Response
from fastapi.routing import APIRoute

from storage.database import Database
from web.api.bodies import check_body, check_query, read_body
from web.api.idempotency import once
from web.api.ports import ApiPorts
from web.api.problems import Refused
from web.state import Shared
from web.tokens import Scope, Token, find_token

_SCOPE = "campana_scope"
F = TypeVar("F", bound=Callable[..., Any])


def needs(scope: Scope) -> Callable[[F], F]:
    """Mark an endpoint with the scope that its callers must have."""

    def mark(endpoint: F) -> F:
        setattr(endpoint, _SCOPE, scope)
        return endpoint

    return mark


@dataclass(frozen=True)
class Caller:
    """Who asks, and what its request is worked with."""

    account_id: int
    #: For the trail: a token's name, or the dashboard.
    by: str
    shared: Shared
    ports: ApiPorts

    @property
    def database(self) -> Database:
        return self.shared.database


def _caller(request: Request) -> Caller:
    caller: Caller = request.state.caller
    return caller


CallerDep = Annotated[Caller, Depends(_caller)]


class ApiRoute(APIRoute):
    """A route that asks for a token with its endpoint's scope, and takes POST requests once per Idempotency-Key."""

    def __init__(self, path: str, endpoint: Callable[..., Any], **options: Any) -> None:
        scope: Scope = getattr(endpoint, _SCOPE)
        told = inspect.cleandoc(options.get("description") or endpoint.__doc__ or "")
        options["description"] = f"{told}\n\nScope: `{scope.value}`."
        options["openapi_extra"] = {"security": [{"token": [scope.value]}], **(options.get("openapi_extra") or {})}
        super().__init__(path, endpoint, **options)

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """FastAPI's own handler behind what all routes share."""
        original = super().get_route_handler()
        scope: Scope = getattr(self.endpoint, _SCOPE)

        async def handler(request: Request) -> Response:
            shared: Shared = request.app.state.shared
            token = await authorise(request, shared, scope)
            ports: ApiPorts = request.app.state.ports
            request.state.caller = Caller(token.account_id, f"token {token.name}", shared, ports)
            check_query(request)
            check_body(request, await read_body(request))
            if request.method != "POST":
                return await original(request)
            return await once(shared.database, request, token.id, shared.clock.now, lambda: original(request))

        return handler


async def authorise(request: Request, shared: Shared, scope: Scope) -> Token:
    """The token that the request came with; raises `Refused` with 401 or 403."""
    kind, _, secret = request.headers.get("authorization", "").partition(" ")
    if kind.lower() != "bearer" or not secret.strip():
        raise _unknown("send the header Authorization: Bearer SECRET; `campana token create` makes a token")
    token = await find_token(shared.database, secret.strip(), shared.clock.now())
    if token is None:
        raise _unknown("there is no token with this secret; `campana token list` names those that there are")
    state = token.state(shared.clock.now())
    if state != "valid":
        raise _unknown(f"the token {token.name} is {state}; make another with `campana token create`")
    if not token.may(scope):
        raise Refused(
            403,
            f"the token {token.name} lacks the scope {scope.value}; make one that has it",
            kind="missing-scope",
            headers={"www-authenticate": f'Bearer error="insufficient_scope", scope="{scope.value}"'},
        )
    return token


def _unknown(detail: str) -> Refused:
    return Refused(401, detail, headers={"www-authenticate": 'Bearer realm="campana"'})
