"""Campaigns: list, create, move, and how they stand."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import Select, select

from campaigns.campaigns import CampaignStatus
from campaigns.states import CampaignState
from reports.overview import overview
from reports.scope import campaign_head
from storage.tables import bots, campaigns
from web.api.figures import Figures, figures_of
from web.api.finding import CampaignRef, campaign_id_of, campaigns_of
from web.api.paging import Cursor, Limit, Listed, by_id, listed
from web.api.ports import Enrolment
from web.api.route import ApiRoute, CallerDep, needs
from web.control import Action
from web.errors import ControlRefused
from web.query import scope_of
from web.tokens import Scope

_COLUMNS = (
    *("id", "code", "name", "state", "is_test", "trunk", "backup_trunks", "region", "time_zone", "start_at", "end_at"),
    *("windows", "weekdays", "concurrency", "max_attempts", "created_at", "started_at", "finished_at"),
)


class Campaign(BaseModel):
    """A campaign."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"id": 7, "code": "SPRING", "name": "Spring offer", "state": "running", "bot": "Lan"}]
        }
    )

    id: int
    code: str = Field(description="The account's own name for it; stands in addresses as the id does.")
    name: str
    state: CampaignState
    is_test: bool = Field(description="A rehearsal: out of all figures but its own.")
    bot: str
    bot_version: int
    language: str
    trunks: list[str] = Field(description="In the order in which calls go out by them.")
    region: str
    time_zone: str
    start_at: datetime | None
    end_at: datetime | None
    windows: list[list[str]] = Field(description="Daily spans, local to the time zone; none: the whole day.")
    weekdays: list[int] = Field(description="ISO, Monday = 1; none: every day.")
    concurrency: int
    max_attempts: int
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None


class Status(BaseModel):
    """How a campaign stands."""

    id: int
    code: str
    name: str
    state: CampaignState
    waiting: bool = Field(description="Running, but outside every calling window.")
    opens_at: datetime | None = Field(description="The next instant inside a window, while it is waiting.")
    contacts: dict[str, int] = Field(description="Contacts by state; states without any are left out.")
    contacts_left: int = Field(description="Contacts that are not through yet.")
    live_calls: int
    attempts: int = Field(description="Calls placed.")
    started_at: datetime | None
    finished_at: datetime | None
    trunk: str | None = Field(description="By which its calls go out now; null while they wait, or it does not run.")
    trunk_told: str | None = Field(description="Why they wait, or go out by another trunk than the first.")


def campaign_rows() -> Select[Any]:
    """The columns of `Campaign`."""
    bot = (bots.c.name.label("bot"), bots.c.version.label("bot_version"), bots.c.language)
    return select(*(campaigns.c[name] for name in _COLUMNS), *bot).join(bots, bots.c.id == campaigns.c.bot_id)


def campaign_of(row: Mapping[Any, Any]) -> Campaign:
    """A row of `campaign_rows`."""
    same = {name: row[name] for name in Campaign.model_fields if name != "trunks"}
    return Campaign(**same, trunks=[row["trunk"], *row["backup_trunks"]])


def _status(found: CampaignStatus) -> Status:
    same = {name: getattr(found, name) for name in Status.model_fields if hasattr(found, name) and name != "contacts"}
    counts = {state.value: count for state, count in found.contacts.items()}
    return Status(**same, id=found.campaign_id, contacts=counts)


async def _act(caller: CallerDep, campaign_id: int, action: Action) -> Status:
    if caller.shared.control is None:
        raise ControlRefused("this program only shows campaigns; `campana campaign` starts and stops them")
    await caller.shared.control.act(campaign_id, action)
    return _status(await campaigns_of(caller).status(campaign_id))


def campaign_routes(enrolment: Enrolment) -> APIRouter:
    """The routes; `enrolment` says what a new campaign is made of."""
    router = APIRouter(route_class=ApiRoute, tags=["campaigns"])
    router.include_router(_router)

    @needs(Scope.CAMPAIGNS_WRITE)
    async def create_campaign(body: Any, caller: CallerDep, response: Response) -> Campaign:
        """Check the fields with their script and tariff, and store a campaign as a draft.

        The fields are those of the campaign file (docs/reference/campaign-file.md). `script` is its YAML text, or
        names a stored bot; `tariff` is its fields, or names a stored tariff.
        """
        campaign_id = await enrolment.create(caller.account_id, body)
        response.headers["location"] = f"/api/v1/campaigns/{campaign_id}"
        async with caller.database.read() as conn:
            row = (await conn.execute(campaign_rows().where(campaigns.c.id == campaign_id))).mappings().one()
        return campaign_of(row)

    create_campaign.__annotations__["body"] = enrolment.model
    router.add_api_route("/campaigns", create_campaign, methods=["POST"], status_code=201)
    return router


