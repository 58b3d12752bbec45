"""Placing a call by request: a contact that comes into a running campaign and is called as its rules let it."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Response
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from campaigns.contacts import Added
from campaigns.states import CampaignState
from web.api.contact_shapes import (
    MOST_VARIABLES,
    CallerId,
    Contact,
    Key,
    Language,
    Name,
    NewContact,
    Phone,
    Priority,
    Text,
)
from web.api.contacts import add, contact_out, required_of
from web.api.finding import campaign_named, campaigns_of
from web.api.problems import Refused
from web.api.route import ApiRoute, Caller, CallerDep, needs
from web.api.stock import bot_of
from web.errors import BadFields
from web.tokens import Scope

router = APIRouter(route_class=ApiRoute, tags=["calls"])

#: The script variable in which a call's reference arrives.
REFERENCE = "reference"


class NewCall(BaseModel):
    """A call to be placed."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [{"campaign": "SPRING", "number": "+84901230001", "external_key": "order-9", "name": "An"}]
        },
    )

    campaign: str = Field(max_length=64, description="Code or id of a running campaign.")
    number: Phone
    external_key: Key | None = None
    name: Name | None = None
    bot: str | None = Field(None, max_length=200, description="Must be the campaign's; none: whichever it has.")
    language: Language | None = None
    reference: Text | None = Field(None, description="Your own reference; the script has it as {reference}.")
    caller_id: CallerId | None = None
    priority: Priority | None = None
    at: AwareDatetime | None = Field(None, description="Not before this instant; none: at once.")
    variables: dict[Annotated[str, Field(max_length=64)], Text] = Field(
        default_factory=dict, max_length=MOST_VARIABLES - 1, description="The reference takes the last place."
    )


class PlannedCall(BaseModel):
    """A call that is placed as soon as everything lets it; `GET /contacts/{contact}/explain` tells what does not."""

    contact: Contact
    created: bool = Field(description="False: the external key was there already, with the same content.")


def as_contact(call: NewCall) -> NewContact:
    """The contact that a call is made of."""
    same = ("number", "external_key", "name", "language", "caller_id", "priority")
    sent = {name: getattr(call, name) for name in same if getattr(call, name) is not None}
    variables = dict(call.variables) | ({REFERENCE: call.reference} if call.reference is not None else {})
    when = {"schedule_at": call.at} if call.at is not None else {}
    return NewContact.model_validate({**sent, **when, "variables": variables})


@router.post("/calls", status_code=201, responses={200: {"description": "The external key was there already."}})
@needs(Scope.CALLS_WRITE)
async def create_call(body: NewCall, caller: CallerDep, response: Response) -> PlannedCall:
    """Have a number called in a running campaign, by the campaign's bot and under all of its rules.

    The same external key with the same content is the same call (200); with other content it is refused (409).
    """
    added = await place(caller, body)
    response.status_code = 201 if added.created else 200
    response.headers["location"] = f"/api/v1/contacts/{added.contact.id}"
    return PlannedCall(contact=contact_out(added.contact), created=added.created)


async def place(caller: Caller, call: NewCall) -> Added:
    """Have a number called; raises `BadFields`, or `Refused` with 409."""
    campaign_id = await campaign_named(caller, call.campaign)
    await _require_callable(caller, campaign_id, call.bot)
    required = await required_of(caller, campaign_id)
    return await add(caller, campaign_id, as_contact(call), required, hold=False, update=False)


async def _require_callable(caller: Caller, campaign_id: int, bot: str | None) -> None:
    status = await campaigns_of(caller).status(campaign_id)
    if status.state is not CampaignState.RUNNING:
        raise Refused(
            409, f"campaign {status.code} is {status.state.value}; calls are placed while it runs: start or resume it"
        )
    if bot is not None and bot != (own := await bot_of(caller, campaign_id)):
        raise BadFields(
            [("bot", f"campaign {status.code} has the bot {own}; leave this out, or choose another campaign")]
        )
