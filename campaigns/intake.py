"""Campaigns that are to take contacts in."""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy import RowMapping, select
from sqlalchemy.ext.asyncio import AsyncConnection

from campaigns.errors import CampaignError, UnknownCampaign
from campaigns.states import CampaignState
from storage.tables import campaigns

_TAKING: Final = {CampaignState.DRAFT, CampaignState.SCHEDULED, CampaignState.RUNNING, CampaignState.PAUSED}


async def lock_campaign(conn: AsyncConnection, campaign_id: int) -> RowMapping:
    """The campaign's row, held against others that add contacts or dial until the transaction ends.

    Raises `UnknownCampaign`.
    """
    row = select(campaigns).where(campaigns.c.id == campaign_id).with_for_update(key_share=True)
    campaign = (await conn.execute(row)).mappings().first()
    if campaign is None:
        raise UnknownCampaign(f"there is no campaign with the id {campaign_id}")
    return campaign


def refuse_closed(campaign: RowMapping | dict[str, Any]) -> None:
    """Raises `CampaignError` when the campaign has ended."""
    if campaign["state"] not in _TAKING:
        raise CampaignError(
            f"campaign {campaign['code']} is {campaign['state']} and takes no contacts; create another for this list"
        )
