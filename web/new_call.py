"""A call to one number, from a link that opens the form filled in: nothing is dialled until the form is saved."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from urllib.parse import parse_qsl

from fastapi import APIRouter, Request
from fastapi.responses import RedirectResponse, Response
from pydantic import ValidationError
from sqlalchemy import select

from campaigns.errors import CampaignError
from storage.tables import campaigns
from web.api.bodies import check_values, read_body
from web.api.calls import NewCall, place
from web.api.problems import Refused
from web.api.route import Caller
from web.errors import BadFields, ControlRefused
from web.query import Query
from web.rendering import page
from web.state import Shared, SharedDep

router = APIRouter()

#: Fields of the form, and parameters of the link.
_FIELDS = ("campaign", "number", "name", "external_key", "language", "reference", "caller_id", "priority", "at")
#: Script variables are `var.NAME` in the link, and a line `NAME = value` each in the form.
_VARIABLE = "var."


@router.get("/calls/new")
async def new_call(request: Request, shared: SharedDep) -> Response:
    """The form, with what the link brings; changes nothing."""
    return await _form(request, shared, filled(request.query_params))


@router.post("/calls/new")
async def save_call(request: Request, shared: SharedDep) -> Response:
    """Save the form: the number is called as the campaign's rules let it."""
    if shared.control is None or shared.api is None:
        raise ControlRefused("this dashboard only shows campaigns; it places no calls")
    given = filled({})
    try:
        form = dict(parse_qsl((await read_body(request)).decode("utf-8", "replace"), keep_blank_values=True))
        given = filled(form)
        check_values("form", given)
        call = _read(given)
        caller = Caller(shared.api.account_id, "dashboard", shared, shared.api)
        added = await place(caller, call)
    except ValidationError as error:
        mistakes = [f"{'.'.join(str(part) for part in item['loc'])}: {item['msg']}" for item in error.errors()]
        return await _form(request, shared, given, mistakes, status=422)
    except BadFields as error:
        mistakes = [f"{field}: {problem}" for field, problem in error.problems]
        return await _form(request, shared, given, mistakes, status=422)
    except (Refused, CampaignError, ValueError) as error:
        status = error.status if isinstance(error, Refused) else 409
        return await _form(request, shared, given, [str(error)], status=status)
    return RedirectResponse(f"/campaigns/{added.contact.campaign_id}/contacts?phone={call.number[-9:]}", 303)


def filled(query: Query) -> dict[str, str]:
    """The form's fields out of a link or a form that was sent."""
    given = {name: query.get(name, "").strip() for name in _FIELDS}
    lines = [f"{name.removeprefix(_VARIABLE)} = {text}" for name, text in query.items() if name.startswith(_VARIABLE)]
    return given | {"variables": query.get("variables", "") or "\n".join(lines)}


def _read(given: Mapping[str, str]) -> NewCall:
    variables: dict[str, str] = {}
    for line in given["variables"].splitlines():
        name, equals, text = line.partition("=")
        if line.strip() and not equals:
            raise BadFields([("variables", f"the line {line.strip()[:60]!r} is no `name = value`")])
        if line.strip():
            variables[name.strip()] = text.strip()
    sent = {name: given[name] for name in _FIELDS if given[name]}
    return NewCall.model_validate(sent | {"variables": variables})


async def _form(
    request: Request, shared: Shared, given: Mapping[str, str], mistakes: Sequence[str] = (), *, status: int = 200
) -> Response:
    running = select(campaigns.c.code, campaigns.c.name).where(campaigns.c.state == "running").order_by(campaigns.c.id)
    if shared.api is not None:
        running = running.where(campaigns.c.account_id == shared.api.account_id)
    async with shared.database.read() as conn:
        choice = (await conn.execute(running)).all()
    may_save = shared.control is not None and shared.api is not None
    shown = {"given": given, "choice": choice, "mistakes": mistakes, "may_save": may_save}
    return page(request, "new_call.html", status=status, **shown)
