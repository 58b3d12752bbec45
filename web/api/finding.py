"""What an address names, found within the caller's account: another account's rows do not exist for it."""

from __future__ import annotations

from typing import Annotated

from fastapi import Path
from sqlalchemy import select

from campaigns.campaigns import Campaigns
from campaigns.errors import UnknownCampaign
from storage.tables import attempts, campaigns, contacts
from web.api.problems import Refused
from web.api.route import Caller
from web.errors import BadFields

_LARGEST = 2**63 - 1

CampaignRef = Annotated[
    str, Path(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$", description="The campaign's code, or its id.")
]
ContactId = Annotated[int, Path(ge=1, le=_LARGEST, description="The contact's id.")]
AttemptRef = Annotated[str, Path(pattern=r"^[0-9A-Za-z_-]{1,32}$", description="The attempt's id.")]
RowId = Annotated[int, Path(ge=1, le=_LARGEST)]


def campaigns_of(caller: Caller) -> Campaigns:
    """The campaigns as their owners handle them."""
    return Campaigns(caller.database, caller.shared.clock)


async def campaign_id_of(caller: Caller, ref: str) -> int:
    """The id of the campaign; raises `UnknownCampaign`."""
    return await campaigns_of(caller).find(ref, account_id=caller.account_id)


async def campaign_named(caller: Caller, text: str) -> int:
    """The same for one that a body or a parameter names; raises `BadFields`."""
    try:
        return await campaign_id_of(caller, text)
    except UnknownCampaign as error:
        raise BadFields([("campaign", "there is no such campaign; write the code or id of one")]) from error


async def require_contact(caller: Caller, contact_id: int) -> int:
    """The id of the contact's campaign; raises `Refused` with 404."""
    statement = (
        select(contacts.c.campaign_id)
        .join(campaigns, campaigns.c.id == contacts.c.campaign_id)
        .where(contacts.c.id == contact_id, campaigns.c.account_id == caller.account_id)
    )
    async with caller.database.read() as conn:
        found = await conn.scalar(statement)
    if found is None:
        raise Refused(404, f"there is no contact {contact_id}; the contacts of a campaign tell their ids")
    return int(found)


async def require_attempt(caller: Caller, attempt_id: str) -> None:
    """Raises `Refused` with 404 unless the attempt is the caller's account's."""
    statement = select(attempts.c.id).where(attempts.c.id == attempt_id, attempts.c.account_id == caller.account_id)
    async with caller.database.read() as conn:
        if await conn.scalar(statement) is None:
            raise Refused(404, f"there is no attempt {attempt_id}; the attempts of a campaign tell their ids")
