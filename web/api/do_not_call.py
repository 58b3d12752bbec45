"""Numbers that may not be called: the account's own list, and everything else that stands against a number."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Path, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import select

from campaigns import suppression
from campaigns.do_not_call import DoNotCall
from campaigns.numbers import InvalidNumber, normalise
from storage.tables import accounts, campaigns, do_not_call
from web.api.finding import campaign_named
from web.api.paging import Cursor, Limit, Listed, by_id, listed
from web.api.route import ApiRoute, Caller, CallerDep, needs
from web.errors import BadFields
from web.tokens import Scope

router = APIRouter(route_class=ApiRoute, tags=["do-not-call"])

Number = Annotated[
    str, Path(min_length=3, max_length=32, description="A telephone number; without + in the account's region.")
]
Reason = Annotated[str, Query(min_length=1, max_length=500, description="Why; kept with what was taken out.")]


class NewEntry(BaseModel):
    """A number that is not to be called."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"number": "+84901230001", "reason": "asked by letter"}]}
    )

    number: str = Field(min_length=3, max_length=64, description="Without + it is read in the account's region.")
    reason: str = Field(min_length=1, max_length=500, description="Why; kept as the entry's evidence.")


class Entry(BaseModel):
    """An entry of the account's own list."""

    number: str
    source: str = Field(description="opt_out, import or manual.")
    evidence: str | None = Field(description="What was said or pressed, or why it was entered.")
    attempt_id: str | None
    by: str | None
    created_at: datetime


class Added(BaseModel):
    """What became of an entry."""

    number: str
    is_new: bool = Field(description="False when it stood there already; its first entry is kept.")


class Hindrance(BaseModel):
    """One thing that stands against calling a number."""

    against: str = Field(description="opt_out, do_not_call, list or pattern.")
    name: str = Field(description="Of the list, or the pattern itself.")
    text: str


class Check(BaseModel):
    """Whether a number may be called, as far as lists go."""

    number: str
    may_be_called: bool
    standing: list[Hindrance]


def _of(caller: Caller) -> DoNotCall:
    return DoNotCall(caller.database, caller.shared.clock, caller.account_id)


async def number_of(caller: Caller, text: str, field: str = "number") -> str:
    """The number in E.164; raises `BadFields`."""
    async with caller.database.read() as conn:
        region = await conn.scalar(select(accounts.c.region).where(accounts.c.id == caller.account_id))
    found = normalise(text, region or "")
    if isinstance(found, InvalidNumber):
        raise BadFields([(field, found.reason)])
    return found.e164


@router.get("/do-not-call")
@needs(Scope.DNC_READ)
async def list_entries(
    caller: CallerDep, request: Request, response: Response, limit: Limit = 50, cursor: Cursor = None
) -> Listed[Entry]:
    """The account's own list, the newest entry first."""
    columns = [do_not_call.c[name] for name in Entry.model_fields]
    statement = select(do_not_call.c.id, *columns).where(do_not_call.c.account_id == caller.account_id)
    async with caller.database.read() as conn:
        page = await by_id(conn, statement, do_not_call.c.id, limit, cursor)
    return listed(request, response, [Entry.model_validate(row) for row in page.rows], page.next)


@router.post("/do-not-call", status_code=201)
@needs(Scope.DNC_WRITE)
async def add_entry(body: NewEntry, caller: CallerDep) -> Added:
    """Put a number onto the account's own list; no campaign calls it from the next claim on."""
    number = await number_of(caller, body.number)
    added = await _of(caller).add([number], by=caller.by, reason=body.reason)
    return Added(number=number, is_new=added == 1)


@router.get("/do-not-call/{number}")
@needs(Scope.DNC_READ)
async def check_number(
    number: Number,
    caller: CallerDep,
    campaign: Annotated[str | None, Query(max_length=64, description="Code or id; none: the whole account.")] = None,
) -> Check:
    """Everything that stands against calling the number: own list, named lists, registers, patterns."""
    e164 = await number_of(caller, number)
    campaign_id = None if campaign is None else await campaign_named(caller, campaign)
    async with caller.database.read() as conn:
        of: suppression.CampaignRow = suppression.whole_account(caller.account_id)
        if campaign_id is not None:
            of = (await conn.execute(select(campaigns).where(campaigns.c.id == campaign_id))).mappings().one()
        standing = await suppression.standing(conn, of, e164)
    found = [Hindrance(against=each.against.value, name=each.name, text=each.text) for each in standing]
    return Check(number=e164, may_be_called=not found, standing=found)


@router.delete("/do-not-call/{number}", status_code=204)
@needs(Scope.DNC_WRITE)
async def remove_entry(
    number: Number,
    caller: CallerDep,
    reason: Reason,
    force: Annotated[bool, Query(description="Also take out a customer's own wish.")] = False,
) -> None:
    """Take a number off the account's own list; the trace keeps what the entry was."""
    e164 = await number_of(caller, number)
    await _of(caller).remove(e164, by=caller.by, reason=reason, force=force)
