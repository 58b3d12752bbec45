"""What campaigns are made of and dialled by: stored bots and tariffs, trunks with their health, usage."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Request, Response
from pydantic import BaseModel, Field
from sqlalchemy import select

from campaigns.trunks import Trunks, TrunkStatus
from reports.overview import account_zone
from reports.usage import Month, months_between, usage
from storage.tables import bots, campaigns, tariffs
from web.api.figures import Sums, sums_of
from web.api.paging import Cursor, Limit, Listed, by_id, listed
from web.api.route import ApiRoute, Caller, CallerDep, needs
from web.tokens import Scope

router = APIRouter(route_class=ApiRoute)

_MONTH = r"^[0-9]{4}-(0[1-9]|1[0-2])$"


class Bot(BaseModel):
    """A stored bot; a new campaign may name it instead of bringing a script."""

    id: int
    name: str
    version: int
    language: str
    voice: str
    speed: float
    created_at: datetime


class Tariff(BaseModel):
    """A stored tariff; a new campaign may name it instead of bringing its fields."""

    id: int
    name: str
    currency: str
    valid_from: datetime


class Trunk(BaseModel):
    """A way out to the telephone network."""

    name: str
    health: str = Field(description="healthy, suspect, paused or trying.")
    channels: int
    cps: float = Field(description="New calls a second.")
    live_calls: int
    failures: int = Field(description="Calls in a row that failed by its fault.")
    failures_allowed: int = Field(description="How many of them pause it.")
    paused_at: datetime | None
    pause_reason: str | None
    probe_at: datetime | None = Field(description="When it is tried next; null: a person resumes it.")


class UsageLine(BaseModel):
    """What one bot used in one month; `month` and `bot` are TOTAL in the last row."""

    month: str
    bot: str
    currency: str
    totals: Sums


class Usage(BaseModel):
    """Usage by month and bot."""

    time_zone: str
    data: list[UsageLine]


async def bot_of(caller: Caller, campaign_id: int) -> str:
    """The name of the campaign's bot."""
    wanted = select(bots.c.name).join(campaigns, campaigns.c.bot_id == bots.c.id).where(campaigns.c.id == campaign_id)
    async with caller.database.read() as conn:
        return str(await conn.scalar(wanted))


def _trunk(found: TrunkStatus) -> Trunk:
    fields = {"name": found.name, "channels": found.channels, "cps": found.cps, "live_calls": found.live_calls}
    row: dict[str, Any] = fields | found.breaker.as_row()
    return Trunk.model_validate({name: row[name] for name in Trunk.model_fields})


@router.get("/bots", tags=["campaigns"])
@needs(Scope.CAMPAIGNS_READ)
async def list_bots(
    caller: CallerDep, request: Request, response: Response, limit: Limit = 50, cursor: Cursor = None
) -> Listed[Bot]:
    """The account's bots, each version, the newest first."""
    statement = select(*(bots.c[name] for name in Bot.model_fields)).where(bots.c.account_id == caller.account_id)
    async with caller.database.read() as conn:
        page = await by_id(conn, statement, bots.c.id, limit, cursor)
    return listed(request, response, [Bot.model_validate(dict(row)) for row in page.rows], page.next)


@router.get("/tariffs", tags=["campaigns"])
@needs(Scope.CAMPAIGNS_READ)
async def list_tariffs(
    caller: CallerDep, request: Request, response: Response, limit: Limit = 50, cursor: Cursor = None
) -> Listed[Tariff]:
    """The account's tariffs, the newest first."""
    columns = (tariffs.c[name] for name in Tariff.model_fields)
    statement = select(*columns).where(tariffs.c.account_id == caller.account_id)
    async with caller.database.read() as conn:
        page = await by_id(conn, statement, tariffs.c.id, limit, cursor)
    return listed(request, response, [Tariff.model_validate(dict(row)) for row in page.rows], page.next)


@router.get("/trunks", tags=["trunks"])
@needs(Scope.TRUNKS_READ)
async def list_trunks(caller: CallerDep) -> list[Trunk]:
    """Every trunk with its health, by name."""
    return [_trunk(found) for found in await Trunks(caller.database, caller.shared.clock).all()]


@router.get("/trunks/{trunk}", tags=["trunks"])
@needs(Scope.TRUNKS_READ)
async def get_trunk(
    trunk: Annotated[str, Path(pattern=r"^[A-Za-z0-9_.-]{1,64}$", description="The trunk's name.")], caller: CallerDep
) -> Trunk:
    """One trunk."""
    return _trunk(await Trunks(caller.database, caller.shared.clock).status(trunk))


@router.get("/usage", tags=["usage"])
@needs(Scope.USAGE_READ)
async def get_usage(
    caller: CallerDep,
    from_: Annotated[
        str | None, Query(alias="from", pattern=_MONTH, description="First month, such as 2026-03; none: the present.")
    ] = None,
    to: Annotated[str | None, Query(pattern=_MONTH, description="Last month, included; none: the present.")] = None,
    test: Annotated[bool, Query(description="Count test and visitor calls too.")] = False,
) -> Usage:
    """A row a month and bot, and their total, as finance reviews them; months begin in the account's time zone."""
    async with caller.database.read() as conn:
        zone = await account_zone(conn)
        last = Month.parse(to) if to else Month.of(caller.shared.clock.now(), zone)
        first = Month.parse(from_) if from_ else last
        rows = await usage(conn, months_between(first, last), time_zone=zone, include_test=test)
    lines = [UsageLine(month=row.month, bot=row.bot, currency=row.currency, totals=sums_of(row.totals)) for row in rows]
    return Usage(time_zone=zone, data=lines)