_router = APIRouter(route_class=ApiRoute)


@_router.get("/campaigns")
@needs(Scope.CAMPAIGNS_READ)
async def list_campaigns(
    *,
    caller: CallerDep,
    request: Request,
    response: Response,
    state: Annotated[CampaignState | None, Query(description="Those in this state alone.")] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Listed[Campaign]:
    """The account's campaigns, the newest first."""
    statement = campaign_rows().where(campaigns.c.account_id == caller.account_id)
    if state is not None:
        statement = statement.where(campaigns.c.state == state.value)
    async with caller.database.read() as conn:
        page = await by_id(conn, statement, campaigns.c.id, limit, cursor)
    return listed(request, response, [campaign_of(row) for row in page.rows], page.next)


@_router.get("/campaigns/{campaign}")
@needs(Scope.CAMPAIGNS_READ)
async def get_campaign(campaign: CampaignRef, caller: CallerDep) -> Campaign:
    """One campaign."""
    campaign_id = await campaign_id_of(caller, campaign)
    async with caller.database.read() as conn:
        row = (await conn.execute(campaign_rows().where(campaigns.c.id == campaign_id))).mappings().one()
    return campaign_of(row)


@_router.get("/campaigns/{campaign}/status")
@needs(Scope.CAMPAIGNS_READ)
async def campaign_status(campaign: CampaignRef, caller: CallerDep) -> Status:
    """How the campaign stands: contacts by state, live calls, and what its calls wait for."""
    return _status(await campaigns_of(caller).status(await campaign_id_of(caller, campaign)))


@_router.post("/campaigns/{campaign}/start")
@needs(Scope.CAMPAIGNS_WRITE)
async def start_campaign(campaign: CampaignRef, caller: CallerDep) -> Status:
    """Run a draft, now or from its start date on."""
    return await _act(caller, await campaign_id_of(caller, campaign), Action.START)


@_router.post("/campaigns/{campaign}/pause")
@needs(Scope.CAMPAIGNS_WRITE)
async def pause_campaign(campaign: CampaignRef, caller: CallerDep) -> Status:
    """Place no further call; live ones go on to their end."""
    return await _act(caller, await campaign_id_of(caller, campaign), Action.PAUSE)


@_router.post("/campaigns/{campaign}/resume")
@needs(Scope.CAMPAIGNS_WRITE)
async def resume_campaign(campaign: CampaignRef, caller: CallerDep) -> Status:
    """Run a paused campaign again."""
    return await _act(caller, await campaign_id_of(caller, campaign), Action.RESUME)


@_router.post("/campaigns/{campaign}/stop")
@needs(Scope.CAMPAIGNS_WRITE)
async def stop_campaign(campaign: CampaignRef, caller: CallerDep) -> Status:
    """End the campaign for good: waiting contacts are cancelled, live calls go on to their end."""
    return await _act(caller, await campaign_id_of(caller, campaign), Action.STOP)


@_router.get("/campaigns/{campaign}/overview")
@needs(Scope.CAMPAIGNS_READ)
async def campaign_overview(
    campaign: CampaignRef,
    caller: CallerDep,
    from_: Annotated[date | None, Query(alias="from", description="First day, in the account's time zone.")] = None,
    to: Annotated[date | None, Query(description="Last day, included.")] = None,
    test: Annotated[bool, Query(description="Count test and visitor calls too.")] = False,
) -> Figures:
    """Every figure of the overview report, as docs/reference/figures.md explains them."""
    campaign_id = await campaign_id_of(caller, campaign)
    days = {"from": from_.isoformat() if from_ else "", "to": to.isoformat() if to else "", "test": str(int(test))}
    async with caller.database.read() as conn:
        head = await campaign_head(conn, campaign_id)
        return figures_of(await overview(conn, scope_of(days, campaign_id, head.time_zone)))
